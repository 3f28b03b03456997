// Command stubtool is a tool function that fails in the way that its environment variable STUB selects. The
// fault matrix uses it for failures that the real tool does not have.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// evidence is the result of the call that collects the evidence.
const evidence = `{"definition": {"AlarmName": "orders"}, "history": [], "related": [], "changes": [], "problems": [],
	"series": [{"id": "m1", "label": "Errors", "period": 60, "points": [[1785844500, 0], [1785844560, 4]], "threshold": 0}]}`

func main() {
	var calls atomic.Int64
	lambda.Start(func(_ context.Context, request toolcall.Request) (toolcall.Answer, error) {
		if calls.Add(1) == 1 && !strings.HasPrefix(os.Getenv("STUB"), "always ") {
			return answer(evidence), nil // the evidence call
		}
		switch strings.TrimPrefix(os.Getenv("STUB"), "always ") {
		case "crash":
			os.Exit(7)
		case "hang":
			time.Sleep(time.Minute) // longer than the function's timeout
		case "flood":
			return answer(`"` + strings.Repeat("x", 7<<20) + `"`), nil
		}
		if strings.HasPrefix(request.Command, "alarm = ") {
			return answer(evidence), nil
		}
		return answer(`"AccessDenied: orders-role may not dynamodb:GetItem"`), nil
	})
}

func answer(result string) toolcall.Answer {
	return toolcall.Answer{
		Success: true, Output: result, Result: json.RawMessage(result), Notes: []string{}, AWSCalls: []toolcall.AWSCall{},
		Observed: &toolcall.Observed{Answers: 1, Spans: []toolcall.Span{{To: len(result)}}},
	}
}
