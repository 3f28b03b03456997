package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// CloudWatch bills GetMetricData by the metrics that its queries read. A SEARCH reads at most 500 time
// series ("Search expression quotas") and a Metrics Insights query at most 10,000 metrics ("Metrics Insights
// quotas").
const (
	metricsOfSearch = 500
	metricsOfSelect = 10_000
	maxWidgetLines  = 500 // metrics of a widget that cannot be read
)

// metricsRequested returns how many metrics a GetMetricData request reads at most, in any of CloudWatch's
// protocols.
func metricsRequested(r *http.Request, body []byte) (int64, string) {
	input, err := inputOf(r, body)
	if err != nil {
		return 0, "the queries of this GetMetricData cannot be counted: " + bounded(err.Error())
	}
	var metrics int64
	for _, field := range input.fields {
		if !strings.EqualFold(field.name, "MetricDataQueries") {
			continue
		}
		for _, query := range field.value.list {
			metrics += 1 + query.metricsFound()
		}
	}
	return metrics, ""
}

// metricsOfWidget returns how many metrics a GetMetricWidgetImage request reads at most.
func metricsOfWidget(r *http.Request, body []byte) (int64, string) {
	input, err := inputOf(r, body)
	if err != nil {
		return 0, "the metrics of this GetMetricWidgetImage cannot be counted: " + bounded(err.Error())
	}
	var metrics int64
	for _, field := range input.fields {
		if !strings.EqualFold(field.name, "MetricWidget") {
			continue
		}
		widget, err := treeOfJSON([]byte(field.value.text))
		if err != nil {
			metrics += maxWidgetLines
			continue
		}
		metrics += widget.metricsFound()
		for _, part := range widget.fields {
			metrics += int64(len(part.value.list)) // "metrics" and whatever else is a list
		}
	}
	return max(metrics, 1), ""
}

// tree is a decoded value. Repeated names are kept, because a server may read either of them.
type tree struct {
	text   string // of a string, or true or false
	list   []tree
	fields []treeField
}

type treeField struct {
	name  string
	value tree
}

// metricsFound returns how many metrics the searches and queries in the value's expressions read at most. Other texts,
// such as the values of dimensions, do not count.
func (t tree) metricsFound() int64 {
	var metrics int64
	for _, text := range t.expressions() {
		metrics += metricsInExpression(text)
	}
	return metrics
}

// expressions returns the metric math in the value, at any depth.
func (t tree) expressions() []string { return t.appendExpressions(nil) }

func (t tree) appendExpressions(texts []string) []string {
	for _, element := range t.list {
		texts = element.appendExpressions(texts)
	}
	for _, field := range t.fields {
		if name := field.name[strings.LastIndexByte(field.name, '.')+1:]; strings.EqualFold(name, "Expression") {
			texts = field.value.appendTexts(texts) // with those of expressions in it
			continue
		}
		texts = field.value.appendExpressions(texts)
	}
	return texts
}

// allTexts returns every text in the value that is not empty, at any depth.
func (t tree) allTexts() []string { return t.appendTexts(nil) }

func (t tree) appendTexts(texts []string) []string {
	if t.text != "" {
		texts = append(texts, t.text)
	}
	for _, element := range t.list {
		texts = element.appendTexts(texts)
	}
	for _, field := range t.fields {
		texts = field.value.appendTexts(texts)
	}
	return texts
}

// repeatsName reports whether an object in the value has a name twice.
func (t tree) repeatsName() bool {
	names := map[string]bool{}
	for _, field := range t.fields {
		if names[field.name] || field.value.repeatsName() {
			return true
		}
		names[field.name] = true
	}
	return slices.ContainsFunc(t.list, tree.repeatsName)
}

// hasField reports whether the value has a field with a name, ignoring case, at any depth.
func (t tree) hasField(name string) bool {
	has := func(field treeField) bool { return strings.EqualFold(field.name, name) || field.value.hasField(name) }
	return slices.ContainsFunc(t.fields, has) || slices.ContainsFunc(t.list, func(element tree) bool { return element.hasField(name) })
}

