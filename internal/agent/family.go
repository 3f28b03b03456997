package agent

import "github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"

// family is what models of one maker have in common, as far as it matters here.
type family struct {
	window  int  // tokens of input and output together
	noCache bool // no explicit cache checkpoints
	greedy  bool // calls tools reliably only at temperature 0
}

func familyOf(modelID string) family {
	m := models.Lookup(modelID)
	return family{window: m.Window, noCache: m.Cache.Checkpoints == models.CheckpointsNone, greedy: m.Temperature.WithTools != nil}
}
