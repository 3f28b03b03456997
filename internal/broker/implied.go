package broker

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// Some reads make AWS do what another action allows: metric math can invoke a Lambda function, and Logs Insights can
// read lookup tables and masked data. AWS checks the other action with other permissions than those of the caller, or
// not at all, so the broker checks it.

// implication is what an expression or a query makes AWS do.
type implication struct {
	call    func() *regexp.Regexp // in the text
	name    string                // as the text writes it
	implied *operation
}

// gap matches what can be between the words of a text: blanks, characters that are not visible, and comments, which end at a
// line feed or at another break.
const gap = `(?:[\s\p{Z}\p{C}]|(?:#|//|--)(?:[^\n]*(?:\n|$)|[^\n\r\v\f\x{85}\x{2028}\x{2029}]*[\r\v\f\x{85}\x{2028}\x{2029}])|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)*`

// action returns an operation for an action that another read implies.
func action(prefix, name string) *operation {
	return &operation{service: &service{id: prefix, prefix: prefix}, name: name, level: levelRead, action: prefix + ":" + name}
}

// mathFunctions are the functions of metric math that read something other than metrics ("Using metric math").
// LAMBDA invokes a function of the account, which its resource policy allows to CloudWatch.
var mathFunctions = []implication{
	{functionCall("LAMBDA"), "LAMBDA", action("lambda", "InvokeFunction")},
	{functionCall("DB_PERF_INSIGHTS"), "DB_PERF_INSIGHTS", action("pi", "GetResourceMetrics")},
	ruleMetric,
}

// ruleMetric reads a rule of Contributor Insights, which the expression names.
var ruleMetric = implication{functionCall("INSIGHT_RULE_METRIC"), "INSIGHT_RULE_METRIC", action("cloudwatch", "GetInsightRuleReport")}

// logCommands are the parts of Logs Insights queries that read something other than log lines.
var logCommands = []implication{
	{functionCall("unmask"), "unmask", unmasking},
	{lazy.Regexp(`(?im)(?:^|[|(\[])` + gap + `lookup\b`), "lookup", action("logs", "GetLookupTable")}, // a subquery is in brackets
}

var unmasking = action("logs", "Unmask")

// functionCall matches the call of a function, in any case, also after a number.
func functionCall(name string) func() *regexp.Regexp {
	return lazy.Regexp(`(?i)(?:^|[^A-Za-z_])` + name + gap + `\(`)
}

// impliedBy has the operations that can imply others, by name, and how to find what they imply.
var impliedBy = map[string]func(tree) ([]implication, string){
	"cloudwatch:GetMetricData":        impliedByMath,
	"cloudwatch:GetMetricWidgetImage": impliedByWidget,
	"logs:StartQuery":                 impliedByQuery,
	"logs:FilterLogEvents":            impliedByUnmask,
	"logs:GetLogEvents":               impliedByUnmask,
	"logs:GetLogObject":               impliedByUnmask,
	"logs:GetLogRecord":               impliedByUnmask,
}

// maxSearchedBody is how many bytes of expressions or queries of a request are searched. CloudWatch takes 2 KB in an expression and
// 10 KB in a query.
const maxSearchedBody = 256 << 10

// sizeOf returns the number of bytes in texts.
func sizeOf(lists ...[]string) int {
	size := 0
	for _, list := range lists {
		for _, text := range list {
			size += len(text)
		}
	}
	return size
}

