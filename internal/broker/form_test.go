package broker

import (
	"bufio"
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	logsURL    = "https://logs.us-east-1.amazonaws.com/"
	stsURL     = "https://sts.us-east-1.amazonaws.com/"
	lambdaURL  = "https://lambda.us-east-1.amazonaws.com"
	monitorURL = "https://monitoring.us-east-1.amazonaws.com"
	describe   = "Logs_20140328.DescribeLogGroups"
	callerForm = "Action=GetCallerIdentity&Version=2011-06-15"
)

// logsRead returns a read in a JSON protocol with more headers.
func logsRead(name, refusal string, more ...[2]string) forgedRequest {
	headers := append([][2]string{{"X-Amz-Target", describe}}, more...)
	if !strings.Contains(name, "content type") {
		headers = append(headers, [2]string{"Content-Type", json11})
	}
	return forgedRequest{Name: name, Service: "logs", Method: "POST", URL: logsURL, Headers: headers, Body: "{}", Refusal: refusal}
}

func stsForm(name, body, refusal string) forgedRequest {
	return forgedRequest{Name: name, Service: "sts", Method: "POST", URL: stsURL, Headers: [][2]string{{"Content-Type", typeForm}}, Body: body, Refusal: refusal}
}

func TestAmbiguous_Headers(t *testing.T) {
	assertForged(t, nil, []forgedRequest{
		logsRead("no other header", ""),
		logsRead("an empty encoding", "Content-Encoding", [2]string{"Content-Encoding", ""}),
		logsRead("an encoding in odd case", "Content-Encoding", [2]string{"cONTENT-eNCODING", "br"}),
		logsRead("an encoding of signed chunks", "Content-Encoding", [2]string{"Content-Encoding", "aws-chunked"}),
		logsRead("an encoding with an underscore", "Content_encoding", [2]string{"Content_Encoding", "gzip"}),
		logsRead("an encoding with a dot", "Content.encoding", [2]string{"Content.Encoding", "gzip"}),
		logsRead("an encoding without a hyphen", "Contentencoding", [2]string{"ContentEncoding", "gzip"}),
		logsRead("a target without hyphens", "Xamztarget", [2]string{"XAmzTarget", "Logs_20140328.DeleteLogGroup"}),
		logsRead("a target with a blank", "makes its operation ambiguous", [2]string{"X-Amz-Target ", "Logs_20140328.DeleteLogGroup"}),
		logsRead("a target with one hyphen too many", "X-Amz--Target", [2]string{"X-Amz--Target", "Logs_20140328.DeleteLogGroup"}),
		logsRead("a target with another letter", "ambiguous", [2]string{"X-Am\u017f-Target", "Logs_20140328.DeleteLogGroup"}),
		logsRead("an empty protocol", "Smithy-Protocol", [2]string{"Smithy-Protocol", ""}),
		logsRead("another URL", "X-Original-Url", [2]string{"X-Original-URL", "/"}),
		logsRead("another path", "X-Rewrite-Url", [2]string{"X-Rewrite-URL", "/"}),
		logsRead("another host", "X-Forwarded-Host", [2]string{"X-Forwarded-Host", "evil.example"}),
		logsRead("another method", "X-Method-Override", [2]string{"X-Method-Override", "DELETE"}),
		logsRead("a body of signed chunks", "X-Amz-Content-Sha256", [2]string{"X-Amz-Content-SHA256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}),
		logsRead("a body of unsigned chunks", "X-Amz-Content-Sha256", [2]string{"X-Amz-Content-SHA256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}),
		logsRead("an unsigned body", "", [2]string{"X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"}),
		logsRead("the same header twice", "X-Amz-Date", [2]string{"X-Amz-Date", "20260102T030405Z"}, [2]string{"x-amz-date", "20260102T030405Z"}),
		logsRead("a control character in a value", "User-Agent", [2]string{"User-Agent", "a\x00b"}),
		logsRead("a content type with a null character set", "content type", [2]string{"Content-Type", json11 + "; charset="}),
		logsRead("a content type with two character sets", "content type", [2]string{"Content-Type", json11 + "; charset=utf-8; charset=utf-16"}),
		logsRead("a content type with an extended character set", "content type", [2]string{"Content-Type", json11 + "; charset*=utf-8''utf-16"}),
		logsRead("a content type with a quoted character set", "content type", [2]string{"Content-Type", json11 + `; charset="ibm500"`}),
		logsRead("a content type with a boundary", "content type", [2]string{"Content-Type", json11 + "; boundary=x"}),
		logsRead("a content type with UTF-8", "", [2]string{"Content-Type", json11 + "; charset=UTF-8"}),
		logsRead("a content type with ASCII", "", [2]string{"Content-Type", json11 + `;charset="us-ascii"`}),
		logsRead("a content type of parts", "content type", [2]string{"Content-Type", "multipart/form-data"}),
		logsRead("a content type of another protocol", "only forwards operations it knows", [2]string{"Content-Type", typeCBOR}),
		logsRead("a content type of a version that AWS does not have", "only forwards operations it knows", [2]string{"Content-Type", typeJSON + "1.10"}),
		{Name: "a GET with a body", Service: "lambda", Method: "GET", URL: lambdaURL + "/2015-03-31/functions/f/configuration", Body: "{}", Refusal: "the body of a GET request"},
		{Name: "a form with an empty target", Service: "sts", Method: "POST", URL: stsURL, Headers: [][2]string{{"Content-Type", typeForm}, {"X-Amz-Target", ""}}, Body: callerForm, Refusal: "X-Amz-Target"},
		{Name: "a form on a REST path", Service: "lambda", Method: "GET", URL: lambdaURL + "/2015-03-31/functions/f/configuration",
			Headers: [][2]string{{"Content-Type", typeForm}}, Refusal: "only forwards operations it knows"},
		{Name: "AWS JSON on a REST path", Service: "lambda", Method: "GET", URL: lambdaURL + "/2015-03-31/functions/f/configuration",
			Headers: [][2]string{{"Content-Type", json11}}, Refusal: "only forwards operations it knows"},
		{Name: "a CBOR path without a content type", Service: "monitoring", Method: "POST", URL: monitorURL + "/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
			Headers: [][2]string{{"Smithy-Protocol", "rpc-v2-cbor"}}, Body: "Action=DeleteAlarms", Refusal: "only forwards operations it knows"},
	})
}

// Headers that no model declares are not sent, and answers are asked for unpacked.
func TestExchange_DropsUnknownHeaders(t *testing.T) {
	aws := &sink{}
	connection, _ := dialWith(t, toAWS(aws))
	request := logsRead("", "", [2]string{"X-Debug", "1"}, [2]string{"Accept-Encoding", "gzip"}, [2]string{"X-Amzn-Trace-Id", "Root=1"}, [2]string{"Cookie", "a=b"})
	request.Headers = append(request.Headers, [2]string{"Authorization", strings.Replace(dummyScope, "%s", "logs", 1)})
	answer, _ := ask(t, connection, requestHead{Method: request.Method, URL: request.URL, Headers: request.Headers}, request.Body)
	require.Equal(t, http.StatusOK, answer.Status, answer.Error)
	for _, name := range []string{"X-Debug", "Accept-Encoding", "Cookie"} {
		assert.NotContains(t, aws.seen[0].Header, name)
	}
	assert.Equal(t, "Root=1", aws.seen[0].Header.Get("X-Amzn-Trace-Id"))
}

func TestAmbiguous_Forms(t *testing.T) {
	const unknown = "only forwards operations it knows"
	assertForged(t, nil, []forgedRequest{
		stsForm("one action", callerForm, ""),
		stsForm("an encoded action", "%41ction=%47etCallerIdentity&Version=2011-06-15", ""),
		stsForm("a byte order mark", "\ufeff"+callerForm, unknown),
		stsForm("a byte order mark in a value", callerForm+"&X=%EF%BB%BF", unknown),
		stsForm("UTF-16", "A\x00c\x00t\x00i\x00o\x00n\x00=\x00", unknown),
		stsForm("EBCDIC beside ASCII", callerForm+"&%C1%83%A3%89%96%95=%C1%A2%A2%A4%94%85%D9%96%93%85", unknown),
		stsForm("another action in capitals", callerForm+"&ACTION=AssumeRole", unknown),
		stsForm("an action in a list", callerForm+"&Action.member.1=AssumeRole", unknown),
		stsForm("an action in brackets", callerForm+"&Action%5B%5D=AssumeRole", unknown),
		stsForm("a tab before an action", callerForm+"&%09Action=AssumeRole", unknown),
		stsForm("an action with a line break", callerForm+"&Action%0D%0A=AssumeRole", unknown),
		stsForm("an action with a zero width space", callerForm+"&Action%E2%80%8B=AssumeRole", unknown),
		stsForm("an action with a full-width letter", callerForm+"&%EF%BC%A1ction=AssumeRole", unknown),
		stsForm("a name that is encoded twice", callerForm+"&%2541ction=AssumeRole", unknown),
		stsForm("two spellings of a name", callerForm+"&X=a&x=b", unknown),
		stsForm("a version twice", callerForm+"&Version=2012-11-05", unknown),
		stsForm("a semicolon", callerForm+";Action=AssumeRole", unknown),
		stsForm("NUL in a value", callerForm+"&X=a%00b", unknown),
		stsForm("an invalid escape", callerForm+"&X=%zz", unknown),
		stsForm("bytes that are not UTF-8", callerForm+"&X=\xff\xfe", unknown),
		stsForm("an empty name", callerForm+"&=AssumeRole", unknown),
		stsForm("text in other languages", callerForm+"&X=caf%C3%A9", ""),
	})
}

func TestAmbiguous_Queries(t *testing.T) {
	at := func(name, query, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/b/k?" + query, Refusal: refusal}
	}
	bucket := func(name, query, refusal string) forgedRequest {
		r := at(name, query, refusal)
		r.URL = strings.Replace(r.URL, "/b/k?", "/b?", 1)
		return r
	}
	assertForged(t, nil, []forgedRequest{
		at("a subresource", "acl", ""),
		at("a subresource and a version", "acl&versionId=%2Bv", ""),
		at("two subresources", "acl&torrent", "s3:GetObjectTorrent is refused"),
		at("a subresource that the tables do not have", "acl&annotation", `does not know the parameter "annotation"`),
		at("the name of the operation", "acl&x-id=GetObjectAcl", ""),
		bucket("the parameters of a list", "list-type=2&prefix=&delimiter=%2F&encoding-type=url&fetch-owner=true&start-after=x", ""),
		at("two spellings", "acl&ACL", "two spellings"),
		bucket("a subresource with an ID", "analytics&id=1", ""),
		bucket("a subresource with an ID and another one", "analytics&id=1&session", "s3:CreateSession is refused"),
		bucket("another one before it", "session&id=1&inventory", "s3:CreateSession is refused"),
		bucket("another one in capitals beside an ID", "metrics&id=1&SESSION", "s3:CreateSession is refused"),
		{Name: "a long path", Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/b" + strings.Repeat("/k", maxPath/2) + "?acl", Refusal: "more than 8192"},
		{Name: "an action for another service at the host", Service: "ses", Method: "GET",
			URL: "https://email.us-east-1.amazonaws.com/v2/email/account?Action=SendEmail", Refusal: `parameter "Action" in the URL`},
		{Name: "an action in small letters", Service: "ses", Method: "POST", Headers: [][2]string{{"Content-Type", "application/json"}},
			URL: "https://email.us-east-1.amazonaws.com/v2/email/metrics/batch?action=SendEmail", Body: `{"Queries":[]}`, Refusal: `parameter "action" in the URL`},
		at("another one in capitals", "acl&TORRENT", "s3:GetObjectTorrent is refused"),
		at("a semicolon", "acl;torrent", "';'"),
		at("NUL in a name", "acl&torrent%00", "is named"),
		at("NUL in a value", "acl=%00", "contains NUL"),
		at("a byte order mark", "acl&%EF%BB%BFtorrent", "is named"),
		at("a full-width letter", "acl&%EF%BD%94orrent", "is named"),
		at("a blank before a name", "acl&+torrent", "is named"),
		at("a tab", "acl&%09torrent", "is named"),
		at("bytes that are not UTF-8", "acl=%ff", "not UTF-8"),
		at("an invalid escape", "acl&%zz", "cannot be parsed"),
		at("the subresource of another method", "acl&delete", `"delete" belongs to another method`),
		{Name: "two values that select an operation", Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/b?list-type=2&list-type=1", Refusal: `"list-type"`},
		{Name: "one value twice", Service: "s3", Method: "GET", URL: "https://s3.us-east-1.amazonaws.com/b?list-type=2&list-type=2"},
		at("a hint at another operation", "acl&x-id=GetObject", "x-id=GetObject"),
		at("a hint at the operation", "acl&x-id=GetObjectAcl", ""),
	})
}

func TestAccessPoints_AreRefusedByTheirAliases(t *testing.T) {
	get := func(name, url, refusal string) forgedRequest {
		return forgedRequest{Name: name, Service: "s3", Method: "GET", URL: url, Refusal: refusal}
	}
	const refused = "it names an access point"
	assertForged(t, nil, []forgedRequest{
		get("in the host", "https://point-abc-s3alias.s3.us-east-1.amazonaws.com/?list-type=2", refused),
		get("in the path", "https://s3.us-east-1.amazonaws.com/point-abc-s3alias?list-type=2", refused),
		get("of a file system", "https://point-abc-ext-s3alias.s3.us-east-1.amazonaws.com/?acl", refused),
		get("with an escape and capitals", "https://s3.us-east-1.amazonaws.com/point-abc%2DS3Alias/?acl", refused),
		get("with a key", "https://s3.us-east-1.amazonaws.com/point-abc-s3alias/k?acl", refused),
		get("of Object Lambda", "https://point-abc--ol-s3.s3.us-east-1.amazonaws.com/?list-type=2", refused),
		get("of several Regions", "https://s3.us-east-1.amazonaws.com/abc.mrap/?acl", refused),
		get("a bucket with a similar name", "https://my-s3aliases.s3.us-east-1.amazonaws.com/?list-type=2", ""),
		get("a key with such an end", "https://b.s3.us-east-1.amazonaws.com/a-s3alias?acl", ""),
		get("a directory bucket", "https://s3express-control.us-east-1.amazonaws.com/b--use1-az4--x-s3?policy", ""),
		get("no bucket", "https://s3.us-east-1.amazonaws.com/", ""),
	})
}

// Every header that a model of botocore declares can be forwarded, except those that change the method or
// how a body is read.
func TestHeaders_OfBotocoreAreForwarded(t *testing.T) {
	for _, line := range namesOfBotocore(t) {
		if line[0] != "header" {
			continue
		}
		r := &http.Request{Header: http.Header{http.CanonicalHeaderKey(line[1]): {"1"}}}
		switch name := strings.ToLower(line[1]); name {
		case "content-encoding", "x-amzn-dataexchange-http-method", "x-amz-fwd-header-content-encoding", "x-amz-content-sha256":
			assert.NotEmpty(t, ambiguousHeader(r), line)
		case "content-length", "accept-encoding": // the broker sets the one and omits the other
		default:
			assert.True(t, isForwarded(name), line)
			assert.Empty(t, ambiguousHeader(r), line)
		}
	}
}

// namesOfBotocore returns the fields of the output of testdata/names.py, which takes seconds.
func namesOfBotocore(t *testing.T) [][]string {
	t.Helper()
	path := python(t)
	outputOfNames.once.Do(func() {
		outputOfNames.text, outputOfNames.err = exec.Command(path, filepath.Join("testdata", "names.py")).Output()
	})
	require.NoError(t, outputOfNames.err)
	var lines [][]string
	for scanner := bufio.NewScanner(bytes.NewReader(outputOfNames.text)); scanner.Scan(); {
		lines = append(lines, strings.Split(scanner.Text(), "\t"))
	}
	require.Greater(t, len(lines), 10000)
	return lines
}

var outputOfNames struct {
	once sync.Once
	text []byte
	err  error
}
