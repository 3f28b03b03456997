// Package config defines the environment of the two Lambda functions. The construct writes it with
// [Orchestrator.Environment] and [Tool.Environment]; the functions read it with [ParseOrchestrator] and
// [ParseTool]. The package also defines the names and limits that the construct and the functions share.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// Names of the orchestrator's environment variables.
const (
	EnvModelID          = "MODEL_ID"
	EnvFallbackModelIDs = "FALLBACK_MODEL_IDS"
	EnvToolFunction     = "TOOL_FUNCTION"
	EnvToolTimeout      = "TOOL_TIMEOUT_SECONDS"
	EnvTable            = "INVESTIGATIONS_TABLE"
	EnvReportsBucket    = "REPORTS_BUCKET"
	EnvTopicARN         = "NOTIFICATION_TOPIC_ARN"
	EnvCardTopicARN     = "CARD_TOPIC_ARN"
	EnvWindow           = "INVESTIGATION_WINDOW_SECONDS"
	EnvMaxRounds        = "MAX_ROUNDS"
	EnvMaxTokens        = "MAX_TOKENS"
	EnvMaxCostUSD       = "MAX_COST_USD"
	EnvMaxQueryCostUSD  = "MAX_QUERY_COST_USD"
	EnvMaxPerDay        = "MAX_PER_DAY"
	EnvMaxCostUSDPerDay = "MAX_COST_USD_PER_DAY"
	EnvAccountNames     = "ACCOUNT_NAMES"
	EnvTimeZone         = "TIME_ZONE"
	EnvConsoleURL       = "CONSOLE_URL"
	EnvGuardrailID      = "GUARDRAIL_ID"
	EnvGuardrailVersion = "GUARDRAIL_VERSION"
	EnvInstructions     = "INSTRUCTIONS"
	EnvInstructionsURI  = "INSTRUCTIONS_URI"
	EnvRunbooksURI      = "RUNBOOKS_URI"
	EnvPrices           = "MODEL_PRICES"
	EnvNotifyRecovery   = "NOTIFY_RECOVERY"
	EnvEventBus         = "EVENT_BUS"
	EnvLogLevel         = "AWS_LAMBDA_LOG_LEVEL"
)

// Names of environment variables of both functions.
const (
	EnvRedact         = "REDACT"
	EnvRedactPatterns = "REDACT_PATTERNS"
	EnvMembers        = "MEMBERS"
)

// Names of the tool's environment variables.
const (
	EnvOpenReads       = "OPEN_READS"
	EnvAllowedActions  = "ALLOWED_ACTIONS"
	EnvDeniedActions   = "DENIED_ACTIONS"
	EnvAllowedAccounts = "ALLOWED_ACCOUNTS"
	EnvDeniedResources = "DENIED_RESOURCES"
)

// ReportsPrefix is the key prefix of every object in the reports bucket.
const ReportsPrefix = "reports/"

// CheckpointsPrefix is the key prefix of checkpoints. It is below ReportsPrefix: one grant covers both.
const CheckpointsPrefix = ReportsPrefix + "checkpoints/"

// SelfAlarmPrefix is the prefix of the names of alarms that monitor AlarmTriage itself. They are never
// investigated.
const SelfAlarmPrefix = "alarmtriage-self-"

// SelfCheckEvent is the event that makes the orchestrator check itself.
const SelfCheckEvent = `{"selfCheck":true}`

// SilentSelfCheckEvent is the event that makes the orchestrator check itself without sending a notification.
const SilentSelfCheckEvent = `{"selfCheck":true,"notify":false}`

// Attributes of the investigations table that the construct defines.
const (
	TableKey = "pk"         // partition key, a string: an alarm's ARN, "fired#" and a time slot, "day#" and a date, "off-switch", or "selfcheck"
	TableTTL = "expires_at" // TTL attribute, in seconds since 1970
)

// The kill switch is an item of the table that people write and delete, so its names never change.
const (
	SwitchKey     = "off-switch" // the item's partition key
	SwitchSetting = "off"        // attribute with one of the following settings
	SwitchModel   = "model"      // no model is asked
	SwitchAll     = "all"        // also, no evidence is collected
)

// SwitchOffCommand returns the command that turns the kill switch on.
func SwitchOffCommand(region, table, setting string) string {
	return fmt.Sprintf(`aws dynamodb put-item --region %s --table-name %s --item '{"%s":{"S":"%s"},"%s":{"S":"%s"}}'`,
		region, table, TableKey, SwitchKey, SwitchSetting, setting)
}

