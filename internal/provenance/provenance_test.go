package provenance_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// parts returns the parts of an output that occur in answers.
func parts(output string, answers ...string) []string {
	var r provenance.Recorder
	for _, answer := range answers {
		r.Record(provenance.Exchange{URL: "https://logs.us-east-1.amazonaws.com/", Status: 200, Answer: []byte(answer)})
	}
	return texts(output, r.Judge(output, time.Time{}).Spans)
}

func texts(output string, spans []toolcall.Span) []string {
	list := []string{}
	for _, span := range spans {
		list = append(list, output[span.From:span.To])
	}
	return list
}

func TestNormal_ResolvesEncodings(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", "ERROR pool-1: 97.3 %", "ERROR pool-1: 97.3 %"},
		{"white space", "  a\t\r\n b\u00a0\u3000c ", "a b c"},
		{"escapes of JSON", `f\u00fcr\n\"x\" \/ \\\"y\\\"`, `für "x" / "y"`},
		{"surrogates", `\ud83d\udd25 \\ud83d\\udd25`, "🔥 🔥"},
		{"half a pair", `a\ud83d b`, "a b"},
		{"long escape of Python", `\U0001f525`, "🔥"},
		{"bytes of Python", `\xe8\xa8\xbc\xc3\xbc\xff`, "証üÿ"},
		{"no escape", `C:\data \d+ \u12 \`, `C:\data \d+ \u12 \`},
		{"entities", "&lt;a&gt; &amp;lt; &#252; &#xfc; &unknown; & &amp", "<a> < ü ü &unknown; & &amp"},
		{"composition", "u\u0308 e\u0301 か\u3099 \u1112\u1161\u11ab", "ü é が 한"},
		{"composition of an escape", `u\u0308`, "ü"},
		{"typographic", "‘a’ “b” c–d—e −5 …", `'a' "b" c-d-e -5 ...`},
		{"invisible", "a\u200bb\u2060c\ufeff\u00add\x1be", "abcde"},
		{"direction", "\u202eabc\u202c", "abc"},
		{"invalid", "a\xffb", "ab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, provenance.Normal(test.text))
			assert.Equal(t, test.want, provenance.Normal(provenance.Normal(test.text)), "twice")
		})
	}
}

func TestJudge_ReadsEveryProtocol(t *testing.T) {
	const output = "orders-errors ALARM 97.5"
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write([]byte(`{"AlarmName":"orders-errors","StateValue":"ALARM","Threshold":97.50}`))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	cbor := "\xbf\x69AlarmName\x6dorders-errors\x6aStateValue\x7f\x62AL\x63ARM\xff\x69Threshold\xfb\x40\x58\x60\x00\x00\x00\x00\x00\xff"
	for name, answer := range map[string]string{
		"JSON":           `{"AlarmName":"orders-errors","StateValue":"ALARM","Threshold":9.75E1}`,
		"JSON in JSON":   `{"Event":"{\"AlarmName\":\"orders-errors\",\"StateValue\":\"ALARM\",\"Threshold\":97.5}"}`,
		"JSON in a line": `{"message":"12:36 ERROR {\"AlarmName\":\"orders-errors\",\"StateValue\":\"ALARM\",\"Threshold\":97.5} end"}`,
		"cut JSON":       `{"AlarmName":"orders-errors","StateValue":"ALARM","Threshold":97.5,"Other":"x`,
		"XML":            `<R xmlns="x"><AlarmName>orders-errors</AlarmName><Threshold>97.5</Threshold><!-- c --><StateValue>ALARM</StateValue></R>`,
		"CDATA":          `<R><A><![CDATA[orders-errors]]></A><T>97.5</T><S>ALARM</S></R>`,
		"URL in XML":     `<R><PolicyDocument>%7B%22A%22%3A%22orders-errors%22%2C%22S%22%3A%22ALARM%22%2C%22T%22%3A97.5%7D</PolicyDocument></R>`,
		"CBOR":           cbor,
		"gzip":           packed.String(),
		"text":           "the state:\norders-errors\tALARM\t97.5\n",
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, []string{output}, parts(output, answer)) })
	}
	assert.Empty(t, parts(output, `{"AlarmName":"orders-error"}`), "another name")
	assert.Empty(t, parts(output))
}

