package command

import (
	"regexp"
	"slices"
	"strings"
)

// Classify states what a command does.
func Classify(text string) Effect {
	text = trimmed(text)
	effect := parsedEffect(text)
	if effect.has(NotAWS) {
		effect |= secretSourceEffect(text)
	}
	if effect.has(NotUnderstood) {
		effect |= hints(text)
	}
	if _, disguised := show(text); disguised {
		effect |= Disguised
	}
	return effect
}

// parsedEffect states what the parts of a trimmed command do. It does not search the text for hints, which takes longer.
func parsedEffect(text string) Effect {
	if text == "" {
		return 0
	}
	out, ok := parse(text)
	if !ok || len(out.commands) == 0 {
		return NotUnderstood | out.effect
	}
	effect := out.effect
	if out.odd {
		effect |= NotUnderstood
	}
	if len(out.commands) > 1 && !onlyFilters(out.commands[1:]) || out.pagerMayRead() {
		effect |= Several
	}
	for _, command := range out.commands {
		effect |= command.effect()
	}
	for _, command := range out.inner {
		if !onlyDates([]simple{command}) {
			effect |= command.effect()
		}
	}
	// The output of a substitution may become options, also within quotes. A time cannot.
	mayBeOption := func(w word) bool { return w.output && (w.unquoted || !w.plain) }
	for _, command := range slices.Concat(out.commands, out.inner) {
		if slices.ContainsFunc(command.words, mayBeOption) {
			effect |= NotUnderstood
		}
	}
	if out.pagerMayRead() && effect.withoutRead().has(ReadsAWS) {
		effect &^= ReadsAWS
	}
	return effect
}

// onlyFilters reports whether commands only process the output of the command before them.
func onlyFilters(commands []simple) bool {
	return !slices.ContainsFunc(commands, func(c simple) bool { return !c.piped || c.effect() != 0 })
}

// onlyDates reports whether commands print nothing but times.
func onlyDates(commands []simple) bool {
	return !slices.ContainsFunc(commands, func(c simple) bool {
		return len(c.words) == 0 || c.words[0].text != "date" || c.effect()&^NotAWS != 0 || slices.ContainsFunc(c.words, isOtherFormat)
	})
}

// timeFormat matches a format of date without literal words, which could be an option or an address, and an offset, as in
// date -d '+1 hour' and date -v +1H.
var timeFormat = regexp.MustCompile(`^\+(?:\d+ ?[A-Za-z]+|(?:%[-_0^#:]*\d*[A-Za-z]|[0-9TZ:./,+_ -])*)$`)

// isOtherFormat reports whether an argument of date is a format with which it can print any text.
func isOtherFormat(w word) bool {
	return strings.HasPrefix(w.text, "+") && !(w.constant && timeFormat.MatchString(w.text))
}

// effect states what one command does, also if a comment after it belongs to its arguments.
func (c simple) effect() Effect {
	if len(c.comment) == 0 {
		return c.ownEffect()
	}
	whole := c
	whole.words = append(slices.Clone(c.words), c.comment...)
	return c.ownEffect() | whole.ownEffect()
}

