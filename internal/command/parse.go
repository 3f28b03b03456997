package command

import (
	"regexp"
	"strings"
)

// word is one word of a command.
type word struct {
	text     string // without quotes
	constant bool   // the shell does not change it, so text is what the program receives
	output   bool   // it contains the output of a command other than date
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

// parser reads the subset of the shell's syntax that the comment of the package lists. POSIX shells, bash, and zsh read
// that subset in the same way, also interactively.
type parser struct {
	text string
	at   int
	out  parsed
	ok   bool

	broken bool // a text in quotes had a line break
}

// parse returns the parts of a command. ok is false if it contains anything that the parser does not understand.
func parse(text string) (out parsed, ok bool) {
	p := &parser{text: text, ok: !replacesHistory(text) && !completes(text)}
	p.out.commands = p.list(0)
	if p.at < len(p.text) {
		p.ok = false
	}
	return p.out, p.ok
}

// replacesHistory reports whether a line begins with ^. An interactive shell replaces it by an earlier command, also within quotes:
// ^old^new.
func replacesHistory(text string) bool {
	return strings.HasPrefix(text, "^") || strings.Contains(text, "\n^")
}

// completes reports whether a line begins with blanks that contain two tabs. A shell without bracketed paste, such as the bash of macOS,
// takes them for a question about completions, whose answer swallows the next words: \t\techo n aws runs aws.
func completes(text string) bool { return tabsAtBeginning.MatchString(text) }

var tabsAtBeginning = regexp.MustCompile(`\n[ \t]*\t\t`)

// maxDepth bounds nested substitutions.
const maxDepth = 3

// list reads commands up to the end of the text, or up to the parenthesis that ends a substitution.
func (p *parser) list(depth int) []simple {
	var list []simple
	current := simple{}
	needed := false // whether an operator needs a command after it
	end := func(operator string) {
		empty := len(current.words)+len(current.assigned) == 0
		switch {
		case !empty:
			list = append(list, current)
			needed = false
		case operator != "\n" && operator != "" || operator == "" && needed:
			p.ok = false
		}
		needed = needed || operator == "|" || operator == "&&"
		current = simple{piped: empty && current.piped}
	}
	for p.ok && p.at < len(p.text) {
		rest := p.text[p.at:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t':
			if depth == 0 && len(current.words) > 0 {
				p.out.blanks = append(p.out.blanks, p.at)
			}
			p.at++
		case strings.HasPrefix(rest, "\\\n"):
			p.at += 2
		case strings.HasPrefix(rest, "&>"):
			p.ok = false
			p.out.effect |= WritesFile
		case strings.HasPrefix(rest, "|&"):
			p.ok = false
		case strings.HasPrefix(rest, "&&") || strings.HasPrefix(rest, "||"):
			end("&&")
			p.at += 2
		case c == '|':
			end("|")
			current.piped = true
			p.at++
		case c == ';' || c == '&' || c == '\n':
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
			p.redirection(depth)
		default:
			if number := leadingDigits(rest); number > 0 && number < len(rest) && (rest[number] == '>' || rest[number] == '<') {
				p.at += number
				p.redirection(depth)
				continue
			}
			w := p.word(depth)
			if p.assignsDescriptor(w) {
				p.ok = false
			}
			if isAssignment(w.text) && len(current.words) == 0 {
				current.assigned = append(current.assigned, w)
				continue
			}
			current.words = append(current.words, w)
		}
	}
	end("")
	return list
}

func leadingDigits(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// comment reads a comment and returns its words. An interactive zsh knows no comments, so a comment must not contain a
// command.
func (p *parser) comment() (words []word) {
	line, _, _ := strings.Cut(p.text[p.at:], "\n")
	if strings.ContainsAny(line, ";|&<>$`()'\"\\") {
		p.ok = false
	}
	end := p.at + len(line)
	for p.ok && p.at < end {
		if p.at += runLength(p.text[p.at:end]); p.at < end {
			words = append(words, p.word(0))
		}
	}
	p.at = end
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
	if target.text == "" || !target.constant || comment || isNext {
		p.ok = false
	}
	switch {
	case target.text == "" && target.constant, target.constant && isDescriptor[target.text], duplicates && (target.text == "1" || target.text == "2"):
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
	start, hasBrace, openBraces := p.at, false, 0
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
			p.singleQuoted(p.text[p.at+1 : p.at+1+end])
			b.WriteString(p.text[p.at+1 : p.at+1+end])
			p.at += end + 2
		case '"':
			p.quoted(&w, &b, depth)
		case '\\':
			if p.at+1 == len(p.text) {
				p.ok = false
				break
			}
			p.ok = !changesWithMargin(p.text[p.at+1:])
			if p.text[p.at+1] != '\n' {
				b.WriteByte(p.text[p.at+1])
			}
			p.at += 2
		case '$', '`':
			w.unquoted = true
			p.substitution(&w, b.String(), depth)
		case '!':
			// A ! before a word is replaced by an earlier command of the shell's history.
			next := p.at + 1
			p.ok = next < len(p.text) && (p.text[next] == '=' || p.text[next] == ' ')
			b.WriteByte(c)
			p.at++
		case '*', '?', '[', '~':
			w.constant = false
			w.pattern = w.pattern || c != '['
			b.WriteByte(c)
			p.at++
		case '{':
			hasBrace = true
			openBraces++
			b.WriteByte(c)
			p.at++
		case '}':
			// A zsh reads it as the end of a block. That is an error, so an interactive zsh drops the line and executes the next one,
			// with which other shells continue the command.
			p.ok = openBraces > 0
			openBraces--
			b.WriteByte(c)
			p.at++
		case ',', '.':
			if hasBrace && (c == ',' || strings.HasPrefix(p.text[p.at:], "..")) {
				p.ok = false // the shell makes several words of it, which may be options
			}
			b.WriteByte(c)
			p.at++
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	w.text = b.String()
	return w
}

// assignsDescriptor reports whether a word before a redirection names a variable for the number of the descriptor: {PATH}>/dev/null. The
// shell keeps that number.
func (p *parser) assignsDescriptor(w word) bool {
	return strings.HasPrefix(w.text, "{") && strings.HasSuffix(w.text, "}") && p.at < len(p.text) && strings.IndexByte("<>", p.text[p.at]) >= 0
}

// replacedEvent matches what an interactive shell replaces by an earlier command.
var replacedEvent = regexp.MustCompile(`![^ \t\r\n=]`)

// singleQuoted checks a text in single quotes. A bash before version 5 looks for quotes in each line on its own. After a line break in
// quotes, it therefore also replaces !aws in single quotes.
func (p *parser) singleQuoted(text string) {
	_, rest, isBroken := strings.Cut(text, "\n")
	if p.broken {
		rest = text
	}
	p.broken = p.broken || isBroken
	if replacedEvent.MatchString(rest + "'") {
		p.ok = false
	}
}

// changesWithMargin reports whether the text after a backslash means something else if its lines are indented, or lose the blanks
// at their end, as in plain text: if a word continues on the next line, or ends with a blank at the end of its line. The same applies
// within double quotes.
func changesWithMargin(text string) bool {
	if text[0] == '\n' {
		return len(text) > 1 && strings.IndexByte(" \t", text[1]) < 0
	}
	rest := strings.TrimLeft(text, " \t")
	return len(rest) < len(text) && strings.HasPrefix(rest, "\n")
}

// quoted reads a text in double quotes.
func (p *parser) quoted(w *word, b *strings.Builder, depth int) {
	for p.at++; p.ok && p.at < len(p.text); {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			return
		case '\n':
			p.broken = true
			b.WriteByte(c)
			p.at++
		case '\\':
			if p.at+1 == len(p.text) {
				p.ok = false
				return
			}
			p.ok = !changesWithMargin(p.text[p.at+1:])
			next := p.text[p.at+1]
			if !strings.ContainsRune("$`\"\\\n", rune(next)) {
				b.WriteByte(c)
			}
			if next != '\n' {
				b.WriteByte(next)
			}
			p.broken = p.broken || next == '\n'
			p.at += 2
		case '$', '`':
			p.substitution(w, b.String(), depth)
		case '!':
			// A zsh drops ! with the quotation mark after it, so it sees another end of the text.
			next := p.at + 1
			p.ok = next < len(p.text) && (p.text[next] == '=' || p.text[next] == ' ')
			b.WriteByte(c)
			p.at++
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	p.ok = false
}

// plainStart matches the beginning of a word that is no option and no address, whatever a substitution after it becomes.
var plainStart = regexp.MustCompile(`^(?:arn:|s3://)`)

// substitution reads a variable or the commands of a substitution. before is the text of the word before it.
func (p *parser) substitution(w *word, before string, depth int) {
	w.plain = w.plain || w.constant && plainStart.MatchString(before)
	w.constant = false
	rest := p.text[p.at:]
	name := 1
	for name < len(rest) && isNameByte(rest[name]) {
		name++
	}
	switch {
	case strings.HasPrefix(rest, "$((") || rest[0] == '`' || depth == maxDepth:
		p.ok = false
	case strings.HasPrefix(rest, "$("):
		p.at += 2
		inner := p.list(depth + 1)
		p.out.inner = append(p.out.inner, inner...)
		w.output = w.output || !onlyDates(inner)
		if p.at >= len(p.text) {
			p.ok = false
			return
		}
		p.at++
	case strings.HasPrefix(rest, "${"):
		end := strings.IndexByte(rest, '}')
		if end < 3 || strings.IndexFunc(rest[2:end], func(r rune) bool { return r > 127 || !isNameByte(byte(r)) }) >= 0 {
			p.ok = false
			return
		}
		p.variable(rest[2:end])
		p.at += end + 1
	case name > 1:
		p.variable(rest[1:name])
		p.at += name
		// A zsh executes commands in a subscript, also in single quotes, and replaces text of a variable: $x:s/a/--b/.
		p.ok = p.ok && !strings.HasPrefix(rest[name:], "[") && (w.plain || !replacesText.MatchString(rest[name:]))
	default: // $' $" $? and others
		p.ok = false
	}
}

// replacesText matches what follows a variable if a zsh replaces a part of its value, perhaps after other modifiers.
var replacesText = regexp.MustCompile(`^(?::[a-zA-Z]\d*)*:[fgw]*[sFW&]`)

// ofCommandLine are variables in which a shell puts words of this command line or of an earlier one: they can become options.
var ofCommandLine = set("_", "BASH_COMMAND", "history", "historywords")

func (p *parser) variable(name string) {
	p.out.effect |= variableEffect(name)
	p.ok = p.ok && !ofCommandLine[name]
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
