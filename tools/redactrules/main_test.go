package main

import (
	"os"
	"testing"

	"github.com/zricethezav/gitleaks/v8/config"
)

func TestConvert_MatchesCommittedRules(t *testing.T) {
	made, err := convert(config.DefaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../../internal/redact/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(made) != string(committed) {
		t.Error("internal/redact/rules.json differs from the output of redactrules with the pinned gitleaks: run `make tables` and review the change")
	}
}

func TestConvert_RejectsRulesItCannotExpress(t *testing.T) {
	for name, source := range map[string]string{
		"no keywords": "[[rules]]\nid = \"x\"\nregex = '''y'''\n",
		"an allow list whose conditions must all hold": "[[rules]]\nid = \"x\"\nregex = '''y'''\nkeywords = [\"y\"]\n[[rules.allowlists]]\ncondition = \"AND\"\nregexes = ['''z''']\n",
		"an invalid expression":                        "[[rules]]\nid = \"x\"\nregex = '''('''\nkeywords = [\"y\"]\n",
	} {
		if _, err := convert(source); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