func TestJudge_UsualOutputOfCode(t *testing.T) {
	// Answers in the shapes of ECS, Logs Insights, CloudTrail, and RDS.
	ecs := `{"services":[{"serviceName":"orders","status":"ACTIVE","desiredCount":4,"runningCount":1,"pendingCount":3,"deployments":[{"id":"ecs-svc/123","status":"PRIMARY","rolloutState":"IN_PROGRESS","failedTasks":12,"createdAt":1.795609755123E9,"taskDefinition":"arn:aws:ecs:us-east-1:123456789012:task-definition/orders:42"}],"events":[{"id":"e1","createdAt":1.795609755E9,"message":"(service orders) was unable to place a task because no container instance met all of its requirements."}]}],"failures":[]}`
	insights := `{"results":[[{"field":"bin(5m)","value":"2026-11-25 12:25:00.000"},{"field":"errors","value":"57"},{"field":"@ptr","value":"abc"}],[{"field":"bin(5m)","value":"2026-11-25 12:30:00.000"},{"field":"errors","value":"3"}]],"statistics":{"recordsMatched":60.0,"recordsScanned":1200.0,"bytesScanned":54321.0},"status":"Complete"}`
	trail := `{"Events":[{"EventId":"1","EventName":"PutRolePolicy","EventTime":1.795609755E9,"Username":"sam","Resources":[{"ResourceType":"AWS::IAM::Role","ResourceName":"orders-role"}],"CloudTrailEvent":"{\"eventVersion\":\"1.08\",\"userIdentity\":{\"type\":\"IAMUser\",\"userName\":\"sam\"},\"errorCode\":\"AccessDenied\",\"requestParameters\":{\"roleName\":\"orders-role\",\"policyName\":\"orders\"}}"},{"EventId":"2","EventName":"DeleteTable","EventTime":1.795609765E9,"Username":"eve","Resources":[{"ResourceType":"AWS::DynamoDB::Table","ResourceName":"users"}]}]}`
	xml := `<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceIdentifier>orders-db</DBInstanceIdentifier><DBInstanceStatus>storage-full</DBInstanceStatus><AllocatedStorage>20</AllocatedStorage><Endpoint><Address>orders-db.abc.us-east-1.rds.amazonaws.com</Address><Port>5432</Port></Endpoint><MultiAZ>false</MultiAZ></DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>`
	table := `{"Table":{"CreationDateTime":1.795609755E9,"ItemCount":57,"TableName":"orders","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"TableStatus":"UPDATING"}}`
	topic := `<R><GetTopicAttributesResult><Attributes><entry><key>SubscriptionsPending</key><value>3</value></entry><entry><key>TopicArn</key><value>arn:aws:sns:us-east-1:123456789012:orders</value></entry><entry> <key>SubscriptionsDeleted</key> <value>5701</value></entry></Attributes></GetTopicAttributesResult></R>`
	for _, test := range []struct {
		output, answer string
		want           []string // nil: the whole output
	}{
		{`orders ACTIVE desired 4 running 1 pending 3`, ecs, nil},
		{`service orders status ACTIVE running 1/4`, ecs, nil},
		{`2026-11-25 12:29:15+00:00 (service orders) was unable to place a task because no container instance met all`, ecs, nil},
		{`PRIMARY IN_PROGRESS failedTasks 12 orders:42`, ecs, nil},
		{`running 4 of`, ecs, []string{}},
		{`bin(5m)': '2026-11-25 12:25:00.000', 'errors': '57`, insights, nil},
		{`2026-11-25 12:25:00.000 57`, insights, nil},
		{`2026-11-25 12:30:00.000 57`, insights, []string{"2026-11-25 12:30:00.000"}},
		{`recordsMatched: 60.0 recordsScanned: 1200`, insights, nil},
		{`2026-11-25T12:29:15+00:00 PutRolePolicy sam orders-role`, trail, nil},
		{`PutRolePolicy sam AccessDenied {'roleName': 'orders-role', 'policyName': 'orders`, trail, nil},
		{`error AccessDenied user sam`, trail, nil},
		{`PutRolePolicy eve`, trail, []string{"PutRolePolicy"}},
		{`DeleteTable sam orders-role`, trail, []string{"DeleteTable", "sam orders-role"}},
		{`orders-db storage-full 20 False`, xml, nil},
		{`DBInstanceIdentifier orders-db Status: storage-full`, xml, nil},
		{`Endpoint': {'Address': 'orders-db.abc.us-east-1.rds.amazonaws.com', 'Port': 5432}, 'MultiAZ': False`, xml, nil},
		{`TableStatus': 'UPDATING', 'ItemCount': 57, 'CreationDateTime': '2026-11-25 12:29:15+00:00`, table, nil},
		{`TableName: orders, TableStatus: UPDATING`, table, nil},
		{`TableName: UPDATING`, table, []string{"TableName", "UPDATING"}},
		{`SubscriptionsDeleted': '5701', 'TopicArn': 'arn:aws:sns:us-east-1:123456789012:orders', 'SubscriptionsPending': '3`, topic, nil},
		{`SubscriptionsPending: 5701`, topic, []string{"SubscriptionsPending"}},
		{`orders-db storage-full MultiAZ True`, xml, []string{"orders-db storage-full", "MultiAZ"}},
	} {
		want := test.want
		if want == nil {
			want = []string{test.output}
		}
		assert.Equal(t, want, parts(test.output, test.answer), test.output)
	}
}

