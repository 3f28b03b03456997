package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

const (
	memberAccount = "444455556666"
	otherMember   = "777788889999"
	noMember      = "999999999999"
	memberSecret  = "member-secret-4Jx8vQn2"
	memberToken   = "member-session-token-Zk81"
)

// memberKey returns the access key ID of a role in an account.
func memberKey(account string) string { return "ASIA0000" + account }

// fakeSTS returns credentials whose key names the account, or an error for accounts that it lacks.
type fakeSTS struct {
	mu     sync.Mutex
	asked  []*sts.AssumeRoleInput
	lacks  []string
	err    error // for every account
	now    func() time.Time
	during func()
}

func (f *fakeSTS) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, _ ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	if f.during != nil {
		f.during()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, in)
	account := strings.Split(*in.RoleArn, ":")[4]
	if f.err != nil {
		return nil, f.err
	}
	for _, missing := range f.lacks {
		if account == missing {
			return nil, denied("AccessDenied")
		}
	}
	return &sts.AssumeRoleOutput{Credentials: &ststypes.Credentials{
		AccessKeyId: aws.String(memberKey(account)), SecretAccessKey: aws.String(memberSecret), SessionToken: aws.String(memberToken),
		Expiration: aws.Time(f.now().Add(time.Hour)),
	}}, nil
}

// denied returns the error of the SDK for an answer of STS with status 403.
func denied(code string) error {
	response := &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusForbidden}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "User: … is not authorized"},
	}}
	return &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: response}
}

// withMembers returns options of a broker with two members, and their STS.
func withMembers(s *sink) (Options, *fakeSTS) {
	o, client := toAWS(s), &fakeSTS{now: time.Now}
	o.Members = config.Members{Accounts: []string{memberAccount, otherMember}, Role: "alarmtriage-member", ExternalID: "alarmtriage-" + ownAccount}
	o.STS, o.Function = client, "triage-tool"
	return o, client
}

// readAs describes log groups with a dummy key and returns why the broker refused it.
func readAs(t *testing.T, connection net.Conn, key string) string {
	t.Helper()
	request := logsRead("", "", authorization(key, "logs"))
	answer, _ := ask(t, connection, requestHead{Method: request.Method, URL: request.URL, Headers: request.Headers}, request.Body)
	return answer.Error
}

