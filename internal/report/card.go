package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

// Limits of a chat card, in characters. Amazon Q Developer takes titles of 250 and descriptions of 8,000;
// Slack cuts a block at 3,000, and who reads chat reads less.
const (
	maxCardTitle       = 250
	maxCardDescription = 2500
	maxCardSteps       = 5
	maxCardStep        = 500
	maxCardKeyword     = 75
	maxCardContext     = 1024
)

// What a card is about, for custom actions that are attached to a type of notification.
const (
	cardInvestigation = "alarmtriage-investigation"
	cardRecovery      = "alarmtriage-recovery"
)

// card is a custom notification of Amazon Q Developer in chat applications, version 1.0 ("Custom
// notifications", its administrator guide). schema/card.schema.json describes it.
type card struct {
	Version  string       `json:"version"`
	Source   string       `json:"source"`
	ID       string       `json:"id,omitempty"`
	Content  cardContent  `json:"content"`
	Metadata cardMetadata `json:"metadata"`
}

type cardContent struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

type cardMetadata struct {
	ThreadID          string            `json:"threadId"`
	Summary           string            `json:"summary"`
	EventType         string            `json:"eventType"`
	RelatedResources  []string          `json:"relatedResources,omitempty"`
	AdditionalContext map[string]string `json:"additionalContext,omitempty"`
}

// Card is the investigation for a chat channel. All cards of an alarm share a thread.
func Card(rec *investigation.Record, links Links) ([]byte, error) {
	rec = cleaned(rec)
	c := newCard(&rec.Alarm, rec.ID, cardInvestigation)
	title := tag(rec) + clip(chat(rec.Alarm.Name), maxCardTitle-40) + ": " + verdict(rec)
	c.Content.Title = title
	c.Content.Description = cardBody(rec, links)
	for _, action := range steps(rec)[:min(len(steps(rec)), maxCardSteps)] {
		c.Content.NextSteps = append(c.Content.NextSteps, cardStep(action))
	}
	c.Content.Keywords = keywords(rec)
	c.Metadata.Summary = clip(title, maxCardTitle)
	c.Metadata.addContext(map[string]string{
		"severity": string(severity(rec)), "confidence": string(confidence(rec)), "outcome": string(rec.Outcome),
		"reportUri": rec.ReportURI,
	})
	return encodeCard(c)
}

func encodeCard(c card) ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the chat card of investigation %s: %w", c.ID, err)
	}
	return text, nil
}

func newCard(alarm *alarmevent.Alarm, id, eventType string) card {
	c := card{Version: "1.0", Source: "custom", ID: id, Content: cardContent{TextType: "client-markdown"}}
	c.Metadata = cardMetadata{ThreadID: threadOf(alarm), EventType: eventType}
	if alarm.ARN != "" {
		c.Metadata.RelatedResources = []string{clip(plain(alarm.ARN), maxCardContext)}
	}
	c.Metadata.addContext(map[string]string{
		"alarm": alarm.Name, "account": alarm.Account, "region": alarm.Region, "investigation": id,
	})
	return c
}

func (m *cardMetadata) addContext(values map[string]string) {
	for name, value := range values {
		if value = clip(plain(value), maxCardContext); value == "" {
			continue
		}
		if m.AdditionalContext == nil {
			m.AdditionalContext = map[string]string{}
		}
		m.AdditionalContext[name] = value
	}
}

// threadOf is the same for all cards of an alarm, and short whatever its name.
func threadOf(alarm *alarmevent.Alarm) string {
	sum := sha256.Sum256([]byte(first(alarm.ARN, alarm.Name)))
	return "alarmtriage-" + hex.EncodeToString(sum[:12])
}

func cardBody(rec *investigation.Record, links Links) string {
	var tail strings.Builder
	for _, l := range []struct{ name, url string }{{"Report", first(links.Report, links.ReportText)}, {"Alarm", links.Alarm}} {
		// A bare address is a link in Slack and in Teams, whose ways to name one differ.
		if l.url != "" && len(l.url) < maxCardDescription/4 {
			fmt.Fprintf(&tail, "\n%s: %s", l.name, l.url)
		}
	}
	parts := []string{chat(first(rec.Report.Summary, fallbackSummary(rec)))}
	for _, part := range []struct{ name, text string }{
		{"Root cause (" + string(confidence(rec)) + ")", rec.Report.RootCause}, {"Impact", rec.Report.Impact}, {"Note", strings.Join(notes(rec), " ")},
	} {
		if part.text != "" {
			parts = append(parts, "*"+part.name+":* "+chat(part.text))
		}
	}
	sizes := make([]int, len(parts))
	for i, part := range parts {
		sizes[i] = len([]rune(part))
	}
	limit := levelled(sizes, maxCardDescription-len(tail.String())-len(parts))
	for i := range parts {
		parts[i] = clip(parts[i], limit)
	}
	return strings.Join(parts, "\n") + tail.String()
}

// cardStep is an action with its command, unless chat would mangle that: half a command is worse than
// none.
func cardStep(action investigation.Action) string {
	step := clip(chat(action.Text), maxCardStep/2)
	command := strings.TrimSpace(action.Command)
	if command == "" {
		return first(step, "See the report.")
	}
	if quoted := " `" + escapeChat(command) + "`"; !strings.ContainsAny(command, "`\n") && len([]rune(step+quoted)) <= maxCardStep {
		return step + quoted
	}
	return step + " (The command is in the report.)"
}

// keywords are what to find a card by.
func keywords(rec *investigation.Record) []string {
	words := []string{"severity " + string(severity(rec)), "cause " + string(confidence(rec))}
	for _, metric := range rec.Alarm.Metrics {
		if metric.Namespace != "" {
			words = append(words, metric.Namespace)
			break
		}
	}
	switch rec.Alarm.Kind {
	case alarmevent.KindLog:
		words = append(words, "log alarm")
	case alarmevent.KindPromQL:
		words = append(words, "PromQL alarm")
	}
	for i, word := range words {
		words[i] = clip(chat(word), maxCardKeyword)
	}
	return words
}

// chat takes from one line of untrusted text the means to format, to link and to call people.
func chat(text string) string {
	text = strings.NewReplacer("*", "∗", "`", "'").Replace(unmarked(text))
	return escapeChat(callsNobody(text))
}

func escapeChat(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// callsNobody parts an @ from a name after it, which could be a person, a group or everybody.
func callsNobody(text string) string {
	var b strings.Builder
	var last rune
	for _, r := range text {
		if last == '@' && (unicode.IsLetter(r) || r == '!') {
			b.WriteRune('\u200B')
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// clip cuts text to so many characters, and says so.
func clip(text string, characters int) string {
	if runes := []rune(text); len(runes) > characters {
		return string(runes[:max(0, characters-2)]) + " …"
	}
	return text
}
