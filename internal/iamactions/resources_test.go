package iamactions

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesResource(t *testing.T) {
	for _, tt := range []struct {
		arn, nearest string
		want         bool
	}{
		{"arn:aws:logs:*:*:log-group:payments-*", "", true},
		{"arn:aws:logs:eu-west-1:111122223333:log-group:/a:log-stream:b", "", true},
		{"arn:aws:logs:eu-west-1:111122223333:*", "", true},
		{"arn:aws:logs:eu-west-1:111122223333:log?group:/a", "", true},
		{"arn:aws:logs:eu-west-1:111122223333:loggroup:/a", "arn:aws:logs:*:*:log-group:*", false},
		{"arn:aws:logs::111122223333:log-group:/a", "arn:aws:logs:*:*:log-group:*", false},
		{"arn:aws:log:*:*:log-group:/a", "arn:aws:logs:*:*:log-group:/a", false},
		{"arn:aws:s3:::vault", "", true},
		{"arn:aws:s3:*:*:vault", "", true}, // the wildcards match empty texts
		{"arn:aws:s3:::vault/*", "", true},
		{"arn:aws:s3:eu-west-1:111122223333:accesspoint/a", "", true},
		{"arn:aws:s3:eu-west-1:111122223333:vault", "arn:aws:s3:::*", false},
		{"arn:aws:s3:::*", "", true},
		{"arn:aws:dynamodb:*:*:table/orders", "", true},
		{"arn:aws:dynamodb:*:*:orders", "", false},
		{"arn:aws:iam::111122223333:role/x", "", true},
		{"arn:aws:iam:eu-west-1:111122223333:role/x", "arn:aws:iam::*:role/*", false},
		{"arn:aws:ec2:eu-west-1::image/ami-1", "", true},
		{"arn:aws:sqs:*:*:orders", "", true},
		{"arn:aws:lambda:*:*:function:orders", "", true},
		{"arn:aws:lambda:*:*:function/orders", "arn:aws:lambda:*:*:function:*", false},
		{"arn:aws:catalog:eu-west-1:111122223333:product/p", "", true}, // not the prefix of the actions
		{"arn:aws:ce:::x", "", false},
		{"arn:aws:nonsense:::x", "", false},
		{"nonsense", "", false},
	} {
		names, nearest := NamesResource(tt.arn)
		assert.Equal(t, tt.want, names, tt.arn)
		assert.Equal(t, tt.nearest, nearest, tt.arn)
	}
}

// Each format is an ARN that matches itself, with and without its variables.
func TestNamesResource_EachFormat(t *testing.T) {
	assert.Greater(t, len(formats()), 300)
	for service, known := range formats() {
		for _, f := range known {
			names, _ := NamesResource("arn:aws:" + service + ":" + f.region + ":" + f.account + ":" + f.resource)
			assert.True(t, names, "%s %v", service, f)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"a", "", false}, {"*", "", true}, {"?", "", false}, {"a*", "*b", true}, {"a*c", "ab*", true}, {"a?c", "abc", true},
		{"ab", "a", false}, {"a*b", "a*c", false}, {"*a*", "b*b", true}, {"**", "*", true}, {"a?", "?b", true}, {"a?", "?bc", false},
	} {
		assert.Equal(t, tt.want, overlap(tt.a, tt.b), "%s %s", tt.a, tt.b)
		assert.Equal(t, tt.want, overlap(tt.b, tt.a), "%s %s", tt.b, tt.a)
	}
}
