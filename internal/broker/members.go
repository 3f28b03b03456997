package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/truncate"
)

// STS assumes the roles of members. Its endpoint is that of the tool's Region.
type STS interface {
	AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, opts ...func(*sts.Options)) (*sts.AssumeRoleOutput, error)
}

// accountKeyPrefix begins the access key IDs by which the code names an account. The ID of the account follows. The names carry
// no right: the broker decides which accounts a tool call may read.
const accountKeyPrefix = "BROKERID"

// AccountKey returns the dummy access key ID that the code signs with to name an account.
func AccountKey(account string) string { return accountKeyPrefix + account }

// accountOfKey returns the account that a dummy access key ID names.
func accountOfKey(key string) (account string, ok bool) {
	account, ok = strings.CutPrefix(key, accountKeyPrefix)
	return account, ok && accountID().MatchString(account)
}

const (
	memberSession    = time.Hour        // the longest session of a role that another role assumes
	memberRefresh    = 20 * time.Minute // left of a session when it is replaced: longer than any tool call
	memberErrorTime  = time.Minute      // for which a refusal is remembered, because permissions change seldom
	memberFaultTime  = 5 * time.Second  // for which another error is remembered
	memberAssumeTime = 10 * time.Second // for one request to STS, with its retries
	maxMembers       = 200              // accounts whose credentials are kept at the same time
	maxReadMembers   = 100              // accounts that one tool call may name: all of a list. STS limits the requests of an account
	maxSessionName   = 64               // characters, of STS
	defaultSession   = "alarmtriage"    // name of the sessions if the function's is not known
	deployMember     = "Deploy NewAlarmTriageMember, or the CloudFormation template of a member, in that account."
)

// members holds the credentials of the roles in other accounts, which all tool calls share.
type members struct {
	config.Members
	sts  STS
	name string // of the sessions
	now  func() time.Time
	log  *slog.Logger

	mu        sync.Mutex
	byAccount map[string]*member
}

// member is the session in one account. turn is held by the goroutine that looks at it or assumes the role, so that at most one
// request to STS is in flight.
type member struct {
	turn chan struct{}
	access
	until time.Time // until when the access is used
}

func newMembers(m config.Members, client STS, function string, now func() time.Time, log *slog.Logger) *members {
	name := cmp.Or(function, defaultSession)
	return &members{Members: m, sts: client, name: name[:min(len(name), maxSessionName)], now: now, log: log, byAccount: map[string]*member{}}
}

// others returns the accounts that code may name beside the alarm's and the tool's own.
func (m *members) others() []string {
	switch {
	case m.Role == "" || !m.OtherAccounts:
		return nil
	case m.Organization:
		return []string{anyAccount}
	}
	return m.Accounts
}

// access is the credentials of a member's role, or why there are none.
type access struct {
	credentials aws.Credentials
	problem     *toolcall.UnreadableAccount
}

// half returns a context that ends in half of the time until a deadline, so that the caller can still answer.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// get returns the credentials of a member's role, or why there are none.
func (m *members) get(ctx context.Context, partition, account string) (aws.Credentials, *toolcall.UnreadableAccount) {
	ctx, cancel := half(ctx)
	defer cancel()
	one, got := m.entry(account), make(chan access, 1)
	select {
	case one.turn <- struct{}{}:
		go func() {
			defer func() { <-one.turn }()
			got <- m.current(ctx, one, partition, account)
		}()
	case <-ctx.Done():
		return aws.Credentials{}, m.problem(partition, account, ctx.Err())
	}
	select {
	case s := <-got:
		return s.credentials, s.problem
	case <-ctx.Done():
		return aws.Credentials{}, m.problem(partition, account, ctx.Err())
	}
}

