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

// proxiesOf returns the proxies of a world, which count the orchestrator's requests, by service.
func proxiesOf(w *world) map[string]*proxy {
	return map[string]*proxy{"DynamoDB": w.dynamodb, "tool": w.tools, "S3": w.s3, "SNS": w.sns}
}

func TestKill_RetryCompletesTheInvestigationAtAnyStage(t *testing.T) {
	conversation := forever(look("print(1)"), submit())
	undisturbed := newWorld(t, options{script: conversation})
	undisturbed.fire(event("orders", 1))
	require.Len(t, undisturbed.inbox(), 1)
	for _, service := range []string{"DynamoDB", "tool", "S3", "SNS"} {
		stages := proxiesOf(undisturbed)[service].count()
		require.Positive(t, stages)
		for n := 1; n <= stages; n++ {
			for _, when := range []string{"before", "after"} {
				t.Run(fmt.Sprintf("%s request %d of %s", when, n, service), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, options{script: conversation})
					w.killAt(service, n, when)
					w.fire(event("orders", 1))
					// Checkpoints are written in the background, and a newer one replaces one that is not yet
					// written. A run can therefore make fewer requests to S3.
					require.Equal(t, proxiesOf(w)[service].count() >= n, w.killed.Load())
					inbox := w.inbox()
					require.NotEmpty(t, inbox)
					// After a crash between publishing and recording it, nothing shows whether the
					// notification was sent: twice is better than never.
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

// killAt kills the orchestrator once, before or after its nth request to the service.
func (w *world) killAt(service string, n int, when string) {
	var once sync.Once
	kill := func(hit int) {
		if hit == n {
			once.Do(w.kill)
		}
	}
	if when == "before" {
		proxiesOf(w)[service].hook(kill, nil)
	} else {
		proxiesOf(w)[service].hook(nil, kill)
	}
}

func TestKill_RetryRepeatsNoFinishedToolCall(t *testing.T) {
	t.Parallel()
	const looks = 6
	steps := make([]model.Step, 0, looks+1)
	for i := range looks {
		steps = append(steps, look(fmt.Sprintf("print(%d)", i)))
	}
	w := newWorld(t, options{script: script(append(steps, submit())...)})
	// S3 has the checkpoint of each round. The kill follows immediately after one of them.
	var once sync.Once
	w.s3.hook(nil, func(hit int) {
		if w.tools.count() >= 4 {
			once.Do(w.kill)
		}
	})
	w.fire(event("orders", 1))
	require.True(t, w.killed.Load())
	require.Len(t, w.inbox(), 1)
	assert.Contains(t, w.log.String(), `stage=agent`, "the retry resumes from the agent's checkpoint")
	assert.LessOrEqual(t, w.tools.count(), 1+looks+1, "only the interrupted call may be repeated")
	assert.Equal(t, "done", w.claim(alarmARNPrefix+"orders"))
}

func TestHandOver_ContinuesInAFreshInvocation(t *testing.T) {
	t.Parallel()
	slow := func(command string) model.Step {
		step := look(command)
		step.DelayMS = 3000
		return step
	}
	steps := []model.Step{}
	for i := range 6 {
		steps = append(steps, slow(fmt.Sprintf("print(%d)", i)))
	}
	w := newWorld(t, options{lifetime: 20 * time.Second, script: script(append(steps, submit())...)})
	w.fire(event("orders", 1))
	inbox := w.inbox()
	require.Len(t, inbox, 1)
	assert.Contains(t, inbox[0].Body, cause)
	assert.Contains(t, w.log.String(), "handed over")
	assert.Equal(t, 1+6, w.tools.count()-strings.Count(w.log.String(), `message="handed over"`), "no tool call is repeated")
	assert.Len(t, w.reports(), 1)
	assert.Equal(t, "done", w.claim(alarmARNPrefix+"orders"))
}

func TestNotification_SurvivesLongNamesAndReportsInAnyScript(t *testing.T) {
	names := map[string]string{
		"ASCII":    strings.Repeat("x", 255),
		"Japanese": strings.Repeat("注文エラー", 51),
		"emoji":    strings.Repeat("🚨", 127),
		"Arabic":   strings.TrimSpace(strings.Repeat("خطأ في الطلب ", 19)),
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
