package alarmtriage

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/typo"
)

const (
	// maxModels is the maximum number of models of one AlarmTriage. Each needs up to 1,000 of the 10,240
	// characters that IAM allows for the inline policies of a role ("IAM and STS quotas").
	maxModels = 5

	// retiresSoon is how long before a model's end of life the synth warns. AWS announces it at least 45
	// days ahead (Bedrock User Guide, "Model lifecycle").
	retiresSoon = 90 * 24 * time.Hour
)

// chosenModel is one of the models that the orchestrator asks.
type chosenModel struct {
	id          string       // as the orchestrator sends it; may be a token
	prop        string       // the prop that names it; empty: it is a default
	unconfirmed bool         // no source confirms that it is available in the Region
	perRegion   *mappedModel // nil: the same id in every Region
}

// mappedModel is a default model of a stack whose Region is not known at synth. Its texts are tokens.
type mappedModel struct {
	profile string // id of the inference profile
	model   string // id of the foundation model behind it
	direct  string // id of the foundation model in Regions without a profile; empty: every Region has a profile
	product string // AWS Marketplace product id; empty: no Region's model has one

	candidates []string // all ids that the model can have; the Region decides which one it has
}

// ids returns the possible ids of the model that are known at synth.
func (m chosenModel) ids() []string {
	if m.perRegion != nil {
		return m.perRegion.candidates
	}
	if !unresolved(m.id) {
		return []string{m.id}
	}
	if name := foundationOf(m.id); name != "" { // an ARN whose partition, Region, or account is a token
		return []string{bedrockARN.FindStringSubmatch(m.id)[2]}
	}
	return nil
}

// described returns one of the model's ids with its origin, for messages.
func (m chosenModel) described(id string) string {
	if m.prop == "" {
		return "the default model " + id
	}
	if m.prop == "BedrockModelId" {
		return m.prop + " " + id
	}
	return id + " of " + m.prop
}

// chooseModels returns the models that the orchestrator asks, in order: those of the props, and the
// Region's defaults for the props that are omitted.
func (t *AlarmTriage) chooseModels(p *AlarmTriageProps) []chosenModel {
	var defaults []chosenModel
	if p.BedrockModelId == nil || p.FallbackModelIds == nil {
		defaults = t.defaultModels()
	}
	var chosen []chosenModel
	add := func(more ...chosenModel) {
		for _, m := range more {
			if !slices.ContainsFunc(chosen, func(other chosenModel) bool { return other.id == m.id }) {
				chosen = append(chosen, m)
			}
		}
	}
	if p.BedrockModelId == nil {
		add(defaults[0])
	} else {
		add(chosenModel{id: *p.BedrockModelId, prop: "BedrockModelId"})
	}
	if p.FallbackModelIds == nil {
		add(defaults[1:]...)
		return chosen
	}
	for _, id := range *p.FallbackModelIds {
		add(chosenModel{id: *id, prop: "FallbackModelIds"})
	}
	return chosen
}

// defaultModels returns the default models of the stack's Region.
func (t *AlarmTriage) defaultModels() []chosenModel {
	region := *awscdk.Stack_Of(t).Region()
	if unresolved(region) {
		return t.mapDefaultModels(region)
	}
	ids, unconfirmed := models.Defaults(region)
	chosen := make([]chosenModel, len(ids))
	for i, id := range ids {
		chosen[i] = chosenModel{id: id, unconfirmed: slices.Contains(unconfirmed, id)}
	}
	return chosen
}

// noID replaces missing ids in a mapping, whose values can't be empty. No model, profile, or product has
// this id.
const noID = "none"

