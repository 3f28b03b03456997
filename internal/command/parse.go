package command

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// word is one word of a command.
type word struct {
	text     string // without quotes
	constant bool   // the shell does not change it, so text is what the program receives
	output   bool   // it contains the output of a command other than date
	time     bool   // a command date is all that the shell replaces in it
	unquoted bool   // it contains a substitution outside of quotes, which may become several words
	plain    bool   // it begins with [plainStart], so it is no option and no address
	pattern  bool   // it contains a wildcard or ~, which may become the names of files
}

// simple is a command without pipes and lists: assignments, a program, and its arguments.
type simple struct {
	assigned []word // such as AWS_REGION=eu-west-1
	words    []word
	comment  []word // after its words: an interactive zsh, which knows no comments, takes it for more of them
	piped    bool   // its input is the output of another command
}

// parsed is a whole command.
type parsed struct {
	commands []simple
	inner    []simple // commands in substitutions
	effect   Effect   // what redirections and variables do
	blanks   []int    // offsets of blanks between words, where a line can be continued
	odd      bool     // a character is not allowed at its place
	later    string   // the lines after the first one at whose end a shell executes a command
}

// pagerMayRead reports whether a pager may do more with the later lines than to show text. Without bracketed paste, the pager of the AWS
// CLI reads them from the terminal: less executes ! touch x, also in a comment or in quotes. It takes a line that begins with aws for the
// name of a file.
func (p parsed) pagerMayRead() bool {
	for line := range strings.Lines(p.later) {
		if line = strings.TrimLeft(line, " \t\n"); line != "" && !strings.HasPrefix(line, "aws ") {
			return true
		}
	}
	return false
}

// parser reads the subset of the shell's syntax that the comment of the package lists. bash, dash, fish, and zsh read that subset in the
// same way, also at their prompts. An ASCII character that no rule below allows at its place makes the command odd. Others are for [show].
type parser struct {
	text string
	at   int
	out  parsed
	ok   bool

	values map[string]string // variables that the command certainly assigned
	unsure map[string]bool   // variables that it may have assigned, or whose value is not known
	ofFish map[string]bool   // variables that also a fish assigned, with export
	room   int               // bytes of values that words can still have

	astray bool // an apostrophe or a line break came that can mislead a shell that looks for quotes in each line on its own
}

// parse returns the parts of a command. ok is false if its structure is not understood.
func parse(text string) (out parsed, ok bool) {
	p := &parser{text: text, ok: true, values: map[string]string{}, unsure: map[string]bool{}, ofFish: map[string]bool{}, room: maxValues}
	p.out.commands = p.list(0)
	if p.at < len(p.text) {
		p.ok = false
	}
	return p.out, p.ok
}

// maxValues bounds the values that variables add to words, because a word can have a long one many times.
const maxValues = 10_000

// maxDepth bounds nested substitutions.
const maxDepth = 3

