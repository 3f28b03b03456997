package provenance

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
)

// word is a unit of comparison: a run of letters and digits with the marks that join them in names and
// numbers, such as orders-role, 10.0.0.12, -97.3, or 10,500. A point in time is one word, however it is written. A
// comparison, such as >=, is a word, and so is every other visible character outside ASCII, such as ≠ or ½.
type word struct {
	from, to int    // in the normal text
	text     string // canonical: equal for equal numbers and times
}

// written returns a word as the normal text has it, if it is a number, or else in its canonical form.
func (w word) written(plain string) string {
	if w.from < w.to && w.to <= len(plain) && isNumber(w.text) && isNumber(plain[w.from:w.to]) {
		return plain[w.from:w.to]
	}
	return w.text
}

// isNumber reports whether a word begins like a number.
func isNumber(word string) bool {
	if word[0] == '-' || word[0] == '.' {
		return len(word) > 1
	}
	return isDigit(word[0])
}

// javaNumber matches a number with an exponent as Java writes it. Services of AWS write numbers so, also in texts.
var javaNumber = lazy.Regexp(`^-?[0-9]\.[0-9]+E-?[0-9]+$`)

// Seconds and milliseconds since 1970 that can be times: 2008 to 2039.
const (
	minEpoch = 1_200_000_000
	maxEpoch = 2_200_000_000
)

// eachWord calls yield for each word of a normal text, until yield returns false.
func eachWord(text string, yield func(word) bool) {
	for i := 0; i < len(text); {
		c := text[i]
		if c == '<' || c == '>' || c == '!' || c == '~' || c == '/' {
			end := i + 1
			for end < len(text) && (text[end] == '=' || text[end] == '<' || text[end] == '>') {
				end++
			}
			if isComparison(text, i, end) && !yield(word{i, end, text[i:end]}) {
				return
			}
			i = end
			continue
		}
		isSign := beginsNumber(text, i)
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if !isSign && c < utf8.RuneSelf && !isASCIIWord(c) {
			i += size
			continue
		}
		if isDigit(c) {
			if end, canonical := timeAt(text, i); end > 0 {
				if !yield(word{i, end, canonical}) {
					return
				}
				i = end
				continue
			}
		}
		if c >= utf8.RuneSelf && (isSolitary(r) || !isWordRune(r)) {
			if !yield(word{i, i + size, text[i : i+size]}) {
				return
			}
			i += size
			continue
		}
		end := wordEnd(text, i+size)
		w := word{i, end, text[i:end]}
		if at := strings.TrimPrefix(w.text, "datetime."); at == "datetime" && end < len(text) && text[end] == '(' {
			if to, canonical := datetimeAt(text, end); to > 0 {
				w.to, w.text = to, canonical
				if !yield(w) {
					return
				}
				i = to
				continue
			}
		}
		if w.text = canonical(w.text); !yield(w) {
			return
		}
		i = end
	}
}

// negations are words that negate what follows, in languages of logs. Others, such as Japanese, negate with an ending.
var negations = map[string]bool{"not": true, "no": true, "never": true, "cannot": true, "without": true, "nor": true, "neither": true,
	"nicht": true, "kein": true, "keine": true, "keinen": true, "nie": true, "ohne": true, "pas": true, "jamais": true, "sans": true,
	"nunca": true, "sin": true, "non": true, "senza": true, "não": true, "sem": true, "niet": true, "geen": true, "zonder": true,
	"不": true, "未": true, "没": true, "无": true, "無": true}

// negates reports whether a word of a normal text negates the one that begins at a position. The t of isn't does, too.
func negates(plain string, w word, next int) bool {
	if strings.Trim(plain[w.to:next], opening+" ") != "" {
		return false
	}
	if w.text == "t" {
		return w.from > 1 && plain[w.from-2:w.from] == "n'"
	}
	if len(w.text) > len("without") || !negations[strings.ToLower(w.text)] {
		return false
	}
	isValue := w.from > 0 && plain[w.from-1] == '=' && beginsField().MatchString(plain[next:]) // cached=no status=late
	return !isValue
}

var beginsField = lazy.Regexp(`^[A-Za-z_][\w.-]*=`)

