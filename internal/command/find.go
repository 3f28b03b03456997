package command

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Found is a command in a sentence.
type Found struct {
	At     int // offset of its first character
	Effect Effect
}

// Limits of commands in sentences. The words of the sentence after a command look like its arguments.
const (
	maxWords   = 16  // of a command after each of which it may end
	maxLong    = 120 // words of a command in which more ends are looked for
	maxOptions = 12  // ends at options that are looked for there
	maxJoints  = 12  // ends at operators that are looked for there
	maxFound   = 200 // commands in one text
	maxProgram = 100 // bytes of a program's name that follows other text without a blank

	maxSpent     = 1 << 20 // bytes of commands in one text, after which only the beginning of a longer command is read
	shortCommand = 2000    // bytes of that beginning
)

// InSentence are the statements that are made about a command in a sentence: all that warn, and none that calms.
const InSentence = Dangerous | MayChangeState | NotUnderstood

// Find returns the commands in a sentence about which a reader must be warned, with what they do. A command begins with
// the name of a known program, also within quotes, after a path, or in a variable, and its next words must look like
// arguments: an operation of the program, an option, a quote, or a variable. That the program's name has its own
// meaning in English (sam, make) is no reason to leave out a command that can be copied.
func Find(sentence string) []Found {
	text := strings.ReplaceAll(unfolded(sentence), "](", " (") // the text of a link may be a command
	words, places := separated(closingTags.ReplaceAllStringFunc(text, func(tags string) string { return strings.Repeat(" ", len(tags)) }))
	var found []Found
	judged := map[judgment]Effect{} // a text can repeat the same command many times
	spent := 0
	for _, at := range pieces.FindAllStringIndex(text, -1) {
		if len(found) == maxFound {
			break
		}
		start, program := programIn(text, at[0], at[1])
		if program == "" || filters[program] != nil && isOperation(text[:start]) {
			continue
		}
		rest, isCut := words[places[start]:], false
		if spent > maxSpent && len(rest) > shortCommand {
			rest, isCut = rest[:shortCommand], true
		}
		whole := len(rest)
		rest = firstWords(rest)
		isCut = isCut && len(rest) == whole
		spent += len(rest)
		effect, isJudged := judged[judgment{program, rest}]
		if !isJudged {
			effect = effectInSentence(program, rest)
			judged[judgment{program, rest}] = effect
		}
		at := start
		if isCommand(program, rest) {
			if isCut {
				effect |= NotUnderstood
			}
			if first := assigned(text[:start]); first < start && (len(found) == 0 || found[len(found)-1].At < first) {
				effect, at = effect|Classify(text[first:start]+"true"), first
			}
		}
		if effect &= InSentence; effect == NotUnderstood && isVendor(text, start) {
			continue
		}
		if effect != 0 && !covered(found, effect, text[:at]) {
			found = append(found, Found{At: at, Effect: effect})
		}
	}
	return found
}

// optionBefore matches an option, or a name in its value, whose value follows.
var optionBefore = regexp.MustCompile(`(?:(?:^|[\s"'` + "`" + `(])--[a-z][a-z-]*[= ]|[\w-]=)["']?$`)

// isVendor reports whether the name of a program is the value of an option, before another option: --vendor-name AWS --name x
func isVendor(text string, at int) bool {
	after, isAWS := strings.CutPrefix(text[at:], "AWS")
	return isAWS && optionBefore.MatchString(text[max(0, at-maxOperation):at]) && strings.HasPrefix(strings.TrimLeft(after, `"' `), "--")
}

// separated returns a text with a blank before each operator of the shell that directly follows a word, and where each byte of the
// text is in the result. Such an operator can also be the border of a cell in a table.
func separated(text string) (spaced string, places []int) {
	const operators = "|;&<"
	var b strings.Builder
	places = make([]int, len(text))
	for i := range len(text) {
		if i > 0 && strings.IndexByte(operators, text[i]) >= 0 && strings.IndexByte(operators+"> \t\r\n\f", text[i-1]) < 0 {
			b.WriteByte(' ')
		}
		places[i] = b.Len()
		b.WriteByte(text[i])
	}
	return b.String(), places
}