func (c simple) ownEffect() Effect {
	effect := Effect(0)
	for _, assigned := range c.assigned {
		name, value, _ := strings.Cut(assigned.text, "=")
		switch {
		case assigned.output: // whatever a command prints
			effect |= NotUnderstood
		case plainVariables[name] && ordinaryValue.MatchString(assigned.text[len(name):]):
		case ofEndpoint.MatchString(name):
			effect |= NotUnderstood | OtherEndpoint
		case len(c.words) == 0 && assigned.isResource():
		case assigned.time && len(c.words) == 0 && timeName.MatchString(name) && !strings.HasPrefix(value, "-") && timeFormat.MatchString("+"+value):
		case name == "AWS_PAGER" && assigned.constant && (value == "" || value == "cat"): // any other value is a program
		default:
			effect |= NotUnderstood
		}
	}
	if len(c.words) == 0 {
		return effect | NotAWS
	}
	if !c.words[0].constant {
		return effect | NotUnderstood | NotAWS | executed(c.words[0])
	}
	program := c.words[0].text
	if keywords[program] {
		return effect | NotUnderstood | NotAWS
	}
	program = program[strings.LastIndexByte(program, '/')+1:]
	args := c.words[1:]
	switch {
	case program == "aws" && c.words[0].text == "aws":
		return effect | awsEffect(args)
	case program == "awk" && c.piped && len(args) == 1 && args[0].constant && printsColumns.MatchString(args[0].text):
		return effect
	case isInterpreter(program):
		effect |= NotAWS | RunsCode
		if ends := endingWords[program]; ends != nil && slices.ContainsFunc(args, func(w word) bool { return ends.MatchString(w.text) }) {
			effect |= Deletes
		}
		if program == "find" {
			effect |= executedByFind(args)
		}
		if c.piped && (!editors[program] || readsCode(args)) && !formatsJSON(program, args) || !searches[program] && hasOutput(args) {
			effect |= PipesToShell
		}
		return effect
	case program == "env" && printsVariables(args):
		return effect | NotAWS | ShowsSecrets | notConstant(args)
	case wrappers[program] != 0:
		if program == "parallel" && c.piped { // each line of its input is a command, or an argument of one
			effect |= PipesToShell
		}
		return effect | wrappers[program] | c.wrapped(program, args)
	case c.words[0].text != program: // ./jq is not jq
		return effect | NotAWS | RunsCode | NotUnderstood
	case filters[program] != nil:
		effect |= filters[program](args)
		if c.piped && notFilters[program] {
			effect |= NotUnderstood
		}
		if !c.piped || effect != 0 {
			effect |= NotAWS
		}
		return effect
	}
	effect |= NotAWS | otherEffect(program, args)
	if c.piped && shellsOfContainers[program] && effect.has(RunsCode) {
		effect |= PipesToShell
	}
	return effect
}

// plainVariables select a profile, a Region, or a format of the output. Another value than a plain one may be meant for a command
// that uses the variable: AWS_PROFILE=--endpoint-url=ADDRESS.
var (
	plainVariables = set("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_DEFAULT_OUTPUT")
	ordinaryValue  = regexp.MustCompile(`^=(?:[\w@][\w.@/+-]*)?$`)
)

// timeName matches names of variables for a time, to which no shell and no program gives a meaning.
var timeName = regexp.MustCompile(`^(?i:start|end|begin|now|since|until|from|to|today|yesterday)(?:_?(?i:time|date|epoch|ms|ts))?$`)

// resourceName matches names of variables for a resource, to which no shell and no program gives a meaning, and resourceValue
// names and ARNs of resources.
var (
	resourceName  = regexp.MustCompile(`^(?i:cluster|service|function|table|queue|bucket|instance|db_?instance|alarm|topic|task|stack|(?:log|target)_?group)(?:_?(?i:name|arn|id))?$`)
	resourceValue = regexp.MustCompile(`^(?:arn:aws[\w-]*:[\w:/.-]+|/?\w[\w./-]*)$`)
)

// isResource reports whether a word assigns a resource.
func (w word) isResource() bool {
	name, value, _ := strings.Cut(w.text, "=")
	return w.constant && resourceName.MatchString(name) && resourceValue.MatchString(value)
}

// ofEndpoint matches variables that change where requests to AWS go, or which certificates count.
var ofEndpoint = regexp.MustCompile(`^(?:AWS_ENDPOINT_URL\w*|AWS_CA_BUNDLE|REQUESTS_CA_BUNDLE|(?i:https?_proxy|all_proxy))$`)

// executed returns [PipesToShell] if a word that is the name of a program contains the output of a command.
func executed(w word) Effect {
	if w.output {
		return PipesToShell
	}
	return 0
}

