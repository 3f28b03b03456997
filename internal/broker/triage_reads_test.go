package broker

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolpolicy"
)

// e2e/permissions checks the same list against the tool's role.
func TestGuard_ReadsOfInvestigationsPass(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "triage_reads.txt"))
	require.NoError(t, err)
	guard, count := newGuard(nil, nil, nil), 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		service, operations, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.Contains(t, theTables().blocks, service)
		for _, name := range strings.Fields(operations) {
			op := theTables().service(service).operations[name]
			if assert.NotNil(t, op, "unknown operation %s:%s", service, name) {
				assert.Empty(t, guard.check([]*operation{op}))
			}
			count++
		}
	}
	assert.Greater(t, count, 300, "reads")
}

func TestGuard_BilledReadsAreRefusedUntilOpened(t *testing.T) {
	target := func(name string) [][2]string { return [][2]string{{"X-Amz-Target", name}} }
	requests := []requestCase{
		{"Cost Explorer", "ce", "POST", "/", json11, "{}", target("AWSInsightsIndexService.GetCostAndUsage"), "AWS bills it per request", "ce:GetCostAndUsage"},
		{"drift", "cloudformation", "POST", "/", form, "Action=DetectStackDrift", nil, "it starts a job", "cloudformation:DetectStackDrift"},
		{"text analysis", "comprehend", "POST", "/", json11, "{}", target("Comprehend_20171127.BatchDetectSentiment"), "AWS bills it per request", "comprehend:BatchDetectSentiment"},
		{"pictures", "rekognition", "POST", "/", json11, "{}", target("RekognitionService.DetectLabels"), "AWS bills it per request", ""},
		{"access reports", "iam", "POST", "/", form, "Action=GenerateServiceLastAccessedDetails", nil, "it starts a job", ""},
		{"traces", "xray", "POST", "/StartTraceRetrieval", "", "{}", nil, "it starts a job", "xray:StartTraceRetrieval"},
	}
	assertOutcomes(t, Options{}, requests)
	assertOutcomes(t, Options{AllowedActions: []string{"ce:GetCostAndUsage", "cloudformation:*", "comprehend:*", "rekognition:*", "iam:*", "xray:*"}}, requests)
	for i := range requests {
		requests[i].refusal = ""
	}
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.BilledReads}}, requests)
	still := requestCase{"a denied read", "mediaconvert", "POST", "/2017-08-29/probe", "", "{}", nil, "must not use it", "mediaconvert:Probe"}
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.BilledReads}}, []requestCase{still})
	byUser := requestCase{"a billed read that the settings deny", "ce", "POST", "/", json11, "{}", target("AWSInsightsIndexService.GetTags"), "the settings of this tool deny it", ""}
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.BilledReads}, DeniedActions: []string{"ce:Get*"}}, []requestCase{byUser})
}

func TestGuard_RefusesURLsThatAWSWouldFetch(t *testing.T) {
	const away = "https://s3.amazonaws.com/somebody-elses-bucket/data-in-the-key"
	summary := func(parameters string) string { return "Action=GetTemplateSummary&Version=2010-05-15" + parameters }
	withURL := "&TemplateURL=" + url.QueryEscape(away)
	const refusal = "AWS would fetch the URL"
	request := func(name, body, refusal string) requestCase {
		return requestCase{name, "cloudformation", "POST", "/", form, body, nil, refusal, "cloudformation:GetTemplateSummary"}
	}
	unclear := func(name, body string) requestCase { // the form itself has two readings
		return requestCase{name, "cloudformation", "POST", "/", form, body, nil, "only forwards operations it knows", "cloudformation:POST /"}
	}
	tests := []requestCase{
		request("a stack's template", summary("&StackName=shop"), ""),
		request("a template in the request", summary("&TemplateBody=%7B%7D"), ""),
		request("a URL", summary(withURL), refusal),
		request("a URL and a stack", summary("&StackName=shop"+withURL), refusal),
		request("an escaped name", summary("&Template%55RL=x"), refusal),
		request("a name in another case", summary("&templateurl=x"), refusal),
		unclear("a name with blanks", summary("&+TemplateURL+=x")),
		request("an empty URL", summary("&TemplateURL="), refusal),
		unclear("a URL that comes second", summary("&TemplateURL=&TemplateURL=x")),
		request("a name without a value", summary("&TemplateURL"), refusal),
	}
	assertOutcomes(t, Options{}, tests)
	assertOutcomes(t, Options{OpenReads: []toolpolicy.Group{toolpolicy.BilledReads}}, tests[2:3])
	assertOutcomes(t, Options{AllowedActions: []string{"cloudformation:GetTemplateSummary"}}, tests)

	assertOutcomes(t, Options{}, []requestCase{
		{"a template's check", "cloudformation", "POST", "/", form, "Action=ValidateTemplate" + withURL, nil, "must not use it", "cloudformation:ValidateTemplate"},
		{"a template's cost", "cloudformation", "POST", "/", form, "Action=EstimateTemplateCost" + withURL, nil, "must not use it", "cloudformation:EstimateTemplateCost"},
		{"a media file", "mediaconvert", "POST", "/2017-08-29/probe", "", `{"inputFiles":[{"fileUrl":"` + away + `"}]}`, nil, "must not use it", "mediaconvert:Probe"},
		{"a stream's schema", "kinesisanalytics", "POST", "/", json11, "{}", [][2]string{{"X-Amz-Target", "KinesisAnalytics_20180523.DiscoverInputSchema"}}, "must not use it", "kinesisanalytics:DiscoverInputSchema"},
	})
}
