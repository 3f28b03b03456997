"""Where clients read: the parameter `account`, and the account and the Region of the alarm."""

import os
import sys
import unittest
from datetime import timedelta
from typing import Any, Dict, List
from unittest import mock

import boto3
import boto3.session
from alarmtriage_evidence.context import Context
from alarmtriage_tool import place, queries

from . import fake_aws

MEMBER, CENTRAL = "444455556666", "123456789012"


class Places(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(place.enter, "", "", "", "")
        real = mock.patch.dict(sys.modules, {"boto3": boto3})  # other tests replace it
        real.start()
        self.addCleanup(real.stop)
        saved = {name: getattr(boto3.session.Session, name) for name in ("__init__", "client", "resource")}
        for name, method in saved.items():
            self.addCleanup(setattr, boto3.session.Session, name, method)
        patched = mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIABROKER0000000000", "AWS_SECRET_ACCESS_KEY": "x"})
        patched.start()
        self.addCleanup(patched.stop)
        place.install()

    def key(self, client: Any) -> str:
        return str(client._request_signer._credentials.access_key)

    def test_an_account_is_a_dummy_key(self) -> None:
        named = place.KEY_PREFIX + MEMBER
        session = boto3.session.Session(account=MEMBER)
        for client in (
            boto3.session.Session().client("logs", account=MEMBER), boto3.session.Session().client("logs", account=int(MEMBER)), session.client("logs"),
            place.session(account=MEMBER).client("logs"), boto3.session.Session().resource("s3", account=MEMBER).meta.client,
        ):
            self.assertEqual(named, self.key(client))
        self.assertEqual(place.KEY_PREFIX + CENTRAL, self.key(session.client("logs", account=CENTRAL)))
        self.assertEqual("AKIABROKER0000000000", self.key(boto3.session.Session().client("logs")))

    def test_what_is_no_account_is_an_error(self) -> None:
        for wrong in ("44445555666", "44445555666x", "", "arn:aws:iam::444455556666:role/r", "４４４４５５５５６６６６", 10**12):
            with self.subTest(wrong), self.assertRaisesRegex(ValueError, "12 digits"):
                boto3.session.Session().client("logs", account=wrong)

    def test_the_region_of_the_alarm_is_the_default(self) -> None:
        place.enter(MEMBER, CENTRAL, "eu-central-1", "")
        self.assertEqual("eu-central-1", boto3.session.Session().client("logs").meta.region_name)
        self.assertEqual("eu-west-1", boto3.session.Session().client("logs", region_name="eu-west-1").meta.region_name)
        self.assertEqual("eu-west-1", place.session(region="eu-west-1").client("logs").meta.region_name)
        place.enter(MEMBER, CENTRAL, "", "")
        self.assertEqual("eu-central-1", boto3.session.Session().client("logs").meta.region_name, "an unknown Region changes nothing")

    def collected(self, own: str) -> Context:
        return Context({"account": MEMBER, "own_account": own, "region": "us-east-1"}, fake_aws.FIRED, timedelta(seconds=20).total_seconds())

    def test_the_collection_reads_the_account_of_the_alarm(self) -> None:
        place.enter(MEMBER, CENTRAL, "", "")
        ctx = self.collected(CENTRAL)
        self.assertEqual((MEMBER, False, "AKIABROKER0000000000"), (ctx.own_account, ctx.is_foreign, self.key(ctx.client("logs"))))

    def test_a_member_that_cannot_be_read_is_another_account(self) -> None:
        place.enter(MEMBER, CENTRAL, "", "Account 444455556666 cannot be read.")
        ctx = self.collected(CENTRAL)
        self.assertEqual((CENTRAL, True, place.KEY_PREFIX + CENTRAL), (ctx.own_account, ctx.is_foreign, self.key(ctx.client("logs"))))

    def test_an_account_that_is_no_member_is_another_account(self) -> None:
        place.enter(CENTRAL, CENTRAL, "", "")
        ctx = self.collected(CENTRAL)
        self.assertEqual((CENTRAL, True, "AKIABROKER0000000000"), (ctx.own_account, ctx.is_foreign, self.key(ctx.client("logs"))))

    def test_a_metric_of_an_account_that_is_not_read_comes_from_its_link(self) -> None:
        place.enter(MEMBER, CENTRAL, "", "")
        asked: List[Dict[str, Any]] = []
        client = mock.Mock(get_metric_data=lambda **request: asked.append(request) or {})
        for account, wanted in ((None, (None, None)), (MEMBER, (MEMBER, None)), (CENTRAL, (CENTRAL, None)), ("777788889999", (None, "777788889999")),
                                (int(MEMBER), (MEMBER, None)), (777788889999, (None, "777788889999"))):
            with self.subTest(account), mock.patch("boto3.client", return_value=client) as made:
                queries.metric("AWS/Lambda", "Errors", {}, account=account)
                self.assertEqual(wanted, (made.call_args.kwargs.get("account"), asked.pop()["MetricDataQueries"][0].get("AccountId")))

    def test_a_metric_of_another_member_that_may_be_read_comes_from_that_account(self) -> None:
        asked: List[Dict[str, Any]] = []
        client = mock.Mock(get_metric_data=lambda **request: asked.append(request) or {})
        other, no_member = "222233334444", "777788889999"
        for others, account, wanted in (
            ([other], other, (other, None)), ([other], no_member, (None, no_member)), (["*"], no_member, (no_member, None)), (["*"], None, (None, None)),
        ):
            place.enter(MEMBER, CENTRAL, "", "", others)
            with self.subTest(others=others, account=account), mock.patch("boto3.client", return_value=client) as made:
                queries.metric("AWS/Lambda", "Errors", {}, account=account)
                self.assertEqual(wanted, (made.call_args.kwargs.get("account"), asked.pop()["MetricDataQueries"][0].get("AccountId")))


if __name__ == "__main__":
    unittest.main()
