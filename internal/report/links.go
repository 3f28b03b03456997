package report

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Keys are the object keys of a stored report.
type Keys struct{ HTML, Text, JSON string }

// Links are addresses in the AWS console; empty where there is nothing to link to.
type Links struct {
	Alarm      string
	Report     string // the HTML object
	ReportText string
	ReportJSON string
	Logs       string // the orchestrator's log group
	Region     string // the triage's own; empty: the alarm's
}

// consoles are the console's domains by partition. A partition that is not here has no links: none is
// better than one that leads elsewhere.
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
	"aws-eusc":   "console.amazonaws-eusc.eu",
}

// regionName is what may become a part of a console's host name.
var regionName = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-\d{1,2}$`)

// console is the console's address for an alarm's Region, or empty if there is none.
func console(alarm *alarmevent.Alarm) string {
	domain := consoles[alarm.Partition]
	if domain == "" || !regionName.MatchString(alarm.Region) {
		return ""
	}
	return "https://" + alarm.Region + "." + domain
}

// Home is where the triage itself runs, which may be another Region than the alarm's.
type Home struct {
	Region   string // empty: the alarm's
	Bucket   string
	LogGroup string // of the orchestrator
}

// LinksFor makes the links of an investigation. home and keys say where its report lies; a record
// without a ReportURI has none stored.
func LinksFor(rec *investigation.Record, own Home, keys Keys) Links {
	links := Links{Region: own.Region}
	if home := console(&rec.Alarm); home != "" {
		links.Alarm = alarmLink(home, &rec.Alarm)
	}
	here := at(own.Region, &rec.Alarm)
	home := console(&here)
	if home == "" {
		return links
	}
	if own.LogGroup != "" {
		// The console wants a log group's name encoded twice, the second time with $ in place of %.
		twice := strings.ReplaceAll(encode(encode(own.LogGroup)), "%", "$")
		links.Logs = fmt.Sprintf("%s/cloudwatch/home?region=%s#logsV2:log-groups/log-group/%s", home, here.Region, twice)
	}
	if rec.ReportURI != "" {
		links.Report = objectLink(home, &here, own.Bucket, keys.HTML)
		links.ReportText = objectLink(home, &here, own.Bucket, keys.Text)
		links.ReportJSON = objectLink(home, &here, own.Bucket, keys.JSON)
	}
	return links
}

// alarmLink encodes the alarm's name once, as in the mails of CloudWatch itself.
func alarmLink(home string, alarm *alarmevent.Alarm) string {
	return fmt.Sprintf("%s/cloudwatch/home?region=%s#alarmsV2:alarm/%s", home, alarm.Region, encode(alarm.Name))
}

func objectLink(home string, alarm *alarmevent.Alarm, bucket, key string) string {
	if bucket == "" || key == "" {
		return ""
	}
	return fmt.Sprintf("%s/s3/object/%s?region=%s&prefix=%s", home, encode(bucket), alarm.Region, encode(key))
}

// at is the alarm as if it were in the triage's Region, as far as the console goes.
func at(region string, alarm *alarmevent.Alarm) alarmevent.Alarm {
	here := *alarm
	here.Region = first(region, here.Region)
	return here
}

// linksForURI are the links of a report of which only the address of its text is known. region is the triage's own, or
// empty for the alarm's.
func linksForURI(alarm *alarmevent.Alarm, region, uri string) Links {
	links := Links{Region: region}
	if home := console(alarm); home != "" {
		links.Alarm = alarmLink(home, alarm)
	}
	here := at(region, alarm)
	home := console(&here)
	if home == "" {
		return links
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if base, isText := strings.CutSuffix(key, ".txt"); ok && isText && strings.HasPrefix(uri, "s3://") {
		links.Report, links.ReportText = objectLink(home, &here, bucket, base+".html"), objectLink(home, &here, bucket, key)
	}
	return links
}

// encode makes text one segment of a URL.
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(strings.ToValidUTF8(text, "\uFFFD")), "+", "%20")
}
