// Package alarmjs reads and attaches alarms in CDK's Node process, and finds the places of resources. Each call of CDK from Go is a message to that process
// and back, which takes about as long as CDK needs for a fifth of an alarm. With hundreds of alarms, a handful of calls
// for each of them would double the duration of a synth. The functions of this package need one message for any number of
// alarms, and AttachAll's aspect one for all alarms of its scope, instead of one for each construct of the app.
//
// The package does what the Go packages of CDK libraries do: it passes a module and its description to jsii, which loads
// it into the Node process. The module is alarms.js.
package alarmjs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	cdk "github.com/aws/aws-cdk-go/awscdk/v2/jsii"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go/runtime"
)

// Alarm describes an alarm, with tokens.
type Alarm struct {
	Construct  constructs.IConstruct // the alarm construct, or the resource if it has none
	Path       string
	Stack      awscdk.Stack // nil if the alarm is imported, or the construct is not an alarm
	Name, Rule string       // empty if they are not set
	Beginning  string       // the beginning of Name that is known at synth, if Name contains a token
	Namespace  string       // empty if the alarm has metrics in a list
	Measured   []any        // dimensions and metrics, with references as in [Identify]: its own, or those of each alarm in its rule
	Unlisted   []string     // those of the properties AlarmActions and OKActions that are an intrinsic function, not a list
	Generic    bool         // it is a CfnResource without properties for actions
	OnlyScales bool         // all actions of its ALARM state are scaling policies; known of the alarms that VisitAll and Stages find
}

// Actions are the actions of an alarm.
type Actions struct {
	Alarm, OK Count
	Disabled  bool // ActionsEnabled is false
	Runbook   Runbook
}

// Runbook is where an alarm may name its runbook.
type Runbook struct {
	Description string // empty if it can't name one
	Tag         string // the value of the tag that names one
	Propagates  bool   // events contain the alarm's tags, as far as it is known at synth
}

// Notifying is an alarm that notifies a topic.
type Notifying struct {
	Path, Name string // the name is empty if CloudFormation generates it
	Place      string // "aws://ACCOUNT/REGION" of its stack; the path of the stack if one of them is not known at synth
	Topic      int    // the index of the topic
	Alarm, OK  bool   // it notifies the topic when it goes to this state
}

// Count is the number of actions for one state, and how many of them are a given one.
type Count struct {
	All, Own int
	Unlisted bool // they are an intrinsic function, so All is not known
}

// Stage is a Stage and the alarms in it.
type Stage struct {
	Path   string
	Alarms []Alarm
}

// Identify returns texts in which a reference to a resource is the path of the resource, and an intrinsic function is JSON. Resources of two stacks can have
// the same logical ID, so references to them may look the same in templates.
func Identify(scope constructs.IConstruct, texts ...*string) []string {
	var found []map[string]any
	invoke("identify", &found, scope, texts)
	identified := make([]string, len(texts))
	for i, fields := range found {
		identified[i] = textOf(fields["text"])
	}
	return identified
}

// Place is where a resource is.
type Place struct {
	Path            string // of the construct, or the ARN of a resource that is none
	Stack           string // path; empty if the resource is not a construct
	Account, Region string // empty if they are not known at synth
	Referable       bool   // a stack can refer to it: it is imported, in the same environment, or has a physical name
}

// Places returns where the stack of scope is, and where resources are, in their order. There are none if scope is in no stack.
func Places(scope constructs.IConstruct, resources []constructs.IConstruct) (here Place, places []Place) {
	var found []map[string]any
	invoke("places", &found, scope, resources)
	for _, fields := range found {
		referable, _ := fields["referable"].(bool)
		places = append(places, Place{
			Path: textOf(fields["path"]), Stack: textOf(fields["stack"]), Account: textOf(fields["account"]), Region: textOf(fields["region"]),
			Referable: referable,
		})
	}
	if len(places) == 0 {
		return Place{}, nil
	}
	return places[0], places[1:]
}

// Describe returns the descriptions of constructs, in their order. If a construct is the resource of an alarm construct,
// its description is that of the alarm construct.
func Describe(list ...constructs.IConstruct) []Alarm {
	var found []map[string]any
	invoke("describe", &found, list)
	return unpackAll(found)
}

// Condition describes alarms that can be attached without a decision in Go.
type Condition struct {
	Stack    awscdk.Stack // they are in this stack; no alarm fulfills the condition if it is nil
	NotBelow string       // their paths are not this one, and not below it
	NotNamed string       // their names do not begin with this prefix
}

