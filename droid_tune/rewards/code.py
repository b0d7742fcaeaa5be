"""The share of the row's tests that the completion's Python passes, each completion in a fresh, limited child process."""

from __future__ import annotations

import ast
import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from droid_tune import words
from droid_tune.config.rewards import CodeReward
from droid_tune.control import UNWATCHED, Allowance, Watch
from droid_tune.errors import UserError
from droid_tune.rewards.base import Failed, Graded, Outcome, Reward, RewardError, Sample
from droid_tune.rewards.process import Child, ChildError
from droid_tune.rewards.sandbox import Rules, offers

#: every fenced block, whatever its language: the end of one must not be taken for the beginning of the next
_BLOCK = re.compile(r"^[ \t]*```([^\n`]*)\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_PYTHON = ("", "python", "python3", "py")
_AT_ONCE = 4


class Code(Reward):
    """0 for a completion without code. Not applicable to a row without tests. Raises UserError unless code may run."""

    def __init__(self, config: CodeReward, watch: Watch = UNWATCHED) -> None:
        if not config.allow_running_code:
            raise UserError(
                "The reward `code` runs Python that a model wrote on this computer, and it is switched off",
                place="rewards",
                remedy="set `allow_running_code` to true if you accept that",
            )
        self._config = config
        self._watch = watch
        self.needs = (config.tests_field,)
        self.caution = caution()

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as threads:
            return list(threads.map(self._outcome, samples))

    def _outcome(self, sample: Sample) -> Outcome:
        self._watch.pause_point()
        try:
            tests = row_tests(sample.row, self._config.tests_field)
        except RewardError as error:
            return error.failed
        if tests is None:
            return None
        program = code_of(sample.spoken or "")
        if program is None:
            return Graded(0.0, why="no closed block of Python")
        child = Child(
            "droid_tune.rewards.workers.code_worker",
            memory_mb=self._config.memory_mb,
            setup={"test": "", "seed": sample.seed},
            rules=Rules(),
            watch=self._watch,
        )
        try:
            child.start()
            share = share_passed(child, program, tests, self._config.timeout_seconds, sample.seed)
            return Graded(
                share, why=f"{round(share * len(tests))} of {words.count(len(tests), 'test')} passed"
            )
        except ChildError as error:
            return Failed(f"the child process for the completion's code {error}")
        finally:
            child.close()


def share_passed(child: Child, program: str, tests: Sequence[str], seconds: float, seed: int = 0) -> float:
    """The program and all tests share `seconds`; what the program breaks (by an exit, a hang) counts as not passed."""
    allowance = Allowance(seconds)
    passed = 0
    try:
        if not child.ask({"program": program, "seed": seed}, allowance)["passed"]:
            return 0.0
        for test in tests:
            passed += bool(child.ask({"test": test, "seed": seed}, allowance)["passed"])
    except ChildError:
        pass
    return passed / len(tests)


def code_of(spoken: str) -> str | None:
    """The last closed ```python block of what was said after the thoughts."""
    blocks: list[tuple[str, str]] = _BLOCK.findall(spoken)
    programs = [program for language, program in blocks if language.strip().lower() in _PYTHON]
    return textwrap.dedent(programs[-1]) if programs else None


def row_tests(row: Mapping[str, Any], field: str) -> list[str] | None:
    """The row's tests as programs, None where it has none.

    A list (or its JSON) holds one test each. A text is cut at its top-level asserts, each a test together with the
    statements before it; a text that only defines `check` (HumanEval) is called with the row's `entry_point`.
    Raises RewardError for anything else.
    """
    given = row.get(field)
    if given is None or given == "" or given == []:
        return None
    if isinstance(given, str) and given.lstrip().startswith("["):
        given = parsed_list(given)
    if isinstance(given, str):
        return cut_at_asserts(given, row, field)
    if isinstance(given, Sequence) and all(isinstance(one, str) for one in given):  # pyright: ignore[reportUnknownVariableType]
        return checked_syntax(given, field)  # pyright: ignore[reportUnknownArgumentType]
    raise RewardError(f"the row's `{field}` is {type(given).__name__}, not a list of asserts or a program")  # pyright: ignore[reportUnknownArgumentType]


def parsed_list(text: str) -> object:
    """The JSON in a text, or the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def checked_syntax(tests: Iterable[str], field: str) -> list[str]:
    """Raises RewardError where a test is no Python: that is the data's fault, not the completion's."""
    tests = list(tests)
    for number, test in enumerate(tests, start=1):
        parsed(test, f"test {number} of the row's `{field}`")
    return tests


def cut_at_asserts(text: str, row: Mapping[str, Any], field: str) -> list[str]:
    """Source cut behind each assert, so that each test counts; whole where there is none.

    HumanEval's `check` is called with the row's `entry_point`. Raises RewardError where it is not Python.
    """
    tests: list[str] = []
    pending: list[str] = []
    tree = parsed(text, f"the row's `{field}`")
    for statement in tree.body:
        pending.append(ast.unparse(statement))
        if isinstance(statement, ast.Assert):
            tests.append("\n".join(pending))
            pending.clear()
    if tests:
        return tests
    defines_check = any(isinstance(one, ast.FunctionDef) and one.name == "check" for one in tree.body)
    call = f"\ncheck({row['entry_point']})" if defines_check and row.get("entry_point") else ""
    return [text + call]


def parsed(source: str, what: str) -> ast.Module:
    """The source's tree. Raises RewardError, which names `what`."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise RewardError(f"{what} is not Python: {error}") from None


def caution() -> str:
    """Said before the run starts."""
    said = "Code that the model writes will run on this computer, with limited time and memory"
    return f"{said}. {offers().sentence()}"
