// Command tool compares three ways to run a model's Python code: this library's tool, a handler that executes
// the code in its own warm process, and a fresh python3 per call. It measures all of them in one run on one
// machine.
//
//	go run ./bench/tool -python python3 -calls 50 -before REF
//
// The tool is the real binary with all its layers, the redaction, and the broker's guard. The tool and the
// handler each run behind a Runtime API. AWS is a small server on this machine, so the times do not include a
// network. The ways alternate, because other load on the machine must affect all of them. With -before, the tool of an
// earlier commit is one of the ways. The command prints a Markdown table of medians.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"log"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/bench/internal/checkout"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// Snippets whose execution time is measured.
const (
	codeSum  = `result = 1 + 1`
	codeLogs = `result = len(boto3.client("logs").describe_log_groups()["logGroups"])`
	codeEC2  = `result = len(boto3.client("ec2").describe_instances()["Reservations"])`
)

// codeWarmCall returns its own measurement: milliseconds per call of a client that has been used before.
const codeWarmCall = `
c = boto3.client("logs"); c.describe_log_groups()
t = time.perf_counter()
for _ in range(200): c.describe_log_groups()
result = (time.perf_counter() - t) / 200 * 1000`

// codeFirstCall returns its own measurement: milliseconds of a new client's first call, without creating the
// client.
const codeFirstCall = `
c = boto3.client("logs")
t = time.perf_counter()
c.describe_log_groups()
result = (time.perf_counter() - t) * 1000`

// settle is the time in which an idle tool creates the clients of the services that it prepares.
const settle = 3 * time.Second

// pause is the time before a cold start in which the machine becomes idle.
const pause = 200 * time.Millisecond

func main() {
	python := flag.String("python", "python3", "interpreter with boto3")
	calls := flag.Int("calls", 50, "calls per row")
	starts := flag.Int("starts", 9, "cold starts per row")
	before := flag.String("before", "", "commit whose tool to compare with; none if empty")
	flag.Parse()
	if err := run(*python, *before, *calls, *starts); err != nil {
		log.Fatal(err)
	}
}

func run(python, before string, calls, starts int) error {
	directory, err := os.MkdirTemp("", "alarmtriage-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	s := &stage{directory: directory}
	usualBundle, err := s.locate(python)
	if err != nil {
		return err
	}
	s.bundle = s.path("bundle.pem")
	plain := plainAWS()
	defer plain.Close()
	secure, err := secureAWS(usualBundle, s.bundle)
	if err != nil {
		return err
	}
	defer secure.Close()
	s.plain, s.secure = plain.URL, secure.URL
	b := &bench{stage: s, calls: calls, starts: starts, series: map[string]*[byBefore + 1][]float64{}}
	if err := b.addWays(before); err != nil {
		return err
	}
	for _, part := range []func() error{b.coldStarts, b.warmCalls, b.warmSecureCalls} {
		if err := part(); err != nil {
			return err
		}
	}
	b.print(python)
	return nil
}

// bench collects the values of the ways for each measurement.
type bench struct {
	stage         *stage
	calls, starts int
	ways          []kindOfWay
	series        map[string]*[byBefore + 1][]float64 // milliseconds, or MB
}

// kindOfWay starts a way to execute code with AWS at an endpoint.
type kindOfWay struct {
	name  string
	start func(endpoint string) (way, error)
}

// Indexes of the ways. The last one is optional.
const (
	byTool = iota
	byHandler
	byFresh
	byBefore
)

// addWays builds the tool, also that of an earlier commit if there is one.
func (b *bench) addWays(before string) error {
	add := func(name, root, directory string) error {
		tool, err := b.stage.build(root, directory)
		b.ways = append(b.ways, kindOfWay{name, func(endpoint string) (way, error) { return b.stage.startTool(tool, endpoint) }})
		return err
	}
	if err := add("this tool", moto.Root(), "now"); err != nil {
		return err
	}
	b.ways = append(b.ways, kindOfWay{"handler in-process", b.stage.startHandler}, kindOfWay{"fresh python3 per call", b.stage.startFresh})
	if before == "" {
		return nil
	}
	root := b.stage.path("checkout")
	if err := checkout.Write(context.Background(), before, root); err != nil {
		return err
	}
	return add("tool of "+before, root, "before")
}

// note adds a value to a series of a way.
func (b *bench) note(name string, by int, value float64) {
	if b.series[name] == nil {
		b.series[name] = &[byBefore + 1][]float64{}
	}
	b.series[name][by] = append(b.series[name][by], value)
}

// measure runs code and records its duration, or the measurement that it returns.
func (b *bench) measure(name string, by int, w way, code string) error {
	d, result, err := w.call(code)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", b.ways[by].name, name, err)
	}
	value := milliseconds(d)
	if code == codeWarmCall || code == codeFirstCall {
		if err := json.Unmarshal(result, &value); err != nil {
			return fmt.Errorf("%s, %s: %w", b.ways[by].name, name, err)
		}
	}
	b.note(name, by, value)
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Names of the measurements.
const (
	coldSum, coldLogs, coldEC2   = "cold start", "then logs", "then ec2"
	coldSecure                   = "first HTTPS call after a cold start"
	warmSum, warmLogs, warmEC2   = "sum", "logs", "ec2"
	oneMore, oneMoreSecure       = "one more", "one more over HTTPS"
	newSecure, firstSecure, size = "new client over HTTPS", "first call over HTTPS", "memory"
)

// inTurn returns the indexes of the ways, in each round from another one on: what ran before can make the next one slower.
func (b *bench) inTurn(round int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range b.ways {
			if !yield((i + round) % len(b.ways)) {
				return
			}
		}
	}
}

