"""Tests of the conversion of results to JSON."""

import datetime
import decimal
import json
import unittest
from signal import SIGTERM

from alarmtriage_tool import values


def round_trip(value: object) -> object:
    return json.loads(values.to_json(value))


class Values(unittest.TestCase):
    def test_plain_values_are_kept(self) -> None:
        for value in (None, True, 0, -1, 1.5, "x", [], {}, {"a": [1, {"b": None}]}):
            self.assertEqual(round_trip(value), value)

    def test_values_outside_json_are_converted(self) -> None:
        too_long = "<int: its repr failed with ValueError>"
        cases = [
            (datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc), "2024-01-02T00:00:00+00:00"),
            (datetime.date(2024, 1, 2), "2024-01-02"),
            (decimal.Decimal("1.10"), "1.10"),
            ({3, 1, 2}, [1, 2, 3]),
            ((1, 2), [1, 2]),
            (b"text", "text"),
            (b"\xff\x00", "base64:/wA="),
            (float("nan"), "nan"),
            (10**30, str(10**30)),
            ({1: "a", (1, 2): "b", None: "c"}, {"1": "a", "(1, 2)": "b", "null": "c"}),
            ({10**30: "a", True: "b", SIGTERM: "c"}, {str(10**30): "a", "true": "b", "15": "c"}),
            ({10**5000: 10**5000}, {too_long: too_long}),
        ]
        for value, want in cases:
            with self.subTest(want=want):
                self.assertEqual(round_trip(value), want)

    def test_a_value_that_contains_itself_ends(self) -> None:
        loop: list = [1]
        loop.append(loop)
        self.assertEqual(round_trip(loop), [1, "… truncated: contains itself"])

    def test_the_same_value_twice_is_not_a_loop(self) -> None:
        shared = [1]
        self.assertEqual(round_trip([shared, shared]), [[1], [1]])

    def test_depth_and_number_are_bounded(self) -> None:
        deep: list = []
        for _ in range(100):
            deep = [deep]
        self.assertIn("nested too deeply", values.to_json(deep))
        self.assertIn("too many values", values.to_json([0] * (values.MAX_ITEMS + 10)))

    def test_one_text_replaces_the_values_beyond_the_limit(self) -> None:
        rows = [{"id": i, "tags": ["a", "b"]} for i in range(values.MAX_ITEMS)]
        for value in (range(10**12), list(range(values.MAX_ITEMS * 2)), {i: i for i in range(values.MAX_ITEMS * 2)}, [rows, rows]):
            with self.subTest(type(value).__name__):
                self.assertEqual(1, values.to_json(value).count("… truncated: too many values"))

    def test_a_hostile_repr_is_contained(self) -> None:
        class Hostile:
            def __repr__(self) -> str:
                raise RuntimeError("no")

        class Long:
            def __repr__(self) -> str:
                return "x" * 100_000

        self.assertEqual(round_trip(Hostile()), "<Hostile: its repr failed with RuntimeError>")
        self.assertLess(len(values.to_json(Long())), 3_000)

    def test_subclasses_cannot_change_the_text(self) -> None:
        class Text(str):
            def __str__(self) -> str:
                return "changed"

        self.assertEqual(round_trip(Text("original")), "original")


if __name__ == "__main__":
    unittest.main()
