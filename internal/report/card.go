package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// Limits of a chat card, in characters. Amazon Q Developer accepts titles of 250 and descriptions of 8,000;
// Slack truncates a block at 3,000, and chat is for short texts.
const (
	maxCardTitle       = 250
	maxCardName        = maxCardTitle - 120 // leaves room for severity, account, and verdict
	maxCardDescription = 2500
	maxCardLink        = maxCardDescription / 4 // a longer link would displace the text
	maxCardSteps       = 5
	maxCardStep        = 500
	maxCardRuledOut    = 3   // hypotheses
	maxCardHypothesis  = 150 // and as many for the reason
	maxCardPast        = 2   // earlier investigations
	maxCardModel       = 100 // of the model's ID; an ARN of a profile has about 90
	maxCardKeyword     = 75
	maxCardContext     = 1024
)

// Event types of cards, which custom actions of Amazon Q Developer can be attached to.
const (
	cardInvestigation = "alarmtriage-investigation"
	cardRecovery      = "alarmtriage-recovery"
)

// card is a custom notification of Amazon Q Developer in chat applications, version 1.0 (administrator
// guide, "Custom notifications"). schema/card.schema.json describes it.
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

// Card returns the investigation as a card for a chat channel. All cards of an alarm share a thread.
func Card(rec *investigation.Record, links Links) ([]byte, error) {
	c := newCard(&rec.Alarm, rec.ID, cardInvestigation) // with the alarm's own ARN, which the cards of follow-ups have for their thread
	recorded := rec
	rec = inZone(rec, links.Zone)
	title := tag(rec) + accountInTitle(rec) + nameInTitle(rec.Alarm.Name) + ": " + verdict(rec)
	var b cardBuilder
	for _, p := range parts(inCard, rec, recorded, links) {
		heading := p.title
		if p.remark != "" {
			heading += " (" + p.remark + ")"
		}
		p.content.card(&b, heading)
	}
	c.Content.Title, c.Content.Description, c.Content.NextSteps = title, b.description(), b.steps
	c.Content.Keywords = keywords(rec)
	c.Metadata.Summary = title
	c.Metadata.addContext(map[string]string{
		"severity": string(severity(rec)), "confidence": string(confidence(rec)), "outcome": string(rec.Outcome),
		"reportUri": rec.ReportURI, "accountName": rec.AccountName, "model": askedModel(rec),
	})
	return encodeCard(c)
}

// accountInTitle returns the account's name as a prefix of a card's title, or "" if there is none.
func accountInTitle(rec *investigation.Record) string {
	return accountTag(cutChat(chat(accountName(rec)), maxAccountName))
}

// clauseInName matches a name that could be read as a part of a title, such as "orders: cause confirmed".
var clauseInName = regexp.MustCompile(`[^\pL\pN] |"`)

// nameInTitle returns the name of an alarm for the title of a card.
func nameInTitle(name string) string {
	text := cutChat(chat(name), maxCardName)
	if clauseInName.MatchString(oneLine(plain(name))) {
		text = `"` + inQuotes(text) + `"`
	}
	return text
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
		c.Metadata.RelatedResources = []string{truncate.Runes(plain(alarm.ARN), maxCardContext)}
	}
	c.Metadata.addContext(map[string]string{
		"alarm": alarm.Name, "account": alarm.Account, "region": alarm.Region, "investigation": id,
	})
	return c
}

func (m *cardMetadata) addContext(values map[string]string) {
	for name, value := range values {
		if value = truncate.Runes(plain(value), maxCardContext); value == "" {
			continue
		}
		if m.AdditionalContext == nil {
			m.AdditionalContext = map[string]string{}
		}
		m.AdditionalContext[name] = value
	}
}

// threadOf returns the thread ID of an alarm's cards. It is a hash, because the alarm's name may be too long.
func threadOf(alarm *alarmevent.Alarm) string {
	sum := sha256.Sum256([]byte(cmp.Or(alarm.ARN, alarm.Name)))
	return "alarmtriage-" + hex.EncodeToString(sum[:12])
}

// cardBuilder collects what the outline's sections contribute to a card.
type cardBuilder struct {
	paragraphs []string
	steps      []string
	ending     string // who wrote the report, after the paragraphs; never shortened
	links      strings.Builder
}

// description returns the paragraphs, each shortened to its fair share, and the links.
func (b *cardBuilder) description() string {
	sizes := make([]int, len(b.paragraphs))
	for i, paragraph := range b.paragraphs {
		sizes[i] = utf8.RuneCountInString(paragraph)
	}
	limit := fairShare(sizes, maxCardDescription-b.links.Len()-len(b.ending)-len(b.paragraphs)-1)
	for i := range b.paragraphs {
		b.paragraphs[i] = cutChat(b.paragraphs[i], limit)
	}
	return strings.TrimSpace(strings.Join(b.paragraphs, "\n")+"\n"+b.ending) + b.links.String()
}

// notOnCard is embedded by content that a card has no room for.
type notOnCard struct{}

func (notOnCard) card(*cardBuilder, string) {}

