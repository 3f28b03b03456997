package redact

import (
	"slices"
	"strings"
	"sync"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// sensitivity is how likely it is that the value of a name is a secret.
type sensitivity uint8

const (
	harmless  sensitivity = iota // the value is not a secret
	unsure                       // the value is a secret if it looks random: a session, a cookie, an unknown kind of key
	operation                    // the value is a secret if it looks like a password: the name is an operation of AWS, or SMTP_AUTH
	ambiguous                    // the value is a secret or the name of one: "secret" and "credentials" alone, or REDIS_AUTH
	likely                       // the value is a secret unless it is a word of prose: a token, a key
	certain                      // the value is a secret unless it is a known harmless word: a password
)

// Limits of names.
const (
	minName = 2  // bytes
	maxName = 64 // bytes; of a longer name, the end counts
)

// passwordWords are the last words of names of passwords, also in other languages.
var passwordWords = setOf("password", "passwd", "passphrase", "passcode", "pwd", "pw", "passwort", "kennwort", "senha",
	"contrasena", "wachtwoord", "motdepasse", "parola", "haslo", "heslo", "passord", "losenord")

// wordsWithPass end in "pass" but name no password.
var wordsWithPass = setOf("bypass", "compass", "encompass", "trespass", "surpass", "overpass", "underpass", "byepass")

// unsureWords are the last words of names whose values are sometimes secrets.
var unsureWords = setOf("auth", "authorization", "cookie", "sid", "sess", "session", "sessid", "phpsessid", "jsessionid", "csrf",
	"xsrf", "jwt", "dsn", "license", "licence", "hmac", "otp", "code", "assertion", "webhook", "login", "signature", "sig", "salt",
	"bearer", "pem", "keystore", "authentication", "sasl", "cred", "creds")

// cachesWithAuth and servicesWithAuth are words before "auth" in names of passwords: REDIS_AUTH. The value can also be a state and, of the
// others, a kind of login.
var (
	cachesWithAuth   = setOf("redis", "valkey", "memcached", "memcache", "elasticache", "sentinel")
	servicesWithAuth = setOf("cache", "db", "database", "smtp", "mqtt", "registry")
)

// additions are words at the end of a name that say nothing about its value, as in password_old.
var additions = setOf("value", "string", "text", "plain", "plaintext", "base", "binary", "hash", "old", "new", "current", "previous",
	"prev", "backup", "primary", "secondary", "prod", "production", "staging", "dev", "confirm", "confirmation", "repeat", "encrypted",
	"encoded", "base64", "b64", "data", "content", "default")

// harmlessTokens are words that make a token harmless: it continues a list, identifies a request, or is a
// token of a language.
var harmlessTokens = setOf("next", "forward", "backward", "continuation", "continue", "pagination", "paging", "client", "starting",
	"page", "request", "sequence", "sync", "resume", "change", "cancellation", "cancel", "lock", "task", "marker", "idempotency",
	"unexpected", "expected", "eof", "stop", "max", "min", "prompt", "input", "output", "completion", "total", "scroll", "creator",
	"dedup", "deduplication", "cursor", "operation", "invocation", "per", "parse", "syntax", "near", "bad", "snapshot", "checkpoint",
	"creation", "anomaly")

// secretKeys are words before "key" that name a secret key.
var secretKeys = setOf("api", "app", "secret", "access", "private", "auth", "master", "encryption", "encrypt", "decryption", "signing",
	"sign", "account", "shared", "session", "nwk", "stream", "license", "licence", "service", "admin", "deploy", "consumer",
	"subscription", "hmac", "aes", "merchant", "integration", "ingest", "ingestion", "write", "root", "client", "sas", "storage",
	"ssh", "s", "jwt", "webhook", "crypto", "cipher", "security", "instrumentation", "activation", "recovery", "server", "sdk",
	"registration", "host", "application", "xapi", "shared", "preshared", "rest", "secure", "token", "passwd", "password")

// harmlessKeys are words before "key" that name a key of data, or one that everybody may know.
var harmlessKeys = setOf("primary", "foreign", "partition", "sort", "hash", "range", "public", "cache", "object", "s3", "routing",
	"group", "grouping", "idempotency", "dedup", "deduplication", "tag", "shard", "row", "unique", "index", "item", "map", "issue",
	"project", "lookup", "binding", "message", "search", "duplicate", "parameter", "output", "option", "attribute", "metric", "kms",
	"field", "config", "missing", "unknown", "no", "publishable", "evaluated", "start", "composite", "natural", "bucket", "for")

// routedKeys are those words in harmlessKeys whose key is a secret if it looks random: the routing key of a pager.
var routedKeys = setOf("routing", "issue", "project", "no", "for", "start", "search", "config", "field", "missing", "unknown")

func setOf(words ...string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, word := range words {
		set[word] = true
	}
	return set
}

// classify returns how likely it is that the value of a name is a secret.
func classify(name string) sensitivity {
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	if _, any := hintsOfNames().find(name, true); len(name) < minName || !any {
		return harmless
	}
	if name == "Sid" { // of a statement in a policy of IAM
		return harmless
	}
	kind := classifyWords(wordsOf(name))
	if (kind == ambiguous || kind == likely) && operationName().MatchString(name) {
		return operation
	}
	return kind
}

// operationName matches the name of an operation of AWS, also as an IAM action or a method of boto3. Code lists answers, errors, and
// decisions by such names: {"GetSecretValue": "AccessDenied"}.
var operationName = lazy.Regexp(`^(?:[a-z0-9-]+:)?(?:(?:BatchGet|Get|List|Describe|Create|Delete|Put|Update|Rotate|Restore)[A-Z]|(?:batch_get|get|list|describe)_)`)

// classifyWords is classify for a name that was split into words.
func classifyWords(words []string) sensitivity {
	if n := len(words); n == 2 && words[0] == "token" && words[1] == "string" { // a word of a pattern that CloudWatch Logs found
		return unsure
	}
	if n := len(words); n > 1 && words[n-1] == "string" && (words[n-2] == "connection" || words[n-2] == "conn") {
		return likely
	}
	isAlone := len(words) == 1
	for len(words) > 1 && (additions[words[len(words)-1]] || isVersion(words[len(words)-1])) {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return harmless
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	switch {
	case isPasswordWord(last, len(before) > 0):
		return certain
	case last == "passwords":
		return certain
	case last == "tokens", last == "secrets", last == "keys":
		return unsure
	case last == "pass", last == "psk":
		return likely
	case strings.HasSuffix(last, "token"):
		return classifyToken(strings.TrimSuffix(last, "token"), before)
	case isAlone && (last == "secret" || last == "credentials"):
		return ambiguous
	case strings.HasSuffix(last, "secret"), last == "credential", last == "credentials":
		return likely
	case strings.HasSuffix(last, "key"):
		return classifyKey(strings.TrimSuffix(last, "key"), before)
	case last == "auth" && len(before) > 0 && cachesWithAuth[before[len(before)-1]]:
		return ambiguous
	case last == "auth" && len(before) > 0 && servicesWithAuth[before[len(before)-1]]:
		return operation
	case unsureWords[last], strings.HasSuffix(last, "auth") && len(last) <= 12:
		return unsure
	}
	return harmless
}

// isVersion reports whether a word is the number of a version, such as v2.
func isVersion(word string) bool { return len(word) > 1 && word[0] == 'v' && isNumber(word[1:]) }

// isPasswordWord reports whether the last word of a name names a password.
func isPasswordWord(word string, hasMore bool) bool {
	if passwordWords[word] {
		return true
	}
	for _, end := range []string{"password", "passwd", "passphrase", "passcode", "pwd", "passwort", "kennwort"} {
		if strings.HasSuffix(word, end) {
			return true
		}
	}
	if strings.HasSuffix(word, "pass") {
		return (hasMore || word != "pass") && !wordsWithPass[word]
	}
	return strings.HasSuffix(word, "pw") && len(word) > 3
}

func classifyToken(joined string, before []string) sensitivity {
	isOfAssembly := joined == "" && len(before) > 1 && before[len(before)-2] == "public" && before[len(before)-1] == "key" // of .NET
	if harmlessTokens[joined] || isOfAssembly {
		return harmless
	}
	for _, word := range before {
		if harmlessTokens[word] {
			return harmless
		}
	}
	return likely
}

func classifyKey(joined string, before []string) sensitivity {
	if joined == "" {
		if len(before) == 0 {
			return harmless
		}
		joined = before[len(before)-1]
	} else {
		for word := range secretKeys { // apikey, dbencryptionkey
			if joined == word || len(word) > 2 && strings.HasSuffix(joined, word) {
				return likely
			}
		}
		return harmless // monkey
	}
	switch {
	case joined == "ssh": // the name of a key pair
		return ambiguous
	case secretKeys[joined]:
		return likely
	case harmlessKeys[joined] && !routedKeys[joined]:
		return harmless
	}
	return unsure
}

// wordsOf splits a name into words in lower case: at separators, and where the case changes. Digits at the end
// of a word do not count, unless they follow one letter.
func wordsOf(name string) []string {
	var words []string
	start := 0
	add := func(end int) {
		if word := strings.TrimRight(strings.ToLower(name[start:end]), "0123456789"); len(word) == 1 { // S3
			words = append(words, strings.ToLower(name[start:end]))
		} else if word != "" {
			words = append(words, word)
		} else if end > start && start == 0 {
			words = append(words, strings.ToLower(name[start:end]))
		}
		start = end
	}
	for i := range len(name) {
		switch c := name[i]; {
		case strings.IndexByte("_-. /:", c) >= 0:
			add(i)
			start = i + 1
		case i > start && isUpper(c) && (!isUpper(name[i-1]) || i+1 < len(name) && isLower(name[i+1])):
			add(i)
		}
	}
	add(len(name))
	return words
}

func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return isUpper(c) || isLower(c) }

// nameHints are substrings in lower case. Every name that is not harmless contains one of them, so a quick search
// can rule out a name or a text.
var nameHints = []string{
	"pass", "pw", "secret", "key", "token", "string", "credential", "auth", "cookie", "sess", "sid", "csrf", "xsrf", "jwt", "dsn",
	"licen", "hmac", "otp", "code", "assertion", "webhook", "login", "sig", "salt", "psk", "bearer", "pem", "cred", "kennwort", "senha",
	"contrasena", "wachtwoord", "parola", "haslo", "heslo", "losenord", "sasl",
}

var hintsOfNames = sync.OnceValue(func() *wordIndex {
	index := newWordIndex()
	index.add(nameHints)
	return index
})

// isSecret reports whether a name indicates that its value is a secret.
func isSecret(name, value string) bool {
	return classify(name).matches(value) && !isDirectory(name, value)
}

// matches reports whether a value that is certainly assigned to a name of this sensitivity is a secret.
func (s sensitivity) matches(value string) bool {
	switch s {
	case harmless:
		return false
	case unsure:
		return looksRandom(value) && !isHarmlessValue(value)
	case operation:
		return looksPassword(value) && !isHarmlessValue(value)
	case ambiguous:
		return likely.matches(value) && !nameOfSecret().MatchString(value)
	}
	return len(value) >= minValue && !isHarmlessValue(value)
}

// nameOfSecret matches names such as prod/orders-db-2.
var nameOfSecret = lazy.Regexp(`^/?[a-z]+(?:[-/_.](?:[a-z]+[0-9]{0,2}|[0-9]{1,4}))+$`)

// minValue is the length in bytes of a value that can be a secret.
const minValue = 4

// harmlessValue matches values that are never secrets: nothing, placeholders, masks, references, and states.
var harmlessValue = lazy.Regexp(`^(?:` +
	`(?i:|true|false|none|null|nil|undefined|yes|no|on|off|~|-+|-?\d{1,5}|` +
	`\*+|x{3,}|\.{3,}|(?:second|minute|hour|day)s|` +
	`not[ _-](?:found|set|valid|present|available|configured|provided|required|supported|allowed|applicable)|` +
	`\[?(?:hidden|hidden_due_to_security_reasons|secure|masked|filtered|redacted|sensitive|omitted)\]?\.?|\[redacted.*|\([A-Za-z .,'*…-]*\)?|\(\d{1,5}\)|\([\w .,'-]* [\w .,'-]*\)?|\([^()]* [^()]*\)|` +
	`[$#]\{[^}]*\}?|\$\([^)]*\)?|\$[a-z_]+|%[a-z]+%|%\(?\w*\)?[sdv]|\{\{.*|\{\w*\}|` +
	`(?:sha[0-9]+|md5)[:-].*|arn:aws.*|alias/.*|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?:/.*)?)|` +
	`\$[A-Z_][A-Z0-9_]*|` +
	`[A-Za-z][A-Za-z0-9_.$]*(?:Exception|Error|Exceptions|Errors|Failure|Timeout):?|` +
	`[A-Z]+(?:_[A-Z]+)*_(?:COMPLETE|FAILED|IN_PROGRESS|SKIPPED|REQUIRED|TYPE|PLAINTEXT|MANAGER|STORE)|` +
	`[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?|` + // when a secret changed
	`[a-z0-9-]+:(?:Get|List|Describe|Create|Delete|Put|Update|Batch)(?:[A-Z][A-Za-z]*|V[0-9]|E[Cc]2|S3|Ipv[46]|O[Aa]uth2|Route53)+|` + // actions in a policy
	`[A-Z0-9_-]*PSK[A-Z0-9_-]*|psk_(?:dhe_)?ke|` + // modes and ciphers with a pre-shared key
	`/?[a-z][a-z_-]*(?:/[a-z0-9_.-]*[a-z_.-])+)$`)

// harmlessWords are values that report a state. They are in lower case.
var harmlessWords = setOf("not", "is", "was", "and", "for", "the", "in", "of", "to", "has", "with", "invalid", "expired", "missing",
	"required", "incorrect", "wrong", "failed", "denied", "error", "ok", "valid", "present", "absent", "unset", "set", "empty",
	"loaded", "refreshed", "revoked", "enabled", "disabled", "skipped", "passed", "optional", "default", "mandatory", "string",
	"unknown", "unauthorized", "forbidden", "success", "successful", "failure", "changed", "updated", "created", "deleted", "reset",
	"pending", "active", "inactive", "plaintext", "plain", "encrypted", "never", "always", "auto", "bearer", "basic", "digest",
	"password", "token", "secret", "credentials", "apikey", "passwords", "tokens", "secrets", "value", "file", "text",
	"found", "unavailable", "rejected", "accepted", "renewed", "rotated",
	"your-token", "your-password", "chauthtok", // of PAM, as in (passwd:chauthtok)
	"n/a", "supported", "unsupported", "allowed", "object", "array", "integer", "boolean")

func isHarmlessValue(value string) bool {
	if strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">") {
		return !looksRandom(value[1 : len(value)-1])
	}
	if strings.ContainsAny(value, "_.") && isPath(value) && classify(value) != harmless { // the name of a variable
		return true
	}
	return harmlessWords[strings.ToLower(strings.TrimRight(value, ".:!"))] || harmlessValue().MatchString(value)
}