// closingTags matches tags of HTML after a command: <code>terraform destroy</code>. A shell would read a file such as /code, which
// does not exist, so it would not run the command.
var closingTags = regexp.MustCompile(`</(?:` + htmlTags + `)>(?:</?(?:` + htmlTags + `)>)*`)

const htmlTags = `code|pre|kbd|samp|tt|b|i|em|strong|li|p|td`

// judgment identifies what [effectInSentence] judges.
type judgment struct{ program, text string }

// firstWords returns the beginning of a text, up to the last word that is judged.
func firstWords(text string) string {
	words, isWord := 0, false
	for at, r := range text {
		if wasWord := isWord; !wasWord && !unicode.IsSpace(r) {
			isWord = true
		} else if wasWord && unicode.IsSpace(r) {
			isWord = false
			if words++; words == maxLong {
				return text[:at]
			}
		}
	}
	return text
}

// assignments matches assignments of variables at the end of a text, which are a part of the command after them.
var assignments = regexp.MustCompile(`(?:^|[^\w$=])((?:[A-Za-z_]\w*\+?=(?:[^\s'"]|'[^']*'|"[^"]*")*\s+)+)$`)

// maxAssigned bounds the assignments before a command in a sentence, in bytes.
const maxAssigned = 2000

// assigned returns where the assignments at the end of a text begin, or its end if there are none.
func assigned(text string) int {
	from := max(0, len(text)-maxAssigned)
	if _, last := cutLastWord(text[from:]); !strings.ContainsAny(last, `='"`) { // the value may be quoted and have several words
		return len(text)
	}
	if at := assignments.FindStringSubmatchIndex(text[from:]); at != nil {
		return from + at[2]
	}
	return len(text)
}

// programIn returns the program that a piece of a sentence names, and where it begins. The name can follow other text without
// a blank, as in "1.aws" or "run:rm". The program is "" if there is none.
func programIn(text string, from, to int) (start int, program string) {
	start = from + len(text[from:to]) - len(strings.TrimLeft(text[from:to], openingQuotes))
	program = bare(text[start:to])
	if !strings.HasPrefix(program, "$") && !isScript.MatchString(program) {
		program = program[strings.LastIndexByte(program, '/')+1:]
	}
	if path := windowsPath.FindStringSubmatch(text[start:to]); path != nil { // C:\tools\kubectl.exe
		program = bare(path[1])
	}
	if program == "" && text[start:to] == "." && sourced.MatchString(text[to:]) {
		program = "."
	}
	if program = spelled(program); canBegin(program) {
		return start, program
	}
	isFirst := func() bool { return strings.TrimSpace(text[:start]) == "" }
	for at := max(start+1, to-maxProgram); at < to; at++ {
		before := text[at-1]
		leads := at == start+1 && (before == '@' || before == '^' || before == '-' && isFirst())
		if before < utf8.RuneSelf && !strings.ContainsRune(joints, rune(before)) && !leads {
			continue
		}
		program := bare(text[at:to])
		isFile := before == '.' && extensions[program] && !isNumber.MatchString(text[start:at-1])
		program = spelled(program[strings.LastIndexByte(program, '/')+1:])
		if name := strings.TrimLeft(program, "/"); !isFile && name != "" && name[0] != '$' && name != "." && canBegin(name) {
			return at, name
		}
	}
	return start, ""
}

// windowsPath matches a program after a folder of Windows.
var windowsPath = regexp.MustCompile(`\\([^\\]+(?i:\.exe)[^\\]*)$`)

// joints are what may be directly before the name of a program, in addition to everything that is not ASCII.
const joints = ".:!?#=*~+%" + openingASCII

const openingASCII = `"'` + "`"

// extensions are names of programs that are also extensions of files.
var extensions = set("sh", "bash", "zsh", "ksh", "csh", "fish", "ash", "dash", "go", "php", "lua", "R", "node", "ed", "ex", "java", "make",
	"bc", "dc", "tar", "env", "time", "host",
	"script", "sam", "sed", "awk", "perl", "python", "ruby", "export", "free", "top", "ps", "ls")

// spelled returns the name of a known program in its own spelling: sentences begin with a capital letter, and file systems of
// macOS ignore the case. On Windows, programs have an extension.
func spelled(program string) string {
	if name := strings.TrimSuffix(strings.ToLower(program), ".exe"); len(name) < len(program) && !canBegin(program) && canBegin(name) && !isVariable.MatchString(name) {
		return name
	}
	if lower := strings.ToLower(program); !canBegin(program) && canBegin(lower) && !isVariable.MatchString(lower) && !isScript.MatchString(lower) {
		return lower
	}
	return program
}

