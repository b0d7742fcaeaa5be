"""A trial or a past run scored anew, asked of a process of ours; and a look at the text of a Python file."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from pydantic import TypeAdapter

from droid_tune.config.rewards import UserFileReward
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UserError
from droid_tune.machine.child_lines import lines_of
from droid_tune.machine.isolated import isolated_python
from droid_tune.machine.own_process import own_environment
from droid_tune.rewards.user_file import NOT_LOADED, UserFile
from droid_tune.trial_report import BenchQuestion, LookedAt, Rescored, RescoredStep, Trial

_LOOK_S = 0.05
#: seconds that the child may take to end by itself
_PATIENCE_S = 2.0
_TRIAL, _STEP, _WHOLE = TypeAdapter(Trial), TypeAdapter(RescoredStep), TypeAdapter(Rescored)
#: how a function of each form is called, in words
_FORMS = {
    "each": "is called once for each completion",
    "batch": "is called once for all completions of a step",
    "verl": "is called as verl calls `compute_score`",
}


def try_in_child(question: BenchQuestion, watch: Watch = UNWATCHED) -> Trial:
    """The rewards of the question on rows of its data. Raises UserError, and `Stopped` once the child is gone."""
    with contextlib.closing(_answers(question, watch)) as told:
        for kind, value in told:
            if kind == "trial":
                return _TRIAL.validate_python(value)
    raise _silent()


def rescore_in_child(
    question: BenchQuestion, watch: Watch = UNWATCHED, on_step: Callable[[RescoredStep], object] | None = None
) -> Rescored:
    """The question's run scored anew; `on_step` hears of each step. Raises UserError, and `Stopped` once the child is gone."""
    steps: list[RescoredStep] = []
    with contextlib.closing(_answers(replace(question, rescores=True), watch)) as told:
        for kind, value in told:
            if kind == "step":
                steps.append(_STEP.validate_python(value))
                if on_step is not None:
                    on_step(steps[-1])
            elif kind == "whole":
                return replace(_WHOLE.validate_python(value), steps=steps)
    raise _silent()


def look_at_text(path: str, text: str, function: str = "") -> LookedAt:
    """How the function of a Python file's text will be called, or what keeps it from that. The file runs in a child, as
    in training; it counts as if it lay at `path`."""
    try:
        found = UserFile(UserFileReward(path=path, function=function), Path.cwd(), text=text)
    except UserError as error:
        at = re.search(r":(\d+)$", error.place)
        line = int(at.group(1)) if at else 0
        said = re.sub(r" \([^()]*, line \d+\)$", "", error.message.removeprefix(f"{NOT_LOADED}: "))
        return LookedAt(f"Line {line}: {said}." if line else f"The file {said}.", False, line)
    try:
        columns = ", ".join(f"`{column}`" for column in found.needs)
        needs = f"; it needs the columns {columns}" if columns else ""
        return LookedAt(f"`{found.function}` {_FORMS[found.style]}{needs}.", True)
    finally:
        found.close()


def _answers(question: BenchQuestion, watch: Watch) -> Generator[tuple[str, Any]]:
    """What the child tells, by kind; its faults are raised and its progress is passed on."""
    with tempfile.TemporaryFile() as errors, _started(question, errors) as process:
        for line in lines_of(process, _LOOK_S):
            watch.pause_point()
            for kind, value in json.loads(line or b"{}").items():
                if kind == "fault":
                    raise UserError(value)
                if kind == "progress":
                    watch.tell(*value)
                else:
                    yield kind, value
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
        if said:
            raise UserError(f"The rewards could not be tried: {said[-1][:300]}")


@contextmanager
def _started(question: BenchQuestion, errors: IO[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """The child, with its question; it ends with the block, and what it has started beside itself with it."""
    try:
        process = subprocess.Popen(
            isolated_python("droid_tune.workbench.bench_process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=own_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"No process for the trial can be started: {error.strerror or error}") from error
    assert process.stdin is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(asdict(question)).encode() + b"\n")
            process.stdin.flush()
        yield process
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()  # whoever hangs up wants no answer any more
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _silent() -> UserError:
    return UserError("The process that tries the rewards ended without an answer", remedy="try again")
