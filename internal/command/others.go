package command

import (
	"slices"
	"strings"
)

// other describes a program that is not the AWS CLI.
type other struct {
	reads map[string]bool // first words that change nothing
	runs  map[string]bool // first words that execute code
}

var deletingWords = set("delete", "destroy", "rm", "remove", "uninstall", "down", "drain", "terminate", "stop", "prune", "kill", "purge",
	"undeploy", "teardown", "del", "drop", "unpublish", "cordon", "evict")

var kubernetes = &other{
	reads: set("get", "describe", "logs", "top", "explain", "version", "api-resources", "api-versions", "cluster-info", "diff", "events", "auth"),
	runs:  set("exec", "run", "attach", "debug", "cp", "proxy", "port-forward"),
}

var containers = &other{
	reads: set("ps", "logs", "images", "inspect", "stats", "top", "version", "info", "events", "diff"),
	runs:  set("run", "exec", "build", "compose", "create", "start"),
}

// tool is a program whose first words are listed.
func tool(reads ...string) *other { return &other{reads: set(reads...)} }

// others are known programs. All words of a program without first words have the same effect.
var others = map[string]*other{
	"docker": containers, "podman": containers, "kubectl": kubernetes, "oc": kubernetes, "k": kubernetes,
	"terraform": tool("plan", "show", "output", "validate", "fmt", "version", "graph", "providers"),
	"tofu":      tool("plan", "show", "output", "validate", "fmt", "version", "graph", "providers"),
	"cdk":       tool("diff", "synth", "ls", "list", "doctor", "docs", "version", "metadata", "notices"),
	"sam":       tool("validate", "logs", "traces", "list"),
	"helm":      tool("list", "ls", "status", "get", "history", "show", "search", "template", "version"),
	"eksctl":    tool("get", "info", "version"),
	"ecs-cli":   tool("ps", "logs"), "copilot": tool("ls", "show", "status", "logs"), "eb": tool("status", "health", "logs", "list", "events"),
	"pulumi":     tool("preview", "stack", "logs", "about", "whoami", "version"),
	"serverless": tool("info", "logs", "metrics", "print"), "sls": tool("info", "logs", "metrics", "print"),
	"amplify": tool("status"),
	"git":     tool("status", "log", "diff", "show", "blame", "branch", "remote", "fetch", "rev-parse", "describe"),
	"gh":      tool("status"), "npm": tool("ls", "outdated", "view"), "pip": tool("list", "show"), "systemctl": tool("status"),
	"journalctl": tool(), "cqlsh": nil, "psql": nil, "mysql": nil, "redis-cli": nil, "mongosh": nil,
	"curl": tool(), "wget": tool(), "rm": tool(), "rmdir": tool(), "mv": tool(), "cp": tool(), "tee": tool(), "kill": tool(), "pkill": tool(),
	"killall": tool(), "shutdown": tool(), "reboot": tool(), "dd": tool(), "chmod": tool(), "chown": tool(), "mkdir": tool(), "touch": tool(),
	"ln": tool(), "export": tool(), "unset": tool(), "dig": tool(), "nslookup": tool(), "host": tool(), "ping": tool(), "traceroute": tool(),
	"ls": tool(), "ps": tool(), "df": tool(), "du": tool(), "free": tool(), "uptime": tool(), "hostname": tool(), "whoami": tool(),
	"openssl": tool(),
}

// harmless programs read and print, whatever their arguments are.
var harmless = set("dig", "nslookup", "host", "ping", "traceroute", "ls", "ps", "df", "du", "free", "uptime", "whoami")

// otherEffect states what a program does that is not the AWS CLI. The caller adds [NotAWS].
func otherEffect(program string, args []word) Effect {
	known := others[program]
	switch {
	case known == nil:
		return NotUnderstood
	case harmless[program]:
		return 0
	}
	switch program {
	case "curl", "wget":
		return downloadEffect(program, args)
	case "rm", "rmdir", "kill", "pkill", "killall", "shutdown", "reboot", "dd":
		return Deletes
	case "mv", "cp", "tee", "touch", "mkdir", "ln":
		return WritesFile
	case "export":
		return (simple{assigned: texts(args)}).effect()
	case "journalctl", "hostname", "openssl", "chmod", "chown", "unset":
		return ChangesState
	}
	return known.effect(args)
}

// effect judges the first word, and looks for words that delete among the first ones: some programs have nested
// commands (terraform state rm), and global options with values come first.
func (o *other) effect(args []word) Effect {
	effect, first := Effect(0), ""
	position := 0
	for _, arg := range args {
		name := strings.TrimLeft(arg.text, "-")
		if !arg.constant {
			effect |= NotUnderstood
		}
		if position < 4 && deletingWords[name] || strings.HasPrefix(arg.text, "-destroy") || arg.text == "--delete" || arg.text == "--prune" {
			effect |= Deletes | ChangesState
		}
		if first == "" && !strings.HasPrefix(arg.text, "-") {
			first = name
		}
		position++
	}
	switch {
	case o.runs[first]:
		return effect | RunsCode | ChangesState
	case !o.reads[first] && !effect.has(Deletes):
		return effect | ChangesState
	}
	return effect
}

// downloadEffect states what curl or wget does.
func downloadEffect(program string, args []word) Effect {
	effect := Effect(0)
	if program == "wget" {
		effect |= WritesFile
	}
	for i, arg := range args {
		name, _, _ := strings.Cut(arg.text, "=")
		method := ""
		switch {
		case name == "-X" || name == "--request" || name == "--method":
			_, method, _ = strings.Cut(arg.text, "=")
			if method == "" && i+1 < len(args) {
				method = args[i+1].text
			}
		case strings.HasPrefix(name, "-X"):
			method = name[2:]
		case strings.HasPrefix(name, "-d"), strings.HasPrefix(name, "--data"), strings.HasPrefix(name, "-F"), strings.HasPrefix(name, "-T"),
			strings.HasPrefix(name, "--form"), strings.HasPrefix(name, "--upload"), strings.HasPrefix(name, "--post"), strings.HasPrefix(name, "--json"):
			effect |= ChangesState
		case strings.HasPrefix(name, "-o"), strings.HasPrefix(name, "-O"), strings.HasPrefix(name, "--out"), strings.HasPrefix(name, "--remote-name"):
			effect |= WritesFile
		case strings.HasPrefix(name, "-K"), strings.HasPrefix(name, "--config"):
			effect |= NotUnderstood
		case shortOptions(name, "dFT"):
			effect |= ChangesState
		case shortOptions(name, "oO"):
			effect |= WritesFile
		}
		switch strings.ToUpper(strings.Trim(method, "\"'")) {
		case "", "GET", "HEAD", "OPTIONS":
		case "DELETE":
			effect |= Deletes | ChangesState
		default:
			effect |= ChangesState
		}
	}
	return effect
}

// shortOptions reports whether a group of options such as -sSLO contains one of letters.
func shortOptions(group, letters string) bool {
	return len(group) > 1 && group[0] == '-' && group[1] != '-' && strings.ContainsAny(group, letters)
}

func texts(words []word) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.text
	}
	return slices.DeleteFunc(list, func(text string) bool { return strings.HasPrefix(text, "-") })
}
