package command

import (
	"regexp"
	"slices"
	"strings"
)

// other describes a program that is not the AWS CLI. Whatever is not listed is not understood, or changes something.
type other struct {
	reads   []string        // commands that change nothing; with " *" at the end, they may have arguments
	code    []string        // commands that change nothing but execute code, such as the app of the project
	secrets []string        // commands that change nothing but print what often contains secrets
	groups  map[string]bool // first words that only name what the second word acts on
	runs    map[string]bool // words that execute code, the first one or the one after a group
	runsAll bool            // whatever is not listed executes code
	options string          // options that are understood, with = if the next word is their value
	files   *regexp.Regexp  // options whose value names a file that is read
	writes  *regexp.Regexp  // options whose value names a file that is written
	grants  *regexp.Regexp  // words of commands that change permissions
}

var deletingWords = set("delete", "destroy", "rm", "remove", "uninstall", "down", "drain", "terminate", "stop", "prune", "kill", "purge",
	"cancel", "clean", "undeploy", "teardown", "del", "rmi", "leave", "drop", "unpublish", "cordon", "evict",
	"delete-cluster", "delete-context", "delete-user")

// pausingWords do the same, but follow a variable in ordinary sentences, too.
var pausingWords = set("abort", "disable", "gc", "pause", "suspend")

// deletes reports whether a word of a command deletes or stops something.
func deletes(word string) bool { return deletingWords[word] || pausingWords[word] }

// deletingOptions delete something, in programs whose first words alone do not.
var deletingOptions = regexp.MustCompile(`^(?:-destroy|--delete|--prune|--force-delete|--mirror$|--hard$|-D$|(?:-X|--method=)?DELETE$|(?i:(?:-X|--method=)delete)$)`)

// runningOptions execute a program that their value names.
var runningOptions = regexp.MustCompile(`^--?(?:app|post-renderer|upload-pack|receive-pack|exec|exec-path|ext-diff|plugin|kubeconfig|config-env)(?:=|$)`)

var kubernetes = &other{
	reads: []string{"get *", "logs *", "top *", "explain *", "version", "api-resources", "api-versions", "cluster-info", "events",
		"auth can-i *", "auth whoami", "rollout status *", "rollout history *", "config current-context", "config get-contexts", "wait *"},
	secrets: []string{"describe *", "cluster-info dump", "diff *", "config view"},
	runs:    set("exec", "run", "attach", "debug", "cp", "proxy", "port-forward"),
	grants: regexp.MustCompile(`(?i)(?:^|[ ,])(?:cluster)?role(?:binding)?s?(?:[ ,./]|$)|(?:^| )(?:auth reconcile|set subject|certificate (?:approve|deny)|` +
		`policy (?:add|remove)-\S+)(?: |$)`), // without names of objects: kubectl delete pod role
	files: regexp.MustCompile(`^(?:-[fk](?:$|[^-])|--(?:filename|kustomize|from-file|from-env-file|patch-file)(?:=|$))`),
	options: "-f --follow -n= --namespace= --context= -l= --selector= -o= --output= -A --all-namespaces -w --watch --since= --since-time= --tail= -c= --container= " +
		"--previous -p --timestamps --sort-by= --field-selector= --show-labels --no-headers -L= --label-columns= --all-containers --prefix --for= --containers --recursive --client --request-timeout= --timeout= --list --minify --flatten",
}

var containers = &other{
	reads: []string{"ps", "images", "stats *", "top *", "port *", "version", "info", "diff *", "logs *",
		"compose", "compose ps *", "compose logs *", "compose images *", "compose top *", "compose ls", "container ls", "container ps", "container logs *", "container stats *", "container top *",
		"image ls", "volume ls", "volume inspect *", "network ls", "network inspect *", "system df", "context ls", "service ls", "service ps *", "service logs *",
		"stack ls", "stack ps *", "node ls", "pod ps"},
	secrets: []string{"inspect *", "container inspect *", "image inspect *", "image history *", "history *", "service inspect *",
		"compose config *"},
	groups: set("container", "image", "volume", "network", "system", "context", "builder", "buildx", "service", "stack", "swarm", "node", "secret", "config", "plugin",
		"manifest", "trust", "checkpoint", "pod", "machine"),
	runs:    set("run", "exec", "build", "compose", "create", "start"),
	files:   filesOfContainers,
	options: "-a --all -q --quiet --no-trunc --tail= -n= --since= --until= -t --timestamps --no-stream -f= --filter= --format= -s --size --follow --no-color --no-log-prefix " + composeOptions,
}

