package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// OutlineTable returns the outline as the Markdown table of docs/report.md.
func OutlineTable() string {
	var b strings.Builder
	b.WriteString("| section | contents | in |\n|---|---|---|\n")
	for _, s := range outline {
		title := s.title
		if title == "" {
			title = "(headline)"
		}
		var in []string
		for _, f := range []struct {
			form form
			name string
		}{{inNotification, "notification"}, {inText, "text"}, {inPage, "page"}, {inCard, "card"}} {
			if s.forms&f.form != 0 {
				in = append(in, f.name)
			}
		}
		if len(in) == 4 {
			in = []string{"all"}
		}
		if s.required {
			title = "**" + title + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", title, s.contents, strings.Join(in, ", "))
	}
	return b.String()
}

// Titles returns the titles of the sections that each form shows of a record, in order. The empty title of
// the headline is left out.
func Titles(rec *investigation.Record, links Links) (notification, text, page []string) {
	rec = cleaned(rec)
	p := &pageForm{rec: rec, links: links, cited: citations(rec)}
	for _, s := range outline {
		if s.title == "" {
			continue
		}
		content := s.content(rec, links)
		if s.forms&inNotification != 0 && content.text() != "" {
			notification = append(notification, s.title)
		}
		if s.forms&inText != 0 && content.text() != "" {
			text = append(text, s.title)
		}
		if name, _ := content.view(p); s.forms&inPage != 0 && name != "" {
			page = append(page, s.title)
		}
	}
	return notification, text, page
}

// WithSection adds a section of prose before the section with a title; restore removes it.
func WithSection(title, body, before string) (restore func()) {
	whole := outline
	at := slices.IndexFunc(outline, func(s section) bool { return s.title == before })
	outline = slices.Insert(slices.Clone(outline), at, section{
		title: title, forms: written | inCard, required: true,
		content: func(*investigation.Record, Links) content { return prose{body: body} },
	})
	return func() { outline = whole }
}

// SilentOnCard returns the sections that the outline shows on a card but that contribute nothing to it.
func SilentOnCard(rec *investigation.Record, links Links) []string {
	rec = cleaned(rec)
	var silent []string
	for _, s := range outline {
		var b cardBuilder
		if s.content(rec, links).card(&b, s.title); s.forms&inCard != 0 && len(b.paragraphs)+len(b.steps)+b.links.Len() == 0 {
			silent = append(silent, cmp.Or(s.title, "(headline)"))
		}
	}
	return silent
}
