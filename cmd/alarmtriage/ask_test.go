package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/store"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// answering is the script of a model that counts the errors and then answers.
func answering() model.Script {
	return model.Script{Steps: []model.Step{
		{Tools: []model.ToolUse{{Name: "python_executor", Input: map[string]any{"command": "# count the errors again\n" + readErrors}}}},
		{Expect: []string{"7 error lines"}, Tools: []model.ToolUse{{Name: "submit_answer", Input: map[string]any{
			"answer": "Only the table of orders.", "confidence": "confirmed", "findings": []any{map[string]any{
				"statement": "The error names the table.", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": 2, "quote": "${find:(not authorized to perform: dynamodb:GetItem)}"}},
			}},
		}}}},
	}}
}

// investigated returns a bench in which the alarm was investigated, and the model answers with a script from now on.
func investigated(t *testing.T, script model.Script) *bench {
	t.Helper()
	b := newBench(t, concluding())
	ran := b.run("investigate", alarmName)
	require.Equal(t, 0, ran.code, ran.stderr)
	require.NoError(t, b.model.Play(script))
	return b
}

func TestAsk_AnswersAboutALocalReport(t *testing.T) {
	t.Parallel()
	b := investigated(t, answering())
	for number, name := range []string{b.folder(), filepath.Join(b.folder(), "report.html")} {
		ran := b.run("ask", name, "Which tables are affected?")
		require.Equal(t, 0, ran.code, ran.stderr)
		assert.Contains(t, ran.stdout, "■ ANSWER (confirmed)\n  Only the table of orders.")
		assert.Contains(t, ran.stdout, "▌ tool call 2: \"not authorized to perform: dynamodb:GetItem\"")
		for _, want := range []string{"Report: " + alarmName, "Round 1: count the errors again", "Round 2: asking the model", "Used: 2 rounds"} {
			assert.Contains(t, ran.stderr, want)
		}
		assert.NotContains(t, ran.stderr, "ollecting evidence")
		var stored investigation.Answer
		require.NoError(t, json.Unmarshal([]byte(b.file("answers/"+[]string{"1", "2"}[number]+".json")), &stored))
		assert.Equal(t, "Which tables are affected?", stored.Question)
		assert.Contains(t, b.file("answers/1.txt"), "■ QUESTION\n  Which tables are affected?")
	}
	first, err := json.Marshal(b.model.Requests()[len(b.model.Requests())-1].Request.Messages[0])
	require.NoError(t, err)
	assert.Contains(t, string(first), "Earlier questions about this investigation")

	require.NoError(t, os.Remove(filepath.Join(b.folder(), "answers", "1.json")))
	require.Equal(t, 0, b.run("ask", b.folder(), "And since when?").code)
	first, err = json.Marshal(b.model.Requests()[len(b.model.Requests())-1].Request.Messages[0])
	require.NoError(t, err)
	assert.Contains(t, string(first), "Earlier questions about this investigation", "the second one is still there")

	for number := 1; number <= store.MaxAnswers; number++ {
		require.NoError(t, os.WriteFile(filepath.Join(b.folder(), "answers", fmt.Sprintf("%d.json", number)), []byte("{}"), 0o600))
	}
	ran := b.run("ask", b.folder(), "And one more?")
	assert.Equal(t, 1, ran.code)
	assert.Contains(t, ran.stdout, "■ ANSWER")
	assert.Contains(t, ran.stderr, "remove answers that you no longer need from the folder ")
}

func TestAsk_AnswersAboutAReportInABucket(t *testing.T) {
	t.Parallel()
	b := investigated(t, answering())
	uri := stored(t, b, "ask-about-stored", "")
	ran := b.run("ask", "--json", uri, "Which tables are affected?")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Equal(t, "Only the table of orders.", decoded(t, ran.stdout)["answer"])
	objects, err := bucketClient().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("ask-about-stored")})
	require.NoError(t, err)
	assert.Len(t, objects.Contents, 1, "nothing is written to AWS")
	found, err := filepath.Glob(filepath.Join(b.dir, "alarmtriage-reports", "*", "answers", "1.txt"))
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

