package provenance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/provenance"
)

// A part of a word or a number can mean the opposite of the whole.
func TestFind_AQuoteBeginsAndEndsWithWholeWords(t *testing.T) {
	for _, test := range []struct{ output, quote string }{
		{"{'Label': 'ErrorRate', 'Value': 5e-05}", "'Label': 'ErrorRate', 'Value': 5"},
		{"ErrorRate 9.7e-05", "ErrorRate 9.7"},
		{"FreeStorage 1.5e+19 bytes", "FreeStorage 1.5"},
		{"FreeStorage 1.5e+19 bytes", "FreeStorage 1.5e"},
		{"FreeStorage 1.5e+19 bytes", "19 bytes"},
		{"5e-05 orders", "05 orders"},
		{"5e-05 orders", "-05 orders"},
		{"12e4 orders", "e4 orders"},
		{"volume vol-1 not-deleted by cleanup job", "deleted by cleanup job"},
		{"not--deleted by cleanup job", "deleted by cleanup job"},
		{"not—deleted by cleanup job", "deleted by cleanup job"},
		{"canary-orders ALARM", "orders ALARM"},
		{"target is un-healthy today", "healthy today"},
		{"target is non_healthy today", "healthy today"},
		{"target is non.healthy today", "healthy today"},
		{"target is unhealthy today", "healthy today"},
		{"the orders@canary failed", "canary failed"},
		{"terminated i-0abc12def0", "terminated i-0abc12"},
		{"terminated i-0abc12def0", "terminated i"},
		{"ALARM orders-canary", "ALARM orders"},
		{"ALARM orders_canary", "ALARM orders"},
		{"ALARM orders.canary", "ALARM orders"},
		{"ALARM orders2", "ALARM orders"},
		{"ALARM ördersß", "ALARM örders"},
		{"the stack is UpdateFailed", "the stack is Update"},
		{"the target is activeImpaired", "the target is active"},
		{"to orders-db.canary.internal today", "to orders-db"},
		{"to orders-db.abc.rds.amazonaws.com.evil.example", "to orders-db"},
		{"to orders-db.abc.rds.amazonaws.com", "to orders"},
		{"orders20261126 ALARM", "orders"},
		{"UpdateFunctionCode20150331v2x by sam", "UpdateFunctionCode"},
		{"no AccessDeniedExceptions today", "no AccessDenied"},
		{"no AccessDeniedException-free day", "no AccessDenied"},
		{"timeout 30ms", "timeout 30"},
		{"orders 512MB", "orders 512"},
		{"rate of 4xx", "rate of 4"},
		{"restarts 10:30", "restarts 10"},
		{"restarts 10:30", "30"},
		{"restarts: 10:30 orders", "30 orders"},
		{"healthy hosts 1/2", "healthy hosts 1"},
		{"healthy hosts 1//2", "healthy hosts 1"},
		{"healthy hosts 1/2 now", "2 now"},
		{"at 12:29:15+02:00", "at 12:29:15"},
		{"at 12:29:15.250", "at 12:29:15"},
		{"errors: 10,500", "errors: 10"},
		{"errors: 10,500 today", "500 today"},
		{"errors: 5-10,500 today", "errors: 5-10"},
		{"errors: -10,500 today", "500 today"},
		{"cost USD10,500 today", "cost USD10"},
		{"cost USD10,50 today", "cost USD10"},
		{"cost USD-10,500 today", "cost USD-10"},
		{"cost EUR1.234,56 today", "cost EUR1.234"},
		{"cost EUR-1.234.567,89 today", "cost EUR-1.234.567"},
		{"errors...10,500 today", "errors...10"},
		{"错误10,500次", "错误10"},
		{"오류10,500건", "오류10"},
		{"errors: 10\u202f500", "errors: 10"},
		{"errors: 10\u202f500 today", "500 today"},
		{"errors: 10^6", "errors: 10"},
		{"errors: 10**6", "errors: 10"},
		{"errors: 10½", "errors: 10"},
		{"errors: 10⁶", "errors: 10"},
		{"errors: 10万", "errors: 10"},
		{"errors: ⁻10 today", "10 today"},
		{"change of -97 today", "97 today"},
		{"change of .5 today", "5 today"},
		{"the state is !OK today", "OK today"},
		{"the state is !(OK) today", "OK) today"},
		{`the state is !"OK" today`, `OK" today`},
		{"the state is status!=OK today", "OK today"},
		{"latency <5 ms today", "5 ms today"},
		{"the state is ≠OK today", "OK today"},
		{"the state ≠(OK) today", "OK) today"},
		{"the state is status≠OK today", "OK today"},
		{"the state is ¬OK today", "OK today"},
		{"the state is ！OK today", "OK today"},
		{"latency ≥fast today", "fast today"},
		{"java.lang.OutOfMemoryError: heap space", "lang.OutOfMemoryError: heap"},
		{"java.lang.OutOfMemoryError: heap space", "MemoryError: heap"},
		{"orders-MyError: heap space", "MyError: heap"},
		{"!java.lang.OutOfMemoryError: heap space", "OutOfMemoryError: heap"},
		{"non-java.lang.OutOfMemoryError: heap space", "OutOfMemoryError: heap"},
		{"the state is non.Healthy today", "Healthy today"},
	} {
		assert.Empty(t, provenance.NewText(test.output).Find(test.quote, false), "%s in %s", test.quote, test.output)
	}
	for _, test := range []struct{ output, quote string }{
		{"2026-08-04 12:36:15 ERROR pool exhausted", "12:36:15 ERROR pool"},
		{"[2026-08-04T12:36:15Z] ERROR: pool exhausted.", "ERROR: pool exhausted"},
		{"logGroupName=/aws/lambda/orders", "lambda/orders"},
		{"arn:aws:lambda:us-east-1:123456789012:function:orders", "function:orders"},
		{"running 1 of 4, errors: 97.5%", "errors: 97.5"},
		{"running=1, errors=97.5", "errors=97.5"},
		{"orders-1,57,stopped", "57,stopped"},
		{"us-east-1,500,stopped", "500,stopped"},
		{"v1.2.3,500,stopped", "500,stopped"},
		{"i-0abc1,2026-01-15 03:12:00,stopped", "2026-01-15 03:12:00"},
		{"334,2026-01-15 03:12:00,stopped", "2026-01-15 03:12:00"},
		{"orders -> healthy; users → broken", "healthy; users"},
		{"orders -> healthy; users →broken", "broken"},
		{"State＝OK｜Name＝orders", "OK"},
		{"the state is ≠ OK today", "OK today"},
		{"データベースは停止しました", "停止しました"},
		{`"State": "ALARM"}`, "ALARM"},
		{"<Code>404 Not Found</Code>", "404 Not Found"},
		{"(not-deleted) today", "not-deleted"},
		{"is it down?Yes", "Yes"},
		{"PutFunctionConcurrency20171031 by sam", "PutFunctionConcurrency"},
		{"[ERROR] InvalidOperation: [<class 'decimal.ConversionSyntax'>] at 12:00", "InvalidOperation: [<class 'decimal.ConversionSyntax'>]"},
		{"see </a>) today", "today"},
		{"UpdateFunctionCode20150331v2 by sam", "UpdateFunctionCode"},
		{"(AccessDeniedException) for orders", "(AccessDenied"},
		{"to orders-db.abc.us-east-1.rds.amazonaws.com:5432 failed", "to orders-db"},
		{"orders: -97.5 ms", "-97.5 ms"},
		{"java.lang.OutOfMemoryError: heap space", "OutOfMemoryError: heap"},
		{"(botocore.exceptions.ClientError) refused", "ClientError) refused"},
		{"com.acme.OrderException$Inner: none left", "OrderException"},
	} {
		assert.Len(t, provenance.NewText(test.output).Find(test.quote, false), 1, "%s in %s", test.quote, test.output)
	}
	assert.Len(t, provenance.NewText("the orders database is not responding").Find("the orders database is not resp", true), 1, "a truncated quote")
	assert.Empty(t, provenance.NewText("un-healthy today, as always").Find("healthy today, as alw", true), "a truncated quote begins with a word")
}

