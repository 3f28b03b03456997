package broker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"
)

// BenchmarkRequest measures a small request with a short answer, with and without the broker. AWS is a server
// on this machine.
func BenchmarkRequest(b *testing.B) {
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"logGroups":[]}`)
	}))
	b.Cleanup(aws.Close)
	b.Run("through the broker", func(b *testing.B) {
		if b.N > maxRequests {
			b.Skip("more requests than a tool call may make: use -benchtime 1000x")
		}
		connection, _ := dialWith(b, Options{Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, "real-token"), Endpoints: []string{aws.URL}})
		encoded, err := json.Marshal(requestHead{Method: http.MethodPost, URL: aws.URL + "/", Body: 2, Headers: [][2]string{
			{"Authorization", fmt.Sprintf(dummyScope, "logs")}, {"X-Amz-Target", "Logs_20140328.DescribeLogGroups"},
			{"Content-Type", "application/x-amz-json-1.1"}, {"X-Amz-Date", "20260102T030405Z"}, {"User-Agent", "Boto3/1.40"},
		}})
		require.NoError(b, err)
		request := append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(encoded))), encoded...), "{}"...)
		for range b.N {
			if _, err := connection.Write(request); err != nil {
				b.Fatal(err)
			}
			head := readAnswer(b, connection)
			if !bytes.Contains(head, []byte(`"s":200`)) {
				b.Fatalf("%s", head)
			}
			for size := 1; size != 0; {
				size = len(readAnswer(b, connection))
			}
		}
	})
	b.Run("directly", func(b *testing.B) {
		transport := newTransport()
		for range b.N {
			request, err := http.NewRequest(http.MethodPost, aws.URL, bytes.NewReader([]byte("{}")))
			require.NoError(b, err)
			response, err := transport.RoundTrip(request)
			require.NoError(b, err)
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
}

// readAnswer reads one length and as many bytes.
func readAnswer(b *testing.B, from io.Reader) []byte {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, binary.LittleEndian.Uint32(length[:]))
	if _, err := io.ReadFull(from, data); err != nil {
		b.Fatal(err)
	}
	return data
}
