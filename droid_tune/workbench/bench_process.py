"""The process in which rewards are tried: a question comes as JSON on stdin, answers go as lines on stdout.

A parent that hangs up wants no answer any more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

from droid_tune.config import resolve
from droid_tune.config.asking.trust import trust
from droid_tune.control import Control, Watch
from droid_tune.data.dataset import open_configured
from droid_tune.errors import Stopped, UserError
from droid_tune.rewards.trials.rescore import rescore, saved_completions
from droid_tune.rewards.trials.trial import try_on_data
from droid_tune.rewards.trials.tries import Menu
from droid_tune.trial_report import BenchQuestion, Rescored

Message = dict[str, Any]


def answers(question: BenchQuestion, watch: Watch) -> Iterator[Message]:
    """The trial, or each step of the run and then the whole without its steps. Raises UserError, and `Stopped`."""
    config = resolve(question.config)
    trust(config)  # the form's settings are the person's own
    run = Path(question.run) if question.run else None
    if question.rescores and run is not None:
        for found in rescore(run, config.rewards, watch, question.unsaved):
            whole = isinstance(found, Rescored)
            yield {"whole": asdict(found) | {"steps": []}} if whole else {"step": asdict(found)}
        return
    menu = Menu(tuple(question.given), {} if run is None else saved_completions(run))
    rows = open_configured(config.data, "grpo", watch).train
    longest = config.sampling.max_completion_length
    trial = try_on_data(config.rewards, rows, menu, question.count, longest, watch, question.unsaved)
    yield {"trial": asdict(trial)}


def main() -> None:
    """Answer one question."""
    # What a library prints goes to the log; the line to the parent is ours alone.
    line = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    question = BenchQuestion(**json.loads(sys.stdin.buffer.readline()))
    control = Control()
    threading.Thread(target=_hear_the_end, args=(sys.stdin.buffer, control), daemon=True).start()
    tell = partial(_tell, line)

    def told(done: int, total: int, what: str) -> None:
        tell({"progress": [done, total, what]})

    try:
        for message in answers(question, Watch(told, control.stop_requested)):
            tell(message)
    except Stopped:
        return
    except UserError as error:
        tell({"fault": str(error)})


def _hear_the_end(parent: IO[bytes], control: Control) -> None:
    parent.read()
    control.stop_now()


def _tell(line: IO[bytes], message: Message) -> None:
    """One line; a parent that is gone hears nothing. Raises `Stopped` then."""
    try:
        line.write(json.dumps(message).encode() + b"\n")
    except OSError:
        raise Stopped from None


if __name__ == "__main__":
    main()
