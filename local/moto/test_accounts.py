"""Accounts, and who may assume a role, as boto3 sees it."""

import json
import unittest
import urllib.request
from typing import Any, Dict, Optional

import server  # noqa: F401  it changes moto
import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

CENTRAL, MEMBER, OTHER = "123456789012", "444455556666", "777788889999"
TOOL = f"arn:aws:iam::{CENTRAL}:role/tool"
TRUST_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: Dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def root(account: str) -> Dict[str, str]:
    return {"aws_access_key_id": f"AKIAROOT{account}", "aws_secret_access_key": "any"}


class Accounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.moto = ThreadedMotoServer(port=0, verbose=False)
        cls.moto.start()
        cls.address = "http://{}:{}".format(*cls.moto.get_host_and_port())
        iam = cls.client("iam", root(CENTRAL))
        iam.create_role(RoleName="tool", AssumeRolePolicyDocument=document(TRUST_LAMBDA))
        iam.put_role_policy(RoleName="tool", PolicyName="members", PolicyDocument=document(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [f"arn:aws:iam::{MEMBER}:role/*"]},
            {"Effect": "Deny", "Action": "*", "Resource": f"arn:aws:iam::{MEMBER}:role/denied"}))
        for name in ("member", "denied"):
            cls.role(MEMBER, name, {"AWS": TOOL}, {"StringEquals": {"sts:ExternalId": "triage"}})
        cls.role(OTHER, "member", {"AWS": TOOL})

    @classmethod
    def tearDownClass(cls) -> None:
        cls.moto.stop()

    @classmethod
    def client(cls, service: str, credentials: Dict[str, str], region: str = "us-east-1") -> Any:
        return boto3.client(service, endpoint_url=cls.address, region_name=region, **credentials)

    @classmethod
    def role(cls, account: str, name: str, principal: Any, condition: Optional[Dict[str, Any]] = None) -> None:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **({"Condition": condition} if condition else {})}
        cls.client("iam", root(account)).create_role(RoleName=name, AssumeRolePolicyDocument=document(statement))

    @classmethod
    def assume(cls, credentials: Dict[str, str], arn: str, **more: Any) -> Dict[str, str]:
        got = cls.client("sts", credentials).assume_role(RoleArn=arn, RoleSessionName="test", **more)["Credentials"]
        return {"aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"], "aws_session_token": got["SessionToken"]}

    def tool(self) -> Dict[str, str]:
        return self.assume({"aws_access_key_id": "AKIASERVICE000LAMBDA", "aws_secret_access_key": "any"}, TOOL)

    def refused(self, code: str, ask: Any) -> str:
        with self.assertRaises(ClientError) as caught:
            ask()
        self.assertEqual(code, caught.exception.response["Error"]["Code"])
        if code in ("AccessDenied", "InvalidClientTokenId"):
            self.assertEqual(403, caught.exception.response["ResponseMetadata"]["HTTPStatusCode"])
        return str(caught.exception)

    def test_a_role_that_trusts_the_caller_gives_its_account(self) -> None:
        member = self.assume(self.tool(), f"arn:aws:iam::{MEMBER}:role/member", ExternalId="triage")
        identity = self.client("sts", member).get_caller_identity()
        self.assertEqual((MEMBER, f"arn:aws:sts::{MEMBER}:assumed-role/member/test"), (identity["Account"], identity["Arn"]))

    def test_what_aws_denies_is_denied(self) -> None:
        tool, member = self.tool(), f"arn:aws:iam::{MEMBER}:role/member"
        got = self.assume(tool, member, ExternalId="triage")
        cases = (
            ("the external id is missing", tool, member, {}), ("the external id is another", tool, member, {"ExternalId": "other"}),
            ("the role is missing", tool, f"arn:aws:iam::{MEMBER}:role/none", {"ExternalId": "triage"}),
            ("the account has no roles", tool, "arn:aws:iam::999999999999:role/member", {}),
            ("the caller's policies deny it", tool, f"arn:aws:iam::{MEMBER}:role/denied", {"ExternalId": "triage"}),
            ("the caller's policies do not allow it", tool, f"arn:aws:iam::{OTHER}:role/member", {}),
            ("the role trusts somebody else", root(CENTRAL), member, {"ExternalId": "triage"}),
            ("a role does not trust itself", got, member, {"ExternalId": "triage"}),
            ("a service is not trusted", {"aws_access_key_id": "AKIASERVICE000LAMBDA", "aws_secret_access_key": "any"}, member, {"ExternalId": "triage"}),
        )
        for name, caller, arn, more in cases:
            with self.subTest(name):
                text = self.refused("AccessDenied", lambda: self.assume(caller, arn, **more))
                self.assertIn(f"is not authorized to perform: sts:AssumeRole on resource: {arn}", text)
        self.refused("ValidationError", lambda: self.assume(tool, member, ExternalId="triage", DurationSeconds=7200))

    def test_managed_policies_count_in_their_default_version(self) -> None:
        allow, deny = (document({"Effect": effect, "Action": "sts:AssumeRole", "Resource": "*"}) for effect in ("Allow", "Deny"))
        self.role(CENTRAL, "managed", {"Service": "lambda.amazonaws.com"})
        self.role(MEMBER, "open", {"AWS": f"arn:aws:iam::{CENTRAL}:root"})
        iam, arn = self.client("iam", root(CENTRAL)), f"arn:aws:iam::{MEMBER}:role/open"
        caller = self.assume({"aws_access_key_id": "AKIASERVICE000LAMBDA", "aws_secret_access_key": "any"}, f"arn:aws:iam::{CENTRAL}:role/managed")
        self.refused("AccessDenied", lambda: self.assume(caller, arn))
        policy = iam.create_policy(PolicyName="managed", PolicyDocument=allow)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="managed", PolicyArn=policy)
        self.assume(caller, arn)
        iam.create_policy_version(PolicyArn=policy, PolicyDocument=deny, SetAsDefault=True)
        self.refused("AccessDenied", lambda: self.assume(caller, arn))

    def test_unknown_conditions_are_not_guessed(self) -> None:
        self.role(MEMBER, "unknown", {"AWS": "*"}, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
        self.refused("NotSimulated", lambda: self.assume(self.tool(), f"arn:aws:iam::{MEMBER}:role/unknown"))

    def test_a_temporary_key_needs_its_token(self) -> None:
        member = self.assume(self.tool(), f"arn:aws:iam::{MEMBER}:role/member", ExternalId="triage")
        for name, credentials in (("other token", {**member, "aws_session_token": "other"}),
                                  ("unknown key", {**member, "aws_access_key_id": "ASIA" + "0" * 16})):
            with self.subTest(name):
                self.refused("UnrecognizedClientException", self.client("logs", credentials).describe_log_groups)
                self.refused("InvalidClientTokenId", self.client("sts", credentials).get_caller_identity)

    def test_accounts_and_regions_have_their_own_resources_and_events(self) -> None:
        for account, region in ((CENTRAL, "us-east-1"), (MEMBER, "us-east-1"), (MEMBER, "eu-central-1")):
            self.client("logs", root(account), region).create_log_group(logGroupName=f"{account}-{region}")
        member = self.assume(self.tool(), f"arn:aws:iam::{MEMBER}:role/member", ExternalId="triage")
        for region in ("us-east-1", "eu-central-1"):
            groups = self.client("logs", member, region).describe_log_groups()["logGroups"]
            self.assertEqual([f"{MEMBER}-{region}"], [group["logGroupName"] for group in groups])
            events = self.client("cloudtrail", member, region).lookup_events()["Events"]
            made = [e["Resources"][0]["ResourceName"] for e in events if e["EventName"] == "CreateLogGroup"]
            self.assertEqual([f"{MEMBER}-{region}"], made)

    def test_a_bucket_has_the_expected_owner(self) -> None:
        s3 = self.client("s3", root(MEMBER))
        s3.create_bucket(Bucket="member-bucket")
        self.assertEqual(200, s3.head_bucket(Bucket="member-bucket", ExpectedBucketOwner=MEMBER)["ResponseMetadata"]["HTTPStatusCode"])
        self.refused("AccessDenied", lambda: s3.get_bucket_tagging(Bucket="member-bucket", ExpectedBucketOwner=CENTRAL))

    def test_staged_answers_and_health_belong_to_an_account(self) -> None:
        def send(path: str, method: str, body: Dict[str, Any]) -> None:
            request = urllib.request.Request(self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
            urllib.request.urlopen(request).close()

        call = {"call": "pi.get_resource_metrics", "answer": {"Identifier": "staged", "MetricList": []}}
        send("/alarmtriage/world", "POST", {"answers": [{**call, "account": MEMBER, "region": "eu-central-1"}]})
        self.addCleanup(send, "/alarmtriage/world", "POST", {})
        request = {"ServiceType": "RDS", "Identifier": "db-1", "MetricQueries": [{"Metric": "db.load.avg"}], "StartTime": 1, "EndTime": 2}
        self.assertEqual("staged", self.client("pi", root(MEMBER), "eu-central-1").get_resource_metrics(**request)["Identifier"])
        for account, region in ((MEMBER, "us-east-1"), (CENTRAL, "eu-central-1")):
            self.refused("NotSimulated", lambda: self.client("pi", root(account), region).get_resource_metrics(**request))
        send("/alarmtriage/health", "PUT", {"account": MEMBER, "events": [{"arn": "arn:aws:health:e", "statusCode": "open"}]})
        self.assertEqual(1, len(self.client("health", root(MEMBER)).describe_events()["events"]))
        self.assertEqual(0, len(self.client("health", root(CENTRAL)).describe_events()["events"]))
        self.refused("SubscriptionRequiredException", self.client("health", root(OTHER)).describe_events)


if __name__ == "__main__":
    unittest.main()
