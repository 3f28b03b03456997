package command

import (
	_ "embed"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// operationsTable lists the operations whose name does not tell their effect. scripts/command_tables.py describes and
// generates it.
//
//go:embed operations.txt
var operationsTable string

// operations maps the name of an operation in the AWS CLI to W (a change) or P (a change of permissions), and a service
// with an operation to F (the AWS CLI writes the answer to the file that its last argument names), and also with an option to
// B (its value names a file that the AWS CLI sends).
var operations = parseOperations(operationsTable)

// readsTable lists the reads of each service. An operation that it does not contain is not known to be a read.
//
//go:embed reads.txt
var readsTable string

// reads maps a service with an operation to R (a read), S (a read of secrets), or M (a read whose answer often contains
// secrets), or C (another operation that returns secrets), and a service to itself.
var reads = sync.OnceValue(func() map[string]byte {
	all := map[string]byte{}
	for line := range strings.Lines(readsTable) {
		if fields := strings.Fields(line); len(fields) > 1 {
			all[fields[1]] = fields[0][0]
			for _, name := range fields[2:] {
				all[fields[1]+" "+name] = fields[0][0]
			}
		}
	}
	return all
})

func parseOperations(table string) map[string]byte {
	all := map[string]byte{}
	for line := range strings.Lines(table) {
		if kind, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[name] = kind[0]
		}
	}
	return all
}

var (
	deleting = regexp.MustCompile(`^(?:batch-|admin-)?(?:(?:delete|terminate|remove|deregister|purge|destroy|stop|cancel|drop|` +
		`disable|revoke|release|detach|disassociate|reset|abort|schedule-key-deletion|empty|reboot|suspend|unsubscribe|dispose|start-(?:[a-z]+-)?delete)(?:-|$)|rm$|rb$|rmdir$|` +
		`(?:clear|close|deactivate|deauthorize|deprecate|deprovision|discard|disconnect|dissociate|drain|evict|expire|flush|forget|invalidate|leave|pause|rebuild|retire|shutdown|` +
		`undeploy|unlink|unmonitor|unpeer|unregister|unshare|withdraw)-)`)
	changing = regexp.MustCompile(`^(?:batch-)?(?:create|update|put|modify|set|add|attach|associate|enable|start|run|invoke|send|publish|` +
		`tag|untag|register|restore|import|copy|move|promote|failover|rotate|replace|apply|execute|deploy|authorize|grant|` +
		`activate|deactivate|upload|write|transact-write|provision|request|accept|reject|resume|change|increase|` +
		`decrease|retry|redrive|rollback|continue|complete|initiate|admin|signal|record|test-invoke|swap|switchover|assign|unassign)(?:-|$)|^subscribe$|` +
		`^(?:allocate|archive|backtrack|commit|configure|enter|exit|launch|lock|merge|purchase|rebalance|reload|rename|replicate|resize|restart|` +
		`split|submit|subscribe|transfer|unarchive|unlock|upgrade)-|^monitor-(?:contact|instances)$`)
	revealing = regexp.MustCompile(`^(?:get|create|download|export|generate|issue|reset)-(?:.*-)?(?:secret-value|password|credentials?|token|api-key|access-key)$|` +
		`^(?:create|download|export|generate|issue|reset)-.*(?:key|key-pair|secret|certificate|user-pool-client)$|` +
		`^(?:decrypt|assume-role|get-login(?:-password)?$|generate-data-key(?:-pair)?$|update-api-key$|credential-helper$)|presigned|-auth$|auth-challenge`)
	identities = set("iam", "sso-admin", "identitystore", "organizations", "account", "ram", "lakeformation")
)

// Options of the AWS CLI that may stand before the service, with and without a value.
var (
	valued = set("--endpoint-url", "--output", "--query", "--profile", "--region", "--color", "--ca-bundle",
		"--cli-read-timeout", "--cli-connect-timeout", "--cli-binary-format", "--cli-error-format")
	plainOptions = set("--debug", "--no-verify-ssl", "--no-paginate", "--no-sign-request", "--no-cli-pager",
		"--no-cli-auto-prompt", "--version")
)

