package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/stack"
)

// variants builds the app of the integration tests once for all tests.
var variants = sync.OnceValues(func() (app string, err error) {
	app = filepath.Join(moto.Root(), ".build", "variants")
	cmd := exec.Command("go", "build", "-o", app, "./integ/variants")
	cmd.Dir = moto.Root()
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build integ/variants: %w: %s", err, output)
	}
	return app, nil
})

func TestStack_KeepsItsDataThroughChangesAndDestruction(t *testing.T) {
	cloud, err := moto.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		cloud.Stop()
		if t.Failed() {
			log := cloud.Log()
			t.Logf("log of moto's server:\n%s", log[max(0, len(log)-4000):])
		}
	})
	dir := t.TempDir()
	app, err := variants()
	require.NoError(t, err)
	deploy := func(variant string) *stack.Deployment {
		t.Helper()
		t.Setenv("VARIANT", variant)
		d, err := stack.Deploy(t.Context(), cloud, app, "TriageInteg", dir, os.Stderr)
		require.NoError(t, err)
		return d
	}

	first := deploy("default")
	table, bucket := first.Outputs["OutTable"], first.Outputs["OutBucket"]
	keepData(t, cloud, table, bucket)

	changed := deploy("changed")
	assert.Equal(t, table, changed.Outputs["OutTable"], "the table is not replaced")
	assert.Equal(t, bucket, changed.Outputs["OutBucket"], "the bucket is not replaced")
	orchestrator := changed.Find("TriageOrchestrator")
	assert.Equal(t, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", orchestrator.Env["MODEL_ID"])
	assert.Equal(t, 3008, changed.Find("TriageTool").MemoryMB)
	assertData(t, cloud, table, bucket)

	var output strings.Builder
	out := filepath.Join(dir, "cdk.out")
	require.NoError(t, stack.CDK(t.Context(), cloud, dir, &output, "diff", "--fail", "--no-change-set", "--app", app, "--output", out, "TriageInteg"), "the deployed stack must equal the app")
	assert.NotContains(t, output.String(), "alarmtriage: building", "without a change, nothing is built")

	t.Setenv("VARIANT", "named")
	assert.Error(t, stack.CDK(t.Context(), cloud, dir, &output, "diff", "--fail", "--no-change-set", "--app", app, "--output", out, "TriageInteg"), "another variant must differ")

	watched := deploy("watched")
	assert.Equal(t, []string{table, bucket}, []string{watched.Outputs["OutTable"], watched.Outputs["OutBucket"]}, "a dashboard and alarms replace neither")
	assertData(t, cloud, table, bucket)

	require.NoError(t, stack.CDK(t.Context(), cloud, dir, os.Stderr, "destroy", "--force", "--app", app, "--output", out, "TriageInteg"))
	assertData(t, cloud, table, bucket)
}

func s3Client(cloud *moto.Server) *s3.Client {
	return s3.NewFromConfig(cloud.Config(), func(o *s3.Options) { o.UsePathStyle = true })
}

func keepData(t *testing.T, cloud *moto.Server, table, bucket string) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(cloud.Config()).PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: &table, Item: map[string]types.AttributeValue{config.TableKey: &types.AttributeValueMemberS{Value: "kept"}},
	})
	require.NoError(t, err)
	_, err = s3Client(cloud).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("reports/kept.txt"), Body: strings.NewReader("kept")})
	require.NoError(t, err)
}

func assertData(t *testing.T, cloud *moto.Server, table, bucket string) {
	t.Helper()
	item, err := dynamodb.NewFromConfig(cloud.Config()).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{config.TableKey: &types.AttributeValueMemberS{Value: "kept"}},
	})
	require.NoError(t, err)
	assert.NotEmpty(t, item.Item)
	_, err = s3Client(cloud).HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("reports/kept.txt")})
	assert.NoError(t, err)
}
