package redact

import (
	"strings"
)

// contexts are secrets that the text before them identifies, without a name: on command lines, in statements of
// databases and mail servers, and in URLs. The second group of a pattern is the secret. Matches never span lines.
var contexts = []struct {
	*shape
	isSecret func(value string) bool // nil: every value is a secret
}{
	{newShape("password", `(\bmysql[\w-]*\b[^\n|;]*?\s-p["']?)([^\s'"-][^\s'"]{3,})`,
		"mysql"), isNoPort},
	{newShape("password", `(\blogin\b[^\n|;]*?\s-p[ =]?)([^\s-]\S*)`,
		"docker", "podman", "buildah", "skopeo", "nerdctl", "helm", "oras", "az login"), nil},
	{newShape("password", `(\s--(?:src-|dest-)?creds[ =]["']?[^\s:'"]+:)([^\s'"]+)`,
		"creds"), nil},
	{newShape("password", `(\bsshpass\s+-p\s*)(\S+)`,
		"sshpass"), nil},
	{newShape("password", `(\bredis-cli\b[^\n|;]*?\s(?:-a\s*|--pass[ =]\s*)["']?)([^\s'"]+)`,
		"redis-cli"), nil},
	{newShape("password", `(\b(?:curl|wget|http|https|xh)\b[^\n]*?\s(?:-[A-Za-z]*[uU]|--user|--proxy-user|-a|--auth)[ =]?\\?["']?[^\s:'"\\]+:)([^\s'"\\]+)`,
		"curl ", "wget ", "http ", "https ", "xh "), nil},
	{newShape("credential", `(\b(?:curl|http|https|xh)\b[^\n]*?\s(?:--oauth2-bearer|--bearer|(?:-A|--auth-type)[ =]bearer\s+(?:-a|--auth))[ =]["']?)([^\s'"]+)`,
		"bearer"), nil},
	{newShape("password", `(\bmysqlsh\b[^\n|;]*?\s["']?[\w.-]+:)([^\s@'"]+)@`,
		"mysqlsh"), nil},
	{newShape("password", `(\b(?:mongo\w*|cqlsh|cypher-shell|influx)\b[^\n|;]*?\s-p(?:assword[ =])?\s*["']?)([^\s'"-][^\s'"]{3,})`,
		"mongo", "cqlsh", "cypher-shell", "influx "), isNoOption},
	{newShape("password", `(\buser(?:add|mod)\b[^\n|;]*?\s(?:-p|--password)[ =]?["']?)([^\s'"-][^\s'"]{3,})`,
		"useradd", "usermod"), looksHashed},
	{newShape("password", `(\brabbitmqctl\b[^\n|;]*?\s(?:add_user|change_password|authenticate_user)\s+["']?[^\s"']+["']?\s+["']?)([^\s'"]+)`,
		"rabbitmqctl"), nil},
	{newShape("password", `(\b(?:echo|printf)\s+(?:-[neE-]+\s+)?(?:["']?%s(?:\\+n)?["']?\s+)?["']?[\w.@-]+:)([^\s'"\\]{4,})(?:\\+n)?["']?\s*\|\s*(?:sudo\s+)?(?:/\S*/)?chpasswd`,
		"chpasswd"), nil},
	{newShape("password", `(\b(?:echo|printf)\s+(?:-[neE-]+\s+)?(?:["']?%s(?:\\+n)?["']?\s+)?["']?)([^\s'"$|\\]{4,})(?:\\+n)?["']?\s*\|[^\n|]*?(?:\s--?(?:password-)?stdin\b|\bsudo\s+(?:-[A-Za-z]+\s+)*-[A-Za-z]*S)`,
		"stdin", "sudo"), nil},
	{newShape("password", `((?:-stdin\b|\bsudo\s+-[A-Za-z]*S\b|\bchpasswd\b)[^\n|;]*?<<<\s*["']?(?:[\w.@-]+:)?)([^\s'"$]{4,})`,
		"<<<"), nil},
	{newShape("password", `(\bsmbclient\s+["']?(?://|\\\\)\S+\s+["']?)([^\s'"-][^\s'"]*)`,
		"smbclient"), looksPassword},
	{newShape("password", `(\bsmbclient\b[^\n|;]*?\s(?:-U|--user)[ =]?["']?[^\s%'"]+%)([^\s'"]+)`,
		"smbclient"), nil},
	{newShape("password", `(\blftp\b[^\n|;]*?\s-u\s+["']?[^\s,'"]+,)([^\s'"]+)`,
		"lftp"), nil},
	{newShape("password", `(\bnet\s+user\s+["']?[^\s/"']+["']?\s+["']?)([^\s'"/*][^\s'"]*)`,
		"net user"), looksPassword},
	{newShape("password", `(\bnet\s+use\s+(?:\S+:\s+)?["']?\\\\[^\s"']+["']?\s+["']?)([^\s'"/*][^\s'"]*)`,
		"net use"), looksPassword},
	{newShape("password", `(\bnet\s+use\b[^\n|;]*?\s/user:[^\s]+\s+["']?)([^\s'"/][^\s'"]*)`,
		"/user:"), looksPassword},
	{newShape("secret", `(\bput-parameter\b[^\n|;]*?SecureString[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)`,
		"put-parameter"), nil},
	{newShape("secret", `(\bput-parameter\b[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)[^\n|;]*?SecureString`,
		"put-parameter"), nil},
	{newShape("secret", `(\bput-parameter\b[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)`,
		"put-parameter"), looksPassword},
	{newShape("password", `(\bipmitool\b[^\n|;]*?\s-P\s*["']?)([^\s'"]+)`,
		"ipmitool"), nil},
	{newShape("password", `(\bldap[a-z]+\b[^\n|;]*?\s-[A-Za-z]*w\s+["']?)([^\s'"]+)`,
		"ldap"), nil},
	{newShape("password", `(\bldap[a-z]+\b[^\n|;]*?\s-w["']?)([^\s'"]+)`,
		"ldap"), looksPassword},
	{newShape("password", `(\bldappasswd\b[^\n|;]*?\s-[A-Za-z]*[as]\s+["']?)([^\s'"]+)`,
		"ldappasswd"), nil},
	{newShape("password", `(\b(?:sqlcmd|bcp)\b[^\n|;]*?\s-P\s*["']?)([^\s'"]+)`,
		"sqlcmd", "bcp"), nil},
	{newShape("password", `(\bpass:)([^\s"'$]{4,})`,
		"pass:"), looksPassword},
	{newShape("password", `(\b(?:un)?zip\b[^\n|;]*?\s-[A-Za-z]*P\s*["']?)([^\s'"]+)`,
		"zip -", " -P"), nil},
	{newShape("password", `(\b(?:7z[ar]?|(?:un)?rar)\b[^\n|;]*?\s-h?p["']?)([^\s'"]+)`,
		"7z", "rar "), looksPassword},
	{newShape("password", `(\bhtpasswd(?:\s+-[A-Za-z]+(?:\s+[0-9]+)?)*?\s+-[A-Za-z]*b[A-Za-z]*(?:\s+-[A-Za-z]+(?:\s+[0-9]+)?)*\s+["']?[^\s'"-][^\s'":]*["']?\s+(?:["']?[^\s'"<>|&;\[-][^\s'"]*["']?\s+)?["']?)([^\s'"<>|&;]+)`,
		"htpasswd"), nil},
	{newShape("password", `(\bopenssl\b[^\n|;]*?\s-[kK]\s+["']?)([^\s'"]+)`,
		"openssl"), looksPassword},
	{newShape("password", `(\bopenssl\s+passwd\b[^\n|;]*?\s["']?)([^\s'"-][^\s'"]*)["']?\s*(?:$|[\n|;&>)])`,
		"openssl"), looksPassword},
	{newShape("password", `(\bREDISCLI_AUTH=["']?)([^\s'"]+)`,
		"REDISCLI_AUTH"), nil},
	{newShape("password", `(\.user\.info=[^:\s]+:)([^\s"']+)`,
		".user.info="), nil},
	{newShape("password", `(\bsqlplus\b[^\n]*?\s["']?[\w.$-]+/\\?["']?)([^\s@"'\\]+)`,
		"sqlplus"), nil},
	{newShape("password", `(:(?:thin|oci):[\w.$-]+/)([^\s@"']+)`,
		":thin:", ":oci:"), nil},
	{newShape("secret", `(--from-literal[= ][\w.-]+=)(\S+)`,
		"--from-literal"), nil},
	{newShape("password", `((?:^|\s)(?:requirepass|masterauth)\s+"?)([^\s"]{4,})`,
		"requirepass", "masterauth"), nil},
	{newShape("password", `(\bAUTH"?\s+"?(?:[a-z][\w.-]*"?\s+"?)?)([^\s"]{6,})`,
		"AUTH"), looksPassword},
	{newShape("password", `(\bACL"?\s+"?SETUSER"?[^\n]*?[\s"]>)([^\s"]+)`,
		"SETUSER"), nil},
	{newShape("credential", `(\bAUTH (?:PLAIN|LOGIN|XOAUTH2)\s+)([A-Za-z0-9+/=]{8,})`,
		"AUTH PLAIN", "AUTH LOGIN", "AUTH XOAUTH2"), nil},
	{newShape("password", `(\bLOGIN\s+(?:\\?"[^"\n]*"|\S+)\s+\\?"?)([^\s"\\]+)`,
		" LOGIN "), looksPassword},
	{newShape("password", `(?i)(\b[a-z]{0,4}[0-9]+ LOGIN\s+(?:\\?"[^"\n]*"|\S+)\s+\\?"?)([^\s"\\]+)`, // with the tag of IMAP
		" login ", " Login "), looksPassword},
	{newShape("password", `(?i)(\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?(?:BY|AS|USING)\s+(?:PASSWORD\s+|VALUES\s+)?["'])([^'"\n]+)`,
		"IDENTIFIED", "identified"), nil},
	{newShape("password", `(?i)(\bIDENTIFIED\s+BY\s+)([^\s'";]+)`, // of Oracle
		"IDENTIFIED", "identified"), looksPassword},
	{newShape("password", `(?i)(\bPASSWORD\s+(?:N|E|U&)?')([^'\n]{4,})`,
		"PASSWORD '", "password '", "PASSWORD E'", "PASSWORD N'", "PASSWORD U&'", "password e'", "password n'", "password u&'"), nil},
	{newShape("password", `(?i)(\bSET\s+PASSWORD\b[^\n;=]*?(?:=|\sTO)\s*(?:(?:OLD_)?PASSWORD\s*\(\s*)?["'])([^'"\n]+)`,
		"SET PASSWORD", "set password", "Set Password"), nil},
	{newShape("password", `(?i)(\bsp_(?:addlogin|password)\b[^\n;]*?,\s*N?')([^'\n]+)`,
		"sp_addlogin", "sp_password"), nil},
	{newShape("password", `(?i)(\bPRAGMA\s+(?:hex)?(?:re)?key\s*=\s*["'])([^'"\n]+)`,
		"PRAGMA", "pragma"), nil},
	{newShape("password", `(^[\w.*-]+:(?:[0-9]+|\*):[\w*.-]+:[\w*.-]+:)(\S+)`,
		":5432:", ":5433:", ":6432:", ":*:"), nil},
	{newShape("password", `(\bConvertTo-SecureString\s+(?:-String\s+)?["'])([^'"\n]+)`,
		"ConvertTo-SecureString"), nil},
	{newShape("AWS secret key", `((?:AKIA|ASIA)[A-Z0-9]{16}(?:[^\n]{0,60}?[^A-Za-z0-9+/\n])?)([A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/]|$)`,
		"AKIA", "ASIA"), isMixed},
}

