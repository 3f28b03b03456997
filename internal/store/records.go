package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// ErrNoReport reports that a text names no report of this bucket.
var ErrNoReport = errors.New("no such report")

// MaxAnswers is how many answers one report may have.
const MaxAnswers = 50

// ErrFull reports that a report has MaxAnswers answers.
var ErrFull = fmt.Errorf("the report has %d answers, the most that it may have", MaxAnswers)

// reportBase matches the keys that [KeysFor] makes, without their endings. Whoever names a report therefore cannot make the
// orchestrator read any other object.
var reportBase = regexp.MustCompile(`^reports/2[0-9]{3}/[01][0-9]/[0-3][0-9]/[0-9]{6}-[A-Za-z0-9._-]{1,120}-[0-9a-f]{12}$`)

// reportEndings are the endings of a report's keys. The first that matches counts.
var reportEndings = []string{"-conversation.json", ".json", ".html", ".txt"}

// Find returns the keys of the report that a text names: the S3 URI or the key of one of its objects. If it names none,
// the error wraps [ErrNoReport].
func (s *Store) Find(name string) (report.Keys, error) {
	key := strings.TrimSpace(name)
	if strings.Contains(key, "://") {
		inBucket, ok := strings.CutPrefix(key, "s3://"+s.bucket+"/")
		if !ok {
			return report.Keys{}, fmt.Errorf("%w: %q is not in the reports bucket: want s3://%s/reports/YYYY/MM/DD/….txt, as in the notification",
				ErrNoReport, truncate.Bytes(key, 200), s.bucket)
		}
		key = inBucket
	}
	base := key
	for _, ending := range reportEndings {
		if found, ok := strings.CutSuffix(key, ending); ok {
			base = found
			break
		}
	}
	if !reportBase.MatchString(base) {
		return report.Keys{}, fmt.Errorf("%w: %q is not the key of a report: want reports/YYYY/MM/DD/….txt, as in the notification",
			ErrNoReport, truncate.Bytes(key, 200))
	}
	return keysOf(base), nil
}

// Record returns the record of a report. If there is no such report, the error wraps [ErrNoReport].
func (s *Store) Record(ctx context.Context, keys report.Keys) (*investigation.Record, error) {
	raw, err := s.get(ctx, s.bucket, keys.JSON)
	if isMissing(err) {
		return nil, fmt.Errorf("%w: %s does not exist, or may not be read", ErrNoReport, s.URI(keys.JSON))
	}
	if err != nil {
		return nil, err
	}
	var rec investigation.Record
	if err := json.Unmarshal(raw, &rec); err != nil {
		return nil, fmt.Errorf("%w: %s is not the record of an investigation: %w", ErrNoReport, s.URI(keys.JSON), err)
	}
	if KeysFor(&rec) != keys {
		return nil, fmt.Errorf("%w: %s is the record of another investigation", ErrNoReport, s.URI(keys.JSON))
	}
	return &rec, nil
}

// isMissing reports whether an object could not be read because it does not exist. S3 answers that a role without
// s3:ListBucket may not read it.
func isMissing(err error) bool {
	return err != nil && (awsapi.Classify(err) == awsapi.ClassNotFound || awsapi.Classify(err) == awsapi.ClassDenied)
}

// AnswerKeys returns the keys of a report's answer with this number.
func AnswerKeys(keys report.Keys, number int) (asJSON, asText string) {
	base := fmt.Sprintf("%s/answers/%d", strings.TrimSuffix(keys.Text, ".txt"), number)
	return base + ".json", base + ".txt"
}

// Answers returns the answers to earlier questions about a report, oldest first, without their rounds: those of all answers
// together may not fit into memory.
func (s *Store) Answers(ctx context.Context, keys report.Keys) ([]investigation.Answer, error) {
	var answers []investigation.Answer
	for number := 1; number <= MaxAnswers; number++ {
		key, _ := AnswerKeys(keys, number)
		raw, err := s.get(ctx, s.bucket, key)
		if isMissing(err) {
			break
		}
		if err != nil {
			return answers, err
		}
		var answer investigation.Answer
		if err := json.Unmarshal(raw, &answer); err != nil {
			return answers, fmt.Errorf("read %s: %w", s.URI(key), err)
		}
		answer.Rounds = nil
		answers = append(answers, answer)
	}
	return answers, nil
}

// PutAnswer stores an answer beside its report under the next number, which it sets together with the URI. Answers that are
// stored at the same time get different numbers, unless they are equal. at is a number from which on others are free. text renders the answer.
func (s *Store) PutAnswer(ctx context.Context, keys report.Keys, answer *investigation.Answer, at int, text func() string) error {
	for number := max(at, 1); number <= MaxAnswers; number++ {
		key, textKey := AnswerKeys(keys, number)
		answer.Number, answer.URI = number, s.URI(textKey)
		body, err := report.AnswerJSON(answer)
		if err != nil {
			return err
		}
		_, err = s.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(body), ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
		})
		if awsapi.AlreadyExists(err) {
			if stored, err := s.get(ctx, s.bucket, key); err != nil || !bytes.Equal(stored, body) {
				continue
			}
			err = nil // the SDK sent the request again, because S3's answer to the first one was lost
		}
		if err != nil {
			answer.Number, answer.URI = 0, ""
			return fmt.Errorf("save %s: %w", s.URI(key), err)
		}
		return s.put(ctx, Object{Key: textKey, ContentType: "text/plain; charset=utf-8", Body: []byte(text())})
	}
	answer.Number, answer.URI = 0, ""
	return fmt.Errorf("save the answer: %w", ErrFull)
}
