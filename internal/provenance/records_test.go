package provenance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
)

// An object in a list within a record combines with what is around the list, but not with the other objects.
func TestJudge_ObjectsInAListOfARecordAreRecords(t *testing.T) {
	const groups = `{"AutoScalingGroups":[{"AutoScalingGroupName":"web-group","Instances":[` +
		`{"InstanceId":"i-0aaaaaaaaaaaaaaa1","HealthStatus":"Healthy","ProtectedFromScaleIn":false},` +
		`{"InstanceId":"i-0bbbbbbbbbbbbbbb2","HealthStatus":"Unhealthy","ProtectedFromScaleIn":true}],"Status":"Deleting"}]}`
	const groupsXML = `<R><AutoScalingGroups><member><AutoScalingGroupName>web-group</AutoScalingGroupName><Instances>` +
		`<member><InstanceId>i-0aaaaaaaaaaaaaaa1</InstanceId><HealthStatus>Healthy</HealthStatus></member>` +
		`<member><InstanceId>i-0bbbbbbbbbbbbbbb2</InstanceId><HealthStatus>Unhealthy</HealthStatus></member></Instances>` +
		`<Status>Deleting</Status></member></AutoScalingGroups></R>`
	const reservations = `{"Reservations":[{"OwnerId":"123456789012","Instances":[{"InstanceId":"i-0aaaaaaaaaaaaaaa1","State":{"Name":"running"}},` +
		`{"InstanceId":"i-0bbbbbbbbbbbbbbb2","State":{"Name":"terminated"}}]}]}`
	const ec2 = `<R><instancesSet><item><instanceId>i-0aaaaaaaaaaaaaaa1</instanceId><instanceState><code>16</code><name>running</name></instanceState>` +
		`<tagSet><item><key>owner</key><value>eve-team</value></item><item><key>env</key><value>prod</value></item></tagSet></item></instancesSet></R>`
	const states = `{"pods":[{"id":"task-1","state":{"reason":"Running"},"lastState":{"reason":"OOMKilled"},"maxState":{"reason":"Unknown"}}]}`
	const endpoints = `{"Instances":[{"id":"db-1","Endpoint":{"Port":5432},"Pending":{"Endpoint":{"Port":5433}},"PrimaryAddress":{"Name":"db-1-rw"},"ReaderAddress":{"Name":"db-1-ro"},` +
		`"LastChange":{"Name":"resize"},"Replicas":[{"id":"db-2","Endpoint":{"Port":5434},"State":"up"}]}]}`
	const indexes = `{"Table":{"TableName":"orders","TableStatus":"ACTIVE","Keys":[{"AttributeName":"customer","KeyType":"HASH"}],"ItemCount":5123,"Throughput":{"Reads":11},` +
		`"Indexes":[{"IndexName":"by-user","IndexStatus":"CREATING","ItemCount":77,"Throughput":{"Reads":21}}]}}`
	const stateFirst = `{"services":[{"name":"orders","tasks":[{"state":"STOPPED","id":"task-1"},{"state":"RUNNING","id":"task-2"}],"region":"us-east-1"}]}`
	const deep = `{"a":[{"name":"orders","b":[{"zone":"zone-1","c":[{"id":"task-1","state":"STOPPED"},{"id":"task-2","state":"RUNNING"}]},` +
		`{"zone":"zone-2","c":[{"id":"task-3","state":"PENDING"}]}]}]}`
	const inString = `{"events":[{"message":"{\"name\":\"orders\",\"tasks\":[{\"id\":\"task-1\",\"state\":\"STOPPED\"},{\"id\":\"task-2\",\"state\":\"RUNNING\"}]}"}]}`
	const two = `{"s":[{"name":"orders","deployments":[{"id":"ecs-1","status":"PRIMARY"},{"id":"ecs-2","status":"ACTIVE"}],"events":[{"message":"was unable to place"},{"message":"has reached a steady state","id":"ev-9"}]}]}`
	const tags = `{"instances":[{"id":"task-1","Tags":[{"Key":"env","Value":"production"},{"Key":"owner","Value":"eve-team"}],"state":"RUNNING"}]}`
	const tagsReversed = `{"instances":[{"id":"task-1","Tags":[{"Value":"production","Key":"env"},{"Value":"eve-team","Key":"owner"}],"state":"RUNNING"}]}`
	const tagAndState = `{"instances":[{"id":"task-1","Tags":[{"Key":"owner","Value":"eve-team"},{"Key":"owner-before","Value":"sam-team"}],"state":"RUNNING"}]}`
	const filters = `{"groups":[{"name":"web-group","filters":[{"Type":"KEY_ONLY","Value":"eve-team"},{"Key":"stage","Value":"production"}]}]}`
	const mixed = `{"instances":[{"id":"task-1","filters":[{"Key":"owner","Value":"sam-team"},{"Key":"stage","Value":"blue","Inherited":true}],"Tags":[{"Key":"tier","Value":"eve-team"}]}]}`
	const cluster = `{"clusterName":"web-cluster","status":"FAILED","tags":[{"key":"owner","value":"eve-team"},{"key":"stage","value":"production"}]}`
	const many = `{"instances":[{"id":"task-1","Tags":[{"Key":"env","Value":"a1"},{"Key":"owner","Value":"b2"},{"Key":"app","Value":"c3"},{"Key":"team","Value":"d4"},` +
		`{"Key":"tier","Value":"e5"},{"Key":"zone","Value":"f6"},{"Key":"part","Value":"g7"}],"state":"RUNNING"}]}`
	const rows = `{"data":[{"metric":"requests","rows":[["task-1","STOPPED"],["task-2","RUNNING"]]}]}`
	const actions = `{"stageStates":[{"stageName":"release","actionStates":[{"actionName":"Source"},{"actionName":"Deploy","latestExecution":{"status":"Failed"}},{"actionName":"Verify"},` +
		`{"actionName":"Notify","errors":[{"code":"E1","text":"no topic"}]}]}]}`
	const actionsXML = `<R><stages><member><stageName>release</stageName><actions><member><actionName>Source</actionName></member>` +
		`<member><actionName>Deploy</actionName><status>Failed</status></member><member><actionName>Verify</actionName></member></actions></member></stages></R>`
	const container = `{"containers":[{"id":"task-1","environment":[{"name":"TABLE_NAME","value":"orders-table"},{"name":"QUEUE","value":"orders-queue"}]}]}`
	const replica = `{"replicas":[{"name":"orders","State":"Enabled","MultiRegion":false,"Enabled":true}]}`
	const untagged = `{"actions":[{"id":"blue-role","Untag":["aws:cloudformation:stack-id"],"Tags":[{"Key":"aws:cloudformation:stack-id","Value":"green-stack"}]}]}`
	const advice = `{"r":[{"RecommendedActions":[{"id":"task-1","Attributes":[{"Key":"Recommended value","Value":"5.7.44"},{"Key":"Current version","Value":"5.7.42"}]}]}]}`
	const nested = `{"Permissions":[{"Permissions":["DESCRIBE"],"Name":"orders"}]}`
	const parameter = `{"Parameters":[{"Source":"system","AllowedValues":"enabled,disabled","Value":"off","ParameterName":"audit_logs","Description":"Whether calls are recorded or not"}]}`
	for _, test := range []struct{ name, answer, output string }{
		{"an object of one value", actions, "Source status Failed"},
		{"an object of one value after the others", actions, "actionName: Verify, status: Failed"},
		{"an object of one value in XML", actionsXML, "Source Failed"},
		{"objects of one value", actions, "Verify Source release"},
		{"a run from an object of one value", actions, "release actionName Source actionName Deploy"},
		{"a run to an object of one value", actionsXML, "status Failed actionName Verify"},
		{"a run from an object of one value to one with a list", actions, "actionName Verify actionName Notify"},
		{"instances of a group", groups, "i-0aaaaaaaaaaaaaaa1 HealthStatus Unhealthy"},
		{"instances of a group, with names", groups, "InstanceId: i-0aaaaaaaaaaaaaaa1, HealthStatus: Unhealthy"},
		{"with the group", groups, "web-group i-0aaaaaaaaaaaaaaa1 Unhealthy"},
		{"the later one first", groups, "i-0bbbbbbbbbbbbbbb2 Healthy"},
		{"a run without a border", groups, "Healthy ProtectedFromScaleIn False InstanceId i-0bbbbbbbbbbbbbbb2"},
		{"XML", groupsXML, "i-0aaaaaaaaaaaaaaa1 HealthStatus Unhealthy"},
		{"XML, a run without a border", groupsXML, "Healthy InstanceId i-0bbbbbbbbbbbbbbb2"},
		{"instances of a reservation", reservations, "i-0aaaaaaaaaaaaaaa1 terminated"},
		{"a path of names", reservations, "i-0aaaaaaaaaaaaaaa1 State.Name: terminated"},
		{"a path that is none", reservations, "i-0aaaaaaaaaaaaaaa1 Owner.Name: running"},
		{"a path of another field beside it", states, "task-1 state.reason: OOMKilled"},
		{"a path without a word that changes it", states, "max.reason: Unknown"},
		{"a path that is another one deeper", endpoints, "db-1 Endpoint.Port: 5433"},
		{"a path that is another one around the list", endpoints, "db-2 Endpoint.Port: 5432"},
		{"a path of two fields without their first words", endpoints, "Address.Name: db-1-ro"},
		{"a path to a value that is deeper", endpoints, "Instances.Replicas: 5434"},
		{"a path without last", endpoints, "db-1 Change.Name: resize"},
		{"a path to another tag", ec2, "tagSet.owner: prod"},
		{"the name of another list", indexes, "Keys IndexStatus: CREATING"},
		{"the name of a field around the list, and a value in it", indexes, "TableName: by-user"},
		{"the name of an object around the list, and a short name in it", indexes, "Table Status: CREATING"},
		{"the short name of a field around the list", indexes, "by-user Status: ACTIVE"},
		{"a name around the list, and one that the list has too", indexes, "TableName=orders ItemCount=77"},
		{"a name around the list, and one that the list has deeper", indexes, "TableName=orders, Reads: 21"},
		{"a name around the list, and a short name in it", indexes, "TableName=orders Status=CREATING"},
		{"a value around the list under a name that the list has too", indexes, "IndexName: by-user, ItemCount: 5123"},
		{"a path around the list that the list has too", indexes, "by-user Throughput.Reads=11"},
		{"a run of the state before the ID", stateFirst, "task-1 state RUNNING"},
		{"a run in brackets", stateFirst, "[task-1] [state RUNNING]"},
		{"the last one and the field after the list", stateFirst, "STOPPED task-2"},
		{"two levels", deep, "task-1 RUNNING"},
		{"another branch", deep, "task-3 STOPPED"},
		{"the zone of another branch", deep, "zone-2 task-1"},
		{"JSON in a string", inString, "task-1 RUNNING"},
		{"objects of two lists", two, "ecs-1 has reached a steady state"},
		{"the objects of two lists", two, "ACTIVE ev-9"},
		{"the key of another tag", tags, "env eve-team"},
		{"the key of another tag, with names", tags, "Key: env, Value: eve-team"},
		{"a reversed tag", tagsReversed, "env eve-team"},
		{"a reversed tag, with names", tagsReversed, "Key: env, Value: eve-team"},
		{"a tag, reversed", tags, "Value: production, Key: owner"},
		{"a tag and a field", tagAndState, "owner: RUNNING"},
		{"a tag whose name has the name of another one", tagAndState, "task-1 owner: sam-team"},
		{"a pair beside an object that is none", filters, "Value: production, Type: KEY_ONLY"},
		{"a tag and the value of another list", mixed, "owner: eve-team"},
		{"a tag and a field outside of records", cluster, "owner: FAILED"},
		{"rows", rows, "task-1 RUNNING"},
		{"the field of names, and the value of a tag", tags, "env key: eve-team"},
		{"a short name of a tag that is the name of its field", container, "name: orders-table"},
		{"a state that is the name of another field", replica, "orders Enabled: false"},
		{"a state that is the name of another field, as JSON", replica, `{"Enabled": false}`},
		{"a state that is the name of another field, with =", replica, "Enabled = false"},
		{"a list of tags without values", untagged, "aws:cloudformation:stack-id: blue-role"},
		{"a word of the values that a parameter can have", parameter, "audit_logs: enabled"},
		{"two words of a tag, of which one begins another name", advice, "Recommended value: 5.7.42"},
		{"the last word of a sentence", parameter, "not Source: system"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.False(t, quoted(t, test.output, exchange(`{}`, test.answer)))
		})
	}
	for _, test := range []struct{ output, answer string }{
		{"i-0bbbbbbbbbbbbbbb2 HealthStatus Unhealthy", groups},
		{"Unhealthy i-0bbbbbbbbbbbbbbb2", groups},
		{"web-group: i-0bbbbbbbbbbbbbbb2 Unhealthy", groups},
		{"AutoScalingGroupName=web-group Status=Deleting InstanceId=i-0bbbbbbbbbbbbbbb2 HealthStatus=Unhealthy", groups},
		{"Deleting i-0aaaaaaaaaaaaaaa1", groups},
		{`"HealthStatus": "Healthy", "ProtectedFromScaleIn": false}, {"InstanceId": "i-0bbbbbbbbbbbbbbb2", "HealthStatus": "Unhealthy"`, groups},
		{`'ProtectedFromScaleIn': True}], 'Status': 'Deleting'`, groups},
		{"web-group i-0bbbbbbbbbbbbbbb2 Unhealthy Deleting", groupsXML},
		{"123456789012 i-0bbbbbbbbbbbbbbb2 terminated", reservations},
		{"i-0bbbbbbbbbbbbbbb2 state.name: terminated, Reservations.OwnerId: 123456789012", reservations},
		{"i-0aaaaaaaaaaaaaaa1 State.Name: running, State.Code: 16", ec2},
		{"i-0aaaaaaaaaaaaaaa1 TagSet.owner: eve-team, tagSet.env=prod", ec2},
		{"task-1 state.reason: Running, lastState.reason: OOMKilled", states},
		{"db-1 Endpoint.Port: 5432, Pending.Endpoint.Port: 5433, ReaderAddress.Name: db-1-ro", endpoints},
		{"db-2 Endpoint.Port: 5434, LastChange.Name: resize", endpoints},
		{"TableName=orders IndexStatus=CREATING", indexes},
		{"TableName=orders ItemCount=5123", indexes},
		{"IndexName: by-user, ItemCount: 77, Throughput.Reads=21", indexes},
		{"IndexName: by-user, TableStatus: ACTIVE", indexes},
		{"orders zone-1 task-2 RUNNING", deep},
		{"task-3 PENDING zone-2 orders", deep},
		{"orders task-2 RUNNING", inString},
		{"orders has reached a steady state", two},
		{"task-1 RUNNING env production owner eve-team", tags},
		{"task-1 owner=eve-team env=production", tags},
		{"task-1 owner=eve-team env=production", tagsReversed},
		{"task-1 production eve-team", tags},
		{"'Tags': [{'Value': 'production', 'Key': 'env'}, {'Value': 'eve-team', 'Key': 'owner'}], 'state': 'RUNNING'", tagsReversed},
		{"RUNNING owner: eve-team, owner before: sam-team", tagAndState},
		{"web-group stage: production", filters},
		{"'Key': 'owner', 'Value': 'eve-team'", tags},
		{"'Key': 'env', 'Value': 'production'}, {'Key': 'owner', 'Value': 'eve-team'}], 'state': 'RUNNING'", tags},
		{"web-cluster FAILED owner: eve-team", cluster},
		{many[len(`{"instances":[{"id":"`) : len(many)-len(`"}]}`)], many},
		{"task-2 RUNNING requests", rows},
		{"release: Deploy Failed", actions},
		{"Verify release", actions},
		{"status Failed, Deploy (release)", actionsXML},
		{"{'actionName': 'Source'}, {'actionName': 'Deploy', 'latestExecution': {'status': 'Failed'}}", actions},
		{"web-group sg-0aaaa sg-0bbbb", `{"g":[{"name":"web-group","groups":["sg-0aaaa","sg-0bbbb"]}]}`},
		{"web-group sg-0bbbb sg-0aaaa", `{"g":[{"name":"web-group","groups":[{"GroupId":"sg-0aaaa"},{"GroupId":"sg-0bbbb"}]}]}`},
		{"orders Enabled false", replica}, // values without names
		{"orders State: Enabled, Enabled: true, MultiRegion: false", replica},
		{"blue-role {'aws:cloudformation:stack-id': 'green-stack'}", untagged},
		{"task-1 TABLE_NAME: orders-table", container},
		{"Recommended value: 5.7.44, Current version: 5.7.42", advice},
		{"orders {'Permissions': [{'Permissions': ['DESCRIBE']", nested},
		{"audit_logs Value: off, AllowedValues: enabled,disabled", parameter},
		{"audit_logs AllowedValues: enabled", parameter},
		{"recorded or not, Source: system", parameter},
		{"['sg-0aaaa', 'sg-0bbbb']", `<R><Ids><member>sg-0aaaa</member><member>sg-0bbbb</member></Ids><IsTruncated>false</IsTruncated></R>`},
		{"Ids: sg-0bbbb", `<R><Ids><member>sg-0aaaa</member><member>sg-0bbbb</member></Ids><IsTruncated>false</IsTruncated></R>`},
		{"web-group Version: 71", `<R><Groups><member><Name>web-group</Name><LaunchTemplate><Id>lt-1</Id><Version>71</Version></LaunchTemplate></member></Groups></R>`},
		{"['sg-0aaaa', 'sg-0bbbb']", `<R><Groups><member><Name>web-group</Name><VpcSecurityGroups><member>sg-0aaaa</member><member>sg-0bbbb</member></VpcSecurityGroups></member></Groups></R>`},
		{"sg-0bbbb sg-0aaaa web-group", `<R><Groups><member><Name>web-group</Name><VpcSecurityGroups><member>sg-0aaaa</member><member>sg-0bbbb</member></VpcSecurityGroups></member></Groups></R>`},
	} {
		assert.True(t, quoted(t, test.output, exchange(`{}`, test.answer)), test.output)
	}
}

