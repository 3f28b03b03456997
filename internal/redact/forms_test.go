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
		"tokens:\n  - ¤\n  - ~\nport: 1", "passwords:\n  app: ¤\n  web: '~' # old\nhost: db", "passwords:\n  db_password: ¤\n  web: ~", "passwords:\n  web: ~\n  db_password: ¤", "passwords:\n  note: api_key=¤\n  web: ~", "db:\n  password:\n    orders: ¤", "apiTokens:\n  - x\ntoken:\n\torders: \"¤\"", "passwords:\r\n  app: ¤\r\n  web: ~\r\n", "tokens:\n- ¤\n- ~", "passwords:\n  - ¤\n  - \"~\"\n  - '¤'", "db: {user: app, password: ¤, host: h}",
	},
	"lists, objects, and blocks on several lines": {
		"passwords:\n  {app: ¤, web: ~}", "passwords:\n  {\"app\": \"¤\",\n   \"web\": \"~\"}", "passwords:\n  [¤, ~]", "passwords:\n  ['¤', '~']", "passwords: [\n  ¤,\n  ~\n]", "passwords: [¤,\n  ~]",
		"passwords:\n  - {name: app, value: ¤}\n  - {name: web, value: ~}", "passwords: [{name: app, value: ¤}]", "passwords:\n  - name: app\n    value: ¤\n  - name: web\n    value: ~", "passwords:\n- name: app\n  value: ¤\nhost: db",
		"passwords:\n  app:\n    current: ¤\n  web: # old\n    current: '~'\nhost: db", "password: |\n  first\n  ¤\n  ~\nhost: db", "password: >-\n  ¤\n  second line\n", "db:\n  api_token: |\n    ¤\n    password=~",
		"password=[¤\nother ] line", "password:\n  [¤", "password:\n  {¤", "passwords:\n  - {¤\n  - [~",
		"passwords = ('¤', '~')", `{'passwords': ("¤", "~")}`,
		"passwords:\n  app: [¤, ~]\nhost: db", "passwords:\n  app: ['¤', \"~\"]", "passwords:\n  app: [\n    ¤,\n    ~\n  ]", "passwords:\n  app: [¤]\n  web: ~", "passwords: {app: [¤, ~], rotated: true}",
	},
	"arrows that a program escaped": { // as Go's encoding/json does
		"password->¤", "secret->'¤'", "password-> ¤", "password-&gt;¤", `{"msg":"password-\u003e¤"}`, "{password->¤, user->app}",
		`request {"msg":"password -\u003e ¤","n":1}`, `{"msg":"password =\u003e '¤'"}`, `{"msg":"{\"password\"=\u003e\"¤\"}"}`, "password -&gt; ¤ (set)",
		`sent {"body":"{\"msg\":\"password -\\u003e ¤\"}"}`, `sent {"body":"{\"msg\":\"password =\\u003e ¤\"}"}`, `{"msg":"password =\u003E '¤'"}`, // also .NET
		`sent {"body":"{\"msg\":\"\\u003cpassword\\u003e¤\\u003c/password\\u003e\"}"}`,
		`{"msg":"\u003Cpassword\u003E¤\u003C/password\u003E"}`, `{"msg":"\u003Cb:password\u003E\u003C![CDATA[¤]]\u003E\u003C/b:password\u003E"}`,
	},
	"values in braces in connection strings": {
		"Driver={ODBC Driver 18};Server=db;Uid=app;Pwd={¤};Encrypt=yes", "jdbc:sqlserver://db;user=app;password={¤}", `dsn "PWD={¤};UID=app"`, "Password={¤;x};Server=db",
	},
	"sentences with the name of a user": {
		"The password for user bob was ¤", "The password of bob was set to ¤.", "password for user bob has been set to '¤'", "password for user bob changed to ¤", "The token of bob was reset to ¤",
	},
	"lines after a sentence and a part of a form": {
		"Use the following password to log in for the first time:\n\n¤\n\nIt is also in /x", "Password for the user app (reset it with `app-reset-password -u app`):\n  ¤\n", "Initial password of v1.2:\r\n¤",
		"Content-Disposition: form-data; name=\"password\"\r\n\r\n¤\r\n--b", "form-data; name=\"client_secret\"\n\n¤",
		"form-data; name=\"password\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n¤\r\n--b",
	},
	"traces and terms of PHP and Erlang": {
		"#0 Db.php(12): PDO->__construct('mysql:host=db...', 'app', '¤', Array)", "#1 PDOConnection->__construct('mysql:x', 'app', '¤', Array)", "mysqli_connect('db', 'app', '¤', 'x')", `{"t":"#0 x: mysqli->__construct('db', 'app', '¤')\n#1 {main}"}`,
		`getConnection("jdbc:mysql://db/x", "app", "¤")`, `a:1:{s:8:"password";s:16:"¤";}`, `{"s":"s:11:\"db_password\";s:16:\"¤\";"}`,
		"#1 mysqli_real_connect(Object(mysqli), 'db', 'app', '¤')", "#2 password_verify('¤', '$2y$10$...')", "#3 Redis->auth('¤')", `#{<<"db_password">> => <<"¤">>}`, `{api_key,<<"¤">>}`,
		`[{user,"app"},{password,"¤"}]`, `{db_password,<<"¤">>}`, `[{<<"api_token">>,<<"¤">>},{<<"secret">>, <<"~">>}]`,
	},
	"configurations of servers": {
		"stats auth admin:¤", "+  stats auth admin:¤", "haproxy.cfg:12: stats auth admin:¤", "log: stats auth admin:¤", "    stats auth admin:¤\n    stats uri /x", `{"line":"stats auth admin:¤"}`, "[smtp.example.com]:587    app@example.com:¤", "/etc/postfix/sasl_passwd: [smtp.example.com]:587 app:¤",
		"email-smtp.eu-west-1.amazonaws.com:587\tAKIAIOSFODNN7EXAMPLE:¤", `{"m":"[smtp.example.com]:smtps app:¤\n[b.example.com]:465 b:~"}`,
	},
	"changes of values": {
		"  + master_password = \"¤\" -> \"~\" # forces replacement", `+ "DB_PASSWORD" = "" -> "¤"`, `password: "¤" => "~"`,
	},
	"elements of XML": {
		"<key>password</key><string>¤</string>", "<dict>\n  <key>apiToken</key>\n  <string>¤</string>\n</dict>", "<key>db_password</key>\n\t<data>¤</data>",
		`{"plist":"<key>password</key><string>¤</string>"}`,
		"<name>password</name><type>String</type><value>¤</value>", "<m>\n  <Name>api_token</Name>\n  <Type>String</Type>\n  <Version>3</Version>\n  <Value>¤</Value>\n</m>",
		`<AdminPassword><Value>¤</Value><PlainText>true</PlainText></AdminPassword>`, "<ns:password>\n  <Value>¤</Value>\n</ns:password>",
		`<password value="¤"/>`, `<db.password encrypted="no" value='¤' />`, `{"x":"<password value=\"¤\"/>"}`,
	},
	"objects in JSON": {
		`{"password":{"list":["¤","~"],"now":{"value":"¤"}}}`, `{"password": {"old": {"value": "¤"}, "new": {"value": "~"}}}`, `{"passwords":[{"user":"app","value":"¤"},{"value":"~"}]}`, `{"body":"{\"passwords\":[{\"all\":[\"¤\"]},{\"value\":\"~\"}]}"}`,
		`{"password":{"plain":"¤"}}`, `{"password": {"plain": "¤", "rotated": true}}`, `{"password":{"dev":"¤","prod":"~"}}`, `{'password': {'cleartext': '¤'}}`,
		`{"Field":"password","Data":"¤"}`, `{"Field": "db_password", "Data": "¤"}`, `{"key":"api_token","raw":"¤"}`, `{"passwords":{"app":"¤","web":"~"}}`,
		`{\"password\":{\"plain\":\"¤\"}}`,
	},
	"rows with a name and a value": {
		"password,¤", "name;value\ndb_password;¤\nhost;x", "secret_key,¤", "\"password\",\"¤\"", "password,\"¤\"", "user,app\npassword, ¤\n", "api_token\t¤",
		"password ............ ¤\nhost ................ db", "password....... ¤\nhost........... db", "password ..... : ¤", "DB password .... = ¤ ok",
	},
	"flags": {
		"put-secret-value --secret-string ¤ --secret-id x", "put-secret-value --secret-id x --secret-string ¤", "--client-secret-value ¤", "--password-hash ¤", "--token-data '¤'",
		`["--secret-string", "¤"]`,
	},
	"commands": {
		"mongodump -u app -p ¤ --db x", "mysql -u app -p¤ orders", "mongosh mongodb://db -u app -p '¤'", "cqlsh -u app -p ¤ db", "http -a app:¤ GET https://x", "https --auth app:¤ x", "echo 'app:¤' | chpasswd",
		"echo 'app:¤' | chpasswd; echo 'web:~' | chpasswd", "echo app:¤ | chpasswd && echo web:~ | sudo chpasswd", "echo 'app:¤' | tee /dev/null | chpasswd", "printf 'app:%s\\n' '¤' | chpasswd", "echo \"app:¤\" | sudo chpasswd -e", "useradd -p ¤ app", "usermod -p '¤' app", "rabbitmqctl add_user app ¤", "rabbitmqctl change_password app '¤'",
		"echo ¤ | docker login --password-stdin", "echo '¤' | sudo -S apt update", "smbclient -U app%¤ //s/share", "lftp -u app,¤ ftp.x", "ipmitool -H h -U app -P ¤ power status", "ipmitool user set password 2 '¤'",
		"xfreerdp -u app -p ¤ h", "curl --cert app.pem:¤ https://x", "curl -sE 'app.pem:¤' https://x", `["curl", "--cert", "app.pem:¤"]`, `["ipmitool", "user", "set", "password", "2", "¤"]`,
		"cypher-shell -u app -p ¤", "influx -username app -p ¤", "xh -a app:¤ https://x", "echo ¤ | sudo passwd --stdin app", `net use Z: \\srv\s /user:app ¤`, "aws ssm put-parameter --name x --type SecureString --value ¤",
		"aws ssm put-parameter --name x --value '¤' --type SecureString",
	},
	"commands in a list of their arguments": {
		"CalledProcessError: Command '['curl', '-u', 'app:¤', 'https://api']' returned non-zero exit status 22.", `{"argv":["curl","-su","app:¤","https://x"]}`,
		`["docker", "login", "-u", "app", "-p", "¤", "r"]`, `["docker","login","-u","app","-p","¤"]`, `['az', 'login', '-u', 'app', '-p', '¤']`, `['http', '-a', 'app:¤', 'https://x']`,
		`["skopeo", "copy", "--src-creds", "app:¤", "docker://a"]`, `["rabbitmqctl", "add_user", "app", "¤"]`, `["vault", "login", "¤"]`, `["useradd", "-p", "¤", "app"]`,
		`["zip", "-P", "¤", "a.zip"]`, `["unzip","-P","¤","a.zip"]`, `["/usr/bin/rar", "x", "-p¤"]`, `["smbclient", "//s/x", "-U", "app%¤"]`, `["net", "user", "app", "¤"]`,
		`["openssl", "passwd", "-6", "¤"]`, `["aws", "ssm", "put-parameter", "--type", "SecureString", "--value", "¤"]`, `{\"a\":[\"curl\",\"-u\",\"app:¤\"]}`,
	},
	"labels in Markdown": {
		"**Password:** ¤", "*token:* ¤", "- **DB password:** `¤`\n- **Host:** db", "__Password:__ ¤", "_token:_ ¤", "***API key:*** ¤", "**Password**: ¤", "*Password* : `¤`", "`password`: `¤`", "`Password:` ¤",
		"see **Password:** ¤ **Host:** db", "**password**=¤", "**password**:¤", "**Password:** **Token:** ¤", "password: `token:` ¤", `{"text":"*Password:* ¤\n*Host:* db"}`, "> **Secret access key:** ¤", "**Password:** **¤**", "**`api_token`**: ¤", "1. **`password`:** \"¤\"",
	},
	"passwords of services": {
		"2026-11-28T01:02:03Z INFO starting REDIS_AUTH=¤ host=db", "REDIS_AUTH: ¤", `{"msg":"VALKEY_AUTH=¤"}`, "redis.auth=¤", "export MEMCACHED_AUTH='¤'", "SMTP_AUTH=¤ x", `{"redisAuth":"¤"}`, "['REDIS_AUTH=¤', 'A=b']",
	},
	"labels in HTML and cells with a colon": {
		"<b>Password:</b> ¤", "<strong>DB password</strong>: ¤<br>Host: db", "<li><strong>API key:</strong> <code>¤</code></li>", "<p>Password: <b>¤</b></p>", "Password:<br>¤<br/>", "&lt;b&gt;Token:&lt;/b&gt; ¤",
		`{"text":"\u003cb\u003ePassword:\u003c/b\u003e ¤\u003cbr\u003e"}`, `{"text":"\u003cb\u003ePassword\u003c/b\u003e: ¤"}`, "<span class=\"x\">Password:</span>&nbsp;<code>¤</code>",
		"| Password: | ¤ |", "| **API key:** | `¤` |", "| Host: | db | Password: | ¤ |", "**Password** ¤", "password;¤;", "password,¤,,\nhost,db,,",
	},
	"arguments on the next line without a blank": {
		"mysql -u app -p\\\n¤ db", "mysql -u app -p\\\n'¤ horse' db", "mariadb-dump -p\\\n\"¤\" db", "mongodump -u app -p\\\n¤", "curl -u app:\\\n¤ https://x", "curl -u app:\\\n'¤ horse' https://x",
		"7z x -p\\\n¤ a.7z", "podman pull --creds app:\\\n¤ x", "smbclient -U app%\\\n¤ //s/x", "ldapsearch -x -w\\\n¤", "kubectl create secret generic s --from-literal=k=\\\n¤",
	},
	"literals and lists with signs": {
		`ds.setPassword("¤):x(");`, `config.setDbPassword('{¤}');`, "passwords:\n- ¤=x:[9\n- ~",
	},
	"escaped colors": {
		`{"message":"\u001b[36mpassword\u001b[0m=¤ \u001b[36mhost\u001b[0m=db"}`, `{'message': '\x1b[36mpassword=\x1b[0m¤ \x1b[36mhost=\x1b[0mdb'}`,
		`'\x1b[34;1m"password"\x1b[0m\x1b[1;39m: \x1b[0;32m"¤"\x1b[0m'`, `"{\"m\":\"\\u001b[1mapi_key\\u001b[0m=\\u001b[35m¤\\u001b[0m\"}"`,
	},
	"logins with a password in quotes": {
		"curl -u app:'¤ horse' https://x", `curl --user app:"¤" https://x`, "xh -a app:'¤' https://x", "skopeo copy --src-creds app:'¤' a b", "smbclient -U app%'¤' //s/x",
		"echo app:'¤' | chpasswd", "mysqlsh app:'¤'@db", `{"cmd":"curl -u app:\"¤\" https://x"}`,
	},
	"commands, written in another way": {
		"influx -username a -password ¤ -execute x", "influx -username a -password '¤'", "htpasswd -nb app ¤", `htpasswd -bnBC 10 "" ¤`, "htpasswd -nbB '' ¤", "htpasswd -nbB app ¤", "htpasswd -B -b /etc/f app ¤", "htpasswd -bc /etc/f app '¤'",
		"htpasswd -nbB -C 10 app ¤ > f", "curl -su app:¤ https://x", "curl -sSLu 'app:¤' https://x", `net use \\h\s ¤ /user:app`, `net use Z: \\h\s "¤" /user:app /persistent:no`, "smbclient //h/s ¤ -U app",
		`smbclient '\\h\s' '¤' -U app`, "ldappasswd -x -D cn=a -s ¤ uid=app", "ldappasswd -a '¤' -S uid=app", "ldapsearch -xw ¤ -D cn=a", "ldapsearch -x -D cn=a -w '¤'", "openssl enc -aes-256-cbc -k '¤' -in f",
		"redis-cli -a'¤' ping", "redis-cli -a ¤ ping", "redis-cli --pass=¤ ping", `sqlplus app/"¤"@db`, `sqlplus -s 'app/"¤"@db'`, "zip -rP ¤ a.zip d", "zip -r -P '¤' a.zip d", "unzip -P ¤ a.zip",
		"7z x -p¤ a.7z", "rar a -hp¤ a.rar d", "ipmitool -H h -U app -P¤ power", "ipmitool -H h -P'¤'", "mysql -u app \\\n  -p¤ orders", "docker login \\\n  -u app \\\n  -p ¤", "az login -u app -p ¤", "podman pull --creds app:¤ x", "skopeo copy --src-creds=app:¤ --dest-creds 'app:~' x y",
		"curl --oauth2-bearer ¤ https://x", "xh --bearer ¤ x", "http -A bearer -a ¤ x", "mysqlsh app:¤@db", "net user app ¤ /add", "aws ssm put-parameter --name x --value=¤", "aws ssm put-parameter \\\n  --name x \\\n  --value '¤'",
		"ldapsearch -xD cn=a -w¤", "openssl passwd -6 ¤", "openssl passwd -1 '¤' > f", "REDISCLI_AUTH=¤ redis-cli", "sqlcmd -S h -U app -P '¤'",
	},
	"pipes": {
		"printf '¤' | docker login --password-stdin", "printf '%s' '¤' | docker login -u a --password-stdin x", "printf '%s\\n' ¤ | sudo -S true", "printf 'app:¤\\n' | chpasswd", "printf '%s\\n' 'app:¤' | sudo /usr/sbin/chpasswd",
		"docker login -u a --password-stdin <<< ¤", "docker login -u a --password-stdin x <<<'¤'", "sudo -S true <<< \"¤\"", "chpasswd <<< 'app:¤'", "chpasswd <<EOF\napp:¤\nweb:~\nEOF", "sudo chpasswd -e <<-'END'\n\tapp:¤\n\tEND",
		"docker login -u a --password-stdin <<EOF\n¤\nEOF", "cat <<EOF | sudo chpasswd\napp:¤\nEOF", "passwd app <<EOF\n¤\n¤\nEOF", "sudo passwd app <<'EOF'\n¤\n¤\nEOF", "smbpasswd -s -a app <<EOF\n¤\n¤\nEOF", "passwd app <<< $'¤\\n¤'", "passwd --stdin app <<< ¤", "echo '¤' | sudo -kS true",
	},
	"statements": {
		"a1 login app ¤", "0012 Login \"app\" \"¤\"", `a1 LOGIN "app" "¤"`, `a1 LOGIN app "¤"`, "a1 LOGIN \"app user\" ¤", "SET PASSWORD FOR 'a'@'b' = '¤'", "SET PASSWORD = PASSWORD('¤')", "set password for app to '¤'", "ALTER LOGIN sa WITH PASSWORD=N'¤'", "ALTER LOGIN sa WITH PASSWORD = N'¤', CHECK_POLICY = OFF",
		"CREATE USER app IDENTIFIED BY ¤", "CREATE USER app IDENTIFIED BY ¤ QUOTA 5M ON users;", "ALTER USER app IDENTIFIED BY VALUES '¤'", "CREATE ROLE app LOGIN PASSWORD E'¤'", "ALTER USER app WITH ENCRYPTED PASSWORD '¤'",
		"CREATE USER app IDENTIFIED WITH mysql_native_password USING '¤'", "EXEC sp_addlogin 'app', '¤'", "exec sp_password N'old', N'¤', 'app'", "PRAGMA key = '¤'", "CREATE DATABASE LINK l CONNECT TO app IDENTIFIED BY ¤ USING 'db'",
	},
	"addresses": {
		"amqp://app:Kq8v/¤@mq.internal:5672", "postgres://app:Kq8v ¤@db/o", "postgresql://app:\"¤\"@db/o", "redis://:'¤'@cache:6379", "mongodb://app:Kq8v[¤]@db/o",
		"url=amqp://app:a/b/¤@mq/vhost", "https://app:Kq8v\\¤@db.internal/x", `{"url": "postgresql://app:\"¤\"@db/o"}`,
	},
	"sentences": {
		"Your password has been set to ¤", "Invalid password (¤)", "using secret ¤ for signing", "the password was reset to ¤.", "The password is now ¤", "password set to '¤'",
		"Wrong password (¤) for app", "token has been changed to ¤", "the secret ¤ was used",
	},
	"markup": {
		"<password><![CDATA[¤]]></password>", "<adminPassword encrypted=\"no\"><![CDATA[¤]]></adminPassword>", "<key>password</key><string><![CDATA[¤]]></string>", `{"x":"<password><![CDATA[¤]]></password>"}`,
		`{"x":"\u003cpassword\u003e\u003c![CDATA[¤]]\u003e\u003c/password\u003e"}`, "<property name=\"password\"><![CDATA[¤]]></property>",
		"| `password` | `¤` |", "| `db_password` | ¤ |", "| **password** | `¤` |", "<td>password</td><td>¤</td>", "<tr><th>api_token</th>\n<td>¤</td></tr>", "<dt>password</dt><dd>¤</dd>",
		"<TR><TD CLASS=\"a\">password</TD>\n<TD CLASS=\"b\">¤</TD></TR>",
	},
	"code with types": {
		"let password: string = '¤'", "const dbPassword: string = \"¤\";", "private val password: String = \"¤\"", "password: Optional[str] = '¤'", "let password: &str = \"¤\";", "password := []byte(\"¤\")", "var password = []byte(`¤`)",
		"password = new String(\"¤\")", "String password = new String(\"¤\");", "password = std::string(\"¤\")", "let password = String::from(\"¤\");", "var password string = \"¤\"", "char password[] = \"¤\";", "password: str | None = \"¤\"", "builder.setPassword(\"¤\")", ".password('¤')", "client.withApiKey(\"¤\")",
	},
	"names of several words": {
		"API key: ¤", "using API key = ¤ for x", "Secret Access Key: ¤", "Private key: ¤\nuser: app", "\"API Key\": \"¤\"", "| API key | ¤ |", "API key;¤", "<td>API key</td><td>¤</td>", "Your API key is ¤",
		"Client Secret is ¤", `{"name": "API key", "value": "¤"}`, `{"name":"DB Password","value":"¤"}`, `{"Key": "/prod/db/password", "Value": "¤"}`, `{"value":"¤","name":"app:password"}`, "user%5Bpassword%5D=¤&x=1",
	},
	"quoted arguments": {
		"mysql -u app -p'¤ horse;x' db", "mysql -u app -p\"¤'horse\" db", "mongodump -u app -p '¤ horse'", "redis-cli -a '¤ horse' ping", "redis-cli --pass \"¤ horse\"", "sqlcmd -S h -U app -P '¤ horse'",
		"sqlplus app/\"¤@horse\"@orcl", "docker login -u app -p \"¤ horse\" reg", "az login -u app -p \"¤ horse\"", "chpasswd <<< 'app:¤ horse'", "rabbitmqctl add_user 'app' '¤ horse'", "sshpass -p '¤ horse' ssh h",
		"ldapsearch -x -w '¤ horse'", "htpasswd -cb /etc/f app '¤ horse'", "zip -r a.zip d -P '¤ horse'", "7z x a.7z -p'¤ horse'", "smbclient -U 'DOM\\app%¤ horse' //h/s", "lftp -u app,'¤ horse' sftp://h",
		"ipmitool -H h -P '¤ horse' chassis", `net use \\h\s "¤ horse" /user:app`, "openssl passwd -6 '¤ horse'", "kubectl create secret generic s --from-literal='k=¤ horse'", "kubectl create secret generic s --from-literal=\"k=¤\"",
		"kubectl create secret generic s --from-literal k='¤ horse'", "aws ssm put-parameter --name /a --value '¤ horse' --type SecureString", "CONFIG SET requirepass \"¤ horse\"", "curl -u 'app:¤ horse' https://x",
		`{"cmd":"mysql -u app -p\"¤ horse\" db"}`, `["mysql","-u","app","-p¤","db"]`, `["mysql", "-u", "app", "-p¤"]`, `['redis-cli', '-a', '¤']`, "\"DB_PASSWORD=¤ horse\"", "terraform apply -var 'db_password=¤ horse'", "helm install x --set \"auth.password=¤ horse\"", `["DB_PASSWORD=¤ horse","A=b"]`, `{\"a\":[\"--db-password\", \"¤\"]}`,
		"echo -n '¤ horse' | docker login --password-stdin -u a", "echo \"¤|horse\" | sudo -S ls", "echo 'app:¤ horse' | chpasswd", "echo \"app:¤'horse\" | sudo chpasswd", `{"x":"echo \"app:¤ horse\" | chpasswd"}`,
		"chpasswd <<'EOF'\napp:¤ horse\nweb:~:horse\nEOF", "docker login -u a --password-stdin <<EOF\n¤:horse\nEOF",
	},
	"other spellings of commands": {
		"redis-cli -h c \\\n  -a \\\n  ¤ ping", "redis-cli -a\\\n ¤", "docker login -u app -p \\\n ¤ \\\n r", "curl -u \\\n  'app:¤ horse' https://x", "sshpass -p \\\n  '¤ horse' ssh h",
		"kubectl create secret generic s \\\n --from-literal \\\n k=¤", "aws ssm put-parameter \\\n --name x --value \\\n ¤",
		"ALTER USER app IDENTIFIED WITH caching_sha2_password BY '¤' REPLACE '~'",
		"mariadb -u app -p¤ db", "mariadb-dump -u app -p¤ db", "curl -u :¤ https://x", "curl -u p:¤ -U q:~ https://x", "ldappasswd -a ¤ -s ~ uid=a", "sshpass -v -p ¤ ssh h", "echo ¤ | sudo -u app -S ls", "echo app:¤ | sudo -u root chpasswd",
		"echo app:¤ | tee f | chpasswd", "echo -e '¤\\n¤' | passwd app", "useradd -p $(openssl passwd -1 ¤) app", "ALTER USER app IDENTIFIED BY ¤ REPLACE ~", "ALTER USER app IDENTIFIED BY '¤' REPLACE '~'",
		"+ mysql -u app '-p¤ horse' db", "redis-cli -h c \"-a¤\"", "+ sqlcmd -S h -U sa '-P¤ horse'", "sshpass '-p¤' ssh h", "curl '-uapp:¤' https://x", `{"cmd":"mysql \"-p¤\" -u app"}`,
		`net use * \\srv\s ¤ /user:app`, `NET USE Z: \\srv\s ¤ /USER:app`, `net.exe use Z: \\srv\s /user:app ¤`, "NET USER app ¤ /ADD", "mysql -u app -p\"${PREFIX}¤\" db",
		"printf '%s:%s\\n' app '¤' | chpasswd", "printf \"%s:%s\" app ¤ | sudo chpasswd", "mysqlsh --uri=app:¤@db", `"config" "set" "requirepass" "¤"`,
		`{"statement": "ALTER USER app IDENTIFIED BY \"¤\""}`, `{"statement": "SET PASSWORD FOR app = \"¤\"", "n": 1}`, `{"s": "ALTER USER a IDENTIFIED BY \"~\" REPLACE \"¤\""}`,
		"vault login ¤", "vault login -no-print ¤", `{"m":"vault login ¤"}`, `{"a":"{\"m\":\"vault login ¤\"}"}`, `{"m":"vault login ¤","n":1}`, `{"m":"vault login \"¤\""}`, "xfreerdp /u:app /p:¤ /v:h", "wfreerdp /p:'¤ horse' /v:h",
	},
	"commands with text behind them, and tokens": {
		"level=info msg=\"htpasswd -nb app ¤\" took=12", "htpasswd -nbB app ¤ (took 12 ms)", "htpasswd -b -n app ¤ done", "['bind 0.0.0.0', 'masterauth ¤']",
		"influx query -t ¤ 'from(bucket:\"x\")'", "influx write -b orders -t '¤' -f x", `["influx", "query", "-t", "¤"]`,
		"influx query -t ¤_KBaG3gHw== -o acme",
		"influx query 'from(bucket:\"x\") |> range(start:-1h)' -t ¤", "CONFIG SET masterauth '¤'", "redis-server --masterauth ¤", "'CONFIG SET masterauth ¤'",
	},
	"variables with a type and a call": {
		"let password: String = String::from(\"¤\");", "db_password: SecretStr = SecretStr(\"¤\")", "val password: Secret = Secret('¤')", "password: Buffer = Buffer.from(\"¤\");",
		"static PASSWORD: Secret<String> = Secret::new(\"¤\".to_string());", "let password: Secret<String> = Secret::new(String::from(\"¤\"));",
		"const password: SecretString = new SecretString(\"¤\");", "password: bytes = b\"¤\"",
	},
	"headers with something around them": {
		"[Cookie: theme=dark; sessionid=¤]", "[Cookie: sessionid=¤]", "(Cookie: theme=dark; sid=¤)", `>> "Cookie: theme=dark; sessionid=¤[\r][\n]"`,
	},
	"other spellings": {
		`{"Data": "¤", "Field": "password"}`, "<password>\n  <![CDATA[¤]]>\n</password>", "<property name=\"password\">\n <value>¤</value></property>", "\"db_password\";\"¤;horse\"", "password.........¤", "password......: ¤", "DB password..... = ¤", "<th>Password:</th><td>¤</td>",
		"<td> password </td><td> ¤ </td>", "password: &a !!str ¤", "password: # one\n  # two\n  ¤", "パスワード password：¤。", "Das Passwort ist ¤", "Passwort lautet: ¤", "the password is a/¤",
		`"{\"UserData\": \"¤\"}"`, `"{\"UserData\": {\"Value\": \"¤\"}}"`, `{"environmentVariablesOverride":[{"name":"FOO","value":"¤"}]}`,
	},
	"code": {
		"password['db']='¤'", "password[0]=¤", `password["db"] = "¤"`, `$passwords["app"] = '¤';`, `password = """¤"""`, "password = '''¤'''", "token = \"\"\"\n¤\n\"\"\"",
		`password := string("¤")`, "password = str('¤')", "password：¤", "token：¤", "password＝¤", `password = r"""¤"""`, "env.password[i] := ¤",
		`ENV["DB_PASSWORD"] ||= "¤"`, "password ||= '¤'", `passwords["app"] ??= "¤"`, "DB_PASSWORD ?= ¤\nX = 1",
		"password = \\\n    \"¤\"", "DB_PASSWORD=\\\n¤\nX=1", "PASSWORD = \\\n  ¤", "ENV DB_PASSWORD=\\\n  ¤ X=1", "app --password=\\\n  ¤",
		"DB_PASSWORD=\\\n  ¤=; run", "DB_PASSWORD=\\\n  ¤=7tLm", "export API_SECRET=\\\n  ¤=\nrun",
		"app run \\\n  --password \\\n  ¤ -v", "app --secret-string \\\n ¤", "DB_PASSWORD=\\\r\n  ¤",
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
				if strings.Contains(text, continuedLine) {
					nested := filled
					for range 5 {
						nested = `{"command": "` + inJSON(nested) + `"}` + "\r"
						clean, _ := r.Text(nested)
						assert.NotContains(t, clean, first[:8], nested)
						assert.NotContains(t, clean, second[8:], nested)
					}
				}
			}
		})
	}
}