var filesOfContainers = regexp.MustCompile(`^--(?:env-file|label-file|file)(?:=|$)`)

var compose = &other{
	reads: []string{"ps", "logs *", "images", "top *", "version", "ls"}, secrets: []string{"config *"}, runs: set("run", "exec", "up", "build", "create", "start", "restart"),
	files:   filesOfContainers,
	options: "-f= -q --quiet -a --all --tail= --follow --no-color --no-log-prefix " + composeOptions,
}

// composeOptions may stand before the command of Docker Compose.
const composeOptions = "--file= -p= --project-name= --project-directory= --profile= --env-file= --ansi= --progress= --parallel="

var terraform = &other{
	reads:   []string{"validate", "version", "graph", "providers", "state list *", "workspace list", "workspace show"},
	code:    []string{"plan *"},
	secrets: []string{"show *", "output *", "state show *", "state pull"},
	runs:    set("apply", "destroy", "import", "refresh", "test"),
	files:   regexp.MustCompile(`^-var-file(?:=|$)`),
	options: "-destroy -no-color -json -raw -input=false -refresh=false -detailed-exitcode -compact-warnings -target= -chdir= -out=",
	writes:  regexp.MustCompile(`^-out(?:=|$)`),
}

var serverless = &other{code: []string{"info *", "print *", "logs *", "metrics *"}, runs: set("deploy", "remove", "invoke", "package"), options: "--stage= --region= -f= --function="}

var repository = &other{
	reads: []string{"status *", "log *", "diff *", "show *", "blame *", "branch", "remote", "remote show", "rev-parse *", "describe *", "shortlog *", "tag",
		"rev-list *", "stash list", "grep *"},
	secrets: []string{"config"},
	options: "-v -vv -a --all -r --list -n= --oneline --stat --graph --decorate --name-only --name-status --since= --until= --after= --before= --author= --grep= -p --patch " +
		"--cached --staged -s --short -S= -G= --no-pager --follow --reverse -1 -2 -3 -5 -10 -20 -L= --show-current --abbrev-ref -i -w -E -F -l --",
}

var services = &other{reads: []string{"status *", "is-active *", "is-enabled *", "is-failed *", "is-system-running", "get-default", "list-units *", "list-timers *",
	"list-unit-files *", "list-sockets *", "list-jobs *", "list-dependencies *"}, secrets: []string{"show *", "cat *", "show-environment"},
	options: "--no-pager --failed --all -a -l -n= --state= --type="}

// halting are commands of systemctl that stop the whole machine.
var halting = set("reboot", "poweroff", "halt", "kexec", "soft-reboot", "suspend", "suspend-then-hibernate", "hibernate", "hybrid-sleep", "rescue", "emergency", "switch-root")

var anything = regexp.MustCompile(``)

