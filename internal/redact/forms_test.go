package redact

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/broker.md names each of these forms. ¤ is the secret, and ~ another one.
var forms = map[string][]string{
	"lines of YAML and INI files": {
		"db:\n  password: ¤ horse battery\n  host: x", "[client]\nuser = app\npassword = ¤ horse battery\nport = 3306", "spring:\n  datasource:\n    password: horse ¤",
		"DB_PASSWORD=horse ¤\nX=1", "host: x\npassword: ¤ &3x! # old", "password: &a ¤", "password: !!str &pw ¤", "password: # comment\n  ¤",
		"api_token: # comment\n    ¤\nport: 1", "passwords: {app: ¤, web: ~}", "passwords: {\"app\": \"¤\", 'web': '~'}", "secret: [¤, ~]", "tokens: [¤, ~, ¤]",
		"tokens:\n  - ¤\n  - ~\nport: 1", "tokens:\n- ¤\n- ~", "passwords:\n  - ¤\n  - \"~\"\n  - '¤'", "db: {user: app, password: ¤, host: h}",
	},
	"elements of XML": {
		"<key>password</key><string>¤</string>", "<dict>\n  <key>apiToken</key>\n  <string>¤</string>\n</dict>", "<key>db_password</key>\n\t<data>¤</data>",
		`{"plist":"<key>password</key><string>¤</string>"}`,
	},
	"objects in JSON": {
		`{"password":{"plain":"¤"}}`, `{"password": {"plain": "¤", "rotated": true}}`, `{"password":{"dev":"¤","prod":"~"}}`, `{'password': {'cleartext': '¤'}}`,
		`{"Field":"password","Data":"¤"}`, `{"Field": "db_password", "Data": "¤"}`, `{"key":"api_token","raw":"¤"}`, `{"passwords":{"app":"¤","web":"~"}}`,
		`{\"password\":{\"plain\":\"¤\"}}`,
	},
	"rows with a name and a value": {
		"password,¤", "name;value\ndb_password;¤\nhost;x", "secret_key,¤", "\"password\",\"¤\"", "password,\"¤\"", "user,app\npassword, ¤\n", "api_token\t¤",
		"password ............ ¤\nhost ................ db",
	},
	"flags": {
		"put-secret-value --secret-string ¤ --secret-id x", "put-secret-value --secret-id x --secret-string ¤", "--client-secret-value ¤", "--password-hash ¤", "--token-data '¤'",
		`["--secret-string", "¤"]`,
	},
	"commands": {
		"mongodump -u app -p ¤ --db x", "mysql -u app -p¤ orders", "mongosh mongodb://db -u app -p '¤'", "cqlsh -u app -p ¤ db", "http -a app:¤ GET https://x", "https --auth app:¤ x", "echo 'app:¤' | chpasswd",
		"echo \"app:¤\" | sudo chpasswd -e", "useradd -p ¤ app", "usermod -p '¤' app", "rabbitmqctl add_user app ¤", "rabbitmqctl change_password app '¤'",
		"echo ¤ | docker login --password-stdin", "echo '¤' | sudo -S apt update", "smbclient -U app%¤ //s/share", "lftp -u app,¤ ftp.x", "ipmitool -H h -U app -P ¤ power status",
		"cypher-shell -u app -p ¤", "influx -username app -p ¤", "xh -a app:¤ https://x", "echo ¤ | sudo passwd --stdin app", `net use Z: \\srv\s /user:app ¤`, "aws ssm put-parameter --name x --type SecureString --value ¤",
		"aws ssm put-parameter --name x --value '¤' --type SecureString",
	},
	"addresses": {
		"amqp://app:Kq8v/¤@mq.internal:5672", "postgres://app:Kq8v ¤@db/o", "postgresql://app:\"¤\"@db/o", "redis://:'¤'@cache:6379", "mongodb://app:Kq8v[¤]@db/o",
		"url=amqp://app:a/b/¤@mq/vhost", "https://app:Kq8v\\¤@db.internal/x", `{"url": "postgresql://app:\"¤\"@db/o"}`,
	},
	"sentences": {
		"Your password has been set to ¤", "Invalid password (¤)", "using secret ¤ for signing", "the password was reset to ¤.", "The password is now ¤", "password set to '¤'",
		"Wrong password (¤) for app", "token has been changed to ¤", "the secret ¤ was used",
	},
	"code": {
		"password['db']='¤'", "password[0]=¤", `password["db"] = "¤"`, `$passwords["app"] = '¤';`, `password = """¤"""`, "password = '''¤'''", "token = \"\"\"\n¤\n\"\"\"",
		"password：¤", "token：¤", "password＝¤", `password = r"""¤"""`, "env.password[i] := ¤",
	},
}