// Texts in the same forms that contain no secrets.
func TestText_KeepsHarmlessTextsInTheseForms(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		"Server={0};Password={3};Pooling=true", "Password={dbPassword1};Server={host2}", "connect with {token}", "ptr->password->utf8Data", "$user->password->toSha256Hex2()", "user->password->hash2", "token->type2",
		"secrets:\n  regions: [eu-west-1, us-east-1]\n  names: [orders-db-2, api-3]", "credentials:\n  scopes: [repo, read:org]", "passwords:\n  app: []\nhost: db1X9abQ",
		"mysql -u app -p$DB_PASS2 orders", `mysql -u app -p"${DB_PASS2}" orders`, `["mysql","-u","app","-p$DB_PASS2"]`, "docker login -u a -p ${{ secrets.PW2 }} r", "curl -u $APP:$APP_PASS2 https://x", `curl -u "${APP}:${PASS2}" https://x`,
		"sqlcmd -S db -P $(SA_PASS2)", "sqlcmd -S db -P %SA_PASS2%", "redis-cli -a {{redis.pass2}} ping", "net use * /delete", "net user app * /add", "<TD>password</TD><TD>required</TD>",
		"token bucket of pool a set to 100rps", "secret of stack orders was set to prod/orders2", "partition key of table orders set to customer2id", "password encryption for cluster was set to scram-sha-256", "The password policy was set to scram-sha-256.", "The token issuer is keycloak-2.", "Access key last used region was us-east-1.",
		"pam_unix(passwd:chauthtok): password changed for app2", `{"m":"password = os.environ[\"DB_PASSWORD\"]\nKeyError: 'DB_PASSWORD'"}`, "<m>token = self.tokens.get(user_id2)&#xA;raise x</m>",
		".. _password: https://docs.example.com/Page2Ab", "a\n.. _`API key`: https://docs.example.com/Page2Ab9xZ",
		"password: must be at least 12 characters", "rules:\n  password: must contain a digit\n  name: required", "errors:\n  password: is too short\n  email: is invalid",
		"password: authentication failed for user app\nhost: x", "password = not set\nuser = app", "password: *default\nuser: app", "password: &default\n  min: 8",
		"password: not-found", "password=not_set user=app", `{"password": "not configured"}`, "password || token", "password = \\\n    config.get('x')", "PASSWORD=\\\n  --verbose", "ENV DB_PASSWORD= \\\n  DB_USER=orders1app",
		`{"script":"env DB_PASSWORD= \\\n  LOG_LEVEL=debug9 run"}`, "TOKEN =\\\n\nX = 1", "DB_PASSWORD= \\\n  NAME='orders1 app'", "docker login \\\n\r\r\\\n x",
		`{"cmd":"app --password \\\n  --verbose with 12 processes"}`,
		"mysql -u app -p \\\n  -h db",
		`{"cmd":"mysql -u app -p \\\n  -h db","path":"docker login -u a -v \\\\nas\\share:/x"}`, `docker login -u app \\\n -p \\\n`,
		`{"password":{"policy":["weekly","monthly"]},"FunctionName":"ordersV2Handler"}`, `{"PasswordPolicy":{"MinimumLength":14},"Tags":[{"Key":"team","Value":"Pay2Orders"}]}`, "passwords:\n- app\nhost: db1X9abQ", "passwords:\n  rotation: daily\n  app:\n    updated: 2026-01-02T10:00:00Z",
		"secrets:\n  - name: DB_HOST\n    valueFrom: arn:aws:ssm:us-east-1:123456789012:parameter/x1", "secrets:\n  db:\n    file: ./db_password.txt\n  api:\n    external: true\nservices:\n  web:\n    image: nginx:1.25.3",
		"<Name>password</Name><Type>String</Type><Name>host</Name><Value>db1X9abQ7</Value>", "curl --cert app.pem https://api:8443/x", "curl -E C:\\certs\\app.pem https://x", "ipmitool user set name 2 orders2x7b", "token = str(response)", "passwords: (see \"Orders2x\")",
		`{"keys": ["logs/2026/01/02/app-7f8a9b.gz", "AWSLogs/123456789012/us-east-1/x_20260102T0305Z_1.2.3.4_abc1d2e3.log.gz"]}`, "keys=logs/2026/01/02/app-7f8a9b.json",
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
		"influx -host db -port 8086 -precision rfc3339", "mongod -platform linux", "user identified by the alarm", "the user is identified by name and role", "SET PASSWORD failed for app", "htpasswd -n app", "htpasswd -b failed: usage",
		"chpasswd <<EOF", "cat <<EOF\norders:running\nEOF", "docker login --password-stdin < /run/secret", "a1 LOGIN failed for app", "zip -r a.zip orders", "7z x archive-2026.7z -pipeline", "smbclient //h/s -U app", "net use \\\\h\\s /persistent:no",
		"ldapsearch -x -H ldap://h -b dc=x", "curl -s https://api:8443/x", "curl -output x https://h:443/", "printf 'done\\n' | tee log", "let password: string = process.env.PASSWORD", "password: string = undefined", "password: str = None", "key := []byte(secretName)",
		"password = new String(input)", "password: Optional[str] = Field(min_length=8)", "| `password` | required |", "| `password` | `string` | The password |", "<password><![CDATA[]]></password>", "<td>password</td><td>required</td>",
		"net user app /delete", "net user app failed", "openssl passwd -6 -in file", "openssl passwd -help", "a1 login failed for app", "user 12 login from orders-db", "aws ssm put-parameter --name x --value orders-db-2a", "getPassword(\"orders-db\")",
		"withToken(\"page-2\")", "podman pull --creds-file x", "ldapsearch -x -wide", "cat <<EOF | tee f\napp:running\nEOF",
		"echo started \\\n  now", "sudo apt install -y \\\n  mysql-client \\\n  -p orders",
		"token_type[0]=bearer", "keys['orders']=12",
		"mysql -u app -p\\\n  orders2x7", "mysql -u app -p \\\norders2x7", "mysql -u app -p\\\n-h db", "docker login -u app -p\\\n-v x",
		"**Password:** must have 12 characters", "**Password**: required", "`password`: string, at least 8 characters", "- `token`: the token of the caller", "*token:* expired", "SCAN 0 MATCH token:* COUNT 1000", "KEYS session-token:* orders-v2.1x",
		"**Tokens:** 4312", "**Token:** next(reader)", "`password`: `${DB_PASSWORD}`", "**API key:** see [the vault](https://x/y1)", "f(*password: str, **token: int)", "__pass__: `x`", "**Password:**\n\nOrders_v2x failed",
		"password:\n  minLength: 8\n  pattern: [A-Z0-9]{8,}x1\n  arn: arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf", "passwords:\n  orders: required\n  version: v2.1-Kq8vN3", "tokens:\n  orders: Kq8v expires 12:00",
		"The following password policy applies:\n\nminimum 12 characters", "password rejected by:\n  MinimumLength2", "wrong password for the user in:\ns3://orders/Kq8vN3xB6w/x", "Wrong password. Request:\n7517b3396b2ee99fc951b0e0a1997f22",
		"Invalid password for user in request:\nAb3xK9mQ2vL7", "Password check failed in container:\n7517b3396b2ee99fc951b0e0a1997f22", "Could not verify the password of user:\nAna_Smith_2024",
		"password mismatch; request id:\nJKQ1C8B3EXAMPLE7", "password of x, CorrelationId:\n0HMVFE0A284AM", "password hash algorithm:\nPBKDF2WithHmacSHA256", "Password reset requested by:\nana.Smith2",
		"passwords of:\n  Orders2xB7", "password reset, id:\n3f7d0b9c-6b7a-4f3e-9c46-2f4b1a2e8d11", "form-data; name=\"description\"\n\nOrders_v2x", "form-data; name=\"code\"\n\nOrders_v2x",
		"stats auth ${USER}:${PASS}", "GET /v1 stats auth users:5", "Fetching stats auth latency:120ms", "cache stats auth service:orders-v2", "stats auth https://x.example.com/stats2x", "relay=smtp.example.com[1.2.3.4]:587, delay=1.2 id:Kq8vN3xB6w", "connected to smtp.example.com:587 id:Kq8vN3xB6w",
		"server [smtp.example.com]:587 said: 535 5.7.8 Kq8vN3xB6w", "smtp.example.com:587 app@example.com: rejected",
		"Redis->auth(Array)", "password_hash(Object(SensitiveParameterValue), '2y')", `#{<<"token">> => <<"expired">>}`, `{<<"cache_key">>,<<"orders:v2x">>}`, `{key,"orders-v2.1x"}`,
		"PDO->__construct('sqlite:/x', NULL, NULL)", "PDO->__construct('mysql:x', 'app', Object(SensitiveParameterValue))", "getConnection(url, user, password2)", `getConnection("pool", "orders", "Readonly2")`, `{token,<<"expired">>}`, `{secret,"prod/orders2"}`, `s:4:"user";s:8:"app4711x";`,
		"<PasswordPolicy><Value>strict-v2Ab</Value></PasswordPolicy>", "<password><next>Orders2xB7</next></password>", "<password></password><value>Orders2xB7</value>", "auth=psk psk: enabled key_mgmt=WPA-PSK",
		`{"credentials":{"sessionToken":"HIDDEN_DUE_TO_SECURITY_REASONS"}}`,
		`<password value="required"/>`, `<token ref="Orders2x"/>`,
		"REDIS_AUTH=required", "redis_auth=disabled host=db", "REDIS_AUTH: enabled since 2026-11-28T01:02:03Z", "redis_auth=rbac-v2 mode", "REDIS_AUTH=iam", "SMTP_AUTH=login", "DB_AUTH=postgres", "db_auth=iam_user2", "redis_auth=${REDIS_PASSWORD}", "VALKEY_AUTH: failed for orders",
		"<b>Password:</b> must have 12 characters", "<label>Password:</label> <input type=\"password\">", "<code>token</code>: the token of version v2.1x", "Password:<br>is too short", "| Password: | required |",
		"| Password: |\n| orders2x7b |", "password: | head -1 orders2x7b", "**Password** must have 8chars", "**Token** usage: 12345678 units", "**Secret** orders-db-2 was rotated", "password,required,", "mysql -u app -p\\\nERROR at 2026-11-28T01:02:03Z",
		"docker run --name influx -t influxdb:2.7-alpine", "the influx of requests -t 30", "docker build -t influx -t 2.7.1-alpine3 .", "influx ping && docker build -t Orders_v2.1 .", "influx query -t $INFLUX_TOKEN", "htpasswd -n app (took 12 ms)",
		"password: str = os.getenv('DB_PASSWORD2')", "let password: String = env::var(\"DB_PASSWORD1\").unwrap();", "password: str = load(\"orders/prod-db1\")",
		"password: str = cfg.get(\"Db_Password1\")", "const password: string = generate('Orders-v2.1');", "var password: String = defaults.string(\"Password_v2.1\")",
		"session: Session = Session(\"Orders_v2x\")", "code = ErrorCode::new(\"Err_12x-B\");", "let tokens: Vec<String> = Tokens::from(\"Orders_v2x\");",
		"Authorization: Bearer token1", "Authorization: Bearer abc12345", "Authorization: Bearer token123.", "no authorization token\nOrders_v2x failed", "authorization: Bearer required", "Authorization: Bearer {{token}}", "[Cookie: theme=dark; size=large]",
		"primary key: orders-12", "API key: invalid", "service key: orders-db-2", "SSH key fingerprint 12", "the API key is missing", "access key: AKIAIOSFODNN7EXAMPLE", "partition key: id42abcd9", "signed with the access key BROKERID444455556666, which", "client secret: expired",
		`{"name": "Reset your password", "value": "Set a new password"}`, `{"Key": "team/token", "Value": "not set"}`, "sshpass -e ssh -p 22 host", "vault login failed for user", "vault login -method=userpass username=app", "it's 12:00; can't login -p",
		`net user app "failed to add 12 users to group"`, `["a","mysql","-p 3306:3306"]`, "<td>password</td><td> required </td>", "password.........required", "Passwort ist falsch", "the password is prod/orders2", "the password is aws/reference/Orders2",
		`"PATH=/usr/bin:/bin x"`, `["requirepass", "password2", "old_password"]`, `("password", "ssm:/prod/db1")`, `{"env": "A=1\nDB_PORT=12\nX=1"}`, `"a": ["login", "x", "docker"]`, "docker login <<EOF\nhello the world\nEOF",
	} {
		clean, count := r.Text(text)
		assert.Equal(t, text, clean)
		assert.Zero(t, count, text)
	}
}

