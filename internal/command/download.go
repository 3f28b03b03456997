package command

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Options of curl and wget, by what their value does.
const (
	switchOption   = iota + 1 // no value
	insecureSwitch            // no value, checks no certificate
	plainValue                // a value without effect
	headerValue               // a value that may name a file with @, or write one with %output
	sentValue                 // the request changes something
	sentFile                  // the request sends a file
	writtenFile               // the value is the name of a file, or - for the output
	writesSwitch              // no value, writes a file
	methodValue               // the method of the request
	addressValue              // an address
)

var curlOptions = optionKinds(map[int]string{
	switchOption: "-s -S -f -i -I -L -v -g -G -4 -6 -# -N --silent --show-error --fail --fail-with-body --include --head --location --verbose --globoff --get " +
		"--ipv4 --ipv6 --progress-bar --no-progress-meter --no-buffer --compressed --http1.1 --http2",
	insecureSwitch: "-k --insecure",
	plainValue:     "-m -A -r --max-time --connect-timeout --retry --retry-delay --user-agent --range",
	headerValue:    "-H -w --header --write-out",
	sentValue:      "-d -F --data --data-raw --data-binary --data-ascii --data-urlencode --form --form-string --json",
	sentFile:       "-T --upload-file",
	writtenFile:    "-o -D -c --output --dump-header --cookie-jar --trace --trace-ascii --libcurl --stderr --etag-save --hsts --alt-svc",
	writesSwitch:   "-O -J --remote-name --remote-header-name --remote-name-all",
	methodValue:    "-X --request",
	addressValue:   "--url",
})

var wgetOptions = optionKinds(map[int]string{
	switchOption:   "-q -S -nv --quiet --no-verbose --server-response --spider",
	insecureSwitch: "--no-check-certificate",
	plainValue:     "-T -t --timeout --tries --user-agent",
	headerValue:    "--header",
	sentValue:      "--post-data --body-data",
	sentFile:       "--post-file --body-file",
	writtenFile:    "-O -o --output-document --output-file",
	methodValue:    "--method",
})

func optionKinds(groups map[int]string) map[string]int {
	kinds := map[string]int{}
	for kind, names := range groups {
		for _, name := range strings.Fields(names) {
			kinds[name] = kind
		}
	}
	return kinds
}

// downloadEffect states what curl or wget does. Options that are not listed are not understood.
func downloadEffect(program string, args []word) Effect {
	kinds, effect, saved := curlOptions, Effect(0), Effect(0)
	if program == "wget" {
		kinds, saved = wgetOptions, WritesFile
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !arg.constant {
			effect |= NotUnderstood // the address may send what a variable contains
		}
		if notSaved.MatchString(arg.text) {
			saved = 0
		}
		next := func() string {
			if i++; i < len(args) {
				if !args[i].constant {
					effect |= NotUnderstood
				}
				return args[i].text
			}
			effect |= NotUnderstood
			return ""
		}
		name, value, hasValue := strings.Cut(arg.text, "=")
		switch {
		case len(arg.text) < 2 || arg.text[0] != '-':
			effect |= addressEffect(arg.text)
		case strings.HasPrefix(arg.text, "--") || kinds[arg.text] != 0:
			kind := kinds[name]
			if !isSwitchKind(kind) && !hasValue {
				value = next()
			}
			effect |= optionEffect(kind, value)
		default:
			effect |= groupEffect(kinds, arg.text[1:], next)
		}
	}
	return effect | saved
}

// notSaved matches options of wget with which it does not choose the name of a file.
var notSaved = regexp.MustCompile(`^(?:-[qSnv]*O|--output-document(?:=|$)|--spider$)`)

// groupEffect states what a group of short options does, such as -sSLo FILE. The first one with a value has the rest of
// the group, or the next word.
func groupEffect(kinds map[string]int, group string, next func() string) Effect {
	effect := Effect(0)
	for i := range len(group) {
		kind := kinds["-"+group[i:i+1]]
		if isSwitchKind(kind) {
			effect |= optionEffect(kind, "")
			continue
		}
		value := group[i+1:]
		if value == "" {
			value = next()
		}
		return effect | optionEffect(kind, value)
	}
	return effect
}

// isSwitchKind reports whether an option has no value, or is not known.
func isSwitchKind(kind int) bool {
	return kind == 0 || kind == switchOption || kind == insecureSwitch || kind == writesSwitch
}

func optionEffect(kind int, value string) Effect {
	switch kind {
	case insecureSwitch:
		return OtherEndpoint
	case switchOption, plainValue:
		return 0
	case headerValue:
		effect := Effect(0)
		if strings.HasPrefix(value, "@") {
			effect |= ReadsFile
		}
		if strings.Contains(value, "%output") {
			effect |= WritesFile
		}
		return effect
	case sentValue:
		if strings.Contains(value, "@") || strings.Contains(value, "=<") {
			return ChangesState | ReadsFile
		}
		return ChangesState
	case sentFile:
		return ChangesState | ReadsFile
	case writtenFile:
		switch value {
		case "-", "/dev/null", "/dev/stdout", "/dev/stderr":
			return 0
		}
		return WritesFile
	case writesSwitch:
		return WritesFile
	case methodValue:
		switch strings.ToUpper(value) {
		case "GET", "HEAD", "OPTIONS":
			return 0
		case "DELETE":
			return Deletes | ChangesState
		}
		return ChangesState
	case addressValue:
		return addressEffect(value)
	}
	return NotUnderstood
}

