package provenance

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// word is a unit of comparison: a run of letters and digits with the marks that join them in names and
// numbers, such as orders-role, 10.0.0.12, or -97.3. A point in time is one word, however it is written.
type word struct {
	from, to int    // in the normal text
	text     string // canonical: equal for equal numbers and times
}

// Seconds and milliseconds since 1970 that are read as times: 2008 to 2039.
const (
	minEpoch = 1_200_000_000
	maxEpoch = 2_200_000_000
)

// eachWord calls yield for each word of a normal text, until yield returns false.
func eachWord(text string, yield func(word) bool) {
	for i := 0; i < len(text); {
		c := text[i]
		if c == '<' || c == '>' || c == '!' {
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
		isSign := c == '-' && i+1 < len(text) && isDigit(text[i+1]) &&
			(i == 0 || strings.IndexByte(" =:,([{\"'", text[i-1]) >= 0)
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if !isSign && !isWordRune(r) {
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
		if isSolitary(r) {
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

// redactedWord is the word of a redacted secret in an output.
const redactedWord = "\x00redacted"

// eachOutputWord is [eachWord] for an output, in which secrets were redacted. isMark reports whether a part that looks
// like the mark of a redacted secret is one.
func eachOutputWord(text string, isMark func(from, to int) bool, yield func(word) bool) {
	at, goesOn := 0, true
	for _, mark := range append(redacted.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
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

// isComparison reports whether text[from:end] compares two values. Arrows and tags do not.
func isComparison(text string, from, end int) bool {
	sign := text[from:end]
	if sign == "!" || len(sign) > 2 || sign == "<>" {
		return false
	}
	if from > 0 && (text[from-1] == '-' || text[from-1] == '=') {
		return false
	}
	if end < len(text) && (text[end] == '-' || text[end] == '/') {
		return false
	}
	return len(sign) == 2 || end < len(text) && (text[end] == ' ' || isDigit(text[end]))
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
	if c := text[0]; !isDigit(c) && c != '-' || len(text) > 40 {
		return text
	}
	isWhole := true
	for i := range len(text) {
		c := text[i]
		if !isDigit(c) && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return text
		}
		isWhole = isWhole && (isDigit(c) || i == 0)
	}
	if isWhole && len(text) != len("1200000000") && len(text) != len("1200000000000") {
		return text
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 1 && text[0] == '0' && text[1] != '.' && number != 0 {
		return text // such as a version, an address, or an account's number with a leading zero
	}
	return numberWord(number, text)
}

// numberWord returns the word of a number, which is a time if it can be one. written is how it was written.
func numberWord(number float64, written string) string {
	switch {
	case number >= minEpoch && number < maxEpoch:
		return timeWord(int64(number))
	case number >= minEpoch*1000 && number < maxEpoch*1000:
		return timeWord(int64(number) / 1000)
	case math.Abs(number) >= 1<<53:
		return written // more digits than a float can hold
	case number == math.Trunc(number):
		return strconv.FormatInt(int64(number), 10)
	}
	return strconv.FormatFloat(number, 'g', -1, 64)
}

func timeWord(seconds int64) string { return "T" + strconv.FormatInt(seconds, 10) }

// coarser returns the words of a time with less precision: the minute, then the time of day.
func coarser(timeWord string) []string {
	seconds, err := strconv.ParseInt(timeWord[1:], 10, 64)
	if err != nil {
		return nil
	}
	return []string{minuteWord(seconds), dayTimeWord(int(seconds % 86400))}
}

func minuteWord(seconds int64) string { return "M" + strconv.FormatInt(seconds/60, 10) }

func dayTimeWord(seconds int) string { return "C" + strconv.Itoa(seconds) }

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
	}
	offset := 0
	end, offset = zone(text, end)
	if end < len(text) && isASCIIWord(text[end]) {
		return 0, ""
	}
	at := time.Date(year, time.Month(month), day, h, m, max(s, 0), 0, time.UTC).Unix() - int64(offset)
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
	if i+1 < len(text) && (text[i] == '.' || text[i] == ',') && isDigit(text[i+1]) {
		for i++; i < len(text) && isDigit(text[i]); i++ {
		}
	}
	return i
}

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
	offset = hours*3600 + minutes*60
	if text[at] == '-' {
		offset = -offset
	}
	return minutesAt + 2, offset
}

// datetimeCall matches the arguments of Python's repr of a datetime in UTC.
var datetimeCall = regexp.MustCompile(`^\((\d{4}), (\d{1,2}), (\d{1,2}), (\d{1,2}), (\d{1,2})(?:, (\d{1,2})(?:, \d{1,6})?)?` +
	`(?:, tzinfo=(?:tzutc\(\)|tzlocal\(\)|datetime\.timezone\.utc|timezone\.utc))?\)`)

// datetimeAt reads the arguments of Python's repr of a datetime. It returns no end if there are none.
func datetimeAt(text string, i int) (end int, canonical string) {
	found := datetimeCall.FindStringSubmatch(text[i:min(len(text), i+120)])
	if found == nil {
		return 0, ""
	}
	var n [6]int
	for k := range n {
		n[k], _ = strconv.Atoi(found[k+1])
	}
	at := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
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
