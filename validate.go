package alarmtriage

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmjs"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/pricing"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/timezone"
)

// Bounds of the props.
const (
	maxPrefixLength       = 20 // characters; a function's name has at most 64
	maxAffixesLength      = 35 // characters of prefix and suffix; a bucket's name has at most 63
	maxInstructionsLength = 2000
	maxAccountName        = 50 // characters
	maxTags               = 50 // of a resource ("Tag naming limits and requirements" of AWS)
	minMaxTokens          = 10_000
	maxToolLayers         = 4       // a function has at most 5 ("Lambda quotas"), and the harness is one
	unbounded             = 1 << 40 // upper bound of numbers that only have a lower bound

	// A Lambda function's environment has at most 4,096 bytes as JSON ("Lambda quotas"). These are the
	// bytes that remain for texts if all other variables have their maximum length. A test checks them.
	maxOrchestratorTexts = 2400 // fewer than fit, as a reserve for new variables
	maxToolTexts         = 3800

	// maxDeniedResources is the number of bytes of ToolDeniedResources as JSON. All inline policies of a role have at most
	// 10,240 characters ("IAM and STS character limits"), and withParts returns three ARNs for each. The rest is for
	// ToolAllowedActions and the network of a VPC.
	maxDeniedResources = 2300
)

var (
	affixPattern     = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)
	guardrailID      = regexp.MustCompile(`^([a-z0-9]+|arn:[^:\s*?$]+:bedrock:[^:\s*?$]*:[^:\s*?$]*:guardrail/[^\s*?$]+)$`)
	guardrailVersion = regexp.MustCompile(`^([1-9][0-9]*|DRAFT)$`)
	arnPattern       = regexp.MustCompile(`^arn:[a-z*-]+:[a-z0-9-]+:[a-z0-9*?-]*:[0-9*?]*:[^\s]+$`)
	tagKeyPattern    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$`) // "Tag naming limits and requirements" of AWS
	tagValuePattern  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
	iamResource      = regexp.MustCompile(`^[a-z-]+/`)
	actionPattern    = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z0-9*]+$`) // CDK rejects IAM's wildcard ?
)

// validate returns every problem of the props as the user passed them, sorted. The groups are those of
// AlarmTriageProps. scope may be invalid.
func validate(scope constructs.Construct, p *AlarmTriageProps) []string {
	if p == nil {
		return []string{"props are missing: AlarmTriageProps needs at least NotificationTopic"}
	}
	var l problems
	if p.NotificationTopic == nil {
		l.add("NotificationTopic is required: the awssns.ITopic that receives the reports")
	}
	l.models(scope, p)
	l.instructions(p)
	l.givenARNs(scope, p)
	l.limits(p)
	l.functions(p)
	l.namesAndTags(p)
	l.storage(p)
	l.logs(p)
	l.network(scope, p)
	l.permissions(p)
	l.partition(scope, "ToolDeniedResources", p.ToolDeniedResources)
	l.members(scope, p.Members)
	l.membersDenied(scope, p)
	l.networkDenied(p)
	l.notifications(p)
	l.monitoring(p)
	l.environments(withOwnElsewhere(scope, p))
	l.places(scope, givenResources(p))
	l.bedrockPlaces(scope, p)
	slices.Sort(l)
	return l
}

// problems collects the problems of props, each as "Prop must …, got …".
type problems []string

func (l *problems) add(format string, args ...any) {
	*l = append(*l, fmt.Sprintf(format, args...))
}

func (l *problems) number(prop string, value *float64, low, high float64) {
	if value == nil || unresolved(value) {
		return
	}
	if *value != math.Trunc(*value) || *value < low || *value > high {
		if high == unbounded {
			l.add("%s must be a whole number of at least %v, got %v", prop, low, *value)
			return
		}
		l.add("%s must be a whole number between %v and %v, got %v", prop, low, high, *value)
	}
}

// The schedules of an event rule ("Schedule expressions", Amazon EventBridge User Guide). The unit of a rate agrees with its number,
// and the third or the fifth field of a cron expression, which select days, is a question mark.
var (
	ratePattern = regexp.MustCompile(`^rate\((?:1 (?:minute|hour|day)|(?:[2-9]|[1-9][0-9]+) (?:minute|hour|day)s)\)$`)
	cronPattern = regexp.MustCompile(strings.ReplaceAll(`^cron\(F F (?:\? F F|F F \?) F\)$`, "F", `[0-9A-Za-z,*/?#-]+`))
)

