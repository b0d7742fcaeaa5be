"""`droid-tune rollouts`: what the model wrote over a whole run, searched, sorted, and taken out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.output import print_json, print_table, say
from droid_tune.cli.run_arguments import positive
from droid_tune.errors import UsageError
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.data.dataset import Dataset
    from droid_tune.runs.completions.asking import Wanted
    from droid_tune.runs.completions.completion_index import CompletionIndex

HELP = "search, sort and export the completions of a run; see which prompts are solved or hopeless"
#: characters of a completion in the table
SHOWN = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument("--search", default="", metavar="TEXT", help="in completions and prompts")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=LEAST:MOST",
        help="e.g. reward=1:, length=:40, step=10:20, accuracy=0:0, cut=1, row=7; may be given many times",
    )
    parser.add_argument(
        "--sort", default="", metavar="NAME", help="by step, reward, length, advantage or a reward part"
    )
    parser.add_argument("--descending", action="store_true")
    parser.add_argument("--held-out", action="store_true", help="answers to held-out rows instead")
    parser.add_argument("--limit", type=positive, default=20, metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--out", type=user_path, metavar="FILE", help="write all that were found there, as JSONL"
    )
    parser.add_argument("--prompts", action="store_true", help="the prompts instead, the hardest first")
    parser.add_argument(
        "--drop", choices=("solved", "hopeless"), help="write the run's data without them (--to DIR)"
    )
    parser.add_argument(
        "--winners", action="store_true", help="write the right completions as data for SFT (--to DIR)"
    )
    parser.add_argument("--to", type=user_path, metavar="DIR", help="a new folder for --drop or --winners")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0, also where nothing is found. Raises UsageError, UserError."""
    from droid_tune.paths import RunPaths
    from droid_tune.runs.completions.completion_index import CompletionIndex
    from droid_tune.runs.folder import find_run

    folder = find_run(arguments.run)
    if (arguments.drop or arguments.winners) and arguments.to is None:
        raise UsageError("a new folder is needed to write data to", place="--to")
    with CompletionIndex(RunPaths(folder).rollouts) as index:
        for _ in index.update():
            pass
        if arguments.winners:
            _save_winners(index, folder, arguments.to)
        elif arguments.drop:
            _drop(index, folder, arguments)
        elif arguments.prompts:
            _show_prompts(index, arguments)
        else:
            _show_completions(index, arguments)
    return 0


def wanted_by(arguments: argparse.Namespace, index: CompletionIndex) -> Wanted:
    """The words of the command line as a filter. Raises UsageError for a name or a bound that there is not."""
    from droid_tune.runs.completions.asking import COLUMNS, Wanted

    known = [*COLUMNS, *index.part_columns()]
    wanted = Wanted(
        text=arguments.search,
        held_out=arguments.held_out,
        sort=arguments.sort,
        descending=arguments.descending,
    )
    for pair in arguments.where:
        name, _, ends = pair.partition("=")
        least, colon, most = ends.partition(":")
        try:
            bounds = _bound(least), _bound(most if colon else least)
        except ValueError:
            bounds = None, None
        if bounds == (None, None):
            raise UsageError(f"`{pair}` needs numbers", place="--where", remedy="e.g. reward=0.5:1")
        wanted = wanted.between(name, *bounds)
    for name in (*wanted.bounds, *filter(None, [wanted.sort])):
        if name not in known:
            raise UsageError(f"completions have no `{name}`", remedy=f"they have {', '.join(known)}")
    return wanted


def _bound(text: str) -> float | None:
    return float(text) if text else None


def _show_completions(index: CompletionIndex, arguments: argparse.Namespace) -> None:
    from droid_tune.runs.completions.asking import find, lines_of
    from droid_tune.runs.completions.taking_out import export, record_of

    ids = find(index, wanted_by(arguments, index))
    if arguments.out is not None:
        say(f"{words.count(export(index, ids, arguments.out), 'completion')} written to {arguments.out}")
        return
    shown = lines_of(index, ids[: arguments.limit])
    if arguments.json:
        print_json([record_of(index, line) for line in shown])
        return
    print_table(
        ("STEP", "ROW", "REWARD", "ADVANTAGE", "TOKENS", "COMPLETION"),
        [
            (
                f"{line.step:,}",
                "" if line.row is None else f"{line.row + 1:,}",
                words.metric("reward", line.reward),
                words.advantage(line.advantage),
                f"{line.length:,}",
                words.shortened(words.literal(" ".join(line.text.split())), SHOWN),
            )
            for line in shown
        ],
        right=(0, 1, 2, 3, 4),
    )
    say(f"{len(shown):,} of {words.count(len(ids), 'completion')}")


def _show_prompts(index: CompletionIndex, arguments: argparse.Namespace) -> None:
    from droid_tune.runs.completions.asking import visits_of
    from droid_tune.runs.completions.difficulty import histories_of

    histories = histories_of(visits_of(index, held_out=arguments.held_out))
    if arguments.json:
        print_json(
            [
                {"row": one.row, "kind": one.kind, "success": one.success, "visits": len(one.visits)}
                for one in histories
            ]
        )
        return
    rows = [
        (f"{one.row + 1:,}", one.kind, words.share(one.success), f"{len(one.visits):,}")
        for one in histories[: arguments.limit]
    ]
    print_table(("ROW", "KIND", "RIGHT", "VISITS"), rows, right=(0, 2, 3))
    kinds = [one.kind for one in histories]
    say(
        f"{kinds.count('solved'):,} solved, {kinds.count('hopeless'):,} hopeless of {words.count(len(kinds), 'prompt')}"
    )


def _drop(index: CompletionIndex, folder: Path, arguments: argparse.Namespace) -> None:
    from droid_tune.data.editing.changes import carry_out
    from droid_tune.runs.completions.asking import visits_of
    from droid_tune.runs.completions.difficulty import drop_plan, histories_of

    dataset = _data_of(folder)
    plan = drop_plan(dataset, histories_of(visits_of(index)), arguments.drop)
    carry_out(dataset, plan, arguments.to)
    say(f"{plan.said} Written to {arguments.to}.")


def _save_winners(index: CompletionIndex, folder: Path, out: Path) -> None:
    from droid_tune.runs.completions.taking_out import save_winners

    report = save_winners(index, out, _data_of(folder))
    say(f"{words.count(report.accepted, 'row')} for SFT written to {out}")


def _data_of(folder: Path) -> Dataset:
    from droid_tune.data.dataset import open_configured
    from droid_tune.runs.folder import read_config

    config = read_config(folder)
    return open_configured(config.data, config.method.type)
