package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

func TestIsRegion_KnowsAllRegionsAndNoMisspelledOne(t *testing.T) {
	others := []string{"us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1", "us-iso-east-1", "us-isob-east-1", "us-isof-south-1",
		"eu-isoe-west-1", "eusc-de-east-1", "mx-central-1", "il-central-1", "af-south-1", "ap-southeast-19"}
	for _, name := range append(models.Regions(), others...) {
		assert.True(t, isRegion(name), name)
	}
	for _, name := range []string{"eu-wst-1", "us-est-1", "us-eats-1", "ue-west-1", "us-east", "us-east-1a", "us-east-1.evil.example", "us-east-1/", "", "US-EAST-1"} {
		assert.False(t, isRegion(name), name)
	}
}
