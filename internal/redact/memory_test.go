package redact

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

const (
	randomA = "Zk3Vq9TxW1bLr7Yd0HsP5nMc" // looks like a secret
	randomB = "u7QeXo2Rw9TzB4mKc6Jd1LsA"
)

func learned(t *testing.T, bodies ...string) []string {
	t.Helper()
	r, err := New([]string{`CUST-\d{6}`})
	require.NoError(t, err)
	var m Memory
	for _, body := range bodies {
		m.Observe([]byte(body), false)
	}
	// The secrets themselves, without the other forms in which they are found.
	l := learner{redactor: r, found: map[string]bool{}, until: time.Now().Add(time.Minute)}
	for _, body := range m.bodies {
		l.learnBody(body.body)
	}
	return slices.Collect(maps.Keys(l.found))
}

func TestMemory_LearnsSecretsFromAnswers(t *testing.T) {
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\ncurl -u admin:" + randomA + " https://x"))
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	_, err := w.Write([]byte(`{"Environment":{"Variables":{"A":"` + randomA + `"}}}`))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, c := range []struct {
		name, body string
		want       []string
	}{
		{"a function's variables", `{"Environment":{"Variables":{"A":"` + randomA + `","DB_PASSWORD":"hunter2hunter2","TABLE":"orders"}}}`, []string{randomA, "hunter2hunter2"}},
		{"a password in a variable", `{"Environment":{"Variables":{"PAYROLL":"Zeb7raPony92x","RELEASE":"orders-2026-11-b","TABLE_NAME":"Orders2Table"}}}`, []string{"Zeb7raPony92x"}},
		{"variables with signs", `{"Environment":{"Variables":{"A":"Zt7pR2mW9q!x<&>\"y","B":"app:Gh4tW6mKc3","C":"kq8vN3xB6w\\{zz","D":"!x(Q)[w]:{P}y7","E":"{\"a\":\"b\"}"}}}`,
			[]string{`Zt7pR2mW9q!x<&>"y`, "app:Gh4tW6mKc3", `kq8vN3xB6w\{zz`, "!x(Q)[w]:{P}y7"}},
		{"a container's variables", `{"environment":[{"name":"a","value":"` + randomA + `"}]}`, []string{randomA}},
		{"an environment with variables beside others", `{"environment":{"computeType":"BUILD_GENERAL1_SMALL","environmentVariables":[{"name":"a","value":"` + randomA + `"}]}}`, []string{randomA}},
		{"variables with names of environments", `{"environment":{"ENV":null,"RAILS_ENVIRONMENT":"prod","A":"` + randomA + `"}}`, []string{randomA}},
		{"variables of a service", `{"RuntimeEnvironmentVariables":{"STAGE":"` + randomA + `"}}`, []string{randomA}},
		{"variables of a job", `{"OverrideEnvironment":{"STAGE":"` + randomA + `"}}`, []string{randomA}},
		{"variables of a pod", `{"containers":[{"env":[{"name":"stage","value":"` + randomA + `"}]}]}`, []string{randomA}},
		{"variables of a stage", `{"stageVariables":{"v":"` + randomA + `"}}`, []string{randomA}},
		{"user data of a recipe", `{"userDataOverride":"` + script + `"}`, []string{script, randomA}},
		{"a stack's parameters", `<R><Parameters><member><ParameterKey>DbPassword</ParameterKey><ParameterValue>` + randomA + `</ParameterValue></member>` +
			`<member><ParameterKey>ApiKey</ParameterKey><ParameterValue>` + randomB + `</ParameterValue></member></Parameters></R>`, []string{randomB, randomA}},
		{"an environment's options", `<R><OptionSettings><member><OptionName>X</OptionName><Value>` + randomA + `</Value></member></OptionSettings></R>`, []string{randomA}},
		{"user data", `<R><userData><value>` + script + `</value></userData></R>`, []string{script, randomA}},
		{"a VPN's configuration", `<R><customerGatewayConfiguration>&lt;pre_shared_key&gt;` + randomA + `&lt;/pre_shared_key&gt;</customerGatewayConfiguration></R>`, []string{randomA}},
		{"JSON in JSON in JSON", `{"input":"{\"a\":\"{\\\"api_key\\\":\\\"` + randomA + `\\\"}\"}"}`, []string{randomA}},
		{"a log line", `{"events":[{"message":"login with password=` + randomA + ` failed"}]}`, []string{randomA}},
		{"a key on several lines", `{"events":[{"message":"-----BEGIN PRIVATE KEY-----\n` + randomA + `\n` + randomB + `\n-----END PRIVATE KEY-----"}]}`, []string{randomA, randomB}},
		{"a client of a database", `{"events":[{"message":"+ mysql -uapp -p` + randomA + ` -h db orders"}]}`, []string{randomA}},
		{"a token of a service", `{"events":[{"message":"login with glpat-` + randomA[:20] + `"}]}`, []string{"glpat-" + randomA[:20]}},
		{"a Kubernetes secret", `{"events":[{"message":"{\"kind\":\"Secret\",\"data\":{\"a\":\"` + randomA + `\"}}"}]}`, []string{randomA}},
		{"a configuration item", `{"configurationItems":[{"configuration":"{\"environment\":{\"variables\":{\"A\":\"` + randomA + `\"}}}"}]}`, []string{randomA}},
		{"a key in several events", `{"events":[{"message":"-----BEGIN PRIVATE KEY-----"},{"message":"` + randomA + `"},{"message":"-----END PRIVATE KEY-----"},{"message":"` + randomB + `"}]}`, []string{randomA}},
		{"a key in several events, newest first", `{"events":[{"message":"` + randomB + `"},{"message":"-----END PRIVATE KEY-----"},{"message":"` + randomA + `"},{"message":"-----BEGIN PRIVATE KEY-----"}]}`, []string{randomA}},
		{"a value below the name of a secret", `{"MAIL_PASSWORD":{"value":"` + randomA + `","origin":"env"}}`, []string{randomA}},
		{"a command line", `{"command":["run","--password","hunter2hunter2","--verbose","orders-12345678"]}`, []string{"hunter2hunter2"}},
		{"attributes of XML", `<configuration><add key="DbPassword" value="` + randomA + `"/><db user="app" password="hunter2hunter2"/></configuration>`, []string{randomA, "hunter2hunter2"}},
		{"a comment in XML", `<?xml version="1.0"?><c><!-- password=` + randomA + ` --><name>orders</name></c>`, []string{randomA}},
		{"a comment in XML with an address", `<c xmlns="https://a.s3.amazonaws.com/documents/c"><!-- password=` + randomA + ` --></c>`, []string{randomA}},
		{"a property list", `<plist><dict><key>password</key><string>` + randomA + `</string></dict></plist>`, []string{randomA}},
		{"text beside elements", `<p>password=` + randomA + ` <b>12</b></p>`, []string{randomA}},
		{"a custom pattern", `{"events":[{"message":"token of CUST-123456"}]}`, []string{"CUST-123456"}},
		{"a compressed answer", small.String(), []string{randomA}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.ElementsMatch(t, c.want, learned(t, c.body))
		})
	}
}