// redactedWord is the word of a redacted secret in an output.
const redactedWord = "\x00redacted"

// eachOutputWord is [eachWord] for an output, in which secrets were redacted. isMark reports whether a part that looks
// like the mark of a redacted secret is one.
func eachOutputWord(text string, isMark func(from, to int) bool, yield func(word) bool) {
	at, goesOn := 0, true
	for _, mark := range append(redacted().FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		if mark[0] < mark[1] && !isMark(mark[0], mark[1]) {
			continue
		}
		eachWord(text[at:mark[0]], func(w word) bool {
			goesOn = yield(word{at + w.from, at + w.to, w.text})
			return goesOn
		})
		if !goesOn || mark[0] < mark[1] && !yield(word{mark[0], mark[1], redactedWord}) {
			return
		}
		at = mark[1]
	}
}

// eachMarkedWord is [eachWord] for a text of an answer in which secrets were redacted in the same way.
func eachMarkedWord(text string, yield func(word) bool) {
	eachOutputWord(text, func(int, int) bool { return true }, yield)
}

// isComparison reports whether text[from:end] compares two values, or negates the word after it. Arrows and tags do not.
func isComparison(text string, from, end int) bool {
	sign, before, after := text[from:end], byte(' '), byte(' ')
	if from > 0 {
		before = text[from-1]
	}
	if end < len(text) {
		after = text[end]
	}
	switch {
	case sign == "!":
		next := strings.TrimLeft(text[end:min(len(text), end+maxOpening)], opening)
		return next != "" && (next[0] >= utf8.RuneSelf || isASCIIWord(next[0])) && before < utf8.RuneSelf && !isASCIIWord(before)
	case sign[0] == '~' || sign[0] == '/': // ~= and /=, but not the end of an address
		return sign[1:] == "=" && (before == ' ' || before == '=')
	case sign[0] == '>' && (before == '-' || before == '='), sign[0] == '<' && after == '/':
		return false
	case after == '-' && !beginsNumber(text, end):
		return false
	}
	if len(sign) == 1 && before == ' ' && end < len(text) { // >"5", > $5
		next := strings.TrimLeft(text[end:min(len(text), end+maxOpening)], opening+"$~#+")
		if next != "" && isDigit(next[0]) {
			return true
		}
	}
	return len(sign) == 2 || strings.Contains(sign, "=") || len(sign) == 1 && (after == ' ' && end < len(text) || after == '-' || isDigit(after))
}

const (
	opening    = "\"'`([{" // between a comparison or a negation and what it is about
	maxOpening = 8
)

// beginsNumber reports whether a sign or a decimal point begins a number.
func beginsNumber(text string, i int) bool {
	if text[i] != '-' && text[i] != '.' || i > 0 && (isASCIIWord(text[i-1]) || text[i] == '.' && text[i-1] == '.') {
		return false
	}
	next := i + 1
	if text[i] == '-' && next < len(text) && text[next] == '.' {
		next++
	}
	return next < len(text) && isDigit(text[next])
}

// wordEnd returns the end of the word that has at least one character before i.
func wordEnd(text string, i int) int {
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			if isASCIIWord(c) {
				i++
				continue
			}
			if joinsDigits(text, i) || c == '+' && joinsExponent(text, i) {
				i++
				continue
			}
			if (c == '-' || c == '.' || c == '@') && i+1 < len(text) {
				next, _ := utf8.DecodeRuneInString(text[i+1:])
				if isWordRune(next) && !isSolitary(next) {
					i++
					continue
				}
			}
			return i
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if !isWordRune(r) || isSolitary(r) {
			return i
		}
		i += size
	}
	return i
}

// joinsDigits reports whether a character makes one number of the digits on both sides: 10,500 or 10^6.
func joinsDigits(text string, i int) bool {
	return i > 0 && i+1 < len(text) && strings.IndexByte(",'^*", text[i]) >= 0 &&
		(isDigit(text[i-1]) || text[i-1] == '*') && (isDigit(text[i+1]) || text[i] == '*' && text[i+1] == '*') &&
		!(text[i] == ',' && (endsName(text[:i], text[i+1:]) || beginsDate(text[i+1:])))
}

