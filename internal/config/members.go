package config

import (
	"encoding/json"
	"fmt"
	"slices"
)

// DefaultMemberRole is the default name of the role that each member account has for the tool.
const DefaultMemberRole = "alarmtriage-member"

// DefaultExternalID returns the external id that the members of a triage require by default. Both sides know the triage's
// account, so nobody has to exchange a value.
func DefaultExternalID(account string) string { return "alarmtriage-" + account }

// Members are the other accounts whose alarms a triage investigates with the data of these accounts. Without a Role, there
// are none.
type Members struct {
	Accounts      []string `json:"accounts,omitempty"` // the members by their IDs; empty with Organization
	Organization  bool     `json:"org,omitempty"`      // each account of the organization, or of a part of it, may be a member
	Role          string   `json:"role"`               // name of the role in each member account
	ExternalID    string   `json:"externalId"`         // that the role requires
	OtherAccounts bool     `json:"others,omitempty"`   // an investigation may read all members, not only the alarm's account
}

// Includes reports whether an account is a member, or may be one.
func (m Members) Includes(account string) bool {
	return m.Role != "" && account != "" && (m.Organization || slices.Contains(m.Accounts, account))
}

// RoleARN returns the ARN of the role of a member.
func (m Members) RoleARN(partition, account string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", partition, account, m.Role)
}

// text returns the value of [EnvMembers]; empty without members.
func (m Members) text() string {
	if m.Role == "" {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil { // texts always marshal
		panic(err)
	}
	return string(text)
}

// members parses the value of [EnvMembers].
func (p *parser) members() Members {
	text := p.getenv(EnvMembers)
	if text == "" {
		return Members{}
	}
	var m Members
	err := json.Unmarshal([]byte(text), &m)
	switch {
	case err != nil:
		p.problem("environment variable %s must be a JSON object: %w", EnvMembers, err)
	case m.Role == "" || m.ExternalID == "":
		p.problem("environment variable %s must have a role and an externalId, got %s", EnvMembers, text)
	case len(m.Accounts) == 0 && !m.Organization:
		p.problem("environment variable %s must have accounts, or org true, got %s", EnvMembers, text)
	default:
		return m
	}
	return Members{}
}
