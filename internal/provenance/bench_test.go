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

// BenchmarkJudge_Records compares printed records with a list of records with many fields, and with one that names each of
// its fields almost like all others.
func BenchmarkJudge_Records(b *testing.B) {
	var instances, lines, similar, states strings.Builder
	for i := range 600 {
		fmt.Fprintf(&instances, `%s{"InstanceId":"i-%017x","InstanceType":"t3.large","State":{"Code":16,"Name":"running"},"Placement":{"AvailabilityZone":"eu-west-1%c","Tenancy":"default"},"SubnetId":"subnet-%x","SecurityGroups":[{"GroupName":"web","GroupId":"sg-%x"}],"Tags":[{"Key":"Name","Value":"web-%d"}],"BlockDeviceMappings":[{"DeviceName":"/dev/xvda","Ebs":{"Status":"attached","VolumeId":"vol-%x"}}],"NetworkInterfaces":[{"NetworkInterfaceId":"eni-%x","Status":"in-use"}]}`,
			map[bool]string{false: ","}[i == 0], i*7919, 'a'+i%3, i*17, i*13, i, i*11, i*19)
		fmt.Fprintf(&lines, "instance i-%017x: state=running type=t3.large zone=eu-west-1%c volume=vol-%x status=attached\n", i*7919, 'a'+i%3, i*11)
	}
	for i := range 400 {
		fmt.Fprintf(&similar, `"F%dCurrentStatus":"v%d",`, i, i%7)
	}
	for i := range 300 {
		fmt.Fprintf(&states, "current status: v%d\n", i%7)
	}
	for _, test := range []struct{ name, answer, output string }{
		{"many-records", `{"Instances":[` + instances.String() + `]}`, lines.String()},
		{"similar-names", `{"R":{` + similar.String() + `"List":[]}}`, states.String()},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var r Recorder
				r.Record(Exchange{Status: 200, Answer: []byte(test.answer)})
				if o := r.Judge(test.output, time.Time{}); len(o.Spans) == 0 {
					b.Fatal("nothing found")
				}
			}
		})
	}
}
