package triage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// order is an event about a finished investigation that a human sends: a question, or feedback.
type order struct {
	Ask      json.RawMessage `json:"ask"`
	Feedback json.RawMessage `json:"feedback"`
	problem  error           // of the event as a whole
}

// orderMembers are the members that only orders have. Events of AWS have none of them.
var orderMembers = []string{"ask", "feedback"}

// parseOrder returns the order in a payload. ok is false if the payload is another event.
func parseOrder(raw []byte) (o order, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return order{}, false
	}
	for _, name := range orderMembers {
		if _, found := members[name]; found {
			ok = true
		}
	}
	if ok {
		o.problem = strictly(raw, &o)
		if o.problem == nil && (o.Ask == nil) == (o.Feedback == nil) {
			o.problem = errors.New(`want either "ask" or "feedback", not both`)
		}
	}
	return o, ok
}

// decode decodes the member of an order.
func (o order) decode(member json.RawMessage, into any) error {
	if o.problem != nil {
		return o.problem
	}
	return strictly(member, into)
}

// strictly decodes one JSON value that has no other members than those of into.
func strictly(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// follow carries out an order. A mistake of its sender is a part of the answer and not an error: an error makes Lambda
// repeat an asynchronous invocation, and raises the Errors metric on which self-alarms depend.
func (h *Handler) follow(ctx context.Context, owner string, o order) (Answer, error) {
	answer := Answer{Results: []Result{}}
	var err error
	if o.Feedback != nil && o.Ask == nil {
		answer.Feedback, err = h.takeFeedback(ctx, o)
	} else {
		answer.Ask, err = h.answerQuestion(ctx, owner, o)
	}
	return answer, err
}

// orderTime is how long reading a record may take. A record can have several megabytes.
const orderTime = 20 * time.Second

// recordOf returns the record of the report that an order names. problem tells its sender what is wrong.
func (h *Handler) recordOf(ctx context.Context, name string) (rec *investigation.Record, keys report.Keys, problem string, err error) {
	if name == "" {
		return nil, keys, fmt.Sprintf("report is empty: want its address, such as %s", h.Store.URI("reports/YYYY/MM/DD/….txt")), nil
	}
	keys, err = h.Store.Find(name)
	if err != nil { // it quotes the beginning of the name, which must not be half a secret
		_, err = h.Store.Find(h.redactText(name))
	}
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, orderTime)
		defer cancel()
		rec, err = h.Store.Record(bounded, keys)
	}
	if errors.Is(err, store.ErrNoReport) {
		return nil, keys, err.Error(), nil
	}
	return rec, keys, "", err
}

// maxProblem is the length in bytes of what is wrong with an order. It can contain what its sender wrote.
const maxProblem = 1000

// unescaped replaces the escapes of white space in quoted words of the sender: the redactor recognizes a secret after a blank.
var unescaped = strings.NewReplacer(`\\`, `\\`, `\n`, " ", `\r`, " ", `\t`, " ")

// rejected logs why an order was rejected, and returns it for the sender, both without secrets and not longer than maxProblem.
func (h *Handler) rejected(what, problem string) string {
	problem = truncate.Bytes(h.redactText(unescaped.Replace(h.redactText(problem))), maxProblem)
	h.Log.Warn(what+" rejected", "reason", problem)
	return problem
}

// redactText removes secrets from a text that somebody sent.
func (h *Handler) redactText(text string) string {
	if h.Redactor == nil {
		return text
	}
	clean, _ := h.Redactor.Until(time.Now().Add(maxRedaction)).Text(text) // not h.Now: the redactor uses the real clock
	return clean
}