func TestJudge_KeepsRecordsApart(t *testing.T) {
	for name, answer := range map[string]string{
		"JSON":          `{"Alarms":[{"Name":"orders-errors","State":"healthy-1"},{"Name":"users-errors","State":"broken-1"}]}`,
		"JSON in lists": `{"results":[[{"field":"Name","value":"orders-errors"},{"field":"State","value":"healthy-1"}],[{"field":"Name","value":"users-errors"},{"field":"State","value":"broken-1"}]]}`,
		"XML":           `<R><Alarms><member><Name>orders-errors</Name><State>healthy-1</State></member><member><Name>users-errors</Name><State>broken-1</State></member></Alarms></R>`,
		"RDS":           `<R><DBInstances><DBInstance><Name>orders-errors</Name><State>healthy-1</State></DBInstance><DBInstance><Name>users-errors</Name><State>broken-1</State></DBInstance></DBInstances></R>`,
		"siblings":      `<R><X><Name>orders-errors</Name><State>healthy-1</State></X><X><Name>users-errors</Name><State>broken-1</State></X></R>`,
		"nested":        `{"Document":"[{\"Name\":\"orders-errors\",\"State\":\"healthy-1\"},{\"Name\":\"users-errors\",\"State\":\"broken-1\"}]"}`,
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []string{"orders-errors", "broken-1"}, parts("orders-errors is broken-1", answer))
			assert.Equal(t, []string{"orders-errors", "broken-1"}, parts("orders-errors: broken-1", answer))
			assert.Equal(t, []string{"users-errors: broken-1"}, parts("users-errors: broken-1", answer))
			assert.Equal(t, []string{"broken-1 users-errors"}, parts("broken-1 users-errors", answer))
		})
	}
	assert.Equal(t, []string{"orders-errors", "broken-1"},
		parts("orders-errors broken-1", `{"Name":"orders-errors"}`, `{"Name":"broken-1"}`), "two answers")
}

func TestJudge_ANameBelongsToItsValue(t *testing.T) {
	const answer = `{"FunctionName":"orders","Timeout":3,"MemorySize":128,"Vpc":{"SubnetId":"subnet-12","State":"ready-1"},"Gone":null}`
	for output, want := range map[string]string{
		"Timeout: 3, MemorySize: 128":    "Timeout: 3, MemorySize: 128",
		"timeout=3 memory=128":           "timeout=3 memory=128",
		"Function orders timeout 3":      "Function orders timeout 3",
		"Vpc: State: ready-1":            "Vpc: State: ready-1",
		"Timeout: 128 ":                  "Timeout",
		"MemorySize: 3":                  "MemorySize",
		"Vpc: 128 subnet-12":             "128 subnet-12",
		"FunctionName: ready-1 State: 3": "FunctionName|ready-1",
	} {
		assert.Equal(t, want, strings.Join(parts(output, answer), "|"), output)
	}
}

