package typo

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearest_ReturnsTheMostSimilarName(t *testing.T) {
	names := []string{"cloudtrail", "cloudwatch", "cloudfront", "s3"}
	for name, want := range map[string]string{
		"cloudtrial": "cloudtrail", "CloudTrail": "cloudtrail", "cloudwach": "cloudwatch", "cloudfron": "cloudfront",
		"s3": "s3", "dynamodb": "", "cloud": "", "": "s3", "kitten": "",
	} {
		assert.Equal(t, want, Nearest(name, names), name)
	}
	assert.Equal(t, 3, Distance("kitten", "sitting"))
	assert.Empty(t, Nearest("s3", nil))
}
