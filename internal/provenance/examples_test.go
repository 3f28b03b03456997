package provenance_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// example is the answer to one operation, of the examples that AWS publishes with botocore.
type example struct {
	name string
	body []byte
}

// examples returns the examples of the Python environment that `make setup` prepares.
func examples(t *testing.T) (list []example) {
	t.Helper()
	python, err := moto.Tool("python")
	require.NoError(t, err)
	botocore, err := exec.Command(python, "-c", "import botocore; print(botocore.__path__[0])").Output()
	require.NoError(t, err, "a Python environment with botocore is needed; `make setup` prepares one")
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(botocore)), "data", "*", "*", "examples-1.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var content struct {
			Examples map[string][]struct{ Output json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(text, &content), file)
		for _, operation := range slices.Sorted(maps.Keys(content.Examples)) {
			for _, one := range content.Examples[operation] {
				if len(one.Output) > len(`{}`) {
					list = append(list, example{filepath.Base(filepath.Dir(filepath.Dir(file))) + ":" + operation, one.Output})
				}
			}
		}
	}
	return list
}

// pairs returns the fields of an answer with their values, such as "Status: ACTIVE".
func pairs(value any, yield func(name, text string)) {
	switch v := value.(type) {
	case []any:
		for _, one := range v {
			pairs(one, yield)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			switch one := v[name].(type) {
			case string:
				yield(name, one)
			case json.Number:
				yield(name, one.String())
			default:
				pairs(one, yield)
			}
		}
	}
}

const maxPairs = 12 // of one answer

var (
	plainName  = regexp.MustCompile(`^[A-Za-z][\w-]{4,60}$`)
	firstDigit = regexp.MustCompile(`\d`)
)

// The names of fields and their values in answers that nobody on the project wrote are confirmed, and not those with a change.
func TestJudge_ExamplesOfAWS(t *testing.T) {
	honest, confirmed := 0, 0
	for _, one := range examples(t) {
		decoder := json.NewDecoder(bytes.NewReader(one.body))
		decoder.UseNumber()
		var answer any
		require.NoError(t, decoder.Decode(&answer), one.name)
		body := strings.ToLower(string(one.body))
		var quotes, forged []string
		pairs(answer, func(name, text string) {
			quote := name + ": " + text
			if len(quotes) == maxPairs || strings.ContainsAny(text, "\n\\") || len(quote) > 300 || strings.TrimSpace(text) == "" || !provenance.IsDistinct(text) {
				return
			}
			quotes = append(quotes, quote)
			forged = append(forged, name+": not "+text, name+" != "+text, "not "+quote)
			if !strings.Contains(body, "max") {
				forged = append(forged, "Max"+quote)
			}
			if at := firstDigit.FindStringIndex(text); at != nil {
				changed := text[:at[0]] + string('0'+(text[at[0]]-'0'+7)%10) + text[at[1]:]
				if !strings.Contains(body, strings.ToLower(changed)) {
					forged = append(forged, name+": "+changed)
				}
			}
			if plainName.MatchString(text) {
				forged = append(forged, quote+"-dev", name+": non-"+text)
			}
		})
		output := strings.Join(append(slices.Clone(quotes), forged...), "\n--\n")
		var r provenance.Recorder
		r.Record(provenance.Exchange{Operation: one.name, URL: "https://example.amazonaws.com/", Status: 200, Answer: one.body})
		observed, text := r.Judge(output, time.Time{}), provenance.NewText(output)
		isConfirmed := func(quote string) bool {
			return slices.ContainsFunc(text.Find(quote, false), func(place provenance.Match) bool { return text.IsObserved(place, observed) })
		}
		for _, quote := range quotes {
			if honest++; isConfirmed(quote) {
				confirmed++
			}
		}
		for _, quote := range forged {
			assert.False(t, isConfirmed(quote), "%s: %s", one.name, quote)
		}
	}
	assert.Greater(t, honest, 1000)
	assert.GreaterOrEqual(t, 100*confirmed, 98*honest, "%d of %d", confirmed, honest)
}