// others are known programs. A program without commands changes something.
var others = map[string]*other{
	"docker": containers, "podman": containers, "kubectl": kubernetes, "oc": kubernetes, "k": kubernetes,
	"terraform": terraform, "tofu": terraform,
	"cdk": {reads: []string{"doctor", "version", "notices"}, code: []string{"diff *", "synth *", "ls *", "list *", "metadata *", "drift *"},
		runsAll: true, options: "--long -l --profile= --no-color"},
	"sam":     {reads: []string{"validate", "list resources", "list endpoints", "logs", "traces"}, secrets: []string{"list stack-outputs"}, runs: set("build", "local", "sync"), options: "--stack-name= --region= --profile= -n= --name= --tail -t="},
	"helm":    {files: regexp.MustCompile(`^(?:-f(?:$|[^-])|--(?:values|set-file)(?:=|$))`), groups: set("plugin", "repo", "registry"), reads: []string{"list", "ls", "history *", "search repo *", "search hub *", "version"}, secrets: []string{"get *", "show *", "status *"}, options: "-n= --namespace= -A --all-namespaces -a --all --kube-context= -o= --output= --revision= --max="},
	"eksctl":  {reads: []string{"get *", "info", "version"}, grants: regexp.MustCompile(`(?i)iam|access-?entr|identity|identities`), options: "--cluster= --region= --profile= --name= -o= --output="},
	"ecs-cli": {reads: []string{"ps", "logs"}, groups: set("service", "compose", "registry-creds", "configure", "local")},
	"copilot": {reads: []string{"app ls", "app show", "svc ls", "svc status", "svc logs", "env ls", "job ls"}, secrets: []string{"svc show *", "job show *"}, runs: set("exec", "run"),
		groups: set("app", "env", "svc", "job", "task", "pipeline", "storage", "secret", "domain"), options: "-n= --name= -e= --env= -a= --app="},
	"eb":         {reads: []string{"status", "health", "list", "events", "logs"}, secrets: []string{"printenv *"}},
	"pulumi":     {reads: []string{"stack ls", "stack history", "about", "whoami", "version", "logs"}, code: []string{"preview *"}, runs: set("up", "update", "destroy", "refresh", "import", "watch"), secrets: []string{"stack output *"}},
	"serverless": serverless, "sls": serverless, "amplify": {reads: []string{"status"}, groups: set("env", "hosting", "function", "api", "auth", "storage", "mock")},
	"git":            repository,
	"docker-compose": compose,
	"gh": {reads: []string{"status", "run", "run list *", "run view *", "workflow", "workflow list *", "workflow view *", "pr", "pr list *", "pr view *", "pr checks *", "pr status",
		"release", "release list *", "release view *", "issue", "issue list *", "issue view *"},
		secrets: []string{"pr diff *"},
		options: "-L= --limit= -R= --repo= -b= --branch= --workflow= -s= --status= --state= --json= --log --log-failed -v --verbose --comments",
		groups:  set("run", "release", "workflow", "pr", "issue", "cache", "codespace", "gist", "repo", "secret", "variable", "label")},
	"npm": {reads: []string{"ls *", "list *", "outdated", "view *", "info *", "show *", "explain *", "why *", "audit", "audit signatures", "help *", "search *", "whoami", "ping", "root", "prefix"},
		secrets: []string{"config list", "config ls", "config get *"}, runsAll: true, options: "-g --global -a --all -l --long --json --depth= --omit= --audit-level="},
	"pip":       {reads: []string{"list", "show *"}, runs: set("install", "wheel"), files: regexp.MustCompile(`^(?:-r(?:$|[^-])|--requirement(?:=|$))`)},
	"systemctl": services,
	"cqlsh":     nil, "psql": nil, "mysql": nil, "redis-cli": nil, "valkey-cli": nil, "mongosh": nil,
	"curl": {}, "wget": {}, "printenv": {}, "rm": {}, "rmdir": {}, "mv": {}, "cp": {}, "tee": {}, "kill": {}, "pkill": {}, "killall": {}, "shutdown": {}, "reboot": {}, "dd": {},
	"chmod": {grants: anything, options: "-R -v -f -c -h"}, "chown": {grants: anything, options: "-R -v -f -c -h"}, "mkdir": {}, "touch": {}, "ln": {}, "export": {}, "unset": {}, "hostname": {}, "openssl": nil, "printf": nil, "journalctl": {},
	"dig": {}, "nslookup": {}, "host": {}, "ping": {}, "traceroute": {}, "ls": {}, "ps": {}, "df": {}, "du": {}, "free": {}, "uptime": {}, "whoami": {}, "ss": {}, "netstat": {}, "dmesg": {},
}

