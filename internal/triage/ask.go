package triage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/emf"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/notify"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/plural"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// Asker lets a model answer a question about a finished investigation. earlier are the answers to earlier questions, oldest
// first. Ask returns an answer even if no model answers, and, with an error, one that states the tokens and the cost.
type Asker interface {
	Ask(
		ctx context.Context, limits investigation.Limits, rec *investigation.Record, earlier []investigation.Answer, question string,
	) (*investigation.Answer, error)
}

// askOrder is the member "ask" of an event.
type askOrder struct {
	Report   string `json:"report"` // S3 URI or key of one of the report's objects
	Question string `json:"question"`
}

// AskResult is the answer to a question, without its rounds.
type AskResult struct {
	Problem  string `json:"problem,omitempty"`   // why there is no answer, or why it is not stored
	NotFound bool   `json:"not_found,omitempty"` // there is no answer, because the report does not exist
	*investigation.Answer
}

// question is the work on one question.
type question struct {
	*Handler
	id      string // the same for each retry by Lambda
	rec     *investigation.Record
	keys    report.Keys
	text    string
	started time.Time
	budget  budget
	log     *slog.Logger
}

// answerQuestion answers a question about a report. Nobody is notified of it except the thread of the report's chat card.
func (h *Handler) answerQuestion(ctx context.Context, owner string, o order) (*AskResult, error) {
	reject := func(problem string) (*AskResult, error) {
		return &AskResult{Problem: h.rejected("question", problem)}, nil
	}
	var sent askOrder
	if err := o.decode(o.Ask, &sent); err != nil {
		return reject(fmt.Sprintf(`the event is not understood: %v. Want {"ask": {"report": "s3://…", "question": "…"}}`, err))
	}
	if err := investigation.CheckQuestion(sent.Question); err != nil {
		return reject(err.Error())
	}
	rec, keys, problem, err := h.recordOf(ctx, sent.Report)
	if problem != "" { // keys are those that the name has, if it can be that of a report
		return &AskResult{Problem: h.rejected("question", problem), NotFound: keys.Text != ""}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("question not answered: %w", err)
	}
	q := &question{
		Handler: h, id: questionID(owner, keys, sent.Question), rec: rec, keys: keys, text: h.redactText(sent.Question), started: h.Now().UTC(),
		budget: budgetOf(ctx, h.Now()), log: h.Log.With("investigation_id", rec.ID, "alarm", rec.Alarm.Name),
	}
	return q.proceed(ctx)
}

// questionID returns the id under which a question counts. A retry of its event has the same one.
func questionID(owner string, keys report.Keys, text string) string {
	sum := sha256.Sum256([]byte(owner + "\x00" + keys.Text + "\x00" + text))
	return "ask-" + hex.EncodeToString(sum[:6])
}

func (q *question) proceed(ctx context.Context) (*AskResult, error) {
	problem, err := q.admit(ctx)
	if err != nil {
		return nil, fmt.Errorf("question not answered: %w", err)
	}
	if problem != "" {
		answer := &investigation.Answer{
			SchemaVersion: investigation.SchemaVersion, Investigation: q.rec.ID, Question: q.text, AskedAt: q.started, AnsweredAt: q.Now().UTC(),
			Outcome: investigation.OutcomeFallback, OutcomeWhy: problem, Confidence: investigation.Unknown,
			Model: q.Config.ModelID, ReportURI: q.rec.ReportURI,
		}
		q.log.Warn("question not answered", "reason", problem)
		q.sendCard(ctx, answer)
		return q.result(answer, problem), nil
	}
	earlier := q.earlier(ctx)
	answer, isKnown := q.askModel(ctx, earlier)
	if isKnown {
		q.countCost(ctx, answer)
	}
	problem = ""
	if answer.Text == "" {
		problem = answer.OutcomeWhy
	}
	if err := q.save(ctx, answer, len(earlier)+1); err != nil {
		problem = joined(problem, "The answer is not stored: "+awsapi.Brief(err))
	}
	q.sendCard(ctx, answer)
	q.measure(answer)
	q.log.Info("question answered", "number", answer.Number, "outcome", string(answer.Outcome), "rounds", len(answer.Rounds), "answer", answer.URI)
	return q.result(answer, problem), nil
}

