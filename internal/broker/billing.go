package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// tariff is how AWS bills an operation by use. Prices are list prices of US East (N. Virginia) in US dollars.
type tariff struct {
	unit  toolcall.Unit
	price float64 // per unit
	// units returns how many units a request uses at most, or the reason for refusing a request that cannot
	// be counted.
	units func(r *http.Request, body []byte) (int64, string)
}

// Upper bounds of the units of one request.
const (
	maxRuleMetrics   = 10     // metrics that GetInsightRuleReport returns ("GetInsightRuleReport", Metrics)
	maxPromQLMetrics = 500    // assumed for a PromQL query, whose answer does not name the number of metrics
	maxTracesScanned = 10_000 // assumed for a page of GetTraceSummaries until its answer names the number
	maxTracesRead    = 5      // traces of one BatchGetTraces; GetTraceGraph documents no limit
	maxTracesStarted = 100    // traces of one StartTraceRetrieval
	assumedLakeScan  = 10e9   // bytes of a CloudTrail Lake query, which are not read back
	maxLiveTail      = 15     // minutes, the longest time of a tool call
)

// tariffs are the reads that AWS bills with more than $0.000015 a request or by their size, by operation or,
// with *, by service, as on the price pages of the services. docs/broker.md has the same list.
var tariffs = map[string]tariff{
	"logs:StartQuery":                                {toolcall.UnitBytes, pricePerByteScanned, fixed(minLogScan)}, // settled by logQueries
	"logs:StartLiveTail":                             {toolcall.UnitRequests, 0.01 * maxLiveTail, fixed(1)},        // by the minute
	"cloudtrail:StartQuery":                          {toolcall.UnitBytes, pricePerByteScanned, fixed(assumedLakeScan)},
	"cloudwatch:GetMetricData":                       {toolcall.UnitMetrics, 0.01 / 1000, metricsRequested},
	"cloudwatch:GetMetricWidgetImage":                {toolcall.UnitMetrics, 0.02 / 1000, metricsOfWidget},
	"cloudwatch:GetInsightRuleReport":                {toolcall.UnitMetrics, 0.01 / 1000, fixed(maxRuleMetrics)},
	"cloudwatch:QueryMetrics":                        {toolcall.UnitMetrics, 0.01 / 1000, fixed(maxPromQLMetrics)},
	"xray:GetTraceSummaries":                         {toolcall.UnitTraces, 0.50 / 1e6, fixed(maxTracesScanned)},
	"xray:BatchGetTraces":                            {toolcall.UnitTraces, 0.50 / 1e6, listed("TraceIds", maxTracesRead)},
	"xray:GetTraceGraph":                             {toolcall.UnitTraces, 0.50 / 1e6, listed("TraceIds", maxTracesRead)},
	"xray:StartTraceRetrieval":                       {toolcall.UnitTraces, 0.50 / 1e6, listed("TraceIds", maxTracesStarted)},
	"ce:*":                                           {toolcall.UnitRequests, 0.01, fixed(1)},
	"access-analyzer:CheckAccessNotGranted":          {toolcall.UnitRequests, 0.002, fixed(1)},
	"access-analyzer:CheckNoNewAccess":               {toolcall.UnitRequests, 0.002, fixed(1)},
	"access-analyzer:CheckNoPublicAccess":            {toolcall.UnitRequests, 0.002, fixed(1)},
	"comprehend:*":                                   {toolcall.UnitRequests, 0.125, fixed(1)}, // 25 documents of 5 KB
	"rekognition:*":                                  {toolcall.UnitRequests, 0.001, fixed(1)},
	"datazone:*":                                     {toolcall.UnitRequests, 0.0001, fixed(1)},
	"servicecatalog:*":                               {toolcall.UnitRequests, 0.0007, fixed(1)}, // the first tier, also for AppRegistry
	"devops-guru:*":                                  {toolcall.UnitRequests, 0.00004, fixed(1)},
	"verifiedpermissions:*":                          {toolcall.UnitRequests, 0.00004, fixed(1)},
	"verifiedpermissions:BatchGetPolicy":             {toolcall.UnitRequests, 0.00004, listed("requests", 1)},
	"verifiedpermissions:BatchIsAuthorized":          {toolcall.UnitRequests, 0.00015, fixed(1)},
	"verifiedpermissions:BatchIsAuthorizedWithToken": {toolcall.UnitRequests, 0.00015, fixed(1)},
	"ssm:DescribeOpsItems":                           {toolcall.UnitRequests, 0.000039, fixed(1)},
	"ssm:GetOpsItem":                                 {toolcall.UnitRequests, 0.000039, fixed(1)},
	"ssm:GetOpsSummary":                              {toolcall.UnitRequests, 0.000039, fixed(1)},
	"iotwireless:GetPositionEstimate":                {toolcall.UnitRequests, 0.01, fixed(1)}, // the price is not known
}

