package broker

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHosts_AcceptOnlyAWSEndpoints(t *testing.T) {
	allowed, err := newHosts([]string{"http://127.0.0.1:5000", "https://moto.example:8443/"})
	require.NoError(t, err)
	for _, c := range []struct {
		url  string
		want bool
	}{
		{"https://logs.eu-west-1.amazonaws.com/", true},
		{"https://iam.amazonaws.com/", true},
		{"https://rds.us-east-1.amazonaws.com/", true},
		{"https://es.us-east-1.amazonaws.com/", true},
		{"https://elasticbeanstalk.us-east-1.amazonaws.com/", true},
		{"https://compute-optimizer.us-east-1.amazonaws.com/", true},
		{"https://api.ecr.us-east-1.amazonaws.com/", true},
		{"https://monitoring.us-gov-west-1.amazonaws.com/", true},
		{"https://logs.cn-north-1.amazonaws.com.cn/", true},
		{"https://bucket.name.s3.eu-west-1.amazonaws.com/key", true},
		{"https://lambda.eu-west-1.api.aws/", true},
		{"https://logs.eu-west-1.amazonaws.com:443/", true},
		{"https://name.s3.amazonaws.com/key", true},
		{"https://s3.dualstack.eu-west-1.amazonaws.com/name", true},
		{"https://sts.amazonaws.com/", true},
		{"https://123456789012.s3-control.eu-west-1.amazonaws.com/", true},
		{"https://logs.us-iso-east-1.c2s.ic.gov/", true},
		{"https://query-cell2.timestream.eu-west-1.amazonaws.com/", true},
		{"https://ingest-cell11.timestream.us-east-1.amazonaws.com/", true},
		{"https://arc-region-switch-control-plane.us-east-1.api.aws/", true},
		{"https://arc-region-switch-control-plane.eu-west-1.api.aws/", true},
		{"https://123456789012.cloudfront-kvs.global.api.aws/", true},
		{"https://neptune-graph.eu-west-1.amazonaws.com/", true},
		{"https://global.health.amazonaws.com/", true},
		{"https://health.aws-global.amazonaws.com/", false},
		{"https://global.logs.amazonaws.com/", false},
		{"https://global.health.amazonaws.com.evil.example/", false},
		{"https://query-cell.timestream.eu-west-1.amazonaws.com/", false},
		{"https://x-query-cell2.timestream.eu-west-1.amazonaws.com/", false},
		{"https://query-cell2.logs.eu-west-1.amazonaws.com/", false},
		{"https://query-cell2.timestream.evil.example/", false},
		{"https://logs.us-iso-east-1.amazonaws.com/", false},
		{"https://logs.xx-west-1.amazonaws.com/", false},
		{"https://logs.eu-west-1.amazonaws.com./", false},
		{"https://nosuchservice.eu-west-1.amazonaws.com/", false},
		{"https://abc.lambda-url.eu-west-1.on.aws/", false},
		{"https://abc.appsync-api.eu-west-1.amazonaws.com/", false},
		{"https://bucket.s3-accesspoint.evil.eu-west-1.amazonaws.com/", false},
		{"https://e.endpoint.events.amazonaws.com/", false},
		{"https://a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.amazonaws.com/", false},
		{"http://127.0.0.1:5000/x", true},
		{"http://bucket.127.0.0.1:5000/x", true},
		{"http://127.0.0.1:5001/x", false},
		{"https://127.0.0.1:5000/x", false},
		{"http://logs.eu-west-1.amazonaws.com/", false},
		{"https://logs.eu-west-1.amazonaws.com:8443/", false},
		{"https://user@logs.eu-west-1.amazonaws.com/", false},
		{"https://evilamazonaws.com/", false},
		{"https://amazonaws.com.evil.example/", false},
		{"https://evil.example/?x=.amazonaws.com", false},
		{"https://ec2-1-2-3-4.compute-1.amazonaws.com/", false},
		{"https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com/", false},
		{"https://abc.execute-api.eu-west-1.amazonaws.com/", false},
		{"https://my-lb-1.eu-west-1.elb.amazonaws.com/", false},
		{"https://my-lb-1.elb.eu-west-1.amazonaws.com/", false},
		{"https://db.abc.eu-west-1.rds.amazonaws.com/", false},
		{"https://search-x.eu-west-1.es.amazonaws.com/", false},
		{"https://bucket.s3-website-eu-west-1.amazonaws.com/", false},
		{"https://vpce-1.logs.eu-west-1.vpce.amazonaws.com/", false},
		{"http://169.254.169.254/latest/meta-data/", false},
		{"https://[::1]/", false},
		{"ftp://logs.eu-west-1.amazonaws.com/", false},
		{"https://ec2.eusc-de-east-1.api.amazonwebserv\u0130ces.eu/", false}, // sent to xn--amazonwebservices-fsj.eu
		{"https://kines\u0130s.eu-west-1.amazonaws.com/", false},
		{"https://\u212Ams.eu-west-1.amazonaws.com/", false},
		{"https://kines%C4%B0s.eu-west-1.amazonaws.com/", false},
		{"https://b\u0130.s3.eu-west-1.amazonaws.com/key", false},
	} {
		t.Run(c.url, func(t *testing.T) {
			u, err := url.Parse(c.url)
			require.NoError(t, err)
			_, reason := allowed.find(u, "")
			assert.Equal(t, c.want, reason == "", reason)
		})
	}
}

