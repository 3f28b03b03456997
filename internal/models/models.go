// Package models describes the foundation models of Amazon Bedrock: their context windows, the request
// parameters they accept, their prices, the access they require, and their life cycle. All of it is data in
// catalog.json, with the date and the source of each entry: when AWS changes something, only one line has
// to change.
//
// [Lookup] finds a model by any ID that Bedrock accepts. A model that is not in the catalog gets the defaults
// of its family, or defaults that every model accepts.
package models

import (
	_ "embed"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed catalog.json
var catalogJSON []byte

// Model is one foundation model.
type Model struct {
	ID          string      `json:"model"`      // without profile, date, and version, such as anthropic.claude-sonnet-5
	Suffix      string      `json:"suffix"`     // date and version that follow it, such as -v1:0; empty if none or retired
	Name        string      `json:"name"`       // as its provider writes it
	Profiles    []string    `json:"profiles"`   // prefixes of its inference profiles, such as us
	InRegion    bool        `json:"in_region"`  // whether it can also be invoked without a profile
	Window      int         `json:"window"`     // tokens of input and output together
	MaxOutput   int         `json:"max_output"` // tokens of one answer
	Cache       Cache       `json:"cache"`
	Thinking    Thinking    `json:"thinking"`
	Temperature Temperature `json:"temperature"`
	Price       *Price      `json:"price"` // nil if unknown
	Access      Access      `json:"access"`
	Product     string      `json:"product"` // ID in AWS Marketplace, as on the model's card; empty if none or unknown
	Lifecycle   Lifecycle   `json:"lifecycle"`
	Checked     Date        `json:"checked"` // when the entry was compared with its source
	Source      string      `json:"source"`
	Known       bool        `json:"-"` // false if the model is not in the catalog and has defaults
}

// Cache describes which prompt cache checkpoints a model accepts.
type Cache struct {
	Checkpoints Checkpoints `json:"checkpoints"`
	Minimum     int         `json:"minimum"` // tokens of the shortest prefix that is cached; 0 if unknown
	Maximum     int         `json:"maximum"` // tokens of the longest prefix that is cached; 0 if unlimited
}

// Checkpoints names the positions where a model accepts cache checkpoints.
type Checkpoints string

// The positions of cache checkpoints.
const (
	CheckpointsNone      Checkpoints = "none"       // nowhere
	CheckpointsAfterText Checkpoints = "after_text" // after a text block, but not directly after a tool result
	CheckpointsAnywhere  Checkpoints = "anywhere"
)

// ThinkingMode reports whether a model thinks before it answers.
type ThinkingMode string

// The modes of thinking.
const (
	ThinkingNever    ThinkingMode = "never"
	ThinkingOptional ThinkingMode = "optional"
	ThinkingAlways   ThinkingMode = "always"
)

// Thinking describes a model's thinking, which counts as output.
type Thinking struct {
	Mode      ThinkingMode `json:"mode"`
	ByDefault bool         `json:"by_default"` // whether it thinks if the request does not set it
	Effort    *Effort      `json:"effort"`     // nil if requests leave the effort out
}

// Effort is the value in additionalModelRequestFields that sets how much a model thinks.
type Effort struct {
	Field []string `json:"field"` // path, such as output_config, effort
	Value string   `json:"value"` // such as medium
}

// Temperature describes whether requests may set the temperature.
type Temperature struct {
	Accepted  bool     `json:"accepted"`
	WithTools *float64 `json:"with_tools"` // value that the provider recommends for tool use; nil if there is none
}

// Access names what an account needs before its first call.
type Access string

// The kinds of access.
const (
	AccessNone               Access = "none"
	AccessMarketplace        Access = "marketplace"          // a subscription, which the first call can create
	AccessMarketplaceAndForm Access = "marketplace_and_form" // a subscription and the provider's use case form
	AccessUnknown            Access = "unknown"
)

// State is a model's state in its life cycle.
type State string

// The states of a model, as in the Bedrock User Guide, "Model lifecycle".
const (
	StateActive    State = "active"
	StateLegacy    State = "legacy"
	StateEndOfLife State = "end_of_life"
)

// Lifecycle describes a model's life cycle.
type Lifecycle struct {
	State     State `json:"state"`
	EndOfLife Date  `json:"end_of_life"` // zero if not announced
	NotBefore Date  `json:"not_before"`  // earliest date of the end of life; zero if not stated
}

// Date is a day, written 2026-11-25 in JSON.
type Date struct{ time.Time }

// UnmarshalJSON reads a day.
func (d *Date) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	at, err := time.Parse(time.DateOnly, text)
	d.Time = at
	return err
}

