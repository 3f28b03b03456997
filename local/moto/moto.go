// Package moto runs moto's server as the stand-in for AWS, and finds the programs that `make setup` has installed.
package moto

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cloudwatch-alarm-triage/alarmtriage/local/logbuffer"
)

// EnvVenv names the Python environment that has moto; the default is .build/venv of the checkout.
const EnvVenv = "ALARMTRIAGE_VENV"

// Region and account of the clients of the stand-ins.
const (
	Region  = "us-east-1"    // unless [Server.In] names another
	Account = "123456789012" // unless [Server.As] names another
)

const (
	startTimeout = 60 * time.Second // a cold start compiles moto's Python
	maxLog       = 1 << 20          // bytes of the server's output that are kept for the error of a failed start
)

// Server is a running moto server with empty accounts.
type Server struct {
	URL     string // http://localhost:PORT; moto recognizes bucket names in hosts below localhost
	Region  string // of its clients; moto itself serves every Region
	Account string // of its clients; moto itself serves every account

	cmd  *exec.Cmd
	log  *logbuffer.Buffer
	done chan struct{}
}

// In returns the same server for clients in another Region. Only stop the original one.
func (s *Server) In(region string) *Server {
	elsewhere := *s
	elsewhere.Region = region
	return &elsewhere
}

// As returns the same server for clients of another account. Only stop the original one.
func (s *Server) As(account string) *Server {
	other := *s
	other.Account = account
	return &other
}

// lambdaKey is the access key of the service that runs functions, which accounts.py knows.
const lambdaKey = "AKIASERVICE000LAMBDA"

// RoleEnvironment returns environment variables with credentials of the role of a function, as Lambda sets them. The role must
// trust Lambda.
func (s *Server) RoleEnvironment(ctx context.Context, roleARN, function string) (map[string]string, error) {
	cfg := s.Config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(lambdaKey, "any", "")
	assumed, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &roleARN, RoleSessionName: aws.String(function[:min(len(function), maxSessionName)]),
	})
	if err != nil {
		return nil, fmt.Errorf("assume the role %s for function %s: %w", roleARN, function, err)
	}
	c := assumed.Credentials
	return map[string]string{
		"AWS_ACCESS_KEY_ID": *c.AccessKeyId, "AWS_SECRET_ACCESS_KEY": *c.SecretAccessKey, "AWS_SESSION_TOKEN": *c.SessionToken,
	}, nil
}

const maxSessionName = 64 // characters, of AWS STS

// Root returns the root folder of the checkout that contains the working directory. It panics if there is none.
func Root() string {
	directory, err := os.Getwd()
	for err == nil && directory != filepath.Dir(directory) {
		if _, missing := os.Stat(filepath.Join(directory, "local", "moto", "server.py")); missing == nil {
			return directory
		}
		directory = filepath.Dir(directory)
	}
	panic("moto: the stand-ins are started from a folder in a checkout of alarmtriage")
}

// Tool returns the path of a program in the Python environment, such as "python".
func Tool(name string) (string, error) {
	venv := os.Getenv(EnvVenv)
	if venv == "" {
		venv = filepath.Join(Root(), ".build", "venv")
	}
	tool := filepath.Join(venv, "bin", name)
	if _, err := os.Stat(tool); err != nil {
		return "", fmt.Errorf("find %s: run `make setup`, or set %s to a Python environment with the packages of "+
			"requirements-dev.txt: %w", tool, EnvVenv, err)
	}
	return tool, nil
}

// Start starts a server on a free port and waits until it answers. The caller must stop it.
func Start(ctx context.Context) (*Server, error) {
	python, err := Tool("python")
	if err != nil {
		return nil, err
	}
	socket, port, err := listen()
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: "http://localhost:" + strconv.Itoa(port), Region: Region, Account: Account,
		log: &logbuffer.Buffer{MaxBytes: maxLog}, done: make(chan struct{}),
	}
	s.cmd = exec.Command(python, filepath.Join(Root(), "local", "moto", "server.py"), "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	s.cmd.Env = append(os.Environ(), "MOTO_IAM_LOAD_MANAGED_POLICIES=true", "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing",
		"WERKZEUG_RUN_MAIN=true", "WERKZEUG_SERVER_FD=3") // moto's web server then serves an open socket
	s.cmd.ExtraFiles = []*os.File{socket} // number 3
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = s.cmd.Start()
	socket.Close() // only the server keeps it open, so requests fail if the server ends
	if err != nil {
		return nil, fmt.Errorf("start moto's server: %w", err)
	}
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	if err := s.waitReady(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// listen returns a socket that listens on a free port. The server inherits it: a port that is only known to have been free can
// already belong to another server that starts at the same time.
func listen() (socket *os.File, port int, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, 0, err
	}
	defer l.Close()
	socket, err = l.File()
	return socket, l.Addr().(*net.TCPAddr).Port, err
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/moto-api/", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("moto's server exited at its start: %s", s.log)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("moto's server did not answer: %s", s.log), ctx.Err())
		}
	}
}

// Stop stops the server.
func (s *Server) Stop() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
}

// Log returns the server's output.
func (s *Server) Log() string { return s.log.String() }

// Config returns an SDK configuration whose clients send all requests to the server.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region:       s.Region,
		BaseEndpoint: aws.String(s.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(s.key(), "testing", ""),
	}
}

// key returns the access key of the clients' account, as accounts.py knows it.
func (s *Server) key() string {
	if s.Account == Account {
		return "testing"
	}
	return "AKIAROOT" + s.Account
}

// Environ returns the environment variables for programs that use the server: endpoints, Region, and dummy
// credentials.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL,
		"AWS_ENDPOINT_URL_S3=" + s.URL,
		"AWS_REGION=" + s.Region, "AWS_DEFAULT_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.key(), "AWS_SECRET_ACCESS_KEY=testing",
		"CDK_DEFAULT_ACCOUNT=" + s.Account, "CDK_DEFAULT_REGION=" + s.Region,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}