// SwitchOnCommand returns the command that ends the kill switch.
func SwitchOnCommand(region, table string) string {
	return fmt.Sprintf(`aws dynamodb delete-item --region %s --table-name %s --key '{"%s":{"S":"%s"}}'`, region, table, TableKey, SwitchKey)
}

// MaxRounds is the number of model rounds after which an investigation is asked to conclude.
const MaxRounds = 100

// MaxInstructions is the number of bytes of instructions, or of a runbook, that the orchestrator reads from S3.
const MaxInstructions = 64 << 10

// DefaultMaxQueryCostUSD is what AWS may charge for the queries of one investigation, in US dollars: 200 GB
// that CloudWatch Logs Insights scans, or the metrics of 100,000 queries of GetMetricData. Investigations
// usually need a few cents.
const DefaultMaxQueryCostUSD = 1.0

// Numbers of investigations per UTC day.
const (
	// DefaultMaxInvestigationsPerDay is half of the 400 alarms of a large account: on a bad day, more reports
	// about the same incident help nobody.
	DefaultMaxInvestigationsPerDay = 200

	// MaxInvestigationsPerDay is the highest limit. The table holds the ids of a day in one item of at most
	// 400 kB.
	MaxInvestigationsPerDay = 10_000
)

// DefaultMaxConcurrent is how many investigations run at the same time. It drains 400 alarms in less than two hours, which
// is less than the 6 hours for which Lambda keeps their events, and it takes only 1 % of an account's usual 1,000 concurrent
// executions and stays below the rate limits that the evidence shares with the account, such as CloudTrail's.
const DefaultMaxConcurrent = 10

// DefaultMaxCostUSDPerDay is what the investigations of a UTC day may cost, in US dollars: the default number of
// investigations at the cost of a usual one, which is far less than a dollar.
const DefaultMaxCostUSDPerDay = 50.0

// MaxSubject is the longest subject of a notification, in characters: SNS accepts fewer than 100.
const MaxSubject = 99

// Orchestrator is the configuration of the orchestrator function.
type Orchestrator struct {
	ModelID          string        // the first model
	FallbackModelIDs []string      // the models after ModelID, in order; may include ModelID
	ToolFunction     string        // ARN or name
	ToolTimeout      time.Duration // of the tool function
	Table            string
	ReportsBucket    string
	TopicARN         string
	CardTopicARN     string        // empty: no chat cards
	Window           time.Duration // one investigation per alarm and window
	MaxRounds        int           // 1 to 100
	MaxTokens        int           // input plus output of one investigation; 0: no budget
	MaxCostUSD       float64       // 0: no budget
	MaxQueryCostUSD  float64       // what AWS may charge for the queries of one investigation; 0: nothing
	MaxPerDay        int           // investigations that begin on one UTC day; 0: no limit
	MaxCostUSDPerDay float64       // what the investigations that begin on one UTC day may cost; 0: no limit
	GuardrailID      string
	GuardrailVersion string
	Instructions     string // extra text for the model
	InstructionsURI  string // s3://bucket/key of an object with more text for the model
	RunbooksURI      string // s3://bucket/prefix of the runbooks that alarms name
	Prices           string // JSON that overrides the built-in price table
	AccountNames     string // JSON object with names of accounts by their IDs
	TimeZone         string // IANA name of the readers' time zone; empty: UTC
	ConsoleURL       string // template of the links to the console, with {account} and {url}; empty: plain links
	NotifyRecovery   bool   // also notify when the alarm is OK again
	EventBus         string // name or ARN of the bus for completion events; empty: none
	Redact           bool   // remove secrets from events and from the tool's output
	RedactPatterns   string // JSON array of additional regular expressions (RE2)
	Members          Members
}

