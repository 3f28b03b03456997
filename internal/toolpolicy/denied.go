package toolpolicy

// The maps below hold actions that the tool must not use. All but neverReads are part of ReadOnlyAccess.
// scripts/judge_operations.py finds candidates by the shapes of requests and answers.
// Every Deny statement made from them is unconditional: IAM silently skips a Deny whose condition names a key
// that the request lacks (IAM User Guide, "Condition operators").

// credentialReads return credentials, tokens, secret material, or links that grant access. The reads of Cloud Control
// (cloudformation:GetResource, …) return every property of every type of resource. They are always denied.
var credentialReads = Actions{
	"acm":                   {"GetAcmeExternalAccountBindingCredentials"},
	"aidevops":              {"DescribeServices", "GetService", "ListServices", "ListWebhooks"},
	"amplify":               {"GetWebhook", "ListWebhooks"},
	"appstream":             {"DescribeDirectoryConfigs"},
	"appsync":               {"ListApiKeys"},
	"athena":                {"GetResourceDashboard", "GetSession", "GetSessionEndpoint"},
	"chatbot":               {"GetMicrosoftTeamsOauthParameters", "GetSlackOauthParameters"},
	"chime":                 {"GetAttendee", "GetBot", "ListApiKeys", "ListAttendees", "ListBots"},
	"cloudformation":        {"GetResource", "GetResourceRequestStatus", "ListResourceRequests", "ListResources"},
	"cloudhsm":              {"DescribeClusters"},
	"cloudwatch":            {"GetSpaceCredentials", "GetSpaceCredentialsForOrganization"},
	"codeartifact":          {"GetAuthorizationToken"},
	"codepipeline":          {"GetJobDetails", "GetThirdPartyJobDetails", "ListWebhooks"},
	"cognito-identity":      {"GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity"},
	"cognito-idp":           {"DescribeIdentityProvider", "DescribeUserImportJob", "DescribeUserPoolClient", "GetIdentityProviderByIdentifier", "GetTokensFromRefreshToken", "GetUserAttributeVerificationCode", "ListUserImportJobs", "ListUserPoolClientSecrets"},
	"connect":               {"GetFederationToken", "ListSecurityKeys"},
	"dataexchange":          {"GetAsset", "GetJob", "ListJobs", "ListRevisionAssets"},
	"datasync":              {"DescribeLocationFsxOntap", "DescribeLocationFsxOpenZfs"},
	"devicefarm":            {"GetRemoteAccessSession", "GetRun", "GetUpload", "ListRemoteAccessSessions", "ListRuns", "ListUploads"},
	"discovery":             {"DescribeExportConfigurations", "DescribeExportTasks", "DescribeImportTasks"},
	"dms":                   {"DescribeCertificates"},
	"ec2":                   {"DescribeBundleTasks", "DescribeConversionTasks", "DescribeImportImageTasks", "DescribeImportSnapshotTasks", "DescribeVerifiedAccessTrustProviders", "GetPasswordData", "GetVpnConnectionDeviceSampleConfiguration"},
	"ecr":                   {"GetAuthorizationToken"},
	"ecr-public":            {"GetAuthorizationToken"},
	"eks":                   {"DescribeEksAnywhereSubscription", "ListEksAnywhereSubscriptions"},
	"emr-serverless":        {"GetDashboardForJobRun"},
	"gamelift":              {"GetComputeAccess", "GetComputeAuthToken", "GetGameSessionLogUrl", "GetInstanceAccess", "GetPlayerConnectionDetails"},
	"iam":                   {"GetCredentialReport"},
	"interconnect":          {"GetConnection"},
	"iotwireless":           {"GetWirelessDevice"},
	"ivs":                   {"BatchGetChannel", "GetChannel", "GetIngestConfiguration", "GetStreamSession"},
	"kinesisvideo":          {"GetIceServerConfig"},
	"kms":                   {"GetParametersForImport"},
	"lex":                   {"GetBotChannelAssociation", "GetBotChannelAssociations"},
	"license-manager":       {"GetAccessToken"},
	"lightsail":             {"GetBucketAccessKeys", "GetKeyPair", "GetKeyPairs"},
	"mediapackage":          {"DescribeChannel", "ListChannels"},
	"mobiletargeting":       {"GetBaiduChannel", "GetGcmChannel"},
	"route53globalresolver": {"ListAccessTokens"},
	"s3":                    {"GetDataAccess"},
	"s3express":             {"CreateSession"},
	"ses":                   {"GetAddressListImportJob", "ListAddressListImportJobs"},
	"snowball":              {"GetJobManifest", "GetJobUnlockCode", "GetSoftwareUpdates"},
	"ssm":                   {"GetAccessToken", "GetParameter", "GetParameterHistory", "GetParameters", "GetParametersByPath"},
	"sso":                   {"GetRoleCredentials"},
	"sso-directory":         {"ListBearerTokens"},
	"storagegateway":        {"DescribeChapCredentials"},
	"sts":                   {"GetSessionToken"},
	"wafv2":                 {"GetDecryptedAPIKey", "ListAPIKeys"},
	"workspaces-web":        {"GetIdentityProvider"},
}

