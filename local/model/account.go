package model

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/models"
)

// Account is the AWS account and the Region that call the model. Its zero value has access to every active
// model. Fields that name models accept a model id without its profile, the first words of one, or a
// provider: anthropic.claude-sonnet-5-5, amazon.nova, openai.
type Account struct {
	// Region of the caller. Default: the Region that the request is signed for. The Region of unsigned
	// requests is not checked.
	Region string `json:"region,omitempty"`
	// Today determines which models have retired. Default: the current day.
	Today models.Date `json:"today,omitzero"`
	// Created is the day on which the account was created. Accounts from before 2026-08-31 lose bound
	// reasoning silently; newer ones get an error. Default: a new account.
	Created models.Date `json:"created,omitzero"`
	// FormMissing reports whether Anthropic's use case form has not been submitted.
	FormMissing bool `json:"formMissing,omitempty"`
	// Subscribed lists the models to which the account is subscribed in AWS Marketplace. Models that are not
	// sold there need no subscription. nil: all.
	Subscribed []string `json:"subscribed"`
	// NoMarketplacePermissions reports whether the caller may not subscribe. With permissions, the first call
	// subscribes.
	NoMarketplacePermissions bool `json:"noMarketplacePermissions,omitempty"`
	// GraceCalls is the number of calls of each model that succeed although its form or subscription is
	// missing. This happens while the service checks them in the background.
	GraceCalls int `json:"graceCalls,omitempty"`
	// DailyTokens is the quota of tokens per day by model. It may be 0. Models that are not listed have no
	// quota.
	DailyTokens map[string]int `json:"dailyTokens,omitempty"`
	// UnusedLegacy lists the models that are Legacy and were not used in the last 30 days.
	UnusedLegacy []string `json:"unusedLegacy,omitempty"`
	// Retires is the end of life by model. It overrides the date of the catalog.
	Retires map[string]models.Date `json:"retires,omitempty"`
	// Strict reports whether models that the catalog does not list are refused. Default: they are accepted.
	Strict bool `json:"strict,omitempty"`
}

// Messages of the service.
const (
	invalidModelID = "The provided model identifier is invalid."
	onDemandFormat = "Invocation of model ID %s with on-demand throughput isn’t supported. " +
		"Retry your request with the ID or ARN of an inference profile that contains this model."
	endOfLife    = "This model version has reached the end of its life."
	unusedLegacy = "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model " +
		"in the last 30 days. Please upgrade to an active model on Amazon Bedrock"
	formMissing = "Model use case details have not been submitted for this account. Fill out the Anthropic use case details " +
		"form before using the model. If you have already filled out the form, try again in 15 minutes."
	notSubscribed = "Model access is denied due to IAM user or service role is not authorized to perform the required AWS " +
		"Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model. " +
		"Refer to the Amazon Bedrock documentation for further details. Your AWS Marketplace subscription for this model " +
		"cannot be completed at this time. If you recently fixed this issue, try again after 5 minutes."
	dailyQuota = "Too many tokens per day, please wait before trying again."
)

// usedByModel counts the calls and tokens of an account by foundation model.
type usedByModel struct {
	calls  map[string]int
	tokens map[string]int
}

// refusal returns the error with which the service refuses the account a model, or nil.
func (a Account) refusal(modelID, region string, used usedByModel) *Error {
	if a.Region != "" {
		region = a.Region
	}
	m := models.Lookup(modelID)
	if e := a.refuseID(modelID, region, m); e != nil {
		return e
	}
	if a.retired(modelID, m) {
		return &Error{Type: "ResourceNotFoundException", Message: endOfLife}
	}
	if anyMatches(a.UnusedLegacy, modelID) {
		return &Error{Type: "ResourceNotFoundException", Message: unusedLegacy}
	}
	foundation := models.Parse(modelID).Model
	if used.calls[foundation] >= a.GraceCalls {
		if e := a.refuseAccess(modelID, m.Access); e != nil {
			return e
		}
	}
	if _, quota, limited := mostSpecific(a.DailyTokens, modelID); limited && used.tokens[foundation] >= quota {
		return &Error{Type: "ThrottlingException", Message: dailyQuota}
	}
	return nil
}

