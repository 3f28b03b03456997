// Package timezone loads time zones by their IANA names. It contains the database of time zones, because neither the runtime
// of the orchestrator nor the machine that synthesizes an app must have one.
package timezone

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // the database
)

// Load returns the time zone with an IANA name, such as Europe/Berlin. An empty name is UTC. The name Local is rejected,
// because it depends on the machine.
func Load(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New(`the time zone "Local" depends on the machine`)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("the time zone %q is not known: use an IANA name such as Europe/Berlin", name)
	}
	return zone, nil
}
