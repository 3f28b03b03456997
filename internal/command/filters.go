package command

import (
	"regexp"
	"strings"
)

// filter states what a program does that prints a part of its input. The effect is 0 only if it reads nothing but that
// input: no file, no variable of the environment, and no option that is not known.
type filter func(args []word) Effect

// filters are the programs that may stand beside a command that reads. Each has its own list of options, because sort and
// others can also execute programs or write files.
var filters = map[string]filter{
	"grep":   grepEffect,
	"egrep":  grepEffect,
	"fgrep":  grepEffect,
	"jq":     jqEffect,
	"date":   dateEffect,
	"sort":   options{plain: regexp.MustCompile(`^-(?:[bdfghinrRuVMcsz]+|[kt].+|-reverse|-unique|-numeric-sort)$`), valued: set("-k", "-t")}.effect,
	"uniq":   options{plain: regexp.MustCompile(`^-(?:[cdiuD]+|[fsw]\d+|-count)$`), valued: set("-f", "-s", "-w"), fileEffect: WritesFile}.effect,
	"head":   options{plain: regexp.MustCompile(`^-(?:\d+|[nc][+-]?\d+[kKMG]?|q|-(?:lines|bytes)=\d+)$`), valued: set("-n", "-c")}.effect,
	"tail":   options{plain: regexp.MustCompile(`^-(?:\d*[fF]|\d+|[fF]?[nc][+-]?\d+[kKMG]?|q|-(?:lines|bytes)=\d+|-follow)$`), valued: set("-n", "-c", "-fn", "-Fn")}.effect,
	"wc":     options{plain: regexp.MustCompile(`^-(?:[lwmcL]+|-lines|-words|-bytes|-chars)$`)}.effect,
	"cut":    options{plain: regexp.MustCompile(`^-(?:[dfcb].+|s|-(?:delimiter|fields|characters|bytes|output-delimiter)=.*|-complement)$`), valued: set("-d", "-f", "-c", "-b")}.effect,
	"tr":     options{plain: regexp.MustCompile(`^-[cCds]+$`), operands: 2}.effect,
	"cat":    options{plain: regexp.MustCompile(`^-[nbsAETvet]+$`)}.effect,
	"column": options{plain: regexp.MustCompile(`^-(?:[tx]+|[scNo].+|ts.*)$`), valued: set("-s", "-c", "-N", "-o")}.effect,
	"base64": options{plain: regexp.MustCompile(`^-(?:d|D|-decode|w\d+|-wrap=\d+)$`), valued: set("-w")}.effect,
	"gunzip": options{plain: regexp.MustCompile(`^-[cdf]+$`), fileEffect: WritesFile}.effect,
	"gzip":   options{plain: regexp.MustCompile(`^-[cdf]+$`), fileEffect: WritesFile}.effect,
	"zcat":   options{plain: regexp.MustCompile(`^-[cdf]+$`)}.effect,
	"echo":   nothing,
	"cd":     options{plain: regexp.MustCompile(`^--?$`), operands: 1}.effect,
	"sleep":  options{plain: regexp.MustCompile(`^$`), operands: 1}.effect,
	"true":   nothing,
}

// notFilters are those of them that do not process their input. A zsh executes the last command of a pipe itself, so cd changes
// its folder.
var notFilters = set("date", "echo", "cd", "sleep", "true")

// nothing states that a program only prints its arguments, whatever they become, or ignores them.
func nothing([]word) Effect { return 0 }

// options describe the arguments with which a program reads only its input.
type options struct {
	plain    *regexp.Regexp  // options that are understood, also with their value
	valued   map[string]bool // options whose value is the next argument
	operands int             // other arguments; more of them are names of files

	fileEffect Effect // added to ReadsFile for these files: uniq writes the second one, and gunzip replaces each
}

func (o options) effect(args []word) Effect {
	effect, operands, ended := Effect(0), o.operands, false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg.spreads() || arg.text == "-" && !arg.constant {
			return effect | NotUnderstood // may become options or names of files
		}
		switch {
		case ended || len(arg.text) < 2 || arg.text[0] != '-':
			if arg.text == "-" && operands == 0 { // the input
				continue
			}
			if operands--; operands < 0 {
				effect |= ReadsFile | o.fileEffect
			}
		case arg.text == "--":
			ended = true
		case o.valued[arg.text]:
			if i++; i < len(args) && args[i].spreads() {
				return effect | NotUnderstood
			}
		case !arg.constant, !o.plain.MatchString(arg.text):
			return effect | NotUnderstood
		}
	}
	return effect
}

