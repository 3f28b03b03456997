// Package models knows the foundation models of Amazon Bedrock: how large their windows are, which parts of a
// request they accept, what they cost, how an account gets access, and until when they exist. All of it is data
// (catalog.json), with the date and the source of each entry, so that a change at AWS is a change of one line.
//
// [Lookup] finds a model by any id that Bedrock accepts. A model that the catalog does not list gets the
// defaults of its family, or defaults that every model accepts.
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
	Suffix      string      `json:"suffix"`     // date and version behind it, such as -v1:0; empty: none, or retired
	Name        string      `json:"name"`       // as its maker writes it
	Profiles    []string    `json:"profiles"`   // prefixes of its inference profiles, such as us
	InRegion    bool        `json:"in_region"`  // whether it can also be invoked without a profile
	Window      int         `json:"window"`     // tokens of input and output together
	MaxOutput   int         `json:"max_output"` // tokens of one answer
	Cache       Cache       `json:"cache"`
	Thinking    Thinking    `json:"thinking"`
	Temperature Temperature `json:"temperature"`
	Price       *Price      `json:"price"` // nil: not known
	Access      Access      `json:"access"`
	Product     string      `json:"product"` // id in AWS Marketplace, as on the model's card; empty: none, or not known
	Lifecycle   Lifecycle   `json:"lifecycle"`
	Checked     Date        `json:"checked"` // when the entry was compared with its source
	Source      string      `json:"source"`
	Known       bool        `json:"-"` // false: defaults, since the catalog does not list the model
}

// Cache is how a model takes explicit prompt cache checkpoints.
type Cache struct {
	Checkpoints Checkpoints `json:"checkpoints"`
	Minimum     int         `json:"minimum"` // tokens of the shortest prefix that is cached; 0: not known
	Maximum     int         `json:"maximum"` // tokens of the longest prefix that is cached; 0: no limit
}

// Checkpoints is where a model accepts cache checkpoints.
type Checkpoints string

// The places of cache checkpoints.
const (
	CheckpointsNone      Checkpoints = "none"       // nowhere
	CheckpointsAfterText Checkpoints = "after_text" // behind a text block only, not directly behind a tool result
	CheckpointsAnywhere  Checkpoints = "anywhere"
)

// ThinkingMode is whether a model thinks before it answers.
type ThinkingMode string

// The modes of thinking.
const (
	ThinkingNever    ThinkingMode = "never"
	ThinkingOptional ThinkingMode = "optional"
	ThinkingAlways   ThinkingMode = "always"
)

// Thinking is how a model thinks. Thinking counts as output.
type Thinking struct {
	Mode      ThinkingMode `json:"mode"`
	ByDefault bool         `json:"by_default"` // whether it thinks when a request says nothing about it
	Effort    *Effort      `json:"effort"`     // nil: requests leave the effort out
}

// Effort is a setting of how much a model thinks, in additionalModelRequestFields.
type Effort struct {
	Field []string `json:"field"` // path, such as output_config, effort
	Value string   `json:"value"` // such as medium
}

// Temperature is whether requests may set it.
type Temperature struct {
	Accepted  bool     `json:"accepted"`
	WithTools *float64 `json:"with_tools"` // what the maker recommends for tool use; nil: nothing
}

// Access is what an account needs before its first call.
type Access string

// The kinds of access.
const (
	AccessNone               Access = "none"
	AccessMarketplace        Access = "marketplace"          // a subscription, which the first call can make
	AccessMarketplaceAndForm Access = "marketplace_and_form" // and the maker's use case form
	AccessUnknown            Access = "unknown"
)

// State is where a model is in its life.
type State string

// The states of a model, as in the Bedrock User Guide, "Model lifecycle".
const (
	StateActive    State = "active"
	StateLegacy    State = "legacy"
	StateEndOfLife State = "end_of_life"
)

// Lifecycle is the life of a model.
type Lifecycle struct {
	State     State `json:"state"`
	EndOfLife Date  `json:"end_of_life"` // zero: not announced
	NotBefore Date  `json:"not_before"`  // the end of life is not before this date; zero: not stated
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

// String is the day as 2026-11-25; empty if there is none.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}

// Retired reports whether the model no longer answers at that time. An announced date decides, also where the state
// is older than the date.
func (m Model) Retired(at time.Time) bool {
	if end := m.Lifecycle.EndOfLife; !end.IsZero() {
		return !at.Before(end.Time)
	}
	return m.Lifecycle.State == StateEndOfLife
}

// RetiresBy returns the date of the model's announced end of life, if that is not after the given time.
func (m Model) RetiresBy(at time.Time) (Date, bool) {
	end := m.Lifecycle.EndOfLife
	return end, !end.IsZero() && !end.After(at)
}

// family is the defaults of a maker's models that the catalog does not list.
type family struct {
	Prefix string `json:"prefix"`
	Model
}

// regionDefaults is the default models of some Regions, in the order in which they are tried.
type regionDefaults struct {
	Regions     []string `json:"regions"` // names, or beginnings that end with *
	Models      []string `json:"models"`
	Unconfirmed []string `json:"unconfirmed"` // which of Models no source confirms for these Regions
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

// All returns every model of the catalog, the recommended ones first.
func All() []Model { return slices.Clone(load().Models) }

// unlisted is what any model accepts.
var unlisted = Model{
	Window: 128_000, MaxOutput: 8_192, Cache: Cache{Checkpoints: CheckpointsAnywhere},
	Thinking: Thinking{Mode: ThinkingNever}, Access: AccessUnknown, Lifecycle: Lifecycle{State: StateActive},
}

// version is what may follow a model's name in an id: a date, a version, and a window, as in
// -20250929-v1:0 or -v1:0:300k.
var version = regexp.MustCompile(`^(?:-\d{8})?(?:-v?\d+(?::\d+)?)?(?::[0-9a-z]+)?$`)

// shortNumber is a next version number behind a model's name: claude-opus-4-8 is not claude-opus-4.
var shortNumber = regexp.MustCompile(`^[-.]\d{1,2}(?:[-.:]|$)`)

// Lookup returns the model of an id, an inference profile id, or an ARN of either.
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

// isNextVersion reports whether what follows a name makes it the name of another model. A version is
// written -v1 or -1:0, a next model's number stands alone.
func isNextVersion(rest string) bool {
	return shortNumber.MatchString(rest) && !strings.Contains(rest, ":")
}

// Begins reports whether a model's name begins with text, at the end of a word: nova-pro-v1:0 begins with
// nova-pro and nova, but claude-opus-4-8 does not begin with claude-opus-4, which is another version.
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