func TestJudge_AnExponentBelongsToItsNumber(t *testing.T) {
	const answer = `{"metric":{"Label":"FreeStorage","Value":1.5E19,"Rate":0.00005}}`
	for _, honest := range []string{"'Label': 'FreeStorage', 'Value': 1.5e+19", "FreeStorage 1.5E+19", "FreeStorage Rate 5e-05"} {
		assert.True(t, quoted(t, honest, exchange(`{}`, answer)), honest)
	}
	var r provenance.Recorder
	r.Record(exchange(`{}`, answer))
	assert.NotContains(t, texts("FreeStorage 1.5e+20", r.Judge("FreeStorage 1.5e+20", time.Time{}).Spans), "FreeStorage 1.5e+20")
}

// A version, a hash, or a code in a text is no number.
func TestJudge_OnlyNumbersAreComparedByValue(t *testing.T) {
	const answer = `{"cluster":{"name":"prod-cluster","version":"1.30","commit":"12e4","engine":"14.1","release":"5.0","rate":"1.5E9","size":1.30,"count":12E4,"limit":5.0}}`
	const xml = `<R><DBInstances><DBInstance><Name>prod-cluster</Name><EngineVersion>14.10</EngineVersion><Threshold>5.0</Threshold><Rate>1.5E9</Rate></DBInstance></DBInstances></R>`
	cbor := "\xa1\x67cluster\xa3\x64name\x6cprod-cluster\x67version\x641.30\x64size\xfb\x3f\xf4\xcc\xcc\xcc\xcc\xcc\xcd" // size is 1.3
	for _, test := range []struct{ answer, output string }{
		{answer, "prod-cluster version 1.3"}, {answer, "prod-cluster commit 120000"}, {answer, "prod-cluster commit 12e4 engine 14.10"}, {answer, "prod-cluster engine 14.10"},
		{answer, "prod-cluster release 5"}, {answer, "prod-cluster rate 1.5e8"}, {`{"m":["build 12e4 of prod-cluster"]}`, "build 120000 of prod-cluster"},
		{xml, "prod-cluster EngineVersion 14.1"}, {cbor, "prod-cluster version 1.3"}, {`{"a":"{\"v\":\"1.30\",\"n\":\"prod-cluster\"}"}`, "prod-cluster v 1.3"},
	} {
		assert.False(t, quoted(t, test.output, exchange(`{}`, test.answer)), test.output)
	}
	for _, test := range []struct{ answer, output string }{
		{answer, "prod-cluster version 1.30"}, {answer, "prod-cluster size 1.3"}, {answer, "prod-cluster count 120000"}, {answer, "prod-cluster count 120000.0, limit 5"},
		{answer, "prod-cluster commit 12e4"}, {answer, "prod-cluster rate 1500000000.0"}, {xml, "prod-cluster EngineVersion 14.10 Threshold 5.0"}, {xml, "prod-cluster Rate 1500000000"},
		{cbor, "prod-cluster version 1.30 size 1.3"}, {cbor, "prod-cluster size 1.30"}, {`{"a":"{\"v\":1.30,\"n\":\"prod-cluster\"}"}`, "prod-cluster v 1.3"},
	} {
		assert.True(t, quoted(t, test.output, exchange(`{}`, test.answer)), test.output)
	}
}

// A tag before a map of CBOR hides nothing of a request.
func TestJudge_ReadsRequestsInTaggedCBOR(t *testing.T) {
	const forged = "the database was dropped by eve"
	chunked := "\x7f"
	for _, c := range []byte(forged) {
		chunked += "\x61" + string(c)
	}
	for name, tags := range map[string]string{"none": "", "self-described": "\xd9\xd9\xf7", "short": "\xc1", "two": "\xd8\x20\xc3", "long": "\xda\x00\x01\x00\x00"} {
		request := tags + "\xa1\x65Label" + chunked + "\xff"
		e := provenance.Exchange{Operation: "cloudwatch:GetMetricData", URL: endpoint, Status: 200, Request: []byte(request), Answer: []byte("\xa1\x65Label\x78\x1f" + forged)}
		assert.False(t, quoted(t, forged, e), name)
	}
	for _, text := range []string{"état: pool exhausted today", "übung pool exhausted"} {
		assert.True(t, quoted(t, text, exchange(`{}`, text)), text)
	}
}