func TestMembers_TheAccountOfTheAlarmIsRead(t *testing.T) {
	tests := []struct {
		name, alarm, key, want string
		others, isOrganization bool
		signer, refusal        string
	}{
		{name: "a plain client reads the member of the alarm", alarm: memberAccount, key: DummyAccessKey, signer: memberKey(memberAccount)},
		{name: "a client names the member of the alarm", alarm: memberAccount, key: AccountKey(memberAccount), signer: memberKey(memberAccount)},
		{name: "a client names the tool's own account", alarm: memberAccount, key: AccountKey(ownAccount), signer: realKey},
		{name: "another member", alarm: memberAccount, key: AccountKey(otherMember), refusal: "reads only the account " + memberAccount},
		{name: "another member, which is allowed", alarm: memberAccount, key: AccountKey(otherMember), others: true, signer: memberKey(otherMember)},
		{name: "an account that is no member", alarm: memberAccount, key: AccountKey(noMember), others: true, refusal: "is not a member"},
		{name: "an alarm of the own account", alarm: ownAccount, key: DummyAccessKey, signer: realKey},
		{name: "an alarm of the own account and a member", alarm: ownAccount, key: AccountKey(memberAccount), refusal: "reads only the account " + ownAccount},
		{name: "an alarm of an account that is no member", alarm: noMember, key: DummyAccessKey, signer: realKey},
		{name: "such an alarm, and its account by name", alarm: noMember, key: AccountKey(noMember), others: true, refusal: "is not a member"},
		{name: "no alarm", key: DummyAccessKey, signer: realKey},
		{name: "a broken alarm account", alarm: "44445555666x", key: DummyAccessKey, signer: realKey},
		{name: "an organization decides", alarm: noMember, key: DummyAccessKey, isOrganization: true, signer: memberKey(noMember)},
		{name: "an organization, and another account", alarm: memberAccount, key: AccountKey(noMember), isOrganization: true, refusal: "reads only the account " + memberAccount},
		{name: "a forged key", alarm: memberAccount, key: accountKeyPrefix + "44445555666x", refusal: "neither belongs to this tool"},
		{name: "the real key of a member", alarm: memberAccount, key: memberKey(memberAccount), refusal: "neither belongs to this tool"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := &sink{}
			o, client := withMembers(to)
			o.Members.OtherAccounts, o.Members.Organization = tt.others, tt.isOrganization
			b, err := New(o)
			require.NoError(t, err)
			session := b.NewSession(toolcall.DefaultQueryLimitUSD)
			session.Begin(t.Context(), tt.alarm)
			connect, _ := serve(t, session)
			refusal := readAs(t, connect(), tt.key)
			if tt.refusal != "" {
				assert.Contains(t, refusal, tt.refusal)
				assert.Empty(t, to.seen)
				return
			}
			require.Empty(t, refusal)
			require.Len(t, to.seen, 1)
			header := to.seen[0].Header.Get("Authorization")
			assert.Contains(t, header, "Credential="+tt.signer+"/")
			require.Eventually(t, func() bool { calls, _, _ := session.Audit(); return len(calls) == 1 }, 5*time.Second, time.Millisecond)
			calls, _, _ := session.Audit()
			account := ownAccount
			if tt.signer != realKey {
				account = tt.signer[len(tt.signer)-12:]
				assert.Equal(t, []string{memberToken}, to.seen[0].Header.Values("X-Amz-Security-Token"))
			}
			assert.Equal(t, account, calls[0].Account, "the list of requests names the account that answered")
			assert.Empty(t, calls[0].AccessKey)
			for _, in := range client.asked[max(0, len(client.asked)-1):] {
				if account == ownAccount {
					break // Begin assumed the role of the alarm's account
				}
				assert.Equal(t, "arn:aws:iam::"+account+":role/alarmtriage-member", *in.RoleArn)
				assert.Equal(t, "alarmtriage-"+ownAccount, *in.ExternalId)
				assert.Equal(t, "triage-tool", *in.RoleSessionName)
				assert.EqualValues(t, 3600, *in.DurationSeconds)
			}
		})
	}
}

// A refusal names the accounts that are read, each once, and the account of the alarm as what it is.
func TestMembers_ARefusalNamesTheAccountsThatAreRead(t *testing.T) {
	const others = ", unless the settings of this tool allow other members (Members.AllowOtherAccounts)"
	for _, test := range []struct{ name, own, alarm, want string }{
		{"an alarm of a member", ownAccount, memberAccount,
			"this investigation reads only the account " + memberAccount + " of its alarm and the tool's own account " + ownAccount + others},
		{"an alarm of the own account", ownAccount, ownAccount,
			"this investigation reads only the account " + ownAccount + ", which is both the account of its alarm and the tool's own" + others},
		{"an alarm of an account that is no member", ownAccount, noMember, "this investigation reads only the account " + ownAccount +
			", which is the tool's own, because the account " + noMember + " of its alarm is not a member of this triage (Members)" + others},
		{"no alarm", ownAccount, "", "this tool call reads only its own account " + ownAccount + others},
		{"an alarm whose account is broken", ownAccount, "44445555666x", "this tool call reads only its own account " + ownAccount + others},
		{"an unknown account of the tool", "", memberAccount,
			"this investigation reads only the account " + memberAccount + " of its alarm and the tool's own account" + others},
		{"an unknown account of the tool, and no alarm", "", "", "this tool call reads only its own account" + others},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, _ := withMembers(&sink{})
			o.Account = func(context.Context) string { return test.own }
			b, err := New(o)
			require.NoError(t, err)
			session := b.NewSession(toolcall.DefaultQueryLimitUSD)
			session.Begin(t.Context(), test.alarm)
			connect, _ := serve(t, session)
			refusal := readAs(t, connect(), AccountKey(otherMember))
			assert.Contains(t, refusal, "is refused: "+test.want)
			for _, account := range []string{ownAccount, memberAccount, noMember} {
				assert.LessOrEqual(t, strings.Count(refusal, account), 1, refusal)
			}
		})
	}
}

