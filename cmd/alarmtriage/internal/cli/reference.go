package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

// reportHelp describes the argument REPORT of the commands about finished reports.
const reportHelp = "REPORT is the folder of a report, its report.json, or the s3:// address that a notification contains."

// feedbackFile is the file with what a human reported, beside a local report.
const feedbackFile = "feedback.json"

// answersFolder is the folder with the answers, beside a local report.
const answersFolder = "answers"

// maxRecord bounds the record of a local report, in bytes. It is more than an orchestrator stores.
const maxRecord = 256 << 20

// maxAnswer bounds an answer beside a local report, in bytes.
const maxAnswer = 64 << 20

// reference is a finished report.
type reference struct {
	rec    *investigation.Record
	folder string      // of a local report, where its answers and its feedback are; empty: it is in a bucket
	isFile bool        // a local report is a file that somebody downloaded, which no investigation reads
	uri    string      // of a report in a bucket; empty: it is local
	bucket string      // of a report in a bucket
	keys   report.Keys // of a report in a bucket
	store  *store.Store
	aws    aws.Config // that read a report in a bucket
}

// isAddress reports whether REPORT is an address and not the path of a file.
func isAddress(text string) bool { return strings.Contains(text, "://") }

// openReport reads the record of a report.
func (a *App) openReport(ctx context.Context, text string) (*reference, error) {
	if isAddress(text) {
		return a.openStored(ctx, text)
	}
	path := text
	info, err := os.Stat(path)
	if err != nil {
		return nil, &Problem{Code: NotFound, What: fmt.Sprintf("there is no report at %s", text), Remedy: "name its folder, its report.json, or its s3:// address", Err: err}
	}
	if info.IsDir() {
		path = filepath.Join(path, jsonFile)
	} else if filepath.Ext(path) != ".json" || filepath.Base(path) == conversationFile || filepath.Base(path) == cardFile {
		path = filepath.Join(filepath.Dir(path), jsonFile) // another form of the same report
	}
	rec, err := readRecord(path)
	if err != nil {
		return nil, &Problem{Code: NotFound, What: fmt.Sprintf("the report %s cannot be read (%v)", path, err),
			Remedy: "name the folder of a report, its report.json, or its s3:// address", Err: err}
	}
	r := &reference{rec: rec, folder: filepath.Dir(path)}
	if filepath.Base(path) != jsonFile { // a record that somebody downloaded
		r.folder, r.isFile = strings.TrimSuffix(path, ".json"), true
	}
	return r, nil
}

// regionName matches the names of AWS's Regions, also of those that do not exist yet: their last word is a direction.
var regionName = regexp.MustCompile(`-(?:central|(?:north|south)(?:east|west)?|east|west)-[0-9]{1,2}$`)

// isRegion reports whether a Region of AWS can have a name. The Region of a record becomes a part of the addresses of requests.
func isRegion(name string) bool {
	return broker.KnownRegion(name) != "" && regionName.MatchString(name)
}

// readRecord reads the record in a file.
func readRecord(path string) (*investigation.Record, error) {
	raw, err := readFile(path, maxRecord)
	if err != nil {
		return nil, err
	}
	var rec investigation.Record
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, fmt.Errorf("it is not the record of an investigation: %w", err)
	}
	if rec.ID == "" || rec.Alarm.Name == "" {
		return nil, errors.New("it is not the record of an investigation")
	}
	if !isRegion(rec.Alarm.Region) {
		return nil, fmt.Errorf("its Region %q is none of AWS", rec.Alarm.Region)
	}
	return &rec, nil
}

// hasUnknownFields reports whether a file is a record with fields that only another version knows.
func hasUnknownFields(path string) bool {
	raw, err := readFile(path, maxRecord)
	if err != nil {
		return false
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	return strict.Decode(&investigation.Record{}) != nil && json.Unmarshal(raw, &investigation.Record{}) == nil
}

// openStored reads the record of a report in a bucket.
func (a *App) openStored(ctx context.Context, uri string) (*reference, error) {
	bucket, _, found := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if !found || bucket == "" || !strings.HasPrefix(uri, "s3://") {
		return nil, &Problem{Code: Usage, What: fmt.Sprintf("%s is not the address of a report", uri), Remedy: "use the s3:// address that the notification contains"}
	}
	loaded, err := a.AWS(ctx)
	if err != nil {
		return nil, err
	}
	r := &reference{uri: uri, bucket: bucket, store: store.New(awsapi.From(loaded, deployedToolTime, a.hasOwnEndpoint()).S3, bucket), aws: loaded}
	if r.keys, err = r.store.Find(uri); err == nil {
		r.rec, err = r.store.Record(ctx, r.keys)
	}
	if errors.Is(err, store.ErrNoReport) {
		return nil, &Problem{Code: NotFound, What: err.Error(), Remedy: "check the address, --profile, and --region", Err: err}
	}
	if err != nil {
		return nil, awsProblem("the report cannot be read", err)
	}
	if !isRegion(r.rec.Alarm.Region) {
		return nil, &Problem{Code: NotFound, What: fmt.Sprintf("the report's Region %q is none of AWS", r.rec.Alarm.Region), Remedy: "check the address"}
	}
	return r, nil
}

// hasOwnEndpoint reports whether S3 is somewhere else than at AWS, where buckets have no host names of their own.
func (a *App) hasOwnEndpoint() bool {
	return a.Getenv("AWS_ENDPOINT_URL") != "" || a.Getenv("AWS_ENDPOINT_URL_S3") != ""
}

// localFolder returns the folder for what belongs to the report: that of a local report, or the one for a report in a bucket,
// which is not changed.
func (r *reference) localFolder() string {
	if r.folder != "" {
		return r.folder
	}
	return filepath.Join(reportsFolder, r.rec.StartedAt.UTC().Format("20060102-")+strings.TrimSuffix(filepath.Base(r.keys.Text), ".txt"))
}

// localAnswers returns the answers about the report in its folder, oldest first.
func (r *reference) localAnswers() []investigation.Answer {
	var answers []investigation.Answer
	for number := 1; number <= store.MaxAnswers; number++ {
		raw, err := readFile(filepath.Join(r.localFolder(), answersFolder, fmt.Sprintf("%d.json", number)), maxAnswer)
		if err != nil {
			continue // somebody may have removed it, or it is being written
		}
		var answer investigation.Answer
		if json.Unmarshal(raw, &answer) == nil && answer.Investigation == r.rec.ID {
			answers = append(answers, answer)
		}
	}
	return answers
}

// saveAnswer writes an answer beside the report under the next number and returns the path of its text.
func (r *reference) saveAnswer(answer *investigation.Answer, text func() string) (path string, err error) {
	folder := filepath.Join(r.localFolder(), answersFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	for number := 1; number <= store.MaxAnswers; number++ {
		file, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("%d.json", number)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		answer.Number = number
		body, err := report.AnswerJSON(answer)
		if err == nil {
			_, err = file.Write(body)
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return "", err
		}
		path = filepath.Join(folder, fmt.Sprintf("%d.txt", number))
		return path, replaceFile(path, []byte(text()))
	}
	return "", store.ErrFull
}