// looksRandom reports whether a value looks like a key: it is long, has letters and digits, and no words.
func looksRandom(value string) bool {
	if len(value) < minUnnamed || len(value) > maxQuoted || !hasLetterAndDigit(value) || !keyLook().MatchString(value) || isUUID(value) {
		return false
	}
	if strings.Contains(strings.TrimRight(value, "="), "=") || isCompound(value) || isPhrase(value) || filePath().MatchString(value) { // a name and a value, as in a header of cookies
		return false
	}
	return (hexLook().MatchString(value) || !nameLook().MatchString(value) || isKeyWithHyphens(value)) && entropy(value) > 3
}

// isKeyWithHyphens reports whether a value is a key in base64 of URLs, which can have hyphens as names do. Names have words, and those that
// services generate also have a hash, the parts of a UUID, or a random part at their end.
func isKeyWithHyphens(value string) bool {
	if !isMixed(value) || !hyphenated().MatchString(value) || wordInName().MatchString(value) {
		return false
	}
	parts, least := strings.Split(value, "-"), 7
	if last := len(parts) - 1; len(parts[last]) == 12 || len(parts[last]) == 13 { // of CloudFormation
		parts, least = parts[:last], 8
	}
	return slices.ContainsFunc(parts, func(part string) bool {
		return len(part) >= least && (!compoundPart().MatchString(part) || isJumbled(part)) && !hashInName().MatchString(part)
	})
}