// InCode returns what a reader must be warned of about a text that is marked as code in a sentence. Code with several
// words that begins with a known program is a command.
func InCode(code string) Effect {
	effect := Effect(0)
	for _, found := range Find(code) {
		effect |= found.Effect
	}
	words := strings.Fields(unfolded(code))
	for len(words) > 2 && isAssignment(words[0]) {
		words = words[1:]
	}
	if len(words) < 2 {
		return effect
	}
	if program := bare(words[0]); canBegin(spelled(program[strings.LastIndexByte(program, '/')+1:])) || canBegin(program) {
		effect |= Classify(code) & InSentence
	}
	return effect
}

var (
	// pieces are the parts of a sentence that may be the name of a program.
	pieces = regexp.MustCompile(`(?:\$\{\w+\}|[^\s;|&(){}<>,])+`)

	sourced    = regexp.MustCompile(`^\s+(?:<\s*)?<\(`) // follows the program .
	isScript   = regexp.MustCompile(`^(?:(?:\.\.?|~)/[\w./-]*\w|/[\w./-]*\.(?:sh|py|pl|rb|js))$`)
	isVariable = regexp.MustCompile(`^\$(?:[A-Za-z_]\w*|\{\w+\}?)$`)

	// Arguments that no ordinary sentence has.
	commandLike = regexp.MustCompile(`^(?:--?[A-Za-z]|[$'"\\]|<[<(]|\S*(?:''|""|\\|\$[A-Za-z({]))`)
	kebab       = regexp.MustCompile(`^[a-z][a-z0-9]*(?:-[a-z0-9]+)+$`)
	oneWord     = set("ls", "cp", "mv", "rm", "rb", "mb", "sync", "presign", "website", "invoke", "publish", "subscribe", "unsubscribe", "decrypt", "encrypt", "sign",
		"tail", "deploy", "package", "push", "configure", "login", "logout", "ssh", "query", "scan", "wait")
	inputFile = regexp.MustCompile(`^(?:<\(|\S*/|[\w-]+\.[A-Za-z]\w{0,4}$)`)
	anOption  = regexp.MustCompile(`^--?[A-Za-z]`)
	isPath    = regexp.MustCompile(`^["']?(?:\.{0,2}/|\.{1,2}$|~|\*)`)
	ofFile    = regexp.MustCompile(`^(?:~/|/|\.\.?/)`)
	fileName  = regexp.MustCompile(`^(?:-\w|~?/|\.{1,2}/|\*|[\w.-]*\.\w{1,5}$|[\w-]+/|\w+=|\d{3,4}$|[ugoa]*[+=][rwxXst]+$)`)
	address   = regexp.MustCompile(`^(?:-|["']?\w+:/|["']?[\w.-]+@[\w-]|["']?[\w-]+(?:\.[\w-]+)+|["']?\[|["']?\d+$|["']?0[xX])`)
)

// englishWords are programs whose names begin phrases of ordinary sentences, such as "find the role". They begin a command
// only if an option, a quote, or a variable follows. A command in the arguments of time and others is found anyway.
var englishWords = set("batch", "script", "screen", "expect", "source", "find", "trap", "alias", "go", "make", "node", "time", "watch", "command", "exec", "nice",
	"parallel", "host", "free", "export", "unset", "R", "ed", "ex", "java", "builtin", "touch", "env", "top", ".", "deno", "bun", "fish", "ash", "dash")

const closing = ".,:;!?)]}>*_~»"

const openingQuotes = openingASCII + typographicQuotes + "*_~[:"

// unfolded returns a text with ordinary blanks for other blanks, for what is invisible, and for letters, punctuation, and
// symbols that no command has, as many as it has bytes, so that all offsets stay the same. Sentences of many languages have no
// blanks between such a letter and a command.
func unfolded(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		isForeign := r >= utf8.RuneSelf && r != utf8.RuneError && !unicode.In(r, unicode.Latin, unicode.M) &&
			!strings.ContainsRune(typographicQuotes, r)
		if unicode.IsSpace(r) || isForeign {
			b.WriteString(strings.Repeat(" ", size))
		} else {
			b.WriteString(text[at : at+size])
		}
		at += size
	}
	return b.String()
}

