package triage

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
)

// SelfChecker checks everything that investigations need. Run returns after limit at the latest.
type SelfChecker interface {
	Run(ctx context.Context, limit time.Duration) selfcheck.Report
}

// maxSelfCheck is how long a self-check may take: a cold start of the tool, and three requests to a model.
const maxSelfCheck = 60 * time.Second

// isSelfCheck reports whether an event requests a self-check, as [config.SelfCheckEvent] does, and whether its result
// stays in the answer, as that of [config.SilentSelfCheckEvent] does.
func isSelfCheck(raw []byte) (ok, silent bool) {
	var order struct {
		SelfCheck bool  `json:"selfCheck"`
		Notify    *bool `json:"notify"`
	}
	ok = json.Unmarshal(raw, &order) == nil && order.SelfCheck
	return ok, ok && order.Notify != nil && !*order.Notify
}

// selfCheck runs the self-check and sends a notification if somebody must act. If the notification cannot
// reach anybody, it returns an error, which Lambda reports through the Errors metric and the destination
// for failed events. A silent self-check only answers: whoever invoked the function acts on it.
func (h *Handler) selfCheck(ctx context.Context, owner string, silent bool) (Answer, error) {
	budget := budgetOf(ctx, h.Now())
	checked := h.SelfCheck.Run(ctx, min(maxSelfCheck, budget.agentEnds.Sub(h.Now())))
	answer := Answer{Results: []Result{}, SelfCheck: &checked}
	if silent {
		h.Log.Info("silent self-check ended", "checks", len(checked.Checks), "problems", len(checked.Findings()))
		return answer, nil
	}
	findings := checked.Findings()
	h.emit(map[string]float64{emf.SelfCheckProblems: float64(len(findings))})
	h.Log.Info("self-check ended", "checks", len(checked.Checks), "problems", len(findings))
	if len(findings) == 0 {
		return answer, nil
	}
	for _, found := range findings {
		h.Log.Warn("self-check found a problem", "part", found.Part, "state", string(found.State),
			"detail", found.Detail, "remedy", found.Remedy)
	}
	bounded, cancel := budget.part(ctx, h.Now(), notifyShare, maxNotify)
	defer cancel()
	if err := h.Topic.Publish(bounded, h.selfCheckNotification(checked, owner)); err != nil {
		h.emit(map[string]float64{emf.NotificationFailures: 1})
		h.Log.Error("self-check not notified", "error", err, "advice", awsapi.Advice(err))
		return answer, fmt.Errorf("the self-check found %s, and the notification could not be sent: %w", inBrief(findings), err)
	}
	if checked.HasNoSubscribers() {
		return answer, fmt.Errorf("the self-check found %s, and nobody receives the notification", inBrief(findings))
	}
	return answer, nil
}

// inBrief returns the findings on one line, for the text of an error.
func inBrief(findings []selfcheck.Check) string {
	parts := make([]string, len(findings))
	for i, found := range findings {
		parts[i] = fmt.Sprintf("%s: %s %s", found.Part, found.Detail, found.Remedy)
	}
	return fmt.Sprintf("%s (%s)", plural.Of(len(findings), "problem"), strings.Join(parts, "; "))
}

// selfCheckNotification returns the notification of a self-check. owner is the same for each retry by Lambda.
func (h *Handler) selfCheckNotification(checked selfcheck.Report, owner string) notify.Notification {
	findings := checked.Findings()
	var b strings.Builder
	b.WriteString(report.Note(fmt.Sprintf("The self-check of alarm triage %s in %s at %s found %s. "+
		"No alarm caused this notification, and nothing was investigated.",
		h.FunctionName, h.Region, checked.CheckedAt.Format("2006-01-02 15:04 MST"), plural.Of(len(findings), "problem"))))
	for _, found := range findings {
		b.WriteString(report.Note(heading(found.State) + found.Part + "\n" + found.Detail + "\nWhat to do: " + found.Remedy))
	}
	if working := partsIn(checked, selfcheck.StateOK); working != "" {
		b.WriteString(report.Note("Checked and OK: " + working + "."))
	}
	if skipped := partsIn(checked, selfcheck.StateSkipped); skipped != "" {
		b.WriteString(report.Note("Not checked: " + skipped + "."))
	}
	fmt.Fprintf(&b, "Check again:\n\n    aws lambda invoke --region %s --function-name %s --cli-read-timeout 0 "+
		"--cli-binary-format raw-in-base64-out --payload '%s' /dev/stdout\n",
		h.Region, h.FunctionName, config.SelfCheckEvent)
	return notify.Notification{
		Subject:    fmt.Sprintf("Alarm triage self-check: %s (%s)", plural.Of(len(findings), "problem"), h.FunctionName),
		Body:       b.String(),
		Attributes: map[string]string{"outcome": "self-check", "region": h.Region},
		Group:      "self-check",
		ID:         owner + "/self-check",
	}
}

// heading returns the first words of a finding.
func heading(state selfcheck.State) string {
	if state == selfcheck.StateWarning {
		return "WARNING: "
	}
	return "PROBLEM: "
}

// partsIn returns the parts in a state, separated by commas.
func partsIn(checked selfcheck.Report, state selfcheck.State) string {
	var parts []string
	for _, check := range checked.Checks {
		if check.State == state {
			parts = append(parts, check.Part)
		}
	}
	return strings.Join(parts, ", ")
}
