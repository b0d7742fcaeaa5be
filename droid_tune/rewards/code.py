"""The share of the row's tests that the completion's Python passes, each completion in a fresh, limited child process."""

from __future__ import annotations

import ast
import os
import re
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from droid_tune import words
from droid_tune.config.rewards import CodeReward
from droid_tune.control import UNWATCHED, Allowance, Watch
from droid_tune.errors import UserError
from droid_tune.rewards.base import Failed, Graded, Outcome, Reward, RewardError, Sample
from droid_tune.rewards.children.process import Child, ChildError
from droid_tune.rewards.children.sandbox import Rules, offers
from droid_tune.rewards.row_tests import names_wanted, names_withheld, row_tests

#: every fenced block, whatever its language: the end of one must not be taken for the beginning of the next
_BLOCK = re.compile(r"^[ \t]*(`{3,}|~{3,})([^\n`]*)\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
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
        program = code_of(sample.spoken or "", names_wanted(tests))
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
    begin = {"program": program, "withheld": sorted(names_withheld(tests)), "seed": seed}
    passed = 0
    try:
        if not child.ask(begin, allowance)["passed"]:
            return 0.0
        for test in tests:
            passed += bool(child.ask({"test": test, "seed": seed}, allowance)["passed"])
    except ChildError:
        pass
    return passed / len(tests)


def code_of(spoken: str, wanted: frozenset[str] = frozenset()) -> str | None:
    """The last closed ```python block of what was said after the thoughts that defines a name which is wanted, else the last:
    behind a solution often stands how to use it, and what that prints.
    """
    blocks: list[tuple[str, str, str]] = _BLOCK.findall(spoken.replace("\r\n", "\n"))
    found = [textwrap.dedent(program) for _, language, program in blocks if _is_python(language)]
    defining = [program for program in found if wanted & names_defined(program)]
    return (defining or found or [None])[-1]


def _is_python(language: str) -> bool:
    """`python`, and `python title=a.py` too."""
    return language.lower().strip(" {").partition(" ")[0].strip("}.") in _PYTHON


def names_defined(program: str) -> frozenset[str]:
    """The functions, classes and values that a program defines at its top; none where it is no Python."""
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError):
        return frozenset()
    made = [
        node.id
        for one in body
        if isinstance(one, ast.Assign)
        for node in one.targets
        if isinstance(node, ast.Name)
    ]
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset([*made, *(one.name for one in body if isinstance(one, definitions))])


def caution() -> str:
    """Said before the run starts."""
    said = "Code that the model writes will run on this computer, with limited time and memory"
    return f"{said}. {offers().sentence()}"
