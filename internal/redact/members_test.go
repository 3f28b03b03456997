package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// eventWith returns an event of a log alarm with a log line.
func eventWith(t *testing.T, line string) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "account": "123456789012", "region": "us-east-1",
		"time": "2026-01-15T03:12:00Z", "resources": []string{"arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders"},
		"detail": map[string]any{
			"alarmName": "orders", "configuration": map[string]any{"description": line, "alarmType": "LogAlarm"}, "logLines": []string{line},
			"state": map[string]any{"value": "ALARM", "reason": line, "timestamp": "2026-01-15T03:12:00.000+0000"},
		},
	})
	require.NoError(t, err)
	return raw
}

func TestDocument_TextsOfEventsHaveNoSecretsOfLogLines(t *testing.T) {
	redactor, err := redact.New([]string{`\b\d{16}\b`, `"ssn": "\d{3}-\d{2}-\d{4}`})
	require.NoError(t, err)
	for _, tt := range []struct{ name, line, want string }{
		{"a colored name", "\x1b[36mpassword\x1b[0m=hunter2", "password=[redacted: secret]"},
		{"a colored name and value", "\x1b[36mpassword\x1b[0m=\x1b[1mhunter2\x1b[0m user=app", "password=[redacted: secret] user=app"},
		{"a colored value of a URL", "postgres://app:\x1b[33mhunter2\x1b[0m@db", "postgres://app:[redacted: password]@db"},
		{"a control character in a name", "pass\x00word=hunter2", "password=[redacted: secret]"},
		{"a colored text in JSON", `{"msg":"\u001b[36mpassword\u001b[0m=hunter2"}`, `{"msg":"password=[redacted: secret]"}`},
		{"a repeated name in JSON", `{"error":"postgres://app:hunter2@db","error":"retry"}`, `{"error":"postgres://app:[redacted: password]@db","error":"retry"}`},
		{"signs of HTML in JSON", `{"password":"hunter2","url":"https://db/?a=1&b=<2>"}`, `{"password":"[redacted: secret]","url":"https://db/?a=1&b=<2>"}`},
		{"a number in JSON", `{"card":4111111111111111}`, `{"card":"[redacted: custom pattern]"}`},
		{"a number in a list in JSON", `{"cards":[1,4111111111111111]}`, `{"cards":[1,"[redacted: custom pattern]"]}`},
		{"a value with its name in JSON", `{"ssn":"123-45-6789 password=hunter2"}`, `{"ssn":"[redacted: custom pattern]"}`},
		{"a password of digits in JSON", `{"password":83746529}`, `{"password":"[redacted: secret]"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alarms, err := alarmevent.Parser{Redact: redactor.Document}.Parse(eventWith(t, tt.line))
			require.NoError(t, err)
			require.Len(t, alarms, 1)
			assert.Equal(t, []string{tt.want}, alarms[0].LogLines)
			assert.Equal(t, tt.want, alarms[0].Description)
			assert.Equal(t, tt.want, alarms[0].Reason)
			assert.Positive(t, alarms[0].Redactions)
		})
	}
}

// A document with a secret is redacted value by value.
func TestDocument_PatternsMatchTheWholeTextBesideSecrets(t *testing.T) {
	redactor, err := redact.New([]string{`"ssn":"[0-9-]+"`, `"pin": ?[0-9]{4}\b`, `"customer": ?\{[^}]*\}`, `"lat":[0-9.]+, ?"lon":[0-9.]+`, `ORD-[0-9]+`})
	require.NoError(t, err)
	for _, tt := range []struct{ name, document, want string }{
		{"a value with its name", `{"ssn":"078-05-1120","password":"hunter2"}`, `{[redacted: custom pattern],"password":"[redacted: secret]"}`},
		{"a short number with its name", `{"pin": 4711, "password": "hunter2"}`, `{[redacted: custom pattern], "password": "[redacted: secret]"}`},
		{"an object", `{"customer": {"name": "Ana"}, "password": "hunter2"}`, `{[redacted: custom pattern], "password": "[redacted: secret]"}`},
		{"several members in their order", `{"lon":1,"lat":52.5,"lon":13.4,"password":"hunter2"}`, `{"lon":1,[redacted: custom pattern],"password":"[redacted: secret]"}`},
		{"a part of a value", `{"password":"hunter2","a":"see ORD-99"}`, `{"a":"see [redacted: custom pattern]","password":"[redacted: secret]"}`},
	} {
		clean, count := redactor.Document(tt.document)
		assert.Equal(t, tt.want, clean, tt.name)
		assert.Equal(t, 2, count, tt.name)
	}
	clean, _ := redactor.Document(`{"password":"hunter2","ssn":"078-05-1120","team":"a\u0026b"}`)
	assert.Equal(t, `{"password":"[redacted: secret]","ssn":"[redacted: custom pattern]","team":"a&b"}`, clean, "as tags and dimensions are written")
}

func TestAnswer_ResultHasNoNumberThatAPatternDescribes(t *testing.T) {
	redactor, err := redact.New([]string{`\b\d{16}\b`, `"ssn": "\d{3}-\d{2}-\d{4}`, `\b\d{10}\b`, `^\d{9}$`, `customer=\S+`, `\S+@example\.com`})
	require.NoError(t, err)
	for _, tt := range []struct{ name, result, want string }{
		{"a number", `{"card":4111111111111111}`, `{"card":"[redacted: custom pattern]"}`},
		{"a number that is all that a pattern describes", `{"id":123456789,"ids":[123456789,1234567]}`, `{"id":"[redacted: custom pattern]","ids":["[redacted: custom pattern]",1234567]}`},
		{"a number below zero", `{"card":-4111111111111111,"id":-1234567,"password":-83746529}`, `{"card":"[redacted: custom pattern]","id":-1234567,"password":"[redacted: secret]"}`},
		{"a number in a row", `[[7,4111111111111111]]`, `[[7,"[redacted: custom pattern]"]]`},
		{"a number after a time", `[[1768446720,4111111111111111]]`, `[[1768446720,"[redacted: custom pattern]"]]`},
		{"a value with its name", `{"ssn":"123-45-6789"}`, `{"ssn":"[redacted: custom pattern]"}`},
		{"a value with its name and a secret", `{"ssn":"123-45-6789 password=hunter2"}`, `{"ssn":"[redacted: custom pattern]"}`},
		{"a part of a value", `{"note":"card 4111111111111111 password=hunter2"}`, `{"note":"card [redacted: custom pattern] password=[redacted: secret]"}`},
		{"a part up to the quote", `{"note":"order failed for customer=4711"}`, `{"note":"order failed for [redacted: custom pattern]"}`},
		{"a part after the quote", `{"note":"4711@example.com got the report"}`, `{"note":"[redacted: custom pattern] got the report"}`},
		{"a value without this name", `{"part":"123-45-6789"}`, `{"part":"123-45-6789"}`},
		{"datapoints", `{"points":[[1768446720,57.0],[1768446780,4294967296.0]]}`, `{"points":[[1768446720,57.0],[1768446780,4294967296.0]]}`},
		{"short numbers and decimals", `{"period":60,"threshold":1073741824.0,"password":1234}`, `{"period":60,"threshold":1073741824.0,"password":1234}`},
		{"a harmless name", `{"count":83746529,"inputTokens":1234567}`, `{"count":83746529,"inputTokens":1234567}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := toolcall.Answer{Result: json.RawMessage(tt.result)}
			redactor.Answer(&answer)
			assert.JSONEq(t, tt.want, string(answer.Result))
		})
	}
}

func TestAnswer_ResultHasNoSecretInAnObjectBelowItsName(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	const secret, random = "Kq8vN3xB6w", "Kq8vN3xB6wZp2LmT"
	for _, document := range []string{
		`{"credentials":{"user":"app","orders":"` + secret + `"}}`, `{"secret":{"orders":"` + secret + `"}}`, `{"Secret":[{"orders":"` + secret + `"}]}`,
		`{"tokens":{"orders":"` + random + `"}}`, `{"secrets":{"orders":"` + random + `"}}`, `{"keys":{"value":"` + random + `"}}`,
		`{"apiKeys":{"orders":"` + random + `"}}`, `{"access_tokens":{"orders":"` + random + `"}}`, `{"clientSecrets":{"orders":"` + random + `"}}`,
		`{"dbCreds":{"orders":"` + random + `"}}`,
		`{"Variables":{"DESCRIPTION":"` + secret + `","KEYTYPE":"` + random + `"}}`, `{"EnvironmentOverride":[{"Name":"DB_CONN","Value":"` + secret + `"}]}`,
		`{"kind":"Secret","data":{"type":"` + secret + `"}}`, `{"Environment":{"Variables":{"Ref":"` + secret + `"}}}`,
		`{"Environment":[{"Key":"DB_CONN","Value":"` + secret + `"},{"Variable":"DB_CONN","Value":"` + random + `"}]}`,
		`{"environment":{"DB_CONN":"` + secret + `","ports":["80"]}}`,
		`{"OptionSettings":[{"Namespace":"aws:elasticbeanstalk:application:environment","OptionName":"db.conn","Value":"` + secret + `"}]}`,
		`{"OptionSettings":[{"Namespace":"aws:rds:dbinstance","OptionName":"DBPassword","Value":"` + secret + `"},{"Namespace":"aws:elasticbeanstalk:application:environment","OptionName":"db.conn","Value":"` + random + `"}]}`,
		`{"OptionSettings":[{"Namespace":"aws:cloudformation:template:parameter","OptionName":"EnvironmentVariables","Value":"db.conn=` + secret + `,PORT=80"},{"Namespace":"aws:elasticbeanstalk:application:environment","OptionName":"db.conn","Value":"` + secret + `"}]}`,
	} {
		answer := toolcall.Answer{Result: json.RawMessage(document), Output: document}
		redactor.Answer(&answer)
		assert.NotContains(t, string(answer.Result), secret)
		assert.NotContains(t, answer.Output, secret)

		event, _ := redactor.Document(`{"db_password":"hunter2",` + document[1:])
		assert.NotContains(t, event, secret)

		var memory redact.Memory
		memory.Observe([]byte(document), false)
		clean, _ := memory.Knowing(redactor).Text("value " + random + ", value " + secret)
		assert.Contains(t, clean, "[redacted: secret]", document)
	}
	answer := toolcall.Answer{Result: json.RawMessage(`[{"Name":"DB_CONN","Value":"` + random + `"},{"Name":"DB_URL","Value":"postgres://app:` + secret + `@db/orders"}]`)}
	redactor.Answer(&answer)
	assert.JSONEq(t, `[{"Name":"DB_CONN","Value":"[redacted: environment variable]"},{"Name":"DB_URL","Value":"postgres://app:[redacted: password]@db/orders"}]`, string(answer.Result))

	for _, document := range []string{
		`[{"Name":"POD","Value":"orders-7d9f8b6c5-x2x4z"},{"Name":"DIGEST","Value":"9f86d081884c7d659a2feaa0c55ad015"}]`,
		`{"secret":{"name":"orders-db-2","versionId":"0f8fad5b-d9cb-469f-a165-70867728950e"}}`, `{"tokens":{"input":"1234567","model":"nova-2-lite"}}`,
		`{"code":{"repository":"123456789012.dkr.ecr.us-east-1.amazonaws.com/orders"}}`, `{"session":{"browser":"Chrome120Mobile"}}`,
	} {
		answer := toolcall.Answer{Result: json.RawMessage(document)}
		redactor.Answer(&answer)
		assert.Equal(t, document, string(answer.Result))
	}
}

// What an answer of AWS contains and was taken for a secret would be hidden wherever it is printed.
func TestAnswer_ShowsWhatDescribesResources(t *testing.T) {
	redactor, err := redact.New(nil)
	require.NoError(t, err)
	const md5, sha256 = "9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, document := range []string{
		`{"KeySigningKeys":[{"Name":"orders","DigestValue":"` + sha256 + `"}]}`, `{"macSecKeys":[{"ckn":"` + sha256 + `","state":"associated"}]}`,
		`{"hostKeys":[{"fingerprintSHA256":"` + sha256 + `"}]}`,
		`{"keys":[{"key":"orders.csv","etag":"` + md5 + `"}]}`, `{"Code":{"S3Bucket":"code","S3Key":"` + md5 + `"}}`, `{"Session":{"DnsName":"a1b2c3d4e5f6g7h8"}}`,
		`{"Tags":[{"Key":"OWNER","Value":"team-42"}]}`, `{"Parameters":[{"ParameterKey":"STAGE","ParameterValue":"prod-eu1"}]}`,
		`{"Dimensions":[{"Name":"POD","Value":"orders-7d9f8b6c5-x2x4z"}]}`, `{"dimensions":[{"name":"POD","value":"orders-7d9f8b6c5-x2x4z"}]}`,
		`{"attributes":[{"key":"CVSS2_VECTOR","value":"AV:L/AC:L/Au:N"}]}`,
		`{"environment":{"computeType":"BUILD_GENERAL1_SMALL","environmentVariables":[{"name":"SITE","value":"","type":"PLAINTEXT"}]}}`,
		`{"Environment":{"EnvironmentClass":"mw1.small8X","Tags":{"team":"orders"},"Status":"AVAILABLE"}}`, `{"RuntimeEnvironment":"FLINK-1_20"}`,
		`{"OptionSettings":[{"Name":"TIME_ZONE","Value":"UTC","Description":"the time zone of the host","AllowedValues":"Africa/Cairo,UTC"}]}`,
		`{"Environment":{"Variables":{"TABLE":{"Ref":"Orders56A03B45"},"TOOL":{"Fn::GetAtt":["Tool627A4E39","Arn"]},"MODEL":{"Fn::FindInMap":["Models56A03B45",{"Ref":"AWS::Region"},"Id1"]}}}}`,
		`{"OptionSettings":[{"Namespace":"aws:autoscaling:launchconfiguration","OptionName":"InstanceType","Value":"mw1.small8X"},{"Namespace":"aws:elasticbeanstalk:customoption","OptionName":"POD","Value":"a1b2c3d4e5f6g7h8"}]}`,
		`{"ComputeEnvironmentOrder":[{"Order":1,"ComputeEnvironment":{"Ref":"Orders56A03B45"}}],"Environment":{"Ref":"Models56A03B45"}}`,
		`{"UserData":{"Fn::Base64":{"Fn::Join":["",["",{"Ref":"Orders56A03B45"}]]}}}`,
		`{"MasterUserPassword":{"Ref":"Orders56A03B45"},"UserData":{"Ref":"Orders56A03B45"}}`, `{"LaunchConfigurations":[{"UserData":""}]}`, `{"webhook":{"lastModifiedSecret":"2026-11-28T15:13:46.691Z","created":"2026-11-28T15:13:46.691Z"}}`,
	} {
		var memory redact.Memory
		memory.Observe([]byte(document), false)
		answer := toolcall.Answer{Result: json.RawMessage(document), Output: "digest " + md5 + ", " + sha256 + ", host a1b2c3d4e5f6g7h8, BUILD_GENERAL1_SMALL FLINK-1_20 mw1.small8X Orders56A03B45 Tool627A4E39 Models56A03B45"}
		output := answer.Output
		memory.Knowing(redactor).Answer(&answer)
		assert.Equal(t, document, string(answer.Result))
		assert.Equal(t, output, answer.Output)
	}
}

// A value that is found from afar hides no secret between.
func TestText_FindsSecretsBetweenANameAndItsValue(t *testing.T) {
	r, err := redact.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "Kq8vN3xB6w"
	for _, text := range []string{
		"GET / value=\"name\": \"password\"&is\npassword: ¤\nGET / value=\"name\": \"password\"&is", "GET / data={key=\npassword: ¤\nGET / data={key=",
		`"variables": {"query": "password=¤ x", "api_key": "abcd1234efgh"}`, `passwords: ["the password=¤ is used", "Zq8sV2kLw9"]`,
		`{"password": {"api_token": "¤", "value": "Zq8sV2kLw9"}}`, `{"HeaderName": "x-a", "api_key": "¤", "HeaderValue": "Zq8sV2kLw9"}`,
	} {
		clean, _ := r.Text(strings.ReplaceAll(text, "¤", secret))
		if strings.Contains(clean, secret) {
			t.Errorf("%q", clean)
		}
	}
}