func TestMembers_TheCodeLearnsWhichOtherAccountsItMayName(t *testing.T) {
	for _, test := range []struct {
		name                   string
		others, isOrganization bool
		want                   []string
	}{
		{name: "no other member"},
		{name: "the members of a list", others: true, want: []string{memberAccount, otherMember}},
		{name: "no other account of an organization", isOrganization: true},
		{name: "each account of an organization", others: true, isOrganization: true, want: []string{anyAccount}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, _ := withMembers(&sink{})
			o.Members.OtherAccounts, o.Members.Organization = test.others, test.isOrganization
			b, err := New(o)
			require.NoError(t, err)
			assert.Equal(t, test.want, b.NewSession(toolcall.DefaultQueryLimitUSD).Begin(t.Context(), memberAccount).Others)
		})
	}
}

func TestMembers_WithoutMembersNoAccountCanBeNamed(t *testing.T) {
	to := &sink{}
	b, err := New(toAWS(to))
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	assert.Equal(t, Place{Account: ownAccount, Own: ownAccount}, session.Begin(t.Context(), memberAccount))
	connect, _ := serve(t, session)
	connection := connect()
	assert.Contains(t, readAs(t, connection, AccountKey(memberAccount)), "no Members")
	assert.Empty(t, readAs(t, connection, DummyAccessKey))
	assert.Nil(t, b.Status(t.Context()))
	require.Len(t, to.seen, 1)
	calls, _, _ := session.Audit()
	for _, call := range calls {
		if call.Refused == "" {
			assert.Empty(t, call.Account, "a tool without members lists requests as before")
		}
	}
}

func TestMembers_AMissingRoleIsExplainedOnce(t *testing.T) {
	to := &sink{}
	o, client := withMembers(to)
	client.lacks = []string{memberAccount}
	b, err := New(o)
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	at := session.Begin(t.Context(), memberAccount)
	const role = "arn:aws:iam::444455556666:role/alarmtriage-member"
	for _, part := range []string{memberAccount, role, "Deploy NewAlarmTriageMember"} {
		assert.Contains(t, at.Problem, part)
	}
	assert.Equal(t, memberAccount, at.Account, "plain clients must not read the tool's own account instead")
	connect, _ := serve(t, session)
	connection := connect()
	for range 3 {
		assert.Contains(t, readAs(t, connection, DummyAccessKey), at.Problem)
	}
	assert.Empty(t, readAs(t, connection, AccountKey(ownAccount)))
	require.Len(t, to.seen, 1)
	assert.Contains(t, to.seen[0].Header.Get("Authorization"), realKey)
	assert.Equal(t, []toolcall.UnreadableAccount{{Account: memberAccount, Role: role, Reason: at.Problem}}, session.Unreadable())
	assert.Len(t, client.asked, 1, "a refusal is remembered")

	status := b.Status(t.Context())
	assert.Equal(t, []string{memberAccount, otherMember}, status.Accounts)
	assert.Equal(t, session.Unreadable(), status.Unreadable)
}

func TestMembers_CredentialsAreKeptAndReplaced(t *testing.T) {
	to := &sink{}
	o, client := withMembers(to)
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return now }
	client.now = o.Now
	b, err := New(o)
	require.NoError(t, err)
	get := func() error {
		_, problem := b.members.get(t.Context(), "aws", memberAccount)
		if problem != nil {
			return errors.New(problem.Reason)
		}
		return nil
	}
	for _, step := range []struct {
		name  string
		after time.Duration
		err   error
		asked int
		fails bool
	}{
		{name: "the first", asked: 1},
		{name: "kept", after: 39 * time.Minute, asked: 1},
		{name: "replaced before it expires", after: 2 * time.Minute, asked: 2},
		{name: "kept again", after: time.Minute, asked: 2},
		{name: "a fault of STS", after: time.Hour, err: errors.New("connection reset"), asked: 3, fails: true},
		{name: "the fault is remembered", after: 2 * time.Second, asked: 3, fails: true},
		{name: "but not for long", after: 5 * time.Second, asked: 4},
		{name: "a refusal", after: time.Hour, err: denied("AccessDenied"), asked: 5, fails: true},
		{name: "a refusal is remembered longer", after: 30 * time.Second, asked: 5, fails: true},
		{name: "the role was deployed", after: time.Minute, asked: 6},
	} {
		now = now.Add(step.after)
		client.err = step.err
		assert.Equal(t, step.fails, get() != nil, step.name)
		assert.Len(t, client.asked, step.asked, step.name)
	}
}