// inspecting programs read and print, if each option matches.
var inspecting = map[string]*regexp.Regexp{
	"dig":        regexp.MustCompile(`^(?:-[46]|-[tx]|@?[\w.:][\w.:-]*|\+\w+(?:=\w+)?)$`),
	"nslookup":   regexp.MustCompile(`^(?:-(?:type|query)=\w+|[\w.:]+[\w.:-]*)$`),
	"host":       regexp.MustCompile(`^(?:-[46atv]|[\w.:]+[\w.:-]*)$`),
	"ping":       regexp.MustCompile(`^(?:-[46cWi]|-c\d+|[\w.:]+[\w.:-]*)$`),
	"traceroute": regexp.MustCompile(`^(?:-[46nmqw]|[\w.:]+[\w.:-]*)$`),
	"ls":         regexp.MustCompile(`^(?:-[aAlhrRtS1dF]+|[^-].*)$`),
	"ps":         regexp.MustCompile(`^(?:-?aux|-e?f|-e|-ef|-p|\d+|--sort=[-+]?[%\w]+)$`),
	"df":         regexp.MustCompile(`^(?:-[hkTi]+|/.*)$`),
	"du":         regexp.MustCompile(`^(?:-[shkdc0-9]+|[^-].*)$`),
	"free":       regexp.MustCompile(`^-[hmgkb]$`),
	"journalctl": regexp.MustCompile(`^(?:-[abefgklnoprtuxSU0-9]+|--(?:boot|dmesg|follow|grep|identifier|lines|no-pager|output|priority|reverse|since|unit|until|utc)(?:=.*)?|[^-].*)$`),
	"uptime":     regexp.MustCompile(`^$`),
	"ss":         regexp.MustCompile(`^-[tulnpas46H]+$`),
	"netstat":    regexp.MustCompile(`^-[tulnpars46]+$`),
	"dmesg":      regexp.MustCompile(`^-[Tx]+$`),
	"whoami":     regexp.MustCompile(`^$`),
}

// printsHostname matches options with which hostname prints. With a name, it sets it.
var printsHostname = regexp.MustCompile(`^-[fisdAI]$`)

// otherEffect states what a program does that is not the AWS CLI. The caller adds [NotAWS].
func otherEffect(program string, args []word) Effect {
	known := others[program]
	if known == nil {
		return NotUnderstood
	}
	if pattern := inspecting[program]; pattern != nil {
		return inspectEffect(pattern, args)
	}
	switch program {
	case "curl", "wget":
		return downloadEffect(program, args)
	case "rm", "rmdir", "kill", "pkill", "killall", "shutdown", "reboot", "dd":
		return Deletes
	case "mv", "cp":
		return ReadsFile | WritesFile
	case "tee", "touch", "mkdir", "ln":
		return WritesFile
	case "export":
		return exportEffect(args)
	case "hostname":
		if inspectEffect(printsHostname, args) == 0 {
			return 0
		}
	case "printenv":
		for _, arg := range args {
			if !strings.HasPrefix(arg.text, "-") {
				return MayShowSecrets | variableEffect(arg.text)
			}
		}
		return ShowsSecrets
	}
	return known.effect(args)
}

func inspectEffect(pattern *regexp.Regexp, args []word) Effect {
	for _, arg := range args {
		if arg.unquoted || !arg.constant && !arg.pattern || !pattern.MatchString(arg.text) {
			return NotUnderstood
		}
	}
	return 0
}

// exportEffect states what export does. Without assignments it prints the environment.
func exportEffect(args []word) Effect {
	effect := Effect(0)
	if len(args) == 0 {
		effect |= ShowsSecrets
	}
	for _, arg := range args {
		switch {
		case isAssignment(arg.text):
			effect |= simple{assigned: []word{arg}}.effect()
		case arg.text == "-p":
			effect |= ShowsSecrets
		default:
			effect |= NotUnderstood
		}
	}
	return effect
}

// maxNested is how many words may name a command, such as terraform state rm, or are options before it.
const maxNested = 4

