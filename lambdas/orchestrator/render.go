package main

import (
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// renderer fits the report's forms to the triage's seam.
type renderer struct {
	home report.Home
}

func (r renderer) links(rec *investigation.Record, keys store.Keys) report.Links {
	return report.LinksFor(rec, r.home, report.Keys{HTML: keys.HTML, Text: keys.Text, JSON: keys.JSON})
}

// Subject implements [triage.Renderer].
func (r renderer) Subject(rec *investigation.Record) string { return report.Subject(rec) }

// Notification implements [triage.Renderer].
func (r renderer) Notification(rec *investigation.Record, keys store.Keys, maxBytes int) string {
	return report.Notification(rec, r.links(rec, keys), maxBytes)
}

// Text implements [triage.Renderer].
func (r renderer) Text(rec *investigation.Record, keys store.Keys) string {
	return report.Text(rec, r.links(rec, keys))
}

// HTML implements [triage.Renderer].
func (r renderer) HTML(rec *investigation.Record, keys store.Keys) ([]byte, error) {
	return report.HTML(rec, r.links(rec, keys))
}

// JSON implements [triage.Renderer].
func (r renderer) JSON(rec *investigation.Record) ([]byte, error) { return report.JSON(rec) }

// Card implements [triage.Renderer].
func (r renderer) Card(rec *investigation.Record, keys store.Keys) ([]byte, error) {
	return report.Card(rec, r.links(rec, keys))
}
