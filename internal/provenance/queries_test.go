package provenance_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
)

// isResultOfLogs reports whether the results of a query count as text of the logs.
func isResultOfLogs(t *testing.T, query, language string) bool {
	t.Helper()
	const text = "the database was dropped by eve"
	request := map[string]string{"queryString": query, "logGroupName": "/shop/orders"}
	if language != "" {
		request["queryLanguage"] = language
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // as botocore writes it
	require.NoError(t, encoder.Encode(request))
	var r provenance.Recorder
	r.Record(provenance.Exchange{Operation: "logs:StartQuery", URL: endpoint, Request: body.Bytes(), Status: 200, Answer: []byte(`{"queryId":"q-1"}`)})
	r.Record(provenance.Exchange{Operation: "logs:GetQueryResults", URL: endpoint, Request: []byte(`{"queryId":"q-1"}`), Status: 200,
		Answer: []byte(`{"status":"Complete","results":[[{"field":"y","value":"` + text + `"}]]}`)})
	return isConfirmed(t, text, text, r.Judge(text, time.Time{}))
}

func TestJudge_QueriesThatMakeTheirResultsProveNothing(t *testing.T) {
	for _, test := range []struct{ name, query, language string }{
		{"a backslash in backticks", "fields `a\\` , concat('the data','base') as `b`", ""},
		{"a backslash in backticks, another reading", "fields `a\\`, 'the database' as b, `c`", ""},
		{"a comment that a carriage return ends", "fields @message # c\r| fields concat('the data','base') as x", ""},
		{"a comment with a carriage return", "# \r filter a = 'abc\n | fields concat('poo','l')", ""},
		{"a comment that a line separator ends", "fields @message # c\u2028| fields concat('the data','base') as x", ""},
		{"an expression that ends in backslashes", `filter @m like /a\\/ and @m like /'/ | fields concat('poo', 'l') as x | filter @m like /'/`, ""},
		{"joined pieces of logs", "fields concat(substr(@message, 0, 1), substr(@message, 17, 1)) as x", ""},
		{"a blank before the bracket", "fields CONCAT (@a, @b)", ""},
		{"replaced pieces of logs", "fields replace(@message, @a, @b) as x", ""},
		{"a time of a number", "fields fromMillis(1795609755123) as x", ""},
		{"a number in a function", "fields ceil(97.3) as cpu", ""},
		{"a fraction without a zero", "fields .973 as cpu", ""},
		{"numbers in a function of stats", "stats max(97.3) as cpu by @logStream", ""},
		{"words of an expression", "fields 97.3 and not 5 as cpu", ""},

		{"a truth value", "fields @timestamp, true as database_is_down", ""},
		{"a truth value in a function", "stats latest(false) as healthy by @logStream", ""},
		{"null", "fields null as x", ""},

		{"a truth value", "SELECT m, true AS database_is_down FROM g", "SQL"},
		{"a negated truth value", "SELECT not false AS healthy FROM g", "SQL"},
		{"an assigned truth value", "source = g | eval healthy = true | fields healthy", "PPL"},
		{"characters by number", "SELECT chr(116)||chr(104) AS x FROM g", "SQL"},
		{"characters by number, joined by a function", "SELECT concat(chr(116), chr(104)) AS x FROM g", "SQL"},
		{"hexadecimal digits", "SELECT CAST(UNHEX(7468652064617461) AS STRING) FROM g", "SQL"},
		{"a function of names", "SELECT decode(unhex(x74686520), unhex(x75)) AS x FROM g", "SQL"},
		{"a function without arguments", "SELECT typeof(current_user()) AS x FROM g", "SQL"},
		{"a query in the query", "SELECT m FROM (SELECT chr(116) AS m FROM g)", "SQL"},
		{"values", "SELECT m FROM (VALUES (1,2))", "SQL"},
		{"joined columns", "SELECT a || b AS x FROM g", "SQL"},
		{"a function in backticks", "SELECT `chr`(116) AS x FROM g", "SQL"},
		{"dollar quotes", "SELECT $$the database$$ AS x FROM g", "SQL"},
		{"a number", "SELECT 97.3 AS x FROM g", "SQL"},
		{"a number in a condition", "SELECT CASE WHEN a > 5 THEN 97 END AS x FROM g", "SQL"},
		{"a number in an aggregate", "SELECT max(97) AS x FROM g", "SQL"},
		{"a literal", "SELECT `@message` FROM g WHERE a = 'x'", "SQL"},
		{"a comment", "SELECT a -- b\n FROM g", "SQL"},
		{"characters of PPL", "source=g | eval x = concat(char(116), char(104))", "PPL"},
		{"a number of PPL", "source=g | eval x = 97", "PPL"},
		{"another language", "select chr(116)", "XQL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.False(t, isResultOfLogs(t, test.query, test.language))
		})
	}
	for _, test := range []struct{ name, query, language string }{
		{"fields", "fields @timestamp, @message, `my field` | limit 20", ""},
		{"a comment with Windows' line ends", "fields @message # what's wrong\r\n| limit 5", ""},
		{"counts", "stats count(*) / 5 as rate, count() by bin(5m), status", ""},
		{"periods only", "stats count(*) by bin(5m)", ""},
		{"periods of a field", "stats avg(@duration) by bin(@timestamp, 5m)", ""},
		{"percentiles", "stats pct(@duration, 95) as p95, max(@duration) - min(@duration) as spread by @logStream", ""},
		{"arithmetic", "fields ceil(@maxMemoryUsed / 1000 / 1000) as mb | sort mb desc", ""},
		{"a prefix", "fields substr(@message, 0, 300) as head", ""},
		{"an expression with an escaped slash", `filter @message like /GET \/orders/`, ""},
		{"joined in a filter", "filter concat(@a, @b) = 'x' | fields @message", ""},
		{"compared truth values in QL", "fields @message, isPresent(error) = true as failed | filter cached = true and retried != null", ""},
		{"columns", "SELECT `@message`, status FROM `/shop/orders` WHERE status >= 500 AND took > 3.5 LIMIT 20", "SQL"},
		{"aggregates", "SELECT status, count(1), AVG(took), percentile(took, 95) FROM g WHERE status IN (500, 502) GROUP BY status ORDER BY status", "SQL"},
		{"compared truth values", "SELECT `@message` FROM g WHERE cached = true AND retried IS NOT NULL AND (late IS FALSE OR failed IS NOT TRUE)", "SQL"},
		{"a condition in brackets", "SELECT `@message` FROM g WHERE (a = 5 OR b < 3) AND NOT (c = 4)", "SQL"},
		{"PPL", "fields `@message`, status | where status = 500 | head 20", "PPL"},
		{"aggregates of PPL", "stats count() by span(`@timestamp`, 5m), status", "PPL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.True(t, isResultOfLogs(t, test.query, test.language))
		})
	}
}
