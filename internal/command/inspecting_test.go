package command_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cloudwatch-alarm-triage/alarmtriage/internal/command"
)

func TestClassify_OptionOfInspectingProgramMayNameFile(t *testing.T) {
	for _, text := range []string{"dig -f .pgpass @192.0.2.1", "dig @192.0.2.1 -f .pgpass", "dig -k Kexample.key example.com", "dig -fnames.txt", "dig -b 192.0.2.1 example.com", "ss -K dst 192.0.2.1", "ss -D x", "dmesg -c", "netstat -c", "ps aux e"} {
		assert.NotZero(t, command.Classify(text)&command.NotUnderstood, text)
	}
	for _, text := range []string{"dig example.com", "dig -x 192.0.2.1", "dig -4 -t MX example.com @192.0.2.1 +short"} {
		assert.Equal(t, command.NotAWS, command.Classify(text), text)
	}
}

func TestClassify_FormatsThatPrintWholeObjectsMayShowSecrets(t *testing.T) {
	for _, text := range []string{
		"kubectl get configmap orders -o kyaml", "kubectl get pods --output=kyaml", "kubectl rollout history deployment/orders -o yaml",
		"kubectl rollout history deployment/orders --output json", "kubectl wait --for=condition=Ready pod/orders -o yaml", "helm status orders -o yaml", "helm status orders",
		"sam list stack-outputs --stack-name orders", "docker image history orders", "kubectl get pod orders -o templatefile=x.tmpl",
	} {
		assert.NotZero(t, command.Classify(text)&command.MayShowSecrets, text)
	}
	assert.NotZero(t, command.Classify("kubectl get pod orders -o templatefile=x.tmpl")&command.ReadsFile)
	for _, text := range []string{"kubectl rollout history deployment/orders", "kubectl rollout status deployment/secret-service", "kubectl logs json-parser"} {
		assert.Equal(t, command.NotAWS, command.Classify(text), text)
	}
	assert.Equal(t, command.NotAWS|command.RunsCode, command.Classify("serverless metrics"))
}

func TestClassify_DownloadWithoutCertificateIsFromAnotherEndpoint(t *testing.T) {
	for _, text := range []string{"curl -k https://orders.example", "curl -sk https://orders.example", "curl --insecure https://orders.example", "wget -q --no-check-certificate -O - https://orders.example"} {
		assert.NotZero(t, command.Classify(text)&command.OtherEndpoint, text)
	}
	assert.Equal(t, command.NotAWS, command.Classify("curl -s https://orders.example"))
}