// envValues are options of env whose value is the next word.
var envValues = set("-u", "--unset", "-C", "--chdir", "-P")

// envCommand matches options of env that contain a command.
var envCommand = regexp.MustCompile(`^(?:-[a-zA-Z0]*[iS]|--split-string|--ignore-environment|-$)`)

// printsVariables reports whether env prints the environment: it does if only options and assignments follow. It does not if
// the environment is empty, or if an option contains a command.
func printsVariables(args []word) bool {
	for i := 0; i < len(args); i++ {
		text := args[i].text
		switch {
		case envCommand.MatchString(text):
			return false
		case envValues[text]:
			i++
		case !strings.HasPrefix(text, "-") && !isAssignment(text):
			return false
		}
	}
	return true
}

// notConstant returns [NotUnderstood] if a part of the arguments is only known when the command runs.
func notConstant(args []word) Effect {
	if slices.ContainsFunc(args, func(w word) bool { return !w.constant }) {
		return NotUnderstood
	}
	return 0
}

// shellsOfContainers can pass their input to a program in a container.
var shellsOfContainers = set("docker", "podman", "docker-compose", "kubectl", "oc", "k")

// formatsJSON reports whether Python formats its input, which it does not execute then.
func formatsJSON(program string, args []word) bool {
	return strings.HasPrefix(program, "python") && len(args) == 2 && args[0].text == "-m" && args[1].constant && args[1].text == "json.tool"
}

// readsCode reports whether an editor reads its code from its input.
func readsCode(args []word) bool {
	for i, arg := range args {
		option := codeFile.FindStringSubmatch(arg.text)
		if option == nil {
			continue
		}
		file := option[1]
		if file == "" && i+1 < len(args) {
			file = args[i+1].text
		}
		if file == "-" || strings.HasPrefix(file, "/dev/") || strings.HasPrefix(file, "/proc/") {
			return true
		}
	}
	return false
}

// codeFile matches the option with the file that has the code of an editor.
var codeFile = regexp.MustCompile(`^(?:-[A-Za-z]*[fE]|--(?:file|exec)=?)(.*)$`)

// hasOutput reports whether arguments contain the output of a command.
func hasOutput(args []word) bool {
	return slices.ContainsFunc(args, func(w word) bool { return w.output })
}

// searches are programs of [interpreters] whose arguments are no code, except those of their options.
var searches = set("find", "tar", "nc", "ncat", "netcat", "socat", "tmux", "screen")

// isInterpreter reports whether a program executes code. Versions are part of some names: python3.13.
func isInterpreter(program string) bool {
	return interpreters[strings.TrimRight(program, "0123456789.")] || program == "."
}

var interpreters = set("sh", "bash", "zsh", "dash", "ksh", "csh", "tcsh", "fish", "ash", "busybox", "eval", "source", "python", "python3",
	"pypy", "perl", "ruby", "node", "nodejs", "deno", "bun", "php", "lua", "pwsh", "powershell", "osascript", "tclsh", "awk", "gawk", "mawk",
	"nawk", "sed", "ssh", "nc", "ncat", "netcat", "socat", "expect", "R", "Rscript", "java", "go", "npx", "uvx", "pipx", "crontab", "at",
	"batch", "make", "trap", "alias", "screen", "tmux", "script", "find", "vi", "vim", "emacs", "ed", "ex", "nsenter",
	"chroot", "unshare", "m4", "dc", "bc", "tar")

// endingWords match arguments with which an interpreter deletes or stops something, whichever code it executes. Some accept the
// beginnings of names, and groups of options: crontab -ru USER.
var endingWords = map[string]*regexp.Regexp{
	"crontab": regexp.MustCompile(`^-[a-tv-z]*r`), "at": regexp.MustCompile(`^-[rd]$`), "find": regexp.MustCompile(`^-delete$`),
	"tar": regexp.MustCompile(`^--(?:remove|del)`), "tmux": regexp.MustCompile(`^kill-`), "screen": regexp.MustCompile(`^(?:quit|kill)$`),
}