// A command can have a user, quotes, or a line break around a password, and a text has other signs.
func TestMemory_FindsPasswordsWithoutWhatIsAroundThem(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, message := range []string{
		"curl -u app:¤ https://x", "curl --user=\"app:¤\" https://x", "curl -u 'app:¤' https://x", `printf 'app:¤\n' | chpasswd`, `level=info msg="printf 'app:¤\\n' | chpasswd"`, `printf "¤\n" | sudo -S ls`, `echo -e "¤\n¤" | passwd app`,
		"password: `¤`", "password: **¤**", "set password=¤.", "const password = `¤`;", "CREATE USER app WITH PASSWORD $$¤$$", "credentials: app:¤",
	} {
		body, err := json.Marshal(map[string]any{"events": []any{map[string]string{"message": strings.ReplaceAll(message, "¤", randomA)}}})
		require.NoError(t, err)
		var m Memory
		m.Observe(body, false)
		clean, _ := m.Knowing(r).Text("value " + randomA + " of app")
		assert.Equal(t, "value [redacted: secret] of app", clean, message)
	}
}

func TestMemory_IgnoresHarmlessValues(t *testing.T) {
	for _, value := range []string{
		"orders", "true", "us-east-1", "orders-table-prod-2", "OrdersStack-Table4E51C2B1-1ABCDEFGHIJKL", "arn:aws:sqs:us-east-1:111122223333:orders",
		"https://sqs.us-east-1.amazonaws.com/111122223333/orders", "db-1.cluster-abc123.us-east-1.rds.amazonaws.com", "0f8fad5b-d9cb-469f-a165-70867728950e",
		"5f2c1e0d9b8a7c6d5e4f3a2b1c0d9e8f7a6b5c4d", "123456789012345678", "/aws/lambda/orders-prod-1234567", "ops@team7.example.com", "10.20.30.40",
	} {
		encoded, err := json.Marshal(map[string]any{"Environment": map[string]any{"Variables": map[string]string{"SETTING": value}}, "Token": "x"})
		require.NoError(t, err)
		assert.Empty(t, learned(t, string(encoded)), value)
	}
	for _, place := range []string{"ec2.amazonaws.com/doc/2016-11-15/", "elasticbeanstalk.amazonaws.com/docs/2010-12-01/"} { // of answers, which have no comments
		assert.Empty(t, learned(t, `<Response xmlns="http://`+place+`"><!-- password=`+randomA+` --></Response>`), place)
	}
	for _, body := range []string{"", "{", "<a>", "<a><b></a>", "null", "\x1f\x8bbroken", `"password"`, strings.Repeat("[", 10_000) + "password", strings.Repeat("<password>", 100_000)} {
		assert.Empty(t, learned(t, body), "%.20q", body)
	}
}

