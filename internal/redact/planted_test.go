package redact

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// Whoever writes log lines can make the beginning of another line a "secret". The secret behind it is redacted anyway.
func TestMemory_PlantedSecretsDoNotUncoverOthers(t *testing.T) {
	for _, written := range []string{"5432 password=", "5432 pass", "t=5432 p", "5432 password=S"} {
		line := "connect failed: host=db port=5432 password=SunshineMoon dbname=shop"
		forged, _ := json.Marshal(map[string]string{"password": written})
		body, _ := json.Marshal(map[string]any{"events": []any{map[string]any{"message": string(forged)}, map[string]any{"message": line}}})
		var m Memory
		m.Observe(body, false)
		r, err := New(nil)
		if err != nil {
			t.Fatal(err)
		}
		if clean, _ := m.Knowing(r).Text(line); strings.Contains(clean, "shineMoon") {
			t.Errorf("after %q: %q", written, clean)
		}
	}
}

// Whoever writes log lines can write a time or an ID as a password.
func TestMemory_PlantedSecretsDoNotHideIdentifiers(t *testing.T) {
	for _, text := range []string{
		"2026-11-26T22:17:01.123Z ERROR timeout", "[2026-11-26 22:17:01,123] timeout", "26/Nov/2026:22:17:01 +0000", "1714557900123",
		"arn:aws:lambda:eu-west-1:123456789012:function:orders-2", "account 123456789012", "i-0abc123def4567890 is stopped",
		"sg-0123456789abcdef0 denies", "203.0.113.57 sent it", "connect to 10.0.37.164:5432 refused",
		"ip-10-0-37-164.eu-west-1.compute.internal",
	} {
		for end := minSecret; end <= len(text); end++ {
			for start := range end - minSecret + 1 {
				planted := text[start:end]
				if strings.Contains(planted, " ") {
					continue
				}
				body, _ := json.Marshal(map[string]string{"password": planted})
				var m Memory
				m.Observe(body, false)
				r := &Redactor{}
				if clean, _ := m.Knowing(r).Text(text); clean != text {
					t.Fatalf("after %q: %q", planted, clean)
				}
			}
		}
	}
}

