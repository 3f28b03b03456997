package broker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/lazy"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

// requestHead is the JSON part of a request.
type requestHead struct {
	Method  string      `json:"m"`
	URL     string      `json:"u"`
	Headers [][2]string `json:"h"`
	Body    int         `json:"n"`
}

// answerHead is the JSON part of an answer: status and headers, or an error and its kind.
type answerHead struct {
	Status  int         `json:"s,omitempty"`
	Headers [][2]string `json:"h,omitempty"`
	Error   string      `json:"e,omitempty"` // for the model
	Kind    failureKind `json:"k,omitempty"`
}

// failureKind is why a request has no answer. aws_transport.py maps each kind to an exception of botocore.
type failureKind string

const (
	kindRefused failureKind = "refused" // by the broker
	kindConnect failureKind = "connect" // no connection to AWS
	kindTimeout failureKind = "timeout" // of the connection to AWS
)

// serveConnection answers the requests of one connection, one after the other.
func (s *Session) serveConnection(ctx context.Context, connection net.Conn) {
	requests, answers := bufio.NewReaderSize(connection, bufferSize), bufio.NewWriterSize(connection, bufferSize)
	for {
		again := s.serveRequest(ctx, requests, answers)
		if answers.Flush() != nil || !again {
			return
		}
	}
}

// serveRequest reads and answers one request. It reports whether the connection can be used again. The body is
// kept only if the head may pass and there is memory for it.
func (s *Session) serveRequest(ctx context.Context, requests io.Reader, answers *bufio.Writer) bool {
	head, size, err := s.readHead(requests)
	if err != nil {
		return false
	}
	defer s.broker.inFlight.giveBack(size)
	if reason := s.judgeHead(head); reason != "" {
		s.refuseHead(answers, head, reason)
		if answers.Flush() != nil {
			return false
		}
		_, err := io.CopyN(io.Discard, requests, int64(head.Body)) // so that the connection can be used again
		return err == nil
	}
	defer s.broker.inFlight.giveBack(head.Body)
	body := make([]byte, head.Body)
	if _, err := io.ReadFull(requests, body); err != nil {
		return false
	}
	return s.exchange(ctx, answers, head, body)
}

// judgeHead returns the reason for refusing a request whatever its body is, or an empty string. Then it has
// taken memory for the body. A request with a short body is judged as a whole.
func (s *Session) judgeHead(head requestHead) string {
	if head.Body > bufferSize {
		to, err := url.Parse(head.URL)
		if err != nil {
			return "the request cannot be sent: " + bounded(err.Error())
		}
		if _, reason := s.broker.hosts.find(to, s.partition); reason != "" {
			return reason
		}
	}
	if !s.broker.inFlight.take(head.Body) {
		return fmt.Sprintf("the requests that are being sent at the same time have more than %d MB; send fewer at a time",
			maxInFlight>>20)
	}
	return ""
}

// refuseHead answers and records a request whose body is not kept.
func (s *Session) refuseHead(answers *bufio.Writer, head requestHead, reason string) {
	call := unchecked(head)
	call.Refused = reason
	s.record(call)
	_ = writeHead(answers, answerHead{Error: call.Refused, Kind: kindRefused}) // an error shows when the answer is flushed
}

// unchecked returns how a request is listed of which only the head is known.
func unchecked(head requestHead) toolcall.AWSCall {
	call := toolcall.AWSCall{Operation: bounded(head.Method)}
	if to, err := url.Parse(head.URL); err == nil {
		call.Service, call.Operation = bounded(to.Hostname()), bounded(head.Method+" "+to.EscapedPath())
	}
	return call
}

// bufferSize is larger than most requests and answers, so that sending one takes one system call and wakes
// its reader once.
const bufferSize = 32 << 10

// headCopies is how many times a head is in memory: encoded, decoded, as headers, and as text to sign.
const headCopies = 4

var errNoMemory = errors.New("too many requests are being received")

// readHead reads the head of one request. It returns how many bytes it has taken of the memory for requests.
func (s *Session) readHead(from io.Reader) (head requestHead, taken int, err error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return requestHead{}, 0, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size > maxHeader {
		return requestHead{}, 0, fmt.Errorf("the request's head has %d bytes, more than %d", size, maxHeader)
	}
	taken = int(size) * headCopies
	if !s.broker.inFlight.take(taken) {
		return requestHead{}, 0, errNoMemory
	}
	if head, err = decodeHead(from, size); err != nil {
		s.broker.inFlight.giveBack(taken)
		return requestHead{}, 0, err
	}
	return head, taken, nil
}

