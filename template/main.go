// Command template writes the CloudFormation templates of a release and its three zip files. One template has the construct
// AlarmTriage, and needs the zip files: those of the two functions, and that of the tool's Python layer. The other one has the
// construct AlarmTriageMember. docs/template.md describes how to use them.
//
//	make template
//
// The program synthesizes the construct with every option of the template, and once without each of them. Where these
// templates differ, the result has a condition. The test of this package compares the results with the constructs.
package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	out := flag.String("out", "dist", "the directory that receives the files")
	version := flag.String("version", "", "the version in the names of the files; default: a hash of the zip files")
	arch := flag.String("arch", "arm64", "the processor architecture of the functions: arm64 or x86_64")
	flag.Parse()
	err := write(*out, *version, *arch)
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "template:", err)
		os.Exit(1)
	}
}

// packages are the zip files, by the beginning of the logical id of the resource that uses them.
var packages = map[string]string{"TriageOrchestrator": "orchestrator", "TriageTool": "tool", "TriageHarness": "layer"}

// write writes the template and the zip files.
func write(out, version, arch string) error {
	architecture := map[string]awslambda.Architecture{"arm64": awslambda.Architecture_ARM_64(), "x86_64": awslambda.Architecture_X86_64()}[arch]
	if architecture == nil {
		return fmt.Errorf("unknown architecture %q: use arm64 or x86_64", arch)
	}
	dir, err := os.MkdirTemp("", "alarmtriage-template-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	triage, member := triageDesign(), memberDesign()
	result, err := triage.generate(dir, architecture, true)
	if err != nil {
		return err
	}
	ofMember, err := member.generate(filepath.Join(dir, member.stackID), architecture, false)
	if err != nil {
		return err
	}
	code := codeOf(result)
	zips := map[string][]byte{}
	for id, location := range code {
		asset, _ := location["S3Key"].(string)
		if zips[id], err = pack(filepath.Join(dir, full, "asset."+strings.TrimSuffix(asset, ".zip"))); err != nil {
			return fmt.Errorf("pack the code of %s: %w", id, err)
		}
	}
	if version == "" {
		version = hashOf(zips)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for id, location := range code {
		name := fmt.Sprintf("alarmtriage-%s-%s.zip", version, packageOf(id))
		locate(location, name)
		if err := os.WriteFile(filepath.Join(out, name), zips[id], 0o644); err != nil {
			return err
		}
	}
	if err := triage.write(out, version, result); err != nil {
		return err
	}
	return member.write(out, version, ofMember)
}

// write writes a template.
func (d design) write(out, version string, result template) error {
	result["Description"] = "alarmtriage " + version + ": " + d.description
	text, err := json.MarshalIndent(result, "", d.indent)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "alarmtriage-"+version+"-"+d.file+".json"), append(text, '\n'), 0o644)
}

// generate synthesizes the stacks of a template into folders of a directory, and returns the template.
func (d design) generate(dir string, architecture awslambda.Architecture, build bool) (template, error) {
	d.synthesize(dir, architecture, build)
	return d.read(dir)
}

// read combines the templates that synthesize wrote.
func (d design) read(dir string) (template, error) {
	on, err := d.readTemplate(filepath.Join(dir, full))
	if err != nil {
		return nil, err
	}
	off := map[string]template{}
	for _, o := range d.options {
		if off[o.condition], err = d.readTemplate(filepath.Join(dir, o.condition)); err != nil {
			return nil, err
		}
		// Only the assets of the first assembly are built, and the hash of an asset that is built depends on the toolchain.
		for id, location := range codeOf(off[o.condition]) {
			maps.Copy(location, codeOf(on)[id])
		}
	}
	return d.combine(on, off)
}

// packageOf returns the name of the package that a resource uses; empty: it uses none.
func packageOf(id string) string {
	for prefix, name := range packages {
		if strings.HasPrefix(id, prefix) {
			return name
		}
	}
	return ""
}

// codeOf returns the location of the code of each resource that has code.
func codeOf(t template) map[string]map[string]any {
	code := map[string]map[string]any{}
	for id, resource := range t.resources() {
		property := map[any]string{"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}[resource["Type"]]
		if properties, _ := resource["Properties"].(map[string]any); property != "" && packageOf(id) != "" {
			code[id], _ = properties[property].(map[string]any)
		}
	}
	return code
}

// locate makes code come from a file in the user's bucket.
func locate(code map[string]any, file string) {
	code["S3Bucket"] = ref(codeBucket)
	code["S3Key"] = fn("Join", "", []any{ref(codePrefix), file})
}

// pack returns a folder as a zip file. The same folder always has the same bytes.
func pack(dir string) ([]byte, error) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: filepath.ToSlash(name), Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		header.SetMode(0o644 | info.Mode()&0o111) // Lambda starts programs as another user
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = file.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// hashOf returns a short hash of all zip files.
func hashOf(zips map[string][]byte) string {
	sums := map[string]string{}
	for id, content := range zips {
		sums[id] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(canonical(sums))))[:12]
}
