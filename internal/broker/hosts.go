package broker

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// hosts tells AWS's own API endpoints from everything else, names under AWS's domains that anyone
// can rent included.
type hosts struct {
	extra map[string]bool // scheme://host[:port]
}

func newHosts(endpoints []string) (hosts, error) {
	h := hosts{extra: map[string]bool{}}
	for _, endpoint := range endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return hosts{}, fmt.Errorf("endpoint %q is not a URL such as https://logs.eu-west-1.amazonaws.com", endpoint)
		}
		h.extra[u.Scheme+"://"+strings.ToLower(u.Host)] = true
	}
	return h, nil
}

var suffixes = []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"}

// rented matches names below AWS's domains behind which customers, not AWS, answer. The services' own
// APIs have the same words as their first label.
var rented = regexp.MustCompile(`\.(compute|compute-\d+|elb|execute-api|lambda-url|rds|cache|redshift|docdb|neptune|elasticbeanstalk|` +
	`s3-website[a-z0-9-]*|appsync-api|appsync-realtime-api|es|aos|aoss|vpce|awsapprunner|cloudfront|awsglobalaccelerator|transfer|` +
	`amplifyapp|kafka|mq|memorydb|cloudsearch|dax|opsworks|fsx|efs)\.`)

// labels is what a host of AWS may consist of.
var labels = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)

// check returns why a request to the URL is refused, or nothing.
func (h hosts) check(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	whole := u.Scheme + "://" + strings.ToLower(u.Host)
	if h.extra[whole] || h.bucketOf(u) {
		return ""
	}
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || u.User != nil {
		return fmt.Sprintf("%s is not an AWS API endpoint; only https to AWS service endpoints is possible", whole)
	}
	if !labels.MatchString(host) {
		return notAWS(host)
	}
	for _, suffix := range suffixes {
		if rest, ok := strings.CutSuffix(host, suffix); ok {
			if rented.MatchString(rest + ".") {
				break
			}
			return ""
		}
	}
	return notAWS(host)
}

func notAWS(host string) string {
	return fmt.Sprintf("host %q is not an AWS API endpoint; only AWS service endpoints can be reached", host)
}

// bucketOf tells whether the URL is a bucket's own name below an allowed endpoint.
func (h hosts) bucketOf(u *url.URL) bool {
	_, parent, ok := strings.Cut(strings.ToLower(u.Host), ".")
	return ok && parent != "" && h.extra[u.Scheme+"://"+parent]
}