// texts returns the values of the fields with a name, ignoring case.
func (t tree) texts(name string) []string {
	var texts []string
	for _, field := range t.fields {
		if strings.EqualFold(field.name, name) {
			texts = append(texts, field.value.text)
		}
	}
	return texts
}

// inputOf decodes the input of a request in the JSON, CBOR, or query protocol.
func inputOf(r *http.Request, body []byte) (tree, error) {
	switch {
	case r.Header.Get("Smithy-Protocol") != "":
		return treeOfCBOR(body)
	case r.Header.Get("X-Amz-Target") != "":
		return treeOfJSON(body)
	}
	return treeOfForm(body)
}

// listNumber matches the beginning of the name of a list's entry, up to the number. The word before it differs between lists.
var listNumber = lazy.Regexp(`^(?:[A-Za-z]+\.)?[0-9]*`)

// treeOfForm decodes the query protocol: NAME.member.NUMBER.FIELD=VALUE.
func treeOfForm(body []byte) (tree, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return tree{}, err
	}
	var input tree
	lists := map[string]map[string]*tree{} // elements by list and number
	for name, values := range form {
		list, rest, nested := strings.Cut(name, ".")
		for _, value := range values {
			if !nested {
				input.fields = append(input.fields, treeField{name, tree{text: value}})
				continue
			}
			number := listNumber().FindString(rest)
			if lists[list] == nil {
				lists[list] = map[string]*tree{}
			}
			if lists[list][number] == nil {
				lists[list][number] = &tree{}
			}
			element := lists[list][number]
			element.fields = append(element.fields, treeField{rest, tree{text: value}})
		}
	}
	for name, elements := range lists {
		var list []tree
		for _, element := range elements {
			list = append(list, *element)
		}
		input.fields = append(input.fields, treeField{name, tree{list: list}})
	}
	return input, nil
}

// treeOfJSON decodes one JSON value.
func treeOfJSON(body []byte) (tree, error) { return countedJSON(body, new(nodes)) }

