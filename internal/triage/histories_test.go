package triage_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/triage"
)

// conditions are what can happen in a history.
type conditions struct {
	changes         int // of alarms
	window, timeout time.Duration
	maxPerDay       int // investigations; 0: any number
	concurrency     int // of the function; 0: any

	isTwice      bool // events arrive twice
	isLate       bool // events wait for up to three hours
	isForged     bool // somebody else publishes to the alarms' topic
	isKilled     bool // invocations end at any call
	isLong       bool // investigations take longer than an invocation
	isRedriven   bool // dead letters are sent again
	isSuppressed bool // composite alarms have a suppressor, so their actions come later
	recovery     bool // NotifyRecovery
	failing      []string
}

// tookOver is in the reason of an event that gave way to another one of its alarm.
const tookOver = "another invocation took over"

// dropped is logged when the alarm's next transition ends an investigation.
const dropped = "unfinished investigation of an earlier transition dropped"

var services = []string{"dynamodb", "s3", "sns", "cloudwatch", "lambda", "events"}

func newConditions(random *rand.Rand) conditions {
	maybe := func() bool { return random.IntN(2) == 0 }
	c := conditions{
		changes: 20 + random.IntN(30),
		window:  []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour}[random.IntN(4)],
		timeout: []time.Duration{2 * time.Minute, 5 * time.Minute, 15 * time.Minute}[random.IntN(3)],
		isTwice: maybe(), isLate: maybe(), isForged: maybe(), isKilled: maybe(), isLong: maybe(), isRedriven: maybe(), isSuppressed: maybe(),
		recovery: maybe(),
	}
	if maybe() {
		c.maxPerDay = 2 + random.IntN(8)
	}
	if random.IntN(3) == 0 {
		c.concurrency = 1 + random.IntN(4)
	}
	if maybe() {
		for _, service := range services {
			if maybe() {
				c.failing = append(c.failing, service)
			}
		}
	}
	return c
}

func (c conditions) fails(service string) bool { return slices.Contains(c.failing, service) }

// maxInvocations is how many invocations can share an investigation.
const maxInvocations = 4

type simulatedAlarm struct {
	name         string
	children     []string // of a composite alarm
	paths        []string // by which its events arrive
	isSuppressed bool

	state            string
	changed, updated time.Time
}

func (a *simulatedAlarm) isComposite() bool { return len(a.children) > 0 }

func (a *simulatedAlarm) rule() string {
	return "ALARM(" + strings.Join(a.children, ") OR ALARM(") + ")"
}

// simulatedTransition is a change of an alarm's state, or an update that a suppressor caused.
type simulatedTransition struct {
	alarm, state string
	at           time.Time
	deliveries   []*delivery
}

// TestHistories_NoTransitionIsSilent plays random histories of four alarms, a composite alarm above two of them, and one above that and a
// third. After each history, it checks what docs/orchestrator.md promises. The seed determines all but the order of what happens at the
// same time.
func TestHistories_NoTransitionIsSilent(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				w := &world{conditions: newConditions(random), random: random, began: map[string]time.Time{}, outages: map[string]outage{}}
				w.play()
				w.check(t)
				if t.Failed() {
					t.Logf("%+v\n%s", w.conditions, w.log.String())
				}
			})
		})
	}
}