var (
	schemeOfAddress = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):[/\\]+`)
	plainHost       = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	numericHost     = regexp.MustCompile(`^(?:0[xX][0-9A-Fa-f]*|[0-9]+)$`)
	metadataName    = regexp.MustCompile(`(?i)^(?:instance-data(?:\..*)?|metadata(?:\..*)?)$`)
)

// addressEffect states what a request to an address does. The metadata of an instance or a task contain credentials.
func addressEffect(address string) Effect {
	scheme := schemeOfAddress.FindStringSubmatch(address)
	if scheme != nil {
		address = address[len(scheme[0]):]
		switch strings.ToLower(scheme[1]) {
		case "http", "https":
		case "file":
			return ReadsFile
		default:
			return NotUnderstood
		}
	}
	host := address
	if end := strings.IndexAny(host, `/?#\`); end >= 0 {
		host = host[:end]
	}
	effect := secretSourceEffect(address)
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host, effect = host[at+1:], effect|NotUnderstood
	}
	if strings.ContainsAny(address, "{}[]") && !strings.HasPrefix(host, "[") {
		effect |= NotUnderstood // curl makes several addresses of it
	}
	if strings.HasPrefix(host, "[") {
		inner, _, closed := strings.Cut(host[1:], "]")
		ip, err := netip.ParseAddr(strings.ReplaceAll(inner, "%25", "%"))
		if err != nil || !closed {
			return effect | NotUnderstood
		}
		return effect | ipEffect(ip)
	}
	host, _, _ = strings.Cut(host, ":")
	host = strings.TrimRight(host, ".")
	labels := strings.Split(host, ".")
	switch {
	case !plainHost.MatchString(host):
		return effect | NotUnderstood
	case metadataName.MatchString(host):
		return effect | ShowsSecrets
	case numericHost.MatchString(labels[len(labels)-1]):
		ip, ok := numericAddress(labels)
		if !ok {
			return effect | NotUnderstood
		}
		return effect | ipEffect(ip)
	}
	return effect
}

// numericAddress reads an address as inet_aton does: each number may be decimal, octal, or hexadecimal, and the last one
// fills the rest.
func numericAddress(labels []string) (netip.Addr, bool) {
	if len(labels) > 4 {
		return netip.Addr{}, false
	}
	value := uint64(0)
	for i, label := range labels {
		number, err := strconv.ParseUint(label, 0, 64)
		if label != "0" && err != nil || strings.Contains(label, "_") {
			return netip.Addr{}, false
		}
		bits := 8
		if i == len(labels)-1 {
			bits = 8 * (5 - len(labels))
		}
		if number >= 1<<bits {
			return netip.Addr{}, false
		}
		value = value<<bits | number
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// metadataNetworks are the addresses of the metadata of instances and tasks.
var metadataNetworks = []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fe80::/10")}

// embedding are prefixes of IPv6 addresses whose last 4 bytes are an IPv4 address.
var embedding = []netip.Prefix{netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::ffff:0:0:0/96")}

func ipEffect(ip netip.Addr) Effect {
	ip = ip.WithZone("").Unmap()
	for _, prefix := range embedding {
		if ip.Is6() && prefix.Contains(ip) {
			all := ip.As16()
			ip = netip.AddrFrom4([4]byte(all[12:]))
			break
		}
	}
	for _, network := range metadataNetworks {
		if network.Contains(ip) {
			return ShowsSecrets
		}
	}
	return 0
}

// secretSource matches common spellings of the addresses of metadata anywhere in a text, and the file with the environment of a process.
var secretSource = regexp.MustCompile(`(?i)169[.-]254[.-]|fd00:0?ec2:|\binstance-data\b|0xa9fe|\b2852039166\b|/latest/meta-data|security-credentials|` +
	`/proc/[^\s/]+/(?:task/[^\s/]+/)?environ\b`)

// secretSourceWords are parts of them. A search for them is faster than that of the expression, which needs one of them.
var secretSourceWords = []string{"169", "fd00:", "instance-data", "0xa9fe", "2852039166", "meta-data", "security-credentials", "/environ"}

// secretSourceEffect states that a text contains an address of metadata or such a file, whichever program receives it.
func secretSourceEffect(text string) Effect {
	lower := strings.ToLower(strings.ReplaceAll(text, "ſ", "s")) // which the expression takes for an s
	if slices.ContainsFunc(secretSourceWords, func(word string) bool { return strings.Contains(lower, word) }) && secretSource.MatchString(text) {
		return ShowsSecrets
	}
	return 0
}