// coldStarts measures the first calls in a new process, and the first use of a service in it.
func (b *bench) coldStarts() error {
	for i := range b.starts {
		for by := range b.inTurn(i) {
			if err := b.coldStart(by); err != nil {
				return err
			}
			if err := b.coldSecureStart(by); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) coldStart(by int) error {
	w, err := b.start(by, b.stage.plain)
	if err != nil {
		return err
	}
	defer w.close()
	if err := b.measure(coldLogs, by, w, codeLogs); err != nil {
		return err
	}
	return b.measure(coldEC2, by, w, codeEC2)
}

func (b *bench) coldSecureStart(by int) error {
	w, err := b.start(by, b.stage.secure)
	if err != nil {
		return err
	}
	defer w.close()
	return b.measure(coldSecure, by, w, codeFirstCall)
}

// start starts a way and measures its first call, which needs no endpoint.
func (b *bench) start(by int, endpoint string) (way, error) {
	time.Sleep(pause)
	begin := time.Now()
	w, err := b.ways[by].start(endpoint)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", b.ways[by].name, err)
	}
	if _, _, err := w.call(codeSum); err != nil {
		w.close()
		return nil, fmt.Errorf("%s: %w", b.ways[by].name, err)
	}
	b.note(coldSum, by, milliseconds(time.Since(begin)))
	return w, nil
}

// fewer divides the number of calls for a fresh interpreter, which is the slowest way and varies least.
const fewer = 6

// warmCalls measures calls in processes that have been used before.
func (b *bench) warmCalls() error {
	running, stop, err := b.warm(b.stage.plain)
	if err != nil {
		return err
	}
	defer stop()
	for i := range b.calls {
		for by := range b.inTurn(i) {
			if by == byFresh && i%fewer != 0 {
				continue
			}
			w := running[by]
			for _, one := range [][2]string{{warmSum, codeSum}, {warmLogs, codeLogs}, {warmEC2, codeEC2}} {
				if err := b.measure(one[0], by, w, one[1]); err != nil {
					return err
				}
			}
		}
		if i%fewer == 0 {
			if err := b.each(i/fewer, running, oneMore, codeWarmCall); err != nil {
				return err
			}
		}
	}
	for by, w := range running {
		if mb := w.memory(); mb > 0 {
			b.note(size, by, float64(mb))
		}
	}
	return nil
}

// warmSecureCalls measures calls over HTTPS.
func (b *bench) warmSecureCalls() error {
	running, stop, err := b.warm(b.stage.secure)
	if err != nil {
		return err
	}
	defer stop()
	for i := range max(b.calls/fewer, 1) {
		for _, one := range [][2]string{{newSecure, codeLogs}, {firstSecure, codeFirstCall}, {oneMoreSecure, codeWarmCall}} {
			if err := b.each(i, running, one[0], one[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// each measures the code in each way.
func (b *bench) each(round int, running []way, name, code string) error {
	for by := range b.inTurn(round) {
		if err := b.measure(name, by, running[by], code); err != nil {
			return err
		}
	}
	return nil
}

// warm starts all ways and uses them a little.
func (b *bench) warm(endpoint string) (running []way, stop func(), err error) {
	stop = func() {
		for _, w := range running {
			w.close()
		}
	}
	for by := range b.ways {
		w, err := b.ways[by].start(endpoint)
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("start %s: %w", b.ways[by].name, err)
		}
		running = append(running, w)
	}
	for _, w := range running {
		if _, _, err := w.call(codeSum); err != nil {
			stop()
			return nil, nil, err
		}
	}
	time.Sleep(settle)
	for range 2 {
		for _, w := range running {
			for _, code := range []string{codeLogs, codeEC2} {
				if _, _, err := w.call(code); err != nil {
					stop()
					return nil, nil, err
				}
			}
		}
	}
	return running, stop, nil
}

// row is a line of the table. Each way has its own series, because a first use in one way is an ordinary call
// in another.
type row struct {
	name     string
	cells    [3]string // names of the series; empty: no value
	quantile float64
	target   string
	met      func(tool, handler float64) bool
}

// ratio returns a target: the tool takes at most this multiple of the handler's value.
func ratio(most float64) func(tool, handler float64) bool {
	return func(tool, handler float64) bool { return tool <= most*handler }
}

// atMost returns a target: the tool's value is at most this number.
func atMost(most float64) func(tool, handler float64) bool {
	return func(tool, _ float64) bool { return tool <= most }
}

// same returns cells that use the same measurement for each way.
func same(name string) [3]string { return [3]string{name, name, name} }

var rows = []row{
	{name: "cold start to the first `1+1`, ms", cells: same(coldSum), quantile: 0.5, target: "≤ 1.1 × handler", met: ratio(1.1)},
	{name: "the call after that: first use of logs, ms", cells: same(coldLogs), quantile: 0.5},
	{name: "the call after that: first use of ec2, ms", cells: same(coldEC2), quantile: 0.5},
	{name: "first use of logs, once warmed, ms", cells: [3]string{warmLogs, coldLogs, coldLogs}, quantile: 0.5, target: "≤ 0.5 × handler", met: ratio(0.5)},
	{name: "first use of ec2, once warmed, ms", cells: [3]string{warmEC2, coldEC2, coldEC2}, quantile: 0.5, target: "≤ 0.5 × handler", met: ratio(0.5)},
	{name: "warm `1+1`, p50, ms", cells: same(warmSum), quantile: 0.5, target: "< 10", met: atMost(10)},
	{name: "warm `1+1`, p99, ms", cells: same(warmSum), quantile: 0.99},
	{name: "warm: new logs client and a call, ms", cells: same(warmLogs), quantile: 0.5},
	{name: "warm: new ec2 client and a call, ms", cells: same(warmEC2), quantile: 0.5},
	{name: "one more call of a client, HTTP, ms", cells: same(oneMore), quantile: 0.5, target: "≤ handler", met: ratio(1)},
	{name: "one more call of a client, HTTPS, ms", cells: same(oneMoreSecure), quantile: 0.5, target: "≤ handler", met: ratio(1)},
	{name: "a new client's first HTTPS call, ms", cells: same(firstSecure), quantile: 0.5, target: "≤ handler", met: ratio(1)},
	{name: "the same, immediately after a cold start, ms", cells: same(coldSecure), quantile: 0.5},
	{name: "warm: new logs client and an HTTPS call, ms", cells: same(newSecure), quantile: 0.5},
	{name: "memory when idle, MB (Pss of all processes)", cells: same(size), quantile: 0.5, target: "< 120", met: atMost(120)},
}

func (b *bench) print(python string) {
	var names []string
	for _, kind := range b.ways {
		names = append(names, kind.name)
	}
	hasBefore := len(b.ways) > byBefore
	fmt.Printf("%s, boto3 of %s, %d CPUs, %d cold starts, %d calls:\n\n", b.version(), python, runtime.NumCPU(), b.starts, b.calls)
	fmt.Printf("| measurement | %s | tool ÷ handler | target |%s\n|---|---|---|---|---|---|%s\n", strings.Join(names, " | "),
		onlyIf(hasBefore, " tool ÷ tool before |"), onlyIf(hasBefore, "---|---|"))
	for _, r := range rows {
		values, cells := make([]float64, len(b.ways)), make([]string, len(b.ways))
		for by := range b.ways {
			name := r.cells[byTool]
			if by < byBefore {
				name = r.cells[by]
			}
			values[by] = b.quantile(name, by, r.quantile)
			cells[by] = formatNumber(values[by])
		}
		target := "–"
		if r.met != nil {
			target = r.target + ": " + map[bool]string{true: "met", false: "missed"}[r.met(values[byTool], values[byHandler])]
		}
		fmt.Printf("| %s | %s | %.2f | %s |", r.name, strings.Join(cells, " | "), values[byTool]/values[byHandler], target)
		if hasBefore {
			fmt.Printf(" %.2f |", values[byTool]/values[byBefore])
		}
		fmt.Println()
	}
}

func onlyIf(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}

func (b *bench) version() string {
	w, err := b.stage.startFresh(b.stage.plain)
	if err != nil {
		return "Python"
	}
	_, text, err := w.call("import platform; result = platform.python_version() + ', boto3 ' + boto3.__version__")
	if err != nil {
		return "Python"
	}
	name, err := strconv.Unquote(string(text))
	if err != nil {
		return "Python"
	}
	return "Python " + name
}

func (b *bench) quantile(name string, by int, q float64) float64 {
	if b.series[name] == nil || len(b.series[name][by]) == 0 {
		return 0
	}
	values := slices.Sorted(slices.Values(b.series[name][by]))
	return values[min(int(float64(len(values))*q), len(values)-1)]
}

// formatNumber formats a number with three digits, or returns a dash if there is no number.
func formatNumber(value float64) string {
	switch {
	case value == 0:
		return "–"
	case value < 10:
		return strconv.FormatFloat(value, 'f', 2, 64)
	case value < 100:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 0, 64)
}