func decodeHead(from io.Reader, size uint32) (head requestHead, err error) {
	encoded := make([]byte, size)
	if _, err := io.ReadFull(from, encoded); err != nil {
		return requestHead{}, err
	}
	if err := json.Unmarshal(encoded, &head); err != nil {
		return requestHead{}, err
	}
	if head.Body < 0 || head.Body > maxBody {
		return requestHead{}, fmt.Errorf("the request's body has %d bytes, not 0 to %d", head.Body, maxBody)
	}
	return head, nil
}

// exchange sends one request and forwards its answer. It reports whether the connection can be used again.
func (s *Session) exchange(ctx context.Context, connection *bufio.Writer, head requestHead, body []byte) bool {
	start := s.broker.now()
	prepared, call, reason := s.prepareInTurn(ctx, head, body)
	if reason == "" && !s.beginSending() {
		s.failed(prepared.charge, true)
		reason = callEnded
	}
	if reason != "" {
		call.Refused = reason
		s.record(call)
		return writeHead(connection, answerHead{Error: reason, Kind: kindRefused}) == nil
	}
	defer s.sending.Done()
	s.logSent(ctx, call, prepared.request.URL.Host)
	response, err := s.send(prepared.request, prepared.charge)
	if err != nil {
		s.failed(prepared.charge, isUnsent(err))
		call.DurationMS = s.broker.now().Sub(start).Milliseconds()
		call.ErrorCode = string(kindOf(err))
		if ctx.Err() != nil { // AWS may have received the request
			call.ErrorCode = codeCallEnded
		}
		s.record(call)
		return writeHead(connection, answerHead{Error: err.Error(), Kind: kindOf(err)}) == nil
	}
	defer response.Body.Close()
	call.Status = response.StatusCode
	if response.StatusCode < http.StatusMultipleChoices && returnsCredentials(prepared.operations) {
		if found := s.keepCredentials(response, prepared.signer.account); found == 0 && assumes(prepared.operations) {
			call.DurationMS, call.ErrorCode = s.broker.now().Sub(start).Milliseconds(), "withheld"
			s.record(call)
			return writeHead(connection, answerHead{Error: withheld, Kind: kindRefused}) == nil
		}
	}
	traces := prepared.charge.countTraces(response)
	kept := &keeper{budget: s.broker.kept, most: s.broker.maxKept()}
	defer kept.release()
	whole := s.forward(connection, response, newScrubber(prepared.signer, s.assumed.all(), response.StatusCode >= http.StatusBadRequest), kept)
	beginning := kept.data
	if prepared.charge != nil && prepared.charge.operation != startLogQuery {
		prepared.charge.settle(response.StatusCode, traces)
	}
	call.DurationMS = s.broker.now().Sub(start).Milliseconds()
	if s.broker.observe != nil {
		connection.Flush() // the code continues; the tool call is answered only after the session has ended
		s.broker.observe(beginning, kept.isCut)
	}
	if s.broker.recordAll != nil {
		s.broker.recordAll(Exchange{
			Operation: call.Service + ":" + call.Operation, URL: prepared.request.URL.String(), Sent: prepared.sent, Request: body,
			Status: response.StatusCode, Answer: beginning, Cut: !whole || kept.isCut,
		})
	}
	if response.StatusCode >= http.StatusBadRequest {
		call.ErrorCode = errorCode(response.Header, beginning)
	}
	s.record(call)
	return whole
}

// codeCallEnded is the error code of a request to which AWS did not answer before the tool call ended.
const codeCallEnded = "CallEnded"

func kindOf(err error) failureKind {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() && !isUnsent(err) {
		return kindTimeout
	}
	return kindConnect
}

// withheld is why the code does not receive the answer of an operation that returns credentials.
const withheld = "the broker found no credentials in the answer of STS, so it withholds the answer; write the request with boto3"

// keepCredentials keeps the credentials in an answer of STS, and returns how many it found. The answer itself stays unread.
func (s *Session) keepCredentials(response *http.Response, account string) (found int) {
	read, err := io.ReadAll(io.LimitReader(response.Body, maxCredentials))
	rest := response.Body
	if err == nil {
		found = s.assumed.learn(read, account)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), rest), rest}
	return found
}

