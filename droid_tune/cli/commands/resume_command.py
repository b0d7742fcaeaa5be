"""`droid-tune resume`: go on with a run exactly where its newest good checkpoint stands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.cli.consent import add_trust_argument, ask_about_run
from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import add_checkpoint_argument, add_driving_arguments, positive
from droid_tune.errors import UserError

if TYPE_CHECKING:
    from droid_tune.cli.driving import Emit
    from droid_tune.control import Control

HELP = "go on with a run that was stopped, or whose process ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="this many further steps; may go past the planned end"
    )
    add_checkpoint_argument(parser, "what to go on from; what came after it is set aside")
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on although settings, model, rewards or data are not as they were, or the newest checkpoint is damaged",
    )
    parser.add_argument(
        "--as-new-run",
        action="store_true",
        help="go on as a new run with the settings, model, rewards and data of now; this one stays as it is",
    )
    add_driving_arguments(parser)
    add_trust_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Goes on from the newest good checkpoint. Exit 0 completed, 1 failed, 130 stopped; UserError without a run, and
    where something changed that nobody accepted."""
    from droid_tune.cli.driving import drive_in, follow
    from droid_tune.paths import RunPaths
    from droid_tune.runs.folder import find_run, read_config
    from droid_tune.runs.log import read_events
    from droid_tune.train.engine import follows, resume_training
    from droid_tune.train.engine_child import train_apart

    if follows():
        return follow()
    folder = find_run(arguments.run)
    ask_about_run(folder, read_config(folder), trusted=arguments.trust)
    folder = agreed(folder, arguments)
    say(f"run {folder.name} in {folder}")

    def go_on(control: Control, emit: Emit) -> object:
        train = train_apart if arguments.separate_process else resume_training
        return train(folder, control, emit, arguments.steps, arguments.checkpoint)

    past = read_events(RunPaths(folder).events)
    return drive_in(folder, go_on, as_events=arguments.events, stop_after=arguments.stop_after, past=past)


def agreed(folder: Path, arguments: argparse.Namespace) -> Path:
    """The run to go on with: this one, or a branch of it. Raises UserError where what changed is not accepted."""
    from droid_tune.runs.origin.branch import branch_off
    from droid_tune.runs.origin.identity import doubts_of

    doubts = doubts_of(folder, arguments.checkpoint)
    for sentence in doubts:
        say(sentence)
    if arguments.as_new_run or (doubts and not arguments.accept_changes and asked_for_a_branch()):
        return branch_off(folder)
    return folder


def asked_for_a_branch() -> bool:
    """Ask on a terminal whether to go on as a new run. Raises UserError where nobody can answer or the answer is no."""
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        say("go on with it [g], go on as a new run [n], or leave it [any other key]?")
        match sys.stdin.readline().strip().lower():
            case "g":
                return False
            case "n":
                return True
            case _:
                raise UserError("The run was left as it is")
    raise UserError(
        "The run is not as it was when it was trained last",
        remedy="go on with `--accept-changes`, or as a run of its own with `--as-new-run`",
    )