// cronFields are the fields of a cron expression: the bounds of their numbers, and the names and letters that they may have.
var cronFields = []struct {
	low, high int
	words     string
}{
	{0, 59, ""}, {0, 23, ""}, {1, 31, "L W LW"}, {1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"},
	{1, 7, "L SUN MON TUE WED THU FRI SAT SUNL MONL TUEL WEDL THUL FRIL SATL"}, {1970, 2199, ""},
}

// cronPart matches a number or a word in a field of a cron expression, with the slash of an increment, or the # of a weekday's occurrence.
var cronPart = regexp.MustCompile(`([/#]?)([0-9]+|[A-Za-z]+)`)

// isCron reports whether a cron expression of the right form has possible numbers and names in each field.
func isCron(expression string) bool {
	fields := strings.Fields(strings.Trim(strings.TrimPrefix(expression, "cron"), "()"))
	for i, field := range fields {
		allowed := cronFields[i]
		for _, part := range cronPart.FindAllStringSubmatch(field, -1) {
			if part[1] != "" {
				continue
			}
			n, err := strconv.Atoi(part[2])
			if err == nil && (n < allowed.low || n > allowed.high) || err != nil && !slices.Contains(strings.Fields(allowed.words), strings.ToUpper(part[2])) {
				return false
			}
		}
	}
	return true
}

// convertible checks that CDK can convert a duration whose value is a token to a unit.
func (l *problems) convertible(prop, unit string, convert func()) {
	if errorOf(convert) != "" {
		l.add("%s must be a %s if its value is a token, because CDK can't convert tokens", prop, unit)
	}
}

func (l *problems) seconds(prop string, value awscdk.Duration, low, high float64, bounds string) {
	if value == nil {
		return
	}
	if *value.IsUnresolved() {
		l.convertible(prop, "Duration_Seconds", func() { value.ToSeconds(nil) })
		return
	}
	seconds := *value.ToSeconds(&awscdk.TimeConversionOptions{Integral: jsii.Bool(false)})
	if seconds < low || seconds > high {
		l.add("%s must be between %s, got %s", prop, bounds, *value.ToHumanString())
	} else if seconds != float64(int64(seconds)) { // the text for people omits parts of a second
		l.add("%s must be a whole number of seconds, got %v seconds", prop, seconds)
	}
}

func (l *problems) oneOf(prop, value string, allowed ...string) {
	switch {
	case value == "" || slices.Contains(allowed, value):
	case unresolved(value):
		l.add("%s must be one of %s, got a token: it must be known at synth", prop, strings.Join(allowed, ", "))
	default:
		l.add("%s must be one of %s, got %q", prop, strings.Join(allowed, ", "), value)
	}
}

// unresolved reports whether a value is not known at synth: it contains tokens or, if it is a text, dynamic references of
// CloudFormation.
func unresolved(value any) bool {
	switch v := value.(type) {
	case *string:
		if v != nil {
			return unresolved(*v)
		}
	case string:
		if isDynamicReference(v) || !mayBeToken(v) {
			return isDynamicReference(v)
		}
	case *[]*string:
		if v != nil && !slices.ContainsFunc(*v, func(text *string) bool { return text != nil && mayBeToken(*text) }) {
			return false
		}
	case *float64:
		if v != nil && !mayBeNumberToken(*v) {
			return false
		}
	case float64:
		if !mayBeNumberToken(v) {
			return false
		}
	}
	return *awscdk.Token_IsUnresolved(value)
}

// isDynamicReference reports whether a text contains a dynamic reference, such as {{resolve:ssm:/name}}, which CloudFormation replaces.
func isDynamicReference(text string) bool { return strings.Contains(text, "{{resolve:") }

var dynamicReference = regexp.MustCompile(`\{\{resolve:[^{}]*\}\}`)

// arnFields returns the fields of an ARN. The colons of a dynamic reference separate none.
func arnFields(arn string) []string {
	const colon = "\x00"
	fields := strings.Split(dynamicReference.ReplaceAllStringFunc(arn, func(reference string) string { return strings.ReplaceAll(reference, ":", colon) }), ":")
	for i, field := range fields {
		fields[i] = strings.ReplaceAll(field, colon, ":")
	}
	return fields
}

// mayBeToken reports whether a text may contain a token, which CDK writes as `${Token[…]}`, and `#{Token[…]}` in a list. Each
// question to CDK is a message to its Node process.
func mayBeToken(text string) bool { return strings.Contains(text, "{Token[") }

// mayBeNumberToken reports whether a number may be a token, which CDK writes as a negative number near the limit of float64.
// JSON, and with it a message to CDK, has no infinity.
func mayBeNumberToken(number float64) bool {
	const aboveTokens = -1e280
	return number < aboveTokens && !math.IsInf(number, 0)
}

// validateScope returns every problem of the arguments of a function that creates a construct, other than its props.
func validateScope(function string, scope constructs.Construct, id *string) []string {
	var l problems
	if deref(id) == "" {
		l.add("%s needs an id, which is unique within its scope, got none", function)
	}
	switch problem := scopeProblem(scope); {
	case problem != "":
		l.add("%s needs a scope%s", function, problem)
	case deref(id) != "" && scope.Node().TryFindChild(id) != nil:
		l.add("%s needs an id that is unique within its scope %s, got %q, which exists: choose another one", function, *scope.Node().Path(), *id)
	}
	return l
}

// scopeProblem returns what is wrong with the scope of a construct, or an empty string if it is valid.
func scopeProblem(scope constructs.Construct) string {
	switch {
	case isNil(scope):
		return ", such as a stack, got nil"
	case !slices.ContainsFunc(*scope.Node().Scopes(), func(c constructs.IConstruct) bool { return *awscdk.Stack_IsStack(c) }):
		got := "the app"
		if path := *scope.Node().Path(); path != "" {
			got = fmt.Sprintf("%q", path)
		}
		return fmt.Sprintf(" that is a stack or within one, got %s, which contains the stacks: create a stack with awscdk.NewStack, and pass it", got)
	}
	return ""
}

// models checks the models, their guardrail, and their prices.
func (l *problems) models(scope constructs.Construct, p *AlarmTriageProps) {
	if g := p.Guardrail; g != nil && (g.GuardrailId == nil || g.GuardrailVersion == nil) {
		l.add("Guardrail must have GuardrailId and GuardrailVersion")
	} else if g != nil && !unresolved(g.GuardrailId) && !guardrailID.MatchString(*g.GuardrailId) { // an empty one would turn it off
		l.add("Guardrail.GuardrailId must be the ID or the ARN of a guardrail, got %q", *g.GuardrailId)
	} else if g != nil && !unresolved(g.GuardrailVersion) && !guardrailVersion.MatchString(*g.GuardrailVersion) {
		l.add("Guardrail.GuardrailVersion must be a number or DRAFT, got %q", *g.GuardrailVersion)
	}
	l.prices(p)
	ids := l.modelNames(p, regionOf(scope))
	if p.MaxCostUsd != nil {
		l.pricesFor("MaxCostUsd", "MaxTokens", p.ModelPrices, ids)
	}
	if usd := p.MaxCostUsdPerDay; usd != nil && *usd != 0 {
		l.pricesFor("MaxCostUsdPerDay", "MaxInvestigationsPerDay", p.ModelPrices, ids)
	}
}

// pricesFor checks that a limit of money knows the price of each model.
func (l *problems) pricesFor(prop, instead string, prices *map[string]*ModelPrice, ids []string) {
	known := priceKeys(prices)
	for _, id := range ids {
		if _, found := known.Lookup(id); !found && !unresolved(id) {
			l.add("%s needs the price of each model, and the built-in table has none for %q: add it to ModelPrices, or set "+
				"%s instead", prop, id, instead)
		}
	}
}

// modelNames checks the names of the models and returns the valid ones.
func (l *problems) modelNames(p *AlarmTriageProps, region string) (ids []string) {
	check := func(prop string, id *string) {
		switch {
		case id == nil || !mayBeToken(*id) && !isModelName(*id):
			l.add("%s must be a model ID, an inference profile ID, or a Bedrock ARN, got %q%s", prop, deref(id), idOfName(deref(id), region))
		case slices.Contains(ids, *id):
			l.add("%s must name each model once, got %q twice", prop, *id)
		default:
			ids = append(ids, *id)
		}
	}
	if p.BedrockModelId != nil {
		check("BedrockModelId", p.BedrockModelId)
	}
	list := p.FallbackModelIds
	switch {
	case list == nil:
	case unresolved(list):
		l.add("FallbackModelIds must be a list whose length is known at synth, because the role names each model, got a token: " +
			"its elements may be tokens")
	case len(*list) >= maxModels:
		l.add("FallbackModelIds must contain at most %d models, got %d", maxModels-1, len(*list))
	default:
		for _, id := range *list {
			check("FallbackModelIds", id)
		}
		if first := defaultModel(p, region); first != "" && len(*list) == 1 && deref((*list)[0]) == first {
			l.add("FallbackModelIds must name another model than %q, the default of BedrockModelId, which is asked first: an empty list means no other "+
				"model", first)
		}
	}
	return ids
}

// defaultModel returns the model that is asked first if it is a default and the Region is known, or an empty string.
func defaultModel(p *AlarmTriageProps, region string) string {
	if p.BedrockModelId != nil || region == "" {
		return ""
	}
	defaults, _ := models.Defaults(region)
	if len(defaults) == 0 {
		return ""
	}
	return defaults[0]
}

// idOfName returns the ID of a model of the catalog that somebody named as its provider does, such as "Claude Sonnet 4.5"; else
// an example of an ID. Both are IDs for the Region, if it is known.
func idOfName(name, region string) string {
	for _, model := range models.All() {
		if !strings.EqualFold(strings.TrimSpace(name), model.Name) || isRetired(model) {
			continue
		}
		id := model.ID + model.Suffix
		if model.InRegion {
			return fmt.Sprintf(": the ID of this model is %s (docs/models.md)", id)
		}
		var ids []string // a geographic profile before the global one
		for _, profile := range model.Profiles {
			with := models.Parse(profile + "." + id)
			if region == "" || with.Geographic() && with.InvokableFrom(region) {
				ids = append(ids, profile+"."+id)
			}
		}
		if len(ids) == 0 {
			ids = []string{cmp.Or(strings.Join(idsOf(model, models.ID{}, region), " or "), id)}
		}
		return fmt.Sprintf(": the ID of this model is %s (docs/models.md)", strings.Join(ids, " or "))
	}
	defaults, _ := models.Defaults(cmp.Or(region, "us-east-1"))
	if len(defaults) == 0 {
		return ": docs/models.md lists them"
	}
	return fmt.Sprintf(": use an ID such as %s (docs/models.md)", defaults[0])
}

// isModelName reports whether a text can name a model. Bedrock's IDs are visible ASCII. Commas separate the models in the function's
// environment, and wildcards would let the role invoke other models.
func isModelName(id string) bool {
	const first, last = '!', '~' // of the visible characters of ASCII
	other := func(r rune) bool { return r < first || r > last || strings.ContainsRune(",*?", r) }
	return id != "" && !strings.ContainsFunc(id, other) && (!strings.HasPrefix(id, "arn:") || bedrockARN.MatchString(id))
}

// lookaround finds what other regular expressions have and RE2 does not.
var lookaround = regexp.MustCompile(`\(\?(<?[=!]|>)|\\[1-9]`)

// adviceOfPattern returns what to do about a pattern that RE2 rejects, or "".
func adviceOfPattern(pattern string) string {
	if lookaround.MatchString(pattern) {
		return "; RE2 has no lookarounds, atomic groups, and references to groups: match the text around the secret, too"
	}
	return ""
}

func (l *problems) prices(p *AlarmTriageProps) {
	if p.ModelPrices == nil {
		return
	}
	for model, price := range *p.ModelPrices {
		if price == nil || price.Input == nil || price.Output == nil {
			l.add("ModelPrices must have Input and Output for %q", model)
			continue
		}
		for _, value := range []*float64{price.Input, price.Output, price.CacheRead, price.CacheWrite} {
			if value != nil && !unresolved(value) && !(*value >= 0 && *value < math.Inf(1)) {
				l.add("ModelPrices must be at least 0, got %v for %q", *value, model)
			}
		}
	}
}

// priceKeys returns a price table with the same models as the orchestrator's. The user's prices in it are
// 0, because some of them may be tokens.
func priceKeys(prices *map[string]*ModelPrice) pricing.Table {
	override := map[string]struct{}{}
	if prices != nil {
		for model := range *prices {
			override[model] = struct{}{}
		}
	}
	text, err := json.Marshal(override)
	if err != nil { // names always marshal
		panic(err)
	}
	table, err := pricing.Parse(string(text))
	if err != nil {
		panic(fmt.Sprintf("alarmtriage: ModelPrices: %v", err))
	}
	return table
}

// instructions checks the instructions and the runbooks.
func (l *problems) instructions(p *AlarmTriageProps) {
	if text := p.Instructions; text != nil && !unresolved(text) {
		if n := len([]rune(*text)); n > maxInstructionsLength {
			l.add("Instructions must have at most %d characters, got %d", maxInstructionsLength, n)
		}
		if !isText(*text) {
			l.add("Instructions must be a text in UTF-8 without NUL characters, because it is in the function's environment")
		}
	}
	if p.InstructionsFile != nil && p.InstructionsObject != nil {
		l.add("InstructionsFile can't be combined with InstructionsObject")
	}
	if file := p.InstructionsFile; file != nil {
		l.textFile("InstructionsFile", *file)
	}
	if o := p.InstructionsObject; o != nil && (o.Bucket == nil || deref(o.Key) == "") {
		l.add("InstructionsObject must have Bucket and Key")
	} else if o != nil && !unresolved(o.Key) && !isObjectKey(*o.Key) {
		l.add("InstructionsObject.Key must be the key of an object in Bucket such as \"triage/instructions.md\", without s3://, the bucket's name, and "+
			"a slash at its beginning or end, got %q", *o.Key)
	} else if o != nil {
		l.literal("InstructionsObject.Key", *o.Key)
	}
	if p.Runbooks == nil {
		return
	}
	if p.Runbooks.Bucket == nil {
		l.add("Runbooks must have a Bucket")
	}
	if prefix := p.Runbooks.Prefix; prefix != nil && !unresolved(prefix) && !isFolder(*prefix) {
		l.add("Runbooks.Prefix must end with / and not begin with it, got %q", *prefix)
	} else if prefix != nil && !unresolved(prefix) && strings.Contains(*prefix, "://") {
		l.add("Runbooks.Prefix must be the beginning of keys in Bucket such as \"runbooks/\", without s3:// and the bucket's name, got %q", *prefix)
	} else if prefix != nil {
		l.literal("Runbooks.Prefix", *prefix)
	}
}

// isLiteral reports whether IAM takes a text in the ARN of a resource literally. Otherwise, the role could use other resources, too.
func isLiteral(text string) bool {
	known := tokens.ReplaceAllString(text, "") // other parts may be tokens
	return !strings.ContainsAny(known, "*?") && !strings.Contains(known, "${")
}

// isInPolicies reports whether IAM accepts the characters of a text in a policy ("IAM and AWS STS quotas").
func isInPolicies(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxLatin1 })
}

