package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNormalize_RunsGiveTheSameSample(t *testing.T) {
	record, err := os.ReadFile("../../../docs/sample-report/report.json")
	require.NoError(t, err)
	text, err := os.ReadFile("../../../docs/sample-report/report.txt")
	require.NoError(t, err)
	other := strings.NewReplacer(
		"2026-01-15", "2027-08-03", "2026/01/15", "2027/08/03", "2026-01-08", "2027-07-27", "T03:", "T17:", "T02:", "T16:", "T00:", "T14:", "031204", "171204", // the replacer leaves epochs alone, so they move
		"K4Q2ZD8WX0NB", "JAYSCHGMQAHV", "k4q2zd8wx0nb", "vl50t49ofcvr", sampleID, "e9b0e6d84e27", `"duration_ms": 200`, `"duration_ms": 217`,
	)
	want, wantGroup, err := normalize(record, text)
	require.NoError(t, err)
	got, gotGroup, err := normalize([]byte(other.Replace(string(record))), []byte(other.Replace(string(text))))
	require.NoError(t, err)
	assert.Equal(t, wantGroup, gotGroup)
	assert.Regexp(t, `^/aws/lambda/TriageDemo-TriageOrchestrator[0-9A-F]{8}-K4Q2ZD8WX0NB$`, gotGroup)
	// The replacer did not move seconds since 1970 in the printed evidence; everything else is the same.
	got.Evidence.Call, want.Evidence.Call = nil, nil
	usual, err := json.Marshal(want)
	require.NoError(t, err)
	again, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, string(usual), string(again))
	for _, gone := range []string{"2027", "JAYSCHGMQAHV", "vl50t49ofcvr", "e9b0e6d84e27"} {
		assert.NotContains(t, string(again), gone)
	}
}

func TestClock_MovesEpochsAndStamps(t *testing.T) {
	c := clock{alarm: sampleNight.AddDate(1, 0, 0), started: sampleNight.AddDate(1, 0, 0).Add(sampleDelay)}
	for at, want := range map[string]string{
		"1799982720":    "1768446720",    // the alarm
		"1799982660.0":  "1768446660.0",  // a minute before
		"1799982720000": "1768446720000", // in milliseconds
	} {
		assert.Equal(t, want, c.epoch(at))
	}
	assert.Equal(t, "2026-01-15T03:11:00", c.stamp("2027-01-15T03:11:00.000"))
	assert.Equal(t, "2026-01-15 03:12:04", c.stamp("2027-01-15 03:12:04"))
}

func TestCoarse_Rounds(t *testing.T) {
	for ms, want := range map[int64]int64{0: 10, 3: 10, 15: 10, 16: 20, 64: 50, 288: 200, 352: 500, 1_075: 1_000} {
		assert.Equal(t, want, coarse(ms), "%d", ms)
	}
}
