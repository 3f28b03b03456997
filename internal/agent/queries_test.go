package agent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/agent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// looks returns a step that runs n pieces of code at the same time.
func looks(round, n int) model.Step {
	var step model.Step
	for i := range n {
		step.Tools = append(step.Tools, look(fmt.Sprintf("print(%d, %d)", round, i)).Tools...)
	}
	return step
}

// spending answers with queries that cost as much as they may.
func spending(_ string, limit float64) (toolcall.Answer, error) {
	answer := toolcall.Answer{Success: true, Output: "disk usage 100 %"}
	if limit > 0 {
		answer.BilledQueries = []toolcall.BilledQueries{{Operation: "logs:StartQuery", Requests: 1, Units: 1, Unit: toolcall.UnitBytes, CostUSD: limit}}
	}
	return answer, nil
}

func limitedTo(usd float64) func(*agent.Options) {
	return func(o *agent.Options) { o.MaxQueryCostUSD = usd }
}

func TestQueryLimit_IsNeverExceededByAllCallsTogether(t *testing.T) {
	for _, parallel := range []int{1, 3, 8, 16} {
		tool, rec := &fakeTool{answer: spending}, record("{}")
		rec.Evidence.Call.Answer.BilledQueries = []toolcall.BilledQueries{{Operation: "logs:StartQuery", CostUSD: 0.25}}
		steps := []model.Step{}
		for round := range 6 {
			steps = append(steps, looks(round, parallel))
		}
		_, err := run(t, model.Script{Steps: append(steps, submit("the disk is full", 1, "disk usage 100 %"))}, tool, rec, nil, limitedTo(1))
		require.NoError(t, err)
		assert.InDelta(t, 1, rec.QueryCostUSD(), 1e-9, "the evidence counts, too")
		for _, limit := range tool.limits {
			assert.LessOrEqual(t, limit, 0.25, "one call may spend a quarter")
			assert.GreaterOrEqual(t, limit, 0.0)
		}
		assert.Zero(t, tool.limits[len(tool.limits)-1], "nothing is left")
	}
}

func TestQueryLimit_CountsCallsWithoutAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want float64
	}{
		"the tool crashed":     {&toolcall.LostError{Err: errors.New("the tool function crashed")}, 0.25},
		"the tool did not run": {errors.New("throttled"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			tool, rec := &fakeTool{}, record("{}")
			tool.answer = func(command string, limit float64) (toolcall.Answer, error) {
				if command == "print(0, 0)" {
					return toolcall.Answer{}, c.err
				}
				return toolcall.Answer{Success: true, Output: "disk usage 100 %"}, nil
			}
			_, err := run(t, model.Script{Steps: []model.Step{looks(0, 1), looks(1, 1), submit("the disk is full", 2, "disk usage 100 %")}}, tool, rec, nil, limitedTo(1))
			require.NoError(t, err)
			assert.Equal(t, c.want, rec.QueryCostUSD())
			assert.Equal(t, []float64{0.25, 0.25}, tool.limits)
			_, lost := rec.BilledQueries()
			assert.Equal(t, c.want > 0, lost == 1)
		})
	}
}

func TestQueryLimit_RepeatedCodeCostsNothing(t *testing.T) {
	tool, rec := &fakeTool{answer: spending}, record("{}")
	same := looks(0, 1)
	_, err := run(t, model.Script{Steps: []model.Step{same, same, same, submit("the disk is full", 1, "disk usage 100 %")}}, tool, rec, nil, limitedTo(1))
	require.NoError(t, err)
	assert.Equal(t, []float64{0.25}, tool.limits)
	assert.Equal(t, 0.25, rec.QueryCostUSD())
	queries, _ := rec.BilledQueries()
	require.Len(t, queries, 1)
	assert.Equal(t, 1, queries[0].Requests)
}

func TestQueryLimit_SurvivesACheckpoint(t *testing.T) {
	tool, rec := &fakeTool{answer: spending}, record("{}")
	var state []byte
	script := model.Script{Steps: []model.Step{looks(0, 1), looks(1, 1), looks(2, 1)}}
	_, err := run(t, script, tool, rec, nil, func(o *agent.Options) {
		limitedTo(1)(o)
		o.MaxRounds = 3
		o.Checkpoint = func(_ context.Context, saved []byte) error { state = saved; return nil }
	})
	require.NoError(t, err)
	require.NotEmpty(t, state)
	resumed := record("{}")
	_, err = run(t, model.Script{Steps: []model.Step{looks(3, 2), submit("the disk is full", 1, "disk usage 100 %")}}, tool, resumed, state, limitedTo(1))
	require.NoError(t, err)
	assert.LessOrEqual(t, resumed.QueryCostUSD(), 1+1e-9)
	assert.GreaterOrEqual(t, resumed.QueryCostUSD(), 0.5, "what was spent before the checkpoint counts")
}

func TestQueryLimit_WhatWasLostStillCountsAfterACheckpoint(t *testing.T) {
	tool, rec := &fakeTool{answer: spending}, record("{}")
	rec.Lost = &investigation.Usage{QueryCostUSD: 0.9}
	var state []byte
	_, err := run(t, model.Script{Steps: []model.Step{looks(0, 1), submit("the disk is full", 1, "disk usage 100 %")}}, tool, rec, nil, func(o *agent.Options) {
		limitedTo(1)(o)
		o.Checkpoint = func(_ context.Context, saved []byte) error { state = saved; return nil }
	})
	require.NoError(t, err)
	require.NotEmpty(t, state)
	resumed := record("{}")
	_, err = run(t, model.Script{Steps: []model.Step{looks(1, 1), submit("the disk is full", 1, "disk usage 100 %")}}, tool, resumed, state, limitedTo(1))
	require.NoError(t, err)
	assert.Equal(t, rec.Lost, resumed.Lost)
	assert.InDelta(t, 1, resumed.QueryCostUSD(), 1e-9)
}