// effect finds the command among the words, and words that delete among the first ones and the first words that are no options:
// some programs have nested commands (terraform state rm), and global options with values come first.
func (o *other) effect(args []word) Effect {
	if len(args) == 1 && args[0].text == "--version" && o != serverless { // which may start the one of the project
		return 0
	}
	effect, unknown := Effect(0), Effect(0)
	known := map[string]bool{}
	for _, name := range strings.Fields(o.options) {
		known[name] = true
	}
	var words []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !arg.constant {
			effect |= NotUnderstood
		}
		if deletes(strings.TrimLeft(arg.text, "-")) && arg.text != "--rm" && (i < maxNested || len(words) < maxNested && arg.text[0] != '-') ||
			deletingOptions.MatchString(arg.text) || o == repository && arg.text == "-d" || o == services && halting[arg.text] {
			effect |= Deletes | ChangesState
		}
		if runningOptions.MatchString(arg.text) {
			effect |= RunsCode
		}
		if o.files != nil && o.files.MatchString(arg.text) && !(o == kubernetes && len(words) > 0 && words[0] == "logs") ||
			o.composes(words) && fileOfCompose.MatchString(arg.text) {
			effect |= ReadsFile
		}
		if o.writes != nil && o.writes.MatchString(arg.text) {
			effect |= WritesFile
		}
		name, _, hasValue := strings.Cut(arg.text, "=")
		switch {
		case len(arg.text) < 2 || arg.text[0] != '-':
			words = append(words, arg.text)
		case known[arg.text]:
		case known[name+"="]:
			if !hasValue {
				// The option may have no value in another command: git grep -n -Osh x
				if i++; i < len(args) && anOption.MatchString(args[i].text) {
					if value, _, _ := strings.Cut(args[i].text, "="); !known[value] && !known[value+"="] {
						unknown = NotUnderstood
					}
				}
			}
		case hasValue && known[name]: // a switch: --watch=true
		default:
			unknown = NotUnderstood
			if len(words) == 0 { // the next word may be its value, so the command is not known
				effect |= NotUnderstood
			}
		}
	}
	command := strings.Join(words, " ")
	if printsCredential.MatchString(command) || slices.ContainsFunc(args, func(arg word) bool { return secretsOption.MatchString(arg.text) }) {
		effect |= ShowsSecrets
	}
	if copiesFile.MatchString(command) { // its direction is not known
		effect |= ReadsFile | WritesFile
	}
	switch {
	case o != kubernetes || len(words) == 0:
	case effect.has(NotUnderstood) || !printsNoObject[words[0]]:
		effect |= objectEffect(command, args)
	case printsFormats[words[0]] && slices.ContainsFunc(args, func(arg word) bool { return wholeOutput.MatchString(arg.text) }):
		effect |= MayShowSecrets
	}
	if (effect|unknown)&NotUnderstood == 0 && (listed(o.reads, command) || listed(o.secrets, command) || listed(o.code, command)) {
		effect &^= Deletes | ChangesState // the word is an argument: kubectl auth can-i delete pods, cdk diff pause
	}
	switch {
	case o == kubernetes && len(words) == 0: // it prints its help
		return effect | unknown
	case listed(o.reads, command) && !(o == repository && words[0] == "stash" && stashesFiles(args)):
		return effect | unknown | o.argumentEffect(words, args)
	case o.executes(words, command):
		if listed(o.secrets, command) || slices.ContainsFunc(inContainer(words, args), printsEnvironment.MatchString) {
			effect |= MayShowSecrets
		}
		if slices.ContainsFunc(inContainer(words, args), func(word string) bool { return deletes(word) || deletesInContainer.MatchString(word) }) {
			effect |= Deletes
		}
		return effect | RunsCode | ChangesState
	case listed(o.secrets, command):
		return effect | unknown | MayShowSecrets
	case listed(o.code, command):
		return effect | unknown | RunsCode
	}
	if o == kubernetes && len(words) > 0 && (effect|unknown)&NotUnderstood == 0 {
		command = strings.Join(withoutNames(words), " ")
	}
	if o.grants != nil && o.grants.MatchString(command) {
		effect |= ChangesPermissions
	}
	if o == repository && (discards.MatchString(command) || losesWork(args)) {
		effect |= Deletes | ChangesState
	}
	if effect.has(Deletes) {
		return effect
	}
	return effect | ChangesState
}