// pricePerByteScanned is the price of CloudWatch Logs Insights and CloudTrail Lake: $0.005 per GB. A GB is
// counted as 10^9 bytes, the more expensive reading.
const pricePerByteScanned = 0.005 / 1e9

// fixed returns a function that counts the same number of units for every request.
func fixed(units int64) func(*http.Request, []byte) (int64, string) {
	return func(*http.Request, []byte) (int64, string) { return units, "" }
}

// listed returns a function that counts the entries of a list in a JSON request, such as the IDs of traces, and at least a
// number that AWS documents as the most.
func listed(name string, least int64) func(*http.Request, []byte) (int64, string) {
	return func(_ *http.Request, body []byte) (int64, string) {
		input, err := treeOfJSON(body)
		if err != nil {
			return 0, "the " + name + " of this request cannot be counted: " + bounded(err.Error())
		}
		units := least
		for _, field := range input.fields {
			if strings.EqualFold(field.name, name) {
				units = max(units, int64(len(field.value.list)))
			}
		}
		return units, ""
	}
}

// tariffOf returns how AWS bills an operation.
func tariffOf(op *operation) (tariff, bool) {
	describes := strings.HasPrefix(op.name, "List") || strings.HasPrefix(op.name, "Describe") // IAM calls most lists reads
	if describes && (op.service.prefix == "comprehend" || op.service.prefix == "rekognition") {
		return tariff{}, false // AWS bills what the services analyze
	}
	if found, ok := tariffs[op.service.prefix+":"+op.name]; ok {
		return found, true
	}
	found, ok := tariffs[op.service.prefix+":*"]
	return found, ok
}

// bill adds up what AWS charges for the requests of one tool call. A request is charged before it is sent,
// so that simultaneous requests cannot exceed the limit together.
type bill struct {
	limit       float64                       // US dollars
	alternative func(operation string) string // what to use instead of an operation

	mu    sync.Mutex
	spent float64 // US dollars, with the charges of requests whose answers are not known yet
	lines map[string]*toolcall.BilledQueries
}

// charge is the charge of one request.
type charge struct {
	bill      *bill
	operation string
	tariff    tariff
	units     int64
	scope     scope    // that the code signed the request for
	signer    identity // that the broker signed it with
}

// newBill returns the bill of a call that may spend limit US dollars. Its refusals name an alternative.
func newBill(limit float64, alternative func(operation string) string) *bill {
	return &bill{limit: limit, alternative: alternative, lines: map[string]*toolcall.BilledQueries{}}
}

// price returns the charge of a request, which is nil if AWS does not bill it, or the reason for refusing
// it. If a request can mean several operations, the most expensive one counts.
func (b *bill) price(operations []*operation, r *http.Request, body []byte) (*charge, string) {
	var dearest *charge
	for _, op := range operations {
		t, billed := tariffOf(op)
		if !billed {
			continue
		}
		units, reason := t.units(r, body)
		if reason != "" {
			return nil, reason
		}
		c := &charge{bill: b, operation: op.service.prefix + ":" + op.name, tariff: t, units: units}
		if dearest == nil || c.cost() > dearest.cost() {
			dearest = c
		}
	}
	return dearest, ""
}