func TestText_FindsSecretsInEveryForm(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for form, texts := range forms {
		t.Run(form, func(t *testing.T) {
			for _, text := range texts {
				first, second := "Zq8sV2kLw9xT7rBn", "Hn4tW6mKc3yQ5vXz"
				filled := strings.NewReplacer("¤", first, "~", second).Replace(text)
				clean, count := r.Text(filled)
				for _, part := range []string{first[:8], first[8:], second[:8], second[8:]} {
					assert.NotContains(t, clean, part, filled)
				}
				if strings.Contains(text, "horse") {
					assert.NotContains(t, clean, "horse", filled)
				}
				assert.Positive(t, count, filled)
				again, more := r.Text(clean)
				assert.Equal(t, clean, again, "redacting twice changes nothing")
				assert.Zero(t, more, clean)
				document, _ := r.Document(filled)
				assert.NotContains(t, document, first[:8], filled)
				assert.NotContains(t, document, second[8:], filled)
			}
		})
	}
}

// Texts in the same forms that contain no secrets.
func TestText_KeepsHarmlessTextsInTheseForms(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		"password: must be at least 12 characters", "rules:\n  password: must contain a digit\n  name: required", "errors:\n  password: is too short\n  email: is invalid",
		"password: authentication failed for user app\nhost: x", "password = not set\nuser = app", "password: *default\nuser: app", "password: &default\n  min: 8",
		"password: # see the vault\nuser: app", "passwords: {min: 8, max: 64}", "tokens: [input, output]", "tokens:\n  - input\n  - output", "secret: [orders-db-1, orders-db-2]",
		"<key>password</key><integer>12</integer>", "<key>passwordRequired</key><string>yes</string>", `{"password":{"type":"string","minLength":8,"description":"The password of the user"}}`,
		`{"password":{"arn":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf","id":"secret-0f8fad5b"}}`, `{"password":["is too short","must contain a digit"]}`,
		"user,password,host\napp,*****,db", "password,token,user", "token,count\ninput,412\noutput,80", "password;required;8",
		"deploy --secret-string-file /run/secret --token-data-dir /var/lib/x", "echo 'done' | chpasswd failed", "mongodump -u app --db orders -p", "useradd -p failed: app exists",
		"password ............ required", "aws ssm put-parameter --name x --type String --value orders-db-2a", "net use Z: /user:app failed",
		"docker run --name mongo -p 27017:27017 mongo:6", "docker run --name mysql -p 127.0.0.1:3306:3306/tcp mysql:8", "mongo-init: mkdir -p /data/db",
		"docker run --name influx -p 8086:8086 influxdb", "echo ready | tee -a out.log", "http -v GET https://x user:=1", "sudo -S true", "echo started | logger --stderr",
		"rabbitmqctl list_users", "https://registry:5000/orders@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "http://cache:8080/x, mail to bob@example.com",
		"s3://bucket/a:b/c@d", "connect to amqp://mq:5672/orders as app@mq", "redis://cache:main failed, see bob@example.com", "http://localhost:3000/users/@me",
		"Your password has been set to expire in 30 days", "Invalid password (attempt 3 of 5)", "using secret orders-db-2 for signing", "using secret OrdersDbSecret4E51C2B1", "password was reset to default",
		"if password[0] == '#'", "tokens[0] = next(reader)", "password[i] = chars[n]", `password = """` + "\n" + `"""`, "password：必须至少12个字符", "password：required",
		"group: files systemd\npasswd: files systemd\nshadow: files", "fds_to_pass = [listener.fileno(), alive_r]",
		"def key(self) -> \"PrivateKey\":\n    \"\"\"\n    Returns the key of this user.\n    \"\"\"", "AccessToken: &Token{\n\tExpiresIn: aws.Int32(900),\n}",
		"token_type[0]=bearer", "keys['orders']=12",
	} {
		clean, count := r.Text(text)
		assert.Equal(t, text, clean)
		assert.Zero(t, count, text)
	}
}

// The table of docs/broker.md has an example of each form.
func TestText_FindsSecretsInTheExamplesOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "broker.md"))
	require.NoError(t, err)
	r, err := New(nil)
	require.NoError(t, err)
	const secret = "Kq8vN3xB6w"
	count := 0
	for _, row := range regexp.MustCompile("(?m)^\\|.*\\| `([^`]*"+secret+"[^`]*)` \\|$").FindAllStringSubmatch(string(page), -1) {
		count++
		text := strings.NewReplacer("⏎", "\n", `\|`, "|").Replace(row[1])
		clean, _ := r.Text(text)
		assert.NotContains(t, clean, secret, text)
		assert.NotContains(t, clean, "staple", text)
		clean, _ = r.Document(text)
		assert.NotContains(t, clean, secret, text)
	}
	assert.GreaterOrEqual(t, count, 23)
	assert.Equal(t, count, strings.Count(string(page), secret), "every example is in the table")
}
