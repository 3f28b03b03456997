package store_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/awsapi/awsapitest"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/report"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
)

func TestKeysFor_AreReadableAndNeedNoEncoding(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 0, time.FixedZone("", 2*3600))
	tests := []struct{ name, alarm, want string }{
		{"plain", "orders-errors", "orders-errors"},
		{"spaces and slashes", "orders / p99 latency", "orders-p99-latency"},
		{"path traversal", "../../etc/passwd", "etc-passwd"},
		{"a non-Latin script", "注文 エラー", "alarm"},
		{"long", strings.Repeat("x", 255), strings.Repeat("x", 100)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys := store.KeysFor(&investigation.Record{ID: "abc", StartedAt: at, Alarm: alarmevent.Alarm{Name: tt.alarm}})
			base := "reports/2026/11/22/230203-" + tt.want + "-abc"
			assert.Equal(t, report.Keys{Text: base + ".txt", HTML: base + ".html", JSON: base + ".json", Conversation: base + "-conversation.json"}, keys)
		})
	}
}

func TestPutAll_NamesEveryMissingObject(t *testing.T) {
	fake := &awsapitest.S3{}
	s := store.New(fake, "bucket")
	objects := []store.Object{{Key: "a", Body: []byte("1")}, {Key: "b", Body: []byte("2")}, {Key: "c", Body: []byte("3")}}
	require.NoError(t, s.PutAll(t.Context(), objects))
	assert.Equal(t, []byte("2"), fake.Object("bucket", "b"))

	fake.Fail(awsapitest.Denied("s3:PutObject"), -1)
	err := s.PutAll(t.Context(), objects)
	for _, key := range []string{"a", "b", "c"} {
		assert.ErrorContains(t, err, "s3://bucket/"+key)
	}
}

func TestLoadCheckpoint_ReturnsLastSavedState(t *testing.T) {
	fake := &awsapitest.S3{}
	s := store.New(fake, "bucket")
	state, err := s.LoadCheckpoint(t.Context(), "id")
	require.NoError(t, err)
	assert.Nil(t, state, "no checkpoint was saved")
	require.NoError(t, s.SaveCheckpoint(t.Context(), "id", []byte("1")))
	require.NoError(t, s.SaveCheckpoint(t.Context(), "id", []byte("2")))
	state, err = s.LoadCheckpoint(t.Context(), "id")
	require.NoError(t, err)
	assert.Equal(t, []byte("2"), state)
	fake.Fail(awsapitest.ErrDown, 1)
	_, err = s.LoadCheckpoint(t.Context(), "id")
	assert.ErrorIs(t, err, awsapitest.ErrDown)
}

func TestText_ReadsAnyBucketUpToLimit(t *testing.T) {
	fake := &awsapitest.S3{}
	require.NoError(t, store.New(fake, "runbooks").PutAll(t.Context(), []store.Object{{Key: "a/b.md", Body: []byte("012é456789")}}))
	s := store.New(fake, "bucket")
	text, err := s.Text(t.Context(), "s3://runbooks/a/b.md", 4)
	require.NoError(t, err)
	assert.Equal(t, "012", text, "truncated between characters")
	for _, uri := range []string{"", "runbooks/a/b.md", "s3://runbooks", "s3:///x", "https://x/y"} {
		_, err = s.Text(t.Context(), uri, 4)
		assert.ErrorContains(t, err, "want s3://bucket/key", uri)
	}
}

func TestAnswers_HaveNoRounds(t *testing.T) {
	s := store.New(&awsapitest.S3{}, "bucket")
	keys := store.KeysFor(&investigation.Record{ID: "0123456789ab", Alarm: alarmevent.Alarm{Name: "orders"}})
	for _, text := range []string{"first", "second"} {
		answer := &investigation.Answer{Text: text, Rounds: []investigation.Round{{Number: 1, Text: "a long text"}}}
		require.NoError(t, s.PutAnswer(t.Context(), keys, answer, 1, func() string { return text }))
		assert.Len(t, answer.Rounds, 1)
	}
	answers, err := s.Answers(t.Context(), keys)
	require.NoError(t, err)
	require.Len(t, answers, 2)
	assert.Equal(t, []string{"first", "second"}, []string{answers[0].Text, answers[1].Text})
	assert.Empty(t, answers[0].Rounds)
	assert.Empty(t, answers[1].Rounds)
}

// repeatingS3 loses the answer to each write. The SDK sends the write again, and returns the second answer.
type repeatingS3 struct{ awsapitest.S3 }

func (r *repeatingS3) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if _, err := r.S3.PutObject(ctx, in, opts...); err != nil {
		return nil, err
	}
	if _, err := in.Body.(io.Seeker).Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return r.S3.PutObject(ctx, in, opts...)
}

func TestPutAnswer_IsStoredOnceIfTheAnswerOfS3IsLost(t *testing.T) {
	s := store.New(&repeatingS3{}, "bucket")
	keys := store.KeysFor(&investigation.Record{ID: "0123456789ab", Alarm: alarmevent.Alarm{Name: "orders"}})
	for i, text := range []string{"first", "second"} {
		answer := &investigation.Answer{Text: text}
		require.NoError(t, s.PutAnswer(t.Context(), keys, answer, 1, func() string { return text }))
		assert.Equal(t, i+1, answer.Number)
	}
	answers, err := s.Answers(t.Context(), keys)
	require.NoError(t, err)
	assert.Len(t, answers, 2)
}
