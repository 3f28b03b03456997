package redact

import (
	"strings"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// Parts of the patterns below.
const (
	echoed = `\b(?:echo|printf)\s+(?:-[neE-]+\s+)?(?:["']?%s(?:\\+n)?["']?\s+)?`
	// The options of sudo, with their values, up to a command.
	sudoOptions   = `(?:-[A-Za-z-]+\s+(?:[^\s-]\S*\s+)??)*?`
	sudoStdin     = `\bsudo\s+` + sudoOptions + `-[A-Za-z]*S`
	passwdCommand = `(?:^|[\s;&|(]|bin/)(?:smb)?passwd\b`
	// What reads a password from its standard input.
	intoChpasswd = `\s*\|(?:[^\n|]*\|)??\s*(?:sudo\s+` + sudoOptions + `)?(?:/\S*/)?chpasswd`
	intoPassword = `\s*\|(?:[^\n|]*?(?:\s--?(?:password-)?stdin\b|` + sudoStdin + `)|\s*(?:sudo\s+` + sudoOptions + `)?(?:/\S*/)?(?:smb)?passwd\b)`
)

// newContext is newShape for a pattern of a command or a statement: a quote can have backslashes before it, an option can be in quotes,
// and several blanks can follow it. A needle that begins or ends with a blank is also one with a quote, as in a list of arguments.
func newContext(kind, pattern string, needles ...string) *shape {
	pattern = strings.NewReplacer(`["']?`, `(?:\\*["'])?`, `["'])(`, `\\*["'])(`, `[^\s-]`, `[^\s-]`, // which is no option
		`\s-`, `\s(?:\\*["'])?-`, `\s(?:-`, `\s(?:\\*["'])?(?:-`).Replace(pattern)
	pattern = strings.ReplaceAll(pattern, `[ =]`, `(?:[ =\f][ \f\r]*)`)
	pattern = secretGroup().ReplaceAllString(pattern, `${1}(?:\f\r*\f(?:\\*["'])?)?)(${2}`)
	for _, needle := range needles {
		if word := strings.Trim(needle, " "); word != needle {
			needles = append(needles, strings.ReplaceAll(needle, " ", `"`), strings.ReplaceAll(needle, " ", "'"), strings.ReplaceAll(needle, " ", `\`))
		}
	}
	return newShape(kind, pattern, needles...)
}

// secretGroup matches where the second group of a pattern begins, if it is a word. The word can begin on the next line without a blank, as
// in "-p\⏎secret".
var secretGroup = lazy.Regexp(`([^i])\)\((\[\^\\s|\\S)`)

// contexts are secrets that the text before them identifies, without a name: on command lines, in statements of
// databases and mail servers, and in URLs. The second group of a pattern is the secret. Matches never span lines.
var contexts = []struct {
	*shape
	isSecret func(value string) bool // nil: every value is a secret
}{
	{newContext("password", `(\b(?:mysql|mariadb)[\w-]*\b[^\n|;]*?\s-p["']?)([^\s'"-][^\s'"]{3,})`,
		"mysql", "mariadb"), isNoPort},
	{newContext("password", `(\blogin\b[^\n|;]*?\s-p[ =]?)([^\s-]\S*)`,
		"docker", "podman", "buildah", "skopeo", "nerdctl", "helm", "oras", "az "), nil},
	{newContext("password", `(\s--(?:src-|dest-)?creds[ =]["']?[^\s:'"]+:["']?)([^\s'"]+)`,
		"creds"), nil},
	{newContext("password", `(\bsshpass(?:\s+-[A-Za-oq-z]\S*)*\s+-p\s*)(\S+)`,
		"sshpass"), nil},
	{newContext("password", `(\bredis-cli\b[^\n|;]*?\s(?:-a\s*|--pass[ =]\s*)["']?)([^\s'"]+)`,
		"redis-cli"), nil},
	{newContext("password", `(\b(?:curl|wget|http|https|xh)\b[^\n]*?\s(?:-[A-Za-z]*[uU]|--user|--proxy-user|-a|--auth)[ =]?\\?["']?[^\s:'"\\]*:["']?)([^\s'"\\]+)`,
		"curl ", "wget ", "http ", "https ", "xh "), nil},
	{newContext("password", `(\bcurl\b[^\n]*?\s(?:-[A-Za-z]*E|--cert|--proxy-cert)[ =]?["']?[^\s:'"]+:["']?)([^\s'"]+)`,
		"curl "), looksPassword},
	{newContext("credential", `(\b(?:curl|http|https|xh)\b[^\n]*?\s(?:--oauth2-bearer|--bearer|(?:-A|--auth-type)[ =]bearer\s+(?:-a|--auth))[ =]["']?)([^\s'"]+)`,
		"bearer"), nil},
	{newContext("password", `(\bmysqlsh\b[^\n|;]*?[\s=]["']?[\w.-]+:["']?)([^\s@'"]+)["']?@`,
		"mysqlsh"), nil},
	{newContext("password", `(\b(?:mongo\w*|cqlsh|cypher-shell|influx)\b[^\n|;]*?\s-p(?:assword[ =])?\s*["']?)([^\s'"-][^\s'"]{3,})`,
		"mongo", "cqlsh", "cypher-shell", "influx "), isNoOption},
	{newContext("token", `(\binflux\s+[a-z](?:[^\n|;&]|\|>)*?\s-t[ =]["']?)([^\s'"$-][^\s'"]{3,})`,
		"influx "), isToken},
	{newContext("password", `(\buser(?:add|mod)\b[^\n|;]*?\s(?:-p|--password)[ =]?["']?)([^\s'"-][^\s'"]{3,})`,
		"useradd", "usermod"), looksHashed},
	{newContext("password", `(\brabbitmqctl\b[^\n|;]*?\s(?:add_user|change_password|authenticate_user)\s+["']?[^\s"']+["']?\s+["']?)([^\s'"]+)`,
		"rabbitmqctl"), nil},
	{newContext("password", `(`+echoed+`["']?[\w.@-]+:["']?)([^\s'"\\]{4,})(?:\\+n)?["']?`+intoChpasswd,
		"chpasswd"), nil},
	{newContext("password", `(\bprintf\s+["']?(?:%s:%s(?:\\+n)?["']?\s+["']?[\w.@-]+|[\w.@-]+:%s(?:\\+n)?)["']?\s+["']?)([^\s'"\\]{4,})["']?`+intoChpasswd,
		"chpasswd"), nil},
	{newContext("password", `(`+echoed+`'[\w.@-]+:)([^'\n]{4,}?)(?:\\+n)?'`+intoChpasswd,
		"chpasswd"), nil},
	{newContext("password", `(`+echoed+`\\*"[\w.@-]+:)([^"\n]{4,}?)(?:\\+n)?\\*"`+intoChpasswd,
		"chpasswd"), nil},
	{newContext("password", `(`+echoed+`["']?)([^\s'"$|\\]{4,})(?:\\+n)?["']?`+intoPassword,
		"stdin", "sudo", "passwd"), nil},
	{newContext("password", `(`+echoed+`')([^'\n]{4,}?)(?:\\+n)?'`+intoPassword,
		"stdin", "sudo", "passwd"), nil},
	{newContext("password", `(`+echoed+`\\*")([^"$\n][^"\n]{3,}?)(?:\\+n)?\\*"`+intoPassword,
		"stdin", "sudo", "passwd"), nil},
	{newContext("password", `((?:-stdin\b|`+sudoStdin+`\b|\bchpasswd\b|`+passwdCommand+`)[^\n|;]*?<<<\s*\$?["']?(?:[\w.@-]+:)?)([^\s'"$][^\s'"]{3,})`,
		"<<<"), nil},
	{newContext("password", `(\bsmbclient\s+["']?(?://|\\\\)\S+\s+["']?)([^\s'"-][^\s'"]*)`,
		"smbclient"), looksPassword},
	{newContext("password", `(\bsmbclient\b[^\n|;]*?\s(?:-U|--user)[ =]?["']?[^\s%'"]+%["']?)([^\s'"]+)`,
		"smbclient"), nil},
	{newContext("password", `(\blftp\b[^\n|;]*?\s-u\s+["']?[^\s,'"]+,["']?)([^\s'"]+)`,
		"lftp"), nil},
	{newContext("password", `((?:^[ +>|-]*|["'\n\r\f\x60]|\\[nrt]|\.cfg:(?:[0-9]+:)?)\s*stats\s+auth\s+[^\s:'"]+:)([^\s'"/][^\s'"]*)`, // of HAProxy, where a line begins
		"stats "), nil},
	{newContext("password", `(\bstats\s+auth\s+[^\s:'"]+:)([^\s'"/][^\s'"]*)`,
		"stats "), looksPassword},
	{newContext("password", `(\[[\w-]+(?:\.[\w-]+)+\]:(?:25|465|587|2465|2525|2587|smtps?|submissions?)\s+[^\s:'"\[\]]+:)([^\s'"\\]+)`, // of Postfix
		"]:25", "]:465", "]:587", "]:2465", "]:smtp", "]:submission"), looksPassword},
	{newContext("password", `(\b[\w-]+(?:\.[\w-]+)+:(?:465|587|2465|2525|2587)\s+(?:[^\s:'"@]+@[\w.-]+|AKIA[A-Z0-9]{16}|apikey):)([^\s'"\\]+)`,
		":465", ":587", ":2465", ":2525", ":2587"), looksPassword},
	{newContext("password", `(?i)(\bnet(?:\.exe)?\s+user\s+["']?[^\s/"']+["']?\s+["']?)([^\s'"/*][^\s'"]*)`,
		"net ", "net.exe ", "NET "), looksPassword},
	{newContext("password", `(?i)(\bnet(?:\.exe)?\s+use\s+(?:(?:\S+:|\*)\s+)?["']?\\\\[^\s"']+["']?\s+["']?)([^\s'"/*][^\s'"]*)`,
		"net ", "net.exe ", "NET "), looksPassword},
	{newContext("password", `(?i)(\bnet(?:\.exe)?\s+use\b[^\n|;]*?\s/user:[^\s]+\s+["']?)([^\s'"/][^\s'"]*)`,
		"/user:", "/USER:"), looksPassword},
	{newContext("secret", `((?:\{|<<")(?:<<")?[\w.-]*(?:password|passwd|passphrase|secret|token|api_?key)(?:">>)?\s*(?:,|=>)\s*(?:<<)?")([^\s"]{4,})`, // of Erlang
		"password,", `password">>`, "passwd,", `passwd">>`, "passphrase,", `passphrase">>`, "secret,", `secret">>`, "token,", `token">>`, "key,", `key">>`), looksPassword},
	{newContext("password", `(\b(?:(?:PDO\w*->__construct|mysqli(?:->__construct|->real_connect|_(?:real_)?connect)|createPdoConnection)\((?:Object\(mysqli\), ?)?\\*["']|getConnection\(\\*["']jdbc:)[^"'\n]*["'], ?\\*["'][^"'\n]*["'], ?\\*["'])([^\s"'\\]{4,})`,
		"->__construct(", "_connect(", "createPdoConnection(", "getConnection("), nil}, // the third argument, in a stack trace
	{newContext("password", `(\b(?:password_(?:verify|hash)|Redis(?:Cluster)?->auth)\(\\*["'])([^\s"'\\]{4,})`, // the first one
		"password_verify(", "password_hash(", "->auth("), nil},
	{newContext("password", `(s:[0-9]+:\\*"[\w.-]*(?:password|passwd)\\*";s:[0-9]+:\\*")([^"\\]{4,})`, // serialized by PHP
		`";s:`), nil},
	{newContext("secret", `(\bput-parameter\b[^\n|;]*?SecureString[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)`,
		"put-parameter"), nil},
	{newContext("secret", `(\bput-parameter\b[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)[^\n|;]*?SecureString`,
		"put-parameter"), nil},
	{newContext("secret", `(\bput-parameter\b[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)`,
		"put-parameter"), looksPassword},
	{newContext("password", `(\bipmitool\b[^\n|;]*?\s(?:-P\s*|user\s+set\s+password\s+[0-9]+\s+)["']?)([^\s'"]+)`,
		"ipmitool"), nil},
	{newContext("password", `(\bldap[a-z]+\b[^\n|;]*?\s-[A-Za-z]*w\s+["']?)([^\s'"]+)`,
		"ldap"), nil},
	{newContext("password", `(\bldap[a-z]+\b[^\n|;]*?\s-w["']?)([^\s'"]+)`,
		"ldap"), looksPassword},
	{newContext("password", `(\bldappasswd\b[^\n|;]*?\s-[A-Za-z]*[as]\s+["']?)([^\s'"]+)`,
		"ldappasswd"), nil},
	{newContext("password", `(\b(?:sqlcmd|bcp)\b[^\n|;]*?\s-P\s*["']?)([^\s'"]+)`,
		"sqlcmd", "bcp"), nil},
	{newContext("password", `(\bpass:)([^\s"'$]{4,})`,
		"pass:"), looksPassword},
	{newContext("password", `(\b(?:un)?zip\b[^\n|;]*?\s-[A-Za-z]*P\s*["']?)([^\s'"]+)`,
		"zip ", " -P"), nil},
	{newContext("password", `(\b(?:7z[ar]?|(?:un)?rar)\b[^\n|;]*?\s-h?p["']?)([^\s'"]+)`,
		"7z", "rar "), looksPassword},
	{newContext("password", `(\bhtpasswd(?:\s+-[A-Za-z]+(?:\s+[0-9]+)?)*?\s+-[A-Za-z]*n[A-Za-z]*(?:\s+[0-9]{1,2})?(?:\s+-[A-Za-z]+(?:\s+[0-9]+)?)*\s+["']?[^\s'"-][^\s'":]*["']?\s+["']?)([^\s'"<>|&;]+)`, // without a file
		"htpasswd"), looksPassword},
	{newContext("password", `(\bhtpasswd(?:\s+-[A-Za-z]+(?:\s+[0-9]+)?)*?\s+-[A-Za-z]*b[A-Za-z]*(?:\s+[0-9]{1,2})?(?:\s+-[A-Za-z]+(?:\s+[0-9]+)?)*\s+(?:["']?[^\s'"-][^\s'":]*["']?|""|'')\s+(?:["']?[^\s'"<>|&;\[-][^\s'"]*["']?\s+)?["']?)([^\s'"<>|&;]+)`,
		"htpasswd"), nil},
	{newContext("password", `(\bopenssl\b[^\n|;]*?\s-[kK]\s+["']?)([^\s'"]+)`,
		"openssl"), looksPassword},
	{newContext("password", `(\bopenssl\s+passwd\b[^\n|;]*?\s)("[^"\n]+"|'[^'\n]+'|[^\s'"-][^\s'"]*)\s*(?:$|[\n|;&>)"'])`,
		"openssl"), looksPassword},
	{newContext("credential", `(\bvault\s+login\s+(?:-\S+\s+)*\\*["']?)([^\s'"=\\-][^\s'"=\\]*={0,2})(?:\\*["'](?:$|[\s|;&>),}\]\\"'])|$|[\s|;&>)])`,
		"vault "), looksPassword},
	{newContext("password", `(\b(?:[a-z]+-?)?freerdp[0-9]?\b[^\n|;]*?\s(?:["']?/p:|-p\s+)["']?)([^\s'"]+)`,
		"freerdp"), nil},
	{newContext("password", `(\bREDISCLI_AUTH=["']?)([^\s'"]+)`,
		"REDISCLI_AUTH"), nil},
	{newContext("password", `(\.user\.info=[^:\s]+:)([^\s"']+)`,
		".user.info="), nil},
	{newContext("password", `(\bsqlplus\b[^\n]*?\s["']?[\w.$-]+/\\?["']?)([^\s@"'\\]+)`,
		"sqlplus"), nil},
	{newContext("password", `(:(?:thin|oci):[\w.$-]+/)([^\s@"']+)`,
		":thin:", ":oci:"), nil},
	{newContext("secret", `(--from-literal[ =]["']?[\w.-]+=)(\S+)`,
		"--from-literal"), nil},
	{newContext("password", `((?:^|[\s"']|--)(?:requirepass|masterauth)"?\s+["']?)([^\s"']{4,})`,
		"requirepass", "masterauth"), nil},
	{newContext("password", `(\bAUTH"?\s+"?(?:[a-z][\w.-]*"?\s+"?)?)([^\s"]{6,})`,
		"AUTH"), looksPassword},
	{newContext("password", `(\bACL"?\s+"?SETUSER"?[^\n]*?[\s"]>)([^\s"]+)`,
		"SETUSER"), nil},
	{newContext("credential", `(\bAUTH (?:PLAIN|LOGIN|XOAUTH2)\s+)([A-Za-z0-9+/=]{8,})`,
		"AUTH PLAIN", "AUTH LOGIN", "AUTH XOAUTH2"), nil},
	{newContext("password", `(\bLOGIN\s+(?:\\?"[^"\n]*"|\S+)\s+\\?"?)([^\s"\\]+)`,
		" LOGIN "), looksPassword},
	{newContext("password", `(?i)(\b[a-z]{0,4}[0-9]+ LOGIN\s+(?:\\?"[^"\n]*"|\S+)\s+\\?"?)([^\s"\\]+)`, // with the tag of IMAP
		" login ", " Login "), looksPassword},
	{newContext("password", `(?i)(\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?(?:BY|AS|USING)\s+(?:PASSWORD\s+|VALUES\s+)?["'])([^'"\n]+)`,
		"IDENTIFIED", "identified"), nil},
	{newContext("password", `(?i)(\bIDENTIFIED\s+BY\s+)([^\s'";]+)`, // of Oracle
		"IDENTIFIED", "identified"), looksPassword},
	{newContext("password", `(?i)(\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?BY\b[^\n;]*?\sREPLACE\s+["'])([^'"\n]+)`,
		"REPLACE", "replace"), nil},
	{newContext("password", `(?i)(\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?BY\b[^\n;]*?\sREPLACE\s+)([^\s'";]+)`,
		"REPLACE", "replace"), looksPassword},
	{newContext("password", `(?i)(\bPASSWORD\s+(?:N|E|U&)?')([^'\n]{4,})`,
		"PASSWORD '", "password '", "PASSWORD E'", "PASSWORD N'", "PASSWORD U&'", "password e'", "password n'", "password u&'"), nil},
	{newContext("password", `(?i)(\bSET\s+PASSWORD\b[^\n;=]*?(?:=|\sTO)\s*(?:(?:OLD_)?PASSWORD\s*\(\s*)?["'])([^'"\n]+)`,
		"SET PASSWORD", "set password", "Set Password"), nil},
	{newContext("password", `(?i)(\bsp_(?:addlogin|password)\b[^\n;]*?,\s*N?')([^'\n]+)`,
		"sp_addlogin", "sp_password"), nil},
	{newContext("password", `(?i)(\bPRAGMA\s+(?:hex)?(?:re)?key\s*=\s*["'])([^'"\n]+)`,
		"PRAGMA", "pragma"), nil},
	{newContext("password", `(^[\w.*-]+:(?:[0-9]+|\*):[\w*.-]+:[\w*.-]+:)(\S+)`,
		":5432:", ":5433:", ":6432:", ":*:"), nil},
	{newContext("password", `(\bConvertTo-SecureString\s+(?:-String\s+)?["'])([^'"\n]+)`,
		"ConvertTo-SecureString"), nil},
	{newContext("AWS secret key", `((?:AKIA|ASIA)[A-Z0-9]{16}(?:[^\n]{0,60}?[^A-Za-z0-9+/\n])?)([A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/]|$)`,
		"AKIA", "ASIA"), isMixed},
}

// reference matches a variable, or the beginning of a command, whose value a shell or a template writes in its place.
var reference = lazy.Regexp(`^(?:\$\{\w+\}|\$[A-Z_][A-Z0-9_]*|\$[a-z_]+|\$\([\w./-]*\)?|%[A-Z_][A-Z0-9_]*%|\$\{\{|\$?\{\{ ?[\w.]+ ?\}\})$`)

// isNoPort reports whether the value of -p is neither ports nor a directory: docker run --name mysql -p 3306:3306.
func isNoPort(value string) bool { return !portsOrPath().MatchString(value) }

// isNoOption is isNoPort for a value that may be the rest of an option, such as -platform.
func isNoOption(value string) bool { return isNoPort(value) && !isPath(value) }

var portsOrPath = lazy.Regexp(`^(?:(?:[0-9.]+:)?[0-9]{1,5}:[0-9]{1,5}(?:/[a-z]+)?|/.*)$`)

// isToken reports whether a value is a token or looks like a password. An image, as in -t influxdb:2.7-alpine, is neither.
func isToken(value string) bool {
	return looksPassword(value) || len(value) >= minCredential && looksCredential(value) && !strings.ContainsAny(value, ":/")
}

// looksHashed reports whether a value is a password or the hash of one, as useradd takes it.
func looksHashed(value string) bool {
	return looksPassword(value) || strings.HasPrefix(value, "$") && !strings.HasPrefix(value, "$(")
}

// isMixed reports whether a value has capitals, small letters, and digits.
func isMixed(value string) bool {
	return hasLetterAndDigit(value) && strings.ToLower(value) != value && strings.ToUpper(value) != value
}

// replaceInContexts replaces the secrets that contexts describes, and those in cookies.
func (c *counter) replaceInContexts(text string) string {
	text = c.replaceInDocuments(text)
	text, isJoined := joinContinued(text)
	for _, s := range contexts {
		text = c.replaceContext(s.shape, s.isSecret, text)
	}
	if isJoined {
		text = splitJoined.Replace(text)
	}
	return c.replaceInLines(cookies, text, func(g []string) string {
		return g[1] + c.replaceAll(cookie(), g[2], func(pair []string) string {
			value := strings.TrimRight(strings.TrimSuffix(pair[2], wireEnd), ")]}>") // of what is around the header
			if isMarked(pair[2]) || !looksRandom(value) {
				return pair[0]
			}
			return pair[1] + c.mark("cookie", value) + pair[2][len(value):]
		})
	})
}

// commandsWithoutOptions are commands that can have a password although they have no option.
var commandsWithoutOptions = []string{"rabbitmqctl", "vault", "net", "sqlplus", "mysqlsh", "smbclient", "ipmitool"}

// listed matches what is around two arguments of a command in a list: ["mysql", "-u", "app"].
var (
	listed       = lazy.Regexp(`\[\s*\\*["']|\\*["'],\s*\\*["']|\\*["']\s*\]`)
	listedOption = lazy.Regexp(`["'],\s*\\*["'][-/][A-Za-z0-9-]|\[\s*\\*["'](?:/[\w./-]+/)?(?:` + strings.Join(commandsWithoutOptions, "|") + `)\\*["'],`)
)

func blanks(text string) string { return strings.Repeat(" ", len(text)) }

// maxOptions is the number of secrets of one kind that are looked for in a command.
const maxOptions = 8

// replaceContext replaces the secrets that a pattern finds in the lines that contain one of its needles.
func (c *counter) replaceContext(s *shape, isSecret func(string) bool, text string) string {
	if !c.wants(s) {
		return text
	}
	return c.eachLine(text, s.needles, func(line string) string {
		line = c.replaceOptions(s, isSecret, line, line)
		if !listedOption().MatchString(line) {
			return line
		}
		return c.replaceOptions(s, isSecret, line, listed().ReplaceAllStringFunc(line, blanks))
	})
}

// replaceOptions replaces the secrets that a pattern finds in a line of which some signs are masked.
func (c *counter) replaceOptions(s *shape, isSecret func(string) bool, line, masked string) string {
	var b strings.Builder
	done := 0
	for range maxOptions {
		var next []byte // masked, without the options that were found
		var around structure
		for i, found := range s.pattern().FindAllStringSubmatchIndex(masked, -1) {
			if i%looksPerTime == 0 && c.isLate() {
				return line
			}
			from, to := wholeArgument(line, masked, found[0], found[4], found[5])
			if isAfterQuoted(line[found[0]:from]) {
				continue
			}
			to = around.endWithin(line, from, to)
			if name := lastName(line[from:to]); name >= 0 {
				to = from + name
			}
			if to < len(line) && isShellQuote(line[to]) { // which can be escaped
				to = from + len(strings.TrimRight(line[from:to], `\`))
			}
			if value := line[from:to]; from >= done && to > from && !isMarked(value) && !reference().MatchString(value) && (isSecret == nil || isSecret(value) && !isProse(value)) &&
				(!beginsLine(line, from) || looksPassword(strings.ReplaceAll(value, " ", ""))) {
				b.WriteString(line[done:from])
				b.WriteString(c.mark(s.kind, value))
				done = to
			}
			option := optionOf(masked[found[0]:found[4]])
			if option == 0 && to >= found[5] {
				continue
			}
			if next == nil { // another one may follow
				next = []byte(masked)
			}
			mask(next[found[0]+option : to])
		}
		if next == nil {
			break
		}
		masked = string(next)
	}
	return b.String() + line[done:]
}

// beginsLine reports whether an argument begins with the line on which a command goes on. Without a blank before it, it can be another
// line: somebody wrote "mysql -p\" into a log.
func beginsLine(line string, at int) bool {
	before := strings.TrimRight(line[:at], `"'\`)
	return before != "" && before[len(before)-1] == joinedLine[0]
}

// optionOf returns where the option begins whose value follows a command, or 0.
func optionOf(command string) int {
	word := strings.LastIndexAny(command, " \t\f") + 1
	if strings.HasPrefix(command[word:], "-") {
		return word
	}
	option := strings.LastIndex(command[:word], " -") + 1
	if option == 0 || strings.Contains(strings.TrimRight(command[option:word], " \t\f\r"), " ") {
		return 0
	}
	return option
}

// mask replaces the visible characters of an option, so that no pattern finds it again.
func mask(text []byte) {
	for i, c := range text {
		if !isSpace[c] {
			text[i] = 'x'
		}
	}
}

// wholeArgument returns the argument of a command that a pattern found from one position to another, without its quotes: a
// quoted argument ends with its quote, whatever is in it. start is where the command begins. In masked, the signs between the arguments of
// a list are blanks.
func wholeArgument(line, masked string, start, from, to int) (int, int) {
	if isShellQuote(line[from]) {
		if end, isClosed := closingQuote(line, from+1, line[from], 0); isClosed {
			return from + 1, end
		}
		return from, to
	}
	word := start + strings.LastIndexAny(masked[start:from], " \t\f") + 1
	if word > 0 && isShellQuote(line[word-1]) {
		word--
		word = len(strings.TrimRight(line[:word], `\`))
	}
	at := word + strings.LastIndexAny(line[word:from], `"'`)
	if at < word || strings.Count(line[word:from], line[at:at+1])%2 == 0 {
		return from, to
	}
	slashes := len(line[word:at]) - len(strings.TrimRight(line[word:at], `\`))
	if end, isClosed := closingQuote(line, from, line[at], slashes); isClosed {
		return from, end
	}
	return from, to
}

// endWithin returns the end of the argument of a command between two positions. It ends with what a quote closes that was opened before the
// argument, and never goes on in the next line.
func (o *structure) endWithin(line string, from, to int) int {
	if n := strings.IndexByte(line[from:to], joinedLine[0]); n >= 0 {
		to = from + n
	}
	opening := from
	if opening > 0 && isShellQuote(line[opening-1]) {
		for opening--; opening > 0 && line[opening-1] == '\\'; opening-- {
		}
	}
	if opening == from && !strings.ContainsAny(line[from:to], "\"'`") {
		return to
	}
	if o.read(line, opening); opening < from && o.closes(line, opening) && !isOneWord(line[from:to]) { // the quote opens nothing
		return from
	}
	if n := o.firstClose(line, from, to); n >= 0 {
		return n
	}
	return to
}

// isAfterQuoted reports whether the last word of a command is in quotes, such as "-a" in a list of arguments. What follows without a
// blank is not its value.
func isAfterQuoted(command string) bool {
	word := strings.TrimLeft(command[strings.LastIndexAny(command, " \t\f")+1:], `\`)
	return len(word) > 1 && isShellQuote(word[0]) && word[1] == '-' && strings.Count(word, word[:1])%2 == 0
}

func isShellQuote(c byte) bool { return c == '"' || c == '\'' }

// closingQuote is closing for a quote that must be closed.
func closingQuote(line string, from int, quote byte, escapes int) (end int, isClosed bool) {
	end, after := closing(line, from, quote, escapes)
	return end, after > end
}

// A command line that goes on after a backslash is one line for contexts, with blanks in the place of the backslash and the line break,
// which can be those of a string in JSON or Python. No text has a form feed (see package terminal).
const (
	continuedLine = "\\\n"
	joinedLine    = "\f\f"
)

// inStrings are the forms of a continued line in a string, in a string of a document that is a string, and so on, each with a text of
// equal length for the joined line.
var inStrings = func() (list []struct{ continued, joined string }) {
	for _, backslashes := range []int{3, 6, 12, 24, 48} {
		list = append(list, struct{ continued, joined string }{
			strings.Repeat(`\`, backslashes) + "n", "\f" + strings.Repeat("\r", backslashes-1) + "\f"})
	}
	return list
}()

func joinContinued(text string) (joined string, isJoined bool) {
	isContinued := strings.Contains(text, continuedLine) || strings.Contains(text, inStrings[0].continued)
	if !isContinued || strings.Contains(text, joinedLine[1:]) {
		return text, false
	}
	return strings.ReplaceAll(joinInStrings(text), continuedLine, joinedLine), true
}

// joinInStrings joins the lines that go on in strings. After other numbers of backslashes, the n is the beginning of a name, as in
// "\\\\nas".
func joinInStrings(text string) string {
	var b strings.Builder
	for {
		at := strings.Index(text, inStrings[0].continued)
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := at + len(inStrings[0].continued)
		start := len(strings.TrimRight(text[:at], `\`))
		joined := text[start:end]
		for _, form := range inStrings {
			if joined == form.continued {
				joined = form.joined
			}
		}
		b.WriteString(text[:start] + joined)
		text = text[end:]
	}
}

// splitJoined undoes joinContinued. A joined line break begins with a form feed, so the text is read from its beginning.
var splitJoined = func() *strings.Replacer {
	pairs := []string{joinedLine, continuedLine}
	for _, form := range inStrings {
		pairs = append(pairs, form.joined, form.continued)
	}
	return strings.NewReplacer(pairs...)
}()

// maxDocument is the number of lines of a script that are passwords.
const maxDocument = 20

// replaceInDocuments replaces the passwords in the lines that a command reads from its script: chpasswd <<EOF.
func (c *counter) replaceInDocuments(text string) string {
	if !c.wants(documents) || !strings.Contains(text, "<<") {
		return text
	}
	var b strings.Builder
	done := 0
	for _, found := range documents.pattern().FindAllStringSubmatchIndex(text, -1) {
		group := 2
		if found[group] < 0 {
			group = 4
		}
		form, other := wholeDocumentLine, documentLine
		if strings.Contains(text[found[0]:found[1]], "chpasswd") {
			form, other = documentPair, documentPair
		}
		end := text[found[group]:found[group+1]]
		isWhole := endsDocument(text[found[1]:], end)
		for at, n := found[1], 0; at < len(text) && n < maxDocument; n++ {
			line := text[at:lineEnd(text, at)]
			secret := form().FindStringSubmatchIndex(line)
			if secret == nil || strings.TrimSpace(line) == end || isProse(line) || !isWhole && strings.ContainsAny(strings.TrimSpace(line), " \t") {
				break
			}
			if from, to := at+secret[2], at+secret[3]; from >= done && !isMarked(text[from:to]) {
				b.WriteString(text[done:from])
				b.WriteString(c.mark(documents.kind, text[from:to]))
				done = to
			}
			at += len(line) + 1
			form = other
		}
	}
	return b.String() + text[done:]
}

// endsDocument reports whether the lines of a script end with a line that consists of its end mark. Without one, a line of several words
// can be any line: somebody wrote "chpasswd <<EOF" into a log.
func endsDocument(text, end string) bool {
	for at, n := 0, 0; at < len(text) && n <= maxDocument; n++ {
		stop := lineEnd(text, at)
		if strings.TrimSpace(text[at:stop]) == end {
			return true
		}
		at = stop + 1
	}
	return false
}

const readsDocument = `(?:\bchpasswd\b|` + passwdCommand + `|-stdin\b|` + sudoStdin + `\b)`

var (
	documents = newShape("password", `(?:`+readsDocument+`[^\n]*<<-?[ \t]*\\?["']?(\w+)[^\n]*|<<-?[ \t]*\\?["']?(\w+)[^\n]*\|[^\n]*`+readsDocument+`[^\n]*)\n`, "passwd", "stdin", "sudo")
	// The lines of a script: a user with a password, the first line, which is the password, and others, which may be passwords.
	documentPair      = lazy.Regexp(`^[ \t]*[A-Za-z_][\w.@-]*:([^\n]{4,}?)[ \t\r]*$`)
	wholeDocumentLine = lazy.Regexp(`^[ \t]*(\S[^\n]{2,}\S)[ \t\r]*$`)
	documentLine      = lazy.Regexp(`^[ \t]*(?:[\w.@-]+:)?([^\s:]{4,})[ \t\r]*$`)
)

var (
	// The header of cookies, and one cookie in it.
	cookies = newShape("cookie", `(?i)(\b(?:set-)?cookies?\\*["']?\s*(?:[:=]|,\s*(?:\\*["']value\\*["']\s*:)?)?\s*\[?(?:b?\\*["'])?)([^\n"']{16,})`, "ookie", "OOKIE")
	cookie  = lazy.Regexp(`([A-Za-z0-9_.!#$%&*+^|~-]+=)([^;,\s"']+)`)
)

// wireEnd is how Apache's HTTP client logs the end of a header.
const wireEnd = `[\r][\n]`