// list reads commands up to the end of the text, or up to the parenthesis that ends a substitution.
func (p *parser) list(depth int) []simple {
	var list []simple
	current := simple{}
	needed := false     // whether an operator needs a command after it
	redirected := false // whether the current command has a redirection
	sure := depth == 0  // whether this shell certainly executes the current command
	var joined []word   // the words of commands that && and || join, which are in the background together
	end := func(operator string) {
		empty := len(current.words)+len(current.assigned) == 0
		switch {
		case !empty:
			list = append(list, current)
			needed = false
			sure = p.remember(current, operator, sure) && depth == 0
			joined = append(append(joined, current.assigned...), current.words...)
			if operator == "&" {
				p.doubt(joined)
			}
			if operator == "&" || operator == ";" || operator == "\n" {
				joined = nil
			}
		case operator != "\n" && operator != "" || operator == "" && needed:
			p.ok = false
		}
		p.need(len(current.words) > 0 || !redirected) // a zsh executes cat or a pager then
		needed, redirected = needed || operator == "|" || operator == "&&" || operator == "||", false
		current = simple{piped: empty && current.piped}
	}
	for p.ok && p.at < len(p.text) {
		rest := p.text[p.at:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t':
			p.need(c == ' ' || p.at == 0 || !isBlank(p.text[p.at-1])) // two tabs at the beginning of a line ask about completions
			if depth == 0 && len(current.words) > 0 {
				p.out.blanks = append(p.out.blanks, p.at)
			}
			p.at++
		case strings.HasPrefix(rest, "\\\n"):
			p.need(p.afterBlank() || isBlank(p.next(2)))
			p.at += 2
		case strings.HasPrefix(rest, "&>"):
			p.ok = false
			p.out.effect |= WritesFile
		case strings.HasPrefix(rest, "|&"):
			p.ok = false
		case strings.HasPrefix(rest, "&&") || strings.HasPrefix(rest, "||"):
			end(rest[:2])
			p.at += 2
		case c == '|':
			end("|")
			current.piped = true
			p.at++
		case c == ';' || c == '&' || c == '\n':
			p.need(c != '&' || p.afterBlank() || strings.IndexByte(" \t\n\x00", p.next(1)) >= 0) // within a word, fish takes it for a letter
			end(string(c))
			p.at++
			if c == '\n' && depth == 0 && !needed && len(list) > 0 && p.out.later == "" {
				p.out.later = p.text[p.at:]
			}
		case c == ')' && depth > 0:
			end("")
			return list
		case c == '#':
			comment := p.comment()
			if len(current.words) > 0 {
				current.comment = comment
			}
		case c == '(' || c == ')':
			p.ok = false
		case c == '>' || c == '<':
			redirected = true
			p.redirection(depth)
		default:
			if number := leadingDigits(rest); number > 0 && number < len(rest) && (rest[number] == '>' || rest[number] == '<') {
				p.need(p.afterBlank())
				p.at += number
				redirected = true
				p.redirection(depth)
				continue
			}
			w := p.word(depth)
			name, _, _ := strings.Cut(w.text, "=")
			if isAssignment(w.text) && len(current.words) == 0 && strings.HasPrefix(rest, name+"=") { // a quoted name is that of a program
				current.assigned = append(current.assigned, w)
				p.forget(w) // a fish already knows it in the same command, and others do not
				continue
			}
			current.words = append(current.words, w)
		}
	}
	end("")
	return list
}

// remember notes which variables a command assigns, and reports whether this shell certainly executes the next command, if it does
// this one for sure.
func (p *parser) remember(c simple, operator string, sure bool) bool {
	sure = sure && operator != "|"
	isSimple := len(c.words) == 0
	assigned := c.assigned
	switch {
	case isSimple:
	case c.words[0].text == "export" && len(assigned) == 0:
		assigned = c.words[1:]
	case slices.ContainsFunc(c.words, func(w word) bool { return w.text == "export" || w.text == "unset" }):
		assigned, sure = slices.Concat(assigned, c.words), false
	default: // only for its program
		assigned = nil
	}
	for _, w := range assigned {
		p.forget(w)
		name, value, ok := strings.Cut(w.text, "=")
		if !isSimple {
			p.ofFish[name] = true
		}
		if ok && sure && (w.constant || w.time) && !(isSimple && p.ofFish[name]) { // a fish rejects the line TABLE=x, and keeps the value
			delete(p.unsure, name)
			if w.constant {
				p.values[name] = value
			}
		}
	}
	isConstant := isSimple && !slices.ContainsFunc(assigned, func(w word) bool { return !w.constant })
	return operator == ";" || operator == "\n" || operator == "&" || operator == "&&" && sure && isConstant
}

// doubt notes that variables may not have the values that words assign to them.
func (p *parser) doubt(words []word) {
	for _, w := range words {
		name, _, _ := strings.Cut(w.text, "=")
		if _, known := p.values[name]; known {
			p.unsure[name] = true
			delete(p.values, name)
		}
	}
}

// forget notes that a variable may have another value. One that is only assigned a time stays empty for the parser.
func (p *parser) forget(assigned word) {
	name, _, _ := strings.Cut(assigned.text, "=")
	if _, known := p.values[name]; known || !assigned.time {
		p.unsure[name] = true
	}
	delete(p.values, name)
}

// need makes the command odd if a rule does not hold.
func (p *parser) need(rule bool) { p.out.odd = p.out.odd || !rule }