func TestMemory_RedactsEveryPartAndForgets(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	var m Memory
	m.Observe([]byte(`{"Environment":{"Variables":{"A":"`+randomA+`","B":"`+randomA+randomB+`"}}}`), false)
	newAnswer := func() toolcall.Answer {
		return toolcall.Answer{Output: "A is " + randomA + ", B " + randomA + randomB + ".", Error: "KeyError: '" + randomA + "'", Result: json.RawMessage(`["x` + randomA + `", {"n": 1.50}]`)}
	}

	first := newAnswer()
	m.Knowing(r).Answer(&first)

	assert.Equal(t, "A is [redacted: secret], B [redacted: secret].", first.Output, "longer secrets are replaced first")
	assert.Equal(t, "KeyError: '[redacted: secret]'", first.Error)
	assert.JSONEq(t, `["x[redacted: secret]", {"n": 1.50}]`, string(first.Result))
	assert.Equal(t, 2, first.Redactions)

	second := newAnswer()
	m.Knowing(r).Answer(&second)
	assert.Contains(t, second.Output, randomA, "the secrets that one call read are forgotten before the next call")
}

// A log line has a password of digits, which a program reads as a number.
func TestMemory_RedactsNumbersOfTheResult(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	var m Memory
	m.Observe([]byte(`{"events":[{"message":"login {\"password\": 8293746150}"}]}`), false)
	answer := toolcall.Answer{Result: json.RawMessage(`{"value":8293746150,"values":[8293746150,[1768446720,57]],"bytes":8293746151,"count":3}`)}
	m.Knowing(r).Answer(&answer)
	assert.JSONEq(t, `{"value":"[redacted: secret]","values":["[redacted: secret]",[1768446720,57]],"bytes":8293746151,"count":3}`, string(answer.Result))
}

func TestMemory_FindsPythonSpellings(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	const secret = `Zk3'V"q9\TxéW1b🔑Lr7`
	body, err := json.Marshal(map[string]any{"Variables": map[string]string{"DB_PASSWORD": secret}})
	require.NoError(t, err)
	for name, written := range map[string]string{
		"printed":                        secret,
		"repr":                           `'Zk3\'V"q9\\TxéW1b🔑Lr7'`,
		"JSON":                           `"Zk3'V\"q9\\Tx\u00e9W1b\ud83d\udd11Lr7"`,
		"JSON with non-ASCII characters": `"Zk3'V\"q9\\TxéW1b🔑Lr7"`,
		"JSON in JSON":                   `"\"Zk3'V\\\"q9\\\\Tx\\u00e9W1b\\ud83d\\udd11Lr7\""`,
	} {
		var m Memory
		m.Observe(body, false)
		clean, _ := m.Knowing(r).Text("[" + written + ", 1]")
		assert.Contains(t, clean, "[redacted: secret]", name)
		assert.NotContains(t, clean, "Lr7", name)
		assert.NotContains(t, clean, "Zk3", name)
	}
}

func TestObserve_IgnoresBodiesOverLimit(t *testing.T) {
	var m Memory
	filler := `{"Variables":{"A":"` + strings.Repeat("x", maxObserved) + `"}}`
	m.Observe([]byte(filler), false)
	assert.Empty(t, m.bodies)
	m.Observe([]byte(`{"Variables":{"A":"`+randomA+`"}}`), false)
	assert.Len(t, m.bodies, 1)
	m.Observe([]byte(`{"message":"nothing to see"}`), false)
	assert.Len(t, m.bodies, 1)
}

// What was not searched must be reported: a reader would take its silence for the absence of secrets.
func TestMemory_ReportsWhatItDidNotSearch(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	logs := func(size int, last string) []byte {
		line := "INFO wrote 3 items with key orders-7" + strings.Repeat(" and more", 200)
		return []byte(`{"events":[` + strings.Repeat(`{"message":"`+line+`"},`, size/(len(line)+15)) + `{"message":"` + last + `"}]}`)
	}
	secrets := func(from, to int) []byte {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, fmt.Sprintf(`{"name":"S%d","value":"%s%d"}`, i, randomA, 1000+i))
		}
		return []byte(`{"environment":[` + strings.Join(list, ",") + `]}`)
	}
	for _, c := range []struct {
		name   string
		bodies [][]byte
		want   *toolcall.SearchGap
	}{
		{"no answers", nil, nil},
		{"answers within the limits", [][]byte{logs(1<<20, "x"), secrets(0, 100)}, nil},
		{"an answer that was cut", [][]byte{logs(5<<20, "x")[:4<<20], []byte(`{"name":"orders"}`)}, &toolcall.SearchGap{Answers: 1}},
		{"too many answers", [][]byte{logs(3<<20, "x"), logs(3<<20, "x"), logs(3<<20, "x"), logs(3<<20, "x"), logs(3<<20, "x"), logs(3<<20, "x"), secrets(0, 3)},
			&toolcall.SearchGap{Answers: 5}}, // two beyond maxObserved, and three beyond maxSearched
		{"too many secrets", [][]byte{secrets(0, 520)}, &toolcall.SearchGap{Secrets: 20}},
		{"too many secrets in two answers", [][]byte{secrets(0, 300), secrets(200, 501)}, &toolcall.SearchGap{Secrets: 1}},
		{"a compressed answer that is too long", [][]byte{packed(t, logs(maxObserved+1, "x"))}, &toolcall.SearchGap{Answers: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := Memory{searchTime: time.Hour}
			for _, body := range c.bodies {
				memory.Observe(body, len(body) == 4<<20)
			}
			a := toolcall.Answer{Output: "done"}
			memory.Knowing(r).Answer(&a)
			assert.Equal(t, c.want, a.SearchGap)
			if c.want != nil {
				assert.Equal(t, []string{c.want.String()}, a.Notes)
			}

			again := toolcall.Answer{Output: "done"}
			memory.Knowing(r).Answer(&again)
			assert.Nil(t, again.SearchGap, "the next call starts anew")
		})
	}
}

