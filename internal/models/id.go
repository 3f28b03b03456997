package models

import (
	"regexp"
	"strings"
)

// ID is a model id in its parts.
type ID struct {
	Profile string // prefix of an inference profile, such as us; empty: none
	Model   string // the foundation model's own id, such as amazon.nova-2-lite-v1:0
	Kind    string // of an ARN, such as application-inference-profile; empty: no ARN
}

// GlobalProfile is the prefix of profiles that route to any commercial Region.
const GlobalProfile = "global"

// profile is the shape of an inference profile's prefix. No maker's name has two letters, so that a new
// geography needs no new version of this library.
var profile = regexp.MustCompile(`^(?:global|apac|us-gov|[a-z]{2})$`)

// Parse takes an id apart: a model id, an inference profile id, or an ARN.
func Parse(id string) ID {
	var parsed ID
	if parts := strings.SplitN(id, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		parsed.Kind, id, _ = strings.Cut(parts[5], "/")
	}
	parsed.Model = id
	if prefix, model, found := strings.Cut(id, "."); found && profile.MatchString(prefix) {
		parsed.Profile, parsed.Model = prefix, model
	}
	return parsed
}

// Geographic reports whether the id is of a profile that stays within a geography.
func (id ID) Geographic() bool { return id.Profile != "" && id.Profile != GlobalProfile }

// geographies are the Regions, by the beginning of their names, that a geographic profile can be invoked
// from, where that can be said. A prefix that is not listed may be invoked from anywhere.
var geographies = map[string][]string{
	"us":     {"us-", "ca-", "mx-"},
	"ca":     {"ca-"},
	"us-gov": {"us-gov-"},
	"eu":     {"eu-", "il-"},
	"apac":   {"ap-", "me-", "il-"},
	"jp":     {"ap-northeast-"},
	"au":     {"ap-southeast-", "ap-northeast-"},
	"in":     {"ap-south-"},
}

// InvokableFrom reports whether a Region can use the profile. It errs towards true: what is refused here never works.
func (id ID) InvokableFrom(region string) bool {
	if id.Profile == GlobalProfile {
		return !strings.HasPrefix(region, "cn-") && !strings.HasPrefix(region, "us-gov-")
	}
	starts, known := geographies[id.Profile]
	if !known {
		return true
	}
	if id.Profile == "us" && strings.HasPrefix(region, "us-gov-") {
		return false
	}
	for _, start := range starts {
		if strings.HasPrefix(region, start) {
			return true
		}
	}
	return false
}
