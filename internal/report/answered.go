package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Limits of the card of an answer, in characters.
const (
	maxCardQuestion = 300
	maxCardReason   = 300 // why the model had to conclude
	maxCardAnswer   = 900
	maxCardFindings = 3 // findings
	maxCardFinding  = 150
)

// cardAnswer is the event type of the card of an answer.
const cardAnswer = "alarmtriage-answer"

// Answered is the answer to a question about an investigation.
type Answered struct {
	Alarm       *alarmevent.Alarm // Brief does without it
	AccountName string            // name of the alarm's account; empty: it has none
	Answer      *investigation.Answer
	Home        Home // of the triage
}

// AnswerJSON returns an answer as JSON, with every field. schema/answer.schema.json describes it.
func AnswerJSON(answer *investigation.Answer) ([]byte, error) {
	complete := *answer
	complete.Confidence = cmp.Or(complete.Confidence, investigation.Unknown)
	text, err := encodeJSON(complete, "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the answer of investigation %s: %w", answer.Investigation, err)
	}
	return text, nil
}

// record returns what the forms of an investigation also show, with the answer in place of the report.
func (a Answered) record() *investigation.Record {
	rec := &investigation.Record{AccountName: a.AccountName}
	if a.Alarm != nil {
		rec.Alarm = *a.Alarm
	}
	if q := a.Answer; q != nil {
		rec.ID, rec.StartedAt, rec.EndedAt, rec.Outcome, rec.OutcomeWhy = q.Investigation, q.AskedAt, q.AnsweredAt, q.Outcome, q.OutcomeWhy
		rec.Model, rec.Fallbacks, rec.Rounds, rec.Usage, rec.NotSeen = q.Model, q.Fallbacks, q.Rounds, q.Usage, q.Unread
		rec.Report = investigation.Report{Findings: q.Findings, NotSeen: q.NotSeen, Confidence: q.Confidence, Downgraded: q.Downgraded}
	}
	return inZone(rec, a.Home.Zone)
}

// Brief returns the answer and its details as text, for whoever asked.
func (a Answered) Brief() string {
	rec, q := a.record(), a.Answer
	var b strings.Builder
	if q.Text == "" {
		b.WriteString(textSection("No answer", "", inside(paragraphs(cmp.Or(q.OutcomeWhy, "The model did not answer.")))))
	} else {
		body := prose{body: q.Text, doubt: doubt(rec)}.text()
		if why := oneLine(plain(q.OutcomeWhy)); why != "" { // such as a limit that was reached
			body += "NOTE: " + why + "\n"
		}
		b.WriteString(textSection("Answer", string(confidence(rec)), inside(body)))
	}
	b.WriteString(textSection("Details", "", inside(findings{findings: rec.Report.Findings}.text())))
	b.WriteString(textSection("What could not be seen", "", inside(notSeenOf(rec, Links{}).text())))
	return b.String()
}

// Text returns the stored text of the answer.
func (a Answered) Text() string {
	rec, q := a.record(), a.Answer
	var b strings.Builder
	b.WriteString(oneLine(fmt.Sprintf("Question %d about the report of alarm %s", q.Number, plain(rec.Alarm.Name))) + "\n")
	b.WriteString(oneLine("Account: "+plain(place(rec))) + "\n")
	if q.ReportURI != "" {
		b.WriteString(oneLine("Report: "+plain(q.ReportURI)) + "\n")
	}
	if q.Text != "" {
		b.WriteString("An AI model wrote this answer.\n")
	}
	b.WriteString("\n")
	b.WriteString(textSection("Question", "", inside(paragraphs(q.Question))))
	b.WriteString(a.Brief())
	b.WriteString(textSection("About this answer", "", inside(aboutOf(rec, Links{}).text())))
	b.WriteString(textSection("The rounds of this answer", "", inside(rounds{rec: rec}.text())))
	return b.String()
}

// Card returns the answer as a card in the thread of the investigation's card. If there is no answer, it says why.
func (a Answered) Card() ([]byte, error) {
	rec, q := a.record(), a.Answer
	number := int64(q.Number)
	if number == 0 { // an answer that is not stored has none
		number = q.AskedAt.UnixMilli()
	}
	c := newCard(a.Alarm, fmt.Sprintf("%s-answer-%d", q.Investigation, number), cardAnswer)
	title := "Answer"
	if q.Text == "" {
		title = "No answer"
	}
	c.Content.Title = title + ": " + accountInTitle(rec) + nameInTitle(rec.Alarm.Name)
	b := cardBuilder{paragraphs: []string{"*Question:* " + cutChat(chatProse(q.Question), maxCardQuestion)}}
	add := func(line string) { b.paragraphs = append(b.paragraphs, line) }
	if q.Text == "" {
		add("*Why there is no answer:* " + cutChat(chat(cmp.Or(q.OutcomeWhy, "the model did not answer")), maxCardAnswer))
	} else {
		add(fmt.Sprintf("*Answer (%s):* %s", confidence(rec), cutChat(chatProse(q.Text), maxCardAnswer)))
		if q.Downgraded != "" {
			add("*Doubt:* " + cutChat(chat(q.Downgraded), maxCardFinding))
		}
		if q.OutcomeWhy != "" {
			add("*Note:* " + cutChat(chat(q.OutcomeWhy), maxCardReason))
		}
		if len(q.Findings) > maxCardFindings {
			add(fmt.Sprintf("*Findings on this card:* %d of %d", maxCardFindings, len(q.Findings)))
		}
		for _, finding := range q.Findings[:min(len(q.Findings), maxCardFindings)] {
			state := confidenceIn(finding)
			if !finding.Verified {
				state = "unverified"
			} else if finding.IsComputed() {
				state += ", " + computed
			}
			add("*" + strings.ToUpper(state[:1]) + state[1:] + ":* " + cutChat(chatProse(finding.Statement), maxCardFinding))
		}
		b.ending = "An AI model wrote this answer. Model: " + cutChat(chat(q.Model), maxCardModel) + "."
	}
	if link := linksForURI(a.Alarm, a.Home, q.URI).ReportText; link != "" && len(link) < maxCardLink {
		b.links.WriteString("\nAnswer with its evidence: " + link)
	}
	c.Content.Description = b.description()
	c.Metadata.Summary = c.Content.Title
	c.Metadata.addContext(map[string]string{
		"outcome": "answered", "confidence": string(confidence(rec)), "accountName": a.AccountName, "investigation": q.Investigation,
		"reportUri": q.ReportURI, "answerUri": q.URI, "model": q.Model,
	})
	return encodeCard(c)
}
