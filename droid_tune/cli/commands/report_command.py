"""`droid-tune report`: what runs or a whole queue came to, on one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune import words
from droid_tune.cli.output import print_json, say
from droid_tune.errors import UsageError, UserError
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.report.story import HeldOutValue, Story

HELP = "one page on runs or the queue's night: curves, before and after, what got worse, what to read first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="ids, beginnings of them, or folders")
    parser.add_argument("--queue", action="store_true", help="the runs of the queue that have begun")
    parser.add_argument(
        "--out", type=user_path, default=Path("report.html"), metavar="FILE", help="the page (report.html)"
    )
    parser.add_argument(
        "--no-model",
        action="store_true",
        help="do not load the models to measure whether general answers were forgotten",
    )
    parser.add_argument("--json", action="store_true", help="the figures on stdout, and no page")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 with the page written, 1, and no page, where no run could be read. Raises UserError, UsageError."""
    from droid_tune.report.page_file import page_file, write_page
    from droid_tune.report.story import read_stories

    folders = folders_of(arguments)
    out = None if arguments.json else page_file(arguments.out)
    if not arguments.no_model:
        measure(folders)
    stories, faults = read_stories(folders)
    for fault in faults:
        say(fault)
    if out is None:
        print_json([described_story(story) for story in stories])
    elif stories or not faults:  # a page of nothing but faults would take the place of one that told more
        title = "Report of the night" if arguments.queue else "Report"
        print(write_page(out, title, stories, faults))
    return 0 if stories or not faults else 1


def folders_of(arguments: argparse.Namespace) -> list[Path]:
    """The folders of the runs that are asked for. Raises UserError, UsageError."""
    from droid_tune.queue.run_queue import RunQueue
    from droid_tune.runs.folder import find_run

    if arguments.queue == bool(arguments.runs):
        raise UsageError(
            "name runs, or `--queue` for those of the queue", remedy="`droid-tune runs` lists them"
        )
    if arguments.runs:
        return [find_run(name) for name in arguments.runs]
    begun = [one.folder for one in RunQueue().runs() if one.folder is not None]
    if not begun:
        raise UserError("No run of the queue has begun yet", remedy="`droid-tune queue start` trains them")
    return begun


def measure(folders: list[Path]) -> None:
    """Whether general answers were forgotten, run by run; a word where it cannot be told."""
    from droid_tune.forgetting import measure_general
    from droid_tune.train.engine import release_memory

    for folder in folders:
        try:
            measure_general(folder)
        except UserError as error:
            say(f"{folder.name}: general answers were not measured: {error}")
        finally:
            release_memory()


def described_story(story: Story) -> dict[str, Any]:
    """A run's figures for programs."""
    general = story.general
    return {
        "id": story.summary.id,
        "name": story.summary.name,
        "state": story.summary.state,
        "why": story.summary.why,
        "step": story.summary.step,
        "total_steps": story.summary.total_steps,
        "measure": story.measure or None,
        "before": _described(story.before),
        "after": _described(story.after),
        "general": None if general is None else {"before": general.before, "after": general.after},
        "has_forgotten": None if general is None else general.has_forgotten,
        "held_out_flat": story.flat,
        "suspicious": [
            {"step": one.step, "group": one.group, "reward": one.reward, "reasons": list(one.reasons)}
            for one in story.suspects
        ],
        "lost": len(story.lost),
        "shown": len(story.told),
        "seconds": round(story.seconds, 1),
        "time": words.duration(story.seconds),
        "joules": story.summary.joules,
        "best": None if story.summary.best is None else str(story.summary.best),
    }


def _described(measured: HeldOutValue | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    return {
        "step": measured.step,
        "value": measured.value,
        "rows": measured.rows,
        "bounds": list(measured.bounds) if measured.bounds else None,
    }