func TestMemory_SecretsBesideIdentifiersAreReplaced(t *testing.T) {
	var m Memory
	m.Observe([]byte(`{"password":"Kq8vN3xB6w","apiKey":"2026-11-26x9Kq"}`), false)
	r := m.Knowing(&Redactor{})
	for _, text := range []string{
		"arn:aws:lambda:eu-west-1:123456789012:function:orders,Kq8vN3xB6w", "2026-11-26T22:17:01Z Kq8vN3xB6w", "10.0.37.164:Kq8vN3xB6w",
		"123456789012/Kq8vN3xB6w", "key 2026-11-26x9Kq",
	} {
		if clean, _ := r.Text(text); strings.Contains(clean, "x9Kq") || strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
}

// A bracket or a quote in a log line opens nothing that the line does not close.
func TestText_PlantedSignsHideNoOtherTexts(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const other = "ERROR OrdersTable1A2B3C4D: timeout after 30s at 10.0.3.17"
	for _, planted := range []string{
		"environment:[[[[", "env:[[[[", "Variables={[[[[", "environmentVariables:{[[[[", "kind: Secret data:{[[[[", "UserData={[[[[",
		`"env":[[[[`, `environment=[[[["`, `environment=[[[[\"`, "environment=[[[[x'", `env:{{{"password": "`, `kind:"Secret" "data":{[[[[`, `"password": "`, `password: "\`, `--password "`, `"--password", "`, `"HeaderName": "a", "HeaderValue": "`, `"UserData": "`, `password=["`, `{"password": {"`,
		"PASSWORD '", "--password 'x", `{"password": {"plain": "`, `password: {"a": "`, "SET PASSWORD = '", `IDENTIFIED BY '\`,
		`mysql -p\`, `mysql -p'\`, `curl -u app:\`, "**Password:**", "**token:** \"", "<b>Password:</b> '", "Password:<br>", "| password: | \"", "password;", "**Password** '",
	} {
		var lines []map[string]string
		for _, message := range []string{"GET / " + planted, other, other} {
			lines = append(lines, map[string]string{"message": message, "host": "web-1"})
		}
		indented, _ := json.MarshalIndent(lines, "", "  ")
		compact, _ := json.Marshal(lines)
		python := "[{'message': 'GET / " + planted + "'}, {'message': '" + other + "', 'host': 'web-1'}, {'message': '" + other + "'}]"
		for _, text := range []string{string(indented), string(compact), python, "  GET / " + planted + "\n  " + other + "\n  " + other,
			"GET / " + planted + "\n" + other + "\n" + other} {
			if clean, _ := r.Text(text); strings.Count(clean, other) != 2 {
				t.Errorf("after %s: %q", planted, clean)
			}
		}
	}
}

func TestText_FindsLongValuesInQuotesWithinQuotes(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("Kq8vN3xB6w it's ", 10) + "Zq8sV2kLw9xT7rBn"
	for _, text := range []string{
		`{"password": "` + secret + `"}`, `'{"password": "` + strings.ReplaceAll(secret, "'", `\'`) + `"}'`, `"{\"password\": \"` + secret + `\"}"`,
		`{"body": "{\"environmentVariables\": {\"A\": \"` + secret + `\", \"B\": \"` + secret + `\"}}"}`,
	} {
		if clean, _ := r.Text(text); strings.Contains(clean, "Kq8v") || strings.Contains(clean, "Zq8s") {
			t.Errorf("%q", clean)
		}
	}
}

// A name without a value, or a quote, that somebody writes into a log before a secret does not take the name of the secret.
func TestText_PlantedTextsUncoverNoSecrets(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "Kq8vN3xB6w"
	for _, text := range []string{
		"ua=password= X-Api-Key: ¤", "ua=password= --password ¤ -x", "ua=--password X-Api-Key: ¤", `ua="password":  X-Api-Key: ¤`,
		`ua=password="} api_key = "¤"`, `ua=password="x DB_PASSWORD="¤" y`, `ua=curl -u"a:b DB_PASSWORD="¤" y`, "ua=curl -u'a:--password, password: '¤'",
		`ua="x" " password="!¤" y`, `ua="x password="!¤" y`, "ua='x password='#¤' y", `GET /" api_key: "$¤"`, `ua="x curl -u app:"!¤" y`, "ua='x --password '-¤' y", `ua="x password=",¤" y`, `ua="""""UserData":  {"password": "!¤", "a": 1} y`, "ua='x token=')¤' y", `ua="x mysql -p"!¤" y`,
		`ua=mysql -p"x api_key = "¤"`, `ua=Authorization: token DB_PASSWORD="¤" x`, "ua=mysql -pxyz\\\ndb_password;¤\n",
		`{'ua': "'password=", 'password': '¤'}`, `{'ua': "'password: ", 'password': '¤'}`, `{'ua': "'api_key:", 'n': 1, 'password': '¤'}`,
	} {
		if clean, _ := r.Text(strings.ReplaceAll(text, "¤", secret)); strings.Contains(clean, secret) || strings.Contains(clean, "\f") {
			t.Errorf("%q: %q", text, clean)
		}
	}
}

// Whoever writes lists of secrets into each other's texts must not use up the memory, nor uncover a secret between.
func TestText_ListsInEachOthersTextsAreBounded(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, planted := range []string{`passwords: ["`, `{"password": {"token": "`} {
		r.Text(strings.Repeat(planted, 20_000))
		var memory runtime.MemStats
		if runtime.ReadMemStats(&memory); memory.StackInuse > 8<<20 {
			t.Errorf("%s: %d MB of stack", planted, memory.StackInuse>>20)
		}
		const secret = "Kq8vN3xB6w"
		text := strings.Repeat(planted, 40) + "\ndb_password: " + secret + "\n" + strings.Repeat(`", "Zq8sV2kLw9`, 40) + `"]`
		if clean, _ := r.Text(text); strings.Contains(clean, secret) {
			t.Errorf("%q", clean)
		}
	}
}

// Python writes JSON in single quotes, and the backslashes before the quotes of JSON within it as two.
func TestText_FindsValuesInJSONWithinJSONThatPythonPrinted(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`[{'message': '{"body": "{\\"environmentVariables\\": {\\"A\\": \\"Kq8vN3xB6w\\"}}"}'}]`,
		`[{'message': '"{\\"UserData\\": {\\"Value\\": \\"Kq8vN3xB6w\\"}}"'}]`,
	} {
		if clean, _ := r.Text(text); strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
}

// The beginning of a here-document in a log line hides no other lines.
func TestText_PlantedHereDocumentsHideNoOtherLines(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"ERROR: order 17 failed with a timeout after 30s", "2026-11-26T22:17:03Z INFO order 17 was shipped", `{"message": "order 17 failed with ERR_TIMEOUT_02", "n": 1}`} {
		for _, planted := range []string{"chpasswd <<EOF", "sudo -S x <<EOF", "cat <<EOF | chpasswd", "docker login --password-stdin <<EOF"} {
			text := "GET / " + planted + "\n" + other + "\n" + other + "\n"
			if clean, _ := r.Text(text); strings.Count(clean, other) < 2 {
				t.Errorf("after %s: %q", planted, clean)
			}
		}
	}
}

// What begins and ends a value of several lines can be in two lines of a log, or in two texts of a list.
func TestText_PlantedValuesOfSeveralLinesHideNoOtherTexts(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	other := []string{"2026-11-26T22:17:03Z WARN orders OutOfMemoryError heap=512", "payments-worker-7 SIGKILL 137", `{"level":"error","code":"OOM_02"}`}
	for _, planted := range [][2]string{
		{"<password>", "</password>"}, {"<password>", "a<b"}, {"<password><![CDATA[", "]]></password>"}, {"&lt;password&gt;", "&lt;"}, {`\u003cpassword\u003e`, `\u003c`},
		{"<key>password</key><string>", "<"}, {`<property name="password">`, "<"}, {`<property name="password"><value>`, "<"}, {"<td>password</td><td>", "<"},
		{`"UserData": {`, "}"}, {`"UserData": {"a": "`, "}"}, {`"SecretString": {`, "}"}, {`password="""`, `"""`}, {"password='''", "'''"}, {"password: string = `", "`"},
	} {
		lines := "GET /" + planted[0] + " HTTP\n" + strings.Join(other, "\n") + "\nGET /" + planted[1] + "\n"
		list := "['GET /" + planted[0] + "', '" + strings.Join(append(other, other...), "', '") + "', 'GET /" + planted[1] + "']"
		for _, one := range other {
			if clean, _ := r.Text(lines); !strings.Contains(clean, one) {
				t.Errorf("between %q: %q", planted, clean)
			}
			if clean, _ := r.Text(list); strings.Count(clean, one) < 2 && !strings.Contains(planted[0], "'") {
				t.Errorf("in a list between %q: %q", planted, clean)
			}
		}
		single := "GET /" + planted[0] + "\n" + other[1] + "\n" + planted[1] + "\n"
		if clean, _ := r.Text(single); !strings.Contains(clean, other[1]) {
			t.Errorf("alone between %q: %q", planted, clean)
		}
	}
}

// What somebody sent can be at the end of an error's message, before the lines of its stack trace.
func TestText_PlantedNamesHideNoIndentedLines(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, planted := range []string{"password: |", "token: >-", "password: !vault |", "password:", "credentials:", "kind: Secret data:", "chpasswd <<EOF", "sudo -S <<EOF", "passwd app <<EOF"} {
		for _, lines := range []string{
			"\tat com.example.Foo.bar(Foo.java:12)\n\tat com.example.Foo.baz(Foo.java:99)\n", "    request: order 4711\n    reason: disk-full-9a on host 7\n", "    return self.orders[order_id]\n", "\"GET /a2Fk9 HTTP/1.1\" 200\n",
		} {
			text := "IllegalArgumentException: " + planted + "\n" + lines
			if clean, _ := r.Text(text); clean != text {
				t.Errorf("%q", clean)
			}
		}
	}
	for _, block := range []string{
		"db:\n  password: |\n    Kq8vN3xB6wZt9Qa2Lm4pRs7Yd1Fg5Hj3\n    Xc0Vb6Nm2Qw9Er5Ty\n  host: db", "- password: |\n    Kq8vN3xB6wZt\n  host: db",
		"users:\n  - password: >-\n      Kq8vN3xB6wZt\n    host: db\n  - password: |\n      Xc0Vb6Nm2Qw9",
	} {
		if clean, _ := r.Text(block); strings.Contains(clean, "Kq8v") || strings.Contains(clean, "Xc0V") || !strings.Contains(clean, "host: db") {
			t.Errorf("%q", clean)
		}
	}
}

// A quote in a text, or the one that ends it, does not open a value that ends in another text.
func TestText_PlantedQuotesHideNoOtherTexts(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(planted any, text, other string) {
		if clean, _ := r.Text(text); strings.Count(clean, other) != 2 {
			t.Errorf("after %q: %q", planted, clean)
		}
	}
	for _, other := range []string{"disk-full on host 7", "ERROR OrdersTable1A2B3C4D: timeout after 30s at 10.0.3.17 " + strings.Repeat("x y ", 30)} {
		for _, planted := range []string{
			"curl -u 'a:", "wget --password '", "sp_password 'a', '", "mysql -p'", "redis-cli -a '", "ALTER USER a IDENTIFIED BY '", "'private KEY-----$",
		} {
			check(planted, `['ok', "GET / `+planted+`", '`+other+`', '`+other+`', "'"]`, other)
		}
		for _, planted := range [][2]string{
			{`curl -u a:\"`, `\" x`}, {`password=\"`, `\"`}, {`'password': '`, "'"}, {"name: password value: '", "'"}, {`\"UserData\": '''`, "'''"}, {"password=&quot;", "&quot;"},
			{"password%22%3A%22", "%22"}, {"mysql -ptoken", ""}, {"password: str = '", "'"}, {`redis-cli -a x\"\"\"<password>`, "</password>"},
		} {
			check(planted, `["ok", "GET / `+planted[0]+`", "`+other+`", "`+other+`", "`+planted[1]+`"]`, other)
		}
		for _, planted := range [][2]string{{`curl -u a:"`, `" x`}, {"curl -u a:'", "' x"}, {`"UserData": """`, `"""`}, {`--password """`, `"""`}} {
			check(planted, "GET / "+planted[0]+"\n"+other+"\n"+other+"\nGET / "+planted[1], other)
		}
	}
	list, _ := json.Marshal([]string{"--password", "ERROR OrdersTable1A2B3C4D: " + strings.Repeat("x y ", 30)})
	if clean, _ := r.Document(string(list)); clean != string(list) {
		t.Errorf("%q", clean)
	}
}

// A message that ends with the name of a secret can be beside another message in a list.
func TestAnswer_ShowsMessagesBesideMessagesAboutPasswords(t *testing.T) {
	r, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, messages := range [][]string{
		{"login failed: wrong password", "Task timed out after 30.03 seconds for order 17"}, {"invalid token", "10.0.3.17 refused 30 connections"},
		{"missing secret", "order 1234 failed with ERR_TIMEOUT_02 in checkout", "bad password", "retry 3 of 5"}, {"password", "order 1234 failed in checkout"},
	} {
		result, _ := json.Marshal(messages)
		python := "['" + strings.Join(messages, "', '") + "']"
		a := toolcall.Answer{Output: string(result), Stdout: python, Stderr: messages[0] + ` "` + messages[1] + `"`, Result: result}
		want := a
		if r.Answer(&a); a.Redactions > 0 || a.Stdout != want.Stdout || a.Stderr != want.Stderr || string(a.Result) != string(result) {
			t.Errorf("%+v", a)
		}
	}
	for _, text := range []string{`("password", "staple Kq8vN3xB6w")`, `["DB password", "Kq8vN3xB6w"]`, `("password", "correct horse battery 9 staple")`} {
		if clean, _ := r.Text(text); strings.Contains(clean, "staple") || strings.Contains(clean, "Kq8v") {
			t.Errorf("%q", clean)
		}
	}
}
