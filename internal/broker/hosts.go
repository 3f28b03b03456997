package broker

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// hosts recognizes AWS's own API endpoints by the endpoint rules of the SDKs. A name that no service's rules
// produce is refused, even below AWS's domains, because anyone can rent names there.
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

// endpointPrefix begins the SDKs' standard environment variables for endpoints.
const endpointPrefix = "AWS_ENDPOINT_URL"

// EndpointsIn returns the endpoints that an environment configures instead of AWS's own.
func EndpointsIn(environ []string) []string {
	var urls []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, endpointPrefix) && value != "" {
			urls = append(urls, value)
		}
	}
	return urls
}

// place describes a host that may be reached.
type place struct {
	services []string // IDs of the services at this host; nil for one of Options.Endpoints: any service, but only S3 has buckets
	bucket   string   // S3 bucket in the host's name; may be empty
	account  string   // account ID in the host's name; may be empty
}

// find returns the place of a URL, or the reason for refusing it. Credentials are valid in their partition only, and another
// partition can have another operator, so hosts of others are refused unless the partition is empty, which means unknown.
func (h hosts) find(u *url.URL, partition string) (place, string) {
	if !isASCII(u.Host) { // the connection would be to its IDNA form, which is another name than the one in lower case
		return place{}, fmt.Sprintf("host %q is not an AWS API endpoint; only AWS service endpoints can be reached", bounded(u.Host))
	}
	host := strings.ToLower(u.Hostname())
	whole := u.Scheme + "://" + strings.ToLower(u.Host)
	if h.extra[whole] {
		return place{}, ""
	}
	if bucket, parent, ok := strings.Cut(strings.ToLower(u.Host), "."); ok && h.extra[u.Scheme+"://"+parent] {
		return place{services: []string{serviceS3}, bucket: bucket}, ""
	}
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || u.User != nil {
		return place{}, fmt.Sprintf("%s is not an AWS API endpoint; only https to AWS service endpoints is possible", bounded(whole))
	}
	found, in, ok := theTables().place(host, partition)
	if ok && partition != "" && in != partition {
		return place{}, fmt.Sprintf("host %q is in the partition %s; this role's credentials are valid in %s only: "+
			"create the client with a Region of %s", bounded(host), in, partition, partition)
	}
	if ok {
		return found, ""
	}
	if zonalS3().MatchString(host) {
		return place{}, fmt.Sprintf("host %q is not an AWS API endpoint that can be reached; contents of directory buckets cannot be read here",
			bounded(host))
	}
	if specialS3().MatchString(host) {
		return place{}, fmt.Sprintf("host %q is not an AWS API endpoint that can be reached; use the name of the bucket and S3's default endpoint",
			bounded(host))
	}
	return place{}, fmt.Sprintf("host %q is not an AWS API endpoint; only AWS service endpoints can be reached", bounded(host))
}

// zonalS3 matches hosts of directory buckets, to which boto3 directs requests by the name of the bucket. specialS3 matches those of
// access points and accelerated endpoints.
var (
	zonalS3   = lazy.Regexp(`(?:^|\.)s3express-`)
	specialS3 = lazy.Regexp(`(?:^|\.)s3(?:-accesspoint|-object-lambda|-outposts|-accelerate)`)
)

const maxLabels = 20 // of a host name; DNS allows more, but no endpoint of AWS has more

// timestreamCell matches the beginning of an endpoint of Timestream to which its SDKs are directed, such as
// query-cell2.timestream.us-east-1.amazonaws.com ("How the endpoint discovery pattern works").
var timestreamCell = lazy.Regexp(`^(ingest|query)-cell[0-9]+\.timestream\.`)

// place looks up a host in every partition whose DNS suffix it has, the preferred one first, and returns the partition, too.
func (t *tables) place(host, preferred string) (found place, in string, ok bool) {
	host = timestreamCell().ReplaceAllString(host, "$1.timestream.")
	for _, p := range t.preferring(preferred) {
		for _, suffix := range []struct{ text, name string }{{p.dual, "{dual}"}, {p.dns, "{dns}"}, {"", ""}} {
			rest := host
			if suffix.text != "" {
				var ok bool
				if rest, ok = strings.CutSuffix(host, "."+suffix.text); !ok {
					continue
				}
			}
			labels := strings.Split(rest, ".")
			if len(labels) > maxLabels {
				return place{}, "", false
			}
			if suffix.name != "" {
				labels = append(labels, suffix.name)
			}
			if found, ok := t.placeIn(p, labels); ok {
				return found, p.name, true
			}
		}
	}
	return place{}, "", false
}

// preferring returns all partitions, that with a name first.
func (t *tables) preferring(name string) []partition {
	i := slices.IndexFunc(t.regions, func(p partition) bool { return p.name == name })
	if i <= 0 {
		return t.regions
	}
	return slices.Concat(t.regions[i:i+1], t.regions[:i], t.regions[i+1:])
}

// placeIn looks up labels unchanged, with the Region replaced by a placeholder, after removing an account or
// resource, and after removing a bucket's name.
func (t *tables) placeIn(p partition, labels []string) (place, bool) {
	general := make([]string, len(labels))
	for i, label := range labels {
		if general[i] = label; p.hasRegion(label) {
			general[i] = "{region}"
		}
	}
	row := func(labels []string, prefix string) (placeRow, bool) {
		row, ok := t.places[prefix+strings.Join(labels, ".")]
		return row, ok && (row.partitions == "*" || strings.Contains(row.partitions, ","+p.name+","))
	}
	for _, candidate := range [][]string{labels, general} {
		if found, ok := row(candidate, ""); ok {
			return place{services: found.services}, true
		}
		if len(candidate) < 2 || labels[0] == "" {
			continue
		}
		if found, ok := row(candidate[1:], "{}."); ok {
			return place{services: found.services, account: labels[0]}, true
		}
		for n := 1; n < len(candidate); n++ {
			if found, ok := row(candidate[n:], "*."); ok {
				return place{services: found.services, bucket: strings.Join(labels[:n], ".")}, true
			}
		}
	}
	return place{}, false
}