// mapDefaultModels adds the default models of every Region to the template: a deployment fails in a Region that a mapping
// lacks. One mapping contains, for each Region, the first Region with the same defaults. Another mapping contains the ids of
// these first Regions. CloudFormation looks the ids up at deployment.
func (t *AlarmTriage) mapDefaultModels(region string) []chosenModel {
	likes, rows := map[string]*map[string]any{}, map[string]*map[string]any{}
	byDefaults := map[string]string{}
	var perRegion [][]string // the distinct lists of defaults
	for _, name := range models.AllRegions() {
		ids, _ := models.Defaults(name)
		key := strings.Join(ids, ",")
		if _, known := byDefaults[key]; !known {
			byDefaults[key], rows[name] = name, mappingRow(ids)
			perRegion = append(perRegion, ids)
		}
		likes[name] = &map[string]any{"Like": byDefaults[key]}
	}
	regions := awscdk.NewCfnMapping(t, jsii.String("DefaultModelRegions"), &awscdk.CfnMappingProps{Mapping: &likes})
	table := awscdk.NewCfnMapping(t, jsii.String("DefaultModels"), &awscdk.CfnMappingProps{Mapping: &rows})
	like := regions.FindInMap(jsii.String(region), jsii.String("Like"), nil)

	chosen := make([]chosenModel, len(perRegion[0]))
	for i := range chosen {
		find := func(column string) string { return *table.FindInMap(like, jsii.String(columnName(column, i)), nil) }
		findUsed := func(column string) string {
			name := columnName(column, i)
			for _, row := range rows {
				if (*row)[name] != noID {
					return find(column)
				}
			}
			return ""
		}
		chosen[i] = chosenModel{id: find("Id"), perRegion: &mappedModel{
			profile: find("Profile"), model: find("Model"), direct: findUsed("Direct"), product: findUsed("Product"),
			candidates: column(perRegion, i),
		}}
	}
	return chosen
}

// column returns the distinct values of one column.
func column(rows [][]string, index int) []string {
	var values []string
	for _, row := range rows {
		if !slices.Contains(values, row[index]) {
			values = append(values, row[index])
		}
	}
	return values
}

// columnName returns the name of a mapping's column for the default model at an index. CloudFormation only
// allows alphanumeric names.
func columnName(column string, index int) string { return fmt.Sprintf("%s%d", column, index+1) }

// mappingRow returns the mapping's columns for one list of default models.
func mappingRow(ids []string) *map[string]any {
	row := map[string]any{}
	for i, id := range ids {
		parsed := models.Parse(id)
		put := func(column, value string) { row[columnName(column, i)] = cmp.Or(value, noID) }
		put("Id", id)
		put("Model", parsed.Model)
		put("Product", models.Lookup(id).Product)
		if parsed.Profile == "" {
			put("Profile", "")
			put("Direct", id)
		} else {
			put("Profile", id)
			put("Direct", "")
		}
	}
	return &row
}

// annotateModels adds warnings and notes about the models at synth. None of them stops a deployment: the
// catalog can be outdated, and a date that passes must not break the deployment of something else.
func (t *AlarmTriage) annotateModels(now time.Time) {
	region := *awscdk.Stack_Of(t).Region()
	if !unresolved(region) && !models.HasBedrock(region) {
		remedy := "Deploy to a Region that has Bedrock, and send these alarms to it (AttachEventRule)"
		partition := alarmevent.PartitionOf(region)
		if !slices.ContainsFunc(models.Regions(), func(other string) bool { return alarmevent.PartitionOf(other) == partition }) {
			remedy = "No Region of the partition " + partition + " is known to have it, and events can't be sent to another partition"
		}
		t.warn("no-bedrock", "Amazon Bedrock is not known to be available in %s: investigations there would end without a conclusion. %s", region, remedy)
		return
	}
	for _, m := range t.models {
		for _, id := range m.ids() {
			t.annotateLifecycle(m, id, now)
			t.annotateGeography(m, id, region)
			t.annotateName(m, id, region)
		}
		if m.unconfirmed {
			t.inform("unconfirmed-model", "no source confirms that %s is available in %s. If it is not, only the other models "+
				"answer: set BedrockModelId and FallbackModelIds to models of that Region, and complete the first-use steps "+
				"for Claude (docs/models.md)", m.described(m.id), region)
		}
	}
	if slices.ContainsFunc(t.models, chosenModel.globalInSomeRegions) {
		t.inform("global-profile", "the stack's Region is not known at synth. In some Regions the default models are global "+
			"inference profiles, and log excerpts may be processed in any commercial Region: if they must stay within the geography, "+
			"set the stack's env, or BedrockModelId and FallbackModelIds")
	}
}

// globalInSomeRegions reports whether the model is a global inference profile in some Regions and the Region
// is not known.
func (m chosenModel) globalInSomeRegions() bool {
	isGlobal := func(id string) bool { return models.Parse(id).Profile == models.GlobalProfile }
	return m.perRegion != nil && slices.ContainsFunc(m.perRegion.candidates, isGlobal)
}

