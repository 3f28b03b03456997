package broker

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sessionToken has the alphabet and the beginning of AWS's session tokens.
const sessionToken = "IQoJb3JpZ2luX2VjEB4aCXVzLWVhc3QtMSJHMEUCIQC/+x9w==//Zm9vYmFy+YmF6cXV4/c2Vzc2lvbg=="

func testScrubber(isError bool) *scrubber {
	return newScrubber(identity{credentials: aws.Credentials{AccessKeyID: realKey, SecretAccessKey: realSecret, SessionToken: sessionToken}},
		[]identity{{credentials: aws.Credentials{AccessKeyID: roleKey, SecretAccessKey: roleSecret, SessionToken: roleToken}}}, isError)
}

// spellings are the ways in which AWS's answers quote a text.
func spellings(text string) map[string]string {
	spaced := func(format string) string { return fmt.Sprintf(format, []byte(text)) }
	numeric := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			if isAlphanumeric(c) {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, format, c)
			}
		}
		return b.String()
	}
	return map[string]string{
		"plain":                text,
		"in a URL":             url.QueryEscape(text),
		"in a URL, lower case": numeric("%%%02x"),
		"in a URL twice":       url.QueryEscape(url.QueryEscape(text)),
		"in HTML":              html.EscapeString(text),
		"in XML, decimal":      numeric("&#%d;"),
		"in XML, hexadecimal":  numeric("&#x%X;"),
		"in JSON":              strings.ReplaceAll(text, "/", `\/`),
		"in JSON, all escaped": numeric(`\u%04x`),
		"as bytes":             spaced("% x"),
		"as bytes, upper case": spaced("% X"),
		"as bytes, no blanks":  hex.EncodeToString([]byte(text)),
		"in a form, decoded":   strings.ReplaceAll(text, "+", " "),
	}
}

func TestScrubber_ReplacesEverySpellingAtEveryBorder(t *testing.T) {
	for secretName, secret := range map[string]string{"session token": sessionToken, "key ID": realKey, "secret key of a role": roleSecret, "token of a role": roleToken} {
		for name, spelling := range spellings(secret) {
			t.Run(secretName+" "+name, func(t *testing.T) {
				before, after := strings.Repeat("x", 3000), strings.Repeat("y", 2500)
				whole := before + spelling + after + spelling
				for cut := len(before) - 2; cut < len(before)+len(spelling)+2; cut++ {
					for _, isError := range []bool{true, false} {
						if !isError && strings.HasPrefix(name, "as bytes") {
							continue // only errors quote bytes
						}
						c := testScrubber(isError)
						got := string(c.write([]byte(whole[:cut]), false)) + string(c.write([]byte(whole[cut:]), true))
						require.Len(t, got, len(whole))
						require.NotContains(t, got, spelling, "cut at %d", cut)
						require.True(t, strings.HasPrefix(got, before))
						require.Equal(t, after, got[len(before)+len(spelling):len(before)+len(spelling)+len(after)])
					}
				}
			})
		}
	}
}

func TestScrubber_HoldsBackOnlyWhatMayBeACredential(t *testing.T) {
	c := testScrubber(false)
	for _, event := range []string{"an event", "the end of a token: " + sessionToken[20:] + ".", realKey + " and more"} {
		assert.Len(t, c.write([]byte(event), false), len(event), "it waits for no other event")
	}
	assert.Equal(t, "cut: ", string(c.write([]byte("cut: "+url.QueryEscape(sessionToken)[:60]), false)))
	assert.Len(t, c.write([]byte("!"), false), 61, "it was none")
}

func TestScrubber_LooksForBeginningsWithoutCopies(t *testing.T) {
	c, chunk := testScrubber(false), bytes.Repeat([]byte("2026-01-02 INFO a line of a log\n"), 100)
	copies := testing.AllocsPerRun(10, func() { c.write(chunk, false) })
	assert.LessOrEqual(t, copies, 10.0, "not one for each byte")
}

