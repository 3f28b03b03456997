// Package command states what a shell command does, for commands that a model wrote and an engineer may copy. It never
// runs anything.
//
// [Classify] reads a command with a small parser of the shell's syntax. The parser knows what it understands: words,
// quotes, pipes, lists, redirections, and substitutions. A command with anything else is [NotUnderstood], and so is a
// program that the tables do not contain. [Show] returns the command without characters that deceive a reader.
package command

import (
	"math/bits"
	"strings"
)

// Effect is a set of statements about a command.
type Effect uint32

// The statements, in the order in which [Effect.String] lists them: what matters most comes first.
const (
	PipesToShell       Effect = 1 << iota // the output of a command is executed as code
	NotUnderstood                         // the command, or a part of it, was not understood
	Disguised                             // it contains characters that deceive; Show escapes them
	RunsCode                              // it executes code that is given as text, in a file, or remotely
	AsRoot                                // it runs with the rights of another user of the machine
	ChangesPermissions                    // it changes permissions or identities
	Deletes                               // it deletes or stops something
	ChangesState                          // it changes something
	MayChangeState                        // the AWS operation is not known to be a read
	ShowsSecrets                          // it prints credentials or secrets, or makes a link that grants access
	MayShowSecrets                        // it prints what often contains secrets, such as environment variables or code
	OtherEndpoint                         // it sends requests to an address other than AWS's, or checks no certificate
	ReadsFile                             // it reads a file on this machine
	WritesFile                            // it writes a file on this machine
	NotAWS                                // a part of it is no command of the AWS CLI
	Several                               // it consists of several commands
	ReadsAWS                              // it reads from AWS
	endOfEffects
)

// Dangerous are the statements about commands that do harm if they are wrong.
const Dangerous = PipesToShell | RunsCode | AsRoot | ChangesPermissions | Deletes | ChangesState | ShowsSecrets |
	MayShowSecrets | OtherEndpoint | ReadsFile | WritesFile

// effects has a name for programs and a phrase for readers. Only the harmless effect is not in capital letters.
var effects = map[Effect]struct{ name, phrase string }{
	PipesToShell:       {"pipes_to_shell", "PIPES INTO A SHELL"},
	NotUnderstood:      {"not_understood", "NOT UNDERSTOOD, READ IT CAREFULLY"},
	Disguised:          {"disguised", "ODD CHARACTERS, SHOWN ESCAPED"},
	RunsCode:           {"runs_code", "RUNS CODE"},
	AsRoot:             {"as_root", "AS ANOTHER USER"},
	ChangesPermissions: {"changes_permissions", "CHANGES PERMISSIONS"},
	Deletes:            {"deletes", "DELETES OR STOPS"},
	ChangesState:       {"changes_state", "CHANGES STATE"},
	MayChangeState:     {"may_change_state", "MAY CHANGE STATE"},
	ShowsSecrets:       {"shows_secrets", "SHOWS SECRETS"},
	MayShowSecrets:     {"may_show_secrets", "MAY SHOW SECRETS"},
	OtherEndpoint:      {"other_endpoint", "ANOTHER ENDPOINT"},
	ReadsFile:          {"reads_file", "READS A FILE"},
	WritesFile:         {"writes_file", "WRITES A FILE"},
	NotAWS:             {"not_aws", "NOT AN AWS COMMAND"},
	Several:            {"several", "SEVERAL COMMANDS"},
	ReadsAWS:           {"reads_aws", "Reads AWS"},
}

// Phrases returns the phrases of all statements.
func Phrases() []string {
	var phrases []string
	for _, effect := range (endOfEffects - 1).list() {
		phrases = append(phrases, effects[effect].phrase)
	}
	return phrases
}

// has reports whether e contains all statements of other.
func (e Effect) has(other Effect) bool { return e&other == other }

// Warns reports whether a command does more than to read from AWS.
func (e Effect) Warns() bool { return e&^(ReadsAWS|Several) != 0 }

// shown drops what other statements imply.
func (e Effect) shown() Effect {
	if e&(ChangesPermissions|Deletes) != 0 {
		e &^= ChangesState | MayChangeState
	}
	if e&ChangesState != 0 {
		e &^= MayChangeState
	}
	if e.has(PipesToShell) {
		e &^= RunsCode
	}
	if e.has(ShowsSecrets) {
		e &^= MayShowSecrets
	}
	return e.withoutRead()
}

// withoutRead drops [ReadsAWS] if another statement is about more than a read.
func (e Effect) withoutRead() Effect {
	if e&^(ReadsAWS|Several|ReadsFile|WritesFile|ShowsSecrets|MayShowSecrets) != 0 {
		e &^= ReadsAWS
	}
	return e
}

// list returns the statements of e, the most important ones first.
func (e Effect) list() []Effect {
	var list []Effect
	for rest := e; rest != 0; rest &= rest - 1 {
		list = append(list, 1<<bits.TrailingZeros32(uint32(rest)))
	}
	return list
}

// String returns e for a reader, such as "DELETES OR STOPS. SEVERAL COMMANDS.".
func (e Effect) String() string {
	var phrases []string
	for _, one := range e.shown().list() {
		phrases = append(phrases, effects[one].phrase+".")
	}
	return strings.Join(phrases, " ")
}

// Names returns e for programs, such as "deletes". A program that looks for "reads_aws" must not find it in the names of a command
// that does more.
func (e Effect) Names() []string {
	var names []string
	for _, one := range e.withoutRead().list() {
		names = append(names, effects[one].name)
	}
	return names
}
