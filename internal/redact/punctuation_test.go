package redact_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/redact"
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	signs   = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" // of printable ASCII
)

// shown returns the length of the longest part of a secret that a text shows.
func shown(text, secret string) int {
	for size := len(secret); size > 0; size-- {
		for at := 0; at+size <= len(secret); at++ {
			if strings.Contains(text, secret[at:at+size]) {
				return size
			}
		}
	}
	return 0
}

// Passwords that generators make have all signs of ASCII.
func TestText_RedactsWholePasswordsWithPunctuation(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	// What these match cannot be told from another parameter, an element, an escape, code, or a reference.
	ambiguous := regexp.MustCompile(`[&;,|]\w[\w.\[\]-]*=|&(?:quot|lt|gt);|</?[\w:.-]+/?>|%2|^[\w.]+\(.*\)$|^[\w.]+\[.*\]$|^[$%]|^\{|^<.*>$|^\[.*\]$`)
	openQuote, quoted := regexp.MustCompile("^(?:>|[a-zA-Z])?[\"']"), regexp.MustCompile(`^(?:>|[a-zA-Z])?(?:"[^"]*"|'[^']*')`)
	for name, alphabet := range map[string]string{
		"printable ASCII":        letters + signs,
		"many signs":             letters + strings.Repeat(signs, 3),
		"of RDS":                 letters + strings.NewReplacer("/", "", `"`, "", "@", "", "'", "", `\`, "").Replace(signs),
		"signs of lists":         letters + ",;&|:=",
		"signs of code":          letters + "()[]{}<>",
		"few signs":              letters + letters + letters + signs,
		"quotes and backslashes": letters + "\"'`\\",
	} {
		random := rand.New(rand.NewPCG(7, uint64(len(name))))
		for _, form := range []string{
			"password=¤", "DB_PASSWORD=¤\nDB_HOST=db", "user=app password=¤ host=db", "level=error msg: password=¤", "the password is ¤",
			"password: ¤\nhost: db", "mysqldump --password ¤ --host db", "--password=¤", "export DB_PASSWORD=¤; run",
		} {
			wrong := 0
			for range 300 {
				var b strings.Builder
				for range 20 {
					b.WriteByte(alphabet[random.IntN(len(alphabet))])
				}
				secret := b.String()
				if secret[0] == '-' && strings.Contains(form, "--password ") { // another flag
					continue
				}
				if ambiguous.MatchString(secret) || quoted.MatchString(secret) || !strings.ContainsAny(secret, "0123456789") {
					continue
				}
				text := strings.ReplaceAll(form, "¤", secret)
				clean, _ := r.Text(text)
				if size := shown(clean, secret); size > 3 {
					if wrong++; wrong < 6 {
						t.Logf("%s: %q became %q", name, text, clean)
					}
				}
				if openQuote.MatchString(secret) { // it can go on until the end of the line
					continue
				}
				for _, kept := range strings.Split(form, "¤") {
					assert.Contains(t, clean, strings.TrimSuffix(kept, "\n"), text)
				}
			}
			assert.LessOrEqual(t, wrong, 3, "%s: %s", name, form) // of 300
		}
	}
}

// A value in brackets is a remark, such as (not set), only if it is a number or a mask, or has no digits or several words.
func TestText_RedactsPasswordsThatBeginWithABracket(t *testing.T) {
	r, err := redact.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"password": "(¤"}`, `{"password": "(¤)"}`, "password=(¤)", "<password>(¤</password>", "password: '(¤'"} {
		if clean, _ := r.Text(strings.ReplaceAll(text, "¤", "Kq8vN3xB6w")); strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
	for _, text := range []string{`{"password": "(hidden)"}`, `{"password": "(not set)"}`, `{"token": "(attempt 3 of 5)"}`, "password=(none)",
		`{"token": "(attempt 3/5)"}`, `{"token": "(expired 2026-11-26T22:17:03Z)"}`, `{"token": "(code=403, msg=denied)"}`, `{"token": "(403)"}`, `{"password": "(***)"}`} {
		if clean, _ := r.Text(text); clean != text {
			t.Errorf("%q", clean)
		}
	}
}

// A word on its own line can be a password with brackets, but not a log line in JSON.
func TestText_RedactsPasswordsWithBracketsOnTheirOwnLine(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for _, text := range []string{"<password>\n  ¤\n</password>", "<password><![CDATA[\n¤\n]]></password>", "password = \"\"\"\n¤\n\"\"\""} {
		clean, _ := r.Text(strings.ReplaceAll(text, "¤", "Kq8v{N3x}B6wZt"))
		assert.NotContains(t, clean, "Kq8v")
		other := strings.ReplaceAll(text, "¤", `{"level":"error","code":"OOM_02"}`)
		clean, _ = r.Text(other)
		assert.Equal(t, other, clean)
	}
}

func TestText_RedactsPasswordsWithOneSign(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for _, sign := range signs {
		for _, form := range []string{
			"password=¤", "password: ¤", "DB_PASSWORD=¤\nHOST=db", "the password is ¤", "--password ¤", "{password: ¤}", "connect(password=¤)",
			`{"line": "password=¤"}`, `{"line":"a password=¤ b"}`, "[INFO password=¤]",
		} {
			if strings.ContainsRune("-_./", sign) && strings.Contains(form, " is ") { // the names of other things
				continue
			}
			secret := "Tr0ub4dor" + string(sign) + "3xyzzy9"
			text := strings.ReplaceAll(form, "¤", secret)
			clean, _ := r.Text(text)
			assert.NotContains(t, clean, "3xyzzy9", text)
			assert.NotContains(t, clean, "Tr0ub4", text)
		}
	}
}

// What is around a secret stays readable.
func TestText_KeepsWhatIsAroundAPassword(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	const secret, mark = "Zq8sV2kLw9xT7rBn", "[redacted: secret]"
	for _, text := range []string{
		"Server=db;User=app;Password=¤;Encrypt=true", "Password=¤;Initial Catalog=orders;Server=y", "Server=y;Password=¤;", "A=b; DB_PASSWORD=¤; C=d",
		"https://db.internal/x?user=app&password=¤&sslmode=require", "https://db.internal/x?password=¤&a=1&b=2 failed", "GET /x?password=¤&amp;a=1",
		`{password: ¤, user: app}`, `{password: ¤,user: app}`, `{user: app, password: ¤}`, `{password:¤,"user":"app"}`, "[password=¤, user=app]", "(password=¤)",
		`{"dsn": "user=app password=¤", "port": 1}`, `{"dsn":"password=¤","port":1}`, `{'dsn': 'password=¤', 'port': 1}`, `{\"dsn\": \"password=¤\", \"port\": 1}`,
		`{"line": "password=¤\nhost=db"}`, `{"line": "{\"dsn\": \"password=¤\", \"a\": 1}"}`, "dict(password=¤, user='app')", "dict(user='app', password=¤)", "f(dict(password=¤), 1)",
		"password=¤,user=app,host=db", "id,name=app,password=¤\n1,2,3", "<p>password=¤</p>", "password=¤<br>next", "`password=¤`",
		"cookie: a=b; password=¤; Path=/", "password=¤|user=app", "The log says 'password=¤'.", `msg="password=¤" level=error`, "[db password=¤] failed", "password=¤ (attempt 2 of 3)",
		`{"a": "it's", "b": "password=¤", "c": "d"}`, "Can't connect: password=¤ host=db", "password: ¤, host: db", "x%3Fpassword%3D¤%26user%3Dapp",
	} {
		clean, _ := r.Text(strings.ReplaceAll(text, "¤", secret))
		clean = regexp.MustCompile(`\[redacted: (?:credential|cookie)\]`).ReplaceAllString(clean, mark)
		assert.Equal(t, strings.ReplaceAll(text, "¤", mark), clean)
	}
}

// Signs after a name or a word make no secret.
func TestText_KeepsCodeAndWordsWithPunctuation(t *testing.T) {
	r, err := redact.New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		"password = getpass.getpass(prompt)", "password=os.environ['DB_PASSWORD'])", "password = read(\n    path)", "token = next(tokens)[0]", "password=foo(bar, 12)", "password = b64decode(data)",
		"password=None)", "password=null,", "token=None}", "secret: true}", "password=(unset)", "password=<none>;", "password: required, min 8", "password=#{db.password}", "password={{ .Values.password }}",
		"password: [\"is too short\"]", "passwords=1,2,3", "password: must have [A-Z] and [0-9]", "the password is in /etc/app2/secret", "the password is ssm:/prod/db1",
		"password=self.password, host=self.host)", "function(password,callback){return password(1)}", "if (password>=8) {", "password: 'a', 'b'", "def f(password=None, token=''):", "lambda password: hash(password)", "password => hash(password)",
		"the password is set.", "the password is wrong (attempt 2)", "password: string; token: string", "token: string|null", "password?: string", "password=$(cat /run/secret)",
	} {
		clean, count := r.Text(text)
		assert.Equal(t, text, clean)
		assert.Zero(t, count, text)
	}
}