// composes reports whether the next option after these words is one of Docker Compose, before its command.
func (o *other) composes(words []string) bool {
	return o == compose && len(words) == 0 || o == containers && len(words) == 1 && words[0] == "compose"
}

// fileOfCompose matches the short option of Docker Compose that names its file. Other commands of Docker have others: docker ps -f.
var fileOfCompose = regexp.MustCompile(`^-f`)

// stashesFiles reports whether the words after git stash are files: git stash -- list
func stashesFiles(args []word) bool {
	isStash := func(arg word) bool { return arg.text == "stash" }
	at := slices.IndexFunc(args, isStash)
	return at >= 0 && at+1 < len(args) && strings.HasPrefix(args[at+1].text, "-")
}

// withoutNames returns the words of a command of kubectl without names of objects, as far as they look like neither a kind with a
// name, such as role/x, nor a file.
func withoutNames(words []string) []string {
	kind := kindAfter[words[0]]
	if kind == 0 || len(words) <= kind {
		return words
	}
	isName := func(word string) bool { return !strings.ContainsAny(word, "/.,") }
	return append(slices.Clone(words[:kind]), slices.DeleteFunc(slices.Clone(words[kind:]), isName)...)
}

// kindAfter has the commands of kubectl that change objects of a kind, and the number of words up to the kind. Names follow.
var kindAfter = map[string]int{"create": 2, "delete": 2, "edit": 2, "patch": 2, "label": 2, "annotate": 2, "scale": 2, "expose": 2, "autoscale": 2,
	"rollout": 3, "set": 3}

// discards matches commands of git that delete what no other commit has, without a word that deletes elsewhere.
var discards = regexp.MustCompile(`^(?:stash clear|reflog expire|submodule deinit|push (?:.* )?\+?:\S+)(?: |$)`)

// executes reports whether a command executes code that may change anything, unlike the commands that code lists.
func (o *other) executes(words []string, command string) bool {
	switch {
	case len(words) == 0:
		return false
	case o.runs[words[0]], o.runsAll && !listed(o.code, command) && !listed(o.secrets, command):
		return true
	}
	return len(words) > 1 && o.groups[words[0]] && o.runs[words[1]]
}

// losing has commands of git, with the arguments that make them lose work that no commit has, or commits of a branch.
var losing = map[string]*regexp.Regexp{
	"checkout": regexp.MustCompile(`^(?:-[qmtdl]*[fB]q?$|--force$|--ours$|--theirs$|--pathspec-from)`), "switch": regexp.MustCompile(`^(?:-[qmtd]*[fC]q?$|--force|--disc)`),
	"reset": regexp.MustCompile(`^--(?:ha|me)`), "push": regexp.MustCompile(`^(?:-[a-z]*f[a-z]*$|--force|\+.)`), "branch": regexp.MustCompile(`^(?:-f|--force)$`),
}

// Words of git checkout that are files, words that are files and no branch or tag such as v1.x, and options with which it has no files.
var (
	checkedOut   = regexp.MustCompile(`^(?:\.{1,2}|\.{1,2}/.*|.*/|.*[*].*)$`)
	withExt      = regexp.MustCompile(`\.(?:[a-z]{2,5}|[ch])$`)
	branchOption = regexp.MustCompile(`^(?:-[qml]*[bBtd]|--track|--orphan$|--detach$)`)
)

// checksOut reports whether git checkout has files among its arguments. The words of a sentence may follow, so not each word is one.
func checksOut(args []word) bool {
	if slices.ContainsFunc(args, func(w word) bool { return branchOption.MatchString(w.text) }) {
		return false
	}
	words := 0
	for i, arg := range args {
		switch {
		case arg.text == "--":
			return i+1 < len(args)
		case strings.HasPrefix(arg.text, "-"):
			continue
		case checkedOut.MatchString(arg.text), words < 2 && withExt.MatchString(arg.text): // after the name of a commit, too
			return true
		}
		words++
	}
	return false
}