// Many objects in a list must not make a comparison long.
func TestJudge_ManyObjectsInAListAreCompared(t *testing.T) {
	answer, output := `{"g":[{"name":"web-group","zone":"zone-1","list":[`, ""
	for i := range 1000 {
		n := string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		answer += `{"id":"task-` + n + `","state":"RUNNING","cpu":256},`
		output += "task-" + n + " RUNNING zone-1 256\n"
	}
	var r provenance.Recorder
	r.Record(exchange(`{}`, answer+`{}]}]}`))
	observed := r.Judge(output, time.Time{})
	assert.False(t, observed.Partial)
	assert.True(t, isConfirmed(t, output, "task-lmb RUNNING zone-1 256", observed))
}

// Lines of JSON are records, although no list is around them.
func TestJudge_ObjectsOnLinesAreRecords(t *testing.T) {
	const lines = "{\"name\":\"orders\",\"state\":\"running\"}\n{\"name\":\"payments\",\"state\":\"crashed\",\"at\":[{\"zone\":\"zone-a\"}]}\n"
	for _, answer := range []string{lines, strings.ReplaceAll(lines, "\n", ""), strings.ReplaceAll(lines, "\n", ",\r\n")} {
		for _, forged := range []string{"orders crashed", "name orders state crashed", "orders zone-a"} {
			assert.False(t, quoted(t, forged, exchange("", answer)), forged)
		}
		for _, honest := range []string{"crashed payments", "payments crashed zone-a", `"state":"running"}, {"name":"payments"`} {
			assert.True(t, quoted(t, honest, exchange("", answer)), honest)
		}
	}
}