// literal checks the key of an object, or the beginning of keys.
func (l *problems) literal(prop, text string) {
	switch {
	case !isLiteral(text):
		l.add("%s must not contain *, ?, and ${, which IAM does not take literally in the policy of the orchestrator's role, got %q: rename the objects", prop, text)
	case !isInPolicies(text):
		l.add("%s must only contain characters of ISO 8859-1 (Latin-1), because the policy of the orchestrator's role contains it and IAM rejects others, got %q: "+
			"rename the objects", prop, text)
	}
}

// literalARN checks the ARN of a resource.
func (l *problems) literalARN(prop, arn string) {
	if !isLiteral(arn) {
		l.add("%s must be one resource, got the ARN %q, whose wildcards or variables IAM does not take literally in the policy of the orchestrator's role", prop, arn)
	}
}

// arnForm is the form of the ARNs of a kind of resource, with an example. CDK imports a resource with any ARN.
type arnForm struct {
	example string
	pattern *regexp.Regexp
}

// regionalForm returns the form of ARNs of a service that have a Region and an account.
func regionalForm(service, resource, example string) arnForm {
	return arnForm{"arn:aws:" + service + ":eu-west-1:111122223333:" + example,
		regexp.MustCompile(`^arn:aws[a-z-]*:` + service + `:[a-z0-9-]+:[0-9]{12}:` + resource + `$`)}
}

var (
	topicForm  = regionalForm("sns", `[A-Za-z0-9_-]+(?:\.fifo)?`, "oncall")
	busForm    = regionalForm("events", `event-bus/[A-Za-z0-9._/-]+`, "event-bus/triage")
	queueForm  = regionalForm("sqs", `[A-Za-z0-9_-]+(?:\.fifo)?`, "failed-events")
	tableForm  = regionalForm("dynamodb", `table/[A-Za-z0-9_.-]+`, "table/investigations")
	keyForm    = regionalForm("kms", `(?:key|alias)/.+`, "key/1234abcd-12ab-34cd-56ef-1234567890ab")
	bucketForm = arnForm{"arn:aws:s3:::reports", regexp.MustCompile(`^arn:aws[a-z-]*:s3:::[A-Za-z0-9._-]+$`)}
	layerForm  = arnForm{"arn:aws:lambda:eu-west-1:111122223333:layer:tools:1",
		regexp.MustCompile(`^arn:aws[a-z-]*:lambda:(?:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+|::awslayer:[A-Za-z0-9_-]+)$`)} // some of AWS's
	policyForm = arnForm{"arn:aws:iam::111122223333:policy/boundary", regexp.MustCompile(`^arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/.+$`)}
)

// isUnknown reports whether a part of a text is not known at synth: it may contain tokens, dynamic references of CloudFormation, or a
// parameter that CDK has not looked up yet.
func isUnknown(text string) bool {
	return mayBeToken(text) || isDynamicReference(text) || strings.Contains(text, lookupPlaceholder)
}

