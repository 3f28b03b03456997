package triage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// noise returns text that cannot be compressed much.
func noise(length int) string {
	source := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, length)
	for i := range text {
		text[i] = byte('!' + source.IntN(90))
	}
	return string(text)
}

// concludeAtLength is conclude with findings of 600 KB.
func concludeAtLength(rec *investigation.Record) {
	_ = conclude(rec)
	text := noise(600_000)
	for i := range 30 {
		rec.Report.Findings = append(rec.Report.Findings, investigation.Finding{Statement: text[i*20_000 : (i+1)*20_000]})
	}
}

func TestPark_EveryRecordFits(t *testing.T) {
	text := noise(900_000)
	parts := func(count int) []string {
		var list []string
		for i := range count {
			list = append(list, text[i*len(text)/count:(i+1)*len(text)/count])
		}
		return list
	}
	for name, c := range map[string]struct {
		grow func(rec *investigation.Record)
		lost string // from the report
	}{
		"reasoning": {func(rec *investigation.Record) {
			rec.Rounds = []investigation.Round{{Number: 1, Reasoning: text}}
		}, "the model's reasoning."},
		"rounds": {func(rec *investigation.Record) {
			rec.Rounds = []investigation.Round{{Number: 1, Text: text}}
		}, "the rounds."},
		"evidence":      {func(rec *investigation.Record) { rec.Evidence.LogLines = parts(50) }, "the rounds and the evidence."},
		"one long text": {func(rec *investigation.Record) { rec.Report.Impact = text }, "the ends of long texts and lists."},
		"findings":      {concludeAtLength, "the ends of long texts and lists."},
		"quotes": {func(rec *investigation.Record) {
			for _, quote := range parts(900) {
				rec.Report.Findings = append(rec.Report.Findings, investigation.Finding{
					Statement: "one", Verified: true, Evidence: []investigation.Citation{{Quote: quote, Found: true}},
				})
			}
		}, "the ends of long texts and lists."},
		"commands": {func(rec *investigation.Record) {
			for _, command := range parts(30) {
				rec.Report.Actions = append(rec.Report.Actions, investigation.Action{Text: "do", Command: command})
			}
		}, "the ends of long texts and lists."},
		"the event": {func(rec *investigation.Record) {
			rec.Alarm.Configuration, rec.Alarm.LogLines = text[:400_000], parts(9)
		}, "the ends of long texts and lists."},
		"tags": {func(rec *investigation.Record) {
			rec.Alarm.Tags = map[string]string{}
			for i, part := range parts(50) {
				rec.Alarm.Tags[fmt.Sprint(i)] = part
			}
		}, "the ends of long texts and lists."},
		"metrics": {func(rec *investigation.Record) { rec.Alarm.Metrics[0].Expression = text }, "all but the verdict."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
				_ = conclude(rec)
				c.grow(rec)
				return nil
			}
			b.S3.Fail(awsapitest.ErrDown, -1)
			for range 3 {
				_, err := b.invoke(t, "request", fixture(t, "action-metric"))
				require.Error(t, err)
			}
			assert.Equal(t, 1, b.agent.calls, "no retry investigates again")
			assert.Len(t, b.notifications(), 1)
			b.S3.Fail(nil, 0)
			result := b.mustInvestigate(t, "request", fixture(t, "action-metric"))
			assert.Equal(t, 1, b.agent.calls)
			assert.Len(t, b.notifications(), 1)
			rec := b.record(t, result)
			assert.Equal(t, "the role lost dynamodb:GetItem", rec.Report.RootCause)
			assert.Contains(t, rec.OutcomeWhy, "This report was too large for the table while it could not be delivered. It has lost ")
			assert.True(t, strings.HasSuffix(rec.OutcomeWhy, c.lost), rec.OutcomeWhy)
			assert.Equal(t, result.ReportURI, rec.ReportURI)
		})
	}
}

// The stored report is complete.
func TestPark_NotificationOfAStoredReportSaysWhereTheRestIs(t *testing.T) {
	b := newHarness(t)
	b.agent.do = func(_ context.Context, _ investigation.Limits, rec *investigation.Record, _ []byte) error {
		concludeAtLength(rec)
		return nil
	}
	b.SNS.Fail(awsapitest.ErrDown, 1)
	_, err := b.invoke(t, "request", fixture(t, "action-metric"))
	require.Error(t, err)
	result := b.mustInvestigate(t, "request", fixture(t, "action-metric"))
	require.Len(t, b.notifications(), 1)
	assert.Contains(t, b.notifications()[0], "This notification has lost the rounds, the evidence, and the ends of long texts and lists. The stored report is complete.")
	rec := b.record(t, result)
	assert.Empty(t, rec.OutcomeWhy)
	assert.Len(t, rec.Report.Findings, 30)
}