// Anybody can write a log line that takes as many comparisons as all other lines.
func TestJudge_ARepetitiveLineDoesNotHideOtherLines(t *testing.T) {
	const line = "ERROR connection to orders-db refused by pool manager"
	fields := func(field string, n int) string { return strings.TrimSuffix(strings.Repeat(field+",", n), ",") }
	for _, test := range []struct{ name, repetitive string }{
		{"one word", strings.Repeat("a ", 6000)},
		{"two words", strings.Repeat("a b b a ", 2500)},
		{"values", "{" + fields(`"a":"a"`, 1200) + "}"},
		{"names", "{" + fields(`"aaaaAaaaAaaaa":"aaaa"`, 500) + "}"},
		{"objects", `{"x":["` + strings.Repeat(`a a","`, 80) + `"],"l":[` + fields(`{"b":"a"}`, 1500) + `]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r provenance.Recorder
			answer, err := json.Marshal(map[string]any{"events": []any{
				map[string]any{"message": test.repetitive}, map[string]any{"message": line},
			}})
			require.NoError(t, err)
			r.Record(provenance.Exchange{URL: "https://logs.us-east-1.amazonaws.com/", Status: 200, Answer: answer})
			output := test.repetitive + "\n" + line + "\n"
			observed := r.Judge(output, time.Time{})
			text := provenance.NewText(output)
			found := text.Find(line, false)
			require.Len(t, found, 1)
			assert.True(t, text.IsObserved(found[0], observed))
			assert.LessOrEqual(t, len(observed.Spans), 1000)
		})
	}
}

func TestJudge_ValuesBesideARepetitiveOneAreCombined(t *testing.T) {
	message := strings.TrimSpace(strings.Repeat("retry ", 700))
	output := "SEVERE orders " + message
	assert.Equal(t, []string{output}, parts(output, `{"events":[{"message":"`+message+`","name":"orders","level":"SEVERE"}]}`))
}

// A text can contain several objects of JSON, such as one on each line of a log event.
func TestJudge_ObjectsInOneTextAreRecords(t *testing.T) {
	for _, between := range []string{"\n", " ", ", ", "\nINFO [main] ", "; then "} {
		text := `{"name":"svc-orders","state":"stopped","count":380}` + between + `{"name":"svc-billing","state":"running","count":986}`
		for _, value := range []any{
			map[string]any{"Body": text}, map[string]any{"events": []any{map[string]any{"stream": "stream-of-eve", "message": text}}},
			map[string]any{"events": []any{map[string]any{"stream": "stream-of-eve", "message": "START [main] " + text + " END"}}},
		} {
			answer, err := json.Marshal(value)
			require.NoError(t, err)
			for _, honest := range []string{"svc-orders stopped 380", "svc-billing: running (986)", "state: stopped, name: svc-orders", text} {
				assert.True(t, quoted(t, honest, exchange(`{}`, string(answer))), "%s: %s", answer, honest)
			}
			for _, forged := range []string{"svc-orders running 380", "svc-billing: stopped (986)", "name: svc-orders, count: 986"} {
				assert.False(t, quoted(t, forged, exchange(`{}`, string(answer))), "%s: %s", answer, forged)
			}
		}
	}
	answer := `{"events":[{"stream":"stream-of-orders","message":"{\"name\":\"svc-orders\",\"state\":\"stopped\"}\n{\"name\":\"svc-billing\"}"}]}`
	assert.True(t, quoted(t, "stream-of-orders svc-orders stopped", exchange(`{}`, answer)))
}

func TestJudge_TheEndOfAValueIsNotJoinedWithItsBeginning(t *testing.T) {
	const answer = `{"events":[{"message":"57 failed, 0 succeeded","eventId":"event-0001"}]}`
	for output, want := range map[string]bool{
		"succeeded 57, failed 0":            false,
		"succeeded 57, failed 0 succeeded":  false,
		"succeeded event-0001 57, failed 0": false,
		"0 succeeded message: 57 failed":    false,
		"succeeded eventId: event-0001":     true,
		"event-0001 message: 57 failed":     true,
		"succeeded event-0001 succeeded 57": false,
		"57 failed, 0 succeeded":            true,
		"event-0001 57 failed, 0 succeeded": true,
		"57 failed, 0 succeeded event-0001": true,
	} {
		var r provenance.Recorder
		r.Record(provenance.Exchange{Operation: "logs:FilterLogEvents", URL: "https://logs.us-east-1.amazonaws.com/", Status: 200, Answer: []byte(answer)})
		observed, text := r.Judge(output, time.Time{}), provenance.NewText(output)
		if found := text.Find(output, false); len(found) != 1 || text.IsObserved(found[0], observed) != want {
			t.Errorf("%q: the opposite of %v", output, want)
		}
	}
}
