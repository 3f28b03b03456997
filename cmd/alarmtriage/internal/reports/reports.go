// Package reports reads the reports of a deployed AlarmTriage from its bucket, or those of a local folder, and computes
// statistics over them.
package reports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
)

const (
	// parallel is how many reports are read at the same time.
	parallel = 8

	// maxReport is the size of the largest report that is read, in bytes.
	maxReport = 64 << 20

	day = 24 * time.Hour
)

// Period is a period of time. A report belongs to the period in which its investigation began.
type Period struct{ From, To time.Time }

func (p Period) contains(at time.Time) bool { return !at.Before(p.From) && at.Before(p.To) }

// Source has reports.
type Source interface {
	// List returns the reports of a period, newest first. Unreadable has one line for each report that cannot be read.
	List(ctx context.Context, period Period) (found []Report, unreadable []string, err error)
	// Form returns a form of a report, such as its text. ext is .txt, .html, or .json.
	Form(ctx context.Context, report Report, ext string) ([]byte, error)
}

// Report is one report.
type Report struct {
	Where  string // s3://bucket/key of the JSON form, or the name of its file
	Record investigation.Record
}

// decode reads the JSON form of a report.
func decode(where string, body []byte) (Report, error) {
	report := Report{Where: where}
	if err := json.Unmarshal(body, &report.Record); err != nil {
		return report, fmt.Errorf("%s is not a report: %w", where, err)
	}
	if report.Record.SchemaVersion == "" || report.Record.ID == "" {
		return report, fmt.Errorf("%s is not a report", where)
	}
	return report, nil
}

func newestFirst(found []Report) {
	slices.SortStableFunc(found, func(a, b Report) int { return b.Record.StartedAt.Compare(a.Record.StartedAt) })
}

// Bucket is a [Source]: the reports bucket of a deployed AlarmTriage.
type Bucket struct {
	Client S3
	Name   string
}

// S3 is the part of S3 that reads reports.
type S3 interface {
	ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, opts ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(ctx context.Context, in *s3.GetObjectInput, opts ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// List implements [Source].
func (b Bucket) List(ctx context.Context, period Period) (found []Report, unreadable []string, err error) {
	var keys []string
	for date := period.From.UTC().Truncate(day); date.Before(period.To); date = date.Add(day) {
		prefix := config.ReportsPrefix + date.Format("2006/01/02/")
		pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix, Delimiter: aws.String("/")})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, nil, fmt.Errorf("list the reports of s3://%s/%s: %w", b.Name, prefix, err)
			}
			for _, object := range page.Contents {
				if key := aws.ToString(object.Key); isRecord(key) {
					keys = append(keys, key)
				}
			}
		}
	}
	reports, problems := make([]Report, len(keys)), make([]error, len(keys))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, key := range keys {
		group.Go(func() error {
			body, err := b.get(ctx, key)
			if err == nil {
				reports[i], err = decode(b.uri(key), body)
			}
			problems[i] = err
			return nil
		})
	}
	_ = group.Wait()
	if err := ctx.Err(); err != nil { // a part of the reports would look like all of them
		return nil, nil, fmt.Errorf("read the reports: %w", err)
	}
	for i := range keys {
		switch {
		case problems[i] != nil:
			unreadable = append(unreadable, problems[i].Error())
		case period.contains(reports[i].Record.StartedAt):
			found = append(found, reports[i])
		}
	}
	if len(keys) > 0 && len(unreadable) == len(keys) {
		return nil, nil, fmt.Errorf("read the reports: %w", problems[0])
	}
	newestFirst(found)
	return found, unreadable, nil
}

// isRecord reports whether a key is that of a report's JSON form.
func isRecord(key string) bool {
	return strings.HasSuffix(key, ".json") && !strings.HasSuffix(key, "-conversation.json") && !strings.HasPrefix(key, config.CheckpointsPrefix)
}

func (b Bucket) uri(key string) string { return "s3://" + b.Name + "/" + key }

