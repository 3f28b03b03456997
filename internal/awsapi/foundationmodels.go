package awsapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// FoundationModels reads the life cycles of Bedrock's models. It signs and sends its one request without
// the SDK module of Bedrock's control plane: users compile the orchestrator at synth, and that module, with
// more than a hundred operations, would add about twelve seconds of CPU time.
type FoundationModels struct {
	config aws.Config
	client *http.Client
	now    func() time.Time
}

// ModelLifecycle is the life cycle of a foundation model as Bedrock reports it.
type ModelLifecycle struct {
	Legacy         bool
	EndOfLife      time.Time // zero: not announced
	ExtendedAccess time.Time // when a Legacy model's price may rise; zero: not announced
}

const (
	// controlService is Bedrock's name for signatures, and its SDK id for AWS_ENDPOINT_URL_BEDROCK.
	controlService, controlSDKID = "bedrock", "Bedrock"

	// maxModelDetails bounds a response, in bytes. Responses have about one kilobyte.
	maxModelDetails = 1 << 20
)

// NewFoundationModels returns a reader for cfg's Region. AWS_ENDPOINT_URL_BEDROCK and AWS_ENDPOINT_URL, as
// loaded into cfg, override the endpoint.
func NewFoundationModels(cfg aws.Config) *FoundationModels {
	return &FoundationModels{config: cfg, client: &http.Client{Transport: httpClient(cfg).GetTransport(), Timeout: answerTimeout}, now: time.Now}
}

// endpointSource is a source of configuration that can define an endpoint for one service.
type endpointSource interface {
	GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
}

// controlEndpoint returns the URL of Bedrock's control plane. The SDK does not export its table of
// partitions, but it exports the endpoint rules of Bedrock Runtime. The two endpoints differ only in their
// first label.
func controlEndpoint(ctx context.Context, cfg aws.Config) (string, error) {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(endpointSource); ok {
			if own, found, err := s.GetServiceBaseEndpoint(ctx, controlSDKID); err != nil || found {
				return own, err
			}
		}
	}
	if cfg.BaseEndpoint != nil {
		return *cfg.BaseEndpoint, nil
	}
	where := bedrockruntime.EndpointParameters{Region: &cfg.Region}
	runtime, err := bedrockruntime.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, where)
	if err != nil {
		return "", err
	}
	label, domain, _ := strings.Cut(runtime.URI.Host, ".")
	return "https://" + strings.TrimSuffix(label, "-runtime") + "." + domain, nil
}

// Lifecycle returns the life cycle of a foundation model. It calls GetFoundationModel.
func (f *FoundationModels) Lifecycle(ctx context.Context, modelID string) (ModelLifecycle, error) {
	body, err := f.get(ctx, modelID)
	if err != nil {
		return ModelLifecycle{}, fmt.Errorf("get the foundation model %s: %w", modelID, err)
	}
	var answer struct {
		ModelDetails struct {
			ModelLifecycle struct {
				Status                   string
				EndOfLifeTime            time.Time
				PublicExtendedAccessTime time.Time
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return ModelLifecycle{}, fmt.Errorf("read the response about the foundation model %s: %w", modelID, err)
	}
	life := answer.ModelDetails.ModelLifecycle
	if life.Status == "" {
		return ModelLifecycle{}, fmt.Errorf("the response about the foundation model %s has no life cycle", modelID)
	}
	return ModelLifecycle{
		Legacy: life.Status == "LEGACY", EndOfLife: life.EndOfLifeTime, ExtendedAccess: life.PublicExtendedAccessTime,
	}, nil
}

// get sends one signed request and returns the body of the response.
func (f *FoundationModels) get(ctx context.Context, modelID string) ([]byte, error) {
	endpoint, err := controlEndpoint(ctx, f.config)
	if err != nil {
		return nil, fmt.Errorf("find the endpoint of Bedrock in Region %q: %w", f.config.Region, err)
	}
	address := strings.TrimSuffix(endpoint, "/") + "/foundation-models/" + httpbinding.EscapePath(modelID, true)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	credentials, err := f.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	empty := sha256.Sum256(nil)
	hash := hex.EncodeToString(empty[:])
	err = v4.NewSigner().SignHTTP(ctx, credentials, request, hash, controlService, f.config.Region, f.now())
	if err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxModelDetails))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errorOf(response, body)
	}
	return body, nil
}

// errorOf returns the error of a response in the form in which the SDK's clients return it.
func errorOf(response *http.Response, body []byte) error {
	var fields struct{ Message string }
	if json.Unmarshal(body, &fields) != nil || fields.Message == "" {
		fields.Message = http.StatusText(response.StatusCode)
	}
	// The code can be followed by a colon and a URL: "AccessDeniedException:http://internal.amazon.com/…".
	code, _, _ := strings.Cut(response.Header.Get("X-Amzn-Errortype"), ":")
	var err error = &smithy.GenericAPIError{Code: code, Message: fields.Message}
	if code == "" {
		err = errors.New(fields.Message)
	}
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: err}
}
