package broker

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/iamactions"
	"github.com/cloudwatch-alarm-triage/alarmtriage/local/moto"
)

// python returns the interpreter with botocore that `make setup` prepares.
func python(t *testing.T) string {
	t.Helper()
	path, err := moto.Tool("python")
	require.NoError(t, err)
	return path
}

type madeRequest struct {
	Service, Signing, Operation, Protocol, Method, Path, Query, Body string
	Headers                                                          map[string]string
}

func (m madeRequest) at(t *testing.T, base string) *http.Request {
	t.Helper()
	address := base + m.Path
	if m.Query != "" {
		separator := "?"
		if strings.Contains(m.Path, "?") {
			separator = "&"
		}
		address += separator + m.Query
	}
	r, err := http.NewRequest(m.Method, address, strings.NewReader(m.Body))
	require.NoError(t, err)
	for name, value := range m.Headers {
		r.Header.Set(name, value)
	}
	return r
}

// madeByBotocore returns the requests of all operations of all services, in every protocol that they support.
func madeByBotocore(t *testing.T) []madeRequest {
	t.Helper()
	cmd := exec.Command(python(t), filepath.Join("testdata", "requests.py"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []madeRequest
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m madeRequest
		require.NoError(t, json.Unmarshal(lines.Bytes(), &m))
		all = append(all, m)
	}
	require.Greater(t, len(all), 15000)
	return all
}

// indistinct maps reads that are refused, because their requests cannot be distinguished from requests of
// other operations, to an explanation.
var indistinct = map[string]string{
	"lexv2-models:ListImports": "where only the signature identifies the service, Lex V1's StartImport has the same route",
}

func TestIdentify_RecognizesEveryRequestOfBotocore(t *testing.T) {
	g := newGuard(nil, nil, nil)
	passed := map[bool]int{}
	for _, m := range madeByBotocore(t) {
		op := theTables().service(m.Service).operations[m.Operation]
		require.NotNil(t, op, "%s:%s is not in the tables: run `make tables`", m.Service, m.Operation)
		want := g.checkOne(op) == ""
		for _, at := range locationsOf(t, m) {
			found, reason := identify(at.request(t, m), []byte(m.Body), at.place, scope{service: m.Signing}, true)
			if !assert.Empty(t, reason, "%s:%s over %s at %s", m.Service, m.Operation, m.Protocol, at.base) {
				continue
			}
			assert.Contains(t, names(found), m.Operation, "%s %s %s", m.Service, m.Method, m.Path)
			got := g.check(found) == ""
			if why, known := indistinct[m.Service+":"+m.Operation]; known && !got {
				assert.NotEmpty(t, why)
				continue
			}
			assert.Equal(t, want, got, "%s:%s is identified as %v: %s", m.Service, m.Operation, names(found), g.check(found))
			passed[got]++
		}
	}
	assert.Greater(t, passed[true], 5000, "reads that pass")
	assert.Greater(t, passed[false], 10000, "operations that are refused")
}

func names(ops []*operation) []string {
	var list []string
	for _, op := range ops {
		list = append(list, op.name)
	}
	return list
}

// location is a base URL for requests and the broker's place for its host.
type location struct {
	base  string
	place place
}

// request returns the request for this location. If the bucket is in the host name, it is not in the path.
func (s location) request(t *testing.T, m madeRequest) *http.Request {
	if s.place.bucket != "" {
		m.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(m.Path, "/"+s.place.bucket), "/")
	}
	return m.at(t, s.base)
}

// locationsOf returns one of Options.Endpoints, where only the signature identifies the service, and an
// endpoint of AWS, where all services at the host are possible.
func locationsOf(t *testing.T, m madeRequest) []location {
	t.Helper()
	list := []location{{base: "http://localhost:5000"}}
	if m.Service == "s3" && strings.HasPrefix(m.Path, "/name") {
		list = append(list, location{"https://name.s3.eu-west-1.amazonaws.com", place{services: []string{"s3"}, bucket: "name"}})
	}
	for template, row := range theTables().places {
		if slices.Contains(row.services, m.Service) && !strings.Contains(template, "{}") && !strings.HasPrefix(template, "*.") && row.partitions == "*" {
			host := strings.NewReplacer("{region}", "eu-west-1", "{dns}", "amazonaws.com", "{dual}", "api.aws").Replace(template)
			found, _, ok := theTables().place(host, "")
			require.True(t, ok, host)
			return append(list, location{"https://" + host, found})
		}
	}
	return list
}

func TestTables_MatchGenerator(t *testing.T) {
	out := t.TempDir()
	cmd := exec.Command(python(t), filepath.Join("..", "..", "scripts", "broker_tables.py"), out)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	for name, committed := range map[string]string{"operations.txt": operationsTable, "endpoints.txt": endpointsTable, "resources.txt": resourcesTable} {
		made, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		assert.True(t, string(made) == committed, "%s differs from the output of scripts/broker_tables.py with the pinned botocore and IAM data: run `make tables` and review the change", name)
	}
}

// The construct warns about props with actions that iamactions does not know, so it must know all that the broker forwards.
func TestTables_ActionsOfReadsAreKnownToTheConstruct(t *testing.T) {
	for id := range theTables().blocks {
		for _, op := range theTables().service(id).operations {
			if op.level == levelRead || op.level == levelList {
				assert.NotEmpty(t, iamactions.Matching(op.action), op.action)
			}
		}
	}
}
