// Package timezone loads time zones by their IANA names. It contains the database of time zones, because neither the runtime
// of the orchestrator nor the machine that synthesizes an app must have one.
package timezone

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the database
)

// names.txt has the names of the database in time/tzdata, which are those of lib/time/zoneinfo.zip of Go.
//
//go:embed names.txt
var table string

var names = sync.OnceValue(func() []string { return strings.Split(strings.TrimSuffix(table, "\n"), "\n") })

// Load returns the time zone with an IANA name, such as Europe/Berlin. An empty name is UTC. It rejects other names that the
// machine may know, such as posix/Europe/Berlin, localtime, or on some machines europe/berlin: the orchestrator may not know
// them.
func Load(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if !slices.Contains(names(), name) {
		return nil, fmt.Errorf("the time zone %q is not known: use an IANA name such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load the time zone %q: %w", name, err)
	}
	return zone, nil
}
