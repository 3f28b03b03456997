package command

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
)

// operationsTable lists the operations whose name does not tell their effect. scripts/command_tables.py describes and
// generates it.
//
//go:embed operations.txt
var operationsTable string

// operations maps the name of an operation in the AWS CLI to W (a change) or P (a change of permissions), and a service
// with an operation to F (the AWS CLI writes the answer to the file that its last argument names).
var operations = parseOperations(operationsTable)

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
	// reading matches the same verbs as scripts/command_tables.py.
	reading = regexp.MustCompile(`^(?:(?:describe|list|get|batch-get|batch-describe|search|count|lookup|check|select|simulate|` +
		`preview|head|filter|estimate|view)-|query|scan)`)
	deleting = regexp.MustCompile(`^(?:(?:delete|batch-delete|terminate|remove|deregister|purge|destroy|stop|cancel|drop|` +
		`disable|revoke|release|detach|disassociate|reset|abort|schedule-key-deletion|empty|reboot|suspend)(?:-|$)|rm$|rb$|rmdir$)`)
	changing = regexp.MustCompile(`^(?:create|update|put|modify|set|add|attach|associate|enable|start|run|invoke|send|publish|` +
		`tag|untag|register|restore|import|copy|move|promote|failover|rotate|replace|apply|execute|deploy|authorize|grant|` +
		`activate|deactivate|upload|write|batch-write|transact-write|provision|request|accept|reject|resume|change|increase|` +
		`decrease|retry|redrive|rollback|continue|complete|initiate|admin|signal|record|test-invoke|swap|switchover|assign|unassign)(?:-|$)`)
	revealing  = regexp.MustCompile(`secret-value|password|credential|-token|decrypt|api-key|presigned|generate-data-key|export-|assume-role|access-key`)
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
	var names []string // service, operation, and what follows
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, _, hasValue := strings.Cut(arg.text, "=")
		switch {
		case len(names) == 2:
			names = append(names, arg.text)
		case !arg.constant:
			return effect | NotUnderstood
		case valued[name]:
			if !hasValue {
				i++
			}
		case plainOptions[name]:
		case strings.HasPrefix(name, "-"):
			return effect | NotUnderstood
		default:
			names = append(names, arg.text)
		}
		if len(names) > 2 {
			break
		}
	}
	if len(names) > 0 && names[0] == "help" || len(names) > 1 && names[1] == "help" {
		return effect | ReadsAWS
	}
	if len(names) < 2 {
		return effect | NotUnderstood
	}
	return effect | fileEffect(names[0], names[1], args) | operationEffect(names[0], names[1], args)
}

// writesConfiguration are operations of the AWS CLI itself that write to a configuration file.
var writesConfiguration = set("eks update-kubeconfig", "codeartifact login")

// fileEffect states whether an operation writes a file on the reader's machine.
func fileEffect(service, operation string, args []word) Effect {
	name := service + " " + operation
	if writesConfiguration[name] {
		return WritesFile
	}
	if operations[name] != 'F' {
		return 0
	}
	switch last := args[len(args)-1]; last.text {
	case "/dev/null", "/dev/stdout", "/dev/stderr":
		return 0
	}
	return WritesFile
}

// awsOptions states what options do that every operation has. The AWS CLI also accepts their beginnings.
func awsOptions(args []word) Effect {
	effect := Effect(0)
	for _, arg := range args {
		name, _, _ := strings.Cut(arg.text, "=")
		switch {
		case len(name) > len("--e") && strings.HasPrefix("--endpoint-url", name),
			len(name) > len("--no-v") && strings.HasPrefix("--no-verify-ssl", name),
			len(name) > len("--c") && strings.HasPrefix("--ca-bundle", name):
			effect |= OtherEndpoint
		case name == "--with-decryption",
			len(name) > len("--d") && strings.HasPrefix("--debug", name): // prints signed headers and answers
			effect |= ShowsSecrets
		}
	}
	return effect
}

// operationEffect states what an operation does.
func operationEffect(service, operation string, args []word) Effect {
	effect := Effect(0)
	if revealing.MatchString(operation) && (!strings.HasPrefix(operation, "list-") && !strings.HasPrefix(operation, "describe-")) {
		effect |= ShowsSecrets
	}
	switch {
	case service == "s3":
		return effect | s3Effect(operation, args)
	case service == "configure", service == "sso", service == "login", service == "logout":
		return effect | MayChangeState | WritesFile
	case operation == "wait", service == "logs" && operation == "tail", service == "logs" && operation == "start-query":
		return effect | ReadsAWS
	case operations[operation] == 'P':
		effect |= ChangesPermissions | ChangesState
		if deleting.MatchString(operation) {
			effect |= Deletes
		}
		return effect
	case reading.MatchString(operation) && operations[operation] != 'W':
		return effect | ReadsAWS
	}
	if identities[service] || strings.Contains(operation, "access-key") || strings.Contains(operation, "login-profile") {
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
	if service == "ssm" && (operation == "send-command" || operation == "start-session") || operation == "execute-command" {
		effect |= RunsCode
	}
	return effect
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
		if len(paths) != 2 || strings.HasPrefix(paths[1], "s3://") || strings.HasPrefix(paths[1], "s3:") {
			effect = ChangesState
		}
		if len(paths) == 2 && paths[1] == "-" {
			effect = ReadsAWS
		}
		if slices.ContainsFunc(args, func(w word) bool { return strings.HasPrefix(w.text, "--del") || !w.constant }) {
			effect |= ChangesState
		}
		if slices.ContainsFunc(args, func(w word) bool { return strings.HasPrefix(w.text, "--del") }) {
			effect |= Deletes
		}
		return effect
	case "rm", "rb":
		return Deletes | ChangesState
	case "mv":
		return Deletes | ChangesState | WritesFile
	}
	return ChangesState
}

// pathsOf returns the arguments of a command of S3 that are paths: the first two after its name, before any option.
func pathsOf(args []word) []string {
	var paths []string
	for i, arg := range args {
		if arg.text == "cp" || arg.text == "sync" {
			for _, path := range args[i+1:] {
				if len(path.text) > 1 && path.text[0] == '-' {
					break
				}
				paths = append(paths, path.text)
			}
			return paths
		}
	}
	return nil
}
