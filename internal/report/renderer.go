package report

import "github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"

// Renderer renders records into every form, with links to where the triage runs.
type Renderer struct{ home Home }

// NewRenderer returns a renderer for a triage that runs at home.
func NewRenderer(home Home) Renderer { return Renderer{home} }

// Subject returns the notification's subject: see [Subject].
func (r Renderer) Subject(rec *investigation.Record) string { return Subject(rec) }

// Notification returns the notification's body in at most maxBytes: see [Notification].
func (r Renderer) Notification(rec *investigation.Record, keys Keys, maxBytes int) string {
	return Notification(rec, LinksFor(rec, r.home, keys), maxBytes)
}

// Text returns the stored text: see [Text].
func (r Renderer) Text(rec *investigation.Record, keys Keys) string {
	return Text(rec, LinksFor(rec, r.home, keys))
}

// HTML returns the stored page: see [HTML].
func (r Renderer) HTML(rec *investigation.Record, keys Keys) ([]byte, error) {
	return HTML(rec, LinksFor(rec, r.home, keys))
}

// JSON returns the stored record: see [JSON].
func (r Renderer) JSON(rec *investigation.Record) ([]byte, error) { return JSON(rec) }

// Card returns the chat card: see [Card].
func (r Renderer) Card(rec *investigation.Record, keys Keys) ([]byte, error) {
	return Card(rec, LinksFor(rec, r.home, keys))
}
