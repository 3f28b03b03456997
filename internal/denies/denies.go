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
	"acm":                   {"GetAcmeExternalAccountBindingCredentials"},
	"appsync":               {"ListApiKeys"},
	"athena":                {"GetSession", "GetSessionEndpoint"},
	"chatbot":               {"GetMicrosoftTeamsOauthParameters", "GetSlackOauthParameters"},
	"chime":                 {"ListApiKeys"},
	"cloudwatch":            {"GetSpaceCredentials", "GetSpaceCredentialsForOrganization"},
	"codeartifact":          {"GetAuthorizationToken"},
	"cognito-identity":      {"GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity"},
	"cognito-idp":           {"DescribeUserPoolClient", "GetTokensFromRefreshToken", "GetUserAttributeVerificationCode", "ListUserPoolClientSecrets"},
	"connect":               {"GetFederationToken", "ListSecurityKeys"},
	"ec2":                   {"GetPasswordData", "GetVpnConnectionDeviceSampleConfiguration"},
	"ecr":                   {"GetAuthorizationToken"},
	"ecr-public":            {"GetAuthorizationToken"},
	"gamelift":              {"GetComputeAccess", "GetComputeAuthToken", "GetGameSessionLogUrl", "GetInstanceAccess", "GetPlayerConnectionDetails"},
	"iam":                   {"GetCredentialReport"},
	"kms":                   {"GetParametersForImport"},
	"license-manager":       {"GetAccessToken"},
	"lightsail":             {"GetBucketAccessKeys", "GetKeyPair", "GetKeyPairs"},
	"route53globalresolver": {"ListAccessTokens"},
	"s3":                    {"GetDataAccess"},
	"s3express":             {"CreateSession"},
	"snowball":              {"GetJobManifest", "GetJobUnlockCode"},
	"ssm":                   {"GetAccessToken", "GetParameter", "GetParameterHistory", "GetParameters", "GetParametersByPath"},
	"sso":                   {"GetRoleCredentials"},
	"sso-directory":         {"ListBearerTokens"},
	"storagegateway":        {"DescribeChapCredentials"},
	"sts":                   {"GetSessionToken"},
	"wafv2":                 {"GetDecryptedAPIKey", "ListAPIKeys"},
}

// dataReads is Group B: the customer's data. Always denied.
var dataReads = Actions{
	"aidevops":                 {"ListPendingMessages"},
	"appconfig":                {"GetConfiguration"},
	"artifact":                 {"GetReport", "GetTermForReport"},
	"athena":                   {"BatchGetQueryExecution", "GetQueryExecution", "GetQueryExecutions", "GetQueryResults", "GetQueryResultsStream"},
	"bedrock-agentcore":        {"GetEvent", "GetMemoryRecord", "ListEvents", "ListMemoryRecords", "RetrieveMemoryRecords"},
	"cassandra":                {"Select"},
	"chime":                    {"GetChannelMessage", "GetUserActivityReportData", "ListChannelMessages", "RetrieveDataExports"},
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
	"frauddetector":            {"GetEvent"},
	"glacier":                  {"GetJobOutput"},
	"glue":                     {"GetStatement"},
	"healthlake":               {"ReadResource", "SearchWithGet", "SearchWithPost"},
	"identitystore-auth":       {"BatchGetSession"},
	"invoicing":                {"GetInvoicePDF"},
	"iot":                      {"GetRetainedMessage", "GetThingShadow"},
	"iotanalytics":             {"GetDatasetContent", "SampleChannelData"},
	"iotsitewise":              {"GetAssetPropertyValue", "GetAssetPropertyValueHistory", "GetInterpolatedAssetPropertyValues", "GetQueryResults"},
	"kendra":                   {"Query"},
	"kinesis":                  {"GetRecords", "GetShardIterator"},
	"kinesisvideo":             {"GetClip", "GetDASHStreamingSessionURL", "GetDataEndpoint", "GetHLSStreamingSessionURL", "GetImages", "GetMedia", "GetMediaForFragmentList"},
	"lex":                      {"GetSession", "GetUtterancesView"},
	"lookoutmetrics":           {"GetSampleData"},
	"macie2":                   {"GetFindings"},
	"mediapackagev2":           {"GetObject"},
	"mediastore":               {"GetObject"},
	"mobiletargeting":          {"GetInAppMessages"},
	"qldb":                     {"GetBlock"},
	"redshift":                 {"ViewQueriesFromConsole", "ViewQueriesInConsole"},
	"rekognition":              {"GetFaceSearch", "SearchFaces", "SearchFacesByImage", "SearchUsers"},
	"s3":                       {"GetObject", "GetObjectAnnotation", "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionAnnotation", "GetObjectVersionAnnotationForReplication", "GetObjectVersionForReplication", "GetObjectVersionTorrent"},
	"s3-object-lambda":         {"GetObject", "GetObjectVersion"},
	"s3-outposts":              {"GetObject", "GetObjectVersion", "GetObjectVersionForReplication"},
	"s3tables":                 {"GetTableData"},
	"s3vectors":                {"GetVectors", "QueryVectors"},
	"sagemaker":                {"Search"},
	"sdb":                      {"Select"},
	"ses":                      {"GetArchiveMessage", "GetArchiveMessageContent"},
	"sqs":                      {"ReceiveMessage"},
	"support":                  {"DescribeAttachment", "DescribeCommunications"},
	"tax":                      {"GetTaxRegistrationDocument"},
	"transcribe":               {"GetMedicalTranscriptionJob", "GetTranscriptionJob"},
	"waf":                      {"GetSampledRequests"},
	"waf-regional":             {"GetSampledRequests"},
	"wafv2":                    {"GetSampledRequests"},
	"workdocs":                 {"GetDocument", "GetDocumentVersion"},
}