const maxCredentials = 64 << 10 // bytes of an answer of STS in which credentials are searched

// preparedRequest is a request that passed all checks.
type preparedRequest struct {
	request    *http.Request
	operations []*operation
	signer     identity
	charge     *charge  // nil: AWS does not bill it
	sent       []string // the headers that the code wrote
}

const (
	longRequest = 2 << 10 // bytes of a request whose checks can take more than a few milliseconds
	// maxChecked is the number of long requests that are checked at the same time. Few checks are left when the call ends, and
	// they do not delay the looks at running queries.
	maxChecked = 2
)

// size returns the number of bytes of a request.
func (h requestHead) size() int {
	size := len(h.URL) + h.Body
	for _, header := range h.Headers {
		size += len(header[0]) + len(header[1])
	}
	return size
}

// prepareInTurn is prepare, but of long requests, it checks only a few at the same time.
func (s *Session) prepareInTurn(ctx context.Context, head requestHead, body []byte) (preparedRequest, toolcall.AWSCall, string) {
	if head.size() > longRequest {
		select {
		case s.broker.turns <- struct{}{}:
			defer func() { <-s.broker.turns }()
		case <-ctx.Done():
			return preparedRequest{}, unchecked(head), callEnded
		}
	}
	return s.prepare(ctx, head, body)
}

// prepare returns the request to send, or the reason for refusing it.
func (s *Session) prepare(ctx context.Context, head requestHead, body []byte) (preparedRequest, toolcall.AWSCall, string) {
	request, err := http.NewRequestWithContext(ctx, head.Method, head.URL, bytes.NewReader(body))
	if err != nil {
		return preparedRequest{}, toolcall.AWSCall{}, "the request cannot be sent: " + bounded(err.Error())
	}
	for _, header := range head.Headers {
		if !hopByHop[strings.ToLower(header[0])] {
			request.Header.Add(header[0], header[1])
		}
	}
	scope, signed := parseScope(request.Header.Get("Authorization"))
	call := toolcall.AWSCall{
		Service:   bounded(scope.service),
		Region:    bounded(scope.region),
		Operation: bounded(head.Method + " " + request.URL.EscapedPath()),
	}
	if call.Service == "" {
		call.Service = bounded(request.URL.Hostname())
	}
	if _, named := accountOfKey(scope.key); scope.key != "" && scope.key != DummyAccessKey && !named {
		call.AccessKey = bounded(scope.key)
	}
	call.Account = s.accountOf(scope)
	refuse := func(reason string) (preparedRequest, toolcall.AWSCall, string) {
		return preparedRequest{}, call, reason
	}
	at, reason := s.broker.hosts.find(request.URL, s.partition)
	if reason != "" {
		return refuse(reason)
	}
	if signed && !theTables().isRegion(scope.region) {
		return refuse(fmt.Sprintf("%q is not a Region of AWS; create the client with the name of a Region", bounded(scope.region)))
	}
	operations, reason := identify(request, body, at, scope, signed)
	if reason != "" {
		return refuse(reason + s.broker.guard.suggestNamed(request, body, at, scope, signed))
	}
	call.Service, call.Operation = operations[0].service.prefix, nameOf(operations)
	if reason := s.broker.guard.check(operations); reason != "" {
		return refuse(reason)
	}
	if reason := checkURLs(operations, body); reason != "" {
		return refuse(reason)
	}
	if reason := s.broker.guard.checkImplied(operations, request, body); reason != "" {
		return refuse(reason)
	}
	if reason := checkResources(s.broker.denied, operations, request, body, at); reason != "" {
		return refuse(reason)
	}
	if reason := s.broker.checkResults(operations, request, body); reason != "" {
		return refuse(reason)
	}
	signer, sign, reason := s.authenticate(ctx, request, scope, signed, operations)
	if call.AccessKey != "" {
		call.Account = signer.account
	}
	if reason != "" {
		return refuse(refusalOf(operations, reason))
	}
	if reason := s.assumesMember(operations, request, body); reason != "" {
		return refuse(reason)
	}
	permitted := accounts{own: s.account, allowed: append([]string{signer.account}, s.broker.allowed...)}
	switch {
	case signer.isMember:
		permitted = accounts{own: signer.account, allowed: s.broker.allowed, hint: clientHint}
	case signer.account == s.account:
		permitted.isMember = s.broker.members.Includes
	}
	if reason := permitted.check(request, body, at, operations, s.broker.guard.allows(operations)); reason != "" {
		return refuse(reason)
	}
	if name := unknownSubresource(operations, request.URL.Query()); name != "" {
		return refuse(refusalOf(operations, fmt.Sprintf("the broker does not know the parameter %q, with which S3 could read another operation", bounded(name))))
	}
	if namesAccessPoint(request, at, operations) {
		return refuse(refusalOf(operations, "it names an access point; use the name of the bucket"))
	}
	if assumes(operations) && s.assumed.full() {
		return refuse(fmt.Sprintf("this tool call has reached its limit of %d assumed roles; use another call", maxAssumed))
	}
	if reason := s.admit(); reason != "" {
		return refuse(reason)
	}
	charged, reason := s.charge(ctx, operations, request, body)
	if reason != "" {
		return refuse(reason)
	}
	dropOtherHeaders(request.Header)
	if charged != nil {
		charged.scope, charged.signer = scope, signer
		if charged.operation == startLogQuery {
			request.Header.Del("Accept") // the broker reads the answer in JSON
		}
	}
	sent := textsOf(request.Header)
	if returnsCredentials(operations) {
		request.Header.Del("Accept") // STS also answers in JSON, in which the broker does not search credentials
	}
	expectOwner(request, at, operations, signer.account)
	if sign {
		if err := s.broker.sign(ctx, request, scope, signer.credentials, body); err != nil {
			s.failed(charged, true)
			return refuse("the request cannot be signed: " + err.Error())
		}
	}
	return preparedRequest{request, operations, signer, charged, sent}, call, ""
}