func TestJudge_RecognizesTimes(t *testing.T) {
	const answer = `{"events":[{"timestamp":1795609755123,"message":"pool exhausted","at":"2026-11-25T12:29:15.123Z","seconds":1.795609755E9}]}`
	for _, at := range []string{
		"2026-11-25T12:29:15Z", "2026-11-25 12:29:15+00:00", "2026-11-25 12:29:15.123456", "2026-11-25T14:29:15+02:00", "2026-11-25T05:59:15-0630",
		"datetime.datetime(2026, 11, 25, 12, 29, 15, 123000, tzinfo=tzutc())", "datetime(2026, 11, 25, 12, 29, 15)", "12:29:15", "12:29:15.123",
		"2026-11-25 12:29", "1795609755", "1795609755.123", "1795609755123",
	} {
		assert.Equal(t, []string{at + " pool exhausted"}, parts(at+" pool exhausted", answer), at)
	}
	for _, name := range []string{"NotAfter", "CompletedOn", "lastStatusChange", "UnhealthySince", "lastAccessed", "ValidTo"} {
		shown := name + ": 2026-11-25 12:29:15+00:00"
		assert.Equal(t, []string{shown}, parts(shown, `{"`+name+`":1795609755}`), name)
	}
	assert.NotContains(t, parts("Region: 2026-11-25 12:29:15+00:00", `{"Region":1795609755}`), "Region: 2026-11-25 12:29:15+00:00")
	for _, at := range []string{"2026-10-56T12:29:15Z", "datetime.datetime(2026, 10, 56, 12, 29, 15)", "2026-11-25T12:29:16Z", "2026-11-25T12:29:15+01:00", "12:29:16", "2026-11-24 12:29", "1795609756"} {
		assert.Equal(t, []string{"pool exhausted"}, parts(at+": pool exhausted", answer), at)
	}
}

// A day that its month does not have is no time.
func TestJudge_ADayOfNoMonthIsNoTime(t *testing.T) {
	const answer = `{"m":"checkout-errors dropped at 2026-03-03T10:00:00Z"}`
	for _, forged := range []string{"checkout-errors dropped at 2026-02-31 10:00:00", "checkout-errors dropped at datetime.datetime(2026, 2, 31, 10, 0)"} {
		assert.NotContains(t, parts(forged, answer), forged)
	}
	assert.Equal(t, []string{"checkout-errors dropped at 2026-03-03 10:00:00"}, parts("checkout-errors dropped at 2026-03-03 10:00:00", answer))
}

func TestJudge_MarksWhatTheCodeSent(t *testing.T) {
	const output = "AccessDenied for role checkout 12.5\nValidation failed for AccessDenied for role checkout of orders"
	for _, request := range []string{
		`{"Label":"AccessDenied for role checkout"}`, `Action=X&MetricDataQueries.member.1.Label=AccessDenied+for%20role+checkout`,
		`{"queryString":"fields \"AccessDenied for role checkout\" as x"}`, "\xa1\x65Label\x78\x1eAccessDenied for role checkout",
	} {
		var r provenance.Recorder
		r.Record(provenance.Exchange{
			URL: "https://x/", Request: []byte(request), Status: 200,
			Answer: []byte(`{"Label":"AccessDenied for role checkout","Value":12.5,"Error":"Validation failed for AccessDenied for role checkout of orders"}`),
		})
		observed := r.Judge(output, time.Time{})
		text := provenance.NewText(output)
		source := func(quote string) bool {
			found := text.Find(quote, false)
			require.NotEmpty(t, found)
			for _, f := range found {
				if text.IsObserved(f, observed) {
					return true
				}
			}
			return false
		}
		assert.False(t, source("AccessDenied for role checkout"), request)
		assert.False(t, source("AccessDenied for role checkout 12.5"), request)
		assert.True(t, source("Validation failed for AccessDenied"), request)
	}
}