// endsName reports whether the digits at the end of a text belong to a name or an ID, such as i-0abc1 or us-east-1. Those directly
// after letters can be a number, as in USD10,500, EUR1.234,56, or 错误10,500. after is the text after the comma.
func endsName(text, after string) bool {
	begin := len(text)
	for begin > max(0, len(text)-maxName) && (isASCIIWord(text[begin-1]) || isJoint(text, begin-1)) {
		begin--
	}
	name := strings.TrimRight(text[begin:], "0123456789")
	if strings.HasSuffix(name, ".") && len(text)-begin-len(name) == len("234") {
		return false
	}
	letters := strings.TrimRight(name, "-.")
	if hasMore := strings.ContainsAny(letters, "0123456789-."); hasMore || letters == "" {
		return hasMore && strings.ContainsFunc(letters, unicode.IsLetter)
	}
	return name != letters && len(after)-len(strings.TrimLeft(after, "0123456789")) != len("500")
}

// isJoint reports whether the character at a position joins it with a letter or a digit before it.
func isJoint(text string, i int) bool {
	return (text[i] == '-' || text[i] == '.') && i > 0 && isASCIIWord(text[i-1])
}

// beginsDate reports whether a text begins with a date. After a comma, it is the next value in a line of CSV.
func beginsDate(text string) bool {
	return len(text) >= len("2026-01-15") && text[4] == '-' && text[7] == '-' && digits(text, 0, 4) >= 0 && digits(text, 5, 2) >= 0 &&
		digits(text, 8, 2) >= 0 && (len(text) == len("2026-01-15") || !isASCIIWord(text[len("2026-01-15")]))
}

