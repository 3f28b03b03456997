// Command reportschema generates the JSON schemas of the stored report and of the completion event from
// their Go types. No field can be forgotten, and the fields' comments become the descriptions.
//
//	go run ./reportschema .. ../schema
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// document is one schema to generate.
type document struct {
	file, root, title, about string
}

var documents = []document{
	{"report.schema.json", "investigation.Record", "Report of alarmtriage",
		"The JSON form of a report, stored in the reports bucket next to its text and its page. Within a major version " +
			"of schema_version, fields are only added; readers must ignore fields that they do not know."},
	{"answer.schema.json", "investigation.Answer", "Answer to a question about a report of alarmtriage",
		"The JSON form of an answer, stored in the reports bucket below the key of its report. It has the same versioning as the " +
			"report."},
	{"completion.schema.json", "report.completion", "Completion event of alarmtriage",
		"The detail of the event that CompletionEventBus receives when an investigation ends (source alarmtriage, " +
			"detail-type \"Alarm Investigation Completed\"). It has the same versioning as the report. A detail that is " +
			"too long for an event loses its findings, ruled_out, and not_seen, then everything but the verdict, whose texts are " +
			"shortened, then the texts."},
}

// packages are the directories of the types; a directory's last element is its package's name.
var packages = []string{"internal/investigation", "internal/alarmevent", "internal/toolcall", "internal/report"}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: reportschema REPOSITORY DIRECTORY"))
	}
	made, err := generate(os.Args[1])
	if err != nil {
		fail(err)
	}
	for name, text := range made {
		if err := os.WriteFile(filepath.Join(os.Args[2], name), text, 0o644); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "reportschema:", err)
	os.Exit(1)
}

// declared holds the packages' declarations, by "package.Name".
type declared struct {
	types    map[string]*ast.TypeSpec
	comments map[string]string
	values   map[string][]string // of string constants, by their type
	version  string              // investigation.SchemaVersion
}

// generate returns the schemas by file name.
func generate(repository string) (map[string][]byte, error) {
	d := declared{types: map[string]*ast.TypeSpec{}, comments: map[string]string{}, values: map[string][]string{}}
	for _, directory := range packages {
		if err := d.read(filepath.Join(repository, directory), filepath.Base(directory)); err != nil {
			return nil, err
		}
	}
	major, _, _ := strings.Cut(d.version, ".")
	made := map[string][]byte{}
	for _, doc := range documents {
		b := builder{declared: &d, defs: map[string]any{}}
		root, err := b.object(doc.root)
		if err != nil {
			return nil, err
		}
		root["properties"].(map[string]any)["schema_version"] = map[string]any{
			"type": "string", "pattern": "^" + regexp.QuoteMeta(major) + `\.[0-9]+$`,
			"description": "Version of this format, currently " + d.version + ".",
		}
		root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		root["title"], root["description"], root["$defs"] = doc.title, doc.about, b.defs
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(root); err != nil {
			return nil, fmt.Errorf("encode %s: %w", doc.file, err)
		}
		made[doc.file] = out.Bytes()
	}
	return made, nil
}

func (d *declared) read(directory, name string) error {
	paths, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("no Go files in %s: %w", directory, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		for _, decl := range file.Decls {
			if general, ok := decl.(*ast.GenDecl); ok {
				d.declare(name, general)
			}
		}
	}
	return nil
}

func (d *declared) declare(name string, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			d.types[name+"."+s.Name.Name] = s
			d.comments[name+"."+s.Name.Name] = sentence(decl.Doc.Text())
		case *ast.ValueSpec:
			if decl.Tok != token.CONST || len(s.Values) != 1 {
				continue
			}
			literal, ok := s.Values[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				continue
			}
			if kind, ok := s.Type.(*ast.Ident); ok {
				d.values[name+"."+kind.Name] = append(d.values[name+"."+kind.Name], value)
			} else if name+"."+s.Names[0].Name == "investigation.SchemaVersion" {
				d.version = value
			}
		}
	}
}

