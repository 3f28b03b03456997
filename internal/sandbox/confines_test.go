package sandbox

import "testing"

// A kernel before 5.13 has seccomp but not Landlock.
func TestZygote_FilterAloneDoesNotConfine(t *testing.T) {
	refused := &zygote{layers: map[string]layer{"seccomp": layerActive, "landlock": {State: stateRefused}}}
	if refused.confines(true) {
		t.Error("a call without Landlock can open /dev/shm and /proc, so the supervisor must look for what it left there")
	}
	both := &zygote{layers: map[string]layer{"seccomp": layerActive, "landlock": layerActive}}
	if !both.confines(true) || both.confines(false) {
		t.Error("a call is confined with both layers, and only then")
	}
}