// arnOf checks the form of a resource's ARN, and its partition, if they are known at synth. region is the stack's; the check of
// places reports another one.
func (l *problems) arnOf(prop, arn string, form arnForm, region string) {
	if isUnknown(arn) {
		return
	}
	if !form.pattern.MatchString(arn) {
		l.add("%s must have an ARN such as %q, got %q", prop, form.example, arn)
		return
	}
	parts := strings.Split(arn, ":")
	if partition := alarmevent.PartitionOf(region); region != "" && (parts[3] == region || parts[3] == "") && parts[1] != partition {
		l.add("%s must be in the stack's partition %s, got %q", prop, partition, arn)
	}
}

// givenARNs checks the ARNs of resources, which may be imported, that the functions use.
func (l *problems) givenARNs(scope constructs.Construct, p *AlarmTriageProps) {
	region := regionOf(scope)
	check := func(prop string, resource constructs.IConstruct, form arnForm, arn func() *string) {
		switch {
		case isNil(resource):
		case !isLiteral(*arn()):
			l.literalARN(prop, *arn())
		default:
			l.arnOf(prop, *arn(), form, region)
		}
	}
	check("NotificationTopic", p.NotificationTopic, topicForm, func() *string { return p.NotificationTopic.TopicArn() })
	check("ChatCardTopic", p.ChatCardTopic, topicForm, func() *string { return p.ChatCardTopic.TopicArn() })
	check("SelfAlarmTopic", p.SelfAlarmTopic, topicForm, func() *string { return p.SelfAlarmTopic.TopicArn() })
	check("CompletionEventBus", p.CompletionEventBus, busForm, func() *string { return p.CompletionEventBus.EventBusArn() })
	check("OnFailureQueue", p.OnFailureQueue, queueForm, func() *string { return p.OnFailureQueue.QueueArn() })
	check("InvestigationsTable", p.InvestigationsTable, tableForm, func() *string { return p.InvestigationsTable.TableArn() })
	if p.ToolLayers != nil {
		for _, layer := range *p.ToolLayers {
			check("ToolLayers", layer, layerForm, func() *string { return layer.LayerVersionArn() })
		}
	}
	check("PermissionsBoundary", p.PermissionsBoundary, policyForm, func() *string { return p.PermissionsBoundary.ManagedPolicyArn() })
	ofKey := func(prop string, key awskms.IKey) {
		check(prop, key, keyForm, func() *string { return key.KeyArn() })
	}
	ofBucket := func(prop string, bucket awss3.IBucket) {
		if !isNil(bucket) {
			check(prop, bucket, bucketForm, func() *string { return bucket.BucketArn() })
			ofKey("the key of "+prop, bucket.EncryptionKey())
		}
	}
	ofKey("ReportsEncryptionKey", p.ReportsEncryptionKey)
	ofKey("TableEncryptionKey", p.TableEncryptionKey)
	ofKey("TopicEncryptionKey", p.TopicEncryptionKey)
	ofKey("LogsEncryptionKey", p.LogsEncryptionKey)
	ofKey("the key of NotificationTopic", masterKey(p.NotificationTopic))
	ofKey("the key of ChatCardTopic", masterKey(p.ChatCardTopic))
	ofBucket("ReportsBucket", p.ReportsBucket)
	if o := p.InstructionsObject; o != nil {
		ofBucket("InstructionsObject", o.Bucket)
	}
	if p.Runbooks != nil {
		ofBucket("Runbooks", p.Runbooks.Bucket)
	}
	if queue := p.OnFailureQueue; !isNil(queue) {
		ofKey("the key of OnFailureQueue", queue.EncryptionMasterKey())
	}
	if table := p.InvestigationsTable; !isNil(table) {
		ofKey("the key of InvestigationsTable", table.EncryptionKey())
	}
	if g := p.Guardrail; g != nil && g.GuardrailId != nil && unresolved(g.GuardrailId) {
		l.literalARN("Guardrail.GuardrailId", *g.GuardrailId)
	}
}

// isObjectKey reports whether a text looks like the key of an object, not like an address, a path, or a folder.
func isObjectKey(key string) bool {
	return !strings.Contains(key, "://") && !strings.HasPrefix(key, "/") && !strings.HasSuffix(key, "/")
}

// textFile checks that a file exists and contains a text that the orchestrator reads as a whole. CDK resolves relative paths
// against the working directory, too.
func (l *problems) textFile(prop, file string) {
	if unresolved(file) {
		l.add("%s must be a path that is known at synth, got a token: use InstructionsObject for a text that is not a file of the app", prop)
		return
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && filepath.IsAbs(file):
		l.add("%s %q does not exist", prop, file)
	case errors.Is(err, fs.ErrNotExist):
		directory, _ := os.Getwd() // without it, the message is shorter
		l.add("%s %q does not exist in %s, the directory in which the app runs: use a path that is relative to it, or an absolute one", prop, file, directory)
	case err != nil:
		l.add("%s must be the path of a text file: %v", prop, err)
	case info.IsDir():
		l.add("%s must be the path of a text file, got the directory %q", prop, file)
	case info.Size() > config.MaxInstructions:
		l.add("%s must have at most %d bytes, because the orchestrator reads no more, and %q has %d: shorten it, or move what concerns single "+
			"alarms to Runbooks", prop, config.MaxInstructions, file, info.Size())
	default:
		l.text(prop, file)
	}
}

// text checks the content of a small file.
func (l *problems) text(prop, file string) {
	switch content, err := os.ReadFile(file); {
	case err != nil:
		l.add("%s must be the path of a text file: %v", prop, err)
	case strings.TrimSpace(string(content)) == "":
		l.add("%s must contain a text, and %q is empty: write the instructions, or omit %s", prop, file, prop)
	case !isText(string(content)):
		l.add("%s must be a text in UTF-8, and %q is not: convert it, or use another file", prop, file)
	}
}

