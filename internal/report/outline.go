// Package report renders an investigation as a notification, as text, as a page, as JSON, and as a chat card.
// It has no side effects: each function takes a record and links, and returns text or bytes. Every text in a record
// is untrusted.
//
// The outline in outline.go decides which sections the report has, their titles, and their order. content.go
// builds their content, verdict.go has the words that all forms share, and each form has a file that renders every
// kind of content: text.go (with notification.go), page.go, and card.go.
//
// To add a section, add an entry to the outline and the function that builds its content.
package report

import "github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"

// form is a set of the forms that show a section.
type form uint8

const (
	inNotification form = 1 << iota // the SNS notification
	inText                          // the stored text
	inPage                          // the stored HTML page
	inCard                          // the description of the chat card

	written = inNotification | inText | inPage
)

// section is one part of the report. One function builds its content, and every form that shows the section renders it.
type section struct {
	title    string // every form's heading; the headline has none
	contents string // the section's content in a few words, for docs/report.md
	forms    form
	required bool // a notification that would be too long keeps it

	// remark qualifies the title, such as the confidence of the root cause; nil: nothing to add.
	remark func(rec *investigation.Record) string
	// content builds the section's content. Forms leave out a section whose content is empty.
	content func(rec *investigation.Record, links Links) content

	box       string // the page frames adjacent sections of the same box together; empty: no frame
	noHeading bool   // the page shows the content without a visible heading
}

// outline is the report in reading order: what broke and how bad it is, what to do, where to look, and only
// then the reasons. Every form renders its sections from it; nothing else decides which sections exist, their
// titles, or their order. A notification that is too long loses its last sections first.
var outline = []section{
	{
		title: "", contents: "[the first lines](#the-first-lines); on the page and the card, who wrote it is at the end",
		forms: written | inCard, required: true, content: headlineOf, noHeading: true,
	},
	{
		title: "Executive summary", contents: "the incident in a few sentences",
		forms: written | inCard, required: true, content: summaryOf, box: verdictBox,
	},
	{
		title: "Root cause", contents: "the cause, and the reason if its confidence was lowered",
		forms: written | inCard, required: true, content: causeOf, remark: confidenceOf, box: verdictBox,
	},
	{
		title: "Impact assessment", contents: "the affected people and systems",
		forms: written | inCard, required: true, content: impactOf, box: verdictBox,
	},
	{
		title:    "Immediate actions",
		contents: "what to do first, with commands to copy; without a conclusion, steps that always help",
		forms:    written | inCard, required: true, content: actionsOf,
	},
	{
		title:    "What was seen",
		contents: "only without a conclusion: first looks at the alarm's resources and their changes",
		forms:    written, required: true, content: seenOf,
	},
	{
		title: "Links", contents: "the alarm; the investigation's log, except on the card; on the page and the card also the report",
		forms: written | inCard, required: true, content: linksOf, noHeading: true,
	},
	{
		title: "The alarm", contents: "what the alarm measures, its rule or query, what triggered it, its reason, and its tags",
		forms: written, required: true, content: alarmOf,
	},
	{
		title: "The metric", contents: "datapoints around the alarm, with the threshold",
		forms: written, content: metricOf, noHeading: true,
	},
	{
		title: "Matching log lines", contents: "lines that match a log alarm's query",
		forms: written, content: logLinesOf,
	},
	{
		title:    "First looks",
		contents: "only with a conclusion: what was seen at the alarm's resources before a model was asked",
		forms:    inText | inPage, content: firstLooksOf,
	},
	{
		title: "Timeline", contents: "changes, alarms, findings, and the investigation in order",
		forms: inPage, content: timelineOf, remark: zoneOfTimeline,
	},
	{
		title:    "Investigation details",
		contents: "findings with confidence and quotes",
		forms:    written, content: findingsOf,
	},
	{
		title:    "What was ruled out",
		contents: "other causes that were tested, with the quotes against them, except on the card",
		forms:    written | inCard, content: ruledOutOf,
	},
	{
		title: "In the model's own words", contents: "a model's answer that is not a report",
		forms: written, content: freeTextOf, remark: func(*investigation.Record) string { return "not checked" },
	},
	{
		title:    "What could not be seen",
		contents: "reads that were denied, throttled, or truncated, noticed by code or named by the model",
		forms:    written, content: notSeenOf,
	},
	{
		title:    "Changes before the alarm",
		contents: "write calls from CloudTrail; the page shows them in the timeline",
		forms:    inNotification | inText, content: changesOf,
	},
	{
		title: "Fired together", contents: "alarms that fired at about the same time",
		forms: written, content: togetherOf,
	},
	{
		title: "Also in alarm", contents: "other alarms that were in ALARM",
		forms: written, content: alsoInAlarmOf,
	},
	{
		title:    "Seen before",
		contents: "[earlier investigations](#seen-before) of the same alarm",
		forms:    written | inCard, content: seenBeforeOf,
	},
	{
		title: "Prevention measures", contents: "how to keep it from happening again",
		forms: written, content: preventionOf,
	},
	{
		title: "Monitoring recommendations", contents: "how to notice it earlier",
		forms: written, content: monitoringOf,
	},
	{
		title: "About this investigation", contents: "address of the text, outcome, models, number of calls, tokens, cost, and duration",
		forms: written, required: true, content: aboutOf,
	},
	{
		title: "The whole investigation", contents: "each round with code, output, and AWS calls",
		forms: inText | inPage, content: investigationOf,
	},
}

// verdictBox frames the summary, the cause, and the impact on the page.
const verdictBox = "verdict"

// part is a section with its content for one record.
type part struct {
	section
	remark  string
	content content
}

// parts returns the sections that a form shows, in order. rec is the cleaned copy of the recorded one.
func parts(f form, rec, recorded *investigation.Record, links Links) []part {
	links.recorded = recorded
	var list []part
	for _, s := range outline {
		if s.forms&f == 0 {
			continue
		}
		p := part{section: s, content: s.content(rec, links)}
		if s.remark != nil {
			p.remark = s.remark(rec)
		}
		list = append(list, p)
	}
	return list
}

// content is what a section shows. Each form renders every kind of content; a new section of an existing kind
// needs nothing but its entry in the outline and the function that builds it.
type content interface {
	// text returns the content as plain text that ends with a line break, or "" if there is none.
	text() string
	// view returns the name and the data of the page's template, or no name if there is nothing to show.
	view(p *pageForm) (template string, data any)
	// card adds the content to a chat card under a title, which may be empty.
	card(b *cardBuilder, title string)
}