// textsOf returns the headers of a request that the code wrote, because AWS can repeat them. Hashes and IDs of requests are left
// out, because they are no text.
func textsOf(headers http.Header) []string {
	var texts []string
	for name, values := range headers {
		if slices.Contains(replacedHeaders, name) {
			continue
		}
		for _, value := range values {
			if !isHash().MatchString(value) {
				texts = append(texts, name+": "+value)
			}
		}
	}
	slices.Sort(texts)
	return texts
}

// isHash matches a hash or a UUID.
var isHash = lazy.Regexp(`^[0-9a-fA-F-]{32,64}$`)

// replacedHeaders are the headers of a signature. The broker writes its own.
var replacedHeaders = []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"}

// refusalOf returns the text of a refusal that begins with the name of the operation.
func refusalOf(ops []*operation, reason string) string {
	return ops[0].service.prefix + ":" + nameOf(ops) + " is refused: " + reason
}

// hopByHop are headers that concern the connection to AWS, which the broker makes. They are not forwarded.
var hopByHop = map[string]bool{
	"connection": true, "content-length": true, "transfer-encoding": true, "expect": true, "host": true,
	"proxy-authorization": true, "te": true, "trailer": true, "upgrade": true, "keep-alive": true,
}

// sign replaces the signature of the code with a real one.
func (b *Broker) sign(ctx context.Context, request *http.Request, s scope, credentials aws.Credentials, body []byte) error {
	for _, name := range replacedHeaders {
		request.Header.Del(name)
	}
	hash := request.Header.Get(contentHash)
	if hash == "" {
		sum := sha256.Sum256(body)
		hash = hex.EncodeToString(sum[:])
	}
	return b.signer.SignHTTP(ctx, credentials, request, hash, s.service, s.region, b.now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = s.service == "s3"
	})
}

// nameOf returns the name of the operation, or all names, separated by slashes, if a request can mean several.
func nameOf(operations []*operation) string {
	var names []string
	for _, op := range operations {
		if !slices.Contains(names, op.name) {
			names = append(names, op.name)
		}
	}
	return strings.Join(names, "/")
}