// rounding is far below the cheapest unit, in US dollars: sums of prices are not exact.
const rounding = 1e-9

// add charges a request before it is sent. It returns the reason for refusing it if the limit would be
// exceeded.
func (c *charge) add() string {
	b := c.bill
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent+c.cost() > b.limit+rounding {
		return b.refusal(c)
	}
	b.spent += c.cost()
	line := b.lines[c.operation]
	if line == nil {
		line = &toolcall.BilledQueries{Operation: c.operation, Unit: c.tariff.unit}
		b.lines[c.operation] = line
	}
	line.Requests++
	line.Units += c.units
	line.CostUSD += c.cost()
	return ""
}

// cost returns the charge in US dollars.
func (c *charge) cost() float64 { return float64(c.units) * c.tariff.price }

// change replaces the number of units by what AWS reported.
func (c *charge) change(units int64) {
	b := c.bill
	b.mu.Lock()
	defer b.mu.Unlock()
	c.changeLocked(units)
}

func (c *charge) changeLocked(units int64) {
	more := units - c.units
	line := c.bill.lines[c.operation]
	line.Units += more
	line.CostUSD += float64(more) * c.tariff.price
	c.bill.spent += float64(more) * c.tariff.price
	c.units = units
}

// refund removes the charge of a request that AWS did not accept.
func (c *charge) refund() {
	b := c.bill
	b.mu.Lock()
	defer b.mu.Unlock()
	c.changeLocked(0)
	if line := b.lines[c.operation]; line.Requests > 1 {
		line.Requests--
	} else {
		delete(b.lines, c.operation)
	}
}

// exceeded reports whether the limit is used up.
func (b *bill) exceeded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent > b.limit+rounding
}

// billed returns the lines of the bill, sorted by operation.
func (b *bill) billed() []toolcall.BilledQueries {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []toolcall.BilledQueries
	for _, line := range b.lines {
		lines = append(lines, *line)
	}
	slices.SortFunc(lines, func(a, b toolcall.BilledQueries) int { return strings.Compare(a.Operation, b.Operation) })
	return lines
}

// refusal returns why a request that would exceed the limit is refused. b.mu is held.
func (b *bill) refusal(c *charge) string {
	used := "nothing"
	if line := b.lines[c.operation]; line != nil {
		used = fmt.Sprintf("%d requests with %d %s", line.Requests, line.Units, line.Unit)
	}
	return fmt.Sprintf("%s is refused: AWS bills it, this request could cost $%s (%d %s), and this tool call has used $%s "+
		"of the $%s that MaxQueryCostUsd leaves for it (%s: %s). Ask for less, for example for a shorter time range; %s",
		c.operation, dollars(c.cost()), c.units, c.tariff.unit, dollars(b.spent), dollars(b.limit),
		c.operation, used, b.alternative(c.operation))
}

// alternative returns what to use instead of a billed operation. It names no read that the settings deny.
func (g guard) alternative(operation string) string {
	passes := func(service, name string) bool {
		return g.checkOne(theTables().service(service).operations[name]) == ""
	}
	switch service, _, _ := strings.Cut(operation, ":"); {
	case service == "logs" && passes("logs", "FilterLogEvents"):
		return "filter_log_events costs nothing"
	case service == "cloudwatch" && passes("cloudwatch", "GetMetricStatistics"):
		return "get_metric_statistics and the evidence (tool call 0) cost nothing or almost nothing"
	}
	return "conclude without it if you can"
}