func TestJudge_ReportsWhatItDidNotCompare(t *testing.T) {
	var r provenance.Recorder
	r.Record(provenance.Exchange{Status: 200, Answer: []byte(`{"a":"orders"}`), Cut: true})
	assert.True(t, r.Judge("orders-1", time.Time{}).Partial)
	assert.False(t, r.Judge("orders-1", time.Time{}).Partial, "the recorder forgot the exchanges")
	for range 20 {
		r.Record(provenance.Exchange{Status: 200, Answer: bytes.Repeat([]byte("x "), 1<<19)})
	}
	observed := r.Judge("orders-1", time.Time{})
	assert.True(t, observed.Partial)
	assert.Equal(t, 20, observed.Answers)
	r.Record(provenance.Exchange{Status: 200, Answer: []byte(`{"a":"orders-1"}`)})
	observed = r.Judge("orders-1", time.Now().Add(-time.Second))
	assert.True(t, observed.Partial, "the time is over")
	assert.Empty(t, observed.Spans)
	assert.Equal(t, 1, observed.Answers)
	r.Record(provenance.Exchange{Status: 200, Answer: []byte(`{}`)})
	r.Forget()
	assert.Zero(t, r.Judge("x", time.Time{}).Answers)
}

// An answer that repeats the same words as often as possible must not take long. The limit on steps bounds
// the time.
func TestJudge_RepetitionIsBounded(t *testing.T) {
	output := strings.Repeat("a b ", 30_000)
	var b strings.Builder
	for i := range 40_000 {
		words := strings.NewReplacer("0", "a ", "1", "b ").Replace(fmt.Sprintf("%b", i))
		fmt.Fprintf(&b, `{"n":%q},`, words)
	}
	var r provenance.Recorder
	r.Record(provenance.Exchange{Status: 200, Answer: []byte("[" + b.String() + "{}]")})
	assert.True(t, r.Judge(output, time.Time{}).Partial)
}

// The output can repeat the words of a long name very often without a part that stands for it.
func TestJudge_LongNameIsBounded(t *testing.T) {
	var r provenance.Recorder
	r.Record(provenance.Exchange{Status: 200, Answer: fmt.Appendf(nil, `{"a":[{%q:"orders-1"}]}`, strings.Repeat("item_", 36)+"max_count")})
	assert.True(t, r.Judge(strings.Repeat("item ", 30_000)+"orders-1", time.Time{}).Partial)
}

func FuzzJudge(f *testing.F) {
	f.Add(`{"a":[{"b":"c d \u00fc"}]}`, `c d ü: 12:36:15 [redacted: secret] \xc3`, `{"Label":"c"}`)
	f.Add("\xbf\x61a\x9f\x01\xff\xff", "1 2026-11-25T12:36:15Z datetime(2026, 1, 2, 3, 4)", "a=b%20c")
	f.Add("<a><b>x</b><b>y</b></a>", "x y &amp;lt; é", "")
	f.Fuzz(func(t *testing.T, answer, output, request string) {
		var r provenance.Recorder
		r.Record(provenance.Exchange{URL: "u", Request: []byte(request), Status: 200, Answer: []byte(answer)})
		observed := r.Judge(output, time.Time{})
		for _, span := range append(observed.Spans, observed.Asked...) {
			if span.From < 0 || span.From >= span.To || span.To > len(output) {
				t.Fatalf("%v is not in an output of %d bytes", span, len(output))
			}
		}
		text := provenance.NewText(output)
		for _, found := range text.Find(request, true) {
			text.IsObserved(found, observed)
		}
	})
}