// next returns the character after the current one by a number of places, or 0.
func (p *parser) next(places int) byte {
	if p.at+places < len(p.text) {
		return p.text[p.at+places]
	}
	return 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// afterBlank reports whether the text before the current place ends with a blank.
func (p *parser) afterBlank() bool { return p.at > 0 && p.text[p.at-1] == ' ' }

func leadingDigits(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// plainComment matches a comment that is no more than words for a zsh.
var plainComment = regexp.MustCompile(`^#(?:[\w ,./:-]|! )*$`)

// comment reads a comment and returns its words. An interactive zsh knows no comments, so a comment must not contain a
// command.
func (p *parser) comment() (words []word) {
	line, _, _ := strings.Cut(p.text[p.at:], "\n")
	p.ok = p.ok && plainComment.MatchString(line)
	for _, text := range strings.Fields(line) {
		words = append(words, word{text: text, constant: true})
	}
	p.at += len(line)
	return words
}

// redirection reads a redirection after its number.
func (p *parser) redirection(depth int) {
	rest := p.text[p.at:]
	writes, duplicates := rest[0] == '>', len(rest) > 1 && rest[1] == '&'
	switch {
	case strings.HasPrefix(rest, "<<"), strings.HasPrefix(rest, "<("), strings.HasPrefix(rest, ">("), strings.HasPrefix(rest, "<>"):
		p.ok = false
		return
	case strings.HasPrefix(rest, ">>"), strings.HasPrefix(rest, ">&"), strings.HasPrefix(rest, ">|"), strings.HasPrefix(rest, "<&"):
		p.at += 2
	default:
		p.at++
	}
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
	comment := strings.HasPrefix(p.text[p.at:], "#")
	number := leadingDigits(p.text[p.at:])
	// dash and zsh reject >&2>&1, because the number belongs to the next redirection. bash accepts it after &.
	isNext := number > 0 && strings.IndexAny(p.text[p.at+number:], "<>") == 0
	target := p.word(depth)
	isCopy := duplicates && (target.text == "1" || target.text == "2" || target.text == "-")
	p.need(!duplicates || isCopy) // bash takes only >&- of >&--x for a redirection
	if target.text == "" || !target.constant || comment || isNext {
		p.ok = false
	}
	switch {
	case target.text == "" && target.constant, target.constant && isDescriptor[target.text], isCopy:
		return
	case strings.Contains(target.text, "/dev/"): // a disk, or a connection: /dev/tcp/HOST/PORT
		p.ok = false
	}
	if writes {
		p.out.effect |= WritesFile
	} else {
		p.out.effect |= ReadsFile
	}
}

// isDescriptor has the names of files that are not on a disk: no file is read or written.
var isDescriptor = set("/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr")

// word reads one word.
func (p *parser) word(depth int) word {
	w := word{constant: true}
	var b strings.Builder
	start := p.at
	for p.ok && p.at < len(p.text) {
		c := p.text[p.at]
		switch c {
		case ' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')':
			p.ok = p.ok && p.at > start
			w.text = b.String()
			return w
		case '\'':
			end := strings.IndexByte(p.text[p.at+1:], '\'')
			if end < 0 {
				p.ok = false
				break
			}
			b.WriteString(p.singleQuoted(p.text[p.at+1 : p.at+1+end]))
			p.at += end + 2
		case '"':
			p.quoted(&w, &b, depth)
		case '\\':
			if p.at+1 == len(p.text) {
				p.ok = false
				break
			}
			next, after := p.next(1), p.next(2)
			p.need(strings.IndexByte(escapedSymbols, next) >= 0 || next == '\n' && isBlank(after) || next == ' ' && after > ' ')
			p.astray = p.astray || next == '\''
			if next != '\n' {
				b.WriteByte(next)
			}
			p.at += 2
		case '$', '`':
			w.unquoted = true
			b.WriteString(p.substitution(&w, b.String(), depth))
		case '*', '?', '[', '~':
			if c == '~' && p.at < start+maxAncestor && ancestor.MatchString(p.text[start:min(p.at+2, len(p.text))]) {
				b.WriteByte(c)
				p.at++
				continue
			}
			p.need(c != '~' || p.at > start || strings.IndexByte("/ \x00", p.next(1)) >= 0)
			w.constant = false
			w.pattern = w.pattern || c != '['
			b.WriteByte(c)
			p.at++
		case '{':
			braces := plainBraces.FindString(p.text[p.at:])
			p.need(braces != "" && strings.IndexByte("<>", p.next(len(braces))) < 0) // {PATH}>file assigns a variable
			b.WriteString(cmp.Or(braces, "{"))
			p.at += max(len(braces), 1)
		default:
			p.need(isNameByte(c) || c >= utf8.RuneSelf || strings.IndexByte(bareSymbols, c) >= 0 && (c != '=' || p.at > start) ||
				c == '!' && strings.IndexByte("= ", p.next(1)) >= 0)
			b.WriteByte(c)
			p.at++
		}
	}
	w.text = b.String()
	return w
}

// ancestor matches a commit before another one, as in HEAD~2. A zsh with extended globs rejects it, or takes HEAD for it.
var ancestor = regexp.MustCompile(`^[\w./-]*\w~\d(?:[\w./-]*\w~\d)*$`)

// maxAncestor bounds the text before ~, which is matched for each of them.
const maxAncestor = 200

// plainBraces matches braces of which no shell makes several words, as in stash@{0} and s3://{bucket}.
var plainBraces = regexp.MustCompile(`^\{[\w-]*\}`)

const (
	// bareSymbols have no special meaning outside of quotes, like letters, digits, and _.
	bareSymbols = "./:=,@%+-]"
	// escapedSymbols have no special meaning after a backslash.
	escapedSymbols = "\"'$`!*?[]{}()<>|&;#~^\\"
)

// singleQuoted returns a text in single quotes. A bash that replaces !aws by an earlier command can mistake it for text outside of quotes.
// A fish takes \' for an apostrophe.
func (p *parser) singleQuoted(text string) string {
	_, inDoubt, isBroken := strings.Cut(text, "\n")
	if p.astray {
		inDoubt = text
	}
	p.astray = p.astray || isBroken
	p.need(!strings.HasSuffix(text, `\`) && !event.MatchString(inDoubt+"'"))
	p.need(printable.MatchString(text))
	return text
}

// event matches what a shell may replace by an earlier command.
var event = regexp.MustCompile(`![^ =]`)

// printable matches a text in quotes without control characters. A line that begins with ^ replaces a part of an earlier command.
var printable = regexp.MustCompile(`^[^\x00-\x1f\x7f]*(?:\n(?:[^\x00-\x1f\x7f^][^\x00-\x1f\x7f]*)?)*$`)

// quoted reads a text in double quotes.
func (p *parser) quoted(w *word, b *strings.Builder, depth int) {
	for p.at++; p.ok && p.at < len(p.text); {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			return
		case '\\':
			if p.at+1 == len(p.text) {
				p.ok = false
				return
			}
			next := p.text[p.at+1]
			p.need(next > ' ')
			if !strings.ContainsRune("$`\"\\\n", rune(next)) {
				b.WriteByte(c)
			}
			if next != '\n' {
				b.WriteByte(next)
			}
			p.astray = p.astray || next == '\''
			p.at += 2
		case '$', '`':
			b.WriteString(p.substitution(w, b.String(), depth))
		default:
			end := p.at + 1
			for end < len(p.text) && strings.IndexByte("\"\\$`", p.text[end]) < 0 {
				end++
			}
			text := p.text[p.at:end]
			p.need(!event.MatchString(text + "\"")) // a zsh drops ! with the quotation mark after it
			p.need(printable.MatchString(text))
			p.astray = p.astray || strings.ContainsAny(text, "'\n")
			b.WriteString(text)
			p.at = end
		}
	}
	p.ok = false
}