func TestScrubber_ReplacesInBytesOneByOne(t *testing.T) {
	text := "<a>" + url.QueryEscape(sessionToken) + "</a>" + fmt.Sprintf("% x", sessionToken) + " " + realKey
	c := testScrubber(true)
	var got bytes.Buffer
	for i := range len(text) {
		got.Write(c.write([]byte(text[i:i+1]), i == len(text)-1))
	}
	assert.Len(t, got.String(), len(text))
	assert.NotRegexp(t, "[A-Za-z0-9]{6}", strings.NewReplacer(DummyAccessKey, "").Replace(got.String()))
	assert.Contains(t, got.String(), DummyAccessKey)
}

func TestScrubber_LeavesOtherTextsAlone(t *testing.T) {
	random := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(random)
	for name, text := range map[string]string{
		"nothing":              "",
		"random bytes":         string(random),
		"part of the token":    sessionToken[:40] + "!" + sessionToken[40:],
		"the end of the token": sessionToken[20:],
		"another key ID":       "ASIAOTHER00000000000",
		"the key of the role":  roleKey, // the code signs with it
		"log lines":            strings.Repeat("2026-01-02T03:04:05.678Z ERROR timeout after 3.00 s\n", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			c := testScrubber(true)
			half := len(text) / 2
			got := string(c.write([]byte(text[:half]), false)) + string(c.write([]byte(text[half:]), true))
			assert.True(t, text == got)
		})
	}
	c := newScrubber(identity{credentials: aws.Credentials{AccessKeyID: "short", SessionToken: "t"}}, nil, true)
	assert.Equal(t, "short t", string(c.write([]byte("short t"), true)), "texts that are too short to be credentials are not replaced")
}

// S3 quotes the request that it could not verify, as in its documentation of SignatureDoesNotMatch.
func TestExchange_AnswersDoNotContainCredentials(t *testing.T) {
	canonical := "GET\n/b\n\nhost:s3\nx-amz-security-token:" + sessionToken + "\n\nhost;x-amz-security-token\nUNSIGNED-PAYLOAD"
	body := "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>" + realKey + "</AWSAccessKeyId><CanonicalRequest>" + canonical +
		"</CanonicalRequest><CanonicalRequestBytes>" + fmt.Sprintf("% x", canonical) + "</CanonicalRequestBytes></Error>"
	for name, length := range map[string]int64{"a known length": int64(len(body)), "chunks": -1} {
		t.Run(name, func(t *testing.T) {
			aws := &sink{answer: func(*http.Request) *http.Response {
				return &http.Response{StatusCode: http.StatusForbidden, ContentLength: length, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(body))),
					Header: http.Header{"X-Echo": {"token=" + url.QueryEscape(sessionToken)}}}
			}}
			o := toAWS(aws)
			o.Credentials = credentials.NewStaticCredentialsProvider(realKey, realSecret, sessionToken)
			var observed []byte
			o.Observe = func(body []byte, _ bool) { observed = bytes.Clone(body) }
			connection, session := dialWith(t, o)

			answer, got := ask(t, connection, requestHead{Method: "GET", URL: "https://b.s3.us-east-1.amazonaws.com/?list-type=2", Headers: [][2]string{authorization(DummyAccessKey, "s3")}}, "")

			assert.Len(t, got, len(body))
			assert.Contains(t, got, "<AWSAccessKeyId>"+DummyAccessKey)
			for _, text := range []string{got, fmt.Sprint(answer.Headers)} {
				assert.NotContains(t, text, realKey)
				for name, spelling := range spellings(sessionToken) {
					assert.NotContains(t, text, spelling, name)
				}
			}
			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5e9, 1e6)
			assert.Equal(t, got, string(observed), "what is observed is what the code received")
			calls, _, _ := session.Audit()
			assert.Equal(t, "SignatureDoesNotMatch", calls[0].ErrorCode)
		})
	}
}

func BenchmarkScrubber(b *testing.B) {
	chunk := bytes.Repeat([]byte("2026-01-02T03:04:05.678Z ERROR timeout after 3.00 s\n"), maxChunk/52)
	for b.Loop() {
		newScrubber(identity{credentials: aws.Credentials{AccessKeyID: realKey, SessionToken: sessionToken}}, nil, false).write(chunk, true)
	}
	b.SetBytes(int64(len(chunk)))
}
