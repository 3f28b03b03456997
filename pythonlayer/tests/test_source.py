"""Tests of how a model's text is compiled."""

import sys
import tempfile
import unittest
from unittest import mock

from alarmtriage_tool import dates, modules, source


def run(text: str) -> dict:
    """Runs prepared code the way the runner does and returns its names; the last value is `_`."""
    prepared = source.prepare(text)
    missing, hybrid = source.HELPERS
    names = {
        missing: modules.import_late,
        hybrid: {"hybrid": dates.Datetime, "module": dates.RealModule}.__getitem__,
        "datetime": dates.RealDatetime if prepared.real_datetime else dates.Datetime,
    }
    exec(prepared.body, names)
    names["_"] = eval(prepared.last, names) if prepared.last else None
    return names


class Fences(unittest.TestCase):
    def test_code_that_parses_is_unchanged(self) -> None:
        text = 's = """```python\nx = 1\n```"""'
        prepared = source.prepare(text)
        self.assertEqual(prepared.text, text)
        self.assertEqual(prepared.notes, [])

    def test_several_fences_become_one_program(self) -> None:
        names = run("First\n```python\nx = 1\n```\nthen\n```python\ny = x + 1\n```\n")
        self.assertEqual(names["y"], 2)

    def test_a_fence_that_is_never_closed_is_removed(self) -> None:
        self.assertEqual(run("```python\nx = 3\n")["x"], 3)

    def test_fences_of_other_languages_are_not_run(self) -> None:
        with self.assertRaises(SyntaxError):
            source.prepare("```bash\nrm -rf /\n```")

    def test_an_indented_fence_is_dedented(self) -> None:
        self.assertEqual(run("  ```python\n  x = 4\n  ```")["x"], 4)

    def test_an_error_inside_a_fence_is_reported_for_the_code(self) -> None:
        with self.assertRaises(SyntaxError) as raised:
            source.prepare("```python\nx = = 1\n```")
        self.assertIn("x = = 1", raised.exception.text or "")


class LastExpression(unittest.TestCase):
    def test_its_value_is_kept(self) -> None:
        self.assertEqual(run("x = 2\nx * 3")["_"], 6)

    def test_a_program_without_one_has_no_value(self) -> None:
        self.assertIsNone(source.prepare("x = 2").last)

    def test_it_shares_the_future_imports(self) -> None:
        self.assertEqual(run("from __future__ import annotations\n1 + 1")["_"], 2)


class Imports(unittest.TestCase):
    def test_only_missing_modules_are_reported(self) -> None:
        notes = source.prepare("import json as j\nfrom math import pi\nimport not_there").notes
        self.assertEqual(["not installed: not_there"], notes)

    def test_a_missing_module_fails_when_used_and_lists_alternatives(self) -> None:
        names = run("import not_there.sub as n\nfrom not_there import thing")
        for use in (lambda: names["n"].attribute, lambda: names["thing"](), lambda: names["thing"][0]):
            with self.assertRaisesRegex(ModuleNotFoundError, "not installed.*Available.*boto3"):
                use()

    def test_all_names_of_a_missing_module_cannot_be_imported(self) -> None:
        with self.assertRaisesRegex(ModuleNotFoundError, "not installed.*Available.*boto3"):
            run("from not_there import *")
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(sys, "path", [directory, *sys.path]):
            text = f"from pathlib import Path\nPath({directory!r}, 'written_now.py').write_text('x = 1')\nfrom written_now import *\nx"
            self.assertEqual(1, run(text)["_"])

    def test_a_missing_module_fails_immediately_in_a_try(self) -> None:
        self.assertTrue(run("try:\n    import not_there\nexcept ImportError:\n    caught = True")["caught"])

    def test_a_try_can_fall_back(self) -> None:
        names = run("try:\n    import not_there as j\nexcept ImportError:\n    import json as j\nx = j.loads('1')")
        self.assertEqual(names["x"], 1)

    def test_dotted_imports_bind_the_first_name(self) -> None:
        self.assertEqual(run("import os.path\nx = os.path.basename('/a/b')")["x"], "b")


class Datetime(unittest.TestCase):
    def test_the_hybrid_creates_real_values(self) -> None:
        value = dates.Datetime(2024, 1, 2)
        self.assertIs(type(value), dates.RealDatetime)
        self.assertIs(type(dates.Datetime.now()), dates.RealDatetime)
        self.assertEqual(dates.Datetime.datetime(2024, 1, 2), value)

    def test_the_hybrid_passes_for_the_class(self) -> None:
        value = dates.RealDatetime.now()
        self.assertIsInstance(value, dates.Datetime)
        self.assertNotIsInstance(1, dates.Datetime)
        self.assertTrue(issubclass(dates.RealDatetime, dates.Datetime))
        self.assertEqual(dates.Datetime, dates.RealDatetime)
        self.assertEqual({dates.Datetime: 1}[dates.RealDatetime], 1)
        self.assertIsInstance(None, type(None))

    def test_the_hybrid_works_in_a_match(self) -> None:
        names = run("import datetime as dt\nmatch dt.datetime(2024, 1, 1):\n    case datetime(): hit = True\n    case _: hit = False")
        self.assertTrue(names["hit"])

    def test_star_import_supports_both_spellings(self) -> None:
        names = run("from datetime import *\nx = datetime.datetime(2024, 1, 1).year + datetime(1, 1, 1).year + timedelta(1).days")
        self.assertEqual(names["x"], 2026)

    def test_the_real_class_is_bound_for_subclasses_and_identity(self) -> None:
        self.assertTrue(source.prepare("from datetime import datetime as D\nclass X(D): pass").real_datetime)
        self.assertTrue(source.prepare("type(x) is datetime").real_datetime)
        self.assertFalse(source.prepare("class X(datetime.datetime): pass").real_datetime)


class EmptyCommand(unittest.TestCase):
    def test_it_is_explained(self) -> None:
        for text in ("", "\n\n", "# comment", "```python\n```"):
            with self.assertRaisesRegex(source.EmptyCode, "no Python code"):
                source.prepare(text)


if __name__ == "__main__":
    unittest.main()