// A short credential is one after the name of the header.
func TestText_FindsShortCredentialsInHeaders(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, text := range []string{
		"Authorization: Bearer ¤", "curl -H 'Authorization: Bearer ¤' https://x", `{"headers":{"authorization":"Bearer ¤"}}`, "authorization=Bearer ¤", "Authorization: GenieKey ¤", `["Authorization", "Bearer ¤"]`,
	} {
		clean, count := r.Text(strings.ReplaceAll(text, "¤", "Kq8vN3xB6w"))
		assert.NotContains(t, clean, "Kq8v", text)
		assert.Equal(t, 1, count, text)
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
	assert.GreaterOrEqual(t, count, 29)
	assert.Equal(t, count, strings.Count(string(page), secret), "every example is in the table")
}

func TestText_ArgumentOfListWithBlankOrQuote(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for _, command := range []string{
		`["mysql","-u","app","-p¤"]`, `["docker","login","-u","app","-p","¤"]`, `["sshpass","-p","¤","ssh"]`, `["curl","-u","app:¤","https://x"]`,
		`["htpasswd","-b","f","app","¤"]`, `["sqlplus","app/¤@db"]`, `["kubectl","create","secret","generic","x","--from-literal=a=¤"]`,
		`["app", "--password=¤"]`, `["app","--password=¤"]`, `["app","--db-password=¤","-v"]`,
	} {
		for _, password := range []string{"Kq8v N3xB6w", "Kq8v'N3xB6w", `Kq8v\"N3xB6w`, "Kq8v;N3xB6w"} {
			text := strings.ReplaceAll(command, "¤", password)
			for _, text := range []string{text, "command: " + text} {
				clean, _ := r.Document(text)
				assert.NotContains(t, clean, "N3xB6w", text)
			}
		}
	}
	clean, _ := r.Text("kubectl create secret generic x '--from-literal=a=Kq8v N3xB6w' -n shop")
	assert.Equal(t, "kubectl create secret generic x '--from-literal=a=[redacted: secret]' -n shop", clean)
	clean, _ = r.Text("app '--password=Kq8v N3xB6w' -v")
	assert.Equal(t, "app '--password=[redacted: secret]' -v", clean)
}

func TestText_ReplacesTheWholeValueAndNothingElse(t *testing.T) {
	r, err := New(nil)
	require.NoError(t, err)
	for text, want := range map[string]string{
		`x ["start","passwords: [kind: Secret","api_key: ¤","end"]`:         `x ["start","passwords: [kind: Secret","api_key: [redacted: secret]","end"]`,
		`['start', 'passwords: ["a', 'api_key: ¤', 'end"']`:                 `['start', 'passwords: ["a', 'api_key: [redacted: secret]', 'end"']`,
		`["start","passwords: [","api_key: ¤","end"]`:                       `["start","passwords: [","api_key: [redacted: secret]","end"]`,
		`["passwords: [\"¤\", \"¤\"] done","all fine here"]`:                `["passwords: [\"[redacted: secret]\", \"[redacted: secret]\"] done","all fine here"]`,
		`["passwords: [\"¤","all fine here"]`:                               `["passwords: [\"[redacted: secret]","all fine here"]`,
		`['"data": {]]>"kind": "Secret"', 'KeyError at handler.py', 'end']`: `['"data": {]]>"kind": "Secret"', 'KeyError at handler.py', 'end']`,
		`{"kind": "Secret", "data": {password: ¤, user: ¤}}`:                `{"kind": "Secret", "data": {password: [redacted: secret], user: [redacted: secret]}}`,

		"<password>Kq8v&lt;N3xB6w</password>":      "<password>[redacted: secret]</password>",
		"&lt;password&gt;¤&lt;/password&gt; ended": "&lt;password&gt;[redacted: secret]&lt;/password&gt; ended",
		"&lt;password>¤&lt;/password> ended":       "&lt;password>[redacted: secret]&lt;/password> ended",

		"docker login -u a --password-stdin <<< 'a$Kq8vN3xB6w'": "docker login -u a --password-stdin <<< '[redacted: password]'",
		"sudo -S true <<< \"$PASSWORD\" && ls /var/log":         "sudo -S true <<< \"$PASSWORD\" && ls /var/log",
		"password... please wait for 12345678 items":            "password... please wait for 12345678 items",
		"Getting token... OAuth2Client created":                 "Getting token... OAuth2Client created",
		"a password... ¤\nhost....... db":                       "a password... [redacted: secret]\nhost....... db",
		"Enter password .... then press Enter":                  "Enter password .... then press Enter",

		"app --password \\\n   ¤ -v":                       "app --password \\\n   [redacted: secret] -v",
		"app --password \\\r\n   ¤ -v":                     "app --password \\\r\n   [redacted: secret] -v",
		"app --password \\\n  --verbose with 12 processes": "app --password \\\n  --verbose with 12 processes",
	} {
		clean, _ := r.Text(strings.ReplaceAll(text, "¤", "Kq8vN3xB6w"))
		assert.Equal(t, want, clean, text)
	}
}