// countedJSON is treeOfJSON for one of several values that are counted together.
func countedJSON(body []byte, count *nodes) (tree, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	t, err := nextJSON(decoder, count, 0)
	if err != nil {
		return tree{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return tree{}, errors.New("more than one JSON value")
	}
	return t, nil
}

// Limits of a value that is counted. 500 queries with 30 dimensions each have about 60,000 values.
const (
	maxDepth = 32
	maxNodes = 300_000 // values in it, each about 70 bytes in memory
)

// nodes counts decoded values.
type nodes int

// errTooMany reports a body with more values than the requests of any read have. Judging them would take long, and much memory.
var errTooMany = fmt.Errorf("more than %d values", maxNodes)

// add counts a value at a depth.
func (n *nodes) add(depth int) error {
	if *n++; *n > maxNodes {
		return errTooMany
	}
	if depth > maxDepth {
		return fmt.Errorf("more than %d levels", maxDepth)
	}
	return nil
}

func nextJSON(decoder *json.Decoder, count *nodes, depth int) (tree, error) {
	if err := count.add(depth); err != nil {
		return tree{}, err
	}
	token, err := decoder.Token()
	if err != nil {
		return tree{}, err
	}
	if truth, ok := token.(bool); ok {
		return tree{text: strconv.FormatBool(truth)}, nil
	}
	text, isText := token.(string)
	opening, isOpening := token.(json.Delim)
	if isText || !isOpening {
		return tree{text: text}, nil
	}
	var t tree
	for decoder.More() {
		var name string
		if opening == '{' {
			key, err := decoder.Token()
			if err != nil {
				return tree{}, err
			}
			name, _ = key.(string)
		}
		value, err := nextJSON(decoder, count, depth+1)
		if err != nil {
			return tree{}, err
		}
		if opening == '{' {
			t.fields = append(t.fields, treeField{name, value})
		} else {
			t.list = append(t.list, value)
		}
	}
	_, err = decoder.Token() // the closing bracket
	return t, err
}

// treeOfCBOR decodes one CBOR value (RFC 8949).
func treeOfCBOR(body []byte) (tree, error) {
	d := cborDecoder{rest: body}
	t, err := d.next(0)
	if err == nil && len(d.rest) > 0 {
		err = errors.New("more than one CBOR value")
	}
	return t, err
}

type cborDecoder struct {
	rest  []byte
	count nodes
}

// Major types of CBOR.
const (
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7
)

const cborFalse = 20 // value of cborSimple; the next one is true

const (
	cborIndefinite = math.MaxUint64 // length of a value that ends with cborBreak
	cborBreak      = 0xff
)

var errCBOR = errors.New("invalid CBOR")

// head returns the major type and the argument of the next value.
func (d *cborDecoder) head() (major byte, argument uint64, err error) {
	if len(d.rest) == 0 {
		return 0, 0, io.ErrUnexpectedEOF
	}
	first := d.rest[0]
	d.rest = d.rest[1:]
	major, low := first>>5, first&0x1f
	switch {
	case low < 24:
		return major, uint64(low), nil
	case low <= 27:
		size := 1 << (low - 24)
		if len(d.rest) < size {
			return 0, 0, io.ErrUnexpectedEOF
		}
		for _, b := range d.rest[:size] {
			argument = argument<<8 | uint64(b)
		}
		d.rest = d.rest[size:]
		if argument == cborIndefinite {
			return 0, 0, errCBOR
		}
		return major, argument, nil
	case low == 31 && major >= cborBytes && major <= cborMap:
		return major, cborIndefinite, nil
	}
	return 0, 0, errCBOR
}

// ended reports whether element i does not exist, and skips the break of a value of indefinite length.
func (d *cborDecoder) ended(i, length uint64) bool {
	if length != cborIndefinite {
		return i >= length
	}
	if len(d.rest) > 0 && d.rest[0] == cborBreak {
		d.rest = d.rest[1:]
		return true
	}
	return false
}

func (d *cborDecoder) next(depth int) (tree, error) {
	if err := d.count.add(depth); err != nil {
		return tree{}, err
	}
	major, argument, err := d.head()
	if err != nil {
		return tree{}, err
	}
	var t tree
	switch major {
	case cborBytes, cborText:
		t.text, err = d.text(major, argument)
	case cborArray:
		for i := uint64(0); !d.ended(i, argument); i++ {
			element, err := d.next(depth + 1)
			if err != nil {
				return tree{}, err
			}
			t.list = append(t.list, element)
		}
	case cborMap:
		for i := uint64(0); !d.ended(i, argument); i++ {
			name, err := d.next(depth + 1)
			if err != nil {
				return tree{}, err
			}
			value, err := d.next(depth + 1)
			if err != nil {
				return tree{}, err
			}
			t.fields = append(t.fields, treeField{name.text, value})
		}
	case cborTag:
		return d.next(depth + 1)
	case cborSimple:
		if argument == cborFalse || argument == cborFalse+1 {
			t.text = strconv.FormatBool(argument != cborFalse)
		}
	}
	return t, err
}

// text returns a string of bytes or characters, which may consist of chunks.
func (d *cborDecoder) text(major byte, length uint64) (string, error) {
	if length != cborIndefinite {
		if length > uint64(len(d.rest)) {
			return "", io.ErrUnexpectedEOF
		}
		text := string(d.rest[:length])
		d.rest = d.rest[length:]
		return text, nil
	}
	var whole strings.Builder
	for !d.ended(0, cborIndefinite) {
		kind, size, err := d.head()
		if err != nil {
			return "", err
		}
		if kind != major || size == cborIndefinite {
			return "", errCBOR
		}
		chunk, err := d.text(major, size)
		if err != nil {
			return "", err
		}
		whole.WriteString(chunk)
	}
	return whole.String(), nil
}