// annotateLifecycle warns about a model that is retired or will be soon.
func (t *AlarmTriage) annotateLifecycle(m chosenModel, id string, now time.Time) {
	const remedy = "choose another model (docs/models.md)"
	known := models.Lookup(id)
	end := known.Lifecycle.EndOfLife
	switch _, soon := known.RetiresBy(now.Add(retiresSoon)); {
	case known.Retired(now) && end.IsZero():
		t.warn("retired-model", "%s: %s reached the end of its life and no longer answers: %s",
			m.described(id), known.Name, remedy)
	case known.Retired(now):
		t.warn("retired-model", "%s: %s reached the end of its life on %s and no longer answers: %s",
			m.described(id), known.Name, end, remedy)
	case soon:
		t.warn("retiring-model", "%s: %s reaches the end of its life on %s: %s before then",
			m.described(id), known.Name, end, remedy)
	case known.Lifecycle.State == models.StateLegacy:
		t.warn("retiring-model", "%s: %s is Legacy, and Bedrock denies it to accounts that have not used it for 30 days: "+
			"%s", m.described(id), known.Name, remedy)
	}
}

// notConversational matches parts of the names of models that Bedrock offers, but not for conversations.
var notConversational = regexp.MustCompile(`embed|rerank|image|canvas|reel|sonic|stability\.|\.ray-|marengo`)

// annotateName warns about a model of the props that is not usable under its name.
func (t *AlarmTriage) annotateName(m chosenModel, id, region string) {
	parsed, known := models.Parse(id), models.Lookup(id)
	if m.prop == "" || parsed.Kind != "" && parsed.Kind != "foundation-model" && parsed.Kind != "inference-profile" {
		return // a custom, imported, or provisioned model, or an application inference profile
	}
	switch {
	case notConversational.MatchString(parsed.Model):
		t.warn("no-conversation", "%s is not a model for conversations, so every request fails: choose a model of docs/models.md", m.described(id))
	case !known.Known:
		t.annotateUnknown(m, id, region)
	case isRetired(known): // another warning says so
	case parsed.Profile == "" && !known.InRegion && len(known.Profiles) > 0:
		t.warn("needs-profile", "%s can only be invoked through an inference profile: use %s", m.described(id),
			cmp.Or(strings.Join(idsOf(known, parsed, region), " or "), "a model that has one for "+region))
	case !isExact(parsed, known):
		t.warnOfID(m, id, parsed, known, region)
	}
}

// throughput matches what may follow the ID of a model with provisioned throughput, such as :300k.
var throughput = regexp.MustCompile(`^(?::[0-9a-z]+)?$`)

// isExact reports whether an ID of a model is one that the catalog contains.
func isExact(id models.ID, m models.Model) bool {
	rest, isID := strings.CutPrefix(id.Model, m.ID+m.Suffix)
	return isID && (rest == "" || strings.Contains(m.Suffix, ":") && throughput.MatchString(rest)) && hasProfile(m, id.Profile)
}

// hasProfile reports whether a model can be invoked through a profile, or without one if its name is empty.
func hasProfile(m models.Model, profile string) bool {
	return profile == "" && m.InRegion || slices.Contains(m.Profiles, profile)
}

// idsOf returns the exact IDs of a model: the one with the profile of an ID if the model has it, and otherwise those that
// the Region can use. A global profile is the last one: with it, data can leave the geography.
func idsOf(m models.Model, id models.ID, region string) (ids []string) {
	name := m.ID + m.Suffix
	if isRetired(m) || hasProfile(m, id.Profile) {
		return []string{withProfile(id, name)}
	}
	if m.InRegion {
		ids = append(ids, name)
	}
	for _, profile := range m.Profiles {
		if with := profile + "." + name; unresolved(region) || models.Parse(with).InvokableFrom(region) {
			ids = append(ids, with)
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(globalLast(a), globalLast(b)) })
	return ids
}

// globalLast returns the rank of an ID by whether its profile is global.
func globalLast(id string) int {
	if models.Parse(id).Profile == models.GlobalProfile {
		return 1
	}
	return 0
}