// sentence returns a comment as one line that ends with a period.
func sentence(comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	if text != "" && !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// builder builds one schema; referenced structs become its definitions.
type builder struct {
	*declared
	defs map[string]any
}

// object returns the schema of a struct.
func (b *builder) object(name string) (map[string]any, error) {
	spec := b.types[name]
	if spec == nil {
		return nil, fmt.Errorf("type %s not found", name)
	}
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is not a struct", name)
	}
	home, _, _ := strings.Cut(name, ".")
	properties, required := map[string]any{}, []string{}
	for _, field := range structure.Fields.List {
		if field.Tag == nil || len(field.Names) != 1 {
			return nil, fmt.Errorf("%s has a field without a JSON name: add a json tag", name)
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, field.Names[0].Name, err)
		}
		key, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		schema, err := b.schema(home, field.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, field.Names[0].Name, err)
		}
		if minimum, err := strconv.Atoi(reflect.StructTag(tag).Get("minimum")); err == nil {
			schema["minimum"] = minimum
		}
		if comment := sentence(field.Comment.Text()); comment != "" {
			schema["description"] = upper(comment)
		}
		properties[key] = schema
		if options == "" {
			required = append(required, key)
		}
	}
	slices.Sort(required)
	out := map[string]any{"type": "object", "properties": properties, "required": required}
	if comment := b.comments[name]; comment != "" {
		out["description"] = comment
	}
	return out, nil
}

// schema returns the schema of a field's type. home is the field's package.
func (b *builder) schema(home string, kind ast.Expr) (map[string]any, error) {
	switch k := kind.(type) {
	case *ast.StarExpr:
		return b.schema(home, k.X)
	case *ast.ArrayType:
		items, err := b.schema(home, k.Elt)
		return map[string]any{"type": "array", "items": items}, err
	case *ast.MapType:
		values, err := b.schema(home, k.Value)
		return map[string]any{"type": "object", "additionalProperties": values}, err
	case *ast.SelectorExpr:
		return b.named(k.X.(*ast.Ident).Name + "." + k.Sel.Name)
	case *ast.Ident:
		switch k.Name {
		case "string":
			return map[string]any{"type": "string"}, nil
		case "bool":
			return map[string]any{"type": "boolean"}, nil
		case "int", "int64":
			return map[string]any{"type": "integer", "minimum": 0}, nil
		case "float64":
			return map[string]any{"type": "number"}, nil
		}
		return b.named(home + "." + k.Name)
	}
	return nil, fmt.Errorf("unsupported type %T", kind)
}

func (b *builder) named(name string) (map[string]any, error) {
	switch name {
	case "time.Time":
		return map[string]any{"type": "string", "format": "date-time"}, nil
	case "json.RawMessage":
		return map[string]any{}, nil // any JSON
	}
	if values := b.values[name]; values != nil {
		values = slices.Compact(slices.Sorted(slices.Values(values)))
		return map[string]any{"type": "string", "enum": values, "description": b.comments[name]}, nil
	}
	if _, done := b.defs[name]; !done {
		b.defs[name] = nil // for recursive types
		made, err := b.object(name)
		if err != nil {
			return nil, err
		}
		b.defs[name] = made
	}
	return map[string]any{"$ref": "#/$defs/" + name}, nil
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// undescribed returns the fields of a schema that have no description.
func undescribed(schema map[string]any) []string {
	var missing []string
	look := func(at string, object map[string]any) {
		properties, _ := object["properties"].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			field := properties[key].(map[string]any)
			if field["description"] == nil && field["$ref"] == nil {
				missing = append(missing, at+key)
			}
		}
	}
	look("", schema)
	defs, _ := schema["$defs"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		look(name+".", defs[name].(map[string]any))
	}
	return missing
}