// checkImplied returns why a request is refused if its parameters make AWS do what another action allows, or an empty
// string.
func (g guard) checkImplied(ops []*operation, r *http.Request, body []byte) string {
	for _, op := range ops {
		name := op.service.prefix + ":" + op.name
		for _, other := range actionsInS3(op, r) {
			if matches(g.deniedByUser, other) {
				return fmt.Sprintf("%s (IAM action %s) is refused: the settings of this tool deny it", name, other)
			}
		}
		find := impliedBy[name]
		if find == nil {
			continue
		}
		input, err := inputOf(r, body)
		if err != nil {
			return fmt.Sprintf("%s is refused: its parameters cannot be read: %s", name, bounded(err.Error()))
		}
		if len(body) > maxSearchedBody && sizeOf(input.expressions(), input.texts("queryString"), input.texts("MetricWidget")) > maxSearchedBody {
			return fmt.Sprintf("%s is refused: its expressions have more than %d KB; send fewer at a time", name, maxSearchedBody>>10)
		}
		found, reason := find(input)
		if reason != "" {
			return fmt.Sprintf("%s is refused: %s", name, reason)
		}
		for _, each := range found {
			if reason := g.checkOne(each.implied); reason != "" {
				return fmt.Sprintf("%s with %s is refused because it implies %s: %s; use the operation without it",
					name, each.name, each.implied.action, reason)
			}
		}
	}
	return ""
}

// versioned are the operations of S3 for which IAM checks another action, with ObjectVersion in its name, if the request names a
// version of the object.
var versioned = []string{"DeleteObject", "DeleteObjectTagging", "GetObject", "GetObjectAcl", "GetObjectAttributes", "GetObjectTagging",
	"GetObjectTorrent", "PutObjectAcl", "PutObjectTagging"}

// actionsInS3 returns the actions that IAM checks for a request of S3 instead of that of its operation: those for versions of
// objects, and those for directory buckets, which are requests to other hosts.
func actionsInS3(op *operation, r *http.Request) (actions []string) {
	service, name, _ := strings.Cut(op.action, ":")
	if service != "s3" {
		return nil
	}
	if slices.Contains(versioned, name) && r.URL.Query().Has("versionId") {
		actions = append(actions, "s3:"+strings.Replace(name, "Object", "ObjectVersion", 1))
	}
	if isForDirectoryBuckets(r) {
		if op.name == "ListBuckets" || op.name == "ListDirectoryBuckets" {
			name = "ListAllMyDirectoryBuckets"
		}
		actions = append(actions, "s3express:"+name)
	}
	return actions
}

// impliedByMath returns what the expressions of a value imply, at any depth.
func impliedByMath(input tree) ([]implication, string) {
	var found []implication
	for _, text := range input.expressions() {
		found = append(found, callsIn(text, mathFunctions)...)
	}
	return found, ""
}

// impliedByWidget is impliedByMath for the JSON text of a widget.
func impliedByWidget(input tree) ([]implication, string) {
	var found []implication
	for _, text := range input.texts("MetricWidget") {
		widget, err := treeOfJSON([]byte(text))
		if err != nil {
			return nil, "MetricWidget is not JSON that can be read: " + bounded(err.Error())
		}
		if widget.hasField("alarms") {
			return nil, "the expressions of alarms could invoke a function; name the metrics instead of the alarms"
		}
		inWidget, _ := impliedByMath(widget)
		found = append(found, inWidget...)
	}
	return found, ""
}

// impliedByQuery returns what a Logs Insights query implies.
func impliedByQuery(input tree) ([]implication, string) {
	var found []implication
	for _, text := range input.texts("queryString") {
		found = append(found, callsIn(text, logCommands)...)
	}
	return found, ""
}

// impliedByUnmask returns what the parameter of CloudWatch Logs implies that shows masked data.
func impliedByUnmask(input tree) ([]implication, string) {
	for _, field := range input.fields {
		if strings.EqualFold(field.name, "unmask") && field.value.text != "false" {
			return []implication{{name: "unmask", implied: unmasking}}, ""
		}
	}
	return nil, ""
}

// callsIn returns the implications whose call is in the text.
func callsIn(text string, of []implication) []implication {
	var found []implication
	text = strings.Map(halfWidth, text)
	for _, each := range of {
		if each.call().MatchString(text) {
			found = append(found, each)
		}
	}
	return found
}

// isForDirectoryBuckets reports whether a request of S3 is sent to a host for directory buckets.
func isForDirectoryBuckets(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.URL.Hostname()), "s3express")
}
