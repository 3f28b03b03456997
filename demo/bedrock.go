package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// bedrock forwards the orchestrator's requests to Amazon Bedrock with the caller's credentials, which the stand-in for AWS refuses.
type bedrock struct {
	caller aws.Config
	secret string // begins the path of each request, because every program of the machine can reach the port
}

// newBedrock reads the caller's credentials and Region.
func newBedrock(ctx context.Context) (*bedrock, error) {
	caller, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := caller.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("AWS credentials for Bedrock: %w", err)
	}
	if caller.Region == "" {
		return nil, errors.New("set AWS_REGION to the Region in which to ask Bedrock")
	}
	return &bedrock{caller: caller, secret: rand.Text()}, nil
}

// endpoint returns the endpoint of Bedrock for a function, if a server at url has the requests.
func (b *bedrock) endpoint(url string) string { return url + "/" + b.secret }

// converse matches the path of the only operation that the orchestrator uses.
var converse = regexp.MustCompile(`^model/[^/]+/converse$`)

func (b *bedrock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isFunctions := strings.CutPrefix(r.URL.EscapedPath(), "/"+b.secret+"/")
	if !isFunctions || r.Method != http.MethodPost || !converse.MatchString(path) {
		http.NotFound(w, r)
		return
	}
	answer, err := b.forward(r, path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "      the request to Bedrock failed:", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for _, name := range []string{"Content-Type", "X-Amzn-Errortype", "X-Amzn-Requestid"} {
		if value := answer.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // an orchestrator that has ended reads no answer
}

func (b *bedrock) forward(r *http.Request, path string) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "https://bedrock-runtime."+b.caller.Region+".amazonaws.com/"+path,
		bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	credentials, err := b.caller.Credentials.Retrieve(r.Context())
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, request, hex.EncodeToString(hash[:]), "bedrock", b.caller.Region, time.Now()); err != nil {
		return nil, err
	}
	return b.caller.HTTPClient.Do(request)
}
