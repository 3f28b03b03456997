"""ListMetrics of the stand-in, as boto3 sees it."""

import unittest
from typing import Any, Dict, List

import server  # noqa: F401  # it changes moto
import boto3
from moto.server import ThreadedMotoServer

SERVICE = [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "api"}]


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.moto = ThreadedMotoServer(port=0, verbose=False)
        cls.moto.start()
        host, port = cls.moto.get_host_and_port()
        cls.client = boto3.client("cloudwatch", "us-east-1", endpoint_url=f"http://{host}:{port}",
                                  aws_access_key_id="testing", aws_secret_access_key="testing")
        for value in range(3):
            cls.client.put_metric_data(Namespace="Jobs", MetricData=[
                {"MetricName": "Running", "Value": value, "Dimensions": SERVICE},
                {"MetricName": "Running", "Value": value, "Dimensions": [*SERVICE[:1], {"Name": "ServiceName", "Value": "web"}]},
                {"MetricName": "Failed", "Value": value},
            ])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.moto.stop()

    def listed(self, **request: Any) -> List[Dict[str, Any]]:
        return [metric for page in self.client.get_paginator("list_metrics").paginate(**request) for metric in page["Metrics"]]

    def test_each_metric_is_listed_once(self) -> None:
        self.assertEqual(3, len(self.listed(Namespace="Jobs")))

    def test_a_metric_without_dimensions_is_listed_once(self) -> None:
        self.assertEqual(1, len(self.listed(MetricName="Failed")))

    def test_a_dimension_selects_a_metric(self) -> None:
        found = self.listed(Dimensions=SERVICE[1:])
        self.assertEqual([("Running", SERVICE)], [(m["MetricName"], m["Dimensions"]) for m in found])

    def test_the_name_of_a_dimension_selects_metrics(self) -> None:
        self.assertEqual(2, len(self.listed(Dimensions=[{"Name": "ServiceName"}])))


if __name__ == "__main__":
    unittest.main()