func (w *world) play() {
	if w.concurrency > 0 {
		w.slots = make(chan struct{}, w.concurrency)
	}
	metricAlarms := []string{"checkout", "orders", "payment", "search"}
	for _, name := range metricAlarms {
		w.alarms = append(w.alarms, &simulatedAlarm{name: name})
	}
	w.alarms = append(w.alarms,
		&simulatedAlarm{name: "shop", children: metricAlarms[:2]},
		&simulatedAlarm{name: "company", children: []string{"shop", metricAlarms[2]}})
	for _, a := range w.alarms {
		a.state = "OK"
		a.isSuppressed = a.isComposite() && w.isSuppressed && w.chance(0.6)
		for len(a.paths) == 0 {
			for _, path := range []string{"action", "eventbridge", "sns"} {
				if w.chance(0.5) {
					a.paths = append(a.paths, path)
				}
			}
		}
	}
	for range w.changes {
		if len(w.failing) > 0 && w.chance(0.15) {
			o := outage{fault(1 + w.below(int(numFaults)-1)), time.Now().Add(w.between(0, 10*time.Minute))}
			service := w.failing[w.below(len(w.failing))]
			w.note("OUTAGE %s %+v", service, o)
			w.mu.Lock()
			w.outages[service] = o
			w.mu.Unlock()
		}
		a := w.alarms[w.below(len(metricAlarms))]
		w.change(a, map[string]string{"OK": "ALARM", "ALARM": "OK"}[a.state])
		if w.isForged && w.chance(0.4) {
			w.forge()
		}
		longest := []time.Duration{3 * time.Second, 30 * time.Second, 3 * time.Minute, 20 * time.Minute, 90 * time.Minute}[w.below(5)]
		time.Sleep(w.between(50*time.Millisecond, longest))
	}
	w.mu.Lock()
	w.calm = true
	clear(w.outages)
	w.mu.Unlock()
	w.work.Wait()
}

// change changes the state of an alarm, and that of the composite alarms above it.
func (w *world) change(a *simulatedAlarm, state string) {
	now := time.Now().Truncate(time.Millisecond)
	w.mu.Lock()
	a.state, a.changed = state, now
	w.mu.Unlock()
	switch {
	case state == "ALARM" && a.isSuppressed:
		w.work.Go(func() {
			time.Sleep(w.between(30*time.Second, 3*time.Minute))
			later := time.Now().Truncate(time.Millisecond)
			w.mu.Lock()
			stays := a.state == "ALARM" && a.changed.Equal(now)
			if stays {
				a.updated = later
			}
			w.mu.Unlock()
			if stays {
				w.send(a, state, later)
			}
		})
	case state == "ALARM" || w.recovery:
		w.send(a, state, now)
	}
	for _, above := range w.alarms {
		if !slices.Contains(above.children, a.name) {
			continue
		}
		want := "OK"
		if len(w.causes(above)) > 0 {
			want = "ALARM"
		}
		if want != above.state {
			time.Sleep(w.between(10*time.Millisecond, 3*time.Second))
			w.change(above, want)
		}
	}
}

// causes returns the children that are in ALARM.
func (w *world) causes(a *simulatedAlarm) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, child := range w.alarms {
		if slices.Contains(a.children, child.name) && child.state == "ALARM" {
			names = append(names, child.name)
		}
	}
	return names
}

// send delivers a transition by each path of the alarm.
func (w *world) send(a *simulatedAlarm, state string, at time.Time) {
	tr := &simulatedTransition{alarm: a.name, state: state, at: at}
	w.mu.Lock()
	w.transitions = append(w.transitions, tr)
	w.mu.Unlock()
	w.note("TRANSITION %+v by %v", *tr, a.paths)
	causes := w.causes(a)
	for _, path := range a.paths {
		copies := 1
		if w.isTwice && w.chance(0.1) {
			copies = 2
		}
		for range copies {
			w.deliver(&delivery{of: tr, path: path, event: eventOf(a, path, state, at, causes)}, w.delay())
		}
	}
}

// forge publishes a message that CloudWatch did not write, often with the time of a real transition.
func (w *world) forge() {
	a := w.alarms[w.below(len(w.alarms))]
	w.mu.Lock()
	at := a.changed
	w.mu.Unlock()
	if at.IsZero() || w.chance(0.3) {
		at = time.Now().Add(w.between(-time.Hour, time.Hour)).Truncate(time.Millisecond)
	} else if w.chance(0.3) {
		at = at.Add(w.between(-1200*time.Millisecond, 1200*time.Millisecond))
	}
	state := "ALARM"
	if w.chance(0.2) {
		state = "OK"
	}
	var causes []string
	for _, other := range w.alarms {
		if w.chance(0.5) {
			causes = append(causes, other.name)
		}
	}
	tr := &simulatedTransition{alarm: a.name, state: state, at: at}
	w.note("FORGED %+v because of %v", *tr, causes)
	w.deliver(&delivery{of: tr, path: "sns", isForged: true, event: eventOf(a, "sns", state, at, causes)}, w.between(0, 5*time.Second))
}