// refuseID refuses ids that cannot be invoked from the Region.
func (a Account) refuseID(modelID, region string, m models.Model) *Error {
	id := models.Parse(modelID)
	invalid := &Error{Type: "ValidationException", Message: invalidModelID}
	isOwn := id.Kind == "application-inference-profile" || id.Kind == "provisioned-model"
	switch {
	case isOwn:
		return nil // a profile or provisioned model of the account, which can be for any model
	case region != "" && !id.InvokableFrom(region) && id.Profile != "":
		return invalid
	case !m.Known && a.Strict:
		return invalid
	case !m.Known:
		return nil
	case id.Profile == "" && !m.InRegion:
		return &Error{Type: "ValidationException", Message: fmt.Sprintf(onDemandFormat, modelID)}
	case id.Profile != "" && !slices.Contains(m.Profiles, id.Profile):
		return invalid
	}
	return nil
}

func (a Account) retired(modelID string, m models.Model) bool {
	today := a.Today.Time
	if today.IsZero() {
		today = time.Now()
	}
	if _, end, set := mostSpecific(a.Retires, modelID); set {
		return !today.Before(end.Time)
	}
	return m.Known && m.Retired(today)
}

func (a Account) refuseAccess(modelID string, access models.Access) *Error {
	if a.FormMissing && access == models.AccessMarketplaceAndForm {
		return &Error{Type: "ResourceNotFoundException", Message: formMissing}
	}
	sold := access == models.AccessMarketplace || access == models.AccessMarketplaceAndForm
	if sold && a.Subscribed != nil && !anyMatches(a.Subscribed, modelID) && a.NoMarketplacePermissions {
		return &Error{Type: "AccessDeniedException", Message: notSubscribed}
	}
	return nil
}

// bindingErrors is the first day on which new accounts get an error for reasoning of another conversation.
var bindingErrors = time.Date(2026, 8, 31, 0, 0, 0, 0, time.UTC)

// dropsBoundReasoning reports whether the service drops reasoning of another conversation instead of refusing
// it.
func (a Account) dropsBoundReasoning() bool {
	return !a.Created.IsZero() && a.Created.Before(bindingErrors)
}

// matchesModel reports whether a name in a script matches a model id.
func matchesModel(name, modelID string) bool {
	return name == modelID || models.Begins(models.Parse(modelID).Model, name)
}

// mostSpecific returns the value with the longest name that matches a model id.
func mostSpecific[V any](byName map[string]V, modelID string) (best string, value V, found bool) {
	for name, candidate := range byName {
		if matchesModel(name, modelID) && len(name) > len(best) {
			best, value, found = name, candidate, true
		}
	}
	return best, value, found
}

// anyMatches reports whether any name in a list matches a model id.
func anyMatches(list []string, modelID string) bool {
	for _, name := range list {
		if matchesModel(name, modelID) {
			return true
		}
	}
	return false
}

// scope matches the credential scope of an Authorization header, such as
// AKIDEXAMPLE/20261125/us-east-1/bedrock/aws4_request.
var scope = regexp.MustCompile(`Credential=[^,\s]+/\d{8}/([a-z0-9-]+)/bedrock/aws4_request`)

// signedFor returns the Region for which a request is signed, or an empty string if it is not signed.
func signedFor(r *http.Request) string {
	if found := scope.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
		return found[1]
	}
	return ""
}

// providerOf returns the provider of a model, the first part of its id, such as anthropic.
func providerOf(modelID string) string {
	name, _, _ := strings.Cut(models.Parse(modelID).Model, ".")
	return name
}