// Credentials are valid in their partition only; elsewhere, a request would only tell another operator what it contains.
func TestHosts_OfThePartitionOfTheRole(t *testing.T) {
	at := map[string]string{
		"aws": "eu-west-1.amazonaws.com", "aws-cn": "cn-north-1.amazonaws.com.cn", "aws-us-gov": "us-gov-west-1.amazonaws.com",
		"aws-eusc": "eusc-de-east-1.amazonaws.eu", "aws-iso": "us-iso-east-1.c2s.ic.gov", "aws-iso-b": "us-isob-east-1.sc2s.sgov.gov",
	}
	allowed, err := newHosts([]string{"http://127.0.0.1:5000"})
	require.NoError(t, err)
	reasonFor := func(address, partition string) string {
		u, err := url.Parse(address)
		require.NoError(t, err)
		_, reason := allowed.find(u, partition)
		return reason
	}
	for role := range at {
		for operator, suffix := range at {
			reason := reasonFor("https://monitoring."+suffix+"/", role)
			assert.Equal(t, role == operator, reason == "", "a role in %s, a host in %s: %s", role, operator, reason)
			if role != operator {
				assert.Contains(t, reason, "create the client with a Region of "+role)
			}
		}
		assert.Empty(t, reasonFor("http://127.0.0.1:5000/", role), "an endpoint of the settings")
	}
	for _, c := range []struct{ host, role string }{
		{"iam.amazonaws.com", "aws"}, {"iam.us-gov.amazonaws.com", "aws-us-gov"}, {"iam.cn-north-1.amazonaws.com.cn", "aws-cn"},
		{"name.s3.us-gov-east-1.amazonaws.com", "aws-us-gov"}, {"lambda.us-gov-west-1.api.aws", "aws-us-gov"},
		{"organizations.us-gov-west-1.amazonaws.com", "aws-us-gov"}, {"route53.us-gov.amazonaws.com", "aws-us-gov"},
	} {
		assert.Empty(t, reasonFor("https://"+c.host+"/", c.role), c.host)
	}
	assert.NotEmpty(t, reasonFor("https://iam.amazonaws.com/", "aws-us-gov"))
	assert.NotEmpty(t, reasonFor("https://name.s3.us-gov-east-1.amazonaws.com/", "aws"))
}

// The broker reads the path below a bucket's name, and another service would read the path alone.
func TestHosts_OnlyBucketsAreBelowAnEndpoint(t *testing.T) {
	allow := func(o *Options) { o.Endpoints = []string{"https://gateway.example"} }
	list := forgedRequest{Name: "a bucket", Service: "s3", Method: "GET", URL: "https://bucket.gateway.example/?list-type=2", Operation: "s3:ListObjectsV2"}
	assertForged(t, allow, []forgedRequest{
		list,
		logsRead("the endpoint", "").at("https://gateway.example/"),
		logsRead("another service below it", "is not available at logs.gateway.example").at("https://logs.gateway.example/"),
	})
}

func TestHosts_OfS3ThatCannotBeReachedAreExplained(t *testing.T) {
	for host, want := range map[string]string{
		"b-123456789012.s3-accesspoint.eu-west-1.amazonaws.com": "use the name of the bucket",
		"b.s3-accelerate.amazonaws.com":                         "use the name of the bucket",
		// boto3 uses this host for the name of the bucket.
		"b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com": "contents of directory buckets cannot be read here",
	} {
		_, reason := hosts{}.find(&url.URL{Scheme: "https", Host: host}, "aws")
		assert.Contains(t, reason, want)
	}
}

func TestNewHosts_NamesInvalidEndpoint(t *testing.T) {
	_, err := newHosts([]string{"localhost:5000"})
	require.ErrorContains(t, err, `"localhost:5000"`)
}