// executing are options of find that execute the words after them, up to ; or {} +.
var executing = set("-exec", "-execdir", "-ok", "-okdir")

// executedByFind states what the commands do that find executes.
func executedByFind(args []word) Effect {
	effect := Effect(0)
	for i := 0; i < len(args); i++ {
		if !executing[args[i].text] {
			continue
		}
		rest := args[i+1:]
		for end, w := range rest {
			if w.text == ";" || executing[w.text] || w.text == "+" && end > 0 && rest[end-1].text == "{}" {
				rest = rest[:end]
				break
			}
		}
		effect |= simple{words: rest}.effect()
		i += len(rest)
	}
	return effect
}

// editors execute the code in their arguments, but not their input.
var editors = set("awk", "gawk", "mawk", "nawk", "sed", "find", "tar")

// printsColumns matches a program of awk that only prints.
var printsColumns = regexp.MustCompile(`^\s*\{\s*print [$0-9NF,"\s]+\}\s*$`)

// wrappers execute the command in their arguments.
var wrappers = map[string]Effect{
	"sudo": AsRoot | NotAWS, "doas": AsRoot | NotAWS, "su": AsRoot | NotAWS | RunsCode, "runuser": AsRoot | NotAWS | RunsCode,
	"pkexec": AsRoot | NotAWS, "xargs": RunsCode | NotAWS, "parallel": RunsCode | NotAWS, "env": NotAWS, "time": NotAWS,
	"nohup": NotAWS | WritesFile, "nice": NotAWS, "ionice": NotAWS, "timeout": NotAWS, "watch": NotAWS, "command": NotAWS, "exec": NotAWS,
	"builtin": NotAWS, "setsid": NotAWS, "stdbuf": NotAWS, "aws-vault": NotAWS, "caffeinate": NotAWS,
}

// wrapperOptions match what may be between a wrapper and its command. A wrapper that is not listed has no options that
// are understood.
var wrapperOptions = map[string]*regexp.Regexp{
	"sudo":    regexp.MustCompile(`^(?:-[EHn]+ |-[ug] [\w-]+ )*(?:-- )?$`),
	"doas":    regexp.MustCompile(`^(?:-n |-u [\w-]+ )*$`),
	"xargs":   regexp.MustCompile(`^(?:-[nPL] ?\d+ |-I ?\S+ |-[0rtx]+ )*$`),
	"env":     regexp.MustCompile(`^(?:-i |- )*$`),
	"time":    regexp.MustCompile(`^(?:-p )?$`),
	"nice":    regexp.MustCompile(`^(?:-n ?-?\d+ )?$`),
	"ionice":  regexp.MustCompile(`^(?:-[cn] ?\d )*$`),
	"timeout": regexp.MustCompile(`^(?:-k ?[\d.]+[smh]? |-s ?\w+ )*[\d.]+[smhd]? $`),
	"watch":   regexp.MustCompile(`^(?:-n ?[\d.]+ |-[dt] )*$`),
}

// keywords begin or end a construct that the parser does not know.
var keywords = set("if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "in", "function",
	"coproc", "repeat", "foreach", "end", "{", "}", "!", "[[", "]]")

// plainWord matches words that mean the same if a shell reads them again.
var plainWord = regexp.MustCompile(`^[\w./:=,@+-]+$`)

