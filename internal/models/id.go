package models

import (
	"regexp"
	"strings"
)

// ID is a model ID, split into its parts.
type ID struct {
	Profile string // prefix of an inference profile, such as us; empty if none
	Model   string // the foundation model's own ID, such as amazon.nova-2-lite-v1:0
	Kind    string // resource type of an ARN, such as application-inference-profile; empty if it is no ARN
}

// GlobalProfile is the prefix of profiles that route to any commercial Region.
const GlobalProfile = "global"

// profile matches an inference profile's prefix. No provider's name has two letters, so any two letters are a
// geography, even one that is newer than this library.
var profile = regexp.MustCompile(`^(?:global|apac|us-gov|[a-z]{2})$`)

// Parse splits a model ID, an inference profile ID, or an ARN into its parts.
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

// Geographic reports whether the profile stays within one geography.
func (id ID) Geographic() bool { return id.Profile != "" && id.Profile != GlobalProfile }

// geographies maps a geographic profile to the prefixes of the Regions that can invoke it. A profile that is
// not listed may be invoked from anywhere.
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

// InvokableFrom reports whether a Region can use the profile. If in doubt, it reports true.
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