var (
	hyphenated = lazy.Regexp(`^[A-Za-z0-9-]+$`)
	wordInName = lazy.Regexp(`[a-z]{5}`)
	hashInName = lazy.Regexp(`^(?:[0-9a-f]+|[A-Za-z0-9]*[0-9A-F]{8})$`)
)

// filePath matches the path of a file, as in the keys of a bucket. Base64 has no dots.
var filePath = lazy.Regexp(`^[\w./=-]*/[\w.-]*\.[a-z][a-z0-9]{1,6}$`)

// minPhraseWord is the average number of lower-case letters of the words in a phrase. Those of a random text have about one.
const minPhraseWord = 3

// isPhrase reports whether a value consists of words that begin with a capital and at most one number, as codes of errors do:
// Ec2LaunchTemplateNotFound.
func isPhrase(value string) bool {
	lower := 0
	for i := range len(value) {
		if isLower(value[i]) {
			lower++
		} else if !isUpper(value[i]) && !isDigit(value[i]) {
			return false
		}
	}
	words := len(wordsOf(value))
	return words > 1 && lower >= minPhraseWord*words && numbersIn(value) <= 1
}

// isCompound reports whether a value consists of words and numbers, as codes of errors, keys of objects, and times do.
func isCompound(value string) bool {
	if !strings.ContainsAny(value, compoundSigns) {
		return false
	}
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(compoundSigns, r) }) {
		if !compoundPart().MatchString(part) || isJumbled(part) {
			return false
		}
	}
	return true
}