// dollars formats an amount with as many digits as it needs, from cents to hundredths of a cent.
func dollars(amount float64) string {
	text := fmt.Sprintf("%.4f", amount)
	for range 2 {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// charge charges a request to the session's bill. The charge is nil if AWS does not bill the request.
func (s *Session) charge(
	ctx context.Context, operations []*operation, r *http.Request, body []byte,
) (*charge, string) {
	c, reason := s.bill.price(operations, r, body)
	if c == nil || reason != "" {
		return nil, reason
	}
	if c.operation == startLogQuery {
		reason = s.queries.admit(ctx, c)
	} else {
		reason = c.add()
	}
	if reason != "" {
		return nil, reason
	}
	return c, ""
}

// failed ends the charge of a request without an answer. refund is true if AWS did not receive the request.
func (s *Session) failed(c *charge, refund bool) {
	switch {
	case c == nil:
	case c.operation == startLogQuery:
		s.queries.failed(c, refund)
	case refund:
		c.refund()
	}
}

// settle ends the charge of a request that AWS answered. AWS does not bill requests that it rejects, such as
// invalid and throttled ones. traces is nil if the answer names no number of traces.
func (c *charge) settle(status int, traces *traceCounter) {
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		c.refund()
		return
	}
	if traces == nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(traces, maxTracesUnread)) // the code may not have read the answer to its end
	if traces.isFound {
		c.change(traces.count)
	}
}

// traceCounter finds the number of traces in an answer of GetTraceSummaries while it is read. The number is usually at its end.
type traceCounter struct {
	io.ReadCloser
	isFound bool
	count   int64
	end     []byte // of what was read
}

const (
	traceOverlap    = 128     // bytes, more than the name and the number
	maxTracesUnread = 8 << 20 // bytes of an answer that are read after the code has stopped reading it
)

// countTraces makes a counter read the answer if its request is billed by traces that only the answer names.
func (c *charge) countTraces(response *http.Response) *traceCounter {
	if c == nil || c.operation != "xray:GetTraceSummaries" {
		return nil
	}
	counter := &traceCounter{ReadCloser: response.Body}
	response.Body = counter
	return counter
}

// Read reads the answer.
func (t *traceCounter) Read(into []byte) (int, error) {
	n, err := t.ReadCloser.Read(into)
	seen := append(t.end, into[:n]...)
	for _, found := range tracesProcessed().FindAllSubmatch(seen, -1) {
		if count, err := strconv.ParseInt(string(found[1]), 10, 64); err == nil { // the beginning of a number is less than the number
			t.isFound, t.count = true, max(t.count, count)
		}
	}
	t.end = bytes.Clone(seen[max(0, len(seen)-traceOverlap):])
	return n, err
}

// send sends a request to AWS, a billed one only once.
func (s *Session) send(request *http.Request, c *charge) (*http.Response, error) {
	switch {
	case c == nil:
		return s.broker.roundTrip(request)
	case c.operation == startLogQuery:
		return s.queries.start(request, c)
	}
	return s.broker.sendOnce(request)
}

// sendOnce sends a request on a new connection, which the transport does not repeat.
func (b *Broker) sendOnce(request *http.Request) (*http.Response, error) {
	return connecting(b.unkept(), request)
}

// roundTrip sends a request, and again if AWS had closed the connection that was kept for it. The transport repeats requests with
// this header, which is not sent without a value.
func (b *Broker) roundTrip(request *http.Request) (*http.Response, error) {
	request.Header["Idempotency-Key"] = nil
	return connecting(b.transport, request)
}

// connecting sends a request. Its error is a noConnectionError if no connection was open, so that AWS did not receive the request.
func connecting(transport http.RoundTripper, request *http.Request) (*http.Response, error) {
	var asked, connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	response, err := transport.RoundTrip(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil && asked.Load() && !connected.Load() {
		err = noConnectionError{err}
	}
	return response, err
}

// noConnectionError is why no connection to AWS was open, such as a failed handshake.
type noConnectionError struct{ error }

func (e noConnectionError) Unwrap() error { return e.error }

const startLogQuery = "logs:StartQuery"

// tracesProcessed matches the number of traces in an answer of GetTraceSummaries.
var tracesProcessed = lazy.Regexp(`"TracesProcessedCount"\s*:\s*([0-9]{1,12})`)

// isUnsent reports whether there was no connection, so that AWS did not receive the request.
func isUnsent(err error) bool {
	_, unsent := errors.AsType[noConnectionError](err)
	dial, ok := errors.AsType[*net.OpError](err)
	return unsent || ok && dial.Op == "dial"
}