// warnOfID warns about an ID that is not in the catalog, but is probably meant to be that of a model in it.
func (t *AlarmTriage) warnOfID(m chosenModel, id string, parsed models.ID, meant models.Model, region string) {
	ids := idsOf(meant, parsed, region)
	if len(ids) == 0 { // no Region like this one can use the model
		ids = []string{meant.ID + meant.Suffix}
	}
	is, remedy := agreeing(len(ids), "is", "are"), "correct it, or acknowledge this warning if the model is new"
	if isRetired(meant) {
		is, remedy = is+", which reached the end of its life", "choose another model, or acknowledge this warning if the model is new"
	}
	t.warn("unknown-model", "%s is not in this version's catalog (docs/models.md), but %s %s: %s", m.described(id), strings.Join(ids, " and "), is, remedy)
}

// annotateUnknown warns about a model that is not in the catalog if its name resembles another one. Otherwise, it adds a note.
func (t *AlarmTriage) annotateUnknown(m chosenModel, id, region string) {
	what, readings := "check its spelling", readingsOf(id)
	for _, reading := range readings {
		meant, found := models.Lookup(reading.Model), true
		if !meant.Known {
			meant, found = sameModel(reading)
		}
		if !found {
			meant, found = onlyModel(reading)
		}
		isNew := isNewVersion(reading.Model) // such models appear between releases of this library, and resemble each other
		if !found && !isNew {
			meant, found = nearestModel(reading)
		}
		if found {
			t.warnOfID(m, id, reading, meant, region)
			return
		}
		if isNew {
			what = "the catalog has other versions of this model, so check the number"
		}
	}
	if len(readings) > 1 {
		t.warn("unknown-model", "%s has no provider, with which every model's ID begins, such as anthropic.claude-sonnet-5-5: "+
			"choose a model of docs/models.md", m.described(id))
		return
	}
	t.inform("unknown-model", "%s is not in this version's catalog (docs/models.md): %s. If it is right, sizes are "+
		"assumed, and the price is only known if ModelPrices contains it", m.described(id), what)
}

var (
	// ofOtherTools matches what other tools write before a model's ID, such as bedrock/ or anthropic/, and a Region.
	ofOtherTools = regexp.MustCompile(`^(?:.*/|bedrock:)?(?:[a-z]{2}(?:-[a-z]+)+-[0-9]\.)?`)
	hasProvider  = regexp.MustCompile(`^[a-z0-9]+\.[a-z]`)
)

// readingsOf returns what an unknown ID may mean: without what other tools write before it, and with each provider if it has
// none, such as claude-sonnet-5-5.
func readingsOf(id string) []models.ID {
	parsed := models.Parse(ofOtherTools.ReplaceAllString(strings.ToLower(id), ""))
	if hasProvider.MatchString(parsed.Model) {
		return []models.ID{parsed}
	}
	var readings []models.ID
	for _, m := range models.All() {
		provider, _, _ := strings.Cut(m.ID, ".")
		reading := models.ID{Profile: parsed.Profile, Model: provider + "." + parsed.Model}
		if !slices.Contains(readings, reading) {
			readings = append(readings, reading)
		}
	}
	return readings
}

var (
	numbers = regexp.MustCompile(`[0-9.:v-]+`) // what distinguishes the versions of a model
	number  = regexp.MustCompile(`[0-9]+`)
	suffix  = regexp.MustCompile(`(-[0-9]{8})?-v?[0-9]+:[0-9a-z:]+$`) // date and version, such as -20250219-v1:0
)

// isNewVersion reports whether a model's name differs from one in the catalog in numbers only.
func isNewVersion(name string) bool {
	line := numbers.ReplaceAllString(name, "")
	return slices.ContainsFunc(models.All(), func(m models.Model) bool { return numbers.ReplaceAllString(m.ID, "") == line })
}

// sameModel returns the model in the catalog whose name only differs in what is between the numbers, such as claude-opus-5-5
// for claude-opus-5.5.
func sameModel(id models.ID) (same models.Model, found bool) {
	for _, m := range catalogFor(id) {
		for _, name := range []string{m.ID, m.ID + m.Suffix} {
			if numbers.ReplaceAllString(name, "") == numbers.ReplaceAllString(id.Model, "") &&
				slices.Equal(number.FindAllString(name, -1), number.FindAllString(id.Model, -1)) {
				return m, true
			}
		}
	}
	return models.Model{}, false
}