// dataReads return the customer's data. They are always denied.
var dataReads = Actions{
	"aidevops":                 {"ListPendingMessages"},
	"appconfig":                {"GetConfiguration"},
	"artifact":                 {"GetReport", "GetTermForReport"},
	"athena":                   {"BatchGetQueryExecution", "GetQueryExecution", "GetQueryExecutions", "GetQueryResults", "GetQueryResultsStream"},
	"auditmanager":             {"GetAssessmentReportUrl"},
	"bedrock-agentcore":        {"GetEvent", "GetMemoryRecord", "ListEvents", "ListMemoryRecords", "RetrieveMemoryRecords"},
	"cassandra":                {"Select"},
	"chime":                    {"GetChannelMessage", "GetUserActivityReportData", "ListChannelMessages", "RetrieveDataExports"},
	"cleanrooms":               {"GetProtectedJob", "GetProtectedQuery"},
	"clouddirectory":           {"BatchRead", "GetLinkAttributes", "GetObjectAttributes", "ListAttachedIndices", "ListIncomingTypedLinks", "ListIndex", "ListObjectAttributes", "ListOutgoingTypedLinks"},
	"cloudfront-keyvaluestore": {"GetKey", "ListKeys"},
	"cognito-sync":             {"ListRecords", "QueryRecords"},
	"connect":                  {"DescribeContact", "DescribeContactEvaluation", "GetContactAttributes", "ListContactReferences", "ListDataTablePrimaryValues", "ListDataTableValues", "ListRealtimeContactAnalysisSegments", "ListRealtimeContactAnalysisSegmentsV2"},
	"datapipeline":             {"QueryObjects"},
	"dax":                      {"BatchGetItem", "GetItem", "Query", "Scan"},
	"devicefarm":               {"ListArtifacts", "ListSamples", "ListTestGridSessionArtifacts"},
	"directconnect":            {"DescribeConnectionLoa", "DescribeInterconnectLoa", "DescribeLoa"},
	"dynamodb":                 {"BatchGetItem", "GetItem", "GetRecords", "GetShardIterator", "PartiQLSelect", "Query", "Scan"},
	"es":                       {"ESHttpGet", "ESHttpHead"},
	"forecast":                 {"QueryForecast", "QueryWhatIfForecast"},
	"frauddetector":            {"GetEvent", "GetEventPredictionMetadata", "GetListElements"},
	"glacier":                  {"GetJobOutput"},
	"glue":                     {"GetStatement", "ListStatements"},
	"healthlake":               {"ReadResource", "SearchWithGet", "SearchWithPost"},
	"identitystore-auth":       {"BatchGetSession", "ListSessions"},
	"inspector":                {"GetAssessmentReport"},
	"inspector2":               {"GetCisScanReport"},
	"invoicing":                {"GetInvoicePDF"},
	"iot":                      {"GetRetainedMessage", "GetThingShadow"},
	"iotanalytics":             {"GetDatasetContent", "SampleChannelData"},
	"iotsitewise":              {"GetAssetPropertyAggregates", "GetAssetPropertyValue", "GetAssetPropertyValueHistory", "GetInterpolatedAssetPropertyValues", "GetQueryResults"},
	"iotwireless":              {"GetPosition", "GetResourcePosition"},
	"kendra":                   {"GetQuerySuggestions", "Query"},
	"kinesis":                  {"GetRecords", "GetShardIterator"},
	"kinesisanalytics":         {"DiscoverInputSchema"},
	"kinesisvideo":             {"GetClip", "GetDASHStreamingSessionURL", "GetDataEndpoint", "GetHLSStreamingSessionURL", "GetImages", "GetMedia", "GetMediaForFragmentList"},
	"lex":                      {"DescribeExport", "GetExport", "GetSession", "GetTestExecutionArtifactsUrl", "GetUtterancesView"},
	"logs":                     {"GetLookupTable"},
	"lookoutmetrics":           {"GetSampleData"},
	"macie2":                   {"GetFindings"},
	"mediaconnect":             {"DescribeFlowSourceThumbnail"},
	"medialive":                {"DescribeInputDeviceThumbnail"},
	"mediapackagev2":           {"GetObject"},
	"mediastore":               {"GetObject"},
	"mobiletargeting":          {"GetInAppMessages"},
	"omics":                    {"GetReadSet", "GetReference"},
	"personalize":              {"GetActionRecommendations", "GetPersonalizedRanking", "GetRecommendations"},
	"qldb":                     {"GetBlock"},
	"redshift":                 {"ViewQueriesFromConsole", "ViewQueriesInConsole"},
	"rekognition":              {"GetCelebrityRecognition", "GetContentModeration", "GetFaceDetection", "GetFaceSearch", "GetLabelDetection", "GetPersonTracking", "GetSegmentDetection", "GetTextDetection", "ListFaces", "SearchFaces", "SearchFacesByImage", "SearchUsers", "SearchUsersByImage"},
	"rum":                      {"GetAppMonitorData"},
	"s3":                       {"GetObject", "GetObjectAnnotation", "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionAnnotation", "GetObjectVersionAnnotationForReplication", "GetObjectVersionForReplication", "GetObjectVersionTorrent"},
	"s3-object-lambda":         {"GetObject", "GetObjectVersion"},
	"s3-outposts":              {"GetObject", "GetObjectVersion", "GetObjectVersionForReplication"},
	"s3tables":                 {"GetTableData"},
	"s3vectors":                {"GetVectors", "ListVectors", "QueryVectors"},
	"sagemaker":                {"Search"},
	"sdb":                      {"GetAttributes", "Select"},
	"ses":                      {"GetArchiveMessage", "GetArchiveMessageContent", "GetArchiveSearchResults", "GetExportJob", "GetImportJob"},
	"snowball":                 {"DescribeJob", "DescribeReturnShippingLabel"},
	"sqs":                      {"ReceiveMessage"},
	"ssm":                      {"GetDeployablePatchSnapshotForInstance"},
	"support":                  {"DescribeAttachment", "DescribeCases", "DescribeCommunication", "DescribeCommunications"},
	"tax":                      {"GetTaxRegistration", "GetTaxRegistrationDocument", "ListTaxRegistrations"},
	"transcribe":               {"GetCallAnalyticsJob", "GetMedicalScribeJob", "GetMedicalTranscriptionJob", "GetMedicalVocabulary", "GetTranscriptionJob", "GetVocabulary", "GetVocabularyFilter"},
	"translate":                {"GetParallelData", "GetTerminology"},
	"waf":                      {"GetSampledRequests"},
	"waf-regional":             {"GetSampledRequests"},
	"wafv2":                    {"GetSampledRequests"},
	"workdocs":                 {"DescribeComments", "DescribeDocumentVersions", "DescribeFolderContents", "GetDocument", "GetDocumentVersion", "GetResources"},
}

