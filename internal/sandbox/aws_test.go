package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
)

// fakeAWS answers every STS call and records the requests.
type fakeAWS struct {
	mu   sync.Mutex
	seen []*http.Request
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
		`<Arn>arn:aws:iam::111122223333:role/tool</Arn><UserId>u</UserId><Account>111122223333</Account>`+
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>`)
}

func TestSession_SignsRequestsOfTheCode(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			aws := &fakeAWS{}
			server := httptest.NewServer(aws)
			t.Cleanup(server.Close)
			w := startWorker(t, python, roleWorker, server.URL)

			answer := w.run("boto3.client('sts').get_caller_identity()['Arn']", 20)

			require.True(t, answer.Success, answer.Output)
			assert.JSONEq(t, `"arn:aws:iam::111122223333:role/tool"`, string(answer.Result))
			require.Len(t, aws.seen, 1)
			assert.Contains(t, aws.seen[0].Header.Get("Authorization"), "Credential="+plantedKey+"/")
			assert.Equal(t, plantedSecret, aws.seen[0].Header.Get("X-Amz-Security-Token"))
			assert.NotContains(t, fmt.Sprint(aws.seen[0].Header), broker.DummyAccessKey)
			require.Len(t, answer.AWSCalls, 1)
			call := answer.AWSCalls[0]
			assert.Equal(t, "sts GetCallerIdentity eu-west-1 200", fmt.Sprint(call.Service, " ", call.Operation, " ", call.Region, " ", call.Status))
		})
	}
}

// The check of a request can take longer than the call. The call is answered, and the check does not go on in the next one.
func TestSession_ACheckThatOutlivesTheCallEndsTheSupervisor(t *testing.T) {
	w := startWorkerWith(t, pythons(t)[0], roleWorker, workerOptions{Stuck: true})
	answer := w.run("result = 1", 20)
	assert.True(t, answer.Success, answer.Output)
	assert.Contains(t, answer.Notes, noteSpent)
	assert.Equal(t, traceRequest, w.spent, w.detail)
}

// Requests with other credentials would be recorded in the account of their owner, with all their parameters.
func TestSession_RefusesOtherCredentials(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			aws := &fakeAWS{}
			server := httptest.NewServer(aws)
			t.Cleanup(server.Close)
			w := startWorker(t, python, roleWorker, server.URL)
			for name, test := range map[string]struct{ code, refusal string }{
				"temporary keys": {`boto3.client("sts", aws_access_key_id="ASIAOTHER00000000000", aws_secret_access_key="s", aws_session_token="t").get_caller_identity()`,
					"the access key ASIAOTHER00000000000"},
				"keys of a session": {`boto3.Session(aws_access_key_id="AKIAATTACKER00000000", aws_secret_access_key="s").client("sts").get_caller_identity()`,
					"the access key AKIAATTACKER00000000"},
				"log groups as a channel": {`boto3.client("logs", aws_access_key_id="AKIAATTACKER00000000", aws_secret_access_key="s").describe_log_groups(logGroupNamePattern="c3RvbGVu" * 60)`,
					"the access key AKIAATTACKER00000000"},
				"a policy as a channel": {`boto3.client("accessanalyzer", aws_access_key_id="AKIAATTACKER00000000", aws_secret_access_key="s").validate_policy(policyType="IDENTITY_POLICY", policyDocument="stolen" * 10000)`,
					"the access key AKIAATTACKER00000000"},
				"no signature": {`boto3.client("s3", config=botocore.config.Config(signature_version=botocore.UNSIGNED)).list_objects_v2(Bucket="attacker")`,
					"does not identify its service"},
				"a slash between bucket and key": {`botocore.httpsession.URLLib3Session().send(botocore.awsrequest.AWSRequest("GET", os.environ["AWS_ENDPOINT_URL"] + "/vault%2Fcard.txt",
    headers={"Authorization": "AWS4-HMAC-SHA256 Credential=" + os.environ["AWS_ACCESS_KEY_ID"] + "/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"}).prepare())`,
					"s3:GetObject is refused"},
				"an object that climbs": {`botocore.httpsession.URLLib3Session().send(botocore.awsrequest.AWSRequest("GET", os.environ["AWS_ENDPOINT_URL"] + "/vault%2F..%2Fvault%2Fcard.txt",
    headers={"Authorization": "AWS4-HMAC-SHA256 Credential=" + os.environ["AWS_ACCESS_KEY_ID"] + "/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"}).prepare())`,
					"s3:GetObject is refused"},
			} {
				t.Run(name, func(t *testing.T) {
					w.t = t

					answer := w.run("import botocore.config\n"+test.code, 20)

					assert.Equal(t, "RequestRefused", answer.ErrorType, answer.Output)
					assert.Contains(t, answer.Error, test.refusal)
					assert.Empty(t, aws.seen)
					require.Len(t, answer.AWSCalls, 1)
					if key, ok := strings.CutPrefix(test.refusal, "the access key "); ok {
						assert.Equal(t, key, answer.AWSCalls[0].AccessKey)
					}
				})
			}
			w.t = t
		})
	}
}

func TestSession_ServesConcurrentRequests(t *testing.T) {
	server := httptest.NewServer(&fakeAWS{})
	t.Cleanup(server.Close)
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)

	answer := w.run(strings.Join([]string{
		"def ask(n): return boto3.Session(region_name='us-east-1').client('sts').get_caller_identity()['Account']",
		"with ThreadPoolExecutor(16) as pool: result = sorted(set(pool.map(ask, range(64))))"}, "\n"), 30)

	require.True(t, answer.Success, answer.Output)
	assert.JSONEq(t, `["111122223333"]`, string(answer.Result))
	assert.Len(t, answer.AWSCalls, 64)
}

func TestSession_UnreachableEndpointRaisesErrorInTheCode(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)

	answer := w.run("boto3.client('sts').get_caller_identity()", 30)

	assert.Equal(t, "EndpointConnectionError", answer.ErrorType, answer.Output)
	assert.True(t, w.run("1+1", 10).Success)
}

// The broker closes the connection of a request beyond its limits, which looked like a failure of AWS and was repeated.
func TestSession_RequestsBeyondTheLimitsAreExplained(t *testing.T) {
	server := httptest.NewServer(&fakeAWS{})
	t.Cleanup(server.Close)
	w := startWorker(t, pythons(t)[0], roleWorker, server.URL)
	answer := w.run(strings.Join([]string{
		"import botocore.awsrequest, botocore.httpsession",
		"session = botocore.httpsession.URLLib3Session()",
		"def sent(url, body):",
		"    try: session.send(botocore.awsrequest.AWSRequest('POST', url, data=body, headers={'Content-Type': 'text/plain'}).prepare())",
		"    except Exception as e: return f'{type(e).__name__}: {e}'",
		"result = [sent('" + server.URL + "/', b'x' * (16 << 20 | 1)), sent('" + server.URL + "/' + 'x' * (1 << 20), b'')]"}, "\n"), 30)
	require.True(t, answer.Success, answer.Output)
	var got []string
	require.NoError(t, json.Unmarshal(answer.Result, &got))
	assert.Equal(t, "RequestRefused: a request with 16777217 bytes of body is not possible here; the limit is 16 MB", got[0])
	assert.Regexp(t, `^RequestRefused: a request with 10\d{5} bytes of URL and headers is not possible here; the limit is 1 MB$`, got[1])
	assert.Empty(t, answer.AWSCalls, "nothing reaches the broker")
}

// cloudWatch answers PromQL queries and log alarms as AWS documents them, and records the requests.
type cloudWatch struct {
	mu     sync.Mutex
	seen   []*http.Request
	bodies []string
}

func (c *cloudWatch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.seen, c.bodies = append(c.seen, r), append(c.bodies, string(body))
	c.mu.Unlock()
	if r.Header.Get("X-Amz-Target") == "GraniteServiceVersion20100801.DescribeAlarms" {
		fmt.Fprint(w, `{"LogAlarms":[{"AlarmName":"errors","StateUpdatedTimestamp":1780000000.5,"ScheduledQueryConfiguration":{"QueryString":"filter x"}}]}`)
		return
	}
	if strings.Contains(string(body), "broken") {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"parse error at char 7"}`)
		return
	}
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"host":"a"},"values":[[1780000000,"42"]]}]},"warnings":["truncated"]}`)
}

func TestCloudWatch_PromQLAndLogAlarmsPassTheBroker(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(python.name, func(t *testing.T) {
			aws := &cloudWatch{}
			server := httptest.NewServer(aws)
			t.Cleanup(server.Close)
			w := startWorker(t, python, roleWorker, server.URL)

			answer := w.run(strings.Join([]string{
				`end = datetime(2026, 5, 28, 20, 26, 40, tzinfo=timezone.utc)`,
				`data = promql('avg({"http.server.active_requests"}) > 1', start=end - timedelta(hours=1), end=end, step=30, region="eu-central-1")`,
				`alarms = describe_log_alarms(AlarmNames=["errors"])["LogAlarms"]`,
				`result = [data, alarms[0]["StateUpdatedTimestamp"].isoformat(), alarms[0]["ScheduledQueryConfiguration"]]`}, "\n"), 30)

			require.True(t, answer.Success, answer.Output)
			assert.JSONEq(t, `[{"resultType":"matrix","result":[{"metric":{"host":"a"},"values":[[1780000000,"42"]]}],"warnings":["truncated"]},
				"2026-05-28T20:26:40.500000+00:00", {"QueryString":"filter x"}]`, string(answer.Result))
			require.Len(t, aws.seen, 2)
			assert.Equal(t, "/api/v1/query_range", aws.seen[0].URL.Path)
			form, err := url.ParseQuery(aws.bodies[0])
			require.NoError(t, err)
			assert.Equal(t, url.Values{"query": {`avg({"http.server.active_requests"}) > 1`}, "start": {"1779996400.0"}, "end": {"1780000000.0"}, "step": {"30"}}, form)
			assert.JSONEq(t, `{"AlarmNames":["errors"],"AlarmTypes":["LogAlarm"]}`, aws.bodies[1])
			for i, region := range []string{"eu-central-1", "eu-west-1"} {
				assert.Regexp(t, "Credential="+plantedKey+"/[0-9]+/"+region+"/monitoring/aws4_request", aws.seen[i].Header.Get("Authorization"))
				assert.Equal(t, plantedSecret, aws.seen[i].Header.Get("X-Amz-Security-Token"))
			}
			require.Len(t, answer.AWSCalls, 2)
			assert.Equal(t, "cloudwatch QueryMetrics eu-central-1 200", fmt.Sprint(answer.AWSCalls[0].Service, " ", answer.AWSCalls[0].Operation, " ", answer.AWSCalls[0].Region, " ", answer.AWSCalls[0].Status))
			assert.Equal(t, "cloudwatch DescribeAlarms", answer.AWSCalls[1].Service+" "+answer.AWSCalls[1].Operation)

			byHand := w.run(strings.Join([]string{ // without the function
				`request = botocore.awsrequest.AWSRequest("POST", boto3.client("cloudwatch").meta.endpoint_url + "/api/v1/query",`,
				`    headers={"Content-Type": "application/x-www-form-urlencoded"}, data=urllib.parse.urlencode({"query": "avg(latency)"}))`,
				`botocore.auth.SigV4Auth(boto3.Session().get_credentials(), "monitoring", "eu-west-1").add_auth(request)`,
				`print(botocore.httpsession.URLLib3Session().send(request.prepare()).text)`}, "\n"), 30)
			assert.Contains(t, byHand.Output, `"status":"success"`)

			failed := w.run(`promql("broken")`, 30)
			assert.Equal(t, "ClientError", failed.ErrorType)
			assert.Contains(t, failed.Error, "An error occurred (bad_data) when calling the QueryMetrics operation: parse error at char 7")
			require.Len(t, failed.AWSCalls, 1)
			assert.Equal(t, "bad_data", failed.AWSCalls[0].ErrorCode)
		})
	}
}