func TestMembers_OneRequestToSTSIsInFlight(t *testing.T) {
	o, client := withMembers(&sink{})
	started, finish := make(chan struct{}, 10), make(chan struct{})
	client.during = func() { started <- struct{}{}; <-finish }
	b, err := New(o)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, problem := b.members.get(context.Background(), "aws", memberAccount)
			assert.Nil(t, problem)
		})
	}
	<-started
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, problem := b.members.get(gone, "aws", memberAccount)
	assert.NotNil(t, problem, "a canceled call does not wait")
	close(finish)
	group.Wait()
	assert.Len(t, client.asked, 1)
	_, problem = b.members.get(t.Context(), "aws", memberAccount)
	assert.Nil(t, problem, "the canceled call left no error")
}

// The report lists unreadable accounts. It must not list one only because its role was not assumed before the call ended.
func TestMembers_TheEndOfACallMakesNoAccountUnreadable(t *testing.T) {
	o, client := withMembers(&sink{})
	o.Members.OtherAccounts = true
	started, finish := make(chan struct{}), make(chan struct{})
	client.during = func() { close(started); <-finish }
	b, err := New(o)
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	session.Begin(t.Context(), ownAccount)
	var group sync.WaitGroup
	group.Go(func() {
		_, reason := session.member(t.Context(), memberAccount)
		assert.Empty(t, reason)
	})
	<-started
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, reason := session.member(ended, memberAccount)
	assert.NotEmpty(t, reason)
	close(finish)
	group.Wait()
	assert.Empty(t, session.Unreadable())
}

// STS may not answer, such as in a VPC without an endpoint for it. The tool must answer within the time of its call, and the check
// of a request must end with the call.
func TestMembers_STSDoesNotHoldUpACall(t *testing.T) {
	o, client := withMembers(&sink{})
	o.Members.OtherAccounts = true
	asked, finish := make(chan struct{}, 10), make(chan struct{})
	defer close(finish)
	client.during = func() { asked <- struct{}{}; <-finish }
	b, err := New(o)
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	ended, end := context.WithCancel(t.Context())
	go func() { <-asked; end() }()
	_, reason := session.member(ended, otherMember)
	assert.Equal(t, callEnded, reason)
	assert.Empty(t, session.Unreadable())

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	at := session.Begin(ctx, memberAccount)
	assert.Contains(t, at.Problem, "In a VPC, the tool needs the endpoint `sts`")
	assert.Len(t, session.Unreadable(), 1)
	assert.Len(t, b.Status(ctx).Unreadable, 2)
	require.NoError(t, ctx.Err(), "there is time for an answer")
}

// STS limits the requests of an account and Region, which other programs need too.
func TestMembers_OneToolCallAsksForFewRoles(t *testing.T) {
	o, client := withMembers(&sink{})
	o.Members = config.Members{Organization: true, OtherAccounts: true, Role: "alarmtriage-member", ExternalID: "x1"}
	client.err = denied("AccessDenied")
	b, err := New(o)
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	session.Begin(t.Context(), memberAccount)
	connect, _ := serve(t, session)
	connection := connect()
	for i := range 2 * maxReadMembers {
		assert.NotEmpty(t, readAs(t, connection, AccountKey(fmt.Sprintf("%012d", 555500000000+i))))
	}
	assert.Len(t, client.asked, maxReadMembers)
	assert.Contains(t, readAs(t, connection, AccountKey("666677778888")), "limit of 100 members")
	assert.Contains(t, readAs(t, connection, DummyAccessKey), "Account "+memberAccount+" cannot be read", "the alarm's account is one of the first")

	next := b.NewSession(toolcall.DefaultQueryLimitUSD)
	next.Begin(t.Context(), memberAccount)
	connect, _ = serve(t, next)
	assert.NotContains(t, readAs(t, connect(), AccountKey("666677778888")), "limit")
}