// wrapped states what the command in a wrapper's arguments does. It begins at the first word that is the name of a known
// program. What comes before it must be understood, because it may be a command, too.
func (c simple) wrapped(wrapper string, args []word) Effect {
	before := ""
	for i, arg := range args {
		name := arg.text[strings.LastIndexByte(arg.text, '/')+1:]
		known := name == "aws" || isInterpreter(name) || wrappers[name] != 0 || filters[name] != nil || others[name] != nil
		if arg.constant && known {
			inner := simple{words: args[i:], piped: c.piped}
			options := NotUnderstood
			if pattern := wrapperOptions[wrapper]; before == "" || pattern != nil && pattern.MatchString(before) {
				options = 0
			}
			if wrapper == "watch" && slices.ContainsFunc(args, func(w word) bool { return !w.constant || !plainWord.MatchString(w.text) }) {
				options = NotUnderstood // watch gives the words to a shell
			}
			return options | inner.effect()
		}
		if !arg.constant {
			return NotUnderstood | executed(arg)
		}
		before += arg.text + " "
	}
	return NotUnderstood
}

var (
	hintWords     = regexp.MustCompile(`[A-Za-z][A-Za-z0-9_-]*`)
	hintEndpoint  = regexp.MustCompile(`--(?:endpoint-url|no-verify-ssl|ca-bundle)\b`)
	hintVariables = regexp.MustCompile(`\$\{?[!#]?([A-Za-z_]\w*)`)
	pipeIntoShell = regexp.MustCompile(`>\(\s*(?:\w*/)*(?:\w{0,3}sh|python|perl|ruby|node)\b|[|][|&]?\s*(?:\w*/)*(?:sudo\s+(?:-\S+\s+)*)?(?:\w*/)*(?:ba|z|da|k|c|tc|fi|a)?sh\b|[|]\s*(?:\S*/)?(?:python|perl|ruby|node|php)|(?:bash|sh|eval|source)\s*(?:-c\s*)?["']?\s*(?:\$\(|<\(|` + "`" + `)|` +
		`(?:\b(?:\w{0,3}sh|source|(?:python|pypy|perl|ruby|node|nodejs|deno|bun|php|lua)[\d.]*)|(?:^|[\s;&|])\.)\s+(?:-\S+\s+)*(?:<\s*)?<\(|` +
		`\b(?:(?:ba|z|da|k|c|tc|fi|a|s)?sh|eval|source|(?:python|pypy|perl|ruby|node|nodejs|deno|bun|php|lua|osascript)[\d.]*)\s[^|;&\n]*(?:\$\(|` + "`" + `)`)
)

// hints lists what the words of a command suggest that was not understood. It never lists a harmless effect.
func hints(text string) Effect {
	effect := Effect(0)
	if pipeIntoShell.MatchString(text) {
		effect |= PipesToShell
	}
	places := hintWords.FindAllStringIndex(text, -1)
	words := make([]string, len(places))
	for i, at := range places {
		words[i] = text[at[0]:at[1]]
	}
	aws := slices.Contains(words, "aws")
	if !aws {
		effect |= NotAWS
	}
	if aws && hintEndpoint.MatchString(text) {
		effect |= OtherEndpoint
	}
	effect |= secretSourceEffect(text)
	for _, variable := range hintVariables.FindAllStringSubmatch(text, -1) {
		effect |= variableEffect(variable[1])
	}
	if (slices.Contains(words, "kubectl") || slices.Contains(words, "oc")) && secretKind.MatchString(text) {
		effect |= ShowsSecrets
	}
	for i, name := range words {
		if i > 0 && aws && (reads()[words[i-1]] != 0 || words[i-1] == "configure") {
			effect |= secretsOf(words[i-1], name)
		}
		switch {
		case name == "printenv":
			effect |= ShowsSecrets | NotAWS
		case isInterpreter(name):
			effect |= RunsCode
		case name == "sudo" || name == "doas":
			effect |= AsRoot
		case aws && operations[name] == 'P':
			effect |= ChangesPermissions
		case deleting.MatchString(name):
			effect |= Deletes
		case i > 0 && readsLogs[words[i-1]+" "+name], strings.HasSuffix(text[:places[i][0]], "--"): // an option, such as --start-time
		case aws && changing.MatchString(name):
			effect |= ChangesState
		case others[name] != nil:
			effect |= NotAWS
		}
	}
	return effect
}

func set(names ...string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}
