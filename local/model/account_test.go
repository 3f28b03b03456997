package model_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/model"
)

// startWith is a server whose script has this account and answers everything that the account may ask.
func startWith(t *testing.T, account string) *model.Server {
	t.Helper()
	script, err := model.Parse([]byte(`{"steps": [{"text": "ok"}], "loop": 0, "account": ` + account + `}`))
	require.NoError(t, err)
	return start(t, script)
}

const (
	retired    = "This model version has reached the end of its life."
	invalidID  = "The provided model identifier is invalid."
	needsForm  = "Model use case details have not been submitted for this account. "
	needsGrant = "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions " +
		"(aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe)"
)

func TestAccount_RefusesRetiredModelsByDefault(t *testing.T) {
	notFound := "ResourceNotFoundException"
	checkRules(t, []rule{
		{"", "us.amazon.nova-premier-v1:0", user(""), notFound, retired},
		{"", "us.anthropic.claude-sonnet-4-20250514-v1:0", user(""), notFound, retired},
		{"", "anthropic.claude-3-haiku-20240307-v1:0", user(""), notFound, retired},
		{"", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", user(""), "", ""},
		{"", nova2, user(""), "", ""},
		{"", sonnet, user(""), "", ""},
	})
}

func TestAccount_DecidesWhichModelsAnswer(t *testing.T) {
	notFound, denied, throttled := "ResourceNotFoundException", "AccessDeniedException", "ThrottlingException"
	for _, tt := range []struct {
		name, account, model string
		wantType, wantText   string
	}{
		{"before a retirement", `{"today": "2026-09-13"}`, "us.amazon.nova-premier-v1:0", "", ""},
		{"on the day of a retirement", `{"today": "2026-09-14"}`, "us.amazon.nova-premier-v1:0", notFound, retired},
		{"the day before a retirement of the script", `{"today": "2026-11-25", "retires": {"amazon.nova-2-lite": "2026-11-26"}}`, nova2, "", ""},
		{"a retirement of the script", `{"today": "2026-11-26", "retires": {"amazon.nova-2-lite": "2026-11-26"}}`, nova2, notFound, retired},
		{"a retirement of another model", `{"today": "2026-11-26", "retires": {"anthropic.claude-sonnet-5": "2026-11-26"}}`, sonnet, "", ""},
		{"a postponed retirement", `{"today": "2026-11-26", "retires": {"amazon.nova-premier": "2027-01-01"}}`, "us.amazon.nova-premier-v1:0", "", ""},
		{"the most specific retirement applies", `{"today": "2026-11-26", "retires": {"amazon": "2026-01-01", "amazon.nova-2-lite": "2027-01-01"}}`, nova2, "", ""},
		{"Legacy, unused", `{"unusedLegacy": ["anthropic.claude-haiku-4-5"]}`, haiku45, notFound,
			"Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days."},
		{"Legacy, another model", `{"unusedLegacy": ["anthropic.claude-haiku-4-5"]}`, haiku55, "", ""},
		{"no form", `{"formMissing": true}`, sonnet, notFound, needsForm},
		{"no form, but the model needs none", `{"formMissing": true}`, nova2, "", ""},
		{"no form, but the model needs only a subscription", `{"formMissing": true}`, luna, "", ""},
		{"not subscribed and not permitted to subscribe", `{"subscribed": [], "noMarketplacePermissions": true}`, sonnet, denied, needsGrant},
		{"not subscribed, but permitted to subscribe", `{"subscribed": []}`, sonnet, "", ""},
		{"subscribed to the provider", `{"subscribed": ["anthropic"], "noMarketplacePermissions": true}`, sonnet, "", ""},
		{"subscribed to another provider", `{"subscribed": ["anthropic"], "noMarketplacePermissions": true}`, luna, denied, needsGrant},
		{"subscribed to another model", `{"subscribed": ["anthropic.claude-sonnet-5"], "noMarketplacePermissions": true}`, sonnet, denied, needsGrant},
		{"subscribed to everything by default", `{"noMarketplacePermissions": true}`, sonnet, "", ""},
		{"not sold in Marketplace", `{"subscribed": [], "noMarketplacePermissions": true}`, nova2, "", ""},
		{"no daily tokens", `{"dailyTokens": {"anthropic": 0}}`, sonnet, throttled, "Too many tokens per day, please wait before trying again."},
		{"no daily tokens for another model", `{"dailyTokens": {"anthropic": 0}}`, nova2, "", ""},
		{"not listed", `{}`, "some.model", "", ""},
		{"not listed, strict", `{"strict": true}`, "some.model", "ValidationException", invalidID},
		{"application inference profile, strict", `{"strict": true}`, "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := askModel(t, startWith(t, tt.account), tt.model, "us-east-1", user(""))
			rule{wantType: tt.wantType, wantText: tt.wantText}.check(t, got)
		})
	}
}