func TestMembers_ForgedAlarmsDoNotFillTheMemory(t *testing.T) {
	o, _ := withMembers(&sink{})
	o.Members.Organization = true
	b, err := New(o)
	require.NoError(t, err)
	for i := range 3 * maxMembers {
		b.members.get(t.Context(), "aws", "4444"+strings.Repeat("0", 5)+string(rune('0'+i/100%10))+string(rune('0'+i/10%10))+string(rune('0'+i%10)))
	}
	assert.LessOrEqual(t, len(b.members.byAccount), maxMembers)
}

func TestMembers_ResourcesOfAnotherAccountAreRefused(t *testing.T) {
	to := &sink{}
	o, _ := withMembers(to)
	b, err := New(o)
	require.NoError(t, err)
	describe := func(key, account string) string {
		session := b.NewSession(toolcall.DefaultQueryLimitUSD)
		session.Begin(t.Context(), memberAccount)
		connect, _ := serve(t, session)
		answer, _ := ask(t, connect(), requestHead{Method: "GET", URL: "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/arn:aws:lambda:us-east-1:" +
			account + ":function:f/configuration", Headers: [][2]string{authorization(key, "lambda")}}, "")
		return answer.Error
	}
	assert.Empty(t, describe(DummyAccessKey, memberAccount), "an ARN of the alarm's account")
	assert.Contains(t, describe(DummyAccessKey, ownAccount), "account=", "an ARN of the tool's account, by a client of the member")
	assert.Empty(t, describe(AccountKey(ownAccount), ownAccount))
	assert.Contains(t, describe(AccountKey(ownAccount), memberAccount), "account=", "an ARN of a member, by a client of the tool's account")
	assert.Contains(t, describe(AccountKey(ownAccount), "999988887777"), "(ToolAllowedAccounts)", "no client can name an account that is no member")
	assert.Contains(t, describe(DummyAccessKey, otherMember), "belongs to the account "+otherMember)
	assert.Len(t, to.seen, 2)
}

// assumeRoleNamed sends AssumeRole for a role with a name.
func assumeRoleNamed(t *testing.T, connection net.Conn, account, role string, credentials [2]string) (answerHead, string) {
	t.Helper()
	return ask(t, connection, requestHead{Method: "POST", URL: stsURL, Headers: [][2]string{credentials, {"Content-Type", typeForm}}},
		"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A"+account+"%3Arole%2F"+role+"&RoleSessionName=s")
}

func TestMembers_TheCodeNeverReceivesCredentialsAndNeverAssumesTheirRole(t *testing.T) {
	to := &sink{answer: func(r *http.Request) *http.Response {
		return answerOf(http.StatusForbidden, "signed by "+r.Header.Get("Authorization")+" with "+r.Header.Get("X-Amz-Security-Token"))
	}}
	o, _ := withMembers(to)
	o.AllowedActions, o.AllowedAccounts = []string{"sts:AssumeRole*"}, []string{memberAccount, otherMember}
	b, err := New(o)
	require.NoError(t, err)
	session := b.NewSession(toolcall.DefaultQueryLimitUSD)
	session.Begin(t.Context(), memberAccount)
	connect, _ := serve(t, session)
	connection := connect()
	request := logsRead("", "", authorization(DummyAccessKey, "logs"))
	answer, body := ask(t, connection, requestHead{Method: request.Method, URL: request.URL, Headers: request.Headers}, request.Body)
	require.Empty(t, answer.Error)
	assert.NotContains(t, body, memberToken)
	assert.NotContains(t, body, memberKey(memberAccount))

	sent := len(to.seen)
	o.AllowedAccounts = nil
	withoutAccounts, _ := dialWith(t, o)
	for _, role := range []string{"alarmtriage-member", "ALARMTRIAGE-member", "alarmtriage-member%20"} {
		answer, _ := assumeRoleNamed(t, withoutAccounts, otherMember, role, authorization(DummyAccessKey, "sts"))
		assert.Contains(t, answer.Error, `name the account with boto3.client(…, account="…")`, role)
		for _, key := range []string{DummyAccessKey, AccountKey(ownAccount)} {
			answer, _ := assumeRoleNamed(t, connection, otherMember, role, authorization(key, "sts"))
			assert.Contains(t, answer.Error, "only the broker assumes the role of members", role)
		}
	}
	assert.Len(t, to.seen, sent)
}