// Environment returns o as environment variables. Options that are not set are omitted.
func (o Orchestrator) Environment() map[string]string {
	env := map[string]string{
		EnvModelID:       o.ModelID,
		EnvToolFunction:  o.ToolFunction,
		EnvToolTimeout:   seconds(o.ToolTimeout),
		EnvTable:         o.Table,
		EnvReportsBucket: o.ReportsBucket,
		EnvTopicARN:      o.TopicARN,
		EnvWindow:        seconds(o.Window),
		EnvMaxRounds:     strconv.Itoa(o.MaxRounds),

		EnvMaxQueryCostUSD: strconv.FormatFloat(o.MaxQueryCostUSD, 'f', -1, 64),
		EnvMaxPerDay:       strconv.Itoa(o.MaxPerDay),

		EnvMaxCostUSDPerDay: strconv.FormatFloat(o.MaxCostUSDPerDay, 'f', -1, 64),
	}
	optional := map[string]string{
		EnvCardTopicARN:     o.CardTopicARN,
		EnvFallbackModelIDs: strings.Join(o.FallbackModelIDs, ","),
		EnvGuardrailID:      o.GuardrailID,
		EnvGuardrailVersion: o.GuardrailVersion,
		EnvInstructions:     o.Instructions,
		EnvInstructionsURI:  o.InstructionsURI,
		EnvRunbooksURI:      o.RunbooksURI,
		EnvPrices:           o.Prices,
		EnvAccountNames:     o.AccountNames,
		EnvTimeZone:         o.TimeZone,
		EnvConsoleURL:       o.ConsoleURL,
		EnvMembers:          o.Members.text(),
		EnvEventBus:         o.EventBus,
		EnvRedactPatterns:   o.RedactPatterns,
	}
	if !o.Redact {
		optional[EnvRedact] = "false"
	}
	for name, value := range optional {
		if value != "" {
			env[name] = value
		}
	}
	if o.MaxTokens > 0 {
		env[EnvMaxTokens] = strconv.Itoa(o.MaxTokens)
	}
	if o.MaxCostUSD > 0 {
		env[EnvMaxCostUSD] = strconv.FormatFloat(o.MaxCostUSD, 'f', -1, 64)
	}
	if o.NotifyRecovery {
		env[EnvNotifyRecovery] = "true"
	}
	return env
}

// ParseOrchestrator is the inverse of [Orchestrator.Environment]. The error lists every variable that is
// missing or invalid.
func ParseOrchestrator(getenv func(string) string) (Orchestrator, error) {
	p := parser{getenv: getenv}
	o := Orchestrator{
		ModelID:          p.text(EnvModelID),
		FallbackModelIDs: list(getenv(EnvFallbackModelIDs)),
		ToolFunction:     p.text(EnvToolFunction),
		ToolTimeout:      p.seconds(EnvToolTimeout),
		Table:            p.text(EnvTable),
		ReportsBucket:    p.text(EnvReportsBucket),
		TopicARN:         p.text(EnvTopicARN),
		Window:           p.seconds(EnvWindow),
		MaxRounds:        p.number(EnvMaxRounds, 1, MaxRounds, MaxRounds),
		MaxTokens:        p.number(EnvMaxTokens, 0, 1<<40, 0),
		MaxCostUSD:       p.dollars(EnvMaxCostUSD, 0),
		MaxQueryCostUSD:  p.dollars(EnvMaxQueryCostUSD, DefaultMaxQueryCostUSD),
		MaxPerDay:        p.number(EnvMaxPerDay, 0, MaxInvestigationsPerDay, DefaultMaxInvestigationsPerDay),
		MaxCostUSDPerDay: p.dollars(EnvMaxCostUSDPerDay, DefaultMaxCostUSDPerDay),
		AccountNames:     getenv(EnvAccountNames),
		TimeZone:         getenv(EnvTimeZone),
		ConsoleURL:       getenv(EnvConsoleURL),
		Members:          p.members(),
		CardTopicARN:     getenv(EnvCardTopicARN),
		GuardrailID:      getenv(EnvGuardrailID),
		GuardrailVersion: getenv(EnvGuardrailVersion),
		Instructions:     getenv(EnvInstructions),
		InstructionsURI:  getenv(EnvInstructionsURI),
		RunbooksURI:      getenv(EnvRunbooksURI),
		Prices:           getenv(EnvPrices),
		NotifyRecovery:   getenv(EnvNotifyRecovery) == "true",
		EventBus:         getenv(EnvEventBus),
		Redact:           getenv(EnvRedact) != "false",
		RedactPatterns:   getenv(EnvRedactPatterns),
	}
	return o, errors.Join(p.problems...)
}

// Tool is the configuration of the tool function.
type Tool struct {
	Redact         bool
	RedactPatterns string             // JSON array of additional regular expressions (RE2)
	OpenReads      []toolpolicy.Group // groups of sensitive reads that are not denied
	AllowedActions []string           // IAM actions, with wildcards, that the broker forwards in addition to reads
	DeniedActions  []string           // IAM actions, with wildcards, that the broker refuses in addition to its list

	AllowedAccounts []string // other accounts whose resources the code may read
	DeniedResources []string // ARNs, with wildcards, of resources that the code must not read

	Members Members
}

