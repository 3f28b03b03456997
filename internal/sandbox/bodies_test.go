package sandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeSchemas answers AppSync's GetIntrospectionSchema with bodies of many kinds. The answer of this operation
// is a stream, like the answer of S3's GetObject, which the broker refuses.
func fakeSchemas(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	large := bytes.Repeat([]byte("0123456789abcde\n"), 20_000)
	switch strings.Split(r.URL.Path, "/")[3] { // of /v1/apis/ID/schema
	case "large":
		w.Header().Set("Content-Length", strconv.Itoa(len(large)))
		w.Write(large)
	case "pieces": // without a length
		for range 3 {
			w.Write([]byte("piece\n"))
			w.(http.Flusher).Flush()
		}
	case "zipped":
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		z.Write([]byte("was zipped"))
		z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(zipped.Bytes())
	case "short":
		w.Write([]byte("short"))
	case "events": // that do not end
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		w.Write([]byte("event"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case "empty":
	case "broken":
		w.Header().Set("Content-Length", "1000000")
		w.Write(large[:100_000])
	default:
		w.Header().Set("X-Amzn-Errortype", "NotFoundException")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message": "no such API"}`)
	}
}

// bodyUses are expressions that must be true. All of them run in one call, which reuses connections after
// every kind of body.
var bodyUses = []struct{ name, code string }{
	{"read at once", `get("short").read() == b"short"`},
	{"empty", `get("empty").read() == b""`},
	{"large, read at once", `len(get("large").read()) == 320_000`},
	{"large, in chunks", `sum(len(c) for c in get("large").iter_chunks(1000)) == 320_000`},
	{"large, by lines", `sum(1 for l in get("large").iter_lines()) == 20_000`},
	{"large, by pieces of odd size", `b"".join(iter(lambda b=get("large"): b.read(4097), b""))[-16:] == b"0123456789abcde\n"`},
	{"without a length", `get("pieces").read() == b"piece\n" * 3`},
	{"compressed, not decoded", `gzip.decompress(get("zipped").read()) == b"was zipped"`},
	{"events, as they arrive", `get("events").read(1000) == b"event"`},
	{"closed early", `(lambda b: (b.read(10), b.close()))(get("large"))[0] == b"0123456789"`},
	{"interrupted", `"ended early: unexpected EOF" in message(lambda: get("broken").read())`},
	{"not found", `failing(lambda: get("nothing")) == "NotFoundException"`},
	{"into a file", `open("f", "wb").write(get("large").read()) == 320_000`},
	{"in threads", `all(n == 320_000 for n in ThreadPoolExecutor(8).map(lambda _: len(get("large").read()), range(16)))`},
	{"read at once, after all other cases", `get("short").read() == b"short"`},
}

func TestSession_StreamsEveryKindOfBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(fakeSchemas))
	t.Cleanup(server.Close)
	code := `
client = boto3.client("appsync", config=Config(retries={"total_max_attempts": 1}))
def get(name): return client.get_introspection_schema(apiId=name, format="SDL")["schema"]
def failing(f):
    try: f()
    except Exception as error: return type(error).__name__
def message(f):
    try: f()
    except Exception as error: return str(error)
result = {}
`
	for _, use := range bodyUses {
		code += "result[" + strconv.Quote(use.name) + "] = " + use.code + "\n"
	}
	for _, python := range pythons(t) {
		w := startWorker(t, python, roleWorker, server.URL)
		answer := w.run(code, 30)
		require.True(t, answer.Success, answer.Output)
		var passed map[string]bool
		require.NoError(t, json.Unmarshal(answer.Result, &passed))
		for _, use := range bodyUses {
			assert.True(t, passed[use.name], "%s on Python %s", use.name, python.name)
		}
	}
}

// The broker only forwards bodies that it can read. botocore would send these in signed chunks or compressed. The refusals name the
// actions, which ToolAllowedActions can allow.
func TestSession_WritesBodiesInOnePiece(t *testing.T) {
	for _, python := range pythons(t) {
		w := startWorker(t, python, roleWorker)
		answer := w.run(`
import io
def reason(call):
    try: return call()
    except Exception as error: return str(error)
c = lambda name: boto3.client(name, endpoint_url=f"https://{name.replace('cloudwatch', 'monitoring')}.us-east-1.amazonaws.com", region_name="us-east-1")
s3 = c("s3")
result = [
    reason(lambda: s3.put_object(Bucket="b", Key="k", Body=b"x" * 100)),
    reason(lambda: s3.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"x" * 100))),
    reason(lambda: s3.upload_part(Bucket="b", Key="k", UploadId="u", PartNumber=1, Body=b"x" * (6 << 20))),
    reason(lambda: c("cloudwatch").put_metric_data(Namespace="x", MetricData=[{"MetricName": "m" * 200, "Value": 1.0}] * 200)),
]`, 30)
		require.True(t, answer.Success, answer.Output)
		var reasons []string
		require.NoError(t, json.Unmarshal(answer.Result, &reasons))
		for i, operation := range []string{"s3:PutObject)", "s3:PutObject)", "s3:PutObject)", "cloudwatch:PutMetricData"} {
			assert.Contains(t, reasons[i], operation+" is refused", python.name)
			assert.Contains(t, reasons[i], "its access level is Write", python.name)
		}
	}
}

// Requests that the code begins and does not end must not fill the supervisor's memory. Neither must bodies for
// hosts that the broker does not reach. The code still reads why they are refused.
func TestSession_BoundsMemoryOfSupervisor(t *testing.T) {
	server := httptest.NewServer(&fakeAWS{})
	t.Cleanup(server.Close)
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)
	answer := w.run(`
import struct, threading
from alarmtriage_tool import aws_transport
def begin(url):
    try:
        c = aws_transport._channel.take()
        head = json.dumps({"m": "POST", "u": url, "h": [], "n": 16 << 20}).encode()
        c.send(struct.pack("<I", len(head)) + head)
        for n in range(16): c.send(b"x" * ((1 << 20) - (n == 15)))
    except OSError: pass
threads = [threading.Thread(target=begin, args=(os.environ["AWS_ENDPOINT_URL"],)) for _ in range(40)]
for t in threads: t.start()
for t in threads: t.join()
def reason(url):
    try: boto3.client("s3", endpoint_url=url, config=Config(retries={"total_max_attempts": 1})).put_object(Bucket="b", Key="k", Body=b"x" * (15 << 20))
    except Exception as error: return str(error)
result = [len(threads), *[reason(url) for url in ("https://evil.example.com", os.environ["AWS_ENDPOINT_URL"]) for _ in range(2)]]`, 30)

	require.True(t, answer.Success, answer.Output)
	assert.Equal(t, 2, strings.Count(string(answer.Result), "not an AWS API endpoint"), string(answer.Result))
	assert.Equal(t, 2, strings.Count(string(answer.Result), "s3:PutObject) is refused"), string(answer.Result))
	status, err := os.ReadFile("/proc/" + strconv.Itoa(w.cmd.Process.Pid) + "/status")
	require.NoError(t, err)
	assert.Less(t, number(field(status, "VmHWM:\t")), 160<<10, "KB of the supervisor at most")
	assert.True(t, w.run("boto3.client('sts').get_caller_identity()", 10).Success, "the next call has the memory again")
}