// Options of git restore with which it changes only the index, and also the files.
var (
	stagedOption   = regexp.MustCompile(`^(?:-[pqm]*S|--st)`)
	worktreeOption = regexp.MustCompile(`^(?:-[pqmS]*W|--w|--no-st)`)
)

// noValue matches options of git, before its command, that have no value in the next word.
var noValue = regexp.MustCompile(`^(?:-[pP]|--(?:no-[a-z-]+|paginate|bare|[a-z]+-pathspecs)|--.*=.*)$`)

// losesWork reports whether a command of git loses work. A word after an option before the command may be its value.
func losesWork(args []word) bool {
	for i, arg := range args {
		has := func(pattern *regexp.Regexp) bool {
			return slices.ContainsFunc(args[i+1:], func(w word) bool { return pattern.MatchString(w.text) })
		}
		switch isValue := i > 0 && strings.HasPrefix(args[i-1].text, "-") && !noValue.MatchString(args[i-1].text); {
		case strings.HasPrefix(arg.text, "-"):
		case arg.text == "restore":
			return !has(stagedOption) || has(worktreeOption)
		case losing[arg.text] != nil:
			return has(losing[arg.text]) || arg.text == "checkout" && checksOut(args[i+1:])
		case !isValue:
			return false
		}
	}
	return false
}

// printsCredential matches commands of gh and git that print a token or a password, and secretsOption options of gh and Pulumi.
var (
	printsCredential = regexp.MustCompile(`^(?:auth token|credential fill)(?: |$)`)
	secretsOption    = regexp.MustCompile(`^--show-(?:secrets|token)(?:=|$)`)
)

// copiesFile matches commands that copy a file from a container to this machine or back.
var copiesFile = regexp.MustCompile(`^(?:(?:container|compose) )?cp(?: |$)`)

// inContainer returns the arguments that a command executes in a container: the words after "exec", "run", or "debug", and everything after
// "--". Values of known options, such as a namespace, are not among the words.
func inContainer(words []string, args []word) []string {
	verb := slices.IndexFunc(words, func(word string) bool { return word == "exec" || word == "run" || word == "debug" })
	if verb < 0 {
		return nil
	}
	executed := slices.Clone(words[verb+1:])
	if end := slices.IndexFunc(args, func(arg word) bool { return arg.text == "--" }); end >= 0 {
		for _, arg := range args[end+1:] {
			executed = append(executed, arg.text)
		}
	}
	return executed
}

// printsEnvironment matches an argument that prints the variables of the container that executes it, perhaps with a shell.
var printsEnvironment = regexp.MustCompile(`(?:^|[\s;&|/(])(?:env|printenv)(?:$|[\s;&|)])`)

// deletesInContainer matches an argument that deletes files or ends processes in the container, perhaps with a shell.
var deletesInContainer = regexp.MustCompile(`(?:^|[\s;&|/(])(?:rm|rmdir|shred|dd|kill|pkill|killall|shutdown|reboot)(?:$|[\s;&|)])`)

// listed reports whether a command is in a list.
func listed(list []string, command string) bool {
	for _, entry := range list {
		name, arguments := strings.CutSuffix(entry, " *")
		if command == name || arguments && strings.HasPrefix(command, name+" ") {
			return true
		}
	}
	return false
}

// secretKind matches arguments that select secrets: kubectl get secret, kubectl get pods,secrets. A name such as secret-service does not.
var secretKind = regexp.MustCompile(`(?i)(?:^|[^\w.-])[a-z]*secret[a-z]*(?:[^\w-]|$)`)

// ownOutput matches formats of kubectl that are read from files.
var ownOutput = regexp.MustCompile(`(?:template|jsonpath|columns)-?file`)

