package alarmtriage

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
)

// place is where AlarmTriage's physical names must be unique.
type place struct {
	role    string // name of a role, which contains prefix and suffix; empty if CloudFormation names the roles
	stack   string // path
	account string // may be a token
}

func placeOf(scope constructs.Construct, p *AlarmTriageProps) place {
	stack := awscdk.Stack_Of(scope)
	return place{role: deref(toolRoleName(p)), stack: *stack.Node().Path(), account: *stack.Account()}
}

// rejectNames panics if another AlarmTriage of the app has the same physical names. The names of roles and dashboards
// are unique in an account, not only in a Region.
func (a *appState) rejectNames(scope constructs.Construct, id string, p *AlarmTriageProps) {
	here := placeOf(scope, p)
	if here.role == "" {
		return
	}
	for _, other := range a.triages {
		there := other.place
		sameAccount := here.account == there.account && !unresolved(here.account) && !unresolved(here.role)
		if sameName(here.role, there.role) && (here.stack == there.stack || sameAccount) {
			panic(fmt.Sprintf("alarmtriage: ResourcePrefix and ResourceSuffix give AlarmTriage %s/%s the same names as AlarmTriage %s, such as "+
				"the role %q, and an account can have each role and dashboard only once, in whatever Region: set another "+
				"ResourcePrefix, or a ResourceSuffix such as the Region", *scope.Node().Path(), id, other.path, here.role))
		}
	}
}

// sameName reports whether two roles have the same name for IAM, which ignores case. Tokens are the same if their texts are.
func sameName(a, b string) bool {
	return a == b || !unresolved(a) && !unresolved(b) && strings.EqualFold(a, b)
}

// join adds AlarmTriage to its app. It warns if another one has the same physical names in an account that is not
// known at synth.
func (t *AlarmTriage) join(app *appState, p *AlarmTriageProps) {
	t.app, t.place = app, placeOf(t, p)
	for _, other := range app.triages {
		if t.place.role != "" && sameName(t.place.role, other.place.role) && !unresolved(t.place.role) {
			if unresolved(t.place.account) || unresolved(other.place.account) {
				t.warn("same-names", "it has the same names as AlarmTriage %s, such as the role %q, and an account can have each role and "+
					"dashboard only once, in whatever Region: set another ResourcePrefix, or a ResourceSuffix such as the Region, unless "+
					"both are deployed to different accounts", other.path, t.place.role)
			}
		}
	}
	app.triages = append(app.triages, t)
}