// isText reports whether a text is valid UTF-8 without NUL characters.
func isText(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func isFolder(prefix string) bool {
	return prefix != "" && !strings.HasPrefix(prefix, "/") && strings.HasSuffix(prefix, "/")
}

// limits checks the limits of investigations.
func (l *problems) limits(p *AlarmTriageProps) {
	l.seconds("InvestigationWindow", p.InvestigationWindow, 60, 7*24*3600, "1 minute and 7 days")
	l.number("MaxRounds", p.MaxRounds, 1, config.MaxRounds)
	l.number("MaxTokens", p.MaxTokens, minMaxTokens, unbounded)
	l.number("MaxConcurrentInvestigations", p.MaxConcurrentInvestigations, 0, unbounded)
	if usd := p.MaxCostUsd; usd != nil && !unresolved(usd) && !(*usd > 0 && *usd < math.Inf(1)) {
		l.add("MaxCostUsd must be more than 0, got %v", *usd)
	}
	l.number("MaxInvestigationsPerDay", p.MaxInvestigationsPerDay, 0, config.MaxInvestigationsPerDay)
	if usd := p.MaxCostUsdPerDay; usd != nil && !unresolved(usd) && !(*usd >= 0 && *usd < math.Inf(1)) {
		l.add("MaxCostUsdPerDay must be at least 0, got %v", *usd)
	}
	if usd := p.MaxQueryCostUsd; usd != nil && !unresolved(usd) && !(*usd > 0 && *usd < math.Inf(1)) {
		l.add("MaxQueryCostUsd must be more than 0, got %v", *usd)
	}
}

// functions checks the settings of the two functions.
func (l *problems) functions(p *AlarmTriageProps) {
	l.seconds("OrchestratorTimeout", p.OrchestratorTimeout, 60, 900, "60 and 900 seconds")
	l.number("OrchestratorMemorySize", p.OrchestratorMemorySize, 128, 10240)
	l.seconds("ToolTimeout", p.ToolTimeout, 10, 900, "10 and 900 seconds")
	l.number("ToolMemorySize", p.ToolMemorySize, 512, 10240)
	l.number("ToolReservedConcurrentExecutions", p.ToolReservedConcurrentExecutions, 1, unbounded)
	if a := p.Architecture; !isNil(a) {
		l.oneOf("Architecture", *a.Name(), *awslambda.Architecture_ARM_64().Name(), *awslambda.Architecture_X86_64().Name())
	}
	l.layers(p.ToolLayers)
	if p.ToolLayers != nil && len(*p.ToolLayers) > maxToolLayers {
		l.add("ToolLayers must contain at most %d layers, because a function has at most 5, and AlarmTriage's harness is one of them, got %d: "+
			"combine layers", maxToolLayers, len(*p.ToolLayers))
	}
}

// layers checks that the tool's runtime can use each layer. Otherwise, CDK refuses to create the function.
func (l *problems) layers(layers *[]awslambda.ILayerVersion) {
	if layers == nil {
		return
	}
	runtime := toolRuntime()
	for _, layer := range *layers {
		if isNil(layer) {
			l.add("ToolLayers must contain layers, got nil")
			continue
		}
		compatible := layer.CompatibleRuntimes()
		if compatible == nil || slices.Contains(*compatible, runtime) {
			continue
		}
		var names []string
		for _, other := range *compatible {
			names = append(names, *other.Name())
		}
		if !slices.Contains(names, *runtime.Name()) {
			l.add("ToolLayers must contain layers for %s, the tool's runtime, got %s, whose CompatibleRuntimes are %s: build the layer for "+
				"this runtime, and add it to CompatibleRuntimes", *runtime.Name(), *layer.Node().Path(), listed(names))
		}
	}
}

// namesAndTags checks the parts of physical names, and the tags.
func (l *problems) namesAndTags(p *AlarmTriageProps) {
	prefix, suffix := p.ResourcePrefix, p.ResourceSuffix
	for prop, value := range map[string]*string{"ResourcePrefix": prefix, "ResourceSuffix": suffix} {
		// A dynamic reference is no name: CDK checks the whole names.
		if value != nil && !mayBeToken(*value) && (len(*value) > maxPrefixLength || !affixPattern.MatchString(*value)) {
			l.add("%s must be 1 to %d letters, digits, and inner hyphens, got %q", prop, maxPrefixLength, *value)
		}
	}
	if p.ReportsBucket == nil && prefix != nil && !unresolved(prefix) {
		if reserved := reservedBeginning(*prefix); reserved != "" {
			l.add("ResourcePrefix must not begin with %q, which S3 reserves for names of buckets, got %q", reserved, *prefix)
		}
	}
	namesBucket := p.ReportsBucket == nil && prefix != nil && suffix != nil && !unresolved(prefix) && !unresolved(suffix)
	if namesBucket && len(*prefix)+len(*suffix) > maxAffixesLength {
		l.add("ResourcePrefix and ResourceSuffix must have at most %d characters together, because a bucket's name contains both, "+
			"got %d", maxAffixesLength, len(*prefix)+len(*suffix))
	}
	if p.Tags == nil {
		return
	}
	if n := len(*p.Tags); n > maxTags {
		l.add("Tags must have at most %d tags, which is AWS's limit for a resource, got %d", maxTags, n)
	}
	keys := slices.Sorted(maps.Keys(*p.Tags))
	for i, key := range keys {
		if other := slices.IndexFunc(keys[:i], func(earlier string) bool { return !unresolved(key) && strings.EqualFold(earlier, key) }); other >= 0 {
			l.add("Tags must have keys that differ in more than upper and lower case, which IAM ignores, got %q and %q", keys[other], key)
		}
	}
	for key, value := range *p.Tags {
		switch {
		case !unresolved(key) && !tagKeyPattern.MatchString(key):
			l.add("Tags must have keys of 1 to 128 letters, digits, spaces, and characters of _.:/=+-@, got %q", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			l.add("Tags must not have keys that begin with \"aws:\", which AWS reserves, got %q", key)
		case value == nil:
			l.add("Tags must have values, got none for %q", key)
		case *value == "" && (isTrue(p.Dashboard) || p.SelfAlarmTopic != nil):
			l.add("Tags must have values that are not empty if Dashboard or SelfAlarmTopic is set, because CloudFormation rejects such tags of dashboards and "+
				"alarms, got an empty one for %q", key)
		case !unresolved(value) && !tagValuePattern.MatchString(*value):
			l.add("Tags must have values of at most 256 letters, digits, spaces, and characters of _.:/=+-@, got %q for %q", *value, key)
		}
	}
}

// reservedBeginning returns the reserved beginning of a bucket's name that a prefix has, or an empty string ("General purpose
// bucket naming rules" of Amazon S3).
func reservedBeginning(prefix string) string {
	for _, reserved := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(strings.ToLower(prefix)+"-", reserved) {
			return reserved
		}
	}
	return ""
}

// storage checks the report bucket and the table.
func (l *problems) storage(p *AlarmTriageProps) {
	l.oneOf("RemovalPolicy", string(p.RemovalPolicy), textsOf(awscdk.RemovalPolicy_RETAIN, awscdk.RemovalPolicy_DESTROY,
		awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE, awscdk.RemovalPolicy_SNAPSHOT)...)
	if p.RemovalPolicy == awscdk.RemovalPolicy_SNAPSHOT {
		l.add("RemovalPolicy must be RETAIN_ON_UPDATE_OR_DELETE, RETAIN, or DESTROY, because CloudFormation takes no snapshots of tables and buckets, got %q", string(p.RemovalPolicy))
	}
	if d := p.ReportsRetention; d != nil && *d.IsUnresolved() {
		l.convertible("ReportsRetention", "Duration_Days", func() { d.ToDays(nil) })
	} else if d != nil {
		days := *d.ToDays(&awscdk.TimeConversionOptions{Integral: jsii.Bool(false)})
		if days < 1 || days != float64(int64(days)) {
			l.add("ReportsRetention must be a whole number of days of at least 1, got %s", *d.ToHumanString())
		}
	}
	if a := p.ReportsAccessLogs; a != nil && a.Bucket == nil {
		l.add("ReportsAccessLogs must have a Bucket")
	}
	if p.ReportsBucket != nil && p.ReportsAccessLogs != nil {
		l.add("ReportsAccessLogs can't be combined with ReportsBucket: set the access log on that bucket")
	}
	if p.InvestigationsTable != nil {
		l.tableKey(p.InvestigationsTable)
		l.keyOf("TableEncryptionKey", p.TableEncryptionKey, "InvestigationsTable", p.InvestigationsTable, p.InvestigationsTable.EncryptionKey())
	}
	if p.ReportsBucket != nil {
		l.keyOf("ReportsEncryptionKey", p.ReportsEncryptionKey, "ReportsBucket", p.ReportsBucket, p.ReportsBucket.EncryptionKey())
	}
	l.topicKey(p)
	if p.ReportsBucket != nil && p.ReportsRetention != nil {
		l.add("ReportsRetention can't be combined with ReportsBucket: set a lifecycle rule on that bucket")
	}
}

// keyOf checks that a key is that of a given resource, if CDK knows the resource's key. Otherwise, the resource would not be
// encrypted with the key, and the orchestrator could not use the resource's own key.
func (l *problems) keyOf(prop string, key awskms.IKey, resourceProp string, resource constructs.IConstruct, known awskms.IKey) {
	const remedy = "omit it, or set it as the key of that resource"
	switch {
	case isNil(key):
	case !isNil(known):
		if *key.KeyArn() != *known.KeyArn() && isKeyOfApp(key) && isKeyOfApp(known) {
			l.add("%s must be the key of %s, got %s, and its key is %s: %s", prop, resourceProp, *key.Node().Path(), *known.Node().Path(), remedy)
		}
	case resource.Node().DefaultChild() != nil:
		l.add("%s must be the key of %s, got %s, and %s has no such key: %s", prop, resourceProp, *key.Node().Path(), *resource.Node().Path(), remedy)
	}
}

// topicKey checks that a topic may have the key of the prop TopicEncryptionKey, which does not encrypt a topic.
func (l *problems) topicKey(p *AlarmTriageProps) {
	key := p.TopicEncryptionKey
	if isNil(key) {
		return
	}
	var others []string
	for _, topic := range []awssns.ITopic{p.NotificationTopic, p.ChatCardTopic} {
		if isNil(topic) {
			continue
		}
		resource, isOfApp := topic.Node().DefaultChild().(awssns.CfnTopic)
		known, path := topic.MasterKey(), *topic.Node().Path()
		switch {
		case !isOfApp:
			return
		case !isNil(known) && *key.KeyArn() != *known.KeyArn() && isKeyOfApp(key) && isKeyOfApp(known):
			others = append(others, path+" has the key "+*known.Node().Path())
		case isNil(known) && alarmjs.Properties(resource)["KmsMasterKeyId"] == nil: // the app may override it
			others = append(others, path+" has no key")
		default:
			return
		}
	}
	if len(others) > 0 {
		l.add("TopicEncryptionKey must be the key of NotificationTopic or ChatCardTopic, got %s, and %s: omit it, or set it as the MasterKey of the topic",
			*key.Node().Path(), strings.Join(others, ", and "))
	}
}

// isKeyOfApp reports whether the app defines a key. An alias, or an imported key, may be another name of one key.
func isKeyOfApp(key awskms.IKey) bool {
	_, isKey := key.Node().DefaultChild().(awskms.CfnKey)
	return isKey
}

// tableKey checks the key of a table that the app defines. That of an imported table is not known.
func (l *problems) tableKey(table awsdynamodb.ITable) {
	var keys, attributes any
	switch resource := table.Node().DefaultChild().(type) {
	case awsdynamodb.CfnTable:
		keys, attributes = resource.KeySchema(), resource.AttributeDefinitions()
	case awsdynamodb.CfnGlobalTable:
		keys, attributes = resource.KeySchema(), resource.AttributeDefinitions()
	default:
		return
	}
	stack := awscdk.Stack_Of(table)
	field := func(list any, n int, name string) string {
		elements, _ := stack.Resolve(list).([]any)
		if n >= len(elements) {
			return ""
		}
		element, _ := elements[n].(map[string]any)
		text, _ := element[name].(string)
		return text
	}
	var has []string
	for n := 0; field(keys, n, "attributeName") != ""; n++ {
		name, kind := field(keys, n, "attributeName"), ""
		for m := 0; field(attributes, m, "attributeName") != ""; m++ {
			if field(attributes, m, "attributeName") == name {
				kind = field(attributes, m, "attributeType")
			}
		}
		has = append(has, fmt.Sprintf("%s key %q of type %s", field(keys, n, "keyType"), name, kind))
	}
	if want := fmt.Sprintf("HASH key %q of type S", config.TableKey); len(has) > 0 && (len(has) > 1 || has[0] != want) {
		l.add("InvestigationsTable must have the %s and no other key, got the %s", want, strings.Join(has, " and the "))
	}
}

// retentions are the values of LogRetention.
var retentions = []awslogs.RetentionDays{
	awslogs.RetentionDays_ONE_DAY, awslogs.RetentionDays_THREE_DAYS, awslogs.RetentionDays_FIVE_DAYS, awslogs.RetentionDays_ONE_WEEK,
	awslogs.RetentionDays_TWO_WEEKS, awslogs.RetentionDays_ONE_MONTH, awslogs.RetentionDays_TWO_MONTHS, awslogs.RetentionDays_THREE_MONTHS,
	awslogs.RetentionDays_FOUR_MONTHS, awslogs.RetentionDays_FIVE_MONTHS, awslogs.RetentionDays_SIX_MONTHS, awslogs.RetentionDays_ONE_YEAR,
	awslogs.RetentionDays_THIRTEEN_MONTHS, awslogs.RetentionDays_EIGHTEEN_MONTHS, awslogs.RetentionDays_TWO_YEARS,
	awslogs.RetentionDays_THREE_YEARS, awslogs.RetentionDays_FIVE_YEARS, awslogs.RetentionDays_SIX_YEARS, awslogs.RetentionDays_SEVEN_YEARS,
	awslogs.RetentionDays_EIGHT_YEARS, awslogs.RetentionDays_NINE_YEARS, awslogs.RetentionDays_TEN_YEARS, awslogs.RetentionDays_INFINITE,
}

// textsOf returns the values of an enumeration as texts.
func textsOf[T ~string](values ...T) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return texts
}

