"""Compiles the text that a model sent: fences, imports, `datetime`, the last expression.

Line numbers stay those of the model's text, because tracebacks show them.
"""

import ast
import re
import textwrap
from types import CodeType
from typing import List, NamedTuple, Optional, Tuple

from . import modules

FILENAME = "<tool>"

# A fence that nothing closes ends with the text. Some models close it behind the last line of the code.
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\1\s*\Z|\Z)", re.M | re.S)
_PYTHON = frozenset(("", "python", "python3", "py", "py3", "ipython", "ipython3", "tool_code"))
_MISSING = "__alarmtriage_missing__"
_HYBRID = "__alarmtriage_datetime__"


class Prepared(NamedTuple):
    """Compiled code. `last` is the last statement if it is an expression; its value is the result."""

    text: str
    body: CodeType
    last: Optional[CodeType]
    real_datetime: bool
    notes: List[str]


class EmptyCode(Exception):
    """The command contains no code."""


def prepare(command: str) -> Prepared:
    """Compiles a command. Raises SyntaxError as Python does, or EmptyCode."""
    notes: List[str] = []
    text, tree = _parse(command.replace("\r\n", "\n"), notes)
    if not tree.body:
        raise EmptyCode(
            "the command contains no Python code; send the code in \"command\" and print or assign to `result`"
        )
    real = _wants_real_datetime(tree)
    imports = _Imports(real)
    tree = ast.fix_missing_locations(imports.visit(tree))
    notes.extend(imports.notes())
    last = None
    if isinstance(tree.body[-1], ast.Expr):
        expression = tree.body.pop()
        last = compile(ast.Expression(expression.value), FILENAME, "eval", dont_inherit=True, flags=_future(tree))
    body = compile(tree, FILENAME, "exec", dont_inherit=True)
    return Prepared(text, body, last, real, notes)


def _parse(text: str, notes: List[str]) -> Tuple[str, ast.Module]:
    """Parses the text, or else a repaired version of it. If none parses, raises the error of the text itself."""
    try:
        return text, ast.parse(text, FILENAME)
    except SyntaxError as error:
        first = error
    for candidate, note in _candidates(text):
        try:
            tree = ast.parse(candidate, FILENAME)
        except SyntaxError:
            continue
        notes.append(note)
        return candidate, tree
    fenced = _unfenced(text)
    if fenced is not None:
        ast.parse(fenced, FILENAME)  # raises: the error inside the fence is more precise
    raise first


def _candidates(text: str) -> List[Tuple[str, str]]:
    """Returns repaired versions of a text that does not parse, each with the note for the model."""
    found = []
    fenced = _unfenced(text)
    if fenced is not None:
        found.append((fenced, "the Markdown fence around the code was removed"))
        found.append((textwrap.dedent(fenced), "the Markdown fence and the indentation around the code were removed"))
    found.append((textwrap.dedent(text), "the indentation of the whole code was removed"))
    return found


def _unfenced(text: str) -> Optional[str]:
    """Returns the Python in the text's Markdown fences, or None if there is none. All other lines are blank in it."""
    blocks = [m for m in _FENCE.finditer(text) if m.group(2).lower() in _PYTHON]
    lines, done = "", 0
    for block in blocks:
        lines += "\n" * text.count("\n", done, block.start(3)) + block.group(3)
        done = block.end(3)
    return lines if blocks else None


def _future(tree: ast.Module) -> int:
    """Returns the compiler flags of the `from __future__` imports, which the last expression needs too."""
    import __future__

    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                feature = getattr(__future__, alias.name, None)
                flags |= feature.compiler_flag if feature else 0
    return flags


def _wants_real_datetime(tree: ast.Module) -> bool:
    """Reports whether the code derives from the name `datetime` or compares it by identity."""
    names = {"datetime"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "datetime":
            names.update(a.asname for a in node.names if a.name == "datetime" and a.asname)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(_is_name(base, names) for base in node.bases):
            return True
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            if any(_is_name(side, names) for side in [node.left, *node.comparators]):
                return True
    return False


def _is_name(node: ast.AST, names: "set[str]") -> bool:
    return isinstance(node, ast.Name) and node.id in names


class _Imports(ast.NodeTransformer):
    """Rewrites imports: `datetime` becomes the hybrid, missing modules become placeholders."""

    def __init__(self, real_datetime: bool) -> None:
        self._real_datetime = real_datetime
        self._guarded = 0
        self._missing: List[str] = []

    def notes(self) -> List[str]:
        return ["not installed: " + ", ".join(dict.fromkeys(self._missing))] if self._missing else []

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """In a `try`, the import of a missing module must fail as usual, because the code handles it."""
        self._guarded += 1
        node.body = [self.visit(child) for child in node.body]
        self._guarded -= 1
        for field in ("handlers", "orelse", "finalbody"):
            setattr(node, field, [self.visit(child) for child in getattr(node, field)])
        node.body, node.orelse, node.finalbody = _flat(node.body), _flat(node.orelse), _flat(node.finalbody)
        return node

    visit_TryStar = visit_Try

    def visit_Import(self, node: ast.Import) -> object:
        return [self._one(node, alias) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> object:
        if node.module == "__future__":
            return node
        if node.module and not node.level and self._is_missing(node.module):
            if node.names[0].name == "*":  # a module that the code has written by then is imported
                return [_call(node, _MISSING, node.module, "", "*"), node]
            return [_assign(node, a.asname or a.name, _MISSING, node.module, "", a.name) for a in node.names]
        if node.module == "datetime" and not self._real_datetime:
            return self._from_datetime(node)
        return node

    def _one(self, node: ast.Import, alias: ast.alias) -> ast.stmt:
        top = alias.name.partition(".")[0]
        if self._is_missing(alias.name):
            return _assign(node, alias.asname or top, _MISSING, alias.name, alias.asname or "")
        if alias.name == "datetime":
            return _assign(node, alias.asname or "datetime", _HYBRID, "module" if self._real_datetime else "hybrid")
        return ast.copy_location(ast.Import([alias]), node)

    def _from_datetime(self, node: ast.ImportFrom) -> List[ast.stmt]:
        made: List[ast.stmt] = []
        for alias in node.names:
            if alias.name == "datetime":
                made.append(_assign(node, alias.asname or "datetime", _HYBRID, "hybrid"))
                continue
            made.append(ast.copy_location(ast.ImportFrom("datetime", [alias], 0), node))
            if alias.name == "*":
                made.append(_assign(node, "datetime", _HYBRID, "hybrid"))
        return made

    def _is_missing(self, name: str) -> bool:
        if self._guarded or modules.installed(name):
            return False
        self._missing.append(name.partition(".")[0])
        return True


def _flat(nodes: List[object]) -> List[ast.stmt]:
    flat: List[ast.stmt] = []
    for node in nodes:
        flat.extend(node if isinstance(node, list) else [node])  # type: ignore[list-item]
    return flat


def _assign(where: ast.stmt, name: str, function: str, *arguments: str) -> ast.stmt:
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], _call(where, function, *arguments).value), where)


def _call(where: ast.stmt, function: str, *arguments: str) -> ast.Expr:
    return ast.copy_location(ast.Expr(ast.Call(ast.Name(function, ast.Load()), [ast.Constant(a) for a in arguments], [])), where)


HELPERS = (_MISSING, _HYBRID)
"""Names of the two functions that compiled code calls; the runner binds them."""
