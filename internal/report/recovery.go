package report

import (
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Recovery is the follow-up to an investigation whose alarm is OK again, or fires again after it was.
type Recovery struct {
	Alarm         *alarmevent.Alarm // in its current state
	AccountName   string            // name of the alarm's account; empty: it has none
	Home          Home              // where the triage runs
	Investigation string            // id of the investigation
	StartedAt     time.Time         // start of the investigation
	ReportURI     string            // s3://bucket/key of the report's text; empty: no report is stored
	FiresAgain    bool              // the alarm fires again after the notification that it is OK
	IsLast        bool              // no other follow-up of this investigation is sent
}

// Subject returns the notification's subject, with the limits of [Subject].
func (r Recovery) Subject() string {
	rec := r.record()
	return subject(r.title()+": ", accountInSubject(rec.AccountName), nameInSubject(rec.Alarm.Name), whereInSubject(rec))
}

func (r Recovery) title() string {
	if r.FiresAgain {
		return "FIRES AGAIN"
	}
	return "RECOVERED"
}

// record returns what the forms of an investigation also show, with its times in the zone of the readers.
func (r Recovery) record() *investigation.Record {
	return inZone(&investigation.Record{Alarm: *r.Alarm, AccountName: r.AccountName, StartedAt: r.StartedAt}, r.Home.Zone)
}

// Text returns the notification's body.
func (r Recovery) Text() string {
	text := oneLine(r.sentence()) + "\n"
	if reason := plain(r.Alarm.Reason); reason != "" {
		text += "\n" + oneLine("Reason: "+reason) + "\n"
	}
	links := linksForURI(r.Alarm, r.Home, r.ReportURI)
	if links.Report != "" {
		text += "\n" + oneLine("Report: "+links.Report) + "\n"
	}
	text += "\n" + textSection("Links", "", inside(linkList{links: links}.text()))
	text += oneLine("Investigation: "+plain(r.Investigation)) + "\n"
	if r.ReportURI != "" {
		text += oneLine("Report as text: "+plain(r.ReportURI)) + "\n"
	}
	return text
}

func (r Recovery) sentence() string {
	rec := r.record()
	text := "Account " + place(rec) + ": the alarm " + plain(r.Alarm.Name) + " is OK again"
	if r.FiresAgain {
		text = "Account " + place(rec) + ": the alarm " + plain(r.Alarm.Name) + " fires again"
	}
	if !r.Alarm.Time.IsZero() {
		text += " since " + moment(rec.Alarm.Time)
		if r.Alarm.Time.Sub(r.StartedAt) >= time.Second && !r.StartedAt.IsZero() {
			text += ", " + distance(r.Alarm.Time, r.StartedAt) + " its investigation started"
		}
	}
	text += "."
	if r.FiresAgain {
		text += " It is not investigated again within its window; the report of the investigation may still apply."
		if r.IsLast {
			text += " You are not notified of its next recovery within the window."
		}
	}
	return text
}

// Card returns the follow-up as a card in the thread of the investigation's card.
func (r Recovery) Card() ([]byte, error) {
	outcome, title := "recovered", "Recovered: "
	if r.FiresAgain {
		outcome, title = "fires_again", "Fires again: "
	}
	c := newCard(r.Alarm, r.Investigation+"-"+outcome, cardRecovery)
	c.Content.Title = title + accountInTitle(r.record()) + nameInTitle(r.Alarm.Name)
	c.Content.Description = cutChat(chat(r.sentence()), maxCardDescription/3)
	if r.Alarm.Reason != "" {
		c.Content.Description += "\nReason: " + cutChat(chat(r.Alarm.Reason), maxCardDescription/3)
	}
	link := linksForURI(r.Alarm, r.Home, r.ReportURI).Report
	if link != "" && len(link) < maxCardLink {
		c.Content.Description += "\nReport: " + link
	}
	c.Metadata.Summary = c.Content.Title
	c.Metadata.addContext(map[string]string{
		"outcome": outcome, "accountName": r.AccountName, "investigation": r.Investigation, "reportUri": r.ReportURI,
	})
	return encodeCard(c)
}