// awsEffect states what a command of the AWS CLI does.
func awsEffect(args []word) Effect {
	effect := awsOptions(args)
	var names []string // service and operation
	rest, mayVanish, shifted := args, false, 0
	for len(rest) > 0 && len(names) < 2 {
		arg := rest[0]
		rest = rest[1:]
		name, _, hasValue := strings.Cut(arg.text, "=")
		switch {
		case !arg.constant:
			return effect | NotUnderstood
		case valued[name]:
			if !hasValue && len(rest) > 0 {
				if rest[0].spreads() {
					mayVanish, shifted = true, len(names)
					if !selecting[name] {
						effect |= NotUnderstood
					}
				}
				rest = rest[1:]
			}
		case plainOptions[name]:
		case strings.HasPrefix(name, "-"):
			return effect | NotUnderstood
		default:
			names = append(names, arg.text)
		}
	}
	// Without a value, such as a variable that is not set, an option takes the next word for it, and the operation is a later word.
	if mayVanish && len(names) > 1 {
		hasService := shifted == 1 || reads()[names[1]] != 0 || names[1] == "s3"
		if slices.ContainsFunc(rest, isChange) || hasService && len(rest) > 0 && anOperation.MatchString(rest[0].text) {
			effect |= NotUnderstood
		}
	}
	if len(names) > 0 && names[0] == "help" || len(names) > 1 && names[1] == "help" {
		return effect | ReadsAWS
	}
	if len(names) == 1 && asking[names[0]] {
		names = append(names, "")
	}
	if len(names) < 2 {
		return effect | NotUnderstood
	}
	return effect | fileEffect(names[0], names[1], args) | mathEffect(names[0], names[1], args) | operationEffect(names[0], names[1], rest)
}

// ofAccess matches operations that change who has access, by AWS's authorization data or because they create credentials.
var ofAccess = regexp.MustCompile(`access-key|login-profile|public-access-block|ownership-controls`)

// setsAccess reports whether an option of S3 grants access to an object or a bucket: --acl public-read
func setsAccess(w word) bool {
	name, _, _ := strings.Cut(w.text, "=")
	return begins(name, "--acl") || begins(name, "--grants") || strings.HasPrefix(name, "--grant-") || accessInput.MatchString(w.text)
}

// accessInput matches the same in JSON or YAML.
var accessInput = regexp.MustCompile(`(?m)(?:^|["'{,\s])(?:(?:Canned)?ACL|Grant(?:Read|Write|FullControl)\w*|AccessControlList)["']?\s*:`)

// asking are commands of the AWS CLI that have no operation.
var asking = set("configure", "login", "logout")

// selecting are options that stand often before the service, with a variable of the reader.
var selecting = set("--profile", "--region")

// anOperation matches what can be the name of an operation.
var anOperation = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// isChange reports whether a word can be the name of an operation that changes something.
func isChange(w word) bool {
	return operations[w.text] != 0 || deleting.MatchString(w.text) || changing.MatchString(w.text) || s3Changes[w.text]
}

var s3Changes = set("cp", "mv", "sync", "mb", "website")

// readsMath are the reads whose parameters can have metric math.
var readsMath = set("cloudwatch get-metric-data", "cloudwatch get-metric-widget-image")

// invokesFunction matches metric math that invokes a Lambda function, also in JSON. It does not match names, such as lambda_errors.
var invokesFunction = regexp.MustCompile(`(?is)(?:^|[^a-z_]|\\[bfnrt])lambda(?:[\s\p{Z}\p{Cf}]|\\[bfnrt]|/\*.*?\*/)*\(`)

// mathEffect states what metric math does. Escapes can spell the name of its function, too.
func mathEffect(service, operation string, args []word) Effect {
	if !readsMath[service+" "+operation] {
		return 0
	}
	effect := Effect(0)
	for _, arg := range args {
		if invokesFunction.MatchString(arg.text) {
			effect |= RunsCode
		}
		if escapesInput.MatchString(arg.text) {
			effect |= NotUnderstood
		}
	}
	return effect
}

// writesConfiguration are operations of the AWS CLI itself that write to a configuration file of theirs or of another program.
var writesConfiguration = set("eks update-kubeconfig", "codeartifact login")

