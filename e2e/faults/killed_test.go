package faults_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// visits are the requests that the orchestrator makes, by the service that it makes them of.
func visits(w *world) map[string]*proxy {
	return map[string]*proxy{"DynamoDB": w.dynamodb, "tool": w.tools, "S3": w.s3, "SNS": w.sns}
}

func TestAnOrchestratorThatIsKilledAtAnyStageIsCompletedByItsRetry(t *testing.T) {
	conversation := forever(look("print(1)"), submit())
	calm := newWorld(t, options{script: conversation})
	calm.fire(event("orders", 1))
	require.Len(t, calm.inbox(), 1)
	for _, service := range []string{"DynamoDB", "tool", "S3", "SNS"} {
		stages := visits(calm)[service].count()
		require.Positive(t, stages)
		for n := 1; n <= stages; n++ {
			for _, when := range []string{"before", "after"} {
				t.Run(fmt.Sprintf("%s request %d of %s", when, n, service), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, options{script: conversation})
					w.killAt(service, n, when)
					w.fire(event("orders", 1))
					// Checkpoints are written as S3 keeps up, so that a run may make one request less of it.
					require.Equal(t, visits(w)[service].count() >= n, w.killed.Load())
					inbox := w.inbox()
					require.NotEmpty(t, inbox)
					// Between the publication and the note of it nobody can tell whether the message went out: better
					// twice than never.
					assert.LessOrEqual(t, len(inbox), 2)
					if service == "tool" || service == "S3" {
						assert.Len(t, inbox, 1)
					}
					for i, m := range inbox {
						assert.Contains(t, m.Body, cause)
						if i > 0 {
							assert.Contains(t, m.Body, "you may already have this report")
						}
					}
					assert.Len(t, w.reports(), 1)
					assert.Equal(t, "done", w.claim(alarmARNPrefix+"orders"))
					assert.Empty(t, w.host.Failed())
					if t.Failed() {
						t.Log(w.log)
					}
				})
			}
		}
	}
}

// killAt kills the orchestrator once, at its nth request of the service.
func (w *world) killAt(service string, n int, when string) {
	var once sync.Once
	kill := func(hit int) {
		if hit == n {
			once.Do(w.kill)
		}
	}
	if when == "before" {
		visits(w)[service].hook(kill, nil)
	} else {
		visits(w)[service].hook(nil, kill)
	}
}

func TestAResumedRunRepeatsNoFinishedToolCall(t *testing.T) {
	t.Parallel()
	const looks = 6
	steps := make([]model.Step, 0, looks+1)
	for i := range looks {
		steps = append(steps, look(fmt.Sprintf("print(%d)", i)))
	}
	w := newWorld(t, options{script: script(append(steps, submit())...)})
	// The checkpoint of each round is an object that S3 has; the kill comes right after one of them.
	var once sync.Once
	w.s3.hook(nil, func(hit int) {
		if w.tools.count() >= 4 {
			once.Do(w.kill)
		}
	})
	w.fire(event("orders", 1))
	require.True(t, w.killed.Load())
	require.Len(t, w.inbox(), 1)
	assert.Contains(t, w.log.String(), `stage=agent`, "the retry goes on from the agent's checkpoint")
	assert.LessOrEqual(t, w.tools.count(), 1+looks+1, "only the call that was under way may be made again")
	assert.Equal(t, "done", w.claim(alarmARNPrefix+"orders"))
}

func TestARunThatNearsItsLimitGoesOnInAFreshInvocation(t *testing.T) {
	t.Parallel()
	slow := func(command string) model.Step {
		step := look(command)
		step.DelayMS = 1500
		return step
	}
	steps := []model.Step{}
	for i := range 6 {
		steps = append(steps, slow(fmt.Sprintf("print(%d)", i)))
	}
	w := newWorld(t, options{lifetime: 10 * time.Second, script: script(append(steps, submit())...)})
	w.fire(event("orders", 1))
	inbox := w.inbox()
	require.Len(t, inbox, 1)
	assert.Contains(t, inbox[0].Body, cause)
	assert.Contains(t, w.log.String(), "handed over")
	assert.Equal(t, 1+6, w.tools.count()-strings.Count(w.log.String(), `message="handed over"`), "no tool call is made twice")
	assert.Len(t, w.reports(), 1)
	assert.Equal(t, "done", w.claim(alarmARNPrefix+"orders"))
}

func TestLongNamesInAnyScriptAndLongReportsReachTheirReader(t *testing.T) {
	names := map[string]string{
		"ASCII":    strings.Repeat("x", 255),
		"Japanese": strings.Repeat("注文エラー", 51),
		"emoji":    strings.Repeat("🚨", 127),
		"Arabic":   strings.Repeat("خطأ في الطلب ", 19),
		"slashes":  strings.Repeat("a/b c%20<d>&", 21),
	}
	for writing, name := range names {
		t.Run(writing, func(t *testing.T) {
			t.Parallel()
			long := submit()
			findings := []any{}
			for i := range 25 {
				findings = append(findings, map[string]any{
					"statement": fmt.Sprint(i, " ", strings.Repeat("注文が失敗した。", 60)), "confidence": "likely",
					"evidence": []any{map[string]any{"call": 1, "quote": "orders-role may not dynamodb:GetItem"}},
				})
			}
			long.Tools[0].Input["findings"] = findings
			long.Tools[0].Input["impact"] = strings.Repeat("🚨 ", 3000)
			w := newWorld(t, options{script: script(look("print(1)"), long)})
			w.fire(event(name, 1))
			inbox := w.inbox()
			require.Len(t, inbox, 1)
			assert.Regexp(t, `^[ -~]{1,99}$`, inbox[0].Subject)
			assert.LessOrEqual(t, len(inbox[0].Body), 262144)
			assert.True(t, utf8.ValidString(inbox[0].Body))
			assert.Contains(t, inbox[0].Body, cause)
			assert.Len(t, w.reports(), 1)
			assert.Equal(t, "done", w.claim(alarmARNPrefix+name))
		})
	}
}