// The answers of a call can have so many values that learning from them takes longer than the invocation has left. Nothing that they
// could have taught may be shown.
func TestMemory_LearnsOnlyUntilTheDeadline(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	var m Memory
	for range 2 {
		m.Observe([]byte(`{"Environment":{"Variables":{"A":"`+randomA+`"}}}`), false)
	}
	a := toolcall.Answer{Output: "A is " + randomA, ErrorType: "TimeLimit", Error: "no time", Result: json.RawMessage(`["` + randomA + `"]`)}

	m.Knowing(r.Until(time.Now().Add(-time.Second))).Answer(&a)

	assert.Equal(t, &toolcall.SearchGap{Answers: 2}, a.SearchGap)
	assert.Equal(t, withheld, a.Output)
	assert.JSONEq(t, `["`+withheld+`"]`, string(a.Result))
	assert.Equal(t, []string{"TimeLimit", "no time"}, []string{a.ErrorType, a.Error}, "texts that contain no secret")

	m.Observe([]byte(`{"Environment":{"Variables":{"A":"`+randomA+`"}}}`), false)
	a = toolcall.Answer{Output: "A is " + randomA}
	m.Knowing(r.Until(time.Now().Add(time.Hour))).Answer(&a)
	assert.Equal(t, "A is [redacted: secret]", a.Output)
	assert.Nil(t, a.SearchGap)
}

func TestText_WithholdsALongTextAfterTheDeadline(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	late := r.Until(time.Now().Add(-time.Second))
	clean, count := late.Text(strings.Repeat("harmless ", 1000))
	assert.Equal(t, []any{withheld, 1}, []any{clean, count})
	clean, _ = late.Text("harmless")
	assert.Equal(t, "harmless", clean)
}

