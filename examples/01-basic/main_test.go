package main

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
)

var update = flag.Bool("update", false, "rewrite the snapshot")

// newTestApp returns an app whose synth compiles nothing.
func newTestApp() awscdk.App {
	return awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []string{}}})
}

func TestStack_AlarmsStartInvestigations(t *testing.T) {
	template := assertions.Template_FromStack(newStack(newTestApp()), nil)

	alarms := *template.FindResources(jsii.String("AWS::CloudWatch::Alarm"), nil)
	if len(alarms) != 2 {
		t.Fatalf("want 2 alarms, got %d", len(alarms))
	}
	for id, alarm := range alarms {
		actions, _ := (*alarm)["Properties"].(map[string]any)["AlarmActions"].([]any)
		if len(actions) != 1 {
			t.Errorf("%s: want 1 action, got %v", id, actions)
		}
	}
	template.HasResourceProperties(jsii.String("AWS::SNS::Subscription"), map[string]any{"Protocol": "email"})
}

// hash matches the content hashes of assets, which change with each version of the libraries.
var hash = regexp.MustCompile(`[0-9a-f]{64}`)

// snapshot returns the app's own part of a template. The parts of AlarmTriage, whose IDs begin with the ID of the
// construct, are tested by its project, and may change with its versions.
func snapshot(t *testing.T, stack awscdk.Stack) string {
	t.Helper()
	template := *assertions.Template_FromStack(stack, nil).ToJSON()
	for _, section := range []string{"Resources", "Mappings"} {
		parts, _ := template[section].(map[string]any) // a stack with a Region has no mappings
		for id := range parts {
			if strings.HasPrefix(id, "Triage") {
				delete(parts, id)
			}
		}
	}
	text, err := json.MarshalIndent(template, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return hash.ReplaceAllString(string(text), "HASH") + "\n"
}

func TestStack_EqualsTheSnapshot(t *testing.T) {
	const file = "testdata/stack.json"
	got := snapshot(t, newStack(newTestApp()))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the template differs from %s; if that is right, run `go test . -update` and look at the difference", file)
	}
}