// An orchestrator stores the reports of its members in its own bucket, which the credentials for a member usually cannot read.
func TestAsk_ReportOfAnotherAccountNamesTheOrchestrator(t *testing.T) {
	t.Parallel()
	b := investigated(t, answering())
	record := strings.ReplaceAll(b.file("report.json"), "123456789012", "444455556666")
	require.NoError(t, os.WriteFile(filepath.Join(b.folder(), "report.json"), []byte(record), 0o600))
	ran := b.run("ask", stored(t, b, "ask-about-member", ""), "Which tables are affected?")
	assert.Equal(t, 5, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "the report is about account 444455556666, and the credentials are for account 123456789012")
	assert.Contains(t, ran.stderr, "the deployed orchestrator can answer, with --function")
}

func bucketClient() *s3.Client {
	return s3.NewFromConfig(cloud.Config(), func(o *s3.Options) { o.UsePathStyle = true })
}

// stored stores the record of the bench in a new bucket, as an orchestrator with this name would, and returns its address.
func stored(t *testing.T, b *bench, bucket, function string) string {
	t.Helper()
	var rec investigation.Record
	require.NoError(t, json.Unmarshal([]byte(b.file("report.json")), &rec))
	keys := store.KeysFor(&rec)
	rec.Function, rec.ReportURI = function, "s3://"+bucket+"/"+keys.Text
	raw, err := json.Marshal(rec)
	require.NoError(t, err)
	_, err = bucketClient().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	_, err = bucketClient().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &keys.JSON, Body: bytes.NewReader(raw)})
	require.NoError(t, err)
	return rec.ReportURI
}

func TestFeedback_LaterLocalInvestigationsReadIt(t *testing.T) {
	t.Parallel()
	b := investigated(t, concluding())
	cause := "The certificate had expired, password=hunter2-canary."
	cause += strings.Repeat(" So it was.", 39) + " password=a1b2c3" // without its secrets, it is longer than the limit
	ran := b.run("feedback", b.folder(), "--wrong", "--cause", cause, "--by", "Ana")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Contains(t, ran.stdout, ", for reports in "+filepath.Join(b.dir, "alarmtriage-reports")+". Later investigations of the alarm read that the cause was wrong.")
	assert.NotContains(t, b.file("feedback.json"), "hunter2")

	ran = b.run("investigate", alarmName)
	require.Equal(t, 0, ran.code, ran.stderr)
	found, err := filepath.Glob(filepath.Join(b.dir, "alarmtriage-reports", "*", "report.txt"))
	require.NoError(t, err)
	require.Len(t, found, 2)
	var texts string
	for _, path := range found {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		texts += string(raw)
	}
	assert.Contains(t, texts, `wrong according to a human: "dynamodb:GetItem is denied."`)
	assert.Contains(t, texts, `the cause in the human's words: "The certificate had expired`)
	first, err := json.Marshal(b.model.Requests()[len(b.model.Requests())-1].Request.Messages[0])
	require.NoError(t, err)
	assert.Contains(t, string(first), "REJECTED BY A HUMAN afterwards")
}

// The folder of reports is the one around --out, however that is written.
func TestInvestigate_ReadsEarlierReportsBesideItsFolder(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	require.Equal(t, 0, b.run("investigate", alarmName, "--out", "reports/one").code)
	require.Equal(t, 0, b.run("feedback", "reports/one", "--right").code)
	for _, out := range []string{"reports/two", "reports/three/", "reports/four/.", "."} {
		command := b.command("investigate", alarmName, "--out", out, "--json")
		if out == "." {
			command.Dir = filepath.Join(b.dir, "reports", "five")
			require.NoError(t, os.Mkdir(command.Dir, 0o700))
		}
		printed, err := command.Output()
		require.NoError(t, err)
		assert.Len(t, decoded(t, string(printed))["seen_before"], 1, out)
	}
}

// Another report in the same folder is not the one that somebody judged.
func TestFeedback_IsAboutTheReportThatWasJudged(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	const judged = "alarmtriage-reports/judged"
	past := func() any {
		ran := b.run("investigate", alarmName, "--out", "alarmtriage-reports/next", "--json")
		require.Equal(t, 0, ran.code, ran.stderr)
		return decoded(t, ran.stdout)["seen_before"]
	}
	require.Equal(t, 0, b.run("investigate", alarmName, "--out", judged).code)
	require.Equal(t, 0, b.run("feedback", judged, "--right").code)
	assert.Len(t, past(), 1)
	require.Equal(t, 0, b.run("replay", judged, "--out", "alarmtriage-reports/replayed").code)
	require.Equal(t, 0, b.run("feedback", "alarmtriage-reports/replayed", "--wrong").code)
	assert.Len(t, past(), 1, "a replay is no other investigation")
	require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "alarmtriage-reports", "replayed")))
	require.Equal(t, 0, b.run("replay", judged, "--out", "alarmtriage-reports/a-replay").code)
	assert.Len(t, past(), 1, "a replay before it does not hide the feedback")
	require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "alarmtriage-reports", "a-replay")))
	require.Equal(t, 0, b.run("investigate", alarmName, "--out", judged).code)
	assert.Empty(t, past())
}

