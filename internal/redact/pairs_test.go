package redact_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

// The names and values are those of botocore's models: CloudFront, Elastic Load Balancing, RDS, Data Pipeline, Systems Manager.
func TestMemory_FindsValuesInAWSsOwnPairs(t *testing.T) {
	const secret = "Kq8vN3xB6wT2mD"
	for answer, printed := range map[string]string{
		`<C><OriginCustomHeader><HeaderName>X-Origin-Secret</HeaderName><HeaderValue>%s</HeaderValue></OriginCustomHeader></C>`:                        `{"HeaderName": "X-Origin-Secret", "HeaderValue": "%s"}`,
		`<C><OriginCustomHeader><HeaderName>X-Origin-Verify</HeaderName><HeaderValue>%s</HeaderValue></OriginCustomHeader></C>`:                        `{"HeaderName": "X-Origin-Verify", "HeaderValue": "%s"}`,
		`<C><HttpHeaderConfig><HttpHeaderName>X-Api-Key</HttpHeaderName><Values><member>%s</member></Values></HttpHeaderConfig></C>`:                   `{"HttpHeaderName": "X-Api-Key", "Values": ["%s"]}`,
		`<C><HttpHeaderConfig><HttpHeaderName>X-Api-Key</HttpHeaderName><Values><member>a</member><member>%s</member></Values></HttpHeaderConfig></C>`: `{"HttpHeaderName": "X-Api-Key", "Values": ["a", "%s"]}`,
		`<C><Parameter><ParameterName>tde_password</ParameterName><ParameterValue>%s</ParameterValue></Parameter></C>`:                                 `{"ParameterName": "tde_password", "ParameterValue": "%s"}`,
		`{"fields": [{"key": "*password", "stringValue": "%s"}]}`:                                                                                      `{"fields": [{"key": "*password", "stringValue": "%s"}]}`,
		`{"Content": [{"ValueName": "DbPassword", "Value": "%s"}]}`:                                                                                    `{"Content": [{"ValueName": "DbPassword", "Value": "%s"}]}`,
		`{"requestParameters": {"integration.request.header.X-Api-Key": "'%s'"}}`:                                                                      `{"integration.request.header.X-Api-Key": "'%s'"}`,
	} {
		t.Run(printed, func(t *testing.T) {
			r, err := redact.New(nil)
			require.NoError(t, err)
			var m redact.Memory
			m.Observe(fmt.Appendf(nil, answer, secret), false)
			alone, count := m.Knowing(r).Text("value " + secret + "\n")
			assert.Equal(t, "value [redacted: secret]\n", alone)
			assert.Equal(t, 1, count)
			asText, _ := r.Text(fmt.Sprintf(printed, secret))
			assert.NotContains(t, asText, secret, "printed with its name")
			document, _ := r.Document(fmt.Sprintf(printed, secret))
			assert.NotContains(t, document, secret, "as a result")
			assert.True(t, json.Valid([]byte(document)), document)
		})
	}
}

func TestText_KeepsHarmlessPairs(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		`{"HeaderName": "X-Forwarded-Host", "HeaderValue": "shop.example.com"}`, `{"HeaderName": "X-Env", "HeaderValue": "prod"}`,
		`{"HeaderName": "X-Timeout", "HeaderValue": "30"}`, `{"Name": "tag:Environment", "Values": ["prod-2026a"]}`,
		`{"ParameterName": "max_connections", "ParameterValue": "Kq8vN3xB6wT2mD"}`, `{"HttpHeaderName": "User-Agent", "Values": ["*Chrome128*"]}`,
		`{"ParameterName": "ssl_cert_key_path", "ParameterValue": "/etc/tls/Key2Server.pem"}`, `{"key": "type", "stringValue": "Ec2Resource"}`,
		`{"Variables": {"TABLE": {"Ref": "Orders56A03B45"}, "TOOL": {"Fn::GetAtt": ["Tool627A4E39", "Arn"]}}}`,
		`{'Variables': {'TABLE': {'Ref': 'Orders56A03B45'}, 'PORT': '8080'}}`,
	} {
		for _, redacted := range []func(string) (string, int){r.Text, r.Document} {
			clean, count := redacted(text)
			assert.Equal(t, text, clean)
			assert.Zero(t, count)
		}
	}
}