// writesAnswer are operations of the AWS CLI itself that write to the file that their last argument names.
var writesAnswer = set("s3api select-object-content")

// fileOption is an option whose value names a file.
type fileOption struct {
	name   string
	effect Effect
}

// ownFileOptions are such options of the AWS CLI's own commands.
var ownFileOptions = map[string][]fileOption{
	"cloudformation deploy":           {{"--template-file", ReadsFile}},
	"cloudformation package":          {{"--template-file", ReadsFile}, {"--output-template-file", WritesFile}},
	"deploy install":                  {{"--config-file", ReadsFile}},
	"deploy push":                     {{"--source", ReadsFile}},
	"ec2 get-password-data":           {{"--priv-launch-key", ReadsFile}},
	"ec2-instance-connect ssh":        {{"--private-key-file", ReadsFile}},
	"ecs deploy":                      {{"--task-definition", ReadsFile}, {"--codedeploy-appspec", ReadsFile}},
	"emr get":                         {{"--dest", WritesFile}, {"--key-pair-file", ReadsFile}},
	"emr put":                         {{"--src", ReadsFile}, {"--key-pair-file", ReadsFile}},
	"emr socks":                       {{"--key-pair-file", ReadsFile}},
	"emr ssh":                         {{"--key-pair-file", ReadsFile}},
	"gamelift get-game-session-log":   {{"--save-as", WritesFile}},
	"gamelift upload-build":           {{"--build-root", ReadsFile}},
	"iam create-virtual-mfa-device":   {{"--outfile", WritesFile}},
	"iot create-certificate-from-csr": {{"--certificate-pem-outfile", WritesFile}},
	"iot create-keys-and-certificate": {{"--certificate-pem-outfile", WritesFile}, {"--public-key-outfile", WritesFile}, {"--private-key-outfile", WritesFile}},
	"opsworks register":               {{"--ssh-private-key", ReadsFile}},
	"servicecatalog generate":         {{"--file-path", ReadsFile}},
}

// fileOptions maps a service with an operation to all such options.
var fileOptions = sync.OnceValue(func() map[string][]fileOption {
	all := maps.Clone(ownFileOptions)
	for name, kind := range operations {
		if at := strings.LastIndexByte(name, ' '); kind == 'B' {
			all[name[:at]] = append(all[name[:at]], fileOption{name[at+1:], ReadsFile})
		}
	}
	return all
})

// fileEffect states whether an operation reads or writes a file on the reader's machine.
func fileEffect(service, operation string, args []word) Effect {
	name, effect := service+" "+operation, Effect(0)
	if writesConfiguration[name] {
		effect |= WritesFile
	}
	for _, option := range fileOptions()[name] {
		for _, arg := range args {
			if given, _, _ := strings.Cut(arg.text, "="); begins(given, option.name) {
				effect |= option.effect
			}
		}
	}
	if (operations[name] == 'F' || writesAnswer[name]) && !endsWithDescriptor(args) {
		effect |= WritesFile
	}
	return effect
}

// endsWithDescriptor reports whether the last argument is a name of the output, and no other argument can be the name of the file. An
// option can have several values, so the last one may belong to it.
func endsWithDescriptor(args []word) bool {
	last := len(args) - 1
	operands := 0 // the service, the operation, and the file
	for i := 0; i <= last; i++ {
		switch text := args[i].text; {
		case !strings.HasPrefix(text, "-"):
			operands++
		case i == last-1 && !isSwitch(text) && !strings.Contains(text, "="): // the last argument is its value
			return false
		case !isSwitch(text) && !strings.Contains(text, "="):
			i++
		}
	}
	return isDescriptor[args[last].text] && operands == 3
}

// isSwitch reports whether an option has no value.
func isSwitch(option string) bool {
	return plainOptions[option] || strings.HasPrefix(option, "--no-") || begins(option, "--debug")
}