func TestJudge_NamesOnlyCountBeforeTheirOwnValue(t *testing.T) {
	const answer = `{"MetricAlarms":[{"AlarmName":"checkout","StateValue":"OK","Threshold":5.0},` +
		`{"AlarmName":"orders","StateValue":"ALARM","Threshold":100}]}`
	for _, honest := range []string{
		"AlarmName: orders, StateValue: ALARM", "StateValue=ALARM AlarmName=orders", "alarm name orders, state ALARM",
		"Alarm: orders State: ALARM",
	} {
		assert.Equal(t, []string{honest}, parts(honest, answer))
	}
	for _, forged := range []string{
		"StateValue: ALARM, AlarmName: checkout", "ALARM checkout", "Threshold ALARM checkout", "StateValue AlarmName checkout",
		"state value alarm name checkout", "OK ALARM checkout",
	} {
		assert.NotContains(t, parts(forged, answer), forged)
	}
}

// A word that is the whole name of one field does not stand for another field of the same record.
func TestJudge_TheNameOfAFieldDoesNotStandForAnotherFieldBesideIt(t *testing.T) {
	const (
		service = `{"services":[{"name":"orders","status":"ACTIVE","runningCount":57,"count":9041,"deployments":[{"id":"blue","rolloutStatus":"FAILED"}],` +
			`"lastUpdateStatus":"Unsuccessful"}]}`
		function = `{"Name":"orders","Status":"Active","Layers":[{"Arn":"arn:1"}],"LastUpdateStatus":"Unsuccessful","Encryption":{"Mode":"ENFORCED"},"TableMode":"STANDARD"}`
		finding  = `{"s":[{"Id":"arn:aws:securityhub:us-west-1:123456789012:subscription/finding/1","ProductArn":"arn:aws:securityhub:us-west-1::product/aws/securityhub"}]}`
	)
	for _, tt := range []struct{ answer, honest, forged string }{
		{service, "orders status: ACTIVE", "orders status: Unsuccessful"},
		{service, "orders last update status: Unsuccessful", `"name": "orders", "status": "Unsuccessful"`},
		{service, "orders running count: 57", "orders count: 57"},
		{service, "blue rolloutStatus FAILED", "blue status FAILED"},
		{service, "blue rollout: FAILED", "orders status FAILED"},
		{function, "orders Status: Active", "Status: Unsuccessful"},
		{function, "orders update status: Unsuccessful", "status=Unsuccessful"},
		{`{"LastUpdateStatus":"Unsuccessful","Layers":[{"Arn":"arn:1"}],"Status":"Active"}`, "Status: Active", "Status: Unsuccessful"},
		{function, "orders mode: STANDARD", "orders mode: Unsuccessful"}, // the other Mode is of the encryption
		{`{"s":[{"InstanceStatus":{"Status":"impaired","Reason":"reachability"}}]}`, "InstanceStatus Reason: reachability", "Status: reachability"},
		{`{"DataCatalog":{"Type":"LAMBDA","Parameters":{"catalog":"orders","function":"read-orders"}}}`, "DataCatalog function: read-orders", "catalog: read-orders"},
		{finding, "ProductArn: arn:aws:securityhub:us-west-1::product/aws/securityhub", "ProductArn: arn:aws:securityhub:us-west-1:123456789012:subscription/finding/1"},
		{`{"s":[{"Arn":"arn:aws:efs:us-west-2:123456789012:fs/fs-1","Tags":[{"Key":"Name","Value":"orders"}]}]}`, "Name: orders", "Name=arn:aws:efs:us-west-2:123456789012:fs/fs-1"},
	} {
		assert.True(t, quoted(t, tt.honest, exchange(`{}`, tt.answer)), tt.honest)
		assert.False(t, quoted(t, tt.forged, exchange(`{}`, tt.answer)), tt.forged)
	}
}