// forward writes the answer as it arrives, and keeps the beginning of the body. It returns whether the whole body was written.
func (s *Session) forward(connection *bufio.Writer, response *http.Response, credentials *scrubber, kept *keeper) (whole bool) {
	head := answerHead{Status: response.StatusCode}
	for name, values := range response.Header {
		for _, value := range values {
			head.Headers = append(head.Headers, [2]string{name, credentials.whole(value)})
		}
	}
	if response.ContentLength >= 0 && response.Header.Get("Content-Length") == "" {
		head.Headers = append(head.Headers, [2]string{"Content-Length", strconv.FormatInt(response.ContentLength, 10)})
	}
	if writeHead(connection, head) != nil {
		return false
	}
	// A long answer is flushed piece by piece as it arrives; a short one is flushed once, by the caller.
	short := response.ContentLength >= 0 && response.ContentLength <= bufferSize
	buffer := make([]byte, chunkSize(response.ContentLength))
	for left := response.ContentLength; ; {
		if !short && connection.Flush() != nil {
			return false
		}
		n, err := response.Body.Read(buffer)
		left -= int64(n)
		if !s.count(n) {
			writeFrame(connection, -int32(len(receivedAll)), []byte(receivedAll))
			return false
		}
		last := err == io.EOF || err == nil && left == 0
		clean := credentials.write(buffer[:n], last)
		kept.add(clean)
		if len(clean) > 0 && writeFrame(connection, int32(len(clean)), clean) != nil {
			return false
		}
		if last {
			return writeFrame(connection, 0, nil) == nil
		}
		if err != nil {
			text := []byte(err.Error())
			writeFrame(connection, int32(-len(text)), text)
			return false
		}
	}
}

const (
	maxBeginning = 4096     // bytes of an answer that are searched for an error code
	maxChunk     = 64 << 10 // bytes of an answer that are forwarded at once
)

// maxKept returns how many bytes of an answer are kept while it is forwarded.
func (b *Broker) maxKept() int {
	if b.observe != nil || b.recordAll != nil {
		return maxObserved
	}
	return maxBeginning
}

func chunkSize(length int64) int {
	if length < 0 || length > maxChunk {
		return maxChunk
	}
	return max(int(length), 1)
}

func writeFrame(to io.Writer, length int32, data []byte) error {
	if _, err := to.Write(binary.LittleEndian.AppendUint32(nil, uint32(length))); err != nil {
		return err
	}
	_, err := to.Write(data)
	return err
}

func writeHead(to io.Writer, head answerHead) error {
	encoded, err := json.Marshal(head)
	if err != nil {
		return err
	}
	return writeFrame(to, int32(len(encoded)), encoded)
}

var (
	jsonCode = lazy.Regexp(`"(?:__type|code|Code|errorType)"\s*:\s*"(?:[^"]*#)?([A-Za-z0-9._-]+)`)
	xmlCode  = lazy.Regexp(`<Code>([A-Za-z0-9._-]+)</Code>`)
)

// errorCode returns AWS's error code from the headers or the body, depending on the protocol.
func errorCode(headers http.Header, body []byte) string {
	if name, _, _ := strings.Cut(headers.Get("X-Amzn-Errortype"), ":"); name != "" {
		return withoutNamespace(name)
	}
	if name, _, _ := strings.Cut(headers.Get("X-Amzn-Query-Error"), ";"); name != "" {
		return name
	}
	if kind, _, _ := strings.Cut(headers.Get("Content-Type"), ";"); strings.EqualFold(strings.TrimSpace(kind), typeCBOR) {
		return codeInCBOR(body)
	}
	body = body[:min(len(body), maxBeginning)]
	for _, pattern := range []func() *regexp.Regexp{jsonCode, xmlCode} {
		if match := pattern().FindSubmatch(body); match != nil {
			return string(match[1])
		}
	}
	return ""
}

// codeInCBOR returns the code of an error in CBOR.
func codeInCBOR(body []byte) string {
	value, err := cbor.Decode(body)
	fields, isMap := value.(cbor.Map)
	if err != nil || !isMap {
		return ""
	}
	for _, field := range []string{"__type", "code", "Code"} {
		if name, isText := fields[field].(cbor.String); isText && errorName().MatchString(withoutNamespace(string(name))) {
			return withoutNamespace(string(name))
		}
	}
	return ""
}

var errorName = lazy.Regexp(`^[A-Za-z0-9._-]{1,200}$`)

// withoutNamespace returns the name of an error without that of its service: com.amazonaws.cloudwatch#ThrottlingException.
func withoutNamespace(name string) string { return name[strings.LastIndexByte(name, '#')+1:] }