func (b Bucket) get(ctx context.Context, key string) ([]byte, error) {
	out, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", b.uri(key), err)
	}
	defer out.Body.Close()
	return readAll(b.uri(key), out.Body)
}

func readAll(where string, from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxReport+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", where, err)
	case len(body) > maxReport:
		return nil, fmt.Errorf("read %s: it has more than %d bytes", where, maxReport)
	}
	return body, nil
}

// Form implements [Source].
func (b Bucket) Form(ctx context.Context, report Report, ext string) ([]byte, error) {
	key := strings.TrimPrefix(report.Where, b.uri(""))
	return b.get(ctx, strings.TrimSuffix(key, ".json")+ext)
}

// Folder is a [Source]: a folder with the folders that `alarmtriage investigate` wrote.
type Folder string

// recordFile is the name of the JSON form in the folder of a report.
const recordFile = "report.json"

// Files returns the JSON forms of the reports in a folder, by the names of their folders. The name of the folder is no pattern.
func Files(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		file := filepath.Join(folder, entry.Name(), recordFile)
		if _, err := os.Lstat(file); err == nil {
			files = append(files, file)
		}
	}
	return files, nil
}

// List implements [Source].
func (f Folder) List(_ context.Context, period Period) (found []Report, unreadable []string, err error) {
	files, err := Files(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("the folder %s does not exist: %w", string(f), err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list the reports of %s: %w", string(f), err)
	}
	for _, file := range files {
		report, err := readFile(file)
		switch {
		case err != nil:
			unreadable = append(unreadable, err.Error())
		case period.contains(report.Record.StartedAt):
			found = append(found, report)
		}
	}
	newestFirst(found)
	return found, unreadable, nil
}

func readFile(name string) (Report, error) {
	body, err := readRegular(name)
	if err != nil {
		return Report{}, err
	}
	return decode(name, body)
}

// readRegular returns a file, but no device and no pipe, which a folder of somebody else can have.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is not a file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(name, file)
}

// Form implements [Source].
func (f Folder) Form(_ context.Context, report Report, ext string) ([]byte, error) {
	name := strings.TrimSuffix(report.Where, path.Ext(report.Where)) + ext
	return readRegular(name)
}

// Contains reports whether a report mentions a text, ignoring case: in its alarm, in a text of the model, or in its evidence, but
// not in the code and the output of its rounds.
func (r Report) Contains(text string) bool {
	return mentions(reflect.ValueOf(r.Record), strings.ToLower(text))
}

// What of a record is not searched: the code and the output of its rounds, data points, and the version of the format.
var (
	unsearchedTypes  = []reflect.Type{reflect.TypeFor[investigation.ToolCall](), reflect.TypeFor[investigation.OtherCall]()}
	unsearchedFields = []string{"ReasonData", "SchemaVersion"}
)

// mentions reports whether a text of a value contains a text in lower case. A value of a named type, such as an
// outcome, is not a text.
func mentions(v reflect.Value, text string) bool {
	switch v.Kind() {
	case reflect.String:
		return v.Type() == reflect.TypeFor[string]() && strings.Contains(strings.ToLower(v.String()), text)
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && mentions(v.Elem(), text)
	case reflect.Struct:
		if slices.Contains(unsearchedTypes, v.Type()) {
			return false
		}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.IsExported() && !slices.Contains(unsearchedFields, field.Name) && mentions(v.Field(i), text) {
				return true
			}
		}
	case reflect.Map:
		isDocument := v.Type().Elem().Kind() == reflect.Interface // whose keys are names of fields
		for _, key := range v.MapKeys() {
			if !isDocument && mentions(key, text) || mentions(v.MapIndex(key), text) {
				return true
			}
		}
	case reflect.Slice:
		if raw, ok := v.Interface().(json.RawMessage); ok {
			var document any
			return json.Unmarshal(raw, &document) == nil && document != nil && mentions(reflect.ValueOf(document), text)
		}
		for i := range v.Len() {
			if mentions(v.Index(i), text) {
				return true
			}
		}
	}
	return false
}
