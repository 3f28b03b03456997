package provenance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// logAnswer returns an answer of FilterLogEvents with about size bytes, and its messages.
func logAnswer(size int) (body []byte, messages []string) {
	var b strings.Builder
	b.WriteString(`{"events":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		message := fmt.Sprintf("2026-11-25T12:36:%02d.%03dZ %08x ERROR AccessDeniedException: orders-role is not authorized to perform dynamodb:GetItem on item %d", i%60, i%1000, i*7919, i)
		messages = append(messages, message)
		fmt.Fprintf(&b, `{"logStreamName":"2026/11/25/[$LATEST]%08x","timestamp":%d,"message":%q,"ingestionTime":%d,"eventId":"%056d"}`, i%10, 1780000000000+i, message, 1780000000500+i, i)
	}
	b.WriteString(`],"searchedLogStreams":[]}`)
	return []byte(b.String()), messages
}

func BenchmarkJudge(b *testing.B) {
	for _, answers := range []int{0, 1, 4, 16} {
		for _, printed := range []int{5, 900} {
			b.Run(fmt.Sprintf("%dMB-answers-%d-lines", answers, printed), func(b *testing.B) {
				body, messages := logAnswer(max(answers<<20, 4096))
				bodies := [][]byte{body}
				if answers > 4 {
					bodies = nil
					for range answers / 4 {
						part, _ := logAnswer(4 << 20)
						part[len(part)-2] = byte('0' + len(bodies))
						bodies = append(bodies, part)
					}
				}
				output := strings.Join(messages[:min(len(messages), printed)], "\n")
				b.ReportAllocs()
				for b.Loop() {
					var r Recorder
					for _, body := range bodies {
						r.Record(Exchange{Status: 200, Answer: body})
					}
					if o := r.Judge(output, time.Time{}); len(o.Spans) == 0 {
						b.Fatal("nothing found")
					}
				}
			})
		}
	}
}
