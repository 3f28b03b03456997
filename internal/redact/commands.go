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
		"docker", "podman", "buildah", "skopeo", "nerdctl", "helm", "oras"), nil},
	{newShape("password", `(\bsshpass\s+-p\s*)(\S+)`,
		"sshpass"), nil},
	{newShape("password", `(\bredis-cli\b[^\n|;]*?\s(?:-a|--pass)\s+)(\S+)`,
		"redis-cli"), nil},
	{newShape("password", `(\b(?:curl|wget|http|https|xh)\b[^\n]*?\s(?:-u|-U|--user|--proxy-user|-a|--auth)[ =]?\\?["']?[^\s:'"\\]+:)([^\s'"\\]+)`,
		"curl ", "wget ", "http ", "https ", "xh "), nil},
	{newShape("password", `(\b(?:mongo\w*|cqlsh|cypher-shell|influx)\b[^\n|;]*?\s-p\s*["']?)([^\s'"-][^\s'"]{3,})`,
		"mongo", "cqlsh", "cypher-shell", "influx "), isNoPort},
	{newShape("password", `(\buser(?:add|mod)\b[^\n|;]*?\s(?:-p|--password)[ =]?["']?)([^\s'"-][^\s'"]{3,})`,
		"useradd", "usermod"), looksHashed},
	{newShape("password", `(\brabbitmqctl\b[^\n|;]*?\s(?:add_user|change_password|authenticate_user)\s+["']?[^\s"']+["']?\s+["']?)([^\s'"]+)`,
		"rabbitmqctl"), nil},
	{newShape("password", `(\becho\s+(?:-[ne]+\s+)?["']?[\w.@-]+:)([^\s'"]{4,})["']?\s*\|\s*(?:sudo\s+)?chpasswd`,
		"chpasswd"), nil},
	{newShape("password", `(\becho\s+(?:-[ne]+\s+)?["']?)([^\s'"$|]{4,})["']?\s*\|[^\n|]*?(?:\s--?(?:password-)?stdin\b|\bsudo\s+-S\b)`,
		"stdin", "sudo"), nil},
	{newShape("password", `(\bsmbclient\b[^\n|;]*?\s(?:-U|--user)[ =]?["']?[^\s%'"]+%)([^\s'"]+)`,
		"smbclient"), nil},
	{newShape("password", `(\blftp\b[^\n|;]*?\s-u\s+["']?[^\s,'"]+,)([^\s'"]+)`,
		"lftp"), nil},
	{newShape("password", `(\bnet\s+use\b[^\n|;]*?\s/user:[^\s]+\s+["']?)([^\s'"/][^\s'"]*)`,
		"/user:"), looksPassword},
	{newShape("secret", `(\bput-parameter\b[^\n|;]*?SecureString[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)`,
		"put-parameter"), nil},
	{newShape("secret", `(\bput-parameter\b[^\n|;]*?\s--value[ =]["']?)([^\s'"]+)[^\n|;]*?SecureString`,
		"put-parameter"), nil},
	{newShape("password", `(\bipmitool\b[^\n|;]*?\s-P\s+["']?)([^\s'"]+)`,
		"ipmitool"), nil},
	{newShape("password", `(\bldap[a-z]+\b[^\n|;]*?\s-w\s+)(\S+)`,
		"ldap"), nil},
	{newShape("password", `(\b(?:sqlcmd|bcp)\b[^\n|;]*?\s-P\s*)(\S+)`,
		"sqlcmd", "bcp"), nil},
	{newShape("password", `(\bpass:)([^\s"'$]{4,})`,
		"pass:"), looksPassword},
	{newShape("password", `(\bzip\b[^\n|;]*?\s-P\s*)(\S+)`,
		"zip -", " -P"), nil},
	{newShape("password", `(\bhtpasswd\s+-[a-zA-Z]*b[a-zA-Z]*\s+\S+\s+\S+\s+)(\S+)`,
		"htpasswd"), nil},
	{newShape("password", `(\bopenssl\b[^\n|;]*?\s-[kK]\s+)(\S+)`,
		"openssl"), looksPassword},
	{newShape("password", `(\.user\.info=[^:\s]+:)([^\s"']+)`,
		".user.info="), nil},
	{newShape("password", `(\bsqlplus\b[^\n]*?\s[\w.$-]+/)([^\s@"']+)`,
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
	{newShape("password", `(\bLOGIN\s+\S+\s+)(\S+)`,
		" LOGIN "), looksPassword},
	{newShape("password", `(?i)(\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?(?:BY|AS)\s+(?:PASSWORD\s+)?["'])([^'"\n]+)`,
		"IDENTIFIED", "identified"), nil},
	{newShape("password", `(?i)(\bPASSWORD\s+')([^'\n]{4,})`,
		"PASSWORD '", "password '"), nil},
	{newShape("password", `(^[\w.*-]+:(?:[0-9]+|\*):[\w*.-]+:[\w*.-]+:)(\S+)`,
		":5432:", ":5433:", ":6432:", ":*:"), nil},
	{newShape("password", `(\bConvertTo-SecureString\s+(?:-String\s+)?["'])([^'"\n]+)`,
		"ConvertTo-SecureString"), nil},
	{newShape("AWS secret key", `((?:AKIA|ASIA)[A-Z0-9]{16}(?:[^\n]{0,60}?[^A-Za-z0-9+/\n])?)([A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/]|$)`,
		"AKIA", "ASIA"), isMixed},
}

// isNoPort reports whether the value of -p is neither ports nor a directory: docker run --name mysql -p 3306:3306.
func isNoPort(value string) bool { return !portsOrPath().MatchString(value) }

var portsOrPath = lazy(`^(?:(?:[0-9.]+:)?[0-9]{1,5}:[0-9]{1,5}(?:/[a-z]+)?|/.*)$`)

// looksHashed reports whether a value is a password or the hash of one, as useradd takes it.
func looksHashed(value string) bool { return looksPassword(value) || strings.HasPrefix(value, "$") }

// isMixed reports whether a value has capitals, small letters, and digits.
func isMixed(value string) bool {
	return hasLetterAndDigit(value) && strings.ToLower(value) != value && strings.ToUpper(value) != value
}

// replaceInContexts replaces the secrets that contexts describes, and those in cookies.
func (c *counter) replaceInContexts(text string) string {
	for _, s := range contexts {
		text = c.replaceInLines(s.shape, text, func(g []string) string {
			if isMarked(g[2]) || s.isSecret != nil && !s.isSecret(g[2]) {
				return g[0]
			}
			return g[1] + c.mark(s.kind, g[2]) + g[0][len(g[1])+len(g[2]):]
		})
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

var (
	// The header of cookies, and one cookie in it.
	cookies = newShape("cookie", `(?i)(\b(?:set-)?cookies?\\?["']?\s*[:=]?\s*\\?["']?)([^\n"']{16,})`, "ookie", "OOKIE")
	cookie  = lazy(`([A-Za-z0-9_.!#$%&*+^|~-]+=)([^;,\s"']+)`)
)
