"""Queries and filter patterns as CloudWatch Logs documents them."""

import json
import unittest
from typing import Any, List

import insights

START = 1_780_000_000_000


def events(*messages: str) -> List[insights.Event]:
    return [{"@timestamp": START + 60_000 * n, "@message": m, "@logStream": "s", "@log": "g", "@ptr": str(n)} for n, m in enumerate(messages)]


LINES = events(
    "START RequestId: 8d0f0001-aaaa-bbbb-cccc-000000000001 Version: $LATEST",
    json.dumps({"level": "ERROR", "ms": 120, "user": {"id": 7}, "msg": "pool exhausted | waiting"}),
    json.dumps({"level": "INFO", "ms": 20, "user": {"id": 8}, "msg": "ok"}),
    json.dumps({"level": "ERROR", "ms": 300, "user": {"id": 7}, "msg": "pool exhausted | waiting"}),
    "[ERROR] 2026-11-25T12:00:00Z user=bob latency=41 path=/a/b",
    "REPORT RequestId: 8d0f0001-aaaa-bbbb-cccc-000000000001\tDuration: 3000.12 ms\tBilled Duration: 3001 ms\tMemory Size: 128 MB\tMax Memory Used: 127 MB\t",
)


class Queries(unittest.TestCase):
    def rows(self, query: str) -> List[Any]:
        return [dict(row) for row in insights.Query(query).run(LINES)]

    def test_the_newest_lines_come_first_and_carry_a_pointer(self) -> None:
        rows = self.rows("fields @timestamp, @message | limit 1")
        self.assertEqual(rows[0]["@ptr"], "5")
        self.assertRegex(rows[0]["@timestamp"], r"^2026-05-28 \d\d:\d\d:\d\d\.000$")

    def test_filters(self) -> None:
        for query, count in {
            "filter @message like /ERROR/": 3, "filter @message like 'pool exhausted | waiting'": 2, "filter level = 'ERROR' and ms > 200": 1,
            "filter level in ['INFO', 'WARN']": 1, "filter @message not like /(?i)error/": 3, "filter user.id = 7": 2, "filter ispresent(level)": 3,
            "filter @type = 'REPORT' and @duration >= 3000": 1, "filter not (level = 'ERROR')": 4, "filter strcontains(@message, 'bob')": 1,
            "filter @message =~ /path=\\/a\\/b/": 1, "filter level != 'ERROR'": 1, "filter @memorySize / 1000000 = 128": 1,
        }.items():
            with self.subTest(query):
                self.assertEqual(len(self.rows(query + " | limit 100")), count)

    def test_statistics(self) -> None:
        self.assertEqual(self.rows("filter ispresent(ms) | stats max(ms), pct(ms, 50)"), [{"max(ms)": "300", "pct(ms, 50)": "120"}])
        row = self.rows("filter level = 'ERROR' | stats count(*) as n, avg(ms) as mean by user.id")[0]
        self.assertEqual(row, {"user.id": "7", "n": "2", "mean": "210"})
        bins = self.rows("stats count(*) as n by bin(2m) as t | sort t asc")
        self.assertEqual([b["n"] for b in bins], ["1", "2", "2", "1"] if START // 60_000 % 2 else ["2", "2", "2"])
        self.assertEqual(self.rows("filter level = 'NONE' | stats count(*) as n")[0]["n"], "0")

    def test_parses(self) -> None:
        row = self.rows("parse @message 'user=* latency=* path=*' as who, ms2, path | filter ispresent(who) | display who, ms2, path")[0]
        self.assertEqual((row["who"], row["ms2"], row["path"]), ("bob", "41", "/a/b"))
        row = self.rows("fields @message | parse @message /latency=(?<l>\\d+)/ | filter l > 40 | stats sum(l) as total")[0]
        self.assertEqual(row["total"], "41")

    def test_sorts_and_dedups(self) -> None:
        self.assertEqual([r["ms"] for r in self.rows("fields ms | filter ispresent(ms) | sort ms desc")], ["300", "120", "20"])
        self.assertEqual(len(self.rows("fields level | filter ispresent(level) | dedup level")), 2)

    def test_refuses_what_is_malformed(self) -> None:
        for query in ("", "files @message", "filter level ==", "stats count(", "fields x | limit many", "filter a like", "filter (a = 1", "stats nosuch(ms)",
                      "filter a like /(/", "fields nosuch(a)", "parse @message 'a *' as x, y"):
            with self.subTest(query), self.assertRaises(insights.Malformed):
                insights.Query(query).run(LINES)


class Patterns(unittest.TestCase):
    def test_patterns(self) -> None:
        line = '{"level": "ERROR", "ms": 300, "ok": false, "user": {"name": "bob"}}'
        for pattern, text, fits in (
            ("ERROR", "[ERROR] x", True), ("error", "[ERROR] x", False), ("ERROR timeout", "ERROR: no timeout", True), ('"no timeout"', "ERROR: no timeout", True),
            ("?ERROR ?WARN", "WARN: slow", True), ("?ERROR ?WARN", "INFO", False), ("ERROR -retry", "ERROR retry", False), ("%ERR[A-Z]+%", "x ERROR", True),
            ('{ $.level = "ERROR" }', line, True), ("{ $.ms > 200 && $.ok IS FALSE }", line, True), ('{ $.user.name = "al*" || $.ms < 5 }', line, False),
            ('{ $.level = "ERROR" }', "no JSON", False), ("{ $.nosuch NOT EXISTS }", line, True), ("", "anything", True),
        ):
            with self.subTest(pattern=pattern, text=text):
                self.assertEqual(insights.pattern_matches(pattern, text), fits)


if __name__ == "__main__":
    unittest.main()