func TestReplay_PlaysTheRecordWithoutAWS(t *testing.T) {
	t.Parallel()
	b := investigated(t, concluding())
	asked := len(b.model.Requests())
	b.set("AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:1")
	ran := b.run("replay", b.folder(), "--out", "replayed")
	require.Equal(t, 0, ran.code, ran.stderr)
	for _, want := range []string{"= root cause: dynamodb:GetItem is denied.", "= confidence: confirmed", "= rounds: 2", "Nothing differs."} {
		assert.Contains(t, ran.stdout, want)
	}
	assert.Len(t, b.model.Requests(), asked)
	text, err := os.ReadFile(filepath.Join(b.dir, "replayed", "report.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "■ ROOT CAUSE (confirmed)\n  dynamodb:GetItem is denied.")
	reports := filepath.Dir(b.folder())
	counted := b.run("reports", "stats", "--folder", reports).stdout
	for _, name := range []string{"0", "replayed"} {
		again := filepath.Join(reports, name)
		require.Equal(t, 0, b.run("replay", b.folder(), "--out", again).code)
		record, err := os.ReadFile(filepath.Join(again, "report.json"))
		require.NoError(t, err)
		other := bytes.Replace(record, []byte(`"outcome": "`), []byte(`"outcome": "other`), 1)
		require.NotEqual(t, record, other)
		require.NoError(t, os.WriteFile(filepath.Join(again, "report.json"), other, 0o600))
		assert.Equal(t, counted, b.run("reports", "stats", "--folder", reports).stdout, "a replay is no investigation")
		require.NoError(t, os.RemoveAll(again))
	}

	require.NoError(t, os.Remove(filepath.Join(b.folder(), "report.html")))
	victim := filepath.Join(b.dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o600))
	for _, name := range []string{"report.html", "feedback.json"} { // as the folder of a stranger can have them
		require.NoError(t, os.Symlink(victim, filepath.Join(b.folder(), name)))
	}
	ran = b.run("replay", "--render", "--json", b.folder())
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Equal(t, map[string]any{"folder": b.folder()}, decoded(t, ran.stdout))
	require.Equal(t, 0, b.run("feedback", b.folder(), "--right").code)
	kept, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(kept), "links are not followed")
	assert.Contains(t, b.file("report.html"), "dynamodb:GetItem is denied.")

	path := filepath.Join(b.folder(), "report.json")
	newer := strings.Replace(b.file("report.json"), `"report": {`, `"report": {"owner": "payments", `, 1)
	require.NoError(t, os.WriteFile(path, []byte(newer), 0o600))
	for _, arguments := range [][]string{{"replay", "--render", b.folder()}, {"replay", "--render", b.folder(), "--out", b.folder()}} {
		ran = b.run(arguments...)
		assert.Equal(t, 1, ran.code)
		assert.Contains(t, ran.stderr, "report.json has fields that this version does not know")
		assert.Equal(t, newer, b.file("report.json"))
	}
	assert.Equal(t, 0, b.run("replay", "--render", b.folder(), "--out", "rendered").code)
}

func TestReplay_AsksAnotherModelAndShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	b := investigated(t, model.Script{Steps: []model.Step{
		{Tools: []model.ToolUse{
			{Name: "python_executor", Input: map[string]any{"command": readErrors}},
			{Name: "python_executor", Input: map[string]any{"command": "# look at the role\nboto3.client('iam')"}},
		}},
		{Expect: []string{"7 error lines", "not recorded: this is a replay without AWS"}, Tools: []model.ToolUse{{Name: "submit_report", Input: map[string]any{
			"summary": "Hm.", "root_cause": "The role changed.", "confidence": "likely", "severity": "high", "impact": "No order can be read.",
			"findings": []any{map[string]any{"statement": "The errors are denied reads.", "confidence": "confirmed",
				"evidence": []any{map[string]any{"call": 1, "quote": "${find:(not authorized to perform: dynamodb:GetItem)}"}}}},
			"immediate_actions": []any{map[string]any{"text": "Look."}},
		}}}},
	}})
	ran := b.run("replay", b.folder(), "--model", "us.amazon.nova-2-lite-v1:0")
	require.Equal(t, 0, ran.code, ran.stderr)
	for _, want := range []string{
		"≠ root cause: dynamodb:GetItem is denied. → The role changed.", "≠ confidence: confirmed → likely", "= rounds: 2", "≠ tool calls: 1 → 2",
		"≠ cost: $", "! not recorded: look at the role",
	} {
		assert.Contains(t, ran.stdout, want)
	}
	require.NoError(t, b.model.Play(concluding()))
	ran = b.run("replay", "--json", b.folder(), "--model", "us.amazon.nova-2-lite-v1:0")
	require.Equal(t, 0, ran.code, ran.stderr)
	assert.Equal(t, []any{}, decoded(t, ran.stdout)["not_recorded"])
}

