package models

import (
	_ "embed"
	"slices"
	"strings"
)

// Defaults returns the default models of a Region, in the order in which they are tried, and those of them
// that no source confirms for that Region.
func Defaults(region string) (ids, unconfirmed []string) {
	for _, d := range load().Defaults {
		for _, pattern := range d.Regions {
			start, isStart := strings.CutSuffix(pattern, "*")
			if region == pattern || isStart && strings.HasPrefix(region, start) {
				return slices.Clone(d.Models), slices.Clone(d.Unconfirmed)
			}
		}
	}
	return nil, nil // unreachable: the last pattern is *
}

//go:embed regions.txt
var regions string

// AllRegions returns every Region that CDK knew when the list was generated (`make tables`), and those with Bedrock, sorted.
func AllRegions() []string {
	all := append(strings.Fields(regions), load().BedrockRegions...)
	slices.Sort(all)
	return slices.Compact(all)
}

// Regions returns the Regions with Bedrock, from the Bedrock User Guide, "Regional availability by endpoints".
func Regions() []string { return slices.Clone(load().BedrockRegions) }

// HasBedrock reports whether a Region is known to have Bedrock.
func HasBedrock(region string) bool { return slices.Contains(load().BedrockRegions, region) }
