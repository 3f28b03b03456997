"""The onset: from the alarm's own series, and what is compared before and after it."""

import unittest
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

from alarmtriage_evidence import collector, looks, series, text
from alarmtriage_evidence.context import Onset as Began, figure, stamp
from alarmtriage_evidence.services import lambda_functions

from .fake_aws import FIRED, FakeAWS, context
from .test_collection import collected

MINUTE = timedelta(minutes=1)


def points(values: List[Optional[float]], last: int = 0, period: int = 60) -> List[List[float]]:
    """Returns one datapoint for each period, the last of which began `last` periods before that of the transition."""
    end = (FIRED.timestamp() // period - last) * period
    return [[end - (len(values) - 1 - i) * period, value] for i, value in enumerate(values) if value is not None]


def onset(values: List[Optional[float]], last: int = 1, period: int = 60, **source: Any) -> Optional[int]:
    """Returns how many periods before the transition the onset was."""
    found = series.onset_of({"period": period, "threshold": 5.0, "points": points(values, last, period)},
                            {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3, **source}, FIRED)
    return None if found is None else int((FIRED - found).total_seconds() / period)


class Onset(unittest.TestCase):
    def test_it_is_the_first_breaching_datapoint_of_the_run(self) -> None:
        zeros: List[Optional[float]] = [0, 1] * 20
        for name, values, last, source, want in (
            ("evaluated at once", zeros + [9, 9, 9], 1, {}, 3),
            ("evaluated late", zeros + [9, 9, 9], 2, {}, 4),
            ("still filling", zeros + [9, 9, 9, 2], 0, {}, 3),
            ("two of three", zeros + [9, 0, 9], 1, {"DatapointsToAlarm": 2}, 3),
            ("an earlier run is another one", zeros + [9, 9] + zeros + [9, 9, 9], 1, {}, 3),
            ("a rise below the threshold", zeros + [2, 3, 4, 9, 9, 9], 1, {}, 6),
            ("a rise with a datapoint every five periods", [0, None, None, None, None] * 30 + [2, None, None, None, None, 3, None, None, None, None, 9], 1,
             {"EvaluationPeriods": 1}, 11),
            ("a high value long before the run", [1, 2] * 20 + [4] + [None] * 40 + [9], 1, {"EvaluationPeriods": 1}, 1),
            ("a fall", [40, 50] * 20 + [20.0, 4, 3, 2], 1, {"ComparisonOperator": "LessThanThreshold"}, 4),
            ("a jump after a steady rise", [i / 40 for i in range(160)] + [9, 9, 9], 1, {}, 3),
            ("a jump after a rise that gets faster", [i / 60 + i * i / 30000 for i in range(160)] + [9, 9, 9], 1, {}, 3),
            ("a steep rise after a slow one", [i / 100 for i in range(160)] + [3, 4, 9, 9, 9], 1, {}, 5),
            ("a rise after one high value", [0] * 70 + [4] + [i % 2 for i in range(89)] + [i / 4 for i in range(8, 24)] + [9, 9], 1, {}, 9),
            ("a drop after a steady fall", [90 - i / 2 for i in range(160)] + [2.0, 2, 2], 1, {"ComparisonOperator": "LessThanThreshold"}, 3),
            ("a steady rise to the threshold", [i / 40 for i in range(203)], 1, {}, 2),
            ("data ends", [9.0] * 40 + [None] * 4, 1, {"TreatMissingData": "breaching", "ComparisonOperator": "LessThanThreshold"}, 4),
            ("missing data breaches, but the last period has not ended", zeros + [9, 9, 0, None], 0, {"TreatMissingData": "breaching", "EvaluationPeriods": 1}, 3),
            ("sparse data", [None, 0] * 20 + [9, None, 9], 1, {}, 3),
            ("too many missing datapoints that do not breach", [9, 0] * 20 + [9, None, None, None] * 20 + [9, 9, 9], 1, {"TreatMissingData": "notBreaching"}, 3),
            ("missing datapoints that say nothing", [9, 0] * 20 + [9, None, None, None] * 20 + [9, 9, 9], 1, {}, 83),
            ("a missing datapoint that the alarm skips", [None] * 40 + [0, 9, 9, None, 9], 1, {"TreatMissingData": "notBreaching"}, 4),
            ("missing datapoints that the alarm skips", [None] * 40 + [0, 9, None, 9, None, 9], 1, {"TreatMissingData": "notBreaching"}, 5),
            ("evaluated late, and a single breach after it", zeros + [9, 0, 9, 0, 9, 0, 0, 9], 1, {"EvaluationPeriods": 5, "DatapointsToAlarm": 3}, 8),
            ("single breaches that were too few for an alarm", zeros + [9, 0, 0] * 20 + [9, 9, 9, 9, 9], 1, {"EvaluationPeriods": 5, "DatapointsToAlarm": 3}, 8),
            ("missing data between breaches that are enough", zeros + [9, None, 9, None, 9], 1,
             {"EvaluationPeriods": 5, "DatapointsToAlarm": 3, "TreatMissingData": "notBreaching"}, 5),
            ("breaching since the beginning", [9.0] * 40, 1, {}, None),
            ("the first datapoints, before which missing ones do not breach", [9, None, 9, 9], 1, {"TreatMissingData": "notBreaching"}, 4),
            ("the first datapoint of many periods", [9] * 100, 1, {"TreatMissingData": "notBreaching"}, None),
            ("the first of the newest datapoints", [9] * series.MAX_POINTS, -180, {"TreatMissingData": "notBreaching"}, None),
            ("nothing breaches", zeros, 1, {}, None),
            ("no data", [], 1, {}, None),
            ("unknown condition", zeros + [9], 1, {"ComparisonOperator": ""}, None),
        ):
            with self.subTest(name):
                self.assertEqual(want, onset(values, last, **source))

    def test_a_slow_alarm_has_its_onset_hours_before(self) -> None:
        self.assertEqual(3, onset([0] * 30 + [9, 9, 9], 1, period=3600))

    def test_a_band_decides_for_anomaly_detection(self) -> None:
        values = points([5.0] * 20 + [9, 9], 1)
        band = {"points": values, "period": 60, "lower": [[at, 3.0] for at, _ in values], "upper": [[at, 7.0] for at, _ in values]}
        for operator, want in (("GreaterThanUpperThreshold", FIRED - 2 * MINUTE), ("LessThanLowerOrGreaterThanUpperThreshold", FIRED - 2 * MINUTE),
                               ("LessThanLowerThreshold", None)):
            self.assertEqual(want, series.onset_of(band, {"ComparisonOperator": operator}, FIRED), operator)

    def test_a_series_whose_beginning_cloudwatch_no_longer_has(self) -> None:
        source = {"AlarmName": "a", "EvaluationPeriods": 3, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
                  "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum"}
        for period, age in ((10, timedelta(hours=2, minutes=50)), (60, timedelta(days=15) - 20 * MINUTE), (300, timedelta(days=63) - 60 * MINUTE)):
            for missing, want in ((0, None), (3, None), (7, 7)):  # periods without data before the first datapoint that CloudWatch has
                def answer(request: Dict[str, Any]) -> Dict[str, Any]:
                    at, step = request["StartTime"] + timedelta(seconds=period * missing), timedelta(seconds=period)
                    times = [at + i * step for i in range(400) if at + i * step <= FIRED]
                    return {"MetricDataResults": [{"Id": "m1", "Timestamps": times, "Values": [9.0] * len(times)}]}

                with self.subTest(period=period, missing=missing):
                    aws = FakeAWS({"cloudwatch.get_metric_data": answer})
                    ctx = context(aws)
                    ctx.now = FIRED + age
                    series.of_metrics(ctx, {**source, "Period": period})
                    start = aws.requests[0][1]["StartTime"]
                    self.assertEqual([] if want is None else [start + timedelta(seconds=period * want)], [at for at, _ in ctx.onsets])

    def test_the_series_of_the_event_decides_if_there_are_several(self) -> None:
        def answer(labels: List[str]) -> Dict[str, Any]:
            results = []
            for label, values in zip(labels, ([0.0, 1.0] * 10 + [9.0] * 30, [0.0, 1.0] * 20 + [0.0] * 7 + [9.0] * 3)):
                listed = points(values, 1)
                results.append({"Id": "q", "Label": label, "Timestamps": [datetime.fromtimestamp(at, timezone.utc) for at, _ in listed], "Values": [value for _, value in listed]})
            return {"cloudwatch.get_metric_data": {"MetricDataResults": results}}

        source = {"AlarmName": "a", "EvaluationPeriods": 3, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "Metrics": [
            {"Id": "q", "Expression": 'SELECT MAX(CPUUtilization) FROM "AWS/EC2" GROUP BY InstanceId', "Period": 60}]}
        for labels, contributor, want, first in (
            (["i-1", "i-10"], {"InstanceId": "i-10", "AWS.AccountId": "1"}, [3], "i-10"), (["i-1", "i-10"], {"InstanceId": "i-1"}, [30], "i-1"),
            (["first", "second"], {"InstanceId": "i-1"}, [], "first"), (["i-1", "i-10"], None, [30, 3], "i-1"),
        ):
            with self.subTest(contributor=contributor):
                ctx = context(FakeAWS(answer(labels)), contributor=contributor)
                self.assertEqual(first, series.of_metrics(ctx, source)[0]["label"])
                self.assertEqual(want, [int((FIRED - at) / MINUTE) for at, _ in ctx.onsets])


    def test_the_periods_are_those_of_the_alarm(self) -> None:
        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            """Adds up a value per minute from the start of the request, which CloudWatch rounds to a full minute."""
            query = request["MetricDataQueries"][0]
            at, period = request["StartTime"].replace(second=0, microsecond=0), timedelta(seconds=query["MetricStat"]["Period"])
            times, values = [], []
            while at <= fired:
                times.append(at)
                values.append(max(9.0 if at + i * MINUTE >= began else 0.0 for i in range(period // MINUTE)))
                at += period
            return {"MetricDataResults": [{"Id": query["Id"], "Timestamps": times, "Values": values}]}

        for period, fired, began in (
            (300, FIRED + timedelta(minutes=3, seconds=20), FIRED.replace(minute=30)), (3600, FIRED, FIRED.replace(hour=11, minute=0)),
            (86400, FIRED, FIRED.replace(hour=0, minute=0)), (60, FIRED + timedelta(seconds=20), FIRED - MINUTE),
        ):
            with self.subTest(period):
                ctx = context(FakeAWS({"cloudwatch.get_metric_data": answer}), time=fired.timestamp())
                found = series.of_metrics(ctx, {"Namespace": "AWS/SQS", "MetricName": "Age", "Dimensions": [], "Period": period, "Statistic": "Maximum",
                                                "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold"})
                self.assertEqual({0.0}, {at % period for at, _ in found[0]["points"]})
                self.assertEqual([(began, timedelta(seconds=period))], ctx.onsets)


    def test_a_child_alarm_that_went_to_alarm_after_the_composite_alarm_does_not_count(self) -> None:
        def answer(request: Dict[str, Any]) -> Dict[str, Any]:
            ago = 4 if request["MetricDataQueries"][0]["MetricStat"]["Metric"]["MetricName"] == "first" else 20
            listed = points([0.0, 1.0] * 20 + [9.0] * ago, 1)
            return {"MetricDataResults": [{"Id": "m1", "Timestamps": [datetime.fromtimestamp(at, timezone.utc) for at, _ in listed], "Values": [value for _, value in listed]}]}

        for state, changed, want in (("ALARM", FIRED + 2 * MINUTE, [4]), ("ALARM", FIRED, [4, 20]), ("OK", FIRED - MINUTE, [4]), ("OK", FIRED + 2 * MINUTE, [4, 20])):
            ctx = context(FakeAWS({"cloudwatch.get_metric_data": answer}))
            series.of_children(ctx, [
                {"AlarmName": name, "Namespace": "Shop", "MetricName": name, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0,
                 "ComparisonOperator": "GreaterThanThreshold", "StateValue": value, "StateTransitionedTimestamp": at}
                for name, value, at in (("first", "ALARM", FIRED), ("second", state, changed))])
            self.assertEqual(want, [int((FIRED - at) / MINUTE) for at, _ in ctx.onsets], (state, changed))

    def test_it_is_not_that_of_some_series_if_others_are_not_read_yet(self) -> None:
        ctx = context(FakeAWS({}))
        ctx.series, ctx.onsets = Future(), [Began(FIRED - 20 * MINUTE, MINUTE)]
        with mock.patch("alarmtriage_evidence.context.SERIES_SECONDS", 0.01):
            self.assertEqual(FIRED - 2 * MINUTE, ctx.windows()[1])
        self.assertIsNone(ctx.onset)

    def test_a_promql_query_shows_it(self) -> None:
        def ask(query: str, start: datetime, end: datetime, step: int, region: str) -> Dict[str, Any]:
            self.assertEqual("errors", query)
            times = range(int(start.timestamp()), int(end.timestamp()), step)
            return {"result": [{"metric": {"pod": pod}, "values": [[at, "9" if at >= (FIRED - ago * MINUTE).timestamp() else "0.1"] for at in times]}
                               for pod, ago in (("a", 31), ("b", 40))]}

        real = series.cloudwatch.promql
        series.cloudwatch.promql = ask  # type: ignore[assignment]
        self.addCleanup(setattr, series.cloudwatch, "promql", real)
        for contributor, want in (({"pod": "a"}, [31]), (None, [40, 31])):
            ctx = context(FakeAWS({}), kind="promql", contributor=contributor, time=FIRED.timestamp() + 20)
            series.of_promql(ctx, {"text": "errors > 5", "interval": 60})
            self.assertCountEqual(want, [int((FIRED - at) / MINUTE) for at, _ in ctx.onsets])

    def test_the_comparison_of_a_promql_query(self) -> None:
        for query, want in (
            ("sum(rate(x[5m])) >= 0.5", ("sum(rate(x[5m]))", "GreaterThanOrEqualToThreshold", 0.5)), ("x < -1e3", ("x", "LessThanThreshold", -1000.0)),
            ("x # > 5", ("x # > 5", "", None)), ("x > 5 or y > 6", ("x > 5 or y > 6", "", None)), ("x > bool 5", ("x > bool 5", "", None)),
        ):
            self.assertEqual(want, series.comparison(query))

    def test_a_query_whose_series_does_not_show_it_was_evaluated_for_a_while(self) -> None:
        pending = {"interval": 60, "pending": 1800}
        for query, source, want in (
            (pending, {}, 31), ({"interval": 60, "pending": 0}, {}, 1), ({"interval": 1e9, "pending": 1e9}, {}, 360),
            ({"start_offset": 300, "schedule": "rate(5 minutes)"}, {"QueryResultsToEvaluate": 2}, 15),
            ({"start_offset": 3600, "schedule": "rate(1 minute)"}, {"QueryResultsToEvaluate": 3}, 63), ({"start_offset": 3600, "schedule": "cron(0 * * * ? *)"}, {}, 120),
            ({}, {"Period": 300, "EvaluationPeriods": 3}, 20),
        ):
            ctx = context(FakeAWS({}))
            ctx.query, ctx.source = query, source
            self.assertEqual((want, None), (int((FIRED - ctx.windows()[1]) / MINUTE), ctx.onset), query)


class Windows(unittest.TestCase):
    def alarm(self, **more: Any) -> Dict[str, Any]:
        return {"AlarmName": "a", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "orders"}],
                "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0, "Statistic": "Sum", "ComparisonOperator": "GreaterThanThreshold", **more}

    def collect(self, values: List[Optional[float]], **answers: Any) -> Tuple[Dict[str, Any], str]:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return FIRED + 5 * MINUTE

        real = collector.datetime
        collector.datetime = Clock  # type: ignore[misc]
        self.addCleanup(setattr, collector, "datetime", real)
        stamps = [(datetime.fromtimestamp(at, FIRED.tzinfo), value) for at, value in points(values, 1)]

        def metric(request: Dict[str, Any]) -> Dict[str, Any]:
            shown = [(at, value) for at, value in stamps if request["StartTime"] <= at < request["EndTime"]]
            return {"MetricDataResults": [{"Id": q["Id"], "Timestamps": [at for at, _ in shown], "Values": [v for _, v in shown]}
                                          for q in request["MetricDataQueries"]]}

        found, printed, _ = collected({"cloudwatch.get_metric_data": metric, "cloudwatch.describe_alarms": {"MetricAlarms": [self.alarm()]}, **answers})
        return found, printed

    def test_all_looks_compare_before_and_after_the_onset(self) -> None:
        found, printed = self.collect([2.0] * 60 + [20.0] * 4)
        self.assertEqual("2026-08-04T12:32:00Z", found["onset"])
        self.assertIn("at 2026-08-04T12:32:00Z (the onset)", printed)
        self.assertIn("invocations: 80 (20 per minute) from 2026-08-04T12:32:00Z to 2026-08-04T12:36:00Z, 60 (2 per minute) in the 30 minutes before",
                      "\n".join(o["text"] for o in found["observations"]))

    def test_steady_traffic_is_no_drop(self) -> None:
        aws = FakeAWS({})
        ctx = context(aws)
        ctx.now = FIRED + 4 * MINUTE
        ctx.onsets = [Began(FIRED - 4 * MINUTE, MINUTE)]
        stamps = [FIRED + i * MINUTE for i in range(-30, 1)]
        aws.answers["cloudwatch.get_metric_data"] = {"MetricDataResults": [{"Id": "q0", "Timestamps": stamps, "Values": [40.0] * len(stamps)}]}
        seen = list(looks.metrics(ctx, "x", "AWS/Lambda", {}, (("invocations", "Invocations", "Sum", 80),)))
        self.assertIn("200 (40 per minute) from 2026-08-04T12:32:00Z to 2026-08-04T12:37:00Z", seen[0].text)
        self.assertEqual(30, seen[0].weight)

    def test_traffic_that_stopped_is_a_drop(self) -> None:
        aws = FakeAWS({})
        ctx = context(aws)
        ctx.now = FIRED + 20 * MINUTE
        stamps = [FIRED + i * MINUTE for i in range(-30, -1)]
        aws.answers["cloudwatch.get_metric_data"] = {"MetricDataResults": [{"Id": "q0", "Timestamps": stamps, "Values": [40.0] * len(stamps)}]}
        seen = list(looks.metrics(ctx, "x", "AWS/Lambda", {}, (("invocations", "Invocations", "Sum", 80),)))
        self.assertIn("40 (2.35 per minute) from 2026-08-04T12:34:00Z to 2026-08-04T12:51:00Z", seen[0].text)
        self.assertEqual(55, seen[0].weight)

    def test_without_a_series_the_evaluation_and_one_period_count(self) -> None:
        ctx = context(FakeAWS({}))
        self.assertEqual(FIRED - 2 * MINUTE, ctx.windows()[1])
        self.assertIsNone(ctx.onset)

    def test_a_change_after_the_onset_or_long_before_it_counts_less_than_the_errors(self) -> None:
        for minutes, order, weight in ((36, "before", looks.LONG_BEFORE), (6, "before", 90), (4, "in the same period as", 90), (2, "after", looks.AFTER_ONSET)):
            ctx = context(FakeAWS({}))
            ctx.onsets = [Began(FIRED - 4 * MINUTE, MINUTE)]
            seen = list(looks.recent(ctx, "x", "code was modified", FIRED - minutes * MINUTE + timedelta(seconds=20)))
            self.assertTrue(seen[0].text.endswith(f"{order} the onset at 2026-08-04T12:32:00Z"), seen)
            self.assertEqual(weight, seen[0].weight)
        ctx = context(FakeAWS({}))
        self.assertTrue(list(looks.recent(ctx, "x", "code was modified", FIRED))[0].text.endswith("0 minutes before the alarm"))

    def test_the_period_of_the_series_decides_whether_a_change_was_after_the_onset(self) -> None:
        for at, period, changed, order in ((FIRED - 10 * MINUTE, 300, FIRED - 7 * MINUTE, "in the same period as"), (FIRED - 10 * MINUTE, 300, FIRED - 5 * MINUTE, "after"),
                                           (FIRED - timedelta(seconds=70), 10, FIRED - timedelta(seconds=90), "before")):
            ctx = context(FakeAWS({}))
            ctx.source, ctx.onsets = {"AlarmRule": "ALARM(child)"}, [Began(at, timedelta(seconds=period))]
            seen = list(looks.recent(ctx, "x", "code was modified", changed))
            self.assertTrue(seen[0].text.endswith(f"{order} the onset at {stamp(at)}"), seen)

    def test_a_version_that_changed_after_the_onset_counts_less_than_the_errors(self) -> None:
        ctx = context(FakeAWS({}))
        ctx.onsets = [Began(FIRED - 40 * MINUTE, MINUTE)]
        listed = [{"Version": "1", "CodeSha256": "a"}, {"Version": "2", "CodeSha256": "b", "LastModified": "2026-08-04T12:20:00.000+0000"}]
        self.assertEqual([looks.AFTER_ONSET], [seen.weight for seen in lambda_functions._differences(ctx, "x", listed, ["2"])])


class Text(unittest.TestCase):
    def test_periods_without_data_are_visible(self) -> None:
        for values in ([1.0] * 10 + [None] * 10 + [1.0] * 11, [1.0, 2.0] * 60 + [None] * 10 + [1.0] * 11):
            shown = list(text._series({"label": "heartbeat", "period": 60, "points": points(values)}))
            self.assertEqual("no data between 2026-08-04T12:15:00Z and 2026-08-04T12:26:00Z", shown[1])
            self.assertEqual("2026-08-04T12:26:00Z to 2026-08-04T12:36:00Z 1", shown[-1])
        shown = list(text._series({"label": "jobs", "period": 60, "points": points([1.0, None] * 20)}))
        self.assertTrue(shown[1].endswith(", and 14 earlier gaps"), shown[1])

    def test_a_value_is_not_shown_as_the_threshold_that_it_does_not_reach(self) -> None:
        for threshold, values in ((99.995, (100.0, 99.9949, 99.996)), (2000.0, (1999.7, 2000.0, 2000.4)), (5e8, (499999999.5, 5e8))):
            shown = list(text._series({"label": "availability", "period": 60, "threshold": threshold, "points": points(values)}))
            self.assertIn(f"threshold {threshold:.15g};", shown[0])
            self.assertEqual([f"{value:.15g}" for value in values], [line.split()[-1] for line in shown[1:]])

    def test_the_beginning_of_a_rise_is_visible(self) -> None:
        shown = list(text._series({"label": "age", "period": 60, "points": points([3.0, 4.0] * 60 + [10.0 * i for i in range(1, 61)])}))
        self.assertLess(len(shown), 35)
        joined = "\n".join(shown)
        self.assertIn("2026-08-04T09:37:00Z to 2026-08-04T11:26:00Z: 3 to 4\n2026-08-04T11:27:00Z to 2026-08-04T11:37:00Z: 3 to 10", joined)
        self.assertEqual("2026-08-04T12:22:00Z 460", shown[-15])  # the newest values are shown one by one
        self.assertEqual("2026-08-04T12:36:00Z 600", shown[-1])

    def test_numbers_are_no_powers_of_ten(self) -> None:
        for value, want in ((1666.7, "1667"), (1234567.0, "1234567"), (12.345, "12.35"), (0.25, "0.25"), (0.0, "0"), (0.00001, "0.00001"), (1e12, "1000000000000"),
                            (-2500.0, "-2500"), (999.99, "1000"), (5.0, "5")):
            self.assertEqual(want, figure(value))