const compoundSigns = "_-./:#"

// compoundPart matches a word or a number, such as orders, ERR, HTTP2, 3DS2, 00042, or 20261126T221700Z.
var compoundPart = lazy.Regexp(`^(?:[0-9]{0,2}[A-Za-z]+[0-9]{0,6}|[0-9]+[A-Za-z]{0,2}|[0-9]{8}T[0-9]{4,6}Z?)$`)

func hasLetterAndDigit(value string) bool {
	letter, digit := false, false
	for i := range len(value) {
		letter, digit = letter || isLetter(value[i]), digit || isDigit(value[i])
	}
	return letter && digit
}

// isUUID reports whether a value has the form of a UUID.
func isUUID(value string) bool { return len(value) == 36 && uuidLook().MatchString(value) }

var (
	keyLook  = lazy.Regexp(`^[A-Za-z0-9+/=_.~:%!@#$^&*|-]+$`)
	hexLook  = lazy.Regexp(`^(?:[0-9a-f]{32,}|[0-9A-F]{32,})$`)
	uuidLook = lazy.Regexp(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
)

// looksPassword reports whether a word of prose or of a table looks like a password or a key: it has letters and
// digits in an order that names and numbers do not have.
func looksPassword(word string) bool {
	isPadded := strings.HasSuffix(word, "=") && len(word)%4 == 0 && base64Look().MatchString(word) // as openssl rand -base64 prints it
	if isPadded {
		word = strings.TrimRight(word, "=")
	}
	if len(word) < minSecret || !hasLetterAndDigit(word) || strings.ContainsAny(word, `\():,<>[]{}"'`) {
		return false
	}
	if strings.Contains(word, "/") {
		return isEncodedKey(word) || isPadded && isMixed(word)
	}
	if isJumbled(word) {
		return true
	}
	if nameLook().MatchString(word) && !hexLook().MatchString(word) || quantity().MatchString(word) {
		return isUUID(word)
	}
	upper, lower, other := false, false, false
	for i := range len(word) {
		c := word[i]
		upper, lower = upper || isUpper(c), lower || isLower(c)
		other = other || !isLetter(c) && !isDigit(c)
	}
	return (upper && lower || other || len(word) >= minUnnamed || numbersIn(word) > 2) && entropy(word) > 2.2
}

// isEncodedKey reports whether a word with slashes is a key in base64 and no path, whose words are longer.
func isEncodedKey(word string) bool {
	return len(word) >= minUnnamed && base64Look().MatchString(word) && isJumbled(strings.Map(alphanumeric, word))
}

func alphanumeric(r rune) rune {
	if strings.ContainsRune(`+/=\`, r) {
		return -1
	}
	return r
}

var base64Look = lazy.Regexp(`^[A-Za-z0-9+/]+={0,2}$`)

// isJumbled reports whether the case of letters changes so often that a word is no name.
func isJumbled(word string) bool {
	letters := 0
	for i := range len(word) {
		if isLetter(word[i]) {
			letters++
		} else if !isDigit(word[i]) {
			return false
		}
	}
	return letters >= minSecret && letters <= 3*len(wordsOf(word))
}

// quantity matches numbers with units, dates, versions, IP addresses, files, and names in capitals.
var quantity = lazy.Regexp(`^(?:v?[0-9]+[0-9._:TZ+-]*[A-Za-z%]{0,4}|[a-z]+-[0-9a-f]{8,17}|.*=.*|.*\.(?:[a-z]{2,5})|` +
	`[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)$`)
