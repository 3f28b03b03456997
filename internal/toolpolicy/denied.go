package toolpolicy

// The maps below hold actions that the tool must not use. All but neverReads are part of ReadOnlyAccess.
// Every Deny statement made from them is unconditional: IAM silently skips a Deny whose condition names a key
// that the request lacks (IAM User Guide, "Condition operators").

// credentialReads return credentials, tokens, or secret material. They are always denied.
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

// dataReads return the customer's data. They are always denied.
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

// personalDataReads are the reads of the group [PersonalData].
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

// codeReads are the reads of the group [SourceCode].
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

// hostReads are the reads of the group [HostOutput].
var hostReads = Actions{
	"ec2":              {"GetConsoleOutput", "GetConsoleScreenshot", "GetInstanceUefiData"},
	"elasticbeanstalk": {"RetrieveEnvironmentInfo"},
	"logs":             {"GetLogObject", "StartLiveTail"},
	"rds":              {"DownloadCompleteDBLogFile", "DownloadDBLogFilePortion"},
	"ssm":              {"GetAutomationExecution", "GetCommandInvocation", "ListCommandInvocations"},
}

// sideEffects are part of ReadOnlyAccess but change something, have an IAM access level other than Read and
// List, or are billed per use. They are always denied.
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
	"logs":             {"StopLiveTail"},
	"polly":            {"SynthesizeSpeech"},
	"rekognition":      {"DetectFaces"},
	"servicequotas":    {"StartQuotaUtilizationReport"},
	"sqs":              {"ReceiveMessage"},
	"ssm-sap":          {"GetResourcePermission"},
	"transfer":         {"TestIdentityProvider"},
	"xray":             {"CancelTraceRetrieval"},
}

// neverReads are not part of ReadOnlyAccess today. They are denied because a future version of ReadOnlyAccess
// or an additional policy on the role could allow them by accident.
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

// DeniedAPIGatewayPaths returns the paths of the API Gateway API that return the values of API keys. They are
// always denied.
func DeniedAPIGatewayPaths() []string {
	return []string{"/apikeys", "/apikeys/*", "/usageplans/*/keys", "/usageplans/*/keys/*"}
}