// AttachIf returns the descriptions of constructs, as [Describe] does. If all of them are alarms that fulfill the condition,
// it also attaches them, and reports that. It needs one message.
func AttachIf(c Condition, list []constructs.IConstruct, action *string, recovery bool) (alarms []Alarm, attached bool) {
	if len(list) == 0 {
		return nil, true
	}
	var found []map[string]any
	invoke("attachIf", &found, c.Stack, c.NotBelow, c.NotNamed, list, action, recovery)
	attached, _ = found[0]["done"].(bool)
	for i, fields := range found[1:] {
		alarms = append(alarms, unpack(fields, list[i], c.Stack))
	}
	return alarms, attached
}

// Attach adds an action to alarms, for ALARM and, if recovery is true, for OK. Alarms that have the action keep it.
func Attach(list []constructs.IConstruct, action *string, recovery bool) {
	if len(list) == 0 {
		return
	}
	load()
	runtime.StaticInvokeVoid(class, "attach", []any{list, action, recovery})
}

// VisitAll adds an aspect to scope. It calls visit for each alarm below scope, and attaches the alarms for which visit
// returns true.
func VisitAll(scope constructs.IConstruct, visit func(Alarm) bool, action *string, recovery bool) {
	load()
	runtime.StaticInvokeVoid(class, "visitAll", []any{scope, &visitor{visit}, action, recovery})
}

// ActionsOf returns the numbers of actions of alarms in the app of scope, in their order. The alarms were described before.
func ActionsOf(scope constructs.IConstruct, paths []string, action *string) []Actions {
	if len(paths) == 0 {
		return nil
	}
	var text string
	invoke("actions", &text, scope, paths, action)
	var actions []Actions
	must(json.Unmarshal([]byte(text), &actions))
	return actions
}

// NotifyingOf returns the alarms of the app of scope that notify topics. An alarm is there once for each topic. It needs one
// message.
func NotifyingOf(scope constructs.IConstruct, topics []*string) []Notifying {
	if len(topics) == 0 {
		return nil
	}
	var found []map[string]any
	invoke("notifying", &found, scope, topics)
	alarms := make([]Notifying, len(found))
	for i, fields := range found {
		topic, _ := fields["topic"].(float64)
		alarm, _ := fields["alarm"].(bool)
		ok, _ := fields["ok"].(bool)
		alarms[i] = Notifying{Path: textOf(fields["path"]), Name: textOf(fields["name"]), Place: textOf(fields["place"]), Topic: int(topic), Alarm: alarm, OK: ok}
	}
	return alarms
}

// Stages returns the Stages below scope that contain alarms.
func Stages(scope constructs.IConstruct) (stages []Stage) {
	var found []map[string]any
	invoke("inStages", &found, scope)
	for i, alarm := range unpackAll(found) {
		path := textOf(found[i]["stage"])
		if len(stages) == 0 || stages[len(stages)-1].Path != path {
			stages = append(stages, Stage{Path: path})
		}
		last := &stages[len(stages)-1]
		last.Alarms = append(last.Alarms, alarm)
	}
	return stages
}

// Properties returns the properties of a resource as they are in its template now, with references as in [Identify].
func Properties(resource constructs.IConstruct) (properties map[string]any) {
	var found []map[string]any
	invoke("properties", &found, []constructs.IConstruct{resource})
	must(json.Unmarshal([]byte(textOf(found[0]["text"])), &properties))
	return properties
}

// Resource is a resource of the app.
type Resource struct {
	Path, Type string
	Properties map[string]any // as Properties returns them
}

// ResourcesOf returns the resources of some types, with CloudFormation's names, in the app of a construct.
func ResourcesOf(scope constructs.IConstruct, types ...string) []Resource {
	var found []map[string]any
	invoke("ofTypes", &found, scope, types)
	resources := make([]Resource, len(found))
	for i, fields := range found {
		resources[i] = Resource{Path: textOf(fields["path"]), Type: textOf(fields["type"])}
		must(json.Unmarshal([]byte(textOf(fields["text"])), &resources[i].Properties))
	}
	return resources
}

// TopicPolicy is a resource with a policy of topics.
type TopicPolicy struct {
	Topics     []string         // as Identify returns them
	Statements []map[string]any // in which references are as in Identify
}