// logs checks the log level, the log groups, and the traces.
func (l *problems) logs(p *AlarmTriageProps) {
	l.oneOf("LogRetention", string(p.LogRetention), textsOf(retentions...)...)
	l.oneOf("Tracing", string(p.Tracing), textsOf(awslambda.Tracing_ACTIVE, awslambda.Tracing_PASS_THROUGH, awslambda.Tracing_DISABLED)...)
	l.oneOf("LogLevel", string(p.LogLevel), string(LogLevel_ERROR), string(LogLevel_INFO), string(LogLevel_DEBUG))
	l.oneOf("LogClass", string(p.LogClass), string(awslogs.LogGroupClass_STANDARD),
		string(awslogs.LogGroupClass_INFREQUENT_ACCESS), string(awslogs.LogGroupClass_DELIVERY))
	hasMetrics := p.LogClass == "" || p.LogClass == awslogs.LogGroupClass_STANDARD
	if !hasMetrics && (isTrue(p.Dashboard) || p.SelfAlarmTopic != nil) {
		l.add("Dashboard and SelfAlarmTopic need LogClass STANDARD, because other classes have no metrics, got %q", string(p.LogClass))
	}
	if p.LogClass == awslogs.LogGroupClass_DELIVERY && p.LogRetention != "" {
		l.add("LogRetention can't be combined with LogClass DELIVERY, whose retention CloudWatch sets itself, got %q: "+
			"omit LogRetention, or use LogClass STANDARD or INFREQUENT_ACCESS", string(p.LogRetention))
	}
}