// personalDataReads is Group C: personal data and directories. Denied unless ToolAllowPersonalData.
var personalDataReads = Actions{
	"account":         {"GetContactInformation"},
	"chime":           {"GetUser", "GetUserByEmail", "ListUsers"},
	"cognito-idp":     {"AdminGetUser", "AdminListDevices", "AdminListUserAuthEvents", "GetUser", "ListUsers"},
	"connect":         {"GetCurrentUserData", "ListUsers"},
	"identitystore":   {"DescribeUser", "ListUsers"},
	"mobiletargeting": {"GetEndpoint", "GetUserEndpoints"},
	"ses":             {"GetContact", "ListContacts"},
	"ssm-contacts":    {"GetContact", "GetContactChannel"},
	"sso-directory":   {"DescribeUser", "SearchUsers"},
	"workmail":        {"ListUsers"},
}

// codeReads is Group D: source code, images and artefacts. Denied unless ToolAllowSourceCode.
var codeReads = Actions{
	"appsync":        {"GetFunction"},
	"cloudfront":     {"GetConnectionFunction", "GetFunction"},
	"codeartifact":   {"GetPackageVersionAsset", "ReadFromRepository"},
	"codecommit":     {"GetBlob", "GetBlobDifferences", "GetComment", "GetCommentsForComparedCommit", "GetCommentsForPullRequest", "GetDifferences", "GetFile", "GetFolder", "GetTree", "GitPull"},
	"ecr":            {"BatchGetImage", "GetDownloadUrlForLayer"},
	"greengrass":     {"GetComponentVersionArtifact"},
	"inspector2":     {"BatchGetCodeSnippet"},
	"lambda":         {"GetFunction", "GetLayerVersion"},
	"serverlessrepo": {"GetCloudFormationTemplate"},
	"tnb":            {"GetSolFunctionPackageContent", "GetSolNetworkPackageContent"},
}

// hostReads is Group E: output of hosts, commands and databases. Denied unless ToolAllowHostOutput.
var hostReads = Actions{
	"ec2":              {"GetConsoleOutput", "GetConsoleScreenshot", "GetInstanceUefiData"},
	"elasticbeanstalk": {"RetrieveEnvironmentInfo"},
	"logs":             {"GetLogObject", "StartLiveTail"},
	"rds":              {"DownloadCompleteDBLogFile", "DownloadDBLogFilePortion"},
	"ssm":              {"GetAutomationExecution", "GetCommandInvocation", "ListCommandInvocations"},
}

// sideEffects is Group G: in ReadOnlyAccess, but not read-only in effect or by the level that IAM gives them,
// or billed per use. Always denied.
var sideEffects = Actions{
	"backup":           {"ListIndexedRecoveryPointsForSearch"},
	"billing":          {"GetResourcePolicy"},
	"cloudformation":   {"DetectStackDrift"},
	"cloudwatch":       {"GenerateQuery", "GenerateQueryResultsSummary"},
	"comprehend":       {"DetectPiiEntities", "DetectToxicContent"},
	"config":           {"DeliverConfigSnapshot"},
	"devops-guru":      {"StartCostEstimation"},
	"dms":              {"TestConnection"},
	"ec2messages":      {"GetMessages"},
	"elasticbeanstalk": {"RequestEnvironmentInfo"},
	"forecast":         {"QueryForecast"},
	"iam":              {"GenerateCredentialReport"},
	"iot":              {"GetConnection", "ListSubscriptions"},
	"logs":             {"StopLiveTail", "StopQuery"},
	"polly":            {"SynthesizeSpeech"},
	"rekognition":      {"DetectFaces"},
	"servicequotas":    {"StartQuotaUtilizationReport"},
	"sqs":              {"ReceiveMessage"},
	"ssm-sap":          {"GetResourcePermission"},
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
