package localtool

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// ServeCommand is the hidden subcommand of the program that calls [Serve].
const ServeCommand = "serve-tool-calls"

// call is one line of the input of a process.
type call struct {
	Request     toolcall.Request `json:"request"`
	TimeoutMS   int64            `json:"timeout_ms"`
	Account     string           `json:"account"`
	Partition   string           `json:"partition"`
	Credentials keys             `json:"credentials"`
}

// reply is one line of its output. An answer is followed by another reply when the process can take the next call. If the
// call affected more than itself, the process exits instead.
type reply struct {
	Answer  json.RawMessage `json:"answer,omitempty"`
	Error   string          `json:"error,omitempty"` // the sandbox failed, and the process exits
	Settled bool            `json:"settled,omitempty"`
}

// keys are the credentials of a call.
type keys struct {
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token,omitempty"`
	Expires         time.Time `json:"expires,omitzero"`
}

func keysOf(c aws.Credentials) keys {
	k := keys{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	if c.CanExpire {
		k.Expires = c.Expires
	}
	return k
}

func (k keys) credentials() aws.Credentials {
	return aws.Credentials{
		AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken,
		CanExpire: !k.Expires.IsZero(), Expires: k.Expires, Source: "alarmtriage",
	}
}