// personalDataReads are the reads of the group [PersonalData].
var personalDataReads = Actions{
	"account":                {"GetAlternateContact", "GetContactInformation", "GetPrimaryEmail"},
	"appstream":              {"DescribeUsers"},
	"chime":                  {"GetProxySession", "GetSpeakerSearchTask", "GetUser", "GetUserByEmail", "GetVoiceProfile", "GetVoiceToneAnalysisTask", "ListProxySessions", "ListRoomMemberships", "ListUsers", "ListVoiceProfiles"},
	"cognito-identity":       {"LookupDeveloperIdentity"},
	"cognito-idp":            {"AdminGetDevice", "AdminGetUser", "AdminListDevices", "AdminListGroupsForUser", "AdminListUserAuthEvents", "GetDevice", "GetUser", "ListDevices", "ListUsers", "ListUsersInGroup"},
	"connect":                {"DescribeUser", "GetCurrentUserData", "ListUsers"},
	"datazone":               {"GetUserProfile", "SearchUserProfiles"},
	"identitystore":          {"DescribeUser", "ListUsers"},
	"kendra":                 {"ListExperienceEntities"},
	"mobiletargeting":        {"GetEndpoint", "GetUserEndpoints"},
	"notifications-contacts": {"GetEmailContact", "ListEmailContacts"},
	"outposts":               {"GetSiteAddress"},
	"route53domains":         {"GetDomainDetail"},
	"securityagent":          {"ListMemberships"},
	"ses":                    {"GetContact", "GetMemberOfAddressList", "GetMessageInsights", "GetSuppressedDestination", "ListContacts", "ListMembersOfAddressList", "ListSuppressedDestinations"},
	"shield":                 {"DescribeEmergencyContactSettings"},
	"sms-voice":              {"DescribeOptedOutNumbers", "DescribeRegistrationAttachments", "DescribeRegistrationFieldValues", "DescribeVerifiedDestinationNumbers"},
	"snowball":               {"DescribeAddress", "DescribeAddresses", "ListPickupLocations"},
	"sns":                    {"CheckIfPhoneNumberIsOptedOut", "ListPhoneNumbersOptedOut", "ListSMSSandboxPhoneNumbers"},
	"ssm-contacts":           {"GetContact", "GetContactChannel", "ListContactChannels"},
	"sso-directory":          {"DescribeUser", "DescribeUsers", "ListUsers", "SearchUsers"},
	"workdocs":               {"DescribeActivities", "DescribeUsers", "GetCurrentUser"},
	"workmail":               {"DescribeUser", "ListUsers"},
}