// permissions checks the tool's permissions and the redaction.
func (l *problems) permissions(p *AlarmTriageProps) {
	l.oneOf("ToolPermissions", string(p.ToolPermissions), string(ToolPermissions_READ_ONLY_ACCESS), string(ToolPermissions_ALLOW_LIST))
	l.actions("ToolDeniedActions", p.ToolDeniedActions)
	l.arns("ToolDeniedResources", p.ToolDeniedResources)
	l.actions("ToolAllowedActions", p.ToolAllowedActions)
	l.accounts("ToolAllowedAccounts", p.ToolAllowedAccounts)
	if p.RedactPatterns == nil || !l.isKnownList("RedactPatterns", p.RedactPatterns) {
		return
	}
	if p.RedactSecrets != nil && !*p.RedactSecrets && len(*p.RedactPatterns) > 0 {
		l.add("RedactPatterns can't be combined with RedactSecrets false, with which nothing is replaced: omit one of the two")
	}
	for _, pattern := range *p.RedactPatterns {
		if pattern != nil && unresolved(pattern) {
			l.add("RedactPatterns must be known at synth, because CloudFormation can't write their backslashes and quotation marks into JSON, got a token: " +
				"pass the patterns as texts")
		} else if deref(pattern) == "" {
			l.add("RedactPatterns must contain RE2 regular expressions, got an empty one, which replaces nothing: remove it")
		} else if re, err := regexp.Compile(*pattern); err != nil {
			l.add("RedactPatterns must contain RE2 regular expressions, got %q: %v%s", *pattern, err, adviceOfPattern(*pattern))
		} else if replacesEverything(re) {
			l.add("RedactPatterns must match secrets only, got %q, which matches every word, so that the model and the readers would see "+
				"nothing else: describe the form of the secrets", *pattern)
		}
	}
}

// replacesEverything reports whether a pattern replaces all words of usual outputs.
func replacesEverything(pattern *regexp.Regexp) bool {
	for _, text := range []string{"2026-01-02 ERROR Timeout of checkout-service", `{"FunctionName": "orders", "Errors": 12.5}`} {
		if strings.ContainsFunc(pattern.ReplaceAllString(text, ""), unicode.IsLetter) {
			return false
		}
	}
	return true
}

// isKnownList reports whether the length of a list is known at synth, and adds a problem if it is not.
func (l *problems) isKnownList(prop string, list *[]*string) bool {
	if !unresolved(list) {
		return true
	}
	l.add("%s must be a list whose length is known at synth, got a token: its elements may be tokens", prop)
	return false
}

func (l *problems) actions(prop string, list *[]*string) {
	if list == nil || !l.isKnownList(prop, list) {
		return
	}
	for _, action := range *list {
		switch {
		case action != nil && strings.Contains(*action, "?") && !mayBeToken(*action):
			l.add("%s must contain IAM actions whose only wildcard is *, because CDK rejects the wildcard ?, got %q", prop, *action)
		case action == nil || !mayBeToken(*action) && !actionPattern.MatchString(strings.ToLower(*action)):
			l.add("%s must contain IAM actions such as \"s3:GetBucketPolicy\", got %q", prop, deref(action))
		case !mayBeToken(*action) && !actionPattern.MatchString(*action):
			service, name, _ := strings.Cut(*action, ":")
			l.add("%s must contain IAM actions whose service is in lower case, such as %q, got %q", prop, strings.ToLower(service)+":"+name, *action)
		}
	}
}

func (l *problems) arns(prop string, list *[]*string) {
	if list == nil || !l.isKnownList(prop, list) {
		return
	}
	for _, arn := range *list {
		switch {
		case arn != nil && !isInPolicies(*arn):
			l.add("%s must contain ARNs with characters of ISO 8859-1 (Latin-1) only, because IAM rejects others in policies, got %q: use wildcards for the others",
				prop, *arn)
		case arn != nil && unresolved(arn):
		case arn == nil || !arnPattern.MatchString(*arn):
			l.add("%s must contain ARNs such as \"arn:aws:logs:*:*:log-group:payments-*\", whose service has no wildcard, got %q", prop, deref(arn))
		default:
			l.arn(prop, *arn)
		}
	}
}

// arn checks the Region and the account of an ARN with wildcards.
func (l *problems) arn(prop, arn string) {
	const region, account = 3, 4
	parts := strings.Split(arn, ":")
	if text := parts[region]; text != "" && !strings.ContainsAny(text, "*?") && !regionPattern.MatchString(text) {
		l.add("%s must contain ARNs with Regions such as \"eu-west-1\", got %q in %q", prop, text, arn)
	}
	if text := parts[account]; !isAccountPattern(text) {
		l.add("%s must contain ARNs with account IDs of 12 digits, got %q in %q", prop, text, arn)
	}
	if text := parts[account+1]; parts[2] == "iam" && text != "*" && !iamResource.MatchString(text) { // IAM rejects such a policy
		l.add("%s must contain ARNs of IAM whose resource begins with its kind, such as \"role/*\", got %q in %q", prop, text, arn)
	}
}

// isAccountPattern reports whether an account ID, or no account, can match a pattern of digits and IAM's wildcards.
func isAccountPattern(pattern string) bool {
	const digits = 12
	least := len(strings.ReplaceAll(pattern, "*", ""))
	return least == 0 || least == digits || least < digits && strings.Contains(pattern, "*")
}

// partition checks the partition of ARNs. scope may be invalid.
func (l *problems) partition(scope constructs.Construct, prop string, list *[]*string) {
	if list == nil || len(*list) == 0 {
		return
	}
	region := regionOf(scope)
	if region == "" {
		return
	}
	partition := alarmevent.PartitionOf(region)
	for _, arn := range knownTexts(withoutNil(list)) {
		_, rest, _ := strings.Cut(arn, ":")
		given, _, _ := strings.Cut(rest, ":")
		if matched, err := path.Match(given, partition); arnPattern.MatchString(arn) && err == nil && !matched {
			l.add("%s must contain ARNs of the stack's partition %s, got %q in %q", prop, partition, given, arn)
		}
	}
}

func (l *problems) accounts(prop string, list *[]*string) {
	if list == nil || !l.isKnownList(prop, list) {
		return
	}
	for _, account := range *list {
		if account == nil || !unresolved(account) && !accountPattern.MatchString(*account) {
			l.add("%s must contain account IDs with 12 digits such as \"123456789012\", got %q", prop, deref(account))
		}
	}
}

// notifications checks the targets of results.
func (l *problems) notifications(p *AlarmTriageProps) {
	if p.AccountNames != nil {
		for account, name := range *p.AccountNames {
			if !unresolved(account) && !accountPattern.MatchString(account) {
				l.add("AccountNames must have account IDs with 12 digits such as \"123456789012\" as keys, got %q", account)
			}
			if name == nil || !unresolved(name) && !isAccountName(*name) {
				l.add("AccountNames must have names of 1 to %d printable characters, got %q for %q", maxAccountName, deref(name), account)
			}
		}
	}
	l.consoleURL(p.ConsoleUrl)
	if zone := p.TimeZone; zone != nil && !unresolved(zone) {
		if _, err := timezone.Load(*zone); err != nil || *zone == "" {
			l.add("TimeZone must be an IANA name such as Europe/Berlin, got %q", *zone)
		}
	}
	if sameTopic(p.ChatCardTopic, p.NotificationTopic) {
		l.add("ChatCardTopic must not be the NotificationTopic, whose subscribers would receive cards as JSON: create a topic for cards")
	}
	if topic := p.ChatCardTopic; topic != nil && *topic.Fifo() {
		l.add("ChatCardTopic must be a standard topic: FIFO topics only deliver to queues, not to Amazon Q Developer")
	}
	if queue := p.OnFailureQueue; queue != nil && *queue.Fifo() {
		l.add("OnFailureQueue must be a standard queue: Lambda can't send to FIFO queues")
	}
}

