package doctor

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	quotatypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/selfcheck"
)

// The names are those that Service Quotas lists. New accounts often have quotas per minute, and none per day.
func TestJudgeQuotas_FindsTheQuotasOfTheModelAndItsProfile(t *testing.T) {
	values := map[string]float64{
		"On-demand model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1":                                            1,
		"Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1":                                         200_000,
		"Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1 1M Context Length":                       2,
		"Global cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1":                                  500_000,
		"Global cross-region model inference tokens per day for Anthropic Claude Sonnet 4.5 V1":                                     720_000_000,
		"Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1 (doubled for cross-region calls)":                   0,
		"Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1 1M Context Length (doubled for cross-region calls)": 3,
		"Model invocation max tokens per day for Anthropic Claude Sonnet 4 V1 (doubled for cross-region calls)":                     4,
	}
	var quotas []quotatypes.ServiceQuota
	for name, value := range values {
		quotas = append(quotas, quotatypes.ServiceQuota{QuotaName: aws.String(name), QuotaCode: aws.String("L-1"), Value: &value})
	}
	check := judgeQuotas("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1", quotas)
	assert.Equal(t, selfcheck.StateWarning, check.State)
	assert.Contains(t, check.Detail, `"Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1 (doubled for cross-region calls)" is 0`)
	assert.Equal(t, []string{
		"Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1: 200000.",
		"Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1 (doubled for cross-region calls): 0.",
	}, check.Notes)

	assert.Equal(t, "Ask AWS Support to raise the quota L-1 in us-east-1, because Service Quotas can't.", check.Remedy)
	for i := range quotas {
		quotas[i].Adjustable = true
	}
	assert.Contains(t, judgeQuotas("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1", quotas).Remedy, "request-service-quota-increase")

	check = judgeQuotas("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1", quotas)
	assert.Equal(t, selfcheck.StateOK, check.State)
	assert.Len(t, check.Notes, 2)
}