type object = map[string]any

// eventOf returns the event of a transition as the path delivers it.
func eventOf(a *simulatedAlarm, path, state string, at time.Time, causes []string) []byte {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000-0700")
	old := map[string]string{"OK": "ALARM", "ALARM": "OK"}[state]
	var triggering, children []object
	for _, name := range causes {
		triggering = append(triggering, object{"arn": arnPrefix + name, "state": object{"value": "ALARM", "timestamp": stamp}})
		children = append(children, object{"Arn": arnPrefix + name, "State": object{"Value": "ALARM", "Timestamp": stamp}})
	}
	if path == "sns" {
		message := object{
			"AlarmName": a.name, "AlarmArn": arnPrefix + a.name, "AWSAccountId": "123456789012", "Region": "US East (N. Virginia)",
			"NewStateValue": state, "OldStateValue": old, "NewStateReason": "reason", "StateChangeTime": stamp,
		}
		if a.isComposite() {
			message["AlarmRule"], message["TriggeringChildren"] = a.rule(), children
		} else {
			message["Trigger"] = object{"MetricName": "Errors", "Namespace": "AWS/Lambda", "Statistic": "SUM", "Period": 60}
		}
		return encode(object{"Records": []object{{"EventSource": "aws:sns", "Sns": object{"Message": string(encode(message)), "TopicArn": topicARN}}}})
	}
	now := object{"value": state, "reason": "reason", "timestamp": stamp}
	configuration := object{"metrics": []object{{"id": "m1", "returnData": true, "metricStat": object{
		"metric": object{"namespace": "AWS/Lambda", "name": "Errors"}, "period": 60, "stat": "Sum",
	}}}}
	if a.isComposite() {
		now["reasonData"] = string(encode(object{"triggeringAlarms": triggering}))
		configuration = object{"alarmRule": a.rule()}
	}
	data := object{"alarmName": a.name, "state": now, "previousState": object{"value": old}, "configuration": configuration}
	if path == "action" {
		return encode(object{
			"source": "aws.cloudwatch", "alarmArn": arnPrefix + a.name, "accountId": "123456789012", "region": "us-east-1", "time": stamp, "alarmData": data,
		})
	}
	return encode(object{
		"version": "0", "id": "event", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "account": "123456789012",
		"region": "us-east-1", "time": at.UTC().Format(time.RFC3339), "resources": []string{arnPrefix + a.name}, "detail": data,
	})
}

func encode(value any) []byte {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return raw
}

// check checks the promises after a history.
func (w *world) check(t *testing.T) {
	reports := map[string][]sentReport{} // by investigation
	for _, r := range w.sent {
		reports[r.ID] = append(reports[r.ID], r)
	}
	w.checkDeliveries(t, reports)
	w.checkTransitions(t, reports)
	w.checkReports(t, reports)
	w.checkMetrics(t)
}

// checkDeliveries checks that each event that Lambda counts as successful led to a report that was sent, and that no event from
// CloudWatch gave way to one that CloudWatch did not confirm.
func (w *world) checkDeliveries(t *testing.T, reports map[string][]sentReport) {
	for _, d := range w.deliveries {
		assert.True(t, d.isDeadLetter || len(d.results) > 0, "%s neither succeeded nor became a dead letter", d.owner)
		for _, r := range d.results {
			if r.Status == triage.StatusSkipped || r.Status == triage.StatusRecovered || d.isForged && r.Status == triage.StatusDuplicate {
				continue
			}
			assert.NotEmpty(t, r.ID, "%s: %+v", d.owner, r)
			if !w.isExcused(d.of.alarm, r.ID) {
				assert.True(t, w.isReported(d, r, reports), "LOST: %s of %s: %+v has no report", d.owner, d.of.alarm, r)
			}
			sent := reports[r.ID]
			if r.Status == triage.StatusInvestigated {
				assert.NotEmpty(t, sent, "%s: %+v was not sent", d.owner, r)
				if !w.isLogged("given up", r.ID) {
					assert.NotEmpty(t, w.s3.Keys(r.ID+".txt"), "%s: %+v was not stored", d.owner, r)
				}
			}
			isRepeat := r.Status == triage.StatusDuplicate && len(sent) > 0 && !strings.Contains(r.Reason, tookOver)
			if isRepeat && (d.path == "action" || d.path == "eventbridge") {
				assert.Empty(t, sent[0].Told.Unconfirmed, "FORGED: %s of %s is a duplicate: %+v", d.owner, d.of.alarm, r)
			}
		}
	}
}

