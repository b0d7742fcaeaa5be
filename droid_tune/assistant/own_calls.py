"""The command line called by the server: each tool is a process of its own, so nothing of a model stays in the server."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.machine.own_process import own_command, own_environment
from droid_tune.paths import RunPaths
from droid_tune.runs.disk.lock import is_locked
from droid_tune.runs.folder import find_run

#: how long a run that was begun may take until it says where it is, and one that was stopped until it is saved
BEGIN_S, STOP_S = 120.0, 60.0
_LOOK_EVERY_S = 0.1


def ask(words: Sequence[str]) -> Any:
    """What the command prints, read as JSON where it is some. Raises UserError with what it said where it failed.

    An exit code of 1 with JSON is an answer (a data set with faults, a check that advises against training).
    """
    done = subprocess.run(
        own_command(*words),
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        if done.returncode:
            raise UserError(complaint(done.stderr) or f"It failed with code {done.returncode}") from None
        return {"said": "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))}


def begin(words: Sequence[str]) -> dict[str, str]:
    """Start a training that outlives this server; returns its run and folder once it has one. Raises UserError."""
    with tempfile.NamedTemporaryFile(prefix="droid-tune-", suffix=".log", delete=False) as log:
        try:
            process = subprocess.Popen(
                own_command(*words),
                env=own_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"No process for the run can be started: {error.strerror or error}") from error
    file, until = Path(log.name), time.monotonic() + BEGIN_S
    while time.monotonic() < until:
        ended, said = process.poll() is not None, file.read_text(encoding="utf-8", errors="replace")
        begun = next((line for line in said.splitlines() if line.startswith("run ") and " in " in line), "")
        if begun:
            name, _, folder = begun.removeprefix("run ").partition(" in ")
            return {"run": name, "folder": folder, "log": str(file)}
        if ended:
            raise UserError(complaint(said) or "The training ended before it began")
        time.sleep(_LOOK_EVERY_S)
    raise UserError(f"The training has not begun after {BEGIN_S:.0f} s; see {file}")


def stop(name: str) -> dict[str, Any]:
    """Ask whoever trains a run, a terminal or the window, to save and end after this step, and wait a minute for it.

    Raises UserError where nobody trains it.
    """
    folder = find_run(name)
    lock = RunPaths(folder).lock
    if not is_locked(lock):
        raise UserError(f"The run {folder.name} is not training")
    ask(
        ["steer", "--", str(folder), "stop_at=1"]
    )  # a step that is done already: it ends at the next boundary
    until = time.monotonic() + STOP_S
    while is_locked(lock) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
    return {"run": folder.name, "stopped": not is_locked(lock)}


def complaint(said: str) -> str:
    """The last thing a command said before it failed."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("droid-tune: ") if lines else ""
