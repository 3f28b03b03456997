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
	home       Home   // for links to earlier reports

	recorded *investigation.Record // with its texts as they were recorded, for commands

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
	Bucket   string // empty: the one in the address of the report
	LogGroup string // of the orchestrator

	Account    string // of the triage; empty: not known
	ConsoleURL string // template of links, with {account} and {url}, that opens the console in an account; empty: plain links

	Zone *time.Location // of its readers; nil: UTC
}

// LinksFor returns the links of an investigation. home and keys locate its report; without a ReportURI in the
// record, no report is stored.
func LinksFor(rec *investigation.Record, home Home, keys Keys) Links {
	links := Links{home: Home{Region: home.Region, Account: home.Account, ConsoleURL: home.ConsoleURL}, Zone: home.Zone}
	if address := console(&rec.Alarm); address != "" {
		links.Alarm = home.open(rec.Alarm.Account, alarmLink(address, &rec.Alarm))
	}
	here := inRegion(home.Region, &rec.Alarm)
	address := console(&here)
	if address == "" {
		return links
	}
	if home.LogGroup != "" {
		// The console expects a log group's name encoded twice, the second time with $ in place of %.
		twice := strings.ReplaceAll(encode(encode(home.LogGroup)), "%", "$")
		links.Logs = home.open(home.Account, fmt.Sprintf("%s/cloudwatch/home?region=%s#logsV2:log-groups/log-group/%s",
			address, here.Region, twice))
	}
	if rec.ReportURI != "" {
		if home.Bucket == "" { // a record that is rendered on somebody's machine
			home.Bucket, keys = keysIn(rec.ReportURI)
		}
		links.Report = home.open(home.Account, objectLink(address, &here, home.Bucket, keys.HTML))
		links.ReportText = home.open(home.Account, objectLink(address, &here, home.Bucket, keys.Text))
		links.ReportJSON = home.open(home.Account, objectLink(address, &here, home.Bucket, keys.JSON))
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

// open returns a link that opens the console in an account. Without a template, a link opens the account in which the reader is
// signed in.
func (h Home) open(account, link string) string {
	if h.ConsoleURL == "" || link == "" || account == "" {
		return link
	}
	return strings.NewReplacer("{account}", encode(account), "{url}", encode(link)).Replace(h.ConsoleURL)
}

// linksForURI returns the links of a report of a triage at home from the address of its text.
func linksForURI(alarm *alarmevent.Alarm, home Home, uri string) Links {
	links := Links{home: home}
	if address := console(alarm); address != "" {
		links.Alarm = home.open(alarm.Account, alarmLink(address, alarm))
	}
	here := inRegion(home.Region, alarm)
	address := console(&here)
	if address == "" {
		return links
	}
	bucket, keys := keysIn(uri)
	links.Report = home.open(home.Account, objectLink(address, &here, bucket, keys.HTML))
	links.ReportText = home.open(home.Account, objectLink(address, &here, bucket, keys.Text))
	return links
}

// keysIn returns the bucket and the keys of a report from the address of its text, or nothing if that is not understood.
func keysIn(uri string) (bucket string, keys Keys) {
	place, isS3 := strings.CutPrefix(uri, "s3://")
	bucket, key, _ := strings.Cut(place, "/")
	base, isText := strings.CutSuffix(key, ".txt")
	if !isS3 || !isText {
		return "", Keys{}
	}
	return bucket, Keys{Text: key, HTML: base + ".html", JSON: base + ".json"}
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