func TestReplay_WithoutAConclusionSaysWhy(t *testing.T) {
	t.Parallel()
	b := investigated(t, model.Script{Steps: []model.Step{
		{Error: &model.Error{Status: 403, Type: "AccessDeniedException", Message: "You don't have access to the model with the specified model ID."}},
	}, Loop: new(int)})
	ran := b.run("replay", b.folder(), "--model", "us.amazon.nova-2-lite-v1:0", "--out", "replayed")
	assert.Equal(t, 3, ran.code, ran.stderr)
	assert.Contains(t, ran.stdout, "≠ outcome: completed → fallback")
	assert.Contains(t, ran.stderr, "alarmtriage: the replay came to no conclusion: Model us.amazon.nova-2-lite-v1:0 failed: AccessDeniedException")
	assert.FileExists(t, filepath.Join(b.dir, "replayed", "report.txt"))
}

func TestReplay_FolderThatCannotBeWrittenAsksNoModel(t *testing.T) {
	t.Parallel()
	b := investigated(t, concluding())
	asked := len(b.model.Requests())
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "taken"), nil, 0o600))
	ran := b.run("replay", b.folder(), "--model", "us.amazon.nova-2-lite-v1:0", "--out", "taken/replayed")
	assert.Equal(t, 1, ran.code, ran.stderr)
	assert.Contains(t, ran.stderr, "the report cannot be written")
	assert.Len(t, b.model.Requests(), asked)
}

func TestReports_MistakesHaveARemedy(t *testing.T) {
	t.Parallel()
	b := newBench(t, concluding())
	rec := filepath.Join(b.dir, "other.json")
	require.NoError(t, os.WriteFile(rec, []byte(`{"a": 1}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "region.json"), []byte(`{"id": "0123456789ab", "alarm": {"name": "a", "region": "evil.example/"}}`), 0o600))
	const uri = "s3://reports-bucket/reports/2026/11/25/031200-a-0123456789ab.txt"
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "downloaded.json"),
		[]byte(`{"id": "0123456789ab", "alarm": {"name": "a", "region": "us-east-1"}, "report_uri": "`+uri+`"}`), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(b.dir, "pipe.json"), 0o600))
	for _, tt := range []struct {
		arguments string
		code      int
		want      string
	}{
		{"replay pipe.json", 5, "it is not a file"},
		{"reports show pipe.json --form json", 5, "it is not a file"},
		{"reports list --folder other.json", 5, "not a directory: check --folder"},
		{"ask nowhere Why?", 5, "there is no report at nowhere"},
		{"replay other.json", 5, "it is not the record of an investigation"},
		{"replay s3://no-such-bucket-here/reports/2026/08/04/123615-orders-0123456789ab.txt", 5, "does not exist, or may not be read"},
		{"ask region.json Why?", 5, "is none of AWS"},
		{"replay s3://no-such-bucket-here/secrets/x.txt", 5, "is not the key of a report"},
		{"feedback https://example.com/x --right", 2, "is not the address of a report"},
		{"feedback downloaded.json --right", 2, "no later investigation reads feedback beside a file that was downloaded: name the report by its s3:// address, " + uri},
		{"feedback other.json", 2, "--right or --wrong is missing"},
		{"feedback other.json --right --wrong", 2, "--right and --wrong exclude each other"},
		{"ask --function f other.json Why?", 2, "only knows the reports of its bucket"},
	} {
		ran := b.run(strings.Fields(tt.arguments)...)
		assert.Equal(t, tt.code, ran.code, tt.arguments)
		assert.Contains(t, ran.stderr, tt.want, tt.arguments)
		assert.Equal(t, 1, strings.Count(strings.TrimSpace(ran.stderr), "alarmtriage: "), ran.stderr)
	}
}
