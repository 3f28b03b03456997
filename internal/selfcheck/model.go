package selfcheck

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/modelerror"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
)

const (
	// question is the text that a model is asked. It has about 15 tokens.
	question = "This is a test. Answer with the word OK."

	// answerTokens bounds the answer. It is the smallest limit that the models of every provider accept.
	answerTokens = 16

	// modelAttempts is how often a model is asked if it throttles or fails.
	modelAttempts = 3

	// modelPause is the wait before the second attempt. It doubles before the third.
	modelPause = 2 * time.Second

	// noticeOfRetirement is how long before a model's end of life the self-check begins to warn about it.
	// Bedrock announces the end of life at least 45 days ahead.
	noticeOfRetirement = 60 * 24 * time.Hour
)

// model checks that a model answers. An answer without text counts too, since reasoning can use up the few
// tokens.
func (c *Checker) model(ctx context.Context, id string) Check {
	started := c.Now()
	out, err := c.ask(ctx, id)
	if err != nil {
		class, state := modelerror.Classify(err), StateProblem
		if class.Kind == modelerror.Throttled {
			state = StateWarning // temporary; a used-up daily quota has another kind
		}
		detail := sentence("The model does not answer: " + awsapi.Answer(err))
		return Check{State: state, Detail: detail, Remedy: modelerror.Advice(err, id, c.Region, modelerror.Orchestrator), Cause: class.Cause}
	}
	if out.StopReason == types.StopReasonGuardrailIntervened {
		return problem(fmt.Sprintf("Guardrail %s blocks a harmless question.", c.Config.GuardrailID),
			"Relax the guardrail, or change the prop Guardrail. It would block investigations too.")
	}
	return fine(fmt.Sprintf("The model answered in %s.", c.Now().Sub(started).Round(time.Millisecond)))
}

// ask asks the model until it answers, the error is permanent, or the attempts are used up.
func (c *Checker) ask(ctx context.Context, id string) (*bedrockruntime.ConverseOutput, error) {
	for attempt := 1; ; attempt++ {
		out, err := c.Model.Converse(ctx, c.request(id))
		if err == nil {
			return out, nil
		}
		if attempt == modelAttempts || !isTransient(err) {
			return nil, err
		}
		if c.pause(ctx, modelPause<<(attempt-1)) != nil {
			return nil, err // more specific than the end of the context
		}
	}
}

// isTransient reports whether a retry may help.
func isTransient(err error) bool {
	switch modelerror.Classify(err).Kind {
	case modelerror.Throttled, modelerror.Fault, modelerror.Timeout:
		return true
	}
	return false
}

func (c *Checker) request(id string) *bedrockruntime.ConverseInput {
	text := []types.ContentBlock{&types.ContentBlockMemberText{Value: question}}
	in := &bedrockruntime.ConverseInput{
		ModelId:         &id,
		Messages:        []types.Message{{Role: types.ConversationRoleUser, Content: text}},
		InferenceConfig: &types.InferenceConfiguration{MaxTokens: aws.Int32(answerTokens)},
	}
	if c.Config.GuardrailID != "" {
		in.GuardrailConfig = &types.GuardrailConfiguration{
			GuardrailIdentifier: &c.Config.GuardrailID, GuardrailVersion: &c.Config.GuardrailVersion,
		}
	}
	return in
}

func (c *Checker) pause(ctx context.Context, d time.Duration) error {
	if c.Pause != nil {
		return c.Pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judgeModels turns the problems of models into warnings if another model answers, since investigations
// still reach a conclusion. checks begins with one check per model, in the order of ids.
func judgeModels(ids []string, checks []Check) {
	checks = checks[:len(ids)]
	working := ""
	for i, check := range checks {
		if check.State == StateOK {
			working = ids[i]
			break
		}
	}
	if working == "" {
		return
	}
	before := true // whether the model is asked before the one that answers
	for i := range checks {
		switch {
		case checks[i].State == StateOK:
			before = false
			continue
		case before:
			checks[i].Detail += " Until it answers, investigations use " + working + "."
		default:
			checks[i].Detail += " It is a fallback; " + working + " answers."
		}
		checks[i].State = StateWarning
	}
}

// lifecycle checks that a model does not retire soon.
func (c *Checker) lifecycle(ctx context.Context, id string) Check {
	parsed := models.Parse(id)
	switch parsed.Kind {
	case "", "inference-profile", "foundation-model":
	default:
		return skipped(fmt.Sprintf("The ARN of %s does not name the foundation model behind it.", withArticle(parsed.Kind)))
	}
	life, err := c.Lifecycles.Lifecycle(ctx, parsed.Model)
	if err == nil {
		return c.judgeLifecycle(life.Legacy, life.EndOfLife, life.ExtendedAccess)
	}
	known := models.Lookup(id)
	why := "Bedrock did not return the life cycle (" + awsapi.Answer(err) + ")"
	if !known.Known {
		return skipped(why + ", and this version of alarmtriage does not know the model.")
	}
	found := c.judgeLifecycle(known.Lifecycle.State != models.StateActive, known.Lifecycle.EndOfLife.Time, time.Time{})
	note := fmt.Sprintf("%s. The dates are from alarmtriage's catalog of %s.", why, known.Checked)
	found.Notes = append(found.Notes, note)
	return found
}

// judgeLifecycle returns the check of a life cycle. A date that is not known is zero.
func (c *Checker) judgeLifecycle(legacy bool, end, extended time.Time) Check {
	const day = "2006-01-02"
	now := c.Now()
	const remedy = "Set BedrockModelId or FallbackModelIds to a model that is Active, and deploy. " +
		"If you use the defaults, update alarmtriage."
	switch {
	case !end.IsZero() && !end.After(now):
		return warning(fmt.Sprintf("The model reached its end of life on %s.", end.Format(day)), remedy)
	case !end.IsZero() && end.Sub(now) <= noticeOfRetirement:
		days := int(end.Sub(now).Hours() / 24)
		return warning(fmt.Sprintf("The model retires on %s, in %s.", end.Format(day), plural.Of(days, "day")), remedy)
	case legacy:
		detail := "The model is Legacy: it will retire, and Bedrock may deny it to accounts that have not used it recently."
		if !end.IsZero() {
			detail += " Its end of life is " + end.Format(day) + "."
		}
		if !extended.IsZero() {
			detail += " It may cost more from " + extended.Format(day) + " on."
		}
		return warning(detail, remedy)
	case !end.IsZero():
		return fine("The model is Active until " + end.Format(day) + ".")
	}
	return fine("The model is Active.")
}

// withArticle returns a noun with its indefinite article.
func withArticle(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}
