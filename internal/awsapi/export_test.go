package awsapi

// ControlEndpoint is controlEndpoint, for the tests.
var ControlEndpoint = controlEndpoint