// TopicPolicies returns the policies of topics that the app of a construct defines.
func TopicPolicies(scope constructs.IConstruct) []TopicPolicy {
	var found []map[string]any
	invoke("topicPolicies", &found, scope)
	policies := make([]TopicPolicy, len(found))
	for i, fields := range found {
		topics, _ := fields["topics"].([]any)
		for _, topic := range topics {
			policies[i].Topics = append(policies[i].Topics, textOf(topic))
		}
		must(json.Unmarshal([]byte(textOf(fields["statements"])), &policies[i].Statements))
	}
	return policies
}

// unpack returns a description that the function pack of alarms.js has packed, with a construct and a stack that are known.
func unpack(fields map[string]any, construct constructs.IConstruct, stack awscdk.Stack) Alarm {
	var text struct {
		Path, AlarmName, Beginning, AlarmRule, Namespace string
		Measured                                         []any
		Unlisted                                         []string
		Generic, OnlyScales                              bool
	}
	must(json.Unmarshal([]byte(textOf(fields["text"])), &text))
	alarm := Alarm{
		Construct: construct, Path: text.Path, Name: text.AlarmName, Rule: text.AlarmRule, Namespace: text.Namespace, Measured: text.Measured,
		Unlisted: text.Unlisted, Generic: text.Generic, Beginning: text.Beginning, OnlyScales: text.OnlyScales,
	}
	if other, ok := fields["construct"].(constructs.IConstruct); ok {
		alarm.Construct = other
	}
	if text.Measured != nil { // it is an alarm of the app
		alarm.Stack = stack
	}
	if other, ok := fields["stack"].(awscdk.Stack); ok {
		alarm.Stack = other
	}
	return alarm
}

// unpackAll returns descriptions that packAll has packed.
func unpackAll(packed []map[string]any) []Alarm {
	alarms := make([]Alarm, len(packed))
	var last awscdk.Stack
	for i, fields := range packed {
		alarms[i] = unpack(fields, nil, last)
		last = alarms[i].Stack
	}
	return alarms
}

func textOf(value any) string {
	text, _ := value.(string)
	return text
}

// The names of the module, of its class, and of its interface, as in jsii.json.
const (
	module           = "alarmtriage"
	version          = "0.0.0"
	class            = runtime.FQN(module + ".Alarms")
	visitorInterface = runtime.FQN(module + ".IVisitor")
)

// jsVisitor is the interface that alarms.js calls.
type jsVisitor interface {
	VisitAlarms(packed *[]*map[string]any) *[]*bool
}

// visitor implements jsVisitor. jsii does not support functions.
type visitor struct{ visit func(Alarm) bool }

// VisitAlarms implements jsVisitor.
func (v *visitor) VisitAlarms(packed *[]*map[string]any) *[]*bool {
	fields := make([]map[string]any, len(*packed))
	for i, p := range *packed {
		fields[i] = *p
	}
	accepted := make([]*bool, len(fields))
	for i, alarm := range unpackAll(fields) {
		accept := v.visit(alarm)
		accepted[i] = &accept
	}
	return &accepted
}

func invoke(method string, result any, arguments ...any) {
	load()
	runtime.StaticInvoke(class, method, arguments, result)
}

//go:embed alarms.js
var source []byte

//go:embed jsii.json
var description []byte

// load loads the module into the Node process, unless it is loaded.
func load() {
	cdk.Initialize()
	runtime.Load(module, version, tarball())
	register()
}

var register = sync.OnceFunc(func() {
	runtime.RegisterInterface(visitorInterface, reflect.TypeFor[jsVisitor](),
		[]runtime.Member{runtime.MemberMethod{JsiiMethod: "visitAlarms", GoMethod: "VisitAlarms"}},
		func() any { return &visitor{} })
})

// tarball returns the module as an npm package.
var tarball = sync.OnceValue(func() []byte {
	var text bytes.Buffer
	compressed := gzip.NewWriter(&text)
	archive := tar.NewWriter(compressed)
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"package.json", []byte(`{"name": "` + module + `", "version": "` + version + `", "main": "alarms.js", "license": "MIT"}`)},
		{".jsii", description},
		{"alarms.js", source},
	} {
		must(archive.WriteHeader(&tar.Header{Name: "package/" + file.name, Mode: 0o644, Size: int64(len(file.data))}))
		_, err := archive.Write(file.data)
		must(err)
	}
	must(archive.Close())
	must(compressed.Close())
	return text.Bytes()
})

// must panics if an archive in memory can't be written or a description can't be read, which does not happen.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
