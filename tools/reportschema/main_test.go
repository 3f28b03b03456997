package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestGenerate_MatchesTheCommittedSchemas(t *testing.T) {
	made, err := generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range made {
		committed, err := os.ReadFile(filepath.Join("../../schema", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(committed) != string(text) {
			t.Errorf("schema/%s does not match the Go types: run `make schema` and review the change", name)
		}
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		if missing := undescribed(schema); len(missing) > 0 {
			t.Errorf("schema/%s has fields without a description: comment their Go fields: %q", name, missing)
		}
	}
}