// MarshalJSON writes a day.
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String returns the day as 2026-11-25, or "" for the zero date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}

// Retired reports whether the model no longer answers at that time. An announced date overrides the state,
// which may be out of date.
func (m Model) Retired(at time.Time) bool {
	if end := m.Lifecycle.EndOfLife; !end.IsZero() {
		return !at.Before(end.Time)
	}
	return m.Lifecycle.State == StateEndOfLife
}

// RetiresBy returns the announced end of life, and whether it is at or before the given time.
func (m Model) RetiresBy(at time.Time) (Date, bool) {
	end := m.Lifecycle.EndOfLife
	return end, !end.IsZero() && !end.After(at)
}

// family holds the defaults for a provider's models that are not in the catalog.
type family struct {
	Prefix string `json:"prefix"`
	Model
}

// regionDefaults holds the default models of some Regions, in the order in which they are tried.
type regionDefaults struct {
	Regions     []string `json:"regions"` // names, or prefixes that end with *
	Models      []string `json:"models"`
	Unconfirmed []string `json:"unconfirmed"` // those of Models that no source confirms for these Regions
}

type catalog struct {
	Models         []Model          `json:"models"`
	Families       []family         `json:"families"`
	Defaults       []regionDefaults `json:"defaults"`
	BedrockRegions []string         `json:"bedrock_regions"`
}

var load = sync.OnceValue(func() catalog {
	var c catalog
	if err := json.Unmarshal(catalogJSON, &c); err != nil {
		panic("models: catalog.json: " + err.Error()) // a test reads it
	}
	for i := range c.Models {
		c.Models[i].Known = true
	}
	return c
})

// All returns every model in the catalog, with the recommended ones first.
func All() []Model { return slices.Clone(load().Models) }

// unlisted has the values that every model accepts.
var unlisted = Model{
	Window: 128_000, MaxOutput: 8_192, Cache: Cache{Checkpoints: CheckpointsAnywhere},
	Thinking: Thinking{Mode: ThinkingNever}, Access: AccessUnknown, Lifecycle: Lifecycle{State: StateActive},
}

// version matches what may follow a model's name in an ID: a date, a version, and a window, as in
// -20250929-v1:0 or -v1:0:300k.
var version = regexp.MustCompile(`^(?:-\d{8})?(?:-v?\d+(?::\d+)?)?(?::[0-9a-z]+)?$`)

// shortNumber matches a version number that makes a name the name of another model: claude-opus-4-8 is not
// claude-opus-4.
var shortNumber = regexp.MustCompile(`^[-.]\d{1,2}(?:[-.:]|$)`)

// Lookup returns the model of an ID, an inference profile ID, or an ARN of either.
func Lookup(id string) Model {
	name := Parse(id).Model
	for _, m := range load().Models {
		if rest, ok := strings.CutPrefix(name, m.ID); ok && version.MatchString(rest) && !isNextVersion(rest) {
			return m
		}
	}
	m := unlisted
	for _, f := range load().Families {
		if strings.HasPrefix(name, f.Prefix) {
			m = f.Model
			m.Lifecycle = unlisted.Lifecycle
			break
		}
	}
	m.ID = name
	return m
}

// isNextVersion reports whether rest, which follows a model's name, makes it the name of another model. A
// version of the same model is written -v1 or -1:0. The number of another model has no such mark.
func isNextVersion(rest string) bool {
	return shortNumber.MatchString(rest) && !strings.Contains(rest, ":")
}

// Begins reports whether text is a prefix of name that ends at a word: nova-pro-v1:0 begins with nova-pro and
// nova, but claude-opus-4-8 does not begin with claude-opus-4, which is another model.
func Begins(name, text string) bool {
	rest, ok := strings.CutPrefix(name, text)
	if !ok || text == "" {
		return false
	}
	if rest == "" || strings.HasSuffix(text, "-") || strings.HasSuffix(text, ".") || strings.HasSuffix(text, ":") {
		return true
	}
	isVersion := text[len(text)-1] >= '0' && text[len(text)-1] <= '9'
	return strings.ContainsRune("-.:", rune(rest[0])) && !(isVersion && isNextVersion(rest))
}
