package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// bedrock forwards the orchestrator's requests to Amazon Bedrock with the caller's credentials, which the stand-in for AWS refuses.
type bedrock struct{ caller aws.Config }

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
	return &bedrock{caller: caller}, nil
}

func (b *bedrock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := b.forward(r)
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

func (b *bedrock) forward(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "https://bedrock-runtime."+b.caller.Region+".amazonaws.com"+r.URL.RequestURI(),
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