func packed(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestMemory_LearnsFromTheStartOfACutAnswer(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	body := `{"Environment":{"Variables":{"DB_PASSWORD":"` + randomA + `"}},"Filler":"` + strings.Repeat("x", 2000)
	memory := Memory{}
	memory.Observe([]byte(body), true)
	clean, _ := memory.Knowing(r).Text("the value " + randomA)
	assert.Equal(t, "the value [redacted: secret]", clean)
}

// Code often prints a value that it encoded itself, such as a header of basic authentication.
func TestMemory_FindsEncodedSecrets(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	const secret = "Zk3&Vq9 x/W1bLr7Y"
	body, err := json.Marshal(map[string]any{"Variables": map[string]string{"DB_PASSWORD": secret}})
	require.NoError(t, err)
	for name, written := range map[string]string{
		"base64":                base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 after one byte": base64.StdEncoding.EncodeToString([]byte(":" + secret)),
		"base64 with a user":    base64.StdEncoding.EncodeToString([]byte("admin:" + secret + "\n")),
		"base64 in a document":  base64.URLEncoding.EncodeToString([]byte(`{"pw":"` + secret + `"}`)),
		"hexadecimal":           fmt.Sprintf("%x", secret),
		"capital hexadecimal":   fmt.Sprintf("%X", secret),
		"a query":               url.QueryEscape(secret),
		"a path":                url.PathEscape(secret),
		"HTML":                  html.EscapeString(secret),
	} {
		var m Memory
		m.Observe(body, false)
		clean, count := m.Knowing(r).Text("got " + written + " back")
		assert.Positive(t, count, name)
		for at := 0; at+8 <= len(written)-8; at++ {
			if part := written[4+at : 4+at+8]; strings.Contains(clean, part) {
				assert.Fail(t, name, "%q is in %q", part, clean)
			}
		}
	}
}

// A few kilobytes can decompress to gigabytes, so the limit applies to all answers together.
func TestMemory_BoundsDecompression(t *testing.T) {
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	_, err := packer.Write(append([]byte(`{"password": "`), bytes.Repeat([]byte("a"), 64<<20)...))
	require.NoError(t, err)
	require.NoError(t, packer.Close())
	memory := &Memory{}
	for range 50 {
		memory.Observe(bomb.Bytes(), false)
	}
	l := learner{redactor: &Redactor{}, found: map[string]bool{}}
	for _, body := range memory.bodies {
		l.learnBody(body.body)
	}
	assert.Len(t, memory.bodies, 50)
	assert.Equal(t, maxObserved, l.unpacked)
}

func TestText_SearchesInsideValues(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for text, want := range map[string]string{
		`{"error": "login with password=hunter2hunter2", "n": 1}`:  `{"error": "login with password=[redacted: secret]", "n": 1}`,
		`msg='user: app password: hunter2hunter2' level=info`:      `msg='user: app password: [redacted: secret]' level=info`,
		`Set-Cookie: session_token=hunter2hunter2; Path=/`:         `Set-Cookie: session_token=[redacted: secret]; Path=/`,
		`PRIVATE-TOKEN: hunter2hunter2`:                            `PRIVATE-TOKEN: [redacted: secret]`,
		`SequenceToken next_token=abcdefgh sync-token: abcdefgh12`: `SequenceToken next_token=abcdefgh sync-token: abcdefgh12`,
		`secretArn=arn:aws:secretsmanager:us-east-1:1:secret:a`:    `secretArn=arn:aws:secretsmanager:us-east-1:1:secret:a`,
	} {
		clean, _ := r.Text(text)
		assert.Equal(t, want, clean)
	}
	// The time is proportional to the length, even for hostile texts.
	chain := strings.Repeat("aa=", 100_000)
	clean, _ := r.Text(chain)
	assert.Equal(t, chain, clean)
}

// BenchmarkLearnFrom1MBOfLogs learns from the largest answer of CloudWatch Logs, with a secret on every tenth
// line.
func BenchmarkLearnFrom1MBOfLogs(b *testing.B) {
	r, err := New(nil)
	require.NoError(b, err)
	var events []map[string]any
	for i := range 7000 {
		message := "2026-01-02T03:04:05.678Z 0f8fad5b-d9cb-469f-a165-70867728950e INFO wrote 3 items to orders in 12 ms"
		if i%10 == 0 {
			message += " with password=hunter2hunter2"
		}
		events = append(events, map[string]any{"timestamp": 1767322800000 + i, "message": message})
	}
	body, err := json.Marshal(map[string]any{"events": events})
	require.NoError(b, err)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var m Memory
		m.Observe(body, false)
		m.Knowing(r)
	}
}

// writeEncodings evaluates expressions of Python with a secret.
const writeEncodings = `import ast, base64, codecs, csv, html, io, json, pprint, re, shlex, sys, urllib.parse
def split(size, text): return re.findall("(?s).{1,%d}" % size, text)
def dump(line, between):
    data = ("cfg=" + s).encode()
    shown = lambda part: re.sub("[^ -~]", ".", part.decode("latin-1"))
    return "\n" + "".join(line(at, between, data[at:at + 16], shown(data[at:at + 16])) for at in range(0, len(data), 16))
def xxd(at, size, part, shown): return "%08x: %-39s  %s\n" % (at, part.hex(" ", -size), shown)
def hexdump(at, between, part, shown): return "%08x  %-23s  %-23s  |%s|\n" % (at, part[:8].hex(between), part[8:].hex(between), shown)
given = json.load(sys.stdin)
s = given["secret"]
print(json.dumps({code: eval(code) for code in given["codes"]}))`

