"""Values of metrics as boto3 reads them from the stand-in."""

import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List

import server  # noqa: F401  # it changes moto
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

START = datetime(2026, 5, 28, 20, 0, tzinfo=timezone.utc)


class MetricData(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.moto = ThreadedMotoServer(port=0, verbose=False)
        cls.moto.start()
        host, port = cls.moto.get_host_and_port()
        cls.client = boto3.Session("testing", "testing", region_name="us-east-1").client(
            "cloudwatch", endpoint_url=f"http://{host}:{port}", config=Config(disable_request_compression=True))
        for namespace, function, values in (("A", "f", range(1, 101)), ("A", "g", [50] * 100), ("B", "f", [7] * 100)):
            cls.client.put_metric_data(Namespace=namespace, MetricData=[
                {"MetricName": "Duration", "Dimensions": [{"Name": "Function", "Value": function}], "Value": float(value), "Unit": "Milliseconds",
                 "Timestamp": START + timedelta(seconds=number * 3)} for number, value in enumerate(values)])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.moto.stop()

    def read(self, *queries: Dict[str, Any]) -> Dict[str, List[float]]:
        answer = type(self).client.get_metric_data(
            MetricDataQueries=list(queries), StartTime=START, EndTime=START + timedelta(minutes=5), ScanBy="TimestampAscending")
        return {f"{r['Id']} {r['Label']}": r["Values"] for r in answer["MetricDataResults"]}

    @staticmethod
    def stat(name: str, stat: str, function: str = "f", namespace: str = "A", period: int = 300) -> Dict[str, Any]:
        return {"Id": name, "MetricStat": {"Stat": stat, "Period": period, "Metric": {
            "Namespace": namespace, "MetricName": "Duration", "Dimensions": [{"Name": "Function", "Value": function}]}}}

    def test_percentiles(self) -> None:
        found = self.read(self.stat("a", "p99"), self.stat("b", "p50"), self.stat("c", "Maximum"), self.stat("d", "p95", period=60))
        self.assertEqual([[99.0], [50.0], [100.0], [19.0, 39.0, 59.0, 79.0, 99.0]], list(found.values()))

    def test_a_metric_is_only_that_of_its_namespace(self) -> None:
        self.assertEqual([[7.0]], list(self.read(self.stat("a", "Average", namespace="B")).values()))

    def test_metric_math(self) -> None:
        found = self.read({**self.stat("a", "Sum"), "ReturnData": False}, self.stat("b", "Sum", "g"), {"Id": "share", "Expression": "100 * a / (a + b)"},
                          {"Id": "big", "Expression": "IF(a > 5000, a, 0)"}, {"Id": "most", "Expression": "MAX([a, b])"})
        self.assertEqual({"b Duration Sum": [5000.0], "share share": [100 * 5050 / 10050], "big big": [5050.0], "most most": [5050.0]}, found)

    def test_search_returns_each_series_that_fits(self) -> None:
        found = self.read({"Id": "s", "Expression": "SEARCH('{A,Function} MetricName=\"Duration\"', 'Maximum', 300)"})
        self.assertEqual({"s f Duration": [100.0], "s g Duration": [50.0]}, found)
        self.assertEqual(3, len(self.read({"Id": "s", "Expression": "SEARCH('MetricName=\"Duration\"', 'Sum', 300)"})))
        self.assertEqual({"s f Duration": [7.0]}, self.read({"Id": "s", "Expression": "SEARCH('MetricName=\"Duration\" Namespace=\"B\"', 'Average', 300)"}))

    def test_get_metric_statistics(self) -> None:
        request = {"Namespace": "A", "MetricName": "Duration", "Dimensions": [{"Name": "Function", "Value": "f"}], "StartTime": START,
                   "EndTime": START + timedelta(minutes=5), "Period": 300}
        found = type(self).client.get_metric_statistics(**request, Statistics=["Maximum", "SampleCount"])["Datapoints"]
        self.assertEqual([(START, 100.0, 100.0, "Milliseconds")], [(p["Timestamp"], p["Maximum"], p["SampleCount"], p["Unit"]) for p in found])
        found = type(self).client.get_metric_statistics(**request, ExtendedStatistics=["p99"])["Datapoints"]
        self.assertEqual([{"p99": 99.0}], [p["ExtendedStatistics"] for p in found])

    def test_metrics_insights_groups_and_orders(self) -> None:
        def select(text: str) -> Dict[str, List[float]]:
            return self.read({"Id": "q0", "Expression": text, "Period": 300})
        self.assertEqual(select('SELECT MAX(Duration) FROM SCHEMA("A", Function) GROUP BY Function ORDER BY MAX() DESC LIMIT 5'),
                         {"q0 f": [100.0], "q0 g": [50.0]})
        self.assertEqual(list(select('SELECT AVG(Duration) FROM SCHEMA(A, Function) GROUP BY Function ORDER BY AVG() ASC LIMIT 1')), ["q0 g"])
        self.assertEqual(select("SELECT SUM(Duration) FROM SCHEMA(A, Function) WHERE Function = 'g'"), {"q0 q0": [5000.0]})
        self.assertEqual(select("SELECT SUM(Duration) FROM SCHEMA(A, Other) GROUP BY Other"), {})

    def test_what_is_not_simulated_is_refused(self) -> None:
        for expression in ("SELECT MAX(Duration) FROM A", "ANOMALY_DETECTION_BAND(a, 2)"):
            with self.assertRaises(ClientError) as caught:
                self.read(self.stat("a", "Sum"), {"Id": "e", "Expression": expression})
            self.assertIn("does not simulate", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