// current returns the access to an account, and assumes the role if it is due. The caller has the turn.
func (m *members) current(ctx context.Context, one *member, partition, account string) access {
	if m.now().Before(one.until) {
		return one.access
	}
	if err := ctx.Err(); err != nil {
		return access{problem: m.problem(partition, account, err)}
	}
	// The next tool call needs the answer too, even if this one ends.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), memberAssumeTime)
	defer cancel()
	credentials, err := m.assume(bounded, partition, account)
	if err != nil {
		lasts := memberFaultTime
		if isDenied(err) {
			lasts = memberErrorTime
		}
		one.access, one.until = access{problem: m.problem(partition, account, err)}, m.now().Add(lasts)
		m.log.WarnContext(ctx, "role of a member not assumed", "account", account, "role", one.problem.Role, "error", err)
		return one.access
	}
	one.access, one.until = access{credentials: credentials}, credentials.Expires.Add(-memberRefresh)
	m.log.InfoContext(ctx, "role of a member assumed", "account", account)
	return one.access
}

// entry returns the session of an account. Forged events can name many accounts, so the number is bounded.
func (m *members) entry(account string) *member {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.byAccount[account]
	if one == nil {
		if len(m.byAccount) >= maxMembers {
			clear(m.byAccount)
		}
		one = &member{turn: make(chan struct{}, 1)}
		m.byAccount[account] = one
	}
	return one
}

func (m *members) assume(ctx context.Context, partition, account string) (aws.Credentials, error) {
	out, err := m.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String(m.RoleARN(partition, account)), RoleSessionName: &m.name, ExternalId: &m.ExternalID,
		DurationSeconds: aws.Int32(int32(memberSession / time.Second)),
	})
	if err != nil {
		return aws.Credentials{}, err
	}
	c := out.Credentials
	if c == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" || c.Expiration == nil {
		return aws.Credentials{}, errors.New("the answer of STS has no credentials")
	}
	return aws.Credentials{
		AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: aws.ToString(c.SessionToken),
		CanExpire: true, Expires: *c.Expiration,
	}, nil
}

// isDenied reports whether AWS refused a request for good: the role does not exist, or somebody does not allow it.
func isDenied(err error) bool {
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusForbidden
}

// problem describes why a member cannot be read. AWS's message is left out, because it repeats what the sentence says.
func (m *members) problem(partition, account string, err error) *toolcall.UnreadableAccount {
	p := &toolcall.UnreadableAccount{Account: account, Role: m.RoleARN(partition, account)}
	var refusal smithy.APIError
	switch {
	case isDenied(err) && m.Organization:
		p.Reason = fmt.Sprintf("Account %s cannot be read: the tool may not assume the role %s, because the account is not in the "+
			"organization of Members or has no such role for this triage. %s", account, p.Role, deployMember)
	case isDenied(err):
		p.Reason = fmt.Sprintf("Account %s cannot be read: the tool may not assume the role %s, or the role does not exist. %s",
			account, p.Role, deployMember)
	case errors.As(err, &refusal):
		p.Reason = fmt.Sprintf("Account %s cannot be read: sts:AssumeRole of the role %s failed with %s.", account, p.Role, bounded(refusal.ErrorCode()))
	default:
		p.Reason = fmt.Sprintf("Account %s cannot be read: sts:AssumeRole of the role %s failed: %s. In a VPC, the tool needs the endpoint `sts`.",
			account, p.Role, truncate.OneLine(err.Error(), 200))
	}
	return p
}

// Status returns the members, and those of a list whose role cannot be assumed now. At most maxProbed roles are assumed.
func (b *Broker) Status(ctx context.Context) *toolcall.MembersStatus {
	if b.members.Role == "" {
		return nil
	}
	status := &toolcall.MembersStatus{Accounts: b.members.Accounts, Organization: b.members.Organization, Role: b.members.Role}
	partition := cmp.Or(b.partition(ctx), "aws")
	ctx, cancel := half(ctx)
	defer cancel()
	probed := b.members.Accounts[:min(len(b.members.Accounts), maxProbed)]
	problems := make([]*toolcall.UnreadableAccount, len(probed))
	slots := make(chan struct{}, maxProbes)
	var group sync.WaitGroup
	for i, account := range probed {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			_, problems[i] = b.members.get(ctx, partition, account)
		})
	}
	group.Wait()
	for _, problem := range problems {
		if problem != nil {
			status.Unreadable = append(status.Unreadable, *problem)
		}
	}
	return status
}

const (
	maxProbed = 100 // accounts of one Status
	maxProbes = 10  // at the same time
)