const typographicQuotes = "“”‘’«»"

var quoteMarks = strings.NewReplacer(`"`, "", `'`, "", `\`, "", "`", "", "“", "", "”", "", "‘", "", "’", "")

// bare returns a word as the shell understands it, without punctuation after it.
func bare(word string) string {
	return strings.TrimRight(quoteMarks.Replace(word), closing)
}

// canBegin reports whether a command may begin with a word.
func canBegin(program string) bool {
	_, isOther := others[program]
	if program == "at" { // a word of most sentences, also before an option or a variable
		return false
	}
	return program == "aws" || isOther && program != "" || isVariable.MatchString(program) || isScript.MatchString(program) || isInterpreter(program) || wrappers[program] != 0 ||
		filters[program] != nil
}

// isOperation reports whether the word after a text is an operation of the AWS CLI, such as tail in aws logs tail.
func isOperation(before string) bool {
	if from := len(before) - maxOperation; from > 0 { // without the word that is cut
		_, before, _ = strings.Cut(before[from:], " ")
	}
	before, _ = cutLastWord(before)
	_, service := cutLastWord(before)
	return strings.EqualFold(bare(service), "aws")
}

// maxOperation bounds the text before an operation in which the service and aws are looked for, in bytes.
const maxOperation = 200

// cutLastWord returns a text without its last word, and that word.
func cutLastWord(text string) (before, word string) {
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	at := strings.LastIndexFunc(text, unicode.IsSpace) + 1
	return text[:at], text[at:]
}

// effectInSentence returns what a command does that begins a text. The end of the command is not known, so it is judged
// with each number of words. Its words are searched for hints only once, with the longest command, because a longer command
// has the hints of the shorter ones.
func effectInSentence(program, text string) Effect {
	words := strings.Fields(text)
	if len(words) < 2 {
		if isScript.MatchString(program) && strings.HasPrefix(program, "./") {
			return RunsCode
		}
		return 0
	}
	if !looksLikeCommand(program, words) {
		return 0
	}
	words[0] = strings.TrimSuffix(words[0], ":")
	if name := bare(words[0]); strings.EqualFold(name, program) || strings.EqualFold(name, program+".exe") || windowsPath.MatchString(words[0]) {
		words[0] = program
	}
	for i := 1; i < min(len(words), 5); i++ { // the comma after a command in a list: aws s3 ls, and
		if name, hasComma := strings.CutSuffix(words[i], ","); hasComma && anOperation.MatchString(name) {
			words[i] = name
		}
	}
	effect, isUnderstood := Effect(0), false
	obscure, foreign := 0, 0 // words of the longest command that is not understood, and of the longest one that is not only AWS's
	for _, n := range endsIn(words) {
		if n > maxWords && !isUnderstood { // no more words make it understood
			break
		}
		if n == 2 && len(words) > n && readsConfiguration[words[1]+" "+bare(words[2])] { // aws configure alone asks for settings
			continue
		}
		one := effectOfWords(words[:n])
		if one.has(NotUnderstood) {
			effect |= one & suggested
			obscure = n
			continue
		}
		effect, isUnderstood = effect|one, true
		if one.has(NotAWS) {
			foreign = n
		}
	}
	if !isUnderstood {
		few := words[:min(len(words), 6)]
		effect |= effectOfWords(few) | hints(withoutPunctuation(strings.Join(few, " ")))
	}
	return effect | hintsOf(words[:obscure], hints)&suggested | hintsOf(words[:foreign], secretSourceEffect)
}

// suggested are the hints that count although a command is not understood. No sentence has them by accident.
const suggested = PipesToShell | ShowsSecrets | OtherEndpoint | WritesFile

// isCommand reports whether a text that begins with a program looks like a command.
func isCommand(program, text string) bool {
	words := strings.Fields(text)
	return len(words) > 1 && looksLikeCommand(program, words)
}

// endsIn returns the numbers of words after which a command in a sentence may end. After the first words, these are the ones
// that can change what the command does: options, operators, and the words after them.
func endsIn(words []string) []int {
	var ends []int
	for n := 2; n <= min(len(words), maxWords); n++ {
		ends = append(ends, n)
	}
	options, operators, last := 0, 0, 0
	for n := maxWords + 1; n <= len(words) && bare(words[n-1]) != "aws" && words[n-1] != words[0]; n++ {
		isOperator := strings.ContainsAny(words[n-2]+words[n-1], "|;&<>$`")
		isOption := words[n-2][0] == '-' || words[n-1][0] == '-'
		switch {
		case isOperator && operators < maxJoints:
			ends, operators = append(ends, n), operators+1
		case isOption && options < maxOptions:
			ends, options = append(ends, n), options+1
		case isOperator || isOption:
			last = n
		}
	}
	if last > 0 { // a longer command contains the shorter ones
		ends = append(ends, last)
	}
	return ends
}

// effectOfWords returns what a command of some words does, without hints. Punctuation of the sentence may follow it, also a
// quotation mark that was opened before the command.
func effectOfWords(words []string) Effect {
	part := withoutPunctuation(strings.Join(words, " "))
	effect := parsedEffect(trimmed(part))
	if effect.has(NotUnderstood) {
		if shorter := strings.TrimRight(part, closing+"”’“‘`\"'"); shorter != part {
			if again := parsedEffect(trimmed(shorter)); !again.has(NotUnderstood) {
				return again
			}
		}
	}
	return effect
}

// withoutPunctuation returns a text without the punctuation of a sentence at its end.
func withoutPunctuation(text string) string { return strings.TrimRight(text, closing+"”’“‘`") }

// hintsOf returns what the words of a command suggest, with the punctuation after each of them and without it.
func hintsOf(words []string, hints func(text string) Effect) Effect {
	if len(words) == 0 {
		return 0
	}
	without := make([]string, len(words))
	for i, word := range words {
		without[i] = withoutPunctuation(word)
	}
	if slices.Equal(words, without) {
		return hints(strings.Join(words, " "))
	}
	return hints(strings.Join(words, " ")) | hints(strings.Join(without, " "))
}

// looksLikeCommand reports whether the words after a program look like arguments.
func looksLikeCommand(program string, words []string) bool {
	next := bare(words[1])
	early := words[1:min(len(words), 4)]
	if anyCase[program] {
		next = strings.ToLower(next)
	}
	if first := bare(words[0]); first != program && strings.EqualFold(first, program) && isNoun(program) && !slices.ContainsFunc(early, commandLike.MatchString) {
		return false // Terraform apply failed
	}
	switch {
	case isVariable.MatchString(program):
		for _, word := range early {
			if kebab.MatchString(bare(word)) || deletingWords[bare(word)] || strings.HasPrefix(word, "--") {
				return true
			}
		}
		return false
	case commandLike.MatchString(words[1]) && filters[program] == nil:
		return true
	case isInterpreter(program) && len(words) > 2 && words[1] == "<": // python < 3.9 is a version
		return inputFile.MatchString(bare(words[2]))
	case isInterpreter(program) && len(words) > 3 && words[1] == "-" && words[2] == "<":
		return inputFile.MatchString(bare(words[3]))
	case program == "find" && slices.ContainsFunc(early, anOption.MatchString): // find / -delete
		return isPath.MatchString(words[1])
	case program == "printenv":
		return isConstantName.MatchString(next)
	case englishWords[program]:
		return (program == "export" || program == "alias") && isAssignment(words[1])
	case program == "aws":
		for _, word := range early {
			if strings.HasPrefix(word, "--") || commandLike.MatchString(word) || kebab.MatchString(bare(word)) {
				return true
			}
		}
		return len(words) > 2 && (oneWord[bare(words[2])] && reads()[bare(words[1])] != 0 || bare(words[1]) == "s3" && oneWord[bare(words[2])] || bare(words[1]) == "configure")
	case anyArgument[program]:
		return true
	case filters[program] != nil: // many are English words, so only with a pipe, a redirection, or the path of a file
		return ofFile.MatchString(words[1]) || slices.ContainsFunc(words, func(word string) bool { return strings.ContainsAny(word, "|>") })
	case program == "shutdown" || program == "reboot" || program == "halt":
		return next == "now"
	case program == "curl" || program == "wget" || program == "ssh" || program == "nc" || program == "ncat":
		return address.MatchString(next) || slices.ContainsFunc(early, commandLike.MatchString)
	case wrappers[program] != 0:
		return canBegin(next) || strings.HasPrefix(next, "-")
	case isScript.MatchString(program):
		return false
	case isInterpreter(program) || fileCommands[program]:
		return fileName.MatchString(next) && !(isInterpreter(program) && isVersion.MatchString(next)) || program == "kill" && isNumber.MatchString(next)
	}
	if known := others[program]; known != nil && known.groups[next] && len(words) > 2 {
		verb := bare(words[2])
		if commandLike.MatchString(words[2]) || deletes(verb) || groupChanges[verb] || changingWords[verb] || nestedChanges[verb] {
			return true
		}
	}
	if groupWords[next] {
		return len(words) > 2 && (commandLike.MatchString(words[2]) || deletes(bare(words[2])) || groupChanges[bare(words[2])])
	}
	return changingWords[next] || deletes(next) || program == "git" && next == "restore" || program == "systemctl" && halting[next] || others[program] != nil && listed(append(append(others[program].code, others[program].secrets...), secretReads...), next)
}

// isNoun reports whether the name of a program with a capital letter is a name or a word of ordinary sentences, too.
func isNoun(program string) bool {
	return properNouns[program] || englishWords[program] || filters[program] != nil || wrappers[program] != 0 || fileCommands[program]
}

var properNouns = set("docker", "podman", "terraform", "tofu", "cdk", "sam", "helm", "copilot", "eb", "pulumi", "serverless", "amplify", "git", "k", "oc", "gh", "pip", "npm",
	"mysql", "openssl", "ls", "ps", "python", "perl", "ruby", "php", "lua", "deno", "bun", "emacs", "vim", "vi", "shutdown", "reboot", "ping", "hostname", "tar", "ssh", "nc", "dc", "bc")

// anyCase are programs that ignore the case of their commands.
var anyCase = set("redis-cli", "valkey-cli")

var (
	isConstantName = regexp.MustCompile(`^[A-Z][A-Z0-9]*_[A-Z0-9_]+$`)

	isNumber     = regexp.MustCompile(`^\d+$`)
	isVersion    = regexp.MustCompile(`^\d+(?:\.\w+)*$`)
	anyArgument  = set("npx", "uvx", "pipx", "eval", "xargs", "nsenter", "chroot", "pkill", "killall")
	fileCommands = set("rm", "rmdir", "mv", "cp", "tee", "touch", "mkdir", "ln", "chmod", "chown", "dd", "kill")
	secretReads  = []string{"get"}

	// changingWords are the commands of other programs that change something.
	changingWords = set("apply", "create", "replace", "patch", "edit", "scale", "rollout", "annotate", "taint", "untaint", "exec", "run", "attach", "debug", "cp",
		"port-forward", "proxy", "expose", "autoscale", "import", "init", "refresh", "deploy", "bootstrap", "up", "install", "upgrade", "rollback", "push",
		"pull", "checkout", "switch", "reset", "revert", "clean", "rebase", "cherry-pick", "fetch", "clone", "stash", "gc", "start",
		"restart", "reload", "enable", "disable", "mask", "compose", "sync", "publish", "update", "force-unlock", "flushall", "flushdb")

	// groupWords are groups of commands whose names are also nouns: the terraform state was locked.
	groupWords    = set("state", "workspace", "stack", "secret", "config", "auth", "remote", "branch", "output", "label", "build", "set", "tag", "repo", "plugin")
	nestedChanges = set("pause", "unpause", "resume", "restore", "commit", "load", "save", "join", "promote", "demote", "use", "upgrade", "override", "renew", "rotate")
	groupChanges  = set("mv", "push", "pull", "set-url", "add", "rename", "reconcile", "replace-provider", "set", "set-context", "set-credentials", "set-cluster", "unset",
		"use-context", "new", "select", "create", "image", "env", "update", "import", "show", "install")
)

// covered reports whether the last command ends directly before this one and is known to do all that this one does, as
// sudo does with the command after it.
func covered(found []Found, effect Effect, before string) bool {
	if len(found) == 0 {
		return false
	}
	last := found[len(found)-1]
	between := before[last.At:]
	return last.Effect.has(effect) && len(between) <= maxCovering && len(strings.Fields(between)) <= 4
}

// maxCovering bounds the text between such commands, in bytes.
const maxCovering = 8000