// spreads reports whether a shell can make several words of a word.
func (w word) spreads() bool { return !w.constant && (w.unquoted || w.pattern) }

var (
	grepPlain = regexp.MustCompile(`^-(?:[EFGPivcnowxhHslqa0-9]+|[ABCme].+|-(?:color(?:=\w+)?|ignore-case|invert-match|count|only-matching|extended-regexp|fixed-strings|line-buffered|regexp=.*))$`)
	grepValue = set("-A", "-B", "-C", "-m", "-e", "--regexp", "--max-count", "--after-context", "--before-context", "--context")
)

// grepEffect states what grep does. Its first operand is the pattern, unless an option has it.
func grepEffect(args []word) Effect {
	operands := 1
	for _, arg := range args {
		if strings.HasPrefix(arg.text, "-e") || strings.HasPrefix(arg.text, "--regexp") {
			operands = 0
		}
	}
	return options{plain: grepPlain, valued: grepValue, operands: operands}.effect(args)
}

var (
	jqPlain = regexp.MustCompile(`^-(?:[rcsneSMCjaR]+|-(?:raw-output|compact-output|slurp|null-input|exit-status|sort-keys|` +
		`monochrome-output|color-output|join-output|ascii-output|raw-input|tab|unbuffered|stream|seq))$`)
	jqFields = regexp.MustCompile(`(^|[^.\w])(?:\.[A-Za-z_]\w*)+`) // .env and .a.env are fields, env is the environment
	jqNames  = regexp.MustCompile(`\b(?:env|ENV)\b`)
	jqFiles  = regexp.MustCompile(`\b(?:import|include|input_filename|modulemeta|get_search_list)\b`)
)

// jqEffect states what jq does.
func jqEffect(args []word) Effect {
	effect, program := Effect(0), false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !arg.constant && (arg.unquoted || arg.text == "-" || arg.pattern && (!strings.HasPrefix(arg.text, ".") || strings.Contains(arg.text, "*"))) {
			return effect | NotUnderstood
		}
		switch {
		case arg.text == "--arg" || arg.text == "--argjson":
			for range 2 {
				if i++; i < len(args) && args[i].spreads() {
					return effect | NotUnderstood
				}
			}
		case arg.text == "--indent":
			i++
		case arg.text == "--rawfile", arg.text == "--slurpfile", arg.text == "--from-file", arg.text == "-f", arg.text == "-L", arg.text == "--argfile":
			return effect | ReadsFile | NotUnderstood
		case jqPlain.MatchString(arg.text) && arg.constant:
		case len(arg.text) > 1 && arg.text[0] == '-':
			return effect | NotUnderstood
		case program && arg.text != "-": // a file
			effect |= ReadsFile
		default:
			program = true
			if arg.text == "" && !arg.constant { // all of the program is a variable
				effect |= NotUnderstood
			}
			effect |= jqProgramEffect(arg.text)
		}
	}
	return effect
}

func jqProgramEffect(program string) Effect {
	effect := Effect(0)
	program = jqFields.ReplaceAllString(program, "$1")
	if jqNames.MatchString(program) {
		effect |= ShowsSecrets
	}
	if jqFiles.MatchString(program) {
		effect |= ReadsFile
	}
	return effect
}

var datePlain = regexp.MustCompile(`^(?:-u|-d.+|-v.+|-I\w*|-R|-j|--date=.*|--utc|--iso-8601(?:=\w+)?|--rfc-\d+(?:=\w+)?)$`)

// dateEffect states what date does. It sets the clock if it has an operand that is not a format.
func dateEffect(args []word) Effect {
	effect := Effect(0)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg.spreads():
			effect |= NotUnderstood
		case arg.text == "-d" || arg.text == "-v" || arg.text == "--date":
			if i++; i < len(args) && args[i].spreads() {
				effect |= NotUnderstood
			}
		case strings.HasPrefix(arg.text, "+"), arg.constant && datePlain.MatchString(arg.text):
		case arg.text == "-r", arg.text == "-f", strings.HasPrefix(arg.text, "--r"), strings.HasPrefix(arg.text, "--f"):
			effect |= ReadsFile
		case strings.HasPrefix(arg.text, "-s"), strings.HasPrefix(arg.text, "--s"), !strings.HasPrefix(arg.text, "-"):
			effect |= ChangesState
		default:
			effect |= NotUnderstood
		}
	}
	return effect
}