// Environment returns t as environment variables. Options that are not set are omitted.
func (t Tool) Environment() map[string]string {
	env := map[string]string{EnvRedact: strconv.FormatBool(t.Redact)}
	for name, value := range map[string]string{
		EnvRedactPatterns: t.RedactPatterns,
		EnvOpenReads:      strings.Join(textsOf(t.OpenReads), ","),
		EnvAllowedActions: strings.Join(t.AllowedActions, ","),
		EnvDeniedActions:  strings.Join(t.DeniedActions, ","),

		EnvAllowedAccounts: strings.Join(t.AllowedAccounts, ","),
		EnvDeniedResources: strings.Join(t.DeniedResources, "\n"), // a name in an ARN may contain a comma

		EnvMembers: t.Members.text(),
	} {
		if value != "" {
			env[name] = value
		}
	}
	return env
}

// ParseTool is the inverse of [Tool.Environment]. Redaction is on unless it was turned off.
func ParseTool(getenv func(string) string) (Tool, error) {
	p := parser{getenv: getenv}
	t := Tool{
		Redact:         getenv(EnvRedact) != "false",
		RedactPatterns: getenv(EnvRedactPatterns),
		OpenReads:      groupsOf(list(getenv(EnvOpenReads))),
		AllowedActions: list(getenv(EnvAllowedActions)),
		DeniedActions:  list(getenv(EnvDeniedActions)),

		AllowedAccounts: list(getenv(EnvAllowedAccounts)),
		DeniedResources: lines(getenv(EnvDeniedResources)),

		Members: p.members(),
	}
	return t, errors.Join(p.problems...)
}

// lines splits a text at its line breaks. It returns nil for an empty text.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// textsOf returns the names of groups.
func textsOf(groups []toolpolicy.Group) []string {
	var names []string
	for _, group := range groups {
		names = append(names, string(group))
	}
	return names
}

// groupsOf returns the groups with these names.
func groupsOf(names []string) []toolpolicy.Group {
	var groups []toolpolicy.Group
	for _, name := range names {
		groups = append(groups, toolpolicy.Group(name))
	}
	return groups
}

// list splits text at commas and spaces.
func list(text string) []string {
	if fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }); len(fields) > 0 {
		return fields
	}
	return nil
}

// Account returns the account of the triage, which the ARN of its tool function contains, or an empty string if only the
// function's name is configured.
func (o Orchestrator) Account() string {
	parts := strings.Split(o.ToolFunction, ":")
	if len(parts) < 7 || parts[0] != "arn" {
		return ""
	}
	return parts[4]
}

// ModelIDs returns the models in the order in which they are asked, each once.
func (o Orchestrator) ModelIDs() []string {
	var ids []string
	for _, id := range append([]string{o.ModelID}, o.FallbackModelIDs...) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Names parses the value of [EnvAccountNames].
func Names(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	var names map[string]string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("environment variable %s must be a JSON object with names of accounts by their IDs: %w", EnvAccountNames, err)
	}
	return names, nil
}

// Patterns parses the value of [EnvRedactPatterns].
func Patterns(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var patterns []string
	if err := json.Unmarshal([]byte(text), &patterns); err != nil {
		return nil, fmt.Errorf("environment variable %s must be a JSON array of regular expressions: %w", EnvRedactPatterns, err)
	}
	return patterns, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

type parser struct {
	getenv   func(string) string
	problems []error
}

func (p *parser) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

func (p *parser) text(name string) string {
	value := p.getenv(name)
	if value == "" {
		p.problem("environment variable %s is not set", name)
	}
	return value
}

func (p *parser) seconds(name string) time.Duration {
	n := p.number(name, 1, 7*24*3600, 0)
	if n == 0 && p.getenv(name) == "" {
		p.problem("environment variable %s is not set", name)
	}
	return time.Duration(n) * time.Second
}

func (p *parser) number(name string, low, high, otherwise int) int {
	value := p.getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := wholeNumber(value)
	if err != nil || n < low || n > high {
		p.problem("environment variable %s must be a whole number from %d to %d, got %q", name, low, high, value)
		return otherwise
	}
	return n
}

// wholeNumber parses a number. That of a parameter of CloudFormation can also be written as 60.0, 1e3, or 1.5, which is rounded
// up, because 0 often means that there is no limit.
func wholeNumber(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err == nil {
		return n, nil
	}
	f, notNumber := strconv.ParseFloat(value, 64)
	if notNumber != nil || !(math.Abs(f) <= 1<<53) {
		return 0, err
	}
	return int(math.Ceil(f)), nil
}

func (p *parser) dollars(name string, otherwise float64) float64 {
	value := p.getenv(name)
	if value == "" {
		return otherwise
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || !(f >= 0) || math.IsInf(f, 0) {
		p.problem("environment variable %s must be a number of US dollars, got %q", name, value)
		return otherwise
	}
	return f
}
