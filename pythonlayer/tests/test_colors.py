"""Log lines with colors, which programs write although nobody looks at a terminal."""

import json
import unittest
from typing import Any, Dict, List

from alarmtriage_tool import logs, values


class _Logs:
    """A client of CloudWatch Logs that returns these lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def filter_log_events(self, **_: Any) -> Dict[str, Any]:
        return {"events": [{"message": line, "timestamp": 1768446720000 + i} for i, line in enumerate(self._lines)]}


def _patterns(*lines: str) -> List[Dict[str, Any]]:
    return logs.log_patterns("orders", 1768446000, 1768447000, client=_Logs(*lines))["patterns"]


class Colors(unittest.TestCase):
    def test_pattern_and_example_have_no_colors(self) -> None:
        found = _patterns("\x1b[31mERROR\x1b[0m connect \x1b[36mpassword\x1b[0m=hunter2", "\x1b[1;31mERROR\x1b[0m connect \x1b[36mpassword\x1b[0m=hunter2")
        self.assertEqual([("ERROR connect password=hunter2", "ERROR connect password=hunter2", 2)],
                         [(one["pattern"], one["example"], one["count"]) for one in found])

    def test_color_does_not_hide_the_word_of_an_error(self) -> None:
        for line in ("\x1b[31mFATAL\x1b[0m it broke", "\x1b[31mERRO\x1b[0m[0012] it broke", "\x1b[91mfailed\x1b[39m"):
            self.assertEqual(1, len(_patterns(line)), line)
        self.assertEqual([], _patterns("\x1b[32mINFO\x1b[0m all good"))

    def test_colors_in_json(self) -> None:
        line = json.dumps({"log": "\x1b[31mERROR\x1b[0m connect \x1b[36mpassword\x1b[0m=hunter2", "stream": "stdout"})
        self.assertEqual(["ERROR connect password=hunter2"], [one["pattern"] for one in _patterns(line)])
        self.assertEqual(["FATAL it broke"], [one["pattern"] for one in _patterns(json.dumps({"log": "\x1b[31mFATAL\x1b[0m it broke"}))])

    def test_warnings_too(self) -> None:
        found = logs.warning_patterns("orders", 1768446000, 1768447000, _Logs("\x1b[33mWARN\x1b[0m[0012] it is slow"))
        self.assertEqual(["WARN[<n>] it is slow"], [one["pattern"] for one in found["patterns"]])


class Repr(unittest.TestCase):
    def test_long_repr_ends_before_a_word(self) -> None:
        class Line:
            def __repr__(self) -> str:
                return "word " * 397 + "postgres://app:correcthorsebattery@db " + "word " * 50

        text = values.shown(Line())
        self.assertNotIn("postgres", text)
        self.assertIn("characters in total", text)


if __name__ == "__main__":
    unittest.main()