// awsOptions states what options do that every operation has, and what those do that change a read. The AWS CLI also
// accepts their beginnings.
func awsOptions(args []word) Effect {
	effect := Effect(0)
	previous := ""
	for _, arg := range args {
		name, value, hasValue := strings.Cut(arg.text, "=")
		isOption := strings.HasPrefix(name, "-")
		switch {
		case begins(name, "--endpoint-url"), begins(name, "--no-verify-ssl"), begins(name, "--ca-bundle"):
			effect |= OtherEndpoint
		case begins(name, "--with-decryption"), name != "--include" && begins(name, "--include-values"), begins(name, "--unmask"), begins(name, "--debug"): // prints signed headers and answers
			effect |= ShowsSecrets
		case isOption && !optionName.MatchString(name), isOption && !arg.constant && !hasValue:
			effect |= NotUnderstood
		case !arg.constant && optionWildcard.MatchString(arg.text): // the name of a file can be an option
			effect |= NotUnderstood
		}
		if unmasks.MatchString(arg.text) {
			effect |= ShowsSecrets
		}
		effect |= valueEffect(previous, arg.text)
		if previous = ""; isOption {
			previous = name
			effect |= valueEffect(name, value)
		}
	}
	return effect
}

// optionName matches names of options, and the words with a hyphen at the beginning that are values for the AWS CLI: numbers, and those
// with a blank.
var optionName = regexp.MustCompile(`(?s)^(?:--[a-z0-9]+(?:-[a-z0-9]+)*|-\d*|-[^-].* .*)$`)

// optionWildcard matches wildcards that can become the name of an option. ?ERROR, a pattern of CloudWatch Logs, can only become
// the name of a file with one hyphen.
var optionWildcard = regexp.MustCompile(`^(?:[*[]|\?[-*?[])`)

// unmasks matches values that let CloudWatch Logs show what its data protection masks.
var unmasks = regexp.MustCompile(`(?i)\bunmask\s*\(|"unmask"\s*:\s*true`)

// Names of parameters in a whole input in JSON or YAML. Escapes can spell a name, too.
var (
	unmasksInput = regexp.MustCompile(`(?i)\bunmask\b`)
	escapesInput = regexp.MustCompile(`\\[uUx]`)
)

// begins reports whether name is the name of an option or a beginning of it that may be unambiguous.
func begins(name, option string) bool {
	return len(name) > len("--") && strings.HasPrefix(option, name)
}

// fetched matches addresses in values. Version 1 of the AWS CLI replaces a value by what such an address returns.
var fetched = regexp.MustCompile(`(?i)^(?:[\w.-]+@?=)?https?:`)

// ofQueue matches an address of a queue, which the AWS CLI does not fetch.
var ofQueue = regexp.MustCompile(`^https://(?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?/[\w./-]*$`)

// valueEffect states what the AWS CLI does to use a value: it reads files and addresses.
func valueEffect(option, value string) Effect {
	effect := Effect(0)
	if strings.Contains(value, "file://") || strings.Contains(value, "fileb://") {
		effect |= ReadsFile
	}
	if fetched.MatchString(value) && (option != "--queue-url" || !ofQueue.MatchString(value)) {
		effect |= OtherEndpoint
	}
	if begins(option, "--cli-input-json") || begins(option, "--cli-input-yaml") {
		if unmasksInput.MatchString(value) {
			effect |= ShowsSecrets
		}
		if escapesInput.MatchString(value) {
			effect |= NotUnderstood
		}
	}
	return effect
}

// operationEffect states what an operation does.
func operationEffect(service, operation string, args []word) Effect {
	effect := secretsOf(service, operation)
	kind := reads()[service+" "+operation]
	if (service == "s3" || service == "s3api" && (kind == 0 || kind == 'C')) && slices.ContainsFunc(args, setsAccess) {
		effect |= ChangesPermissions
	}
	switch {
	case service == "s3":
		return effect | s3Effect(operation, args)
	case readsConfiguration[service+" "+operation]:
		if operation == "get" && (len(args) == 0 || args[0].constant && plainSetting.MatchString(args[0].text)) {
			return ReadsAWS
		}
		return effect | ReadsAWS
	case service == "configure", service == "sso", service == "login", service == "logout":
		return effect | MayChangeState | WritesFile
	case operation == "wait" && reads()[service] != 0, readsLogs[service+" "+operation]:
		return effect | ReadsAWS
	case operations[operation] == 'P' && !ofNoAccess[service+" "+operation]:
		effect |= ChangesPermissions | ChangesState
		if deleting.MatchString(operation) {
			effect |= Deletes
		}
		return effect
	case kind != 0 && kind != 'C' && !canChange[service+" "+operation]:
		return effect | ReadsAWS
	}
	if identities[service] && !strings.HasPrefix(operation, "generate-") || // a report, also about the use of permissions
		ofAccess.MatchString(operation) {
		effect |= ChangesPermissions
	}
	switch {
	case deleting.MatchString(operation):
		effect |= Deletes | ChangesState
	case operations[operation] == 'W', changing.MatchString(operation):
		effect |= ChangesState
	default:
		effect |= MayChangeState
	}
	if service == "ssm" && (operation == "send-command" || operation == "start-session" || operation == "resume-session") || operation == "execute-command" || operation == "ssh" {
		effect |= RunsCode
	}
	return effect
}