// isNoPort reports whether the value of -p is neither ports nor a directory: docker run --name mysql -p 3306:3306.
func isNoPort(value string) bool { return !portsOrPath().MatchString(value) }

// isNoOption is isNoPort for a value that may be the rest of an option, such as -platform.
func isNoOption(value string) bool { return isNoPort(value) && !isPath(value) }

var portsOrPath = lazy(`^(?:(?:[0-9.]+:)?[0-9]{1,5}:[0-9]{1,5}(?:/[a-z]+)?|/.*)$`)

// looksHashed reports whether a value is a password or the hash of one, as useradd takes it.
func looksHashed(value string) bool { return looksPassword(value) || strings.HasPrefix(value, "$") }

// isMixed reports whether a value has capitals, small letters, and digits.
func isMixed(value string) bool {
	return hasLetterAndDigit(value) && strings.ToLower(value) != value && strings.ToUpper(value) != value
}

// replaceInContexts replaces the secrets that contexts describes, and those in cookies.
func (c *counter) replaceInContexts(text string) string {
	text = c.replaceInDocuments(text)
	text, isJoined := joinContinued(text)
	for _, s := range contexts {
		text = c.replaceInLines(s.shape, text, func(g []string) string {
			if isMarked(g[2]) || s.isSecret != nil && !s.isSecret(g[2]) {
				return g[0]
			}
			return g[1] + c.mark(s.kind, g[2]) + g[0][len(g[1])+len(g[2]):]
		})
	}
	if isJoined {
		text = strings.ReplaceAll(text, joinedLine, continuedLine)
	}
	return c.replaceInLines(cookies, text, func(g []string) string {
		return g[1] + c.replaceAll(cookie(), g[2], func(pair []string) string {
			if isMarked(pair[2]) || !looksRandom(pair[2]) {
				return pair[0]
			}
			return pair[1] + c.mark("cookie", pair[2])
		})
	})
}

