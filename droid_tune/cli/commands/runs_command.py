"""`droid-tune runs`: the runs on this computer, newest first."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from droid_tune import words
from droid_tune.cli.output import amount, print_json, print_table, say

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

HELP = "list the runs on this computer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """All runs, newest first. Exit 0, also where there are none."""
    from droid_tune.runs.folder import list_runs

    found = list_runs()
    if arguments.json:
        print_json([described(one) for one in found])
    elif found:
        print_table(
            ("RUN", "STATE", "STEP", "METHOD", "MODEL", "ACCURACY", "BEST", "STARTED"),
            [row(one) for one in found],
            right=(2, 5),
        )
    else:
        say("There are no runs yet; `droid-tune train` makes one from the starter model and the sample data.")
    return 0


def row(one: RunSummary) -> tuple[str, ...]:
    """One line of the table."""
    accuracy = (one.metrics or {}).get("eval/accuracy")
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.created))
    model = one.model.rpartition("/")[2]
    steps = f"{one.step}/{one.total_steps}"
    best = "" if one.best is None else f"{words.metric(one.best.metric, one.best.value)} at {one.best.step}"
    return (one.id, one.state, steps, one.method, model, amount(accuracy, "share"), best, started)


def described(one: RunSummary) -> dict[str, Any]:
    """One run for programs; times are seconds since 1970."""
    return {
        "id": one.id,
        "name": one.name,
        "folder": str(one.folder),
        "state": one.state,
        "resumable": one.resumable,
        "tags": list(one.annotations.tags),
        "note": one.annotations.note,
        "step": one.step,
        "total_steps": one.total_steps,
        "method": one.method,
        "model": one.model,
        "data": one.data,
        "created": one.created,
        "updated": one.updated,
        "why": one.why,
        "metrics": one.metrics or {},
        "best": None if one.best is None else asdict(one.best),
    }