// joined returns two sentences, of which either may be empty.
func joined(first, second string) string { return strings.TrimSpace(first + " " + second) }

// result returns the answer for the caller. The rounds are in the bucket.
func (q *question) result(answer *investigation.Answer, problem string) *AskResult {
	short := report.WithoutNulls(*answer)
	short.Rounds = []investigation.Round{}
	return &AskResult{Problem: problem, Answer: &short}
}

// admit returns why no model may be asked, or "" if one may. An alarm is investigated if the table is unavailable. A question
// is not answered then, because nobody misses an alarm without its answer.
func (q *question) admit(ctx context.Context) (problem string, err error) {
	quick, cancel := context.WithTimeout(ctx, q.budget.table)
	defer cancel()
	off, err := q.Table.ReadSwitch(quick)
	if err != nil {
		return "", fmt.Errorf("read the kill switch: %w", err)
	}
	if off.Off != dedupe.OffNothing {
		return joined("The kill switch is on: no model was asked.", off.Why()), nil
	}
	day := dedupe.Day{Investigations: q.Config.MaxPerDay, CostUSD: q.Config.MaxCostUSDPerDay}
	if day == (dedupe.Day{}) {
		return "", nil
	}
	if day.Investigations == 0 {
		day.Investigations = config.MaxInvestigationsPerDay // more do not fit into the item of the day
	}
	reached, err := q.Table.CountInvestigation(quick, q.id, q.started, day)
	if err != nil {
		return "", err
	}
	on := q.started.Format(time.DateOnly)
	switch reached {
	case dedupe.LimitInvestigations:
		problem = fmt.Sprintf("%s already began on %s (UTC), the limit of MaxInvestigationsPerDay, so no model was asked.",
			plural.Either(day.Investigations, "investigation or question", "investigations and questions"), on)
	case dedupe.LimitCost:
		problem = fmt.Sprintf("The investigations and questions that began on %s (UTC) cost about $%.2f, the limit of MaxCostUsdPerDay, so no model was asked.",
			on, day.CostUSD)
	default:
		return "", nil
	}
	q.notice(ctx, q.budget, q.log, reached, q.started, problem+untilMidnight)
	return problem, nil
}

// earlier returns the answers to earlier questions. They are only context, so a failure is logged.
func (q *question) earlier(ctx context.Context) []investigation.Answer {
	bounded, cancel := q.budget.part(ctx, q.Now(), flushShare, orderTime)
	defer cancel()
	answers, err := q.Store.Answers(bounded, q.keys)
	if err != nil {
		q.log.Warn("answers to earlier questions not read", "error", err)
	}
	return answers
}

// askModel lets the model answer. If it cannot, the answer says why. isKnown reports whether the answer has what it cost; if
// not, the reserved amount stays counted.
func (q *question) askModel(ctx context.Context, earlier []investigation.Answer) (answer *investigation.Answer, isKnown bool) {
	reader := &attempt{Handler: q.Handler, alarm: &q.rec.Alarm, rec: q.rec, budget: q.budget, log: q.log}
	instructions := reader.readInstructions(ctx)
	bounded, cancel := context.WithDeadline(ctx, q.budget.agentEnds)
	defer cancel()
	var err error
	defer func() {
		if v := recover(); v != nil {
			q.log.Error("agent panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fmt.Errorf("the agent failed: %v", v)
		}
		if isKnown = answer != nil; !isKnown {
			answer = &investigation.Answer{
				SchemaVersion: investigation.SchemaVersion, Investigation: q.rec.ID, Question: q.text, AskedAt: q.started, AnsweredAt: q.Now().UTC(),
				ReportURI: q.rec.ReportURI,
			}
		}
		if err != nil {
			q.log.Error("question not answered", "error", err)
			answer.Outcome, answer.OutcomeWhy = investigation.OutcomeFallback, whyNotAnswered(err)
		}
		answer.Model, answer.Confidence = cmp.Or(answer.Model, q.Config.ModelID), investigation.ParseConfidence(string(answer.Confidence))
	}()
	answer, err = q.Asker.Ask(bounded, investigation.Limits{ConcludeAt: q.budget.concludeAt, Instructions: instructions, Log: q.log}, q.rec, earlier, q.text)
	return answer, false // the deferred function decides
}

func whyNotAnswered(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "The time for the question ran out before the model answered. Set a longer OrchestratorTimeout, or use a faster model."
	}
	return awsapi.Brief(err)
}

