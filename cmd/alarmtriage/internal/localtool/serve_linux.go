package localtool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/broker"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/sandbox"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/tool"
)

// canServe reports whether [Serve] works on this operating system.
const canServe = true

// Serve answers calls until its input ends. It takes its settings from the environment, as the deployed tool function
// does, and the credentials from each call.
func Serve(ctx context.Context, python string, in io.Reader, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := sandbox.Seal(options(python, log)); err != nil {
		log.Warn("other processes can read the supervisor's environment", "error", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{encoder: json.NewEncoder(out)}
	s.encoder.SetEscapeHTML(false)
	settings, err := config.ParseTool(os.Getenv)
	if err != nil {
		_ = s.encoder.Encode(reply{Error: err.Error()})
		return err
	}
	settings.Members = config.Members{} // only the deployed function may assume their roles
	handler, err := tool.New(ctx, tool.Options{
		Sandbox: options(python, log), Settings: settings, Credentials: s,
		Account:   func(context.Context) string { return s.current().Account },
		Partition: func(context.Context) string { return s.current().Partition },
	})
	if err != nil {
		_ = s.encoder.Encode(reply{Error: err.Error()})
		return err
	}
	calls := make(chan call)
	go func() { // if the command ends during a call, the call ends, too
		defer cancel()
		defer close(calls)
		for decoder := json.NewDecoder(in); ; {
			var next call
			if decoder.Decode(&next) != nil {
				return
			}
			calls <- next
		}
	}()
	for next := range calls {
		if err := s.serve(ctx, handler, next); err != nil {
			return err
		}
	}
	return nil
}

// options are those of the deployed function, with the files that the code may read.
func options(python string, log *slog.Logger) sandbox.Options {
	o := sandbox.LambdaOptions(python, os.Getenv, os.Environ())
	o.AccessKey, o.Log, o.Readable = broker.DummyAccessKey, log, filepath.SplitList(os.Getenv(envReadable))
	o.OwnScratch = os.Getenv(envOwnScratch) != ""
	return o
}

// server answers the calls of one process.
type server struct {
	encoder *json.Encoder

	mu   sync.Mutex
	call call
}

func (s *server) current() call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call
}

// Retrieve implements aws.CredentialsProvider: the credentials of the current call.
func (s *server) Retrieve(context.Context) (aws.Credentials, error) {
	now := s.current().Credentials
	if now.AccessKeyID == "" {
		return aws.Credentials{}, errors.New("the call has no credentials")
	}
	return now.credentials(), nil
}

// serve answers one call. As in Lambda, the clean-up follows the answer, and the process exits if the call affected more
// than itself.
func (s *server) serve(ctx context.Context, handler *tool.Handler, next call) error {
	s.mu.Lock()
	s.call = next
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(next.TimeoutMS)*time.Millisecond)
	defer cancel()
	response, err := handler.Invoke(ctx, next.Request)
	if err != nil {
		message := err.Error()
		if failed, ok := errors.AsType[messages.InvokeResponse_Error](err); ok {
			message = failed.Message
		}
		_ = s.encoder.Encode(reply{Error: message})
		return err
	}
	answer, err := io.ReadAll(response)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := s.encoder.Encode(reply{Answer: answer}); err != nil {
		return err
	}
	if err := response.Close(); err != nil {
		return err
	}
	return s.encoder.Encode(reply{Settled: true})
}