// isReported reports whether a report answers the result, or that of another investigation to which its investigation gave way.
func (w *world) isReported(d *delivery, r triage.Result, reports map[string][]sentReport) bool {
	// The other investigation can have begun a window earlier, if the events are repeats.
	since := d.of.at.Add(-w.window - maxInvocations*w.timeout)
	switch {
	case len(reports[r.ID]) > 0:
		return true
	case w.isLogged(dropped, r.ID): // for the alarm's next transition
		return w.isAlarmReported(d.of.alarm, d.of.at, 0)
	case w.fails("dynamodb") && w.isAlarmReported(d.of.alarm, since, 0): // a retry did not find the investigation and began another one
		return true
	}
	if covering := coveringAlarm(r); covering != "" {
		return w.isAlarmReported(covering, since, 0)
	}
	for _, other := range w.deliveries { // the event that began the investigation, or continued it, gave way later
		for _, result := range other.results {
			if covering := coveringAlarm(result); covering != "" && (result.ID == r.ID || other.handOver == r.ID) {
				return w.isAlarmReported(covering, since, 0)
			}
			if other.handOver == r.ID && len(reports[result.ID]) > 0 {
				return true
			}
		}
	}
	return false
}

// isLogged reports whether a message about an investigation was logged.
func (w *world) isLogged(message, id string) bool {
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, message) && strings.Contains(line, id) {
			return true
		}
	}
	return false
}

// coveringAlarm returns the alarm to whose investigation the result's gave way, or an empty string.
func coveringAlarm(r triage.Result) string {
	if strings.Contains(r.Reason, tookOver) { // by the alarm's own event, after that of an update
		return r.Alarm
	}
	_, name, found := strings.Cut(r.Reason, arnPrefix)
	if !found {
		return ""
	}
	return strings.TrimRight(strings.Fields(name)[0], ",;.")
}

// isAlarmReported reports whether a report of the alarm, or of one that covers it, was sent within half a day since that time.
func (w *world) isAlarmReported(alarm string, since time.Time, depth int) bool {
	for _, r := range w.sent {
		if r.Told.Alarm == alarm && r.At.After(since) && r.At.Before(since.Add(12*time.Hour)) {
			return true
		}
	}
	for _, d := range w.deliveries {
		if d.of.alarm != alarm || d.of.at.Before(since) || d.of.at.After(since.Add(12*time.Hour)) || depth > len(w.alarms) {
			continue
		}
		for _, r := range d.results {
			if covering := coveringAlarm(r); covering != "" && w.isAlarmReported(covering, since, depth+1) {
				return true
			}
		}
	}
	return false
}

// isExcused reports whether an event of the alarm, an event of an alarm beside it in a composite alarm, or the investigation's hand-over
// became a dead letter. A self-alarm reports dead letters.
func (w *world) isExcused(alarm, id string) bool {
	for _, d := range w.deliveries {
		if d.isDeadLetter && (d.of.alarm == alarm || id != "" && d.handOver == id || w.isBeside(d.of.alarm, alarm)) {
			return true
		}
	}
	return false
}

func (w *world) isBeside(one, other string) bool {
	for _, a := range w.alarms {
		if a.name == one && slices.Contains(a.children, other) || a.name == other && slices.Contains(a.children, one) {
			return true
		}
	}
	return false
}