// A command line that goes on after a backslash is one line for contexts. No text has a form feed (see package terminal).
const (
	continuedLine = "\\\n"
	joinedLine    = "\\\f"
)

func joinContinued(text string) (joined string, isJoined bool) {
	if !strings.Contains(text, continuedLine) || strings.Contains(text, joinedLine) {
		return text, false
	}
	return strings.ReplaceAll(text, continuedLine, joinedLine), true
}

// replaceInDocuments replaces the passwords in the lines that a command reads from its script: chpasswd <<EOF.
func (c *counter) replaceInDocuments(text string) string {
	if !c.wants(documents) || !strings.Contains(text, "<<") {
		return text
	}
	return c.replaceAll(documents.pattern(), text, func(g []string) string {
		return g[1] + c.replaceAll(documentLine(), g[2], func(line []string) string {
			if isMarked(line[2]) {
				return line[0]
			}
			return line[1] + c.mark(documents.kind, line[2])
		})
	})
}

var (
	documents    = newShape("password", `((?:(?:\bchpasswd\b|-stdin\b|\bsudo\s+-[A-Za-z]*S\b)[^\n]*<<-?[ \t]*\\?["']?\w+[^\n]*|<<-?[ \t]*\\?["']?\w+[^\n]*\|[^\n]*(?:\bchpasswd\b|-stdin\b|\bsudo\s+-[A-Za-z]*S\b)[^\n]*)\n)((?:[ \t]*(?:[\w.@-]+:)?[^\s:]{4,}[ \t]*\r?\n){1,20})`, "chpasswd", "stdin", "sudo")
	documentLine = lazy(`(?m)^([ \t]*(?:[\w.@-]+:)?)([^\s:]{4,})`)
)

var (
	// The header of cookies, and one cookie in it.
	cookies = newShape("cookie", `(?i)(\b(?:set-)?cookies?\\?["']?\s*[:=]?\s*\\?["']?)([^\n"']{16,})`, "ookie", "OOKIE")
	cookie  = lazy(`([A-Za-z0-9_.!#$%&*+^|~-]+=)([^;,\s"']+)`)
)
