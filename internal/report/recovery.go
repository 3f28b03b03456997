package report

import (
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
)

// Recovery is the follow-up of an investigation whose alarm is OK again.
type Recovery struct {
	Alarm         *alarmevent.Alarm // as it is now
	Region        string            // the triage's own; empty: the alarm's
	Investigation string            // its id
	StartedAt     time.Time         // of the investigation
	ReportURI     string            // s3://bucket/key of the report's text; empty when none is stored
}

// Subject is the mail's subject, with the limits of [Subject].
func (r Recovery) Subject() string { return subject("RECOVERED: ", ascii(plain(r.Alarm.Name)), "") }

// Text is the mail.
func (r Recovery) Text() string {
	text := wrap(r.sentence(), "") + "\n"
	if reason := plain(r.Alarm.Reason); reason != "" {
		text += "\n" + wrap(reason, "") + "\n"
	}
	links := linksForURI(r.Alarm, r.Region, r.ReportURI)
	text += "\n" + section{title: "Links", body: linkLines(links)}.String()
	text += wrap("Investigation: "+plain(r.Investigation), "  ") + "\n"
	if r.ReportURI != "" {
		text += "Report as text: " + plain(r.ReportURI) + "\n"
	}
	return text
}

func (r Recovery) sentence() string {
	text := "The alarm " + plain(r.Alarm.Name) + " is OK again"
	if !r.Alarm.Time.IsZero() {
		text += " since " + moment(r.Alarm.Time)
		if r.Alarm.Time.Sub(r.StartedAt) >= time.Second && !r.StartedAt.IsZero() {
			text += ", " + distance(r.Alarm.Time, r.StartedAt) + " its investigation began"
		}
	}
	return text + "."
}

// Card puts the follow-up into the thread of the investigation's card.
func (r Recovery) Card() ([]byte, error) {
	c := newCard(r.Alarm, r.Investigation+"-recovered", cardRecovery)
	c.Content.Title = "Recovered: " + clip(chat(r.Alarm.Name), maxCardTitle-40)
	c.Content.Description = clip(chat(r.sentence()), maxCardDescription/3)
	if r.Alarm.Reason != "" {
		c.Content.Description += "\n" + clip(chat(r.Alarm.Reason), maxCardDescription/3)
	}
	if link := linksForURI(r.Alarm, r.Region, r.ReportURI).Report; link != "" && len(link) < maxCardDescription/4 {
		c.Content.Description += "\nReport: " + link
	}
	c.Metadata.Summary = c.Content.Title
	c.Metadata.addContext(map[string]string{"outcome": "recovered", "investigation": r.Investigation, "reportUri": r.ReportURI})
	return encodeCard(c)
}