func TestModelID_MustBeInvokableFromTheRegion(t *testing.T) {
	invalid := rule{wantType: "ValidationException", wantText: invalidID}
	onDemand := rule{wantType: "ValidationException", wantText: "with on-demand throughput isn’t supported. " +
		"Retry your request with the ID or ARN of an inference profile that contains this model."}
	for _, tt := range []struct {
		model, region, account string
		want                   rule
	}{
		{nova2, "us-east-1", `{}`, rule{}},
		{nova2, "ca-central-1", `{}`, rule{}},
		{nova2, "eu-central-1", `{}`, invalid},
		{"eu.amazon.nova-2-lite-v1:0", "eu-central-1", `{}`, rule{}},
		{"eu.amazon.nova-2-lite-v1:0", "us-east-1", `{}`, invalid},
		{"global.amazon.nova-2-lite-v1:0", "ap-southeast-2", `{}`, rule{}},
		{"global.amazon.nova-2-lite-v1:0", "us-gov-west-1", `{}`, invalid},
		{"au.amazon.nova-2-lite-v1:0", "ap-southeast-2", `{}`, invalid}, // the model has no such profile
		{"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-2-lite-v1:0", "us-east-1", `{}`, rule{}},
		{"amazon.nova-2-lite-v1:0", "us-east-1", `{}`, onDemand},
		{"anthropic.claude-sonnet-5-5", "us-east-1", `{}`, onDemand},
		{"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-5-5", "us-east-1", `{}`, onDemand},
		{"amazon.nova-pro-v1:0", "us-east-1", `{}`, rule{}},
		{qwen, "us-east-1", `{}`, rule{}},
		{"us.some.model", "eu-central-1", `{}`, invalid},
		{nova2, "", `{}`, rule{}}, // not signed: no Region to check
		{nova2, "", `{"region": "eu-central-1"}`, invalid},
		{nova2, "eu-central-1", `{"region": "us-east-1"}`, rule{}},
	} {
		t.Run(tt.model+" from "+tt.region+tt.account, func(t *testing.T) {
			got := askModel(t, startWith(t, tt.account), tt.model, tt.region, user(""))
			tt.want.check(t, got)
			if tt.want.wantText == onDemand.wantText {
				assert.Contains(t, got.body, "Invocation of model ID "+tt.model+" with")
			}
		})
	}
}

// The first report succeeds while the service creates the subscription in the background. The second one
// fails.
func TestAccount_FirstCallsSucceedWhileAccessIsChecked(t *testing.T) {
	for account, want := range map[string]rule{
		`{"subscribed": [], "noMarketplacePermissions": true, "graceCalls": 2}`: {wantType: "AccessDeniedException", wantText: needsGrant},
		`{"formMissing": true, "graceCalls": 2}`:                                {wantType: "ResourceNotFoundException", wantText: needsForm},
	} {
		server := startWith(t, account)
		for range 2 {
			assert.Equal(t, 200, askModel(t, server, sonnet, "us-east-1", user("")).status)
		}
		want.check(t, askModel(t, server, sonnet, "us-east-1", user("")))
		assert.Equal(t, 200, askModel(t, server, opus, "us-east-1", user("")).status, "each model has its own grace calls")
	}
}

func TestAccount_DailyTokensAreUsedUp(t *testing.T) {
	server := startWith(t, `{"dailyTokens": {"amazon.nova-2-lite": 40}}`)
	statuses := map[int]int{}
	for range 10 {
		statuses[askModel(t, server, nova2, "us-east-1", user("")).status]++
	}
	assert.Positive(t, statuses[200])
	assert.Positive(t, statuses[429])
	assert.Equal(t, 200, askModel(t, server, novaPro, "us-east-1", user("")).status)
	require.NoError(t, server.Play(alwaysOK()))
	assert.Equal(t, 200, askModel(t, server, nova2, "us-east-1", user("")).status)
}

// The SDK signs for its Region, so tests need not configure it.
func TestAccount_RegionIsTheOneThatTheSDKSignsFor(t *testing.T) {
	server := start(t, model.Script{Steps: []model.Step{{Text: "ok"}},
		Account: model.Account{Today: models.Date{Time: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)}}})
	converse := func(region string) error {
		client := bedrockruntime.New(bedrockruntime.Options{
			Region: region, BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		})
		_, err := client.Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(nova2), Messages: []types.Message{{
			Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "go"}},
		}}})
		return err
	}
	require.NoError(t, converse("us-west-2"))
	var invalid *types.ValidationException
	require.ErrorAs(t, converse("eu-central-1"), &invalid)
	assert.Equal(t, invalidID, invalid.ErrorMessage())
	assert.Equal(t, "us-west-2", server.Requests()[0].Region)
	assert.Equal(t, invalidID, server.Requests()[1].Problems)
}
