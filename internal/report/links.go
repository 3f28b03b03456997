package report

import (
	"fmt"
	"net/url"
	"strings"

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
}

// consoles are the console's domains by partition (AWS documentation, "Service endpoints" of the
// partitions).
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
}

// LinksFor makes the links of an investigation. bucket and keys say where its report lies; a record
// without a ReportURI has none stored.
func LinksFor(rec *investigation.Record, bucket string, keys Keys, logGroup string) Links {
	domain, known := consoles[rec.Alarm.Partition]
	if !known {
		domain = consoles["aws"]
	}
	region := rec.Alarm.Region
	links := Links{
		Alarm: fmt.Sprintf("https://%s.%s/cloudwatch/home?region=%s#alarmsV2:alarm/%s", region, domain, region, encode(rec.Alarm.Name)),
	}
	if logGroup != "" {
		// The console wants the name encoded twice, with $ in place of %.
		twice := strings.ReplaceAll(encode(encode(logGroup)), "%", "$")
		links.Logs = fmt.Sprintf("https://%s.%s/cloudwatch/home?region=%s#logsV2:log-groups/log-group/%s", region, domain, region, twice)
	}
	if rec.ReportURI == "" {
		return links
	}
	object := func(key string) string {
		if key == "" {
			return ""
		}
		return fmt.Sprintf("https://%s.%s/s3/object/%s?region=%s&prefix=%s", region, domain, bucket, region, encode(key))
	}
	links.Report, links.ReportText, links.ReportJSON = object(keys.HTML), object(keys.Text), object(keys.JSON)
	return links
}

// encode makes text one segment of a URL.
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
