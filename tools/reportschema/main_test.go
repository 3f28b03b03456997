package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestCommittedSchemasAreThoseOfTheTypes(t *testing.T) {
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
			t.Errorf("schema/%s is not what the types say: run `make schema` and review the change", name)
		}
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		if missing := undescribed(schema); len(missing) > 0 {
			t.Errorf("schema/%s has fields without a description: give their Go fields a comment: %q", name, missing)
		}
	}
}