// unreadable records a member that the session could not read, once.
func (s *Session) unreadable(problem toolcall.UnreadableAccount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < maxListed && !slices.Contains(s.problems, problem) {
		s.problems = append(s.problems, problem)
	}
}

// Unreadable returns the members that requests of the session named, or that it should have read, but whose role the broker
// could not assume.
func (s *Session) Unreadable() []toolcall.UnreadableAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// assumesMember returns the reason for refusing a request of the code to assume the role of members, or an empty string. Only
// the broker assumes it, because it decides which accounts a tool call may read.
func (s *Session) assumesMember(ops []*operation, r *http.Request, body []byte) string {
	if s.broker.members.Role == "" || !assumes(ops) {
		return ""
	}
	suffix := ":role/" + strings.ToLower(s.broker.members.Role)
	form, _ := parseForm(body) // any other body is refused before
	for _, parameters := range []url.Values{form, r.URL.Query()} {
		for name, values := range parameters {
			for _, value := range values {
				if withoutSigns(name) == "rolearn" && strings.HasSuffix(strings.ToLower(visible(value)), suffix) {
					return refusalOf(ops, `only the broker assumes the role of members; name the account with boto3.client(…, account="…")`)
				}
			}
		}
	}
	return ""
}

// accountOf returns the account whose role signs a request, as the list of requests shows it: empty for the tool's own account
// of a tool without members, and if the account is not known.
func (s *Session) accountOf(c scope) string {
	account, named := accountOfKey(c.key)
	switch {
	case c.key == DummyAccessKey:
		account = s.reads
	case !named:
		return ""
	}
	if account == s.account && s.broker.members.Role == "" {
		return ""
	}
	return account
}

// clientHint follows the refusal of a request of a member that names a resource of another account.
const clientHint = `; name the account with boto3.client(…, account="…") if this investigation may read it`

// member returns the identity of the role in another account, or the reason for refusing a request that names the account.
func (s *Session) member(ctx context.Context, account string) (identity, string) {
	members := s.broker.members
	switch {
	case members.Role == "":
		return identity{}, fmt.Sprintf("this tool reads only %s: it has no Members, so no client can name the account %s", s.own(), account)
	case !members.Includes(account):
		return identity{}, fmt.Sprintf("account %s is not a member of this triage (Members), so it cannot be read", account)
	case account != s.reads && !members.OtherAccounts:
		return identity{}, s.readsOnly() + ", unless the settings of this tool allow other members (Members.AllowOtherAccounts)"
	}
	if !s.mayRead(account) {
		return identity{}, fmt.Sprintf("this tool call has reached its limit of %d members; use another call", maxReadMembers)
	}
	credentials, problem := members.get(ctx, cmp.Or(s.broker.partition(ctx), "aws"), account)
	if ctx.Err() != nil { // nobody knows whether the account can be read
		return identity{}, callEnded
	}
	if problem != nil {
		s.unreadable(*problem)
		return identity{}, problem.Reason
	}
	return identity{credentials: credentials, account: account, isMember: true}, ""
}

// own describes the account of the tool.
func (s *Session) own() string {
	if s.account == "" {
		return "its own account" // AWS did not say which one it is
	}
	return "its own account " + s.account
}

// readsOnly describes the accounts that the tool call may read if it may not read other members.
func (s *Session) readsOnly() string {
	switch {
	case s.reads != s.account && s.account != "":
		return fmt.Sprintf("this investigation reads only the account %s of its alarm and the tool's own account %s", s.reads, s.account)
	case s.reads != s.account:
		return fmt.Sprintf("this investigation reads only the account %s of its alarm and the tool's own account", s.reads)
	case s.alarm == "":
		return "this tool call reads only " + s.own()
	case s.alarm == s.account:
		return fmt.Sprintf("this investigation reads only the account %s, which is both the account of its alarm and the tool's own", s.account)
	}
	return fmt.Sprintf("this investigation reads only the account %s, which is the tool's own, because the account %s of its alarm is not a "+
		"member of this triage (Members)", s.account, s.alarm)
}

// mayRead counts a member that a request names, and reports whether the tool call may read it.
func (s *Session) mayRead(account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.named[account] && len(s.named) >= maxReadMembers {
		return false
	}
	s.named[account] = true
	return true
}
