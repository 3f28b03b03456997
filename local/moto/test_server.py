"""What the stand-in corrects, as boto3 sees it."""

import io
import json
import unittest
import urllib.request
import zipfile
from typing import Any, Dict

import server  # it changes moto
import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

ROLE = "arn:aws:iam::123456789012:role/r"
AT = 1_780_000_000


class Changes(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.moto = ThreadedMotoServer(port=0, verbose=False)
        cls.moto.start()
        host, port = cls.moto.get_host_and_port()
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        session.events.register("before-sign", lambda request, **_: request.headers.add_header("X-Event-Time", str(AT)))
        cls.client = lambda name: session.client(name, endpoint_url=f"http://{host}:{port}")
        client = cls.client("lambda")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", "")
        cls.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        client.create_function(FunctionName="f", Runtime="python3.13", Role=ROLE, Handler="app.f", Code={"ZipFile": packed.getvalue()})
        client.update_function_configuration(FunctionName="f", MemorySize=512, Environment={"Variables": {"PASSWORD": "hidden"}})
        client.publish_version(FunctionName="f")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.moto.stop()

    def test_messages_are_signed_and_delivered(self) -> None:
        client = type(self).client
        topic = client("sns").create_topic(Name="signed")["TopicArn"]
        queue = client("sqs").create_queue(QueueName="signed")["QueueUrl"]
        client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:signed")
        client("sns").publish(TopicArn=topic, Message="hello", Subject="[HIGH] orders: cause confirmed")
        received = json.loads(client("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"])
        self.assertEqual("hello", received["Message"])
        self.assertTrue(received["Signature"])

    def events(self, name: str) -> Dict[str, Any]:
        attribute = {"AttributeKey": "ResourceName", "AttributeValue": name}
        found = type(self).client("cloudtrail").lookup_events(LookupAttributes=[attribute])["Events"]
        return {e["EventName"]: json.loads(e["CloudTrailEvent"]) for e in found}

    def test_events_of_lambda_have_the_names_of_cloudtrail(self) -> None:
        self.assertEqual({"CreateFunction20150331", "UpdateFunctionConfiguration20150331v2", "PublishVersion20150331"}, set(self.events("f")))

    def test_parameters_have_the_names_of_cloudtrail_and_no_secrets(self) -> None:
        found = self.events("f")["UpdateFunctionConfiguration20150331v2"]["requestParameters"]
        self.assertEqual({"functionName": "f", "memorySize": 512, "environment": {}}, found)
        self.assertIn("roleName", self.events("r")["CreateRole"]["requestParameters"])

    def test_resources_are_as_old_as_the_request_says(self) -> None:
        created = type(self).client("apigateway").create_rest_api(name="a")["createdDate"]
        other = type(self).client("apigatewayv2").create_api(Name="b", ProtocolType="HTTP")["CreatedDate"]
        self.assertEqual([AT, AT], [created.timestamp(), other.timestamp()])

    def test_what_moto_lacks_is_an_error_that_says_so(self) -> None:
        for name, ask in (
            ("lambda", lambda c: c.get_runtime_management_config(FunctionName="f")), ("application-signals", lambda c: c.list_services(StartTime=AT, EndTime=AT)),
            ("dynamodb", lambda c: c.describe_contributor_insights(TableName="t")), ("iam", lambda c: c.get_service_last_accessed_details(JobId="j" * 36)),
        ):
            with self.subTest(name), self.assertRaises(ClientError) as caught:
                ask(type(self).client(name))
            self.assertEqual("NotSimulated", caught.exception.response["Error"]["Code"])
            self.assertEqual(0, caught.exception.response["ResponseMetadata"]["RetryAttempts"])

    def test_a_table_knows_when_its_capacity_was_lowered(self) -> None:
        client = type(self).client("dynamodb")
        client.create_table(TableName="t", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], KeySchema=[
            {"AttributeName": "id", "KeyType": "HASH"}], ProvisionedThroughput={"ReadCapacityUnits": 20, "WriteCapacityUnits": 5})
        client.update_table(TableName="t", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 5})
        found = client.describe_table(TableName="t")["Table"]["ProvisionedThroughput"]
        self.assertEqual((AT, 1, 1), (found["LastDecreaseDateTime"].timestamp(), found["NumberOfDecreasesToday"], found["ReadCapacityUnits"]))
        self.assertNotIn("LastIncreaseDateTime", found)

    def test_an_update_changes_the_time_of_a_function(self) -> None:
        found = type(self).client("lambda").get_function_configuration(FunctionName="f")
        self.assertEqual("2026-05-28T20:26:40.000+0000", found["LastModified"])

    def test_a_world_without_a_trail_keeps_the_trail(self) -> None:
        def post(world: Dict[str, Any]) -> None:
            address = "http://{}:{}/alarmtriage/world".format(*type(self).moto.get_host_and_port())
            urllib.request.urlopen(urllib.request.Request(address, json.dumps(world).encode(), method="POST")).close()

        with server._lock:
            recorded = list(server._events)
        try:
            post({"trail": [{"at": AT, "event": "PutBucketPolicy", "source": "s3.amazonaws.com", "resources": ["b"]}]})
            post({"answers": []})
            self.assertEqual({"PutBucketPolicy"}, set(self.events("b")))
            post({"trail": []})
            self.assertEqual({}, self.events("b"))
        finally:
            with server._lock:
                server._events[:] = recorded


if __name__ == "__main__":
    unittest.main()
