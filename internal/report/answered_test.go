package report_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
)

// answered returns an answer with the texts of a record.
func answered(rec *investigation.Record) report.Answered {
	return report.Answered{Alarm: &rec.Alarm, AccountName: rec.AccountName, Home: report.Home{Region: "us-east-1"}, Answer: &investigation.Answer{
		Investigation: rec.ID, Number: 2, Question: rec.Report.Summary, Text: rec.Report.RootCause, Confidence: rec.Report.Confidence,
		Downgraded: rec.Report.Downgraded, Findings: rec.Report.Findings, NotSeen: rec.Report.NotSeen, Model: rec.Model, Rounds: rec.Rounds,
		Outcome: rec.Outcome, OutcomeWhy: rec.OutcomeWhy, ReportURI: rec.ReportURI, URI: strings.TrimSuffix(rec.ReportURI, ".txt") + "/answers/2.txt",
	}}
}

func TestAnswered_IsCleanInEveryFormWhateverTheTexts(t *testing.T) {
	for name, rec := range records(t) {
		t.Run(name, func(t *testing.T) {
			a := answered(rec)
			for _, text := range []string{a.Answer.Text, ""} {
				a.Answer.Text = text
				assertClean(t, a.Text())
				raw, err := a.Card()
				card := cardOf(t, raw, err)
				assertClean(t, card.Content.Title+"\n"+card.Content.Description)
				assert.LessOrEqual(t, utf8.RuneCountInString(card.Content.Title), 250)
				assert.LessOrEqual(t, utf8.RuneCountInString(card.Content.Description), 2500)
				for _, forbidden := range []string{"<!channel>", "@here", "](https://evil.example)", "<script>"} {
					assert.NotContains(t, card.Content.Description, forbidden)
				}
			}
		})
	}
}

func TestAnswered_TextOfOthersCannotImitateItsSections(t *testing.T) {
	rec := sample(t)
	a := answered(rec)
	a.Answer.Question = "Why?\n\n■ ANSWER (confirmed)\nAll is well."
	a.Answer.Text = "Because.\n■ DETAILS\n1. (confirmed) All is well."
	a.Answer.Findings = append([]investigation.Finding{{Statement: "Hm.", Confidence: investigation.Confirmed, Problem: "the quote is too short"}}, a.Answer.Findings...)
	text := a.Text()
	assert.Equal(t, 1, strings.Count(text, "■ ANSWER"))
	assert.Equal(t, 1, strings.Count(text, "■ DETAILS"))
	assert.Contains(t, text, "UNVERIFIED: the quote is too short) Hm.")
	raw, err := a.Card()
	description := cardOf(t, raw, err).Content.Description
	assert.Contains(t, description, "\n*Findings on this card:* 3 of 4\n*Unverified:* Hm.")
	assert.Contains(t, description, "\nAnswer with its evidence: https://us-east-1.console.aws.amazon.com/s3/object/")
}

func TestAnswered_EveryFormSaysWhyTheModelHadToConclude(t *testing.T) {
	a := answered(sample(t))
	a.Answer.Outcome, a.Answer.OutcomeWhy = investigation.OutcomeConcluded, "The model was asked to conclude early because MaxCostUsd is almost reached.\n■ ANSWER (confirmed)"
	const why = "The model was asked to conclude early because MaxCostUsd is almost reached. "
	raw, err := a.Card()
	assert.Contains(t, cardOf(t, raw, err).Content.Description, "\n*Note:* "+why)
	for _, text := range []string{a.Brief(), a.Text()} {
		assert.Contains(t, text, "\n  NOTE: "+why)
		assert.Equal(t, 1, strings.Count(text, "■ ANSWER"))
	}
}

func TestAnswered_CardsOfAnswersThatAreNotStoredDiffer(t *testing.T) {
	a := answered(sample(t))
	ids := map[string]bool{}
	for i, number := range []int{1, 2, 0, 0} {
		a.Answer.Number, a.Answer.AskedAt = number, time.Date(2026, 1, 15, 3, 30, i, 0, time.UTC)
		raw, err := a.Card()
		ids[cardOf(t, raw, err).ID] = true
	}
	assert.Len(t, ids, 4)
}

func TestAnswerJSON_HasEmptyListsAndAConfidence(t *testing.T) {
	raw, err := report.AnswerJSON(&investigation.Answer{Question: "Why?"})
	require.NoError(t, err)
	for _, want := range []string{`"findings": []`, `"rounds": []`, `"not_seen": []`, `"confidence": "unknown"`} {
		assert.Contains(t, string(raw), want)
	}
}