// onlyModel returns the model in the catalog whose name begins with another one, such as mistral.mistral-large-3, if it is the
// only one.
func onlyModel(id models.ID) (only models.Model, found bool) {
	for _, m := range catalogFor(id) {
		if isRetired(m) || !models.Begins(m.ID, id.Model) {
			continue
		}
		if found {
			return models.Model{}, false
		}
		only, found = m, true
	}
	return only, found
}

// catalogFor returns the models of the catalog, those past the end of their life last. These have no suffix in the catalog,
// so they get the one of the ID.
func catalogFor(id models.ID) []models.Model {
	all := models.All()
	for i := range all {
		if isRetired(all[i]) {
			all[i].Suffix = suffix.FindString(id.Model)
		}
	}
	rank := map[bool]int{true: 1}
	slices.SortStableFunc(all, func(a, b models.Model) int { return rank[isRetired(a)] - rank[isRetired(b)] })
	return all
}

func isRetired(m models.Model) bool { return m.Lifecycle.State == models.StateEndOfLife }

// withProfile returns a model's name with the profile of an ID, if it has one.
func withProfile(id models.ID, name string) string {
	if id.Profile == "" {
		return name
	}
	return id.Profile + "." + name
}

// nearestModel returns the model in the catalog whose name, with or without its suffix, a model's name resembles.
func nearestModel(id models.ID) (nearest models.Model, found bool) {
	var names []string
	all := catalogFor(id)
	for _, m := range all {
		names = append(names, m.ID+m.Suffix, m.ID)
	}
	i := slices.Index(names, typo.Nearest(id.Model, names))
	if i < 0 {
		return models.Model{}, false
	}
	return all[i/2], true
}

// annotateGeography notes models whose requests can leave the geography, and warns about profiles that the
// Region can't use. It skips defaults whose Region is not known at synth.
func (t *AlarmTriage) annotateGeography(m chosenModel, id, region string) {
	parsed := models.Parse(id)
	switch {
	case m.perRegion != nil:
	case !unresolved(region) && !parsed.InvokableFrom(region):
		t.warn("geography", "%s is an inference profile of another geography and can't be invoked from %s: set it to a "+
			"model or a profile of this Region", m.described(id), region)
	case parsed.Profile == models.GlobalProfile && m.prop == "":
		t.warn("global-profile", "%s is a global inference profile: %s has no geographic one of this model, and log "+
			"excerpts may be processed in any commercial Region. If they must stay within the geography, set "+
			"BedrockModelId and FallbackModelIds to geographic or in-Region models", m.described(id), region)
	case parsed.Profile == models.GlobalProfile:
		t.inform("global-profile", "%s is a global inference profile: log excerpts may be processed in any commercial Region",
			m.described(id))
	}
}

// warn adds a warning, which users can acknowledge by its id.
func (t *AlarmTriage) warn(id, format string, args ...any) { warn(t, id, format, args...) }

// warn adds a warning to an AlarmTriage or a member.
func warn(c constructs.Construct, id, format string, args ...any) {
	awscdk.Annotations_Of(c).AddWarningV2(jsii.String("alarmtriage:"+id), jsii.String("alarmtriage: "+withoutTokens(fmt.Sprintf(format, args...))), nil)
}

// inform adds a note, which users can acknowledge by its id.
func (t *AlarmTriage) inform(id, format string, args ...any) {
	awscdk.Annotations_Of(t).AddInfoV2(jsii.String("alarmtriage:"+id), jsii.String("alarmtriage: "+withoutTokens(fmt.Sprintf(format, args...))))
}

// BedrockModelId returns the model that is asked first. It is a token if the prop is omitted and the
// stack's Region is not known at synth.
func (t *AlarmTriage) BedrockModelId() *string { return jsii.String(t.models[0].id) }

// FallbackModelIds returns the models that are asked if the first one can't be used, in order.
func (t *AlarmTriage) FallbackModelIds() *[]*string {
	ids := []*string{}
	for _, m := range t.models[1:] {
		ids = append(ids, jsii.String(m.id))
	}
	return &ids
}