// Without some words, a name means something else.
func TestJudge_NamesCountWithTheWordsThatChangeTheirMeaning(t *testing.T) {
	const answer = `{"Items":[{"Name":"orders","NonCompliantCount":5701,"UnHealthyHostCount":3,"not_encrypted":true,"encryptionDisabled":true,"MaxReceiveCount":7,` +
		`"PreviousState":"healthy","InstancesFailed":9,"desiredCount":4,"BlockPublicAcls":true,"Tags":[{"Key":"not-public","Value":"yes"}],"notBefore":"2026-01-15T03:12:00Z"}]}`
	for _, honest := range []string{
		"orders NonCompliantCount: 5701", "orders non compliant count 5701", "orders UnHealthyHostCount=3", "orders not encrypted: true", "orders encryption disabled true",
		"orders max receive count 7", "orders previous state healthy", "orders previous: healthy", "orders instances failed: 9", "orders desired: 4", "orders not-public: yes",
	} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	for _, forged := range []string{
		"orders compliant count: 5701", "orders count 5701", "orders healthy host count: 3", "orders host count 3", "orders encrypted: true", "orders encryption: true", "orders receive count 7",
		"orders state: healthy", "orders instances 9", "orders count: 4", "orders public acls: true", "orders public: yes",
		"orders not 2026-01-15", "notBefore: not 2026-01-15T03:12:00Z", "orders notBefore notBefore 2026-01-15T03:12:00Z",
	} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
	}
}

func TestJudge_NegatedOrEstimatedNamesCountWithThatWord(t *testing.T) {
	const answer = `{"Items":[{"Name":"orders","unencryptedVolumes":5701,"EstimatedErrors":57,"unassociatedAddresses":31,"uninstalledAgents":12,` +
		`"forecastedSpend":99,"nonconformantPacks":8,"unitCount":44,"uniqueUsers":45,"LockedUntil":"2026-08-04","UnblendedCost":{"Amount":"57.31"}}]}`
	for _, honest := range []string{
		"orders unencrypted volumes: 5701", "orders unencryptedVolumes=5701", "orders estimated errors 57", "orders unassociated addresses 31", "orders uninstalled: 12",
		"orders count 44", "orders users 45", "orders locked: 2026-08-04", "orders locked until 2026-08-04", "orders cost: 57.31", "orders UnblendedCost 57.31",
	} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	for _, forged := range []string{
		"orders volumes: 5701", "orders errors 57", "orders addresses 31", "orders agents 12", "orders spend: 99", "orders packs: 8",
	} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
	}
}

func TestJudge_WhatIsUnavailableReservedOrDelayedIsSomethingElse(t *testing.T) {
	const answer = `{"Items":[{"Name":"orders","UnreservedConcurrentExecutions":100,"ReservedConcurrentExecutions":30,` +
		`"ApproximateNumberOfMessagesDelayed":57,"unavailableReplicas":3,"ConnectionRefusedCount":5712,"OriginalIops":3000,"TablesErrored":4711,` +
		`"numberOfQueuedThings":812,"OriginReadTimeout":97,"RestrictPublicBuckets":true}]}`
	for _, honest := range []string{
		"orders unreserved concurrent executions: 100", "orders reserved concurrent executions 30", "orders messages delayed: 57", "orders unavailable replicas 3",
		"orders connection refused: 5712", "orders refused count 5712", "orders original IOPS: 3000", "orders tables errored: 4711", "orders queued things 812", "orders read timeout: 97",
		"orders restrict public buckets: true",
	} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	for _, forged := range []string{
		"orders concurrent executions: 100", "orders concurrent executions 30", "orders number of messages: 57", "orders replicas: 3",
		"orders connection: 5712", "orders connection count 5712", "orders iops: 3000", "orders tables: 4711", "orders number of things 812", "orders origin read: 97",
		"orders public buckets: true",
	} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
	}
}