// Code prints a value as its language, its libraries, and the program that receives it write it.
func TestMemory_FindsEveryEncoding(t *testing.T) {
	python, err := moto.Tool("python")
	require.NoError(t, err)
	codes := []string{
		"s", "repr(s)", "ascii(s)", "repr(s.encode())", "repr(bytearray(s.encode()))", "json.dumps(s)", "json.dumps(s, ensure_ascii=False)", "json.dumps(json.dumps(s))",
		"json.dumps(json.dumps(json.dumps(s)))", "json.dumps(s).replace('/', '\\\\/')", "json.dumps(json.dumps(s).replace('/', '\\\\/'))", "repr(json.dumps(s))",
		"json.dumps(s).replace('<', '\\\\u003c').replace('>', '\\\\u003E').replace('&', '\\\\u0026').replace(\"'\", '\\\\u0027')",
		"repr(repr(s))", "repr(json.dumps(s).encode())", "repr(s.encode('unicode_escape'))", "s.encode('unicode_escape').decode()", "codecs.escape_encode(s.encode())[0].decode()",
		"''.join('\\\\x%02x' % b for b in s.encode())", "''.join('\\\\x%02X' % b for b in s.encode())", "''.join('\\\\%03o' % b for b in s.encode())",
		"''.join('\\\\u{%x}' % ord(c) for c in s)", "''.join('\\\\U%08x' % ord(c) for c in s)",
		"urllib.parse.quote(s)", "urllib.parse.quote(s, safe='')", "urllib.parse.quote_plus(s)", "''.join('%%%02x' % b for b in s.encode())", "''.join('%%%02X' % b for b in s.encode())",
		"urllib.parse.quote(urllib.parse.quote(s, safe=''), safe='')", "urllib.parse.urlencode({'a': s})", "json.dumps({'url': urllib.parse.quote_plus(s)})",
		"html.escape(s)", "html.escape(s, quote=False)", "html.escape(html.escape(s))", "''.join('&#%d;' % ord(c) for c in s)", "''.join('&#x%X;' % ord(c) for c in s)", "json.dumps(html.escape(s))",
		"html.escape(json.dumps(s))", "html.escape(s).replace('&#x27;', '&apos;')", "html.escape(s).replace('&quot;', '&#34;')", "s.encode('ascii', 'xmlcharrefreplace').decode()",
		"base64.b64encode(s.encode()).decode()", "base64.urlsafe_b64encode(s.encode()).decode()", "base64.encodebytes(('user:' + s * 2).encode()).decode()", "repr(base64.encodebytes(s.encode()))",
		"base64.encodebytes(('x' * 40 + s).encode()).decode().replace('\\n', '\\r\\n')", "json.dumps(base64.encodebytes(('y' * 41 + s).encode()).decode())",
		"'\\n    '.join(filter(None, (base64.b64encode(s.encode()).decode()[i:i + 20] for i in range(0, 400, 20))))", "pprint.pformat({'key': base64.b64encode(s.encode())}, width=40)",
		"s.encode().hex()", "s.encode().hex(':')", "s.encode().hex(' ')", "s.encode().hex('-').upper()", "s.encode().hex(' ', 2)", "s.encode().hex(',')", "repr(s.encode().hex(':'))",
		"shlex.quote(s)", "'\\'' + s.replace(\"'\", \"'\\\\''\") + '\\''", "s.replace(\"'\", \"''\")", "(lambda f: (csv.writer(f).writerow([s]), f.getvalue())[1])(io.StringIO(newline=''))",
		"' '.join(split(4, base64.b64encode(s.encode()).decode()))", "' '.join(split(8, base64.b64encode(s.encode()).decode()))",
		"'\\n'.join(split(8, base64.b64encode(s.encode()).decode()))", "'\\n'.join(split(10, base64.urlsafe_b64encode(s.encode()).decode()))",
		"'\\n  | '.join(split(8, base64.b64encode(s.encode()).decode()))", "json.dumps('\\n'.join(split(8, base64.b64encode(s.encode()).decode())))",
		"', '.join('0x%02x' % b for b in s.encode())", "' '.join('0x%02X' % b for b in s.encode())", "repr([hex(b) for b in s.encode()])", "',\\n  '.join(map(hex, s.encode()))",
		"repr(list(s.encode()))", "json.dumps(list(s.encode()), indent=2)", "' '.join(map(str, s.encode()))", "json.dumps(json.dumps({'data': list(s.encode())}))",
		"repr(list(json.dumps({'a': s}).encode()))", "' '.join('0x%02X' % b for b in ('//u:' + urllib.parse.quote(s, safe='')).encode())",
		"dump(xxd, 2)", "dump(xxd, 1)", "dump(xxd, 4)", "dump(hexdump, ' ')", "json.dumps(dump(xxd, 2))", "repr(dump(hexdump, ' '))",
		"json.dumps(json.dumps(json.dumps(json.dumps(s))))", "'50%25 &lt; \\\\xe9 ' + json.dumps(json.dumps(json.dumps(json.dumps(s))))",
		"'%41 &amp; \\\\n \\\\xe9 ' + json.dumps(json.dumps(json.dumps(s)))",
		"base64.b64encode(json.dumps({'a': s}, ensure_ascii=False).replace('<', '\\\\u003c').replace('>', '\\\\u003e').replace('&', '\\\\u0026').encode()).decode()",
		"base64.b64encode(json.dumps({'a': s}).encode()).decode()", "base64.b64encode(json.dumps({'ab': s}, ensure_ascii=False).encode()).decode()", "json.dumps(s).encode().hex()",
		"base64.b64encode(('q=' + urllib.parse.quote(s)).encode()).decode()", "base64.b64encode(urllib.parse.quote_plus(s).encode()).decode()", "base64.b64encode(urllib.parse.quote(s, safe='').encode()).decode()",
		"pprint.pformat({'key': s.encode()}, width=30)", "json.dumps({'a': [json.dumps({'b': s})]}, indent=1)",
	}
	r, err := New(nil)
	require.NoError(t, err)
	for _, secret := range []string{
		`Zk3Vq9TxW1bLr7Yd0HsP5nMc`, `Zk3'V"q9\TxéW1b🔑Lr7`, `p'w"d/1+2=<&>Zk39`, "Zk3\x1bVq9\x00Tx\tW1\x7fb/7", "Zk3 Vq9 x/W1b%41Lr7Y", `Zk3&amp;Vq9\u0041x\nW1`,
		"Zk3\u00a0Vq9\u2028TxÿW1", `a\\b\"c%2541&lt;9Zk3`, "Zk3\nVq9\r\nTxW1b$7", strings.Repeat("Zk3Vq9TxW1", 12) + `/'"\`,
	} {
		body, err := json.Marshal(map[string]any{"Variables": map[string]string{"DB_PASSWORD": secret}})
		require.NoError(t, err)
		var m Memory
		m.Observe(body, false)
		knowing := m.Knowing(r)
		written := map[string]string{}
		program := exec.CommandContext(t.Context(), python, "-c", writeEncodings)
		input, err := json.Marshal(map[string]any{"secret": secret, "codes": codes})
		require.NoError(t, err)
		program.Stdin = bytes.NewReader(input)
		out, err := program.Output()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(out, &written))
		require.Len(t, written, len(codes))
		for code, written := range written {
			clean, count := knowing.Text("<< " + written + " >>")
			assert.Positive(t, count, "%q: %s: %s", secret, code, clean)
			assert.LessOrEqual(t, len(clean), len("<<  >>")+count*len("[redacted: secret]")+64, "%q: %s: %s", secret, code, clean)
			assert.True(t, strings.HasPrefix(clean, "<< ") && strings.HasSuffix(clean, " >>"), "%q: %s: %s", secret, code, clean)
		}
	}
}

// Code may print a script that AWS answered in base64, or parts of it.
func TestMemory_FindsPasswordsOfUserDataInPlainText(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	lines := []string{
		"#!/bin/bash -x", "A=Tz7mQw4RpX9fKd", "/opt/app/register --site eu Tz7mQw4RpX9fKd", "activation -id 1234 -code Wq8Zr5Tn2Lx7", "setup Summer2024!Kite", "echo 'app:Lq6Rw2Np8Zt4' > /etc/app/login",
		"k3s agent K10c6e1ab3d4f5::server:9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d", "yum install -y orders", "exit 0",
	}
	var m Memory
	m.Observe([]byte(`{"UserData":{"Value":"`+base64.StdEncoding.EncodeToString([]byte(strings.Join(lines, "\r\n")))+`"}}`), false)
	knowing := m.Knowing(r)
	secrets := []string{"Tz7mQw4RpX9fKd", "Wq8Zr5Tn2Lx7", "Summer2024!Kite", "Lq6Rw2Np8Zt4", "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d"}
	quoted, err := json.Marshal(lines)
	require.NoError(t, err)
	for _, written := range []string{strings.Join(lines, "\n"), strings.Join(lines, "\r\n"), string(quoted), strings.Join(secrets, " ")} {
		clean, _ := knowing.Text(written)
		for _, secret := range secrets {
			assert.NotContains(t, clean, secret, written)
		}
	}
	for _, harmless := range []string{"yum install -y orders", "the site eu, id 1234 of /opt/app/register", "exit 0"} {
		clean, _ := knowing.Text(harmless)
		assert.Equal(t, harmless, clean)
	}
}

func TestMemory_FindsTheBeginningOfASecretThatIsCut(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	var m Memory
	m.Observe([]byte(`{"Variables":{"DB_PASSWORD":"`+randomA+`","WEBHOOK_SECRET":"Harbor-lantern-Copper-window-42"}}`), false)
	knowing := m.Knowing(r)
	for text, want := range map[string]string{
		"pw " + randomA[:20] + "… truncated": "pw [redacted: secret]… truncated",
		"pw " + randomA[:8] + "...":          "pw [redacted: secret]...",
		`["` + randomA[:12] + `"]`:           `["[redacted: secret]"]`,
		"{'a': '" + randomA[:9] + "'}":       "{'a': '[redacted: secret]'}",
		randomA[:15]:                         "[redacted: secret]",
		randomA[:23] + "\nnext":              "[redacted: secret]\nnext",
		randomA[:7]:                          randomA[:7],
		randomA[:20] + "xyz":                 randomA[:20] + "xyz",
		randomA[:20] + " and more":           randomA[:20] + " and more",
		`"Harbor-lantern"`:                   `"Harbor-lantern"`,
		`"Harbor-lantern-Copper"`:            `"[redacted: secret]"`,
		base64.StdEncoding.EncodeToString([]byte(randomA))[:16] + "…": "[redacted: secret]…",
	} {
		clean, _ := knowing.Text(text)
		assert.Equal(t, want, clean)
	}
}

func TestMemory_KeepsTextsThatOnlyResembleASecret(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	var m Memory
	m.Observe([]byte(`{"Variables":{"DB_PASSWORD":"`+randomA+`","API_KEY":"Zk3 Vq9+TxW1"}}`), false)
	knowing := m.Knowing(r)
	for _, text := range []string{
		`C:\temp\new\x41 100% done %41 &amp; "a"` + "\n  " + `"b" \u003c \ud83d \`, randomA[:7] + "\n" + randomA[7:20], strings.ToLower(randomA), `\x`, `\u00`, `%`, `&`, `&#;`, `\u{}`, `\U00110000`, `&#xffffffff;`,
		"2026-01-02T03:04:05 be ad 12 c0:ff:ee", strings.Repeat("ab:cd ", 50), strings.Repeat(`\`, 50), strings.Repeat("%25", 50), strings.Repeat("&amp;amp;", 9),
	} {
		clean, count := knowing.Text(text)
		assert.Equal(t, text, clean)
		assert.Zero(t, count)
	}
	dots := `{"password": " ...", "api_key": ` + "\n" + randomA + ` and more ...`
	clean, _ := knowing.Text(dots)
	assert.Contains(t, clean, "and more ...")
	clean, _ = knowing.Text(`x \u005ak3Vq9TxW1bLr7Yd0HsP5nM\u0063\u0064 "` + randomA + `": \` + randomA + `\`)
	assert.Equal(t, `x [redacted: secret]\u0064 "[redacted: secret]": \[redacted: secret]\`, clean)
}

// BenchmarkKnownSecretsIn256KB looks for 50 secrets of an answer in what code prints.
func BenchmarkKnownSecretsIn256KB(b *testing.B) {
	r, err := New(nil)
	require.NoError(b, err)
	var list []string
	for i := range 50 {
		list = append(list, fmt.Sprintf(`{"name":"S%d","value":"%s%d"}`, i, randomA, 1000+i))
	}
	var m Memory
	m.Observe([]byte(`{"environment":[`+strings.Join(list, ",")+`]}`), false)
	knowing := m.Knowing(r)
	line := "2026-01-02T03:04:05.678Z 0f8fad5b-d9cb-469f-a165-70867728950e INFO wrote 3 items to orders in 12 ms\n"
	encoded, err := json.Marshal(map[string]string{"message": `{"level": "info", "message": "wrote 3 items", "path": "/a%20b"}`})
	require.NoError(b, err)
	for name, text := range map[string]string{"log lines": line, "JSON in JSON": string(encoded) + "\n"} {
		b.Run(name, func(b *testing.B) {
			text := strings.Repeat(text, (256<<10)/len(text))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				knowing.Text(text)
			}
		})
	}
}

func TestObserve_ReportsACutAnswerWithoutHints(t *testing.T) {
	m := Memory{}
	m.Observe(bytes.Repeat([]byte("x"), 1<<10), true)
	m.Observe([]byte("short"), false)
	r, err := New(nil)
	require.NoError(t, err)
	assert.Equal(t, 1, m.Knowing(r).gaps.Answers)
}

// A variable that looks like a name or an ID is not replaced elsewhere in the output.
func TestMemory_KeepsNamesAndIDsThatVariablesHave(t *testing.T) {
	for _, value := range []string{"eu-west-1_AbCdEf123", "python3.12", "com.example.orders.v2.Handler", "orders2.internal_queue", "orders-table-2",
		"orders:v2,items:v3", "/opt/Orders2x/bin:/usr/bin", "registry.internal/Orders2x:v2.1", "https://api.internal/v2/Orders2x:list", "[INFO,Warn2]", "a=1,b=Orders2"} {
		var m Memory
		m.Observe([]byte(`{"Environment":{"Variables":{"SOME_SETTING":"`+value+`"}}}`), false)
		text := "ERROR cannot use " + value + ": timeout"
		if clean, _ := m.Knowing(&Redactor{}).Text(text); clean != text {
			t.Errorf("%q", clean)
		}
	}
}

func TestMemory_BeginningOfToken(t *testing.T) {
	for _, test := range []struct{ name, beginning, rest string }{
		{"JSON web token", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV"},
		{"session token", "IQoJb3JpZ2luX2VjEHoaCXVz", "LWVhc3QtMSJHMEUCIQDKq8vN3xB6wZzKq8vN3xB6wZz"},
		{"key that a rule finds", "AGE-SECRET-KEY-1", "QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQX"},
		{"pattern of the user", "EMP-1234", "5678"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := New([]string{`EMP-\d{8}`})
			require.NoError(t, err)
			var memory Memory
			memory.Observe([]byte(`{"message":"login failed: password=`+test.beginning+`"}`), false)

			clean, count := memory.Knowing(r).Text("received " + test.beginning + test.rest + " from peer")

			assert.NotContains(t, clean, strings.Trim(test.rest, "."))
			assert.Contains(t, clean, "received [redacted: ")
			assert.Contains(t, clean, "] from peer")
			assert.Equal(t, 1, count)
		})
	}
}
