"""The tests of a row as programs that fail where the completion's program is wrong.

Suites that only define (functions of pytest, classes of unittest, HumanEval's `check`) are called; what checks nothing is
refused, for every program would pass it.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from droid_tune.rewards.base import RewardError

_FENCED = re.compile(r"\s*```(?:python|py)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL | re.IGNORECASE)
#: what suites call the module that they test: its names stand beside them here
_PROGRAM = ("solution", "submission", "completion", "program")
_LONGEST_SHOWN = 60


def row_tests(row: Mapping[str, Any], field: str) -> list[str] | None:
    """The row's tests as programs, None where it has none.

    A list (or its text, as JSON or Python writes it) holds one test each, or what the next ones need. A text is cut at its
    top-level asserts, each a test together with the statements before it; its functions named `test...` and the methods of
    its unittest classes are a test each, and a `check` (HumanEval) is called with the row's `entry_point`.
    Raises RewardError for anything else, and where something checks nothing.
    """
    given = row.get(field)
    given = listed_in(given) if isinstance(given, str) else given
    if given is None or given == "" or given == []:
        return None
    entry = row.get("entry_point")
    if isinstance(given, str):
        tests = programs(given, f"the row's `{field}`", entry)
    elif isinstance(given, Sequence) and all(isinstance(one, str) for one in cast("Sequence[Any]", given)):
        tests = _one_each(cast("Sequence[str]", given), field, entry)
    else:
        kind = type(cast("object", given)).__name__
        raise RewardError(f"the row's `{field}` is {kind}, not a list of asserts or a program")
    if not tests:
        raise RewardError(f"the row's `{field}` checks nothing, every program would pass it; write asserts")
    return tests


def _one_each(sources: Sequence[str], field: str, entry: object) -> list[str]:
    tests: list[str] = []
    needed = ""
    for number, source in enumerate(sources, start=1):
        found = programs(source, f"test {number} of the row's `{field}`", entry)
        tests += ["\n".join([needed, *found]).lstrip()] if found else []
        needed = "" if found else f"{needed}{source}\n"
    return tests


def listed_in(text: str) -> object:
    """The list that a text holds, as JSON or Python writes it, or the text itself."""
    for read in (json.loads, ast.literal_eval) if text.lstrip().startswith("[") else ():
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def parsed(source: str, what: str) -> ast.Module:
    """The source's tree. Raises RewardError, which names `what`."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise RewardError(f"{what} is not Python: {error}") from None


def programs(source: str, place: str, entry_point: object) -> list[str]:
    """One text of tests cut into programs that check something each; empty where nothing is checked.

    Raises RewardError for what is no Python, for a comparison without `assert`, and a `check` without `entry_point`.
    """
    fenced = _FENCED.fullmatch(source)
    body = [part for one in parsed(fenced[1] if fenced else source, place).body for part in _beside(one)]
    calls = list(_suite_calls(body, place, entry_point))
    found: list[str] = []
    pending: list[str] = []
    checking = False
    for statement in body:
        pending.append(ast.unparse(statement))
        checking = _checks(statement, place) or checking
        if isinstance(statement, ast.Assert):
            found.append("\n".join(pending))
            pending, checking = [], False
    if calls:
        found += ["\n".join([*pending, calls[0]]), *calls[1:]]
    elif checking:
        found.append("\n".join(pending))
    return found


def _suite_calls(body: Sequence[ast.stmt], place: str, entry_point: object) -> Iterator[str]:
    """What runs that is only defined."""
    called = {name for one in body for name in _names_called(one)}
    for one in body:
        if isinstance(one, ast.ClassDef) and any(
            ast.unparse(base).endswith("TestCase") for base in one.bases
        ):
            for name in _methods(one):
                yield f"import unittest\nunittest.TestSuite([{one.name}({name!r})]).debug()"
        elif isinstance(one, ast.FunctionDef) and one.name not in called:
            if one.name == "check" and one.args.args:
                yield f"check({_entry(entry_point, place)})"
            elif one.name.startswith("test") and not one.args.args:
                yield f"{one.name}()"


def _methods(one: ast.ClassDef) -> list[str]:
    return [
        part.name for part in one.body if isinstance(part, ast.FunctionDef) and part.name.startswith("test")
    ]


def _entry(entry_point: object, place: str) -> str:
    if not isinstance(entry_point, str) or not entry_point:
        raise RewardError(f"{place} defines `check`, and the row has no `entry_point` to call it with")
    return entry_point


def _checks(statement: ast.stmt, place: str) -> bool:
    """Whether a statement that runs fails where something is wrong: it asserts, raises, or calls what may.

    Raises RewardError for a comparison whose result nothing reads.
    """
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    said = [one.value for one in ast.walk(statement) if isinstance(one, ast.Expr)]
    idle = next((one for one in said if isinstance(one, ast.Compare | ast.BoolOp)), None)
    if idle is not None:
        shown = ast.unparse(idle)[:_LONGEST_SHOWN]
        raise RewardError(f"{place} compares without checking: write `assert` before `{shown}`")
    if any(isinstance(one, ast.Assert | ast.Raise) for one in ast.walk(statement)):
        return True
    return any(isinstance(one, ast.Call) and not _is_builtin(one.func) for one in said)


def _is_builtin(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and hasattr(builtins, function.id)


def _names_called(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _beside(statement: ast.stmt) -> list[ast.stmt]:
    """`from solution import add as plus` as `plus = add`: the program's names stand beside the tests."""
    if not isinstance(statement, ast.ImportFrom) or statement.module not in _PROGRAM:
        return [statement]
    renamed = [one for one in statement.names if one.asname not in (None, one.name)]
    return [part for one in renamed for part in ast.parse(f"{one.asname} = {one.name}").body]


def names_wanted(tests: Sequence[str]) -> frozenset[str]:
    """What tests use and neither make themselves nor find in Python."""
    nodes = [node for test in tests for node in ast.walk(ast.parse(test))]
    made = {name for node in nodes for name in _names_made(node)}
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return frozenset(name for name in used - made if not hasattr(builtins, name))


def _names_made(node: ast.AST) -> Iterator[str]:
    """What a part of a test gives a meaning: values, functions, classes, arguments, imports."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=known):
            yield known or name.partition(".")[0]
        case _:
            return


def names_withheld(tests: Sequence[str]) -> frozenset[str]:
    """Python's own names that a program may not give another meaning in the tests: all, where these want another of its names.

    Tests that want no other ask for such a one: `assert sum(10, 15) == 6`.
    """
    return frozenset(dir(builtins)) if names_wanted(tests) else frozenset()