// checkTransitions checks that each transition to ALARM has a report, that one after the window is not only a repeat of the investigation
// before it, and that no transition is investigated twice.
func (w *world) checkTransitions(t *testing.T, reports map[string][]sentReport) {
	for _, tr := range w.transitions {
		if tr.state != "ALARM" || w.isExcused(tr.alarm, "") {
			continue
		}
		assert.True(t, slices.ContainsFunc(tr.deliveries, func(d *delivery) bool {
			return slices.ContainsFunc(d.results, func(r triage.Result) bool { return w.isReported(d, r, reports) })
		}), "SILENT: %s at %s", tr.alarm, tr.at)
		assert.True(t, w.fails("dynamodb") || slices.ContainsFunc(w.deliveries, func(d *delivery) bool {
			return d.isOf(tr) && slices.ContainsFunc(d.results, func(r triage.Result) bool { return !w.isOld(d, r, reports[r.ID]) })
		}), "OLD: %s at %s is only a repeat of an investigation whose window was over", tr.alarm, tr.at)
	}
	if w.fails("dynamodb") {
		return
	}
	investigated := map[string]string{}
	for _, r := range w.sent {
		key := r.Told.Alarm + r.Told.Time.Truncate(time.Second).String()
		if r.Told.Unconfirmed == "" && !r.Told.IsUpdate {
			assert.Contains(t, []string{"", r.ID}, investigated[key], "TWICE: %+v", r)
			investigated[key] = r.ID
		}
	}
}

// isOf reports whether the event is one of the transition. CloudWatch confirms the event of somebody else with its time, too.
func (d *delivery) isOf(tr *simulatedTransition) bool {
	return d.of == tr || d.isForged && d.of.alarm == tr.alarm && d.of.state == tr.state && d.of.at.Sub(tr.at).Abs() <= dedupe.SameTransition
}

// isOld reports whether the result is a repeat of an investigation that was reported before, and whose window was over at the transition.
func (w *world) isOld(d *delivery, r triage.Result, sent []sentReport) bool {
	began := w.began[r.ID]
	if r.Status != triage.StatusDuplicate || len(sent) == 0 || began.IsZero() {
		return false
	}
	isNext := d.of.at.After(began.Add(w.window+time.Minute)) && d.of.at.Sub(sent[0].Told.Time) > 2*time.Second
	return isNext && d.begins[len(d.begins)-1].After(sent[len(sent)-1].At.Add(3*time.Minute))
}

// checkReports checks that a report that was sent again says so, and that a day has no more investigations than allowed.
func (w *world) checkReports(t *testing.T, reports map[string][]sentReport) {
	perDay := map[string]int{}
	for id, sent := range reports {
		copies := 0
		for _, r := range sent {
			if r.IsCopy {
				copies++
			}
		}
		if !w.fails("dynamodb") && !w.fails("sns") {
			assert.GreaterOrEqual(t, copies, len(sent)-1, "COPY: %s was sent %d times", id, len(sent))
		}
		if began := w.began[id]; !began.IsZero() && sent[0].Told.Unconfirmed == "" && !sent[0].Told.IsUpdate {
			perDay[began.UTC().Format(time.DateOnly)]++
		}
	}
	for day, n := range perDay {
		if w.maxPerDay > 0 && !w.fails("dynamodb") {
			assert.LessOrEqual(t, n, w.maxPerDay, "investigations on %s", day)
		}
	}
}

// checkMetrics checks that each investigation is counted with its outcome.
func (w *world) checkMetrics(t *testing.T) {
	sums := map[string]float64{}
	for line := range strings.Lines(w.metrics.String()) {
		fields := object{}
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		for name, value := range fields {
			if number, ok := value.(float64); ok {
				sums[name] += number
			}
		}
	}
	assert.Equal(t, sums["Investigations"], sums["InvestigationsCompleted"]+sums["InvestigationsConcluded"]+sums["InvestigationsFallback"])
}