// codeReads are the reads of the group [SourceCode].
var codeReads = Actions{
	"appsync":        {"GetFunction", "ListFunctions"},
	"athena":         {"GetCalculationExecutionCode"},
	"cloudfront":     {"GetConnectionFunction", "GetFunction"},
	"codeartifact":   {"GetPackageVersionAsset", "ReadFromRepository"},
	"codecommit":     {"DescribeMergeConflicts", "GetBlob", "GetBlobDifferences", "GetComment", "GetCommentsForComparedCommit", "GetCommentsForPullRequest", "GetDifferences", "GetFile", "GetFolder", "GetTree", "GitPull"},
	"ecr":            {"BatchGetImage", "GetDownloadUrlForLayer"},
	"greengrass":     {"GetComponentVersionArtifact"},
	"imagebuilder":   {"GetMarketplaceResource"},
	"inspector2":     {"BatchGetCodeSnippet"},
	"lambda":         {"GetFunction", "GetLayerVersion"},
	"securityagent":  {"GetArtifact"},
	"serverlessrepo": {"GetApplication", "GetCloudFormationTemplate"},
	"tnb":            {"GetSolFunctionPackageContent", "GetSolFunctionPackageDescriptor", "GetSolNetworkPackageContent", "GetSolNetworkPackageDescriptor"},
}

