package redact

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// shape is a kind of secret that a pattern recognizes. Every match contains one of the needles, so the
// pattern is tried only if the text contains one. Most texts contain none, and searching for needles is many
// times faster.
type shape struct {
	kind    string
	needles []string
	pattern func() *regexp.Regexp // compiled on first use
	number  int                   // in the index of keywords
}

func newShape(kind, pattern string, needles ...string) *shape {
	return &shape{kind: kind, needles: needles, pattern: lazy.Regexp(pattern)}
}

// shapes returns all shapes.
func shapes() []*shape {
	list := append([]*shape{privateKey, urls, header, query, dataSource, fields, cookies, documents, named}, tokens...)
	for _, c := range contexts {
		list = append(list, c.shape)
	}
	return list
}

// Tokens that are recognized by their shape alone, and the first line of a private key. Only a private key spans lines.
var (
	privateKey = newShape("private key", `-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----`, "-----BEGIN ")
	tokens     = []*shape{
		newShape("JSON web token", `\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`, ".eyJ"),
		newShape("GitHub token", `\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})`, "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
		newShape("GitLab token", `\bglpat-[A-Za-z0-9_-]{20,}`, "glpat-"),
		newShape("Slack token", `\bxox[abeoprs]-[A-Za-z0-9-]{10,}`, "xox"),
		newShape("Slack webhook", `https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]+`, "https://hooks.slack.com/"),
		newShape("Stripe key", `\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}`, "k_live_", "k_test_"),
		newShape("Google API key", `\bAIza[A-Za-z0-9_-]{35}`, "AIza"),
		newShape("Mailgun key", `\bkey-[0-9a-f]{32}\b`, "key-"),
		newShape("npm token", `\bnpm_[A-Za-z0-9]{36}`, "npm_"),
		newShape("PyPI token", `\bpypi-[A-Za-z0-9_-]{50,}`, "pypi-"),
		newShape("SendGrid key", `\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`, "SG."),
		newShape("API key", `\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}`, "sk-"),
		newShape("Google client secret", `\bGOCSPX-[A-Za-z0-9_-]{24,}`, "GOCSPX-"),
		newShape("AWS session token", `\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=%]{40,}`, "IQoJb3JpZ2lu", "oGZXIvYXdz"),
		newShape("stream key", `\bsk_[a-z]{2}-[a-z]+-[0-9]_[A-Za-z0-9]+_[A-Za-z0-9]{20,}`, "sk_"),
		newShape("Discord webhook", `https://(?:[a-z]+\.)?discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]+/[A-Za-z0-9_-]+`, "/webhooks/"),
		newShape("Teams webhook", `https://[a-z0-9.-]+\.webhook\.office\.com/[^\s"'<>]+`, ".webhook.office.com/"),
		newShape("Discord token", `\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}\b`, "iscord"),
		newShape("Telegram token", `/bot[0-9]{8,10}:[A-Za-z0-9_-]{35}\b`, "/bot"),
		newShape("encoded script", `\b(?:IyEv|I2Nsb3VkLWNvbmZpZ)[A-Za-z0-9+/=]{40,}`, "IyEv", "I2Nsb3Vk"), // #!/ and #cloud-config in base64
		newShape("EKS token", `\bk8s-aws-v1\.[A-Za-z0-9_-]{40,}`, "k8s-aws-v1."),
		serviceToken,
		newShape("age key", `\bAGE-SECRET-KEY-1[A-Z0-9]{58}`, "AGE-SECRET-KEY-1"),
	}
)

// serviceToken matches tokens with a beginning that nothing else has. Its group has capitals if it is a token, and
// none if it is the name of a pod or a bucket.
var serviceToken = newShape("service token", `\b(?:`+strings.Join(hexTokens, "|")+`|(`+strings.Join(mixedTokens, "|")+`))`,
	"whsec_", "dckr_", "3xFf", "ATBB", "NRAK-", "ya29.", "1//0", "ntn_", "figd_", "sbp_",
	"sb_secret_", "mdb_sa_sk_", "bkua_", "CCIPAT_", "CCIPRJ_", "pat-na", "pat-eu", "pat-ap", "k.eyJ", "access-production-", "access-development-", "access-sandbox-", "gsk_", "r8_", "xai-", "nvapi-", "tvly-", "lsv2_", "nfp_",
	"rnd_", "hvb.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit.", "lin_oauth_", "ops_eyJ", "CFPAT-", "sq0csp-", "sq0atp-", "sq0atb-", "tskey-")

// uuidForm is the form of a UUID in a token.
const uuidForm = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// hexTokens are the forms of tokens in hexadecimal.
var hexTokens = []string{
	`sbp_[0-9a-f]{40}\b`, `bkua_[0-9a-f]{40}\b`, `pat-(?:na|eu|ap)[0-9]-` + uuidForm, `access-(?:production|development|sandbox)-` + uuidForm,
	`lsv2_[ps][tk]_[0-9a-f]{32}_[0-9a-f]{10}\b`, `lin_oauth_[0-9a-f]{40,}`,
}

// mixedTokens are the forms of other tokens.
var mixedTokens = []string{
	`whsec_[A-Za-z0-9+/=]{24,}`, `dckr_[op]at_[A-Za-z0-9_-]{20,}`, `AT[ACS]TT3xFf[A-Za-z0-9_=-]{50,}`, `ATBB[A-Za-z0-9]{32}\b`, `NRAK-[A-Z0-9]{27}\b`,
	`ya29\.[A-Za-z0-9_-]{30,}`, `1//0[A-Za-z0-9_-]{40,}`, `ntn_[A-Za-z0-9]{40,}`, `figd_[A-Za-z0-9_-]{40,}`, `sb_secret_[A-Za-z0-9_-]{30,}`,
	`mdb_sa_sk_[A-Za-z0-9_-]{30,}`, `CCIP(?:AT|RJ)_[A-Za-z0-9_]{40,}`, `[st]k\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}`, `gsk_[A-Za-z0-9]{50,}`,
	`r8_[A-Za-z0-9]{37}\b`, `xai-[A-Za-z0-9]{60,}`, `nvapi-[A-Za-z0-9_-]{60,}`, `tvly-[A-Za-z0-9-]{30,}`, `nfp_[A-Za-z0-9]{36,}`, `rnd_[A-Za-z0-9]{28,}`,
	`hvb\.[A-Za-z0-9_-]{90,}`, `dp\.(?:st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}\b`, `ops_eyJ[A-Za-z0-9_-]{100,}`,
	`CFPAT-[A-Za-z0-9_-]{43}`, `sq0(?:csp|atp|atb)-[A-Za-z0-9_-]{22,}`, `tskey-[a-z]+-[A-Za-z0-9-]{20,}`,
}

var (
	// A password in a URL.
	urls = newShape("password", `:(?:\\*/){2}`, "://", `:\`)
	// A value with a name, or a variable.
	named = newShape("secret", `[\w.-]`, scanHints...)
	// The credential in an HTTP header. Needles of case-insensitive patterns are in lower case.
	header = newShape("credential", `(?i)((?:Proxy-)?Authorization\\*["']?\s*(?:[:=]|,\s*(?:\\*["']value\\*["']\s*:)?)?\s*(?:\[\]string\{|\[)?b?\\*["']?(?:Bearer|Splunk|PRIVATE-TOKEN|Klaviyo-API-Key|Basic|Token|Negotiate|NTLM|OAuth|ApiKey|Api-Token|SSWS|GenieKey)\s+|\bBearer\s+|\bBasic\s+)([A-Za-z0-9._~+/=-]{8,})`, "bearer", "basic", "authorization")
	// A query parameter that is a signature or a token.
	query = newShape("credential", `(?i)([?&](?:X-Amz-Signature|X-Amz-Security-Token|Signature|sig|access_token|api_key|apikey|token|password)=)([^&\s"'<>\[]{6,})`,
		"signature=", "token=", "sig=", "key=", "password=")
	// The password in a data source name of Go's drivers: user:password@tcp(host).
	dataSource = newShape("password", `(\b[\w.-]+:)([^\s"']{3,}?)(@(?:tcp|unix)\()`, "@tcp(", "@unix(")
	// Fields that contain scripts or keys.
	fields = newShape("field with secrets", `(["'](?:UserData|userData|userDataOverride|CustomerGatewayConfiguration|SecretString|SecretBinary|PreSharedKey|KeyMaterial)["']\s*:\s*)("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\{\s*["'][^{}\n]*\s*\})`,
		"serData", "CustomerGatewayConfiguration", "SecretString", "SecretBinary", "PreSharedKey", "KeyMaterial")
)

// replaceInFields replaces the values of fields in which AWS's answers contain secrets. A value ends at the latest with the quotes around
// the whole: whoever writes such a field into a log must not hide other events.
func (c *counter) replaceInFields(text string) string {
	if !c.wants(fields) {
		return text
	}
	var b strings.Builder
	var around structure
	done := 0
	for _, found := range fields.pattern().FindAllStringSubmatchIndex(text, -1) {
		from, to := found[4], found[5]
		around.read(text, from)
		if end := around.firstClose(text, from, to); end >= 0 {
			if text[from] == '{' { // the name of another secret can be in it
				continue
			}
			to = end
		}
		around.skip(text, from, to)
		if to-from < minValue || isMarked(text[from:to]) {
			continue
		}
		b.WriteString(text[done:from])
		b.WriteString(`"` + c.mark(fields.kind, text[from:to]) + `"`)
		done = to
	}
	b.WriteString(text[done:])
	return b.String()
}

// replaceTokens replaces secrets that are recognized by their shape.
func (c *counter) replaceTokens(text string) string {
	if c.wants(privateKey) {
		text = c.replacePrivateKeys(c.replaceReversedKeys(text))
	}
	for _, t := range tokens {
		text = c.replaceInLines(t, text, func(g []string) string {
			if t == serviceToken && g[1] != "" && strings.ToLower(g[1]) == g[1] {
				return g[0]
			}
			return c.mark(t.kind, g[0])
		})
	}
	return text
}

const (
	maxPrivateKey = 64 << 10 // bytes of a private key, with what is between its lines
	minKeyLine    = 32       // bytes of its lines, except the last one
	minKeyEntropy = 4.6      // bits per byte of such a line; names have less
)

// replacePrivateKeys replaces private keys. If a key has no end, or if less than half of what is between its first and its last line
// are its lines, only these are replaced: whoever writes a first line into a log must not hide what follows.
func (c *counter) replacePrivateKeys(text string) string {
	var b strings.Builder
	done := 0
	starts := privateKey.pattern().FindAllStringIndex(text, -1)
	for i, start := range starts {
		from, body := start[0], start[1]
		b.WriteString(text[done:from])
		next := len(text)
		if i+1 < len(starts) {
			next = starts[i+1][0]
		}
		last := min(next, body+maxPrivateKey)
		end := endOfKey().FindStringIndex(text[body:last])
		if end != nil {
			last = body + end[0]
			next = last
		}
		rest := markOfLine().ReplaceAllString(text[body:last], "")
		if end != nil && 2*lengthOf(keyPart().FindAllString(rest, -1)) >= len(strings.TrimSpace(rest)) {
			done = body + end[1]
			b.WriteString(c.markOver(privateKey.kind, text[from:done]))
			continue
		}
		done = body
		if first := firstOfKey().FindStringIndex(text[body:next]); first != nil {
			done += first[1] // a key that is longer than any other is still one secret
			last = max(last, done)
		}
		b.WriteString(c.mark(privateKey.kind, text[from:done]))
		b.WriteString(c.replaceKeyLines(text[done:last]))
		done = last
	}
	b.WriteString(text[done:])
	return b.String()
}

// replaceReversedKeys replaces private keys whose last line is the first one, as in a list of log lines with the newest first.
func (c *counter) replaceReversedKeys(text string) string {
	var b strings.Builder
	done := 0
	markers := markerOfKey().FindAllStringIndex(text, -1)
	isFirst := func(i int) bool { return strings.HasPrefix(text[markers[i][0]:], keyStart) }
	for i := 0; i+1 < len(markers); i++ {
		last, first := markers[i], markers[i+1]
		if isFirst(i) || !isFirst(i+1) || first[0] > last[1]+maxPrivateKey {
			continue
		}
		if i > 0 && isFirst(i-1) && markers[i-1][0] >= done && hasKeyLine(text[markers[i-1][1]:last[0]]) { // of a key before it
			continue
		}
		body := text[last[1]:first[0]]
		length := lengthOf(keyPart().FindAllString(body, -1))
		if length < minKeyLine || strings.Contains(body, "-----") { // it is not the key's
			continue
		}
		b.WriteString(text[done:last[0]])
		if 2*length < len(strings.TrimSpace(body)) {
			done = first[0]
			b.WriteString(text[last[0]:last[1]] + c.replaceKeyLines(body))
			continue
		}
		next := min(len(text), first[1]+maxPrivateKey)
		if i+2 < len(markers) {
			next = min(next, markers[i+2][0])
		}
		done = first[1]
		if hasKeyLine(text[first[1]:next]) { // it can be the first line of another key
			done = first[0]
		}
		b.WriteString(c.markOver(privateKey.kind, text[last[0]:done]))
	}
	b.WriteString(text[done:])
	return b.String()
}

// replaceKeyLines replaces what looks like lines of a private key.
func (c *counter) replaceKeyLines(text string) string {
	return keyPart().ReplaceAllStringFunc(text, func(part string) string {
		if len(part) < minKeyLine || !isKeyLine(part) {
			return part
		}
		return c.mark(privateKey.kind, part)
	})
}

// hasKeyLine reports whether a text has what looks like a line of a private key, or what replaced one.
func hasKeyLine(text string) bool {
	return isMarked(text) || slices.ContainsFunc(keyPart().FindAllString(text, -1), isKeyLine)
}

// isKeyLine reports whether a match of keyPart looks like a line of a private key, which can be short.
func isKeyLine(part string) bool {
	return isMixed(part) && (isJumbled(strings.Map(alphanumeric, part)) || entropy(part) >= minKeyEntropy)
}

func lengthOf(parts []string) (n int) {
	for _, part := range parts {
		n += len(part)
	}
	return n
}

var (
	markerOfKey = lazy.Regexp(`-----(?:BEGIN|END) [A-Z ]*PRIVATE KEY(?: BLOCK)?-----`)
	endOfKey    = lazy.Regexp(`-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----`)
	// A line of a private key, or several of them. Line breaks and slashes can be escaped.
	keyPart = lazy.Regexp(`[A-Za-z0-9+/=\\]{20,}`)
	// What replaced a line that was known as a secret.
	markOfLine = lazy.Regexp(`\[redacted: [a-zA-Z ]+\]`)
	// The lines that follow the first one without other text. The last of them can be cut.
	firstOfKey = lazy.Regexp(`^(?:[\s"',|\\]*[A-Za-z0-9+/=\\]{20,})+(?:[\s\\]*[A-Za-z0-9+/=]*\z)?`)
)

// replaceByContext replaces secrets that are recognized by the text before them, such as in URLs and HTTP headers.
func (c *counter) replaceByContext(text string) string {
	if c.wants(urls) {
		text = c.replaceInURLs(text)
	}
	if c.wants(header) {
		text = c.replaceAll(header.pattern(), text, func(g []string) string {
			switch {
			case len(g[2]) < minCredential && !isShortCredential(g[1], g[2]):
				return g[0]
			case isAlone(g[1], "basic"):
				if !isLogin(g[2]) {
					return g[0]
				}
			case !looksCredential(g[2]) && (!strings.ContainsAny(g[1], ":=") || !looksEncoded(g[2])):
				return g[0]
			}
			return g[1] + c.mark(header.kind, g[2])
		})
	}
	if c.wants(query) {
		text = c.replaceGroup(query, text)
	}
	text = c.replaceInContexts(text)
	return c.replaceInLines(dataSource, text, func(g []string) string { return g[1] + c.mark(dataSource.kind, g[2]) + g[3] })
}

// wants reports whether the text contains a needle of the shape.
func (c *counter) wants(s *shape) bool { return c.wanted[s.number] }

// maxAuthority is the length in bytes of the part of a URL between :// and the path.
const maxAuthority = 1 << 10

// replaceInURLs replaces passwords in URLs, and user names that are tokens. Names of users are kept. In JSON of PHP, slashes have
// a backslash.
func (c *counter) replaceInURLs(text string) string {
	var b strings.Builder
	done, isEscaped := 0, strings.Contains(text, `:\`)
	for at, start := schemeEnd(text, 0, isEscaped); at >= 0 && !c.isLate(); {
		end := start
		for last := min(len(text), start+maxAuthority); end < last && !endsAuthority[text[end]]; {
			end++
		}
		if password, host := looseUserInfo(text, start, end); host > 0 {
			b.WriteString(text[done:password])
			b.WriteString(c.mark(urls.kind, text[password:host]))
			done, start, end = host, host, host
		}
		for from := start; at > 0 && (isLetter(text[at-1]) || isDigit(text[at-1])) && from < end; { // user:password@host,user:password@host
			to := from + loginEnd(text[from:end])
			next := to + 1
			if n := strings.LastIndexByte(text[from:to], '@'); n > 0 {
				to = from + n
				secret := strings.IndexByte(text[from:to], ':') + 1 + from
				user, password := text[from:max(from, secret-1)], text[secret:to]
				isToken := !looksPassword(password) && looksRandom(user) // token:x-oauth-basic
				if (isToken || secret > from && password != "" || secret == from && looksRandom(password)) && !reference().MatchString(password) {
					if isToken {
						secret = from
					}
					b.WriteString(text[done:secret])
					b.WriteString(c.mark(urls.kind, text[secret:to]))
					done = to
				}
			}
			from = next
		}
		at, start = schemeEnd(text, end, isEscaped)
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// schemeEnd returns where the next scheme of a URL ends at or after a position, and where the authority begins. colon is -1 if there
// is none. isEscaped: slashes can have backslashes.
func schemeEnd(text string, from int, isEscaped bool) (colon, authority int) {
	if isEscaped {
		if found := urls.pattern().FindStringIndex(text[from:]); found != nil {
			return from + found[0], from + found[1]
		}
	} else if n := strings.Index(text[from:], "://"); n >= 0 {
		return from + n, from + n + len("://")
	}
	return -1, 0
}

// loginEnd returns the end of the first login and host of a list of them. A password can have commas, unlike a port.
func loginEnd(list string) int {
	end := commaIn(list)
	colon, at := strings.IndexByte(list[:end], ':'), strings.IndexByte(list, '@')
	if colon < 0 || at < end || portLook().MatchString(list[colon+1:end]) && strings.Contains(list[end:at], ":") {
		return end
	}
	return at + commaIn(list[at:])
}

// commaIn returns the position of the first comma, or the length of the text.
func commaIn(text string) int {
	if n := strings.IndexByte(text, ','); n >= 0 {
		return n
	}
	return len(text)
}

// maxLoose is the length in bytes of a password in a URL that is not encoded as it should be.
const maxLoose = 80

// looseUserInfo returns where a password begins and ends that contains a slash, a quote, or one blank, which it should not in a
// URL whose authority begins and ends at two positions. host is 0 if there is none.
func looseUserInfo(text string, start, end int) (password, host int) {
	colon := strings.IndexByte(text[start:end], ':')
	if colon < 0 || end >= len(text) || text[end] == '\n' {
		return 0, 0
	}
	password = start + colon + 1
	rest := text[password:min(len(text), password+maxLoose)]
	sign := strings.LastIndexByte(text[start:end], '@') // in the password, or before a host
	at := strings.IndexByte(rest[min(len(rest), end-password):], '@') + end - password
	if at < end-password || isMarked(rest[:at]) {
		return 0, 0
	}
	value := rest[:at]
	if sign >= 0 && (sign < colon || strings.ContainsAny(text[start+sign:end], ".:") || !hasMixedPart(value) && !hasJumbledPart(value)) {
		return 0, 0
	}
	if strings.ContainsAny(value, "<>") && (strings.Contains(value, " ") || someTag().MatchString(value)) {
		return 0, 0
	}
	if strings.Contains(value, "\n") || strings.Contains(value, "://") || strings.Count(value, " ") > 1 || !hasLetterAndDigit(value) && !isIrregular(value) ||
		portLook().MatchString(value) && !hasMixedPart(value) && !hasJumbledPart(value) || !hostLook().MatchString(rest[at+1:]) {
		return 0, 0
	}
	return password, password + at
}

var (
	portLook = lazy.Regexp(`^[0-9]{1,5}(?:[/?#\s"'\\]|$)`)
	someTag  = lazy.Regexp(`</?[A-Za-z][\w:.-]*/?>`)
	hostLook = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9.-]*(?:[:/?\s"',;)\\]|$)`)
)

var endsAuthority = bytesOf("\t\n\f\r \"'<>/\\[]")

// isAlone reports whether the text before a credential is nothing but a scheme.
func isAlone(before, scheme string) bool { return strings.EqualFold(strings.TrimSpace(before), scheme) }

// isLogin reports whether a text is a user and a password in base64.
func isLogin(value string) bool {
	login, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "=.")) // a sentence can end with it
	return err == nil && bytes.IndexByte(login, ':') >= 0 && utf8.Valid(login) && bytes.IndexFunc(login, unicode.IsControl) < 0
}

// minCredential is the length in bytes from which a text after the scheme of an HTTP header can be a credential without other signs.
const minCredential = 12

// isShortCredential reports whether a shorter text is a credential: it looks like a password, and the name of the header is before it.
// In prose, as in "no authorization token orders_v2x", no operator is between the name and the scheme.
func isShortCredential(before, value string) bool {
	return strings.Contains(fold(before), "authorization") && strings.ContainsAny(before, ":=,") && looksPassword(strings.TrimRight(value, "."))
}

// looksCredential reports whether the text after the scheme of an HTTP header is a credential: "Bearer realm=x" and
// "Bearer authentication failed" contain none.
func looksCredential(value string) bool {
	return looksEncoded(value) && (hasDigit(value) || len(value) >= minUnnamed && strings.ToLower(value) != value)
}

// looksEncoded reports whether the text after the scheme of a header with credentials can be a credential.
func looksEncoded(value string) bool {
	return !isMarked(value) && !isHarmlessValue(value) && !isHarmlessValue(strings.TrimRight(value, "=")) && !challenge().MatchString(value)
}

var challenge = lazy.Regexp(`^[a-z_]+=(?:[^=]+|"[^=]*)$`)

// fold returns the text in lower case as case-insensitive patterns see it: they treat U+017F as an s.
func fold(text string) string {
	return strings.ReplaceAll(strings.ToLower(text), "\u017f", "s")
}

// replaceInLines applies a pattern, whose matches never span lines, to the lines that contain one of its needles.
func (c *counter) replaceInLines(s *shape, text string, replace func(groups []string) string) string {
	if !c.wants(s) {
		return text
	}
	return c.eachLine(text, s.needles, func(line string) string { return c.replaceAll(s.pattern(), line, replace) })
}

// eachLine replaces the lines of a text that contain one of the needles. If it is late, the other lines stay.
func (c *counter) eachLine(text string, needles []string, replace func(line string) string) string {
	var b strings.Builder
	done := 0
	next := make([]int, len(needles)) // where each needle occurs next; searching for all of them after each line would take too long
	for !c.isLate() {
		first := len(text)
		for i, needle := range needles {
			if next[i] < done || done == 0 {
				next[i] = len(text)
				if at := strings.Index(text[done:], needle); at >= 0 {
					next[i] = done + at
				}
			}
			first = min(first, next[i])
		}
		if first == len(text) {
			break
		}
		from := strings.LastIndexByte(text[:first], '\n') + 1
		to := lineEnd(text, first)
		b.WriteString(text[done:from])
		b.WriteString(replace(text[from:to]))
		done = to
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}