// countCost adds what the answer cost to the day on which it was asked for.
func (q *question) countCost(ctx context.Context, answer *investigation.Answer) {
	if q.Config.MaxPerDay == 0 && q.Config.MaxCostUSDPerDay == 0 {
		return
	}
	quick, cancel := q.budget.part(ctx, q.Now(), settleShare/2, maxSettle)
	defer cancel()
	if err := q.Table.CountCost(quick, q.id, q.started, countedUSD(answer.Usage)); err != nil {
		q.tableFailed(q.log, "cost of the answer not counted; it counts as the reserved amount", err)
	}
}

// answered returns the forms of an answer.
func (q *question) answered(answer *investigation.Answer) report.Answered {
	return report.Answered{Alarm: &q.rec.Alarm, AccountName: q.rec.AccountName, Answer: answer, Home: q.home()}
}

// save stores the answer beside the report.
func (q *question) save(ctx context.Context, answer *investigation.Answer, number int) error {
	bounded, cancel := q.budget.part(ctx, q.Now(), storeShare, maxStore)
	defer cancel()
	err := q.Store.PutAnswer(bounded, q.keys, answer, min(number, store.MaxAnswers), func() string { return q.answered(answer).Text() })
	if err != nil && !errors.Is(err, store.ErrFull) {
		q.emit(map[string]float64{emf.StoreFailures: 1})
		q.log.Error("answer not stored", "error", err, "advice", awsapi.Advice(err))
	}
	return err
}

// sendCard sends the answer, or why there is none, to the thread of the report's card. That is the only way in which somebody
// who asked in chat learns it, because Amazon Q Developer does not wait for an answer.
func (q *question) sendCard(ctx context.Context, answer *investigation.Answer) {
	if q.CardTopic == nil {
		return
	}
	bounded, cancel := q.budget.part(ctx, q.Now(), notifyShare, maxNotify)
	defer cancel()
	card, err := q.answered(answer).Card()
	if err == nil {
		err = q.CardTopic.Publish(bounded, notify.Notification{
			Body: string(card), Group: q.rec.Alarm.ARN, ID: q.rec.ID + "/" + q.id,
			Attributes: map[string]string{"investigation_id": q.rec.ID, "outcome": "answered", "account": q.rec.Alarm.Account,
				"account_name": q.rec.AccountName, "region": q.rec.Alarm.Region},
		})
	}
	if err != nil {
		q.emit(map[string]float64{emf.NotificationFailures: 1})
		q.log.Error("card of the answer not sent", "error", err, "advice", awsapi.Advice(err))
	}
}

// measure emits what the answer cost, and what the broker refused and redacted. A question is no investigation, so it does not
// count as one.
func (q *question) measure(answer *investigation.Answer) {
	use := answer.Usage
	redactions, refusals := countedIn(&investigation.Record{Rounds: answer.Rounds})
	values := map[string]float64{
		emf.InputTokens: float64(use.InputTokens + use.CacheWriteTokens), emf.OutputTokens: float64(use.OutputTokens),
		emf.CacheReadTokens: float64(use.CacheReadTokens), emf.QueryCostUSD: use.QueryCostUSD,
		emf.Redactions: float64(redactions), emf.BrokerRefusals: float64(refusals),
	}
	if use.PriceKnown {
		values[emf.CostUSD] = use.CostUSD
	}
	q.emitWith(values, map[string]string{"investigation_id": q.rec.ID, "alarm": q.rec.Alarm.Name, "model": answer.Model})
}
