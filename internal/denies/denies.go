// Package denies lists the reads that the tool must not have although ReadOnlyAccess allows them. The
// construct writes them into the tool role's policy, and the broker refuses them a second time.
package denies

import "slices"

// Actions maps an IAM service prefix to actions of it; * stands for any characters.
type Actions map[string][]string

// Names are the actions as IAM writes them, "service:Action", sorted.
func (a Actions) Names() []string {
	var names []string
	for service, operations := range a {
		for _, operation := range operations {
			names = append(names, service+":"+operation)
		}
	}
	slices.Sort(names)
	return names
}

// Open says which of the groups that can be opened are open.
type Open struct{ PersonalData, SourceCode, HostOutput bool }

// Denied are all denied actions with these groups open, sorted and without doubles.
func Denied(open Open) []string {
	denied := slices.Concat(credentialReads.Names(), dataReads.Names(), sideEffects.Names(), neverReads.Names())
	for _, o := range []struct {
		open  bool
		group Actions
	}{{open.PersonalData, personalDataReads}, {open.SourceCode, codeReads}, {open.HostOutput, hostReads}} {
		if !o.open {
			denied = append(denied, o.group.Names()...)
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied)
}

// The reads that ReadOnlyAccess allows and that the tool must not have, as service prefix to operations.
// Each Deny made of them is unconditional: a Deny with a condition on a key that a request lacks is
// silently skipped (IAM User Guide, "Condition operators").

// credentialReads is Group A: credentials, tokens and secret material. Always denied.
var credentialReads = Actions{
	"appsync":          {"ListApiKeys"},
	"athena":           {"GetSession"},
	"chatbot":          {"GetMicrosoftTeamsOauthParameters", "GetSlackOauthParameters"},
	"codeartifact":     {"GetAuthorizationToken"},
	"cognito-identity": {"GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity"},
	"cognito-idp":      {"DescribeUserPoolClient", "GetUserAttributeVerificationCode"},
	"connect":          {"GetFederationToken", "ListSecurityKeys"},
	"ec2":              {"GetPasswordData", "GetVpnConnectionDeviceSampleConfiguration"},
	"ecr":              {"GetAuthorizationToken"},
	"ecr-public":       {"GetAuthorizationToken"},
	"gamelift":         {"GetComputeAuthToken", "GetGameSessionLogUrl", "GetInstanceAccess"},
	"iam":              {"GetCredentialReport"},
	"kms":              {"GetParametersForImport"},
	"lightsail":        {"GetBucketAccessKeys", "GetKeyPair", "GetKeyPairs"},
	"s3":               {"GetDataAccess"},
	"s3express":        {"CreateSession"},
	"snowball":         {"GetJobManifest", "GetJobUnlockCode"},
	"ssm":              {"GetParameter", "GetParameterHistory", "GetParameters", "GetParametersByPath"},
	"sso":              {"GetRoleCredentials"},
	"sso-directory":    {"ListBearerTokens"},
	"storagegateway":   {"DescribeChapCredentials"},
	"sts":              {"GetSessionToken"},
}

// dataReads is Group B: the customer's data. Always denied.
var dataReads = Actions{
	"appconfig":                {"GetConfiguration"},
	"athena":                   {"GetQueryExecution", "GetQueryResults", "GetQueryResultsStream"},
	"bedrock-agentcore":        {"ListEvents", "RetrieveMemoryRecords"},
	"cassandra":                {"Select"},
	"chime":                    {"GetChannelMessage", "GetUserActivityReportData"},
	"cleanrooms":               {"GetProtectedQuery"},
	"clouddirectory":           {"BatchRead"},
	"cloudfront-keyvaluestore": {"GetKey"},
	"cognito-sync":             {"ListRecords", "QueryRecords"},
	"connect":                  {"GetContactAttributes"},
	"datapipeline":             {"QueryObjects"},
	"dax":                      {"BatchGetItem", "GetItem", "Query", "Scan"},
	"dynamodb":                 {"BatchGetItem", "GetItem", "GetRecords", "GetShardIterator", "PartiQLSelect", "Query", "Scan"},
	"es":                       {"ESHttpGet", "ESHttpHead"},
	"forecast":                 {"QueryForecast"},
	"glue":                     {"GetStatement"},
	"healthlake":               {"ReadResource", "SearchWithGet", "SearchWithPost"},
	"iot":                      {"GetRetainedMessage", "GetThingShadow"},
	"iotanalytics":             {"SampleChannelData"},
	"iotsitewise":              {"GetAssetPropertyValue"},
	"kendra":                   {"Query"},
	"kinesis":                  {"GetRecords", "GetShardIterator"},
	"kinesisvideo":             {"GetDataEndpoint", "GetImages", "GetMedia"},
	"lex":                      {"GetSession", "GetUtterancesView"},
	"macie2":                   {"GetFindings"},
	"mediastore":               {"GetObject"},
	"qldb":                     {"GetBlock"},
	"rekognition":              {"GetFaceSearch", "SearchFaces"},
	"s3":                       {"GetObject", "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionForReplication"},
	"s3-object-lambda":         {"GetObject", "GetObjectVersion"},
	"s3-outposts":              {"GetObject"},
	"s3tables":                 {"GetTableData"},
	"s3vectors":                {"GetVectors", "QueryVectors"},
	"sagemaker":                {"Search"},
	"sdb":                      {"Select"},
	"sqs":                      {"ReceiveMessage"},
	"support":                  {"DescribeAttachment", "DescribeCommunications"},
	"transcribe":               {"GetTranscriptionJob"},
	"wafv2":                    {"GetSampledRequests"},
	"workdocs":                 {"GetDocument", "GetDocumentVersion"},
}

// personalDataReads is Group C: personal data and directories. Denied unless ToolAllowPersonalData.
var personalDataReads = Actions{
	"chime":           {"GetUser", "ListUsers"},
	"cognito-idp":     {"AdminGetUser", "AdminListDevices", "AdminListUserAuthEvents", "GetUser", "ListUsers"},
	"connect":         {"ListUsers"},
	"identitystore":   {"DescribeUser", "ListUsers"},
	"mobiletargeting": {"GetEndpoint", "GetUserEndpoints"},
	"ses":             {"ListContacts"},
	"sso-directory":   {"DescribeUser", "SearchUsers"},
	"workmail":        {"ListUsers"},
}

// codeReads is Group D: source code, images and artefacts. Denied unless ToolAllowSourceCode.
var codeReads = Actions{
	"appsync":        {"GetFunction"},
	"cloudfront":     {"GetFunction"},
	"codeartifact":   {"GetPackageVersionAsset", "ReadFromRepository"},
	"codecommit":     {"GetBlob", "GetDifferences", "GetFile", "GetFolder", "GitPull"},
	"ecr":            {"BatchGetImage", "GetDownloadUrlForLayer"},
	"lambda":         {"GetFunction", "GetLayerVersion"},
	"serverlessrepo": {"GetCloudFormationTemplate"},
}

// hostReads is Group E: output of hosts, commands and databases. Denied unless ToolAllowHostOutput.
var hostReads = Actions{
	"ec2":              {"GetConsoleOutput", "GetConsoleScreenshot", "GetInstanceUefiData"},
	"elasticbeanstalk": {"RetrieveEnvironmentInfo"},
	"logs":             {"GetLogObject", "StartLiveTail"},
	"rds":              {"DownloadCompleteDBLogFile", "DownloadDBLogFilePortion"},
	"ssm":              {"GetAutomationExecution", "GetCommandInvocation", "ListCommandInvocations"},
}

// sideEffects is Group G: in ReadOnlyAccess, but not read-only in effect, or billed per use. Always denied.
var sideEffects = Actions{
	"cloudformation":   {"DetectStackDrift"},
	"cloudwatch":       {"GenerateQuery"},
	"comprehend":       {"DetectPiiEntities"},
	"config":           {"DeliverConfigSnapshot"},
	"devops-guru":      {"StartCostEstimation"},
	"dms":              {"TestConnection"},
	"elasticbeanstalk": {"RequestEnvironmentInfo"},
	"forecast":         {"QueryForecast"},
	"iam":              {"GenerateCredentialReport"},
	"logs":             {"StopLiveTail", "StopQuery"},
	"polly":            {"SynthesizeSpeech"},
	"rekognition":      {"DetectFaces"},
	"servicequotas":    {"StartQuotaUtilizationReport"},
	"sqs":              {"ReceiveMessage"},
	"transfer":         {"TestIdentityProvider"},
	"xray":             {"CancelTraceRetrieval"},
}

// neverReads is outside ReadOnlyAccess today and is denied all the same, so that neither a newer
// ReadOnlyAccess nor an extra policy on the role opens it by accident.
var neverReads = Actions{
	"acm":            {"ExportCertificate"},
	"athena":         {"StartQueryExecution"},
	"ebs":            {"GetSnapshotBlock"},
	"ecs":            {"ExecuteCommand"},
	"glue":           {"GetConnection", "GetConnections"},
	"kms":            {"Decrypt"},
	"lambda":         {"Invoke*"},
	"lightsail":      {"DownloadDefaultKeyPair"},
	"logs":           {"Unmask"},
	"rds-data":       {"*"},
	"redshift-data":  {"*"},
	"secretsmanager": {"BatchGetSecretValue", "GetSecretValue"},
	"ssm":            {"StartSession"},
}
