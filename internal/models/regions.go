package models

import (
	"slices"
	"strings"
)

// Defaults returns the models that an AlarmTriage in a Region asks if its user names none, in the order in which they
// are tried, and which of them no source confirms for that Region.
func Defaults(region string) (ids, unconfirmed []string) {
	for _, d := range load().Defaults {
		for _, pattern := range d.Regions {
			start, isStart := strings.CutSuffix(pattern, "*")
			if region == pattern || isStart && strings.HasPrefix(region, start) {
				return slices.Clone(d.Models), slices.Clone(d.Unconfirmed)
			}
		}
	}
	return nil, nil // cannot be: the last pattern is *
}

// Regions returns the Regions that have Bedrock, as in the Bedrock User Guide, "Regional availability by endpoints".
func Regions() []string { return slices.Clone(load().BedrockRegions) }

// HasBedrock reports whether Bedrock is known to be in a Region.
func HasBedrock(region string) bool { return slices.Contains(load().BedrockRegions, region) }
