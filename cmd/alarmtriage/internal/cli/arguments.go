package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cloudwatch-alarm-triage/alarmtriage/cmd/alarmtriage/internal/alarms"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/steps"
)

// maxInstructions bounds a text of instructions in bytes, as in a deployment.
const maxInstructions = 64 << 10

// readArguments reads the name of the alarm and the time. The Region of an ARN is the one that is used.
func (a *App) readArguments(text string, flags *investigateFlags) (name alarms.Name, before time.Time, err error) {
	usage := func(err error) (alarms.Name, time.Time, error) {
		return alarms.Name{}, time.Time{}, &Problem{Code: Usage, What: err.Error(), Remedy: "see `alarmtriage investigate --help`", Err: err}
	}
	if err := cmp.Or(flags.modelFlags.check(), flags.placeFlags.check()); err != nil {
		return usage(err)
	}
	if name, err = alarms.ParseName(text); err != nil {
		return usage(err)
	}
	if name.Region != "" && a.Region != "" && name.Region != a.Region {
		return usage(fmt.Errorf("the alarm's ARN names the Region %s, and --region is %s", name.Region, a.Region))
	}
	if name.Region != "" {
		a.Region = name.Region
	}
	if flags.at != "" {
		if before, err = parseTime(flags.at, a.Now()); err != nil {
			return usage(err)
		}
	}
	return name, before, nil
}

// daysAgo matches a number of days, which Go's durations do not have.
var daysAgo = regexp.MustCompile(`^(\d{1,4})d$`)

// parseTime reads a time, or a duration before now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if match := daysAgo.FindStringSubmatch(text); match != nil {
		days, _ := strconv.Atoi(match[1])
		return now.AddDate(0, 0, -days), nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago.Abs()), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q is neither a time in UTC, such as 2026-11-25T03:12:00Z, nor a duration, such as 6h or 7d", text)
}

// unspaced are scripts whose words have no blanks between them.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// isWord reports whether a text is a single word, such as the name of a file.
func isWord(text string) bool {
	if strings.ContainsFunc(text, unicode.IsSpace) {
		return false
	}
	isSentence := strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unspaced...) })
	return !isSentence || filepath.Ext(text) != "" || filepath.Base(text) != text
}

// readTexts returns what the model reads in addition to its task. instructions is a text, or the name of a file with it. A
// single word is the name of a file: it would be no instruction.
func readTexts(instructions, runbook string) (string, error) {
	var texts []string
	if instructions != "" {
		if _, err := os.Stat(instructions); err == nil || isWord(instructions) {
			if instructions, err = readText(instructions); err != nil {
				return "", err
			}
		}
		texts = append(texts, strings.TrimSpace(instructions))
	}
	if runbook != "" {
		text, err := readText(runbook)
		if err != nil {
			return "", err
		}
		texts = append(texts, steps.RunbookHeading+text)
	}
	return strings.Join(texts, "\n\n"), nil
}

func readText(path string) (string, error) {
	file, err := os.Open(path) // which may be a pipe
	var text []byte
	if err == nil {
		defer file.Close()
		text, err = io.ReadAll(io.LimitReader(file, maxInstructions+1))
	}
	switch {
	case err != nil:
		return "", &Problem{Code: Usage, What: fmt.Sprintf("the file %s cannot be read (%v)", path, err), Remedy: "check the path", Err: err}
	case len(text) > maxInstructions:
		return "", &Problem{Code: Usage, What: fmt.Sprintf("the file %s has more than the %d bytes that the model gets at most", path, maxInstructions),
			Remedy: "shorten it"}
	}
	return string(text), nil
}
