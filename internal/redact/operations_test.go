package redact_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

// Code lists answers, errors, and decisions by the operations of AWS, whose names can be those of secrets.
func TestText_OperationsOfAWSAreNoNamesOfSecrets(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		`{"GetSecretValue": "AccessDenied", "get_secret_value": "Throttling"}`, `{"secretsmanager:GetSecretValue": "implicitDeny"}`,
		"GetSessionToken=UnauthorizedOperation", `{"GetAuthorizationToken": "2026-11-26T22:17:03Z"}`, `{"GetSecretValue": "i-0123456789abcdef0"}`,
		`{"CreateAccessKey": "orders-api-2"}`, `Counter({"GetAuthorizationToken": 1234567})`, `{"GetAuthorizationToken":1234567}`,
		`["GetSecretValue", "AccessDenied"]`, `["CreateAccessKey", "orders-api-2"]`, "GetAuthorizationToken,2026-11-26T22:17:03Z",
		"GetSecretValue failed for orders-db-2", "GetSecretValue i-0123456789abcdef0 AccessDenied", "| GetSecretValue | 42 |", "`GetSecretValue` is denied",
		"eventName GetSecretValue 2026-11-26T22:17:03Z", "secretsmanager:GetSecretValue on prod/orders-db-2",
		`['wafv2:GetDecryptedAPIKey', 'wafv2:GetSampledRequests']`, `["ec2:GetPasswordData", "ec2:GetVpnConnectionDeviceSampleConfiguration"]`, `["s3:GetBucketKey", "s3:ListObjectsV2"]`,
		`["ec2:GetPasswordData", "ec2:DescribeIpv6Pools"]`, `["secretsmanager:GetSecretValue", "inspector2:GetEc2DeepInspectionConfiguration"]`,
	} {
		for _, redacted := range []func(string) (string, int){r.Text, r.Document} {
			clean, count := redacted(text)
			assert.Equal(t, text, clean)
			assert.Zero(t, count)
		}
	}
	for _, text := range []string{
		`{"GetSecretValue": "Kq8vN3xB6w"}`, "get_token: Kq8vN3xB6w", `{"GetPassword": "swordfish"}`, `{"getPassword": "swordfish"}`, "get_password=swordfish", `["GetSecretValue", "Kq8vN3xB6w"]`,
		"('get_secret_value', 'Kq8vN3xB6w')", `{"rows": [["GetSecretValue", "Kq8vN3xB6w"]]}`, `{"password": "orders:PutK9vN3xB6wT2mD"}`,
	} {
		for _, redacted := range []func(string) (string, int){r.Text, r.Document} {
			clean, count := redacted(text)
			assert.Equal(t, 1, count, clean)
		}
	}
}

// Words of log lines, names, and identifiers that AWS calls tokens or keys must not be hidden in the whole output.
func TestMemory_TokensAndKeysThatAreWordsOrNames(t *testing.T) {
	for _, answer := range []string{
		`{"anomalies": [{"patternTokens": [{"isDynamic": false, "tokenString": "¤"}]}]}`, `{"LogAnomalyClasses": [{"LogAnomalyToken": "¤"}]}`,
		`{"FileSystems": [{"CreationToken": "¤"}]}`, `{"nodegroup": {"remoteAccess": {"ec2SshKey": "¤"}}}`,
	} {
		r, err := redact.New(nil)
		require.NoError(t, err)
		for _, value := range []string{"orders-db-2", "orders-prod-2026"} {
			var m redact.Memory
			body := strings.ReplaceAll(answer, "¤", value)
			m.Observe([]byte(body), false)
			knowing := m.Knowing(r)
			for _, text := range []string{body, "ERROR cannot connect to " + value} {
				clean, _ := knowing.Text(text)
				assert.Equal(t, text, clean)
			}
		}
	}
}

// The field content has scripts in base64 in answers about configurations, and any text in others.
func TestMemory_WordsInBase64AreNoScripts(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	var m redact.Memory
	m.Observe([]byte(`{"content": "OrderTimeoutV2x9", "files": [{"content": "b3JkZXJzCmV4cG9ydCBBPTE3Cg=="}]}`), false)
	clean, _ := m.Knowing(r).Text("ERROR OrderTimeoutV2x9 after 30 s\nb3JkZXJzCmV4cG9ydCBBPTE3Cg==")
	assert.Equal(t, "ERROR OrderTimeoutV2x9 after 30 s\n[redacted: secret]", clean)
}
