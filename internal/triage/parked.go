package triage

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/dedupe"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// maxUnpacked bounds an unpacked parked record, in bytes.
const maxUnpacked = 64 << 20

// park compresses a finished record for the table. If the record does not fit into an item, park drops its
// largest parts in turn: first those that findings do not quote, then the rounds.
func park(rec *investigation.Record) ([]byte, error) {
	for _, shorten := range []func(*investigation.Record){keepAll, dropStreams, dropRounds} {
		small := *rec
		shorten(&small)
		packed, err := pack(&small)
		if err != nil {
			return nil, err
		}
		if len(packed) <= dedupe.MaxParked {
			return packed, nil
		}
	}
	return nil, fmt.Errorf("park the report: it is larger than %d bytes even without its rounds", dedupe.MaxParked)
}

// keepAll drops nothing.
func keepAll(*investigation.Record) {}

// dropStreams drops the model's reasoning, and the stdout, stderr, and result of each tool call. The outputs
// that findings quote remain.
func dropStreams(rec *investigation.Record) {
	rounds := make([]investigation.Round, len(rec.Rounds))
	for i, round := range rec.Rounds {
		round.Reasoning = ""
		calls := make([]investigation.ToolCall, len(round.Calls))
		for j, call := range round.Calls {
			if call.Answer != nil {
				short := *call.Answer
				short.Stdout, short.Stderr, short.Result = "", "", nil
				call.Answer = &short
			}
			calls[j] = call
		}
		round.Calls = calls
		rounds[i] = round
	}
	rec.Rounds = rounds
}

// dropRounds drops all rounds.
func dropRounds(rec *investigation.Record) { rec.Rounds = nil }

func pack(rec *investigation.Record) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(rec); err != nil {
		return nil, fmt.Errorf("pack the report: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack the report: %w", err)
	}
	return packed.Bytes(), nil
}

// unpark returns the record that park compressed.
func unpark(packed []byte) (*investigation.Record, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack the parked report: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("unpack the parked report: %w", err)
	}
	var rec investigation.Record
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, fmt.Errorf("unpack the parked report: %w", err)
	}
	return &rec, nil
}
