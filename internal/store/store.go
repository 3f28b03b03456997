// Package store keeps reports and checkpoints in the reports bucket.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

const (
	// maxNameInKey bounds the alarm's name within a key, in bytes. A key may have 1,024 bytes.
	maxNameInKey = 100

	// maxCheckpoint bounds an object that is read, in bytes.
	maxCheckpoint = 64 << 20
)

// Store is one reports bucket.
type Store struct {
	s3     awsapi.S3
	bucket string
}

// New returns the Store in this bucket.
func New(client awsapi.S3, bucket string) *Store { return &Store{s3: client, bucket: bucket} }

// KeysFor returns the keys of a report, such as reports/2026/11/23/130501-my-alarm-<id>.txt. They depend
// only on values that never change within an investigation: a retry writes to the same objects.
func KeysFor(rec *investigation.Record) report.Keys {
	at := rec.StartedAt.UTC()
	return keysOf(config.ReportsPrefix + at.Format("2006/01/02/150405-") + sanitize(rec.Alarm.Name) + "-" + rec.ID)
}

func keysOf(base string) report.Keys {
	return report.Keys{Text: base + ".txt", HTML: base + ".html", JSON: base + ".json", Conversation: base + "-conversation.json"}
}

// URI returns the address of a key as s3://bucket/key.
func (s *Store) URI(key string) string { return "s3://" + s.bucket + "/" + key }

// sanitize replaces characters that need encoding in keys, URLs, or shells.
func sanitize(name string) string {
	var b strings.Builder
	for _, r := range name {
		if b.Len() >= maxNameInKey {
			break
		}
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
			b.WriteRune(r)
		default:
			if !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
		}
	}
	if clean := strings.Trim(b.String(), "-."); clean != "" {
		return clean
	}
	return "alarm"
}

// Object is an object to store.
type Object struct {
	Key         string
	ContentType string
	Body        []byte
}

// PutAll writes the objects concurrently. The error names every object that was not written.
func (s *Store) PutAll(ctx context.Context, objects []Object) error {
	problems := make([]error, len(objects))
	var group errgroup.Group
	for i, object := range objects {
		group.Go(func() error {
			problems[i] = s.put(ctx, object)
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(problems...)
}

func (s *Store) put(ctx context.Context, object Object) error {
	_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket:      &s.bucket,
		Key:         aws.String(object.Key),
		Body:        bytes.NewReader(object.Body),
		ContentType: aws.String(object.ContentType),
	})
	if err != nil {
		return fmt.Errorf("save %s: %w", s.URI(object.Key), err)
	}
	return nil
}

// SaveCheckpoint saves the state of a running investigation.
func (s *Store) SaveCheckpoint(ctx context.Context, id string, state []byte) error {
	return s.put(ctx, Object{Key: checkpointKey(id), ContentType: "application/json", Body: state})
}

// LoadCheckpoint returns the state that was saved last, or nil if there is none.
func (s *Store) LoadCheckpoint(ctx context.Context, id string) ([]byte, error) {
	state, err := s.get(ctx, s.bucket, checkpointKey(id))
	if err != nil && awsapi.Classify(err) == awsapi.ClassNotFound {
		return nil, nil
	}
	return state, err
}

func checkpointKey(id string) string { return config.CheckpointsPrefix + id + ".json" }

// Text returns at most limit bytes of the object at uri, such as s3://bucket/key. It reads from any bucket, not
// only from the reports bucket.
func (s *Store) Text(ctx context.Context, uri string, limit int) (string, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if !ok || bucket == "" || key == "" || !strings.HasPrefix(uri, "s3://") {
		return "", fmt.Errorf("read %q: want s3://bucket/key", uri)
	}
	body, err := s.get(ctx, bucket, key)
	if err != nil {
		return "", err
	}
	text := string(body)
	return text[:truncate.Before(text, limit)], nil
}

func (s *Store) get(ctx context.Context, bucket, key string) ([]byte, error) {
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxCheckpoint))
	if err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
	}
	return body, nil
}