// card adds the facts that code knows as one paragraph, and the notes.
func (h headline) card(b *cardBuilder, _ string) {
	var lines []string
	for _, f := range []fact{
		{"Account", place(h.rec)}, {"Alarm at", moment(h.rec.Alarm.Time)}, {"What changed", changed(h.rec)}, {"State", stateNow(h.rec)},
		{"Owner", tagged(h.rec, tagOwner)}, {"Runbook", tagged(h.rec, tagRunbook)},
	} {
		if f.Value != "" {
			lines = append(lines, "*"+f.Name+":* "+chat(f.Value))
		}
	}
	b.paragraphs = append(b.paragraphs, lines...)
	b.ending = authorship(h.rec)
	if model := askedModel(h.rec); model != "" {
		b.ending += " Model: " + cutChat(chat(model), maxCardModel) + "."
	}
	if note := strings.Join(notes(h.rec), " "); note != "" {
		b.paragraphs = append(b.paragraphs, "*Note:* "+chat(note))
	}
}

// card puts a label of code before the text, so that no text begins a line, where more marks have a meaning. What code states about the
// text is a separate paragraph, because the end of a long text is cut.
func (p prose) card(b *cardBuilder, title string) {
	if text := strings.TrimSpace(p.body); text != "" {
		b.paragraphs = append(b.paragraphs, "*"+title+":* "+chatProse(text))
	}
	if remark := cmp.Or(p.doubt, p.basis); remark != "" {
		b.paragraphs = append(b.paragraphs, chatProse(remark))
	}
}

func (s steps) card(b *cardBuilder, _ string) {
	shown := s.actions[:min(len(s.actions), maxCardSteps)]
	for i, action := range shown {
		remark := ""
		if left := len(s.actions) - len(shown); left > 0 && i == len(shown)-1 {
			remark = " (" + more(left) + " in the report.)"
		}
		b.steps = append(b.steps, cardStep(action, maxCardStep-len(remark))+remark)
	}
}

// card puts the state of each hypothesis before it in a label of code, so that no text can imitate another entry. The
// title counts the others, because the end of a long paragraph is cut.
func (r ruledOut) card(b *cardBuilder, title string) {
	if len(r.refuted) == 0 {
		return
	}
	shown := r.refuted[:min(len(r.refuted), maxCardRuledOut)]
	if len(shown) < len(r.refuted) {
		title += fmt.Sprintf(" (%d of %d, the others are in the report)", len(shown), len(r.refuted))
	}
	paragraph := "*" + title + ":*"
	for _, refuted := range shown {
		state := refutedState(refuted)
		paragraph += " *" + strings.ToUpper(state[:1]) + state[1:] + ":* " + cutChat(chatProse(refuted.Hypothesis), maxCardHypothesis)
		if reason := chatProse(refuted.Reason); reason != "" {
			paragraph += " Against it: " + cutChat(reason, maxCardHypothesis)
		}
	}
	b.paragraphs = append(b.paragraphs, paragraph)
}

// card adds the newest earlier investigations whose cause a human judged, each with its state in a label of code.
func (e past) card(b *cardBuilder, title string) {
	judged := slices.DeleteFunc(slices.Clone(e.rec.SeenBefore), func(p investigation.Past) bool { return judgment(p) == "" })
	if len(judged) == 0 {
		return
	}
	paragraph := "*" + title + ":*"
	for _, earlier := range slices.Backward(judged[max(0, len(judged)-maxCardPast):]) {
		state := judgment(earlier)
		paragraph += " *" + strings.ToUpper(state[:1]) + state[1:] + ":* " + moment(earlier.Time) + " " +
			cutChat(chatProse(cmp.Or(earlier.Cause, noPastCause)), maxCardHypothesis)
		if cause := chatProse(earlier.Feedback.Cause); cause != "" {
			paragraph += " *The cause in the human's words:* " + cutChat(cause, maxCardHypothesis)
		}
	}
	b.paragraphs = append(b.paragraphs, paragraph)
}

func (l linkList) card(b *cardBuilder, _ string) {
	for _, link := range []struct{ name, url string }{
		{"Report", cmp.Or(l.links.Report, l.links.ReportText)}, {"Alarm", l.links.Alarm},
	} {
		// A bare address is a link in Slack and in Teams, whose syntaxes for named links differ.
		if link.url != "" && len(link.url) < maxCardLink {
			fmt.Fprintf(&b.links, "\n%s: %s", link.name, link.url)
		}
	}
}

// cardStep returns an action with its command and what the command does. A command that chat would garble or truncate
// is left to the report: half a command is worse than none. The step has at most most characters.
func cardStep(action action, most int) string {
	const elsewhere = " the command is in the report."
	if action.label == "" {
		return cmp.Or(cutChat(chatProse(action.text), maxCardStep/2), "See the report.")
	}
	label := " *" + strings.TrimSuffix(action.label, ".") + ":*"
	step := strings.TrimSpace(cutChat(chatProse(action.text), min(maxCardStep/2, most-len(label)-len(elsewhere))) + label)
	quoted := " `" + escapeChat(action.shown) + "`"
	if !garbledInChat.MatchString(action.shown) && utf8.RuneCountInString(step+quoted) <= most {
		return step + quoted
	}
	return step + elsewhere
}

// garbledInChat matches what a code span cannot contain, and what could be a link in a client without code spans.
var garbledInChat = regexp.MustCompile("[`\n]|\\][(\\[:]")

// keywords returns the terms with which a card can be found.
func keywords(rec *investigation.Record) []string {
	words := []string{"severity " + string(severity(rec)), "cause " + string(confidence(rec))}
	for _, metric := range rec.Alarm.Metrics {
		if chat(metric.Namespace) != "" {
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
		words[i] = cutChat(chat(word), maxCardKeyword)
	}
	return words
}
