package report

import (
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

// Recovery is the follow-up to an investigation whose alarm is OK again.
type Recovery struct {
	Alarm         *alarmevent.Alarm // in its current state
	Region        string            // where the triage runs; empty: the alarm's Region
	Investigation string            // id of the investigation
	StartedAt     time.Time         // start of the investigation
	ReportURI     string            // s3://bucket/key of the report's text; empty: no report is stored
}

// Subject returns the notification's subject, with the limits of [Subject].
func (r Recovery) Subject() string { return subject("RECOVERED: ", nameInSubject(r.Alarm.Name), "") }

// Text returns the notification's body.
func (r Recovery) Text() string {
	text := wrap(r.sentence(), margin) + "\n"
	if reason := plain(r.Alarm.Reason); reason != "" {
		text += "\n" + wrap("Reason: "+reason, margin) + "\n"
	}
	links := linksForURI(r.Alarm, r.Region, r.ReportURI)
	text += "\n" + textSection("Links", "", inside(linkList{links: links}.text()))
	text += wrap("Investigation: "+plain(r.Investigation), margin) + "\n"
	if r.ReportURI != "" {
		text += wrap("Report as text: "+plain(r.ReportURI), margin) + "\n"
	}
	return text
}

func (r Recovery) sentence() string {
	text := "The alarm " + plain(r.Alarm.Name) + " is OK again"
	if !r.Alarm.Time.IsZero() {
		text += " since " + moment(r.Alarm.Time)
		if r.Alarm.Time.Sub(r.StartedAt) >= time.Second && !r.StartedAt.IsZero() {
			text += ", " + distance(r.Alarm.Time, r.StartedAt) + " its investigation started"
		}
	}
	return text + "."
}

// Card returns the follow-up as a card in the thread of the investigation's card.
func (r Recovery) Card() ([]byte, error) {
	c := newCard(r.Alarm, r.Investigation+"-recovered", cardRecovery)
	c.Content.Title = "Recovered: " + cutChat(chat(r.Alarm.Name), maxCardName)
	c.Content.Description = cutChat(chat(r.sentence()), maxCardDescription/3)
	if r.Alarm.Reason != "" {
		c.Content.Description += "\nReason: " + cutChat(chat(r.Alarm.Reason), maxCardDescription/3)
	}
	link := linksForURI(r.Alarm, r.Region, r.ReportURI).Report
	if link != "" && len(link) < maxCardLink {
		c.Content.Description += "\nReport: " + link
	}
	c.Metadata.Summary = c.Content.Title
	c.Metadata.addContext(map[string]string{
		"outcome": "recovered", "investigation": r.Investigation, "reportUri": r.ReportURI,
	})
	return encodeCard(c)
}