// plainStart matches the beginning of a word that is no option and no address, whatever a substitution after it becomes.
var plainStart = regexp.MustCompile(`^(?:arn:|s3://)`)

// substitution reads a variable or the commands of a substitution. before is the text of the word before it. It returns the value of a
// variable that the command assigned.
func (p *parser) substitution(w *word, before string, depth int) string {
	w.plain = w.plain || w.constant && plainStart.MatchString(before)
	isFirst := w.constant
	w.constant, w.time = false, false
	rest := p.text[p.at:]
	name := 1
	for name < len(rest) && isNameByte(rest[name]) {
		name++
	}
	number := arithmetic.FindString(rest)
	switch {
	case number != "":
		w.time = isFirst
		p.at += len(number)
	case strings.HasPrefix(rest, "$((") || rest[0] == '`' || depth == maxDepth:
		p.ok = false
	case strings.HasPrefix(rest, "$("):
		p.at += 2
		inner := p.list(depth + 1)
		p.out.inner = append(p.out.inner, inner...)
		w.output = w.output || !onlyDates(inner)
		w.time = isFirst && !w.output
		if p.at >= len(p.text) {
			p.ok = false
			return ""
		}
		p.at++
	case strings.HasPrefix(rest, "${"):
		end := strings.IndexByte(rest, '}')
		if end < 3 || strings.IndexFunc(rest[2:end], func(r rune) bool { return r > 127 || !isNameByte(byte(r)) }) >= 0 {
			p.ok = false
			return ""
		}
		p.variable(rest[2:end])
		p.at += end + 1
		return p.value(rest[2:end])
	case name > 1:
		p.variable(rest[1:name])
		p.at += name
		// A zsh executes commands in a subscript, also in single quotes, and replaces text of a variable: $x:s/a/--b/.
		p.need(!strings.HasPrefix(rest[name:], "[") && (w.plain || !strings.HasPrefix(rest[name:], ":")))
		return p.value(rest[1:name])
	default: // $' $" $? and others
		p.ok = false
	}
	return ""
}

