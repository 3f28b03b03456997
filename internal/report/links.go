package report

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Keys are the object keys of a stored report and of the conversation with the model.
type Keys struct{ Text, HTML, JSON, Conversation string }

// Links are addresses in the AWS console; an empty one means that there is nothing to link to.
type Links struct {
	Alarm      string
	Report     string // the HTML object
	ReportText string
	ReportJSON string
	Logs       string // the orchestrator's log group
	Region     string // where the triage runs; empty: the alarm's Region

	Zone *time.Location // of the times in all forms but the JSON; nil: UTC
}

// consoles maps a partition to its console's domain. Other partitions get no links: no link is better than
// a wrong one.
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
	"aws-eusc":   "console.amazonaws-eusc.eu",
}

// regionName matches Regions that may become part of a console's host name.
var regionName = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-\d{1,2}$`)

// console returns the console's address for an alarm's Region, or "" if it is not known.
func console(alarm *alarmevent.Alarm) string {
	domain := consoles[alarm.Partition]
	if domain == "" || !regionName.MatchString(alarm.Region) {
		return ""
	}
	return "https://" + alarm.Region + "." + domain
}

// Home is where the triage runs; its Region may differ from the alarm's.
type Home struct {
	Region   string // empty: the alarm's Region
	Bucket   string
	LogGroup string // of the orchestrator

	Zone *time.Location // of its readers; nil: UTC
}

// LinksFor returns the links of an investigation. home and keys locate its report; without a ReportURI in the
// record, no report is stored.
func LinksFor(rec *investigation.Record, home Home, keys Keys) Links {
	links := Links{Region: home.Region, Zone: home.Zone}
	if address := console(&rec.Alarm); address != "" {
		links.Alarm = alarmLink(address, &rec.Alarm)
	}
	here := inRegion(home.Region, &rec.Alarm)
	address := console(&here)
	if address == "" {
		return links
	}
	if home.LogGroup != "" {
		// The console expects a log group's name encoded twice, the second time with $ in place of %.
		twice := strings.ReplaceAll(encode(encode(home.LogGroup)), "%", "$")
		links.Logs = fmt.Sprintf("%s/cloudwatch/home?region=%s#logsV2:log-groups/log-group/%s",
			address, here.Region, twice)
	}
	if rec.ReportURI != "" {
		links.Report = objectLink(address, &here, home.Bucket, keys.HTML)
		links.ReportText = objectLink(address, &here, home.Bucket, keys.Text)
		links.ReportJSON = objectLink(address, &here, home.Bucket, keys.JSON)
	}
	return links
}

// alarmLink encodes the alarm's name once, as CloudWatch's own notifications do.
func alarmLink(console string, alarm *alarmevent.Alarm) string {
	return fmt.Sprintf("%s/cloudwatch/home?region=%s#alarmsV2:alarm/%s", console, alarm.Region, encode(alarm.Name))
}

func objectLink(console string, alarm *alarmevent.Alarm, bucket, key string) string {
	if bucket == "" || key == "" {
		return ""
	}
	return fmt.Sprintf("%s/s3/object/%s?region=%s&prefix=%s", console, encode(bucket), alarm.Region, encode(key))
}

// inRegion returns a copy of the alarm in another Region. If region is empty, the copy keeps the alarm's Region.
func inRegion(region string, alarm *alarmevent.Alarm) alarmevent.Alarm {
	here := *alarm
	here.Region = cmp.Or(region, here.Region)
	return here
}

// linksForURI returns the links of a report from the address of its text. region is the Region in which the triage
// runs; empty: the alarm's Region.
func linksForURI(alarm *alarmevent.Alarm, region, uri string) Links {
	links := Links{Region: region}
	if address := console(alarm); address != "" {
		links.Alarm = alarmLink(address, alarm)
	}
	here := inRegion(region, alarm)
	address := console(&here)
	if address == "" {
		return links
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if base, isText := strings.CutSuffix(key, ".txt"); ok && isText && strings.HasPrefix(uri, "s3://") {
		links.Report = objectLink(address, &here, bucket, base+".html")
		links.ReportText = objectLink(address, &here, bucket, key)
	}
	return links
}

// encode returns text as one segment of a URL. Clients that find links in text end them before some characters, and
// before punctuation at the end.
func encode(text string) string {
	encoded := strings.NewReplacer("+", "%20", "~", "%7E").Replace(url.QueryEscape(strings.ToValidUTF8(text, "\uFFFD")))
	if last := len(encoded) - 1; last >= 0 && strings.ContainsRune("._-", rune(encoded[last])) {
		encoded = fmt.Sprintf("%s%%%02X", encoded[:last], encoded[last])
	}
	return encoded
}