// readsConfiguration are operations of the AWS CLI itself that print settings, and readsLogs those that only read logs.
var (
	readsConfiguration = set("configure list", "configure list-profiles", "configure get", "configure export-credentials")
	readsLogs          = set("logs tail", "logs start-query", "logs start-live-tail")
)

// plainSetting matches settings that are no secrets, which aws configure get prints.
var plainSetting = regexp.MustCompile(`^(?:profile\.[\w-]+\.)?(?:region|output)$`)

// ofNoAccess are operations whose name is that of a change of permissions in another service.
var ofNoAccess = set("autoscaling delete-policy", "dms test-connection", "transfer test-connection")

// canChange are reads, by AWS's authorization data, that a parameter or the first call makes a change: a query with UNLOAD writes to
// a bucket, the token of a new user creates an identity, and --wake-up sends a key to the instance.
var canChange = set("timestream-query query", "cognito-identity get-open-id-token-for-developer-identity", "ec2 get-console-screenshot")

// secretsOf states whether the answer of an operation has secrets.
func secretsOf(service, operation string) Effect {
	kind := reads()[service+" "+operation]
	isSecret := revealing.MatchString(operation) && !strings.HasPrefix(operation, "list-") && !strings.HasPrefix(operation, "describe-")
	isLink := service == "cloudfront" && operation == "sign"
	switch {
	case kind == 'S', kind == 'C', isSecret, isLink, service == "configure" && (operation == "get" || operation == "export-credentials"):
		return ShowsSecrets
	case kind == 'M':
		return MayShowSecrets
	}
	return 0
}

// s3Effect states what a high-level command of S3 does.
func s3Effect(operation string, args []word) Effect {
	switch operation {
	case "ls":
		return ReadsAWS
	case "presign":
		return ShowsSecrets | ReadsAWS
	case "cp", "sync":
		effect := ReadsAWS | WritesFile
		paths := pathsOf(args)
		switch {
		case len(paths) != 2: // the direction is not known
			effect = ChangesState | ReadsFile | WritesFile
		case strings.HasPrefix(paths[1], "s3:"):
			effect = ChangesState | ofLocal(paths[0])
		case paths[1] == "-":
			effect = ReadsAWS
		}
		if slices.ContainsFunc(args, func(w word) bool { return strings.HasPrefix(w.text, "--del") || !w.constant && !w.plain }) {
			effect |= ChangesState
		}
		if slices.ContainsFunc(args, func(w word) bool { return strings.HasPrefix(w.text, "--del") }) {
			effect |= Deletes
		}
		return effect
	case "rm", "rb":
		return Deletes | ChangesState
	case "mv":
		effect := Deletes | ChangesState | WritesFile
		if paths := pathsOf(args); len(paths) != 2 || !strings.HasPrefix(paths[0], "s3:") {
			effect |= ReadsFile
		}
		return effect
	}
	return ChangesState
}

// ofLocal states that a file is read if a path is not of S3 and not the standard input.
func ofLocal(path string) Effect {
	if strings.HasPrefix(path, "s3:") || path == "-" {
		return 0
	}
	return ReadsFile
}

// pathsOf returns the arguments of a command of S3 that are paths: the first ones, before any option.
func pathsOf(args []word) []string {
	var paths []string
	for _, path := range args {
		if len(path.text) > 1 && path.text[0] == '-' {
			break
		}
		paths = append(paths, path.text)
	}
	return paths
}