// joinsExponent reports whether a plus sign is between a number and its exponent, as in 1.5e+19.
func joinsExponent(text string, i int) bool {
	return i > 1 && i+1 < len(text) && (text[i-1] == 'e' || text[i-1] == 'E') && isDigit(text[i-2]) && isDigit(text[i+1])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isASCIIWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_'
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return isASCIIWord(byte(r))
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// isSolitary reports whether a character belongs to a script that does not separate words: each character is
// a word.
func isSolitary(r rune) bool {
	return r >= 0x0e00 && (r <= 0x0eff || r >= 0x1000 && r <= 0x109f || r >= 0x1780 && r <= 0x17ff ||
		r >= 0x3040 && r <= 0x30ff || r >= 0x3400 && r <= 0x9fff || r >= 0xf900 && r <= 0xfaff || r >= 0x20000)
}

// canonical returns the form of a word that equal numbers, times, and constants share.
func canonical(text string) string {
	switch text {
	case "True":
		return "true"
	case "False":
		return "false"
	case "None":
		return "null"
	}
	if c := text[0]; !isDigit(c) && c != '-' && c != '.' || len(text) > 40 {
		return text
	}
	isWhole := true
	for i := range len(text) {
		c := text[i]
		if !isDigit(c) && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return text
		}
		isWhole = isWhole && (isDigit(c) || i == 0 && c == '-')
	}
	if isWhole {
		return text
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 1 && text[0] == '0' && text[1] != '.' && number != 0 {
		return text // such as a version, an address, or an account's number with a leading zero
	}
	return numberWord(number, text)
}

// numberWord returns the word of a number. written is how it was written.
func numberWord(number float64, written string) string {
	switch {
	case math.Abs(number) >= 1<<53:
		return strings.ToLower(strings.Replace(written, "+", "", 1)) // more digits than a float can hold
	case number == math.Trunc(number):
		return strconv.FormatInt(int64(number), 10)
	}
	return strconv.FormatFloat(number, 'g', -1, 64)
}

// The beginnings of the words of times: no text has the character with which they begin.
const (
	timePrefix   = "\x00T"
	minutePrefix = "\x00M"
	clockPrefix  = "\x00C"
)

func timeWord(seconds int64) string { return timePrefix + strconv.FormatInt(seconds, 10) }

// timeName matches the name of a field whose numbers can be times.
var timeName = lazy.Regexp(`(?i:time|date|stamp|created|modified|expir|seen|start(ed)?$|end(ed)?$|stopped$|^ts$|accessed$|completed$|published$|triggered$)|` +
	`(A|_a)t$|(On|Since|Until|After|Before|Change|ValidTo)$`)

// millisOf returns the milliseconds since 1970 for which a number can stand, and whether it can be a time.
func millisOf(number string) (int64, bool) {
	if len(number) < len("1200000000") || !isDigit(number[0]) {
		return 0, false
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false
	}
	if value < maxEpoch {
		value *= 1000
	}
	return int64(math.Round(value)), value >= minEpoch*1000 && value < maxEpoch*1000
}

// times has the words of an output that are times, by their precision.
type times struct {
	seconds map[int64]int32 // by seconds since 1970: the id
	minutes map[int64]int32 // by minutes since 1970: of times without seconds
	clocks  map[int64]int32 // by seconds of the day: of times without a date
	numbers map[int64]int32 // by milliseconds since 1970: of numbers
}

func newTimes() times {
	return times{seconds: map[int64]int32{}, minutes: map[int64]int32{}, clocks: map[int64]int32{}, numbers: map[int64]int32{}}
}

// add adds a word of the output.
func (t *times) add(text string, id int32) {
	if at, isTime := millisOf(text); isTime {
		t.numbers[at] = id
		return
	}
	for prefix, list := range map[string]map[int64]int32{timePrefix: t.seconds, minutePrefix: t.minutes, clockPrefix: t.clocks} {
		if number, ok := strings.CutPrefix(text, prefix); ok {
			value, _ := strconv.ParseInt(number, 10, 64)
			list[value] = id
		}
	}
}

// find returns the ids of the words that mean the same time as a word of an answer, most exact first, each unknownWord if the
// output has none. isField: the word is in a field of times, so it can be a number. Only there, a number of the output
// means a time.
func (t *times) find(text string, isField bool) (found [5]int32) {
	found = [5]int32{unknownWord, unknownWord, unknownWord, unknownWord, unknownWord}
	look := func(i int, list map[int64]int32, value int64) {
		if id, ok := list[value]; ok {
			found[i] = id
		}
	}
	millis, isTime := int64(0), false
	if isField {
		if millis, isTime = millisOf(text); isTime {
			look(0, t.numbers, millis)
			look(1, t.numbers, millis/1000*1000)
		}
	}
	if number, ok := strings.CutPrefix(text, timePrefix); ok {
		seconds, err := strconv.ParseInt(number, 10, 64)
		millis, isTime = seconds*1000, err == nil
	}
	if isTime {
		look(2, t.seconds, millis/1000)
		look(3, t.minutes, millis/60_000)
		look(4, t.clocks, millis/1000%86_400)
	}
	return found
}

func minuteWord(seconds int64) string { return minutePrefix + strconv.FormatInt(seconds/60, 10) }

func dayTimeWord(seconds int) string { return clockPrefix + strconv.Itoa(seconds) }

// timeAt reads the time that begins at a digit. It returns no end if there is none.
func timeAt(text string, i int) (end int, canonical string) {
	if i > 0 && (isASCIIWord(text[i-1]) || text[i-1] == '.' || text[i-1] == '-') && text[i-1] != 'T' {
		return 0, ""
	}
	if h, m, s, ok := clock(text, i); ok && s >= 0 {
		if end = i + 8; end == len(text) || !isASCIIWord(text[end]) && text[end] != ':' {
			return fraction(text, end), dayTimeWord(h*3600 + m*60 + s)
		}
		return 0, ""
	}
	if len(text) < i+16 || text[i+4] != '-' || text[i+7] != '-' || text[i+10] != 'T' && text[i+10] != ' ' {
		return 0, ""
	}
	year, month, day := digits(text, i, 4), digits(text, i+5, 2), digits(text, i+8, 2)
	h, m, s, ok := clock(text, i+11)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || !ok {
		return 0, ""
	}
	end = i + 16
	if s >= 0 {
		end = fraction(text, i+19)
		if comma := commaFraction(text, end); comma > end {
			end = comma
		}
	}
	offset := 0
	end, offset = zone(text, end)
	if end < len(text) && isASCIIWord(text[end]) {
		return 0, ""
	}
	date := time.Date(year, time.Month(month), day, h, m, max(s, 0), 0, time.UTC)
	if date.Day() != day && s < 60 { // February 30
		return 0, ""
	}
	at := date.Unix() - int64(offset)
	if s < 0 {
		return end, minuteWord(at)
	}
	return end, timeWord(at)
}

// clock reads HH:MM or HH:MM:SS; s is -1 if there are no seconds.
func clock(text string, i int) (h, m, s int, ok bool) {
	if len(text) < i+5 || text[i+2] != ':' {
		return 0, 0, 0, false
	}
	h, m, s = digits(text, i, 2), digits(text, i+3, 2), -1
	if len(text) >= i+8 && text[i+5] == ':' {
		s = digits(text, i+6, 2)
	}
	return h, m, s, h >= 0 && h < 24 && m >= 0 && m < 60 && s < 61
}

func digits(text string, from, count int) int {
	n := 0
	for _, c := range []byte(text[from : from+count]) {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// fraction returns the position after a fraction of a second.
func fraction(text string, i int) int {
	if i+1 < len(text) && text[i] == '.' && isDigit(text[i+1]) {
		for i++; i < len(text) && isDigit(text[i]); i++ {
		}
	}
	return i
}

// commaFraction is fraction for one after a comma, as in 03:12:00,123 +0200, if its digits and a time zone after it show that it
// is one. Otherwise, the number after a time and a comma is another value, as in a line of CSV.
func commaFraction(text string, i int) int {
	if i == len(text) || text[i] != ',' {
		return i
	}
	end := i + 1
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	after, _ := zone(text, end)
	if digits := end - i - 1; after == end || digits != 3 && digits != 6 && digits != 9 {
		return i
	}
	return end
}

// maxOffset is the most that a time zone differs from UTC, in hours.
const maxOffset = 14

// zone returns the position after a time zone, and its offset in seconds.
func zone(text string, i int) (end, offset int) {
	if i < len(text) && text[i] == 'Z' {
		return i + 1, 0
	}
	at := i
	if at < len(text) && text[at] == ' ' {
		at++
	}
	if strings.HasPrefix(text[at:], "UTC") {
		return at + len("UTC"), 0
	}
	if at+5 > len(text) || text[at] != '+' && text[at] != '-' {
		return i, 0
	}
	hours, minutesAt := digits(text, at+1, 2), at+3
	if text[minutesAt] == ':' {
		minutesAt++
	}
	if minutesAt+2 > len(text) || hours < 0 {
		return i, 0
	}
	minutes := digits(text, minutesAt, 2)
	if minutes < 0 {
		return i, 0
	}
	if hours > maxOffset || minutes >= 60 {
		return i, 0
	}
	offset = hours*3600 + minutes*60
	if text[at] == '-' {
		offset = -offset
	}
	return minutesAt + 2, offset
}

// datetimeCall matches the arguments of Python's repr of a datetime in UTC.
var datetimeCall = lazy.Regexp(`^\((\d{4}), (\d{1,2}), (\d{1,2}), (\d{1,2}), (\d{1,2})(?:, (\d{1,2})(?:, \d{1,6})?)?` +
	`(?:, tzinfo=(?:tzutc\(\)|tzlocal\(\)|datetime\.timezone\.utc|timezone\.utc))?\)`)

// datetimeAt reads the arguments of Python's repr of a datetime. It returns no end if there are none.
func datetimeAt(text string, i int) (end int, canonical string) {
	found := datetimeCall().FindStringSubmatch(text[i:min(len(text), i+120)])
	if found == nil {
		return 0, ""
	}
	var n [6]int
	for k := range n {
		n[k], _ = strconv.Atoi(found[k+1])
	}
	at := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if at.Day() != n[2] || int(at.Month()) != n[1] {
		return 0, ""
	}
	return i + len(found[0]), timeWord(at.Unix())
}

// joinedWords returns the words of a normal text, each between blanks.
func joinedWords(plain string) string {
	var b strings.Builder
	b.WriteByte(' ')
	eachWord(plain, func(w word) bool {
		b.WriteString(w.text)
		b.WriteByte(' ')
		return true
	})
	return b.String()
}