// hostReads are the reads of the group [HostOutput].
var hostReads = Actions{
	"codebuild":        {"BatchGetCommandExecutions", "ListCommandExecutionsForSandbox"},
	"ec2":              {"GetConsoleOutput", "GetConsoleScreenshot", "GetInstanceUefiData"},
	"elasticbeanstalk": {"RetrieveEnvironmentInfo"},
	"iot":              {"GetCommandExecution"},
	"lightsail":        {"GetRelationalDatabaseLogEvents"},
	"logs":             {"GetLogObject", "StartLiveTail"},
	"rds":              {"DownloadCompleteDBLogFile", "DownloadDBLogFilePortion"},
	"ssm":              {"DescribeAutomationStepExecutions", "GetAutomationExecution", "GetCommandInvocation", "ListCommandInvocations"},
}

// sideEffects are part of ReadOnlyAccess but change something, make AWS fetch a URL, have an IAM access level other
// than Read and List, or are billed per use. They are always denied.
var sideEffects = Actions{
	"cloudformation":   {"EstimateTemplateCost", "ValidateTemplate"},
	"backup":           {"ListIndexedRecoveryPointsForSearch"},
	"billing":          {"GetResourcePolicy"},
	"cloudwatch":       {"GenerateQuery", "GenerateQueryResultsSummary"},
	"config":           {"DeliverConfigSnapshot"},
	"devops-guru":      {"StartCostEstimation"},
	"dms":              {"TestConnection"},
	"ec2":              {"GetFlowLogsIntegrationTemplate"}, // it stores the template in any bucket
	"ec2messages":      {"GetMessages"},
	"elasticbeanstalk": {"RequestEnvironmentInfo"},
	"forecast":         {"QueryForecast"},
	"iam":              {"GenerateCredentialReport"},
	"importexport":     {"GetShippingLabel"},
	"iot":              {"GetConnection", "GetRegistrationCode", "ListSubscriptions"},
	"logs":             {"StopLiveTail"},
	"mediaconvert":     {"Probe"},
	"polly":            {"SynthesizeSpeech"},
	"servicequotas":    {"StartQuotaUtilizationReport"},
	"ses":              {"GetEmailAddressInsights"}, // billed per address, and AWS asks the servers of its domain
	"sqs":              {"ReceiveMessage"},
	"ssm-sap":          {"GetResourcePermission"},
	"transfer":         {"TestIdentityProvider"},
	"xray":             {"CancelTraceRetrieval", "GetSamplingTargets"}, // statistics and quotas of applications
}

// billedReads are the reads of the group [BilledReads]. Wildcards cover reads that AWS adds to services whose reads are
// all billed.
var billedReads = Actions{
	"ce":                  {"*"},
	"cloudformation":      {"DetectStackDrift", "DetectStackResourceDrift", "DetectStackSetDrift"},
	"comprehend":          {"BatchDetect*", "ClassifyDocument", "ContainsPiiEntities", "Detect*"},
	"ds":                  {"VerifyTrust"},
	"iam":                 {"GenerateOrganizationsAccessReport", "GenerateServiceLastAccessedDetails"},
	"iotwireless":         {"GetPositionEstimate"},
	"rekognition":         {"CompareFaces", "Detect*", "RecognizeCelebrities"},
	"servicediscovery":    {"DiscoverInstances", "DiscoverInstancesRevision"},
	"verifiedpermissions": {"IsAuthorized", "IsAuthorizedWithToken"},
	"xray":                {"StartTraceRetrieval"},
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
	"sts":            {"AssumeRoot", "GetDelegatedAccessToken", "GetFederationToken", "GetWebIdentityToken"}, // also if sts:* is allowed
}

// DeniedAPIGatewayPaths returns the paths of the API Gateway API that return the values of API keys. They are
// always denied.
func DeniedAPIGatewayPaths() []string {
	return []string{"/apikeys", "/apikeys/*", "/usageplans/*/keys", "/usageplans/*/keys/*"}
}