// wholeOutput matches formats of kubectl that can show any part of an object, such as the variables of its containers.
var wholeOutput = regexp.MustCompile(`^(?:-o=?|--output=)?(?:k?yaml|json|go-template|template(?:file)?=|custom-columns)|^--template\b`)

// topWithVariables matches docker top with options of ps that print the variables of each process: docker top x auxe
var topWithVariables = regexp.MustCompile(`^(?:container )?top \S+ .*e`)

var outside = regexp.MustCompile(`^(?:/|~|\.\./)`)

// argumentEffect states what arguments change about a command that reads.
func (o *other) argumentEffect(words []string, args []word) Effect {
	effect := Effect(0)
	for _, word := range words {
		if o == repository && outside.MatchString(word) { // git diff also compares files outside of the repository
			effect |= ReadsFile
		}
	}
	if o == repository && printsCode(words, args) || o == containers && topWithVariables.MatchString(strings.Join(words, " ")) {
		effect |= MayShowSecrets
	}
	if o != kubernetes {
		return effect
	}
	for _, arg := range args {
		if ownOutput.MatchString(arg.text) {
			effect |= ReadsFile
		}
	}
	return effect
}

// Options of git with which a command prints lines of code, and those with which it does not.
var (
	codeOption    = regexp.MustCompile(`^(?:-p$|--patch$|-[SGL])`)
	summaryOption = regexp.MustCompile(`^--(?:stat|name-only|name-status)$`)
	verboseOption = regexp.MustCompile(`^-v`)
)

// printsCode reports whether a command of git that reads can print lines of files.
func printsCode(words []string, args []word) bool {
	matches := func(pattern *regexp.Regexp) bool {
		return slices.ContainsFunc(args, func(arg word) bool { return pattern.MatchString(arg.text) })
	}
	switch words[0] {
	case "diff", "show":
		return !matches(summaryOption) || matches(codeOption)
	case "log", "stash":
		return matches(codeOption)
	case "status":
		return matches(verboseOption)
	}
	return words[0] == "blame" || words[0] == "grep"
}

// printsNoObject has the commands of kubectl that print no part of an object.
var printsNoObject = set("logs", "top", "explain", "auth", "rollout", "delete", "version", "api-resources", "api-versions", "wait")

// printsFormats has those of them that print objects if a format is given.
var printsFormats = set("rollout", "wait")

// printsToken matches commands of kubectl and oc that print a token, or a file that contains one.
var printsToken = regexp.MustCompile(`(?:^| )(?:create token|(?:sa|serviceaccounts?) (?:get-token|new-token|create-kubeconfig))(?: |$)`)

// tokenOption matches options of "oc whoami" and "kubectl config view" that print tokens and keys.
var (
	tokenOption = regexp.MustCompile(`^(?:-t|--token|--show-token)(?:=|$)`)
	rawOption   = regexp.MustCompile(`^--raw(?:=|$)`)
	listOption  = regexp.MustCompile(`^--list(?:=|$)`) // of "kubectl set env": it prints the variables
)

// objectEffect states what a command of kubectl shows, whatever else it does: one that changes an object prints it, too.
func objectEffect(command string, args []word) Effect {
	effect := Effect(0)
	if printsToken.MatchString(command) {
		effect |= ShowsSecrets
	}
	words := " " + command + " "
	for _, wide := range []string{" cluster-info dump ", " edit ", " extract ", " view-last-applied ", " edit-last-applied "} {
		if strings.Contains(words, wide) {
			effect |= MayShowSecrets
		}
	}
	for _, arg := range args {
		switch {
		case secretKind.MatchString(arg.text),
			rawOption.MatchString(arg.text) && strings.Contains(words, " config "),
			tokenOption.MatchString(arg.text) && strings.Contains(words, " whoami "):
			effect |= ShowsSecrets
		case wholeOutput.MatchString(arg.text), rawOption.MatchString(arg.text),
			listOption.MatchString(arg.text) && strings.Contains(words, " set env "):
			effect |= MayShowSecrets
		}
	}
	return effect
}
