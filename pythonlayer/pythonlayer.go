// Package pythonlayer embeds the Python side of the tool: the harness of the sandbox and the collector of the evidence. The
// construct ships it as a Lambda layer, and the command alarmtriage unpacks it. It is not part of the construct's API.
package pythonlayer

import (
	"embed"
	"strings"
)

// Files has the packages of the layer.
//
//go:embed all:alarmtriage_evidence all:alarmtriage_tool
var Files embed.FS

// IsShipped reports whether a file of [Files] is part of the layer: it may contain what Python has compiled in a checkout.
func IsShipped(name string) bool { return strings.HasSuffix(name, ".py") }