// arithmetic matches a calculation with numbers and the time, such as $(($(date +%s) - 3600)). A fish executes nothing of the line.
var arithmetic = regexp.MustCompile(`^\$\(\( ?` + operand + `(?: ?[-+*] ?` + operand + `)* ?\)\)`)

const operand = `(?:\d+|\$\(date (?:-u )?\+%s\))`

// plainVariable matches names of variables that are probably the reader's. In others, such as history and BASH_COMMAND, a shell puts words
// of this command line or of an earlier one, which can become options.
var plainVariable = regexp.MustCompile(`^(?:[A-Z]|[a-z]*[_A-Z]\w+|[a-z]+\d*)$`)

// ofShell are the variables in small letters of zsh and fish that describe the shell itself, with words of commands or names of programs. A
// zsh has some of them a second time, with dis_ before the name.
var ofShell = set("aliases", "argv", "builtins", "commands", "dirstack", "epochtime", "errnos", "funcfiletrace", "funcsourcetrace", "funcstack", "functions", "functions_source", "functrace",
	"galiases", "histchars", "history", "historywords", "jobdirs", "jobstates", "jobtexts", "keymaps", "langinfo", "mapfile", "modules", "nameddirs", "options",
	"parameters", "patchars", "reswords", "saliases", "sysparams", "termcap", "terminfo", "userdirs", "usergroups", "widgets", "words")

func (p *parser) variable(name string) {
	p.out.effect |= variableEffect(name)
	p.need(!p.unsure[name] && plainVariable.MatchString(name) && !strings.HasPrefix(name, "BASH") && !strings.HasPrefix(name, "dis_") && !ofShell[name])
}

// value returns the value of a variable that the command assigned.
func (p *parser) value(name string) string {
	value := p.values[name]
	if p.room -= len(value); p.room < 0 {
		p.ok = false
		return ""
	}
	return value
}

// secretVariable matches names of variables that hold secrets.
var secretVariable = regexp.MustCompile(`(?i)secret|token|passw|pass_?(?:phrase|code)|(?:^|_|db|pg|my|sql|user|admin)pass(?:$|_)|pwd$|credential|private|auth|` +
	`(?:api|access|signing|encryption|decryption|master|root|ssh|ssl|tls|gpg|pgp|hmac|aes|rsa|jwt|shared|service|account|deploy|stream|license|webhook)_?key|` +
	`jwt|bearer|cookie|(?:^|_)pin$|(?:^|_)dsn$|(?:database|db|redis|mongo|mongodb|postgres|mysql|amqp|broker|webhook)_?ur[il]$|conn(?:ection)?_?str`)

// leastSecretVariable is the length of the shortest of these names, such as PWD.
const leastSecretVariable = 3

func variableEffect(name string) Effect {
	if len(name) >= leastSecretVariable && secretVariable.MatchString(name) && name != "PWD" && name != "OLDPWD" {
		return ShowsSecrets
	}
	return 0
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isAssignment reports whether a word assigns a variable.
func isAssignment(text string) bool {
	name, _, found := strings.Cut(text, "=")
	name = strings.TrimSuffix(name, "+")
	if !found || name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return true
}
