"""A program in a process of its own, that can be ended: for opening what was written as its user would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UserError
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.machine.scratch import scratch_folder

_LOOK_S = 0.2


def sit_in_fresh_process(
    module: str, arguments: Sequence[str], exam: Exam, watch: Watch = UNWATCHED
) -> Sitting:
    """What `python -m MODULE ARGUMENTS EXAM ANSWERS` says. Raises UserError where it cannot open what was written, and
    `Stopped` where `watch` ends it."""
    with scratch_folder() as folder:
        asked, answers = folder / "exam.json", folder / "answers.json"
        asked.write_text(json.dumps(exam.to_json()), encoding="utf-8")
        run_program([sys.executable, "-m", module, *arguments, str(asked), str(answers)], watch)
        return Sitting.from_json(json.loads(answers.read_text(encoding="utf-8")))


def run_program(command: Sequence[str], watch: Watch = UNWATCHED) -> str:
    """What a program prints. Raises UserError with its last words where it fails, `Stopped` where `watch` ends it."""
    with tempfile.TemporaryFile() as printed:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,  # a terminal's Ctrl-C is ours alone
            )
        except OSError as error:
            raise UserError(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            _wait(process, watch)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    if process.returncode:
        watch.pause_point()  # who stops us may have ended it too
        said = text.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise UserError(f"it cannot be opened: {_without_class(said[0])}")
    return text


def _without_class(said: str) -> str:
    """Of a package that is missing there what a person can use: the class of the error is for programmers."""
    found = re.match(r"(?:ModuleNotFound|Import)Error: (.*)", said)
    return f"the program that opens it lacks a package ({found.group(1)})" if found else said


def _wait(process: subprocess.Popen[bytes], watch: Watch) -> None:
    while True:
        try:
            process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            watch.pause_point()
        else:
            return


def _environment() -> dict[str, str]:
    """Ours, with this program's own packages findable and the Hub left alone: what is checked is on this machine."""
    home = str(Path(__file__).resolve().parents[3])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