func TestJudge_AThresholdOrWhatIsLeftIsSomethingElse(t *testing.T) {
	const answer = `{"Items":[{"Name":"orders","HealthyThresholdCount":5,"UnhealthyThresholdCount":2,"AvailableIpAddressCount":31,` +
		`"connectionLimit":70,"deletedDate":"2026-01-15T03:12:00Z","IdleTimeoutSeconds":60,"remainingUnits":8,` +
		`"InaccessibleEncryptionDate":"2026-01-16T03:12:00Z","nextDeliveryTime":"2026-01-17T03:12:00Z","PotentialSavings":97,"SuppressedAlarmActions":12,"OutOfServiceCount":5}]}`
	for _, honest := range []string{
		"orders UnhealthyThresholdCount: 2", "orders unhealthy threshold: 2", "orders healthy threshold count 5", "orders available IP address count: 31",
		"orders connection limit 70", "orders deleted 2026-01-15T03:12:00Z", "orders idle timeout seconds 60", "orders remaining: 8", "orders inaccessible encryption date 2026-01-16T03:12:00Z", "orders next delivery: 2026-01-17T03:12:00Z",
		"orders potential savings: 97", "orders out of service: 5",
	} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	for _, forged := range []string{
		"orders unhealthy: 2", "orders healthy: 5", "orders healthy count: 5", "orders address count: 31", "orders connection: 70", "orders date 2026-01-15T03:12:00Z",
		"orders timeout seconds 60", "orders units: 8", "orders encryption date 2026-01-16T03:12:00Z", "orders delivery time 2026-01-17T03:12:00Z", "orders savings: 97",
		"orders alarm actions: 12", "orders of service count: 5",
	} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
	}
}

func TestJudge_ANegationOrAComparisonIsAWordBeforeQuotesAndBrackets(t *testing.T) {
	const answer = `{"Items":[{"Name":"orders","Status":"healthy","Latency":500}]}`
	for _, forged := range []string{`Status: !"healthy"`, "Status: !(healthy)", "Status: !['healthy']", `Latency >"500"`, "Latency >(500)", "Latency >$500", "Latency <~500"} {
		assert.False(t, quoted(t, forged, exchange(`{}`, answer)), forged)
	}
	for _, honest := range []string{`Status: "healthy"`, "Status -> (healthy)", "Latency ->(500)", "Latency! (500)"} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
}

func TestJudge_ANegatedWordBeginsNoQuote(t *testing.T) {
	answer := func(text string) provenance.Exchange {
		return exchange(`{}`, `{"Items":[{"Text":"`+text+`","State":"stable today"}]}`)
	}
	for _, test := range []struct{ text, forged, honest string }{
		{"sam is not authorized to read orders", "authorized to read orders", "not authorized to read orders"},
		{"no space left on device", "space left on device", "no space left"},
		{"the disk isn't full today", "full today", "isn't full today"},
		{"it could Not 'start today'", "start today", "could Not 'start today"},
		{"die Datenbank ist nicht erreichbar", "erreichbar", "Datenbank ist nicht erreichbar"},
		{"数据库不可用状态异常", "可用状态异常", "数据库不可用状态异常"},
		{"it was never (restarted) today", "restarted) today", "was never (restarted) today"},
		{"err=no space left", "space left", "err=no space left"},
	} {
		for _, output := range []string{test.text, test.forged} {
			var r provenance.Recorder
			r.Record(answer(test.text))
			assert.False(t, isConfirmed(t, output, test.forged, r.Judge(output, time.Time{})), "%s in %s", test.forged, output)
		}
		assert.True(t, quoted(t, test.honest, answer(test.text)), test.honest)
	}
	assert.True(t, quoted(t, "Task timed out", answer("it was not. Task timed out")), "of another sentence")
	assert.True(t, quoted(t, "to read orders", answer("sam is not authorized to read orders")))
	assert.True(t, quoted(t, "State: stable today", answer("it was not")), "of another field")
	assert.False(t, quoted(t, "not State: stable today", answer("it was not")), "of another field")
	assert.True(t, quoted(t, "was not State: stable today", answer("it was not")))

	for _, test := range []struct {
		text, quote string
		isHonest    bool
	}{
		{"cached=no status=late today", "status=late today", true},
		{"a java.lang.TimeoutError late", "TimeoutError late", true},
		{"it was not java.lang.TimeoutError late", "TimeoutError late", false},
	} {
		var r provenance.Recorder
		r.Record(answer(test.text))
		assert.Equal(t, test.isHonest, isConfirmed(t, test.text, test.quote, r.Judge(test.text, time.Time{})), "%s in %s", test.quote, test.text)
	}
}
