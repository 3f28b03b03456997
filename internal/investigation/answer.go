package investigation

import "time"

// Answer is the answer to one question about a finished investigation.
type Answer struct {
	SchemaVersion string     `json:"schema_version"`
	Investigation string     `json:"investigation_id"` // ID of the investigation
	Number        int        `json:"number"`           // of the question about this investigation, from 1; 0: the answer is not stored
	Question      string     `json:"question"`         // as it was asked, without secrets
	AskedAt       time.Time  `json:"asked_at"`         // UTC
	AnsweredAt    time.Time  `json:"answered_at"`      // UTC
	Outcome       Outcome    `json:"outcome"`
	OutcomeWhy    string     `json:"outcome_why,omitempty"` // for the reader: the limit or error, and what to do
	Text          string     `json:"answer"`                // empty if no model answered
	Confidence    Confidence `json:"confidence"`            // of the answer, after code checked its quotes
	Downgraded    string     `json:"downgraded,omitempty"`  // why code lowered the confidence
	Findings      []Finding  `json:"findings"`              // the facts that support the answer
	NotSeen       []string   `json:"not_seen"`              // what the model reports that it could not read
	Unread        []NotSeen  `json:"unread,omitempty"`      // what its tool calls could not read, as recorded by code
	Model         string     `json:"model"`                 // ID or ARN of the Bedrock model that was asked last; the first one if none was asked
	Fallbacks     []Fallback `json:"fallbacks,omitempty"`   // models that were asked before it and failed, in order
	Rounds        []Round    `json:"rounds"`                // of the question, in order; their numbers continue those of the investigation
	Usage         Usage      `json:"usage"`                 // of the question
	ReportURI     string     `json:"report_uri,omitempty"`  // address of the investigation's text report: s3://bucket/key
	URI           string     `json:"uri,omitempty"`         // address of the answer's text: s3://bucket/key
}

// MaxQuestion is the longest question, in characters.
const MaxQuestion = 2000