// consoleURL checks the template of the links to the console.
func (l *problems) consoleURL(template *string) {
	if template == nil || unresolved(template) {
		return
	}
	filled := consoleURLPlaceholders.Replace(*template)
	address, err := url.Parse(filled)
	if err != nil || address.Scheme != "https" || address.Host == "" || strings.ContainsAny(filled, "{}\"<> \n") || filled == *template ||
		!strings.Contains(*template, "{account}") || !strings.Contains(*template, "{url}") {
		l.add("ConsoleUrl must be an https address with {account} and {url} and no other braces, such as "+
			"\"https://example.awsapps.com/start/#/console?account_id={account}&role_name=ReadOnly&destination={url}\", got %q", *template)
	}
}

// consoleURLPlaceholders fills the template of the links to the console, for its check.
var consoleURLPlaceholders = strings.NewReplacer("{account}", "111122223333", "{url}", "https%3A%2F%2Fconsole.aws.amazon.com")

// sameTopic reports whether two props are one topic, which may be imported twice, by tokens with the same value.
func sameTopic(a, b awssns.ITopic) bool {
	if a == nil || b == nil {
		return false
	}
	if a == b {
		return true
	}
	if name := topicName(a); name != "" && name == topicName(b) { // one of both may be imported by the name of the other
		return true
	}
	return sameARN("sns", a, b, a.TopicArn(), b.TopicArn())
}

// topicName returns the Region, account, and name of a topic, or an empty text if they are not known at synth.
func topicName(topic awssns.ITopic) string {
	if resource, isOfApp := topic.Node().DefaultChild().(awssns.CfnTopic); isOfApp {
		stack, name := awscdk.Stack_Of(topic), resource.TopicName()
		if account, region := accountOf(stack), regionOf(stack); account != "" && region != "" && deref(name) != "" && !unresolved(name) {
			return region + ":" + account + ":" + *name
		}
		return ""
	}
	_, name, _ := strings.Cut(*topic.TopicArn(), ":sns:") // the partition is a token in most stacks
	if unresolved(name) {
		return ""
	}
	return name
}

// sameARN reports whether the ARNs of two resources of a service are known to be the same.
func sameARN(service string, a, b awscdk.IResource, one, other *string) bool {
	if *one == *other || !unresolved(one) && !unresolved(other) {
		return *one == *other
	}
	arns := alarmjs.Identify(a, one, other)
	first, isKnown := withoutPartition(service, arns[0])
	second, _ := withoutPartition(service, arns[1])
	return first == second && (isKnown || *awscdk.Stack_Of(a).Environment() == *awscdk.Stack_Of(b).Environment())
}

// withoutPartition returns an identified ARN without its partition, which is a token in most stacks and follows from the
// Region, and reports whether the rest is known at synth.
func withoutPartition(service, arn string) (rest string, isKnown bool) {
	_, rest, isARN := strings.Cut(arn, ":"+service+":")
	if !isARN {
		return arn, false
	}
	return rest, !strings.Contains(rest, "{")
}

// isAccountName reports whether a text can name an account in a subject.
func isAccountName(name string) bool {
	return strings.TrimSpace(name) != "" && len([]rune(name)) <= maxAccountName && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// monitoring checks the self-check and the self-alarms.
func (l *problems) monitoring(p *AlarmTriageProps) {
	if p.SelfCheckSchedule != nil && p.SelfCheck != nil && !*p.SelfCheck {
		l.add("SelfCheckSchedule can't be combined with SelfCheck false")
	}
	if p.SelfCheckSchedule != nil {
		if expression := *p.SelfCheckSchedule.ExpressionString(); !unresolved(expression) && !ratePattern.MatchString(expression) &&
			!(cronPattern.MatchString(expression) && isCron(expression)) {
			l.add("SelfCheckSchedule must be an expression such as \"rate(7 days)\" or \"cron(0 6 ? * MON *)\", got %q", expression)
		}
	}
	if sameTopic(p.SelfAlarmTopic, p.ChatCardTopic) {
		l.add("SelfAlarmTopic must not be the ChatCardTopic, which only accepts chat cards")
	}
}

// environments checks that texts fit into the functions' environments. Otherwise, only the deployment would fail.
func (l *problems) environments(p *AlarmTriageProps) {
	patterns := nilIfEmpty(jsonOf(p.RedactPatterns)) // JSON within JSON, with two levels of escapes
	members := nilIfEmpty(membersText(p.Members))
	accounts := "" // an organization has no remedy: its text is short
	if p.Members != nil && p.Members.Accounts != nil {
		accounts = "use OrganizationId instead of Members.Accounts"
	}
	l.share(maxOrchestratorTexts, []sharedText{
		{"Instructions", p.Instructions, "move the instructions to InstructionsFile or InstructionsObject"},
		{"ModelPrices", p.ModelPrices, "only list models whose price the built-in table lacks"}, {"FallbackModelIds", p.FallbackModelIds, "use fewer models"},
		{"RedactPatterns", patterns, "combine patterns"}, {"AccountNames", nilIfEmpty(namesJSON(p.AccountNames)), "use shorter names, or name fewer accounts"},
		{"ConsoleUrl", p.ConsoleUrl, "use a shorter address"}, {"Members", members, accounts},
	})
	l.deniedResources(p.ToolDeniedResources)
	l.share(maxToolTexts, []sharedText{
		{"ToolAllowedActions", p.ToolAllowedActions, "use wildcards to combine actions"}, {"ToolDeniedActions", p.ToolDeniedActions, "use wildcards to combine actions"},
		{"ToolDeniedResources", p.ToolDeniedResources, "use wildcards to combine resources"}, {"ToolAllowedAccounts", p.ToolAllowedAccounts, "list fewer accounts"},
		{"RedactPatterns", patterns, "combine patterns"}, {"Members", members, accounts},
	})
}

// sharedText is a prop whose text is in a function's environment, and how users can make it shorter.
type sharedText struct {
	prop   string
	value  any
	remedy string
}

// share checks that texts fit into a function's environment. Its message names the size of each, and the remedies for the
// given ones, the longest first.
func (l *problems) share(most int, texts []sharedText) {
	var props, remedies []string
	total := 0
	sized := map[string]int{}
	for _, text := range texts {
		props = append(props, text.prop)
		sized[text.prop] = jsonSize(text.value)
		total += sized[text.prop]
	}
	if total <= most {
		return
	}
	slices.SortStableFunc(texts, func(a, b sharedText) int { return sized[b.prop] - sized[a.prop] })
	var sizes []string
	for _, text := range texts {
		if sized[text.prop] == 0 {
			continue
		}
		sizes = append(sizes, fmt.Sprintf("%s %d", text.prop, sized[text.prop]))
		if text.remedy != "" && !slices.Contains(remedies, text.remedy) {
			remedies = append(remedies, text.remedy)
		}
	}
	l.add("%s, and %s must have at most %d bytes together as JSON, because they share the function's environment, got %d (%s): %s",
		strings.Join(props[:len(props)-1], ", "), props[len(props)-1], most, total, strings.Join(sizes, ", "), strings.Join(remedies, "; or "))
}

// deniedResources checks that the denied resources fit into the policy of a role.
func (l *problems) deniedResources(resources *[]*string) {
	if size := jsonSize(resources); size > maxDeniedResources {
		l.add("ToolDeniedResources must have at most %d bytes as JSON, because the role's policy contains each of them three times, got %d: "+
			"use wildcards to combine resources", maxDeniedResources, size)
	}
}

// nilIfEmpty returns nil instead of an empty text.
func nilIfEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// jsonSize returns the number of bytes of props as JSON. Props that are nil do not count.
func jsonSize(props ...any) int {
	size := 0
	for _, prop := range props {
		if text, err := json.Marshal(prop); err == nil && string(text) != "null" {
			size += len(text)
		}
	}
	return size
}
