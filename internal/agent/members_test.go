package agent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/alarmevent"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/config"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/investigation"
	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/toolcall"
)

func TestOpening_NamesAccountsOnlyForTheAlarmOfAMember(t *testing.T) {
	rec := &investigation.Record{Alarm: alarmevent.Alarm{Name: "a", Account: "444455556666", Region: "eu-west-1", State: alarmevent.StateAlarm}}
	members := config.Members{Accounts: []string{"444455556666", "777788889999"}, Role: "r", ExternalID: "x", OtherAccounts: true}
	without := opening(rec, members)
	assert.NotContains(t, without, "member")
	assert.NotContains(t, without, "account=")
	rec.MemberOf = "123456789012"
	with := opening(rec, config.Members{Accounts: members.Accounts, Role: "r", ExternalID: "x"})
	assert.NotContains(t, with, "777788889999")
	assert.Contains(t, opening(rec, members), "also name these accounts in the same way: 777788889999.")
	assert.Contains(t, opening(rec, config.Members{Organization: true, OtherAccounts: true, Role: "r"}), "other accounts of the organization")
	for _, part := range []string{"account 444455556666 is a member", "runs in account 123456789012", "Region eu-west-1", `session(account="123456789012")`} {
		assert.Contains(t, with, part)
	}
	hint := with[strings.Index(with, "The alarm's account"):]
	hint = hint[:strings.Index(hint, "\n")+1]
	assert.Equal(t, without, strings.Replace(with, hint, "", 1), "everything else stays the same")
	assert.NotContains(t, systemPrompt(investigating, "", true), "member of the triage")
}

func TestOpening_NamesTheAccountsOfOtherAlarms(t *testing.T) {
	rec := &investigation.Record{Alarm: alarmevent.Alarm{Name: "a", Account: "444455556666", Region: "eu-west-1", State: alarmevent.StateAlarm}, Together: []investigation.Related{
		{Name: "a", ARN: "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"}, {Name: "b", ARN: "arn:aws:cloudwatch:eu-west-1:444455556666:alarm:b"},
	}}
	text := opening(rec, config.Members{})
	assert.Contains(t, text, "\n- a (account 123456789012, eu-west-1) \n- b \n")
}

func TestNotSeen_NamesAnUnreadableAccountOnce(t *testing.T) {
	unreadable := toolcall.UnreadableAccount{Account: "444455556666", Role: "arn:aws:iam::444455556666:role/alarmtriage-member", Reason: "Account 444455556666 cannot be read."}
	refused := func(operation, account, reason string) toolcall.AWSCall {
		return toolcall.AWSCall{Service: "logs", Operation: operation, Account: account, Refused: reason}
	}
	answer := func() *toolcall.Answer {
		return &toolcall.Answer{Unreadable: []toolcall.UnreadableAccount{unreadable}, AWSCalls: []toolcall.AWSCall{
			refused("DescribeLogGroups", unreadable.Account, unreadable.Reason), refused("FilterLogEvents", unreadable.Account, unreadable.Reason),
			refused("GetLogEvents", "123456789012", "it is denied"),
		}}
	}
	rec := &investigation.Record{Rounds: []investigation.Round{{Calls: []investigation.ToolCall{{Number: 1, Answer: answer()}, {Number: 2, Answer: answer()}}}}}
	account := investigation.NotSeen{What: "account 444455556666", Why: unreadable.Reason, Call: 1}
	other := investigation.NotSeen{What: "logs:GetLogEvents", Why: "refused: it is denied", Call: 1}
	assert.Equal(t, []investigation.NotSeen{account, other}, notSeen(rec))

	rec.Evidence.Missing = []string{unreadable.Reason}
	assert.Equal(t, []investigation.NotSeen{other}, notSeen(rec), "the evidence names it already")
}
