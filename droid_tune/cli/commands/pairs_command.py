"""`droid-tune pairs`: preference pairs from what a run wrote, the best of each group against its worst."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.output import say
from droid_tune.errors import UserError
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.data.dataset import Dataset

HELP = "make preference pairs of a run's completions: data for DPO and its like"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN|FILE", help="a run (its id, the beginning of it, its folder), or a rollouts.jsonl"
    )
    parser.add_argument("--out", type=user_path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--least-margin",
        type=float,
        default=0.0,
        metavar="R",
        help="rewards that differ by no more are a tie (0)",
    )
    parser.add_argument(
        "--valid", type=float, default=0.1, metavar="SHARE", help="of the prompts, held out (0.1)"
    )
    parser.add_argument("--by-hand", action="store_true", help="only what was chosen in the Rollouts pane")


def run(arguments: argparse.Namespace) -> int:
    """Writes the folder and prints its path. Raises UserError where nothing gives a pair."""
    from droid_tune.runs.completions.preference_pairs import (
        Choices,
        asked_in,
        choices_in,
        pairs_of,
        rollouts_in,
        write_pairs,
    )
    from droid_tune.runs.folder import find_run

    given = user_path(arguments.run)
    place = given if given.exists() else find_run(arguments.run)
    known = choices_in(place) if place.is_dir() else Choices()
    if known.faulty:
        say(
            f"{place / 'choices.jsonl'}: {words.count(len(known.faulty), 'line')} cannot be read "
            f"(the first is line {known.faulty[0]}); those pairs are made by the rewards"
        )
    choices = known.by_group
    groups = rollouts_in(place)
    if arguments.by_hand:
        groups = [group for group in groups if (group.step, group.group) in choices]
    made = pairs_of(
        groups, asked_in(_data_of(place)), choices=choices, least_margin=max(0.0, arguments.least_margin)
    )
    written = write_pairs(made, arguments.out, min(max(arguments.valid, 0.0), 0.9))
    print(written.folder)
    say(", ".join(words.count(count, f"{split} pair") for split, count in written.rows.items()))
    if made.by_hand:
        say(f"{words.count(made.by_hand, 'pair')} chosen by hand")
    if made.said_left_out:
        say(f"no pair: {made.said_left_out}")
    return 0


def _data_of(place: Path) -> Dataset | None:
    """The run's own data; None for a file alone, or where the data cannot be read any more."""
    from droid_tune.data.dataset import open_configured
    from droid_tune.runs.folder import read_config

    if not place.is_dir():
        return None
    try:
        config = read_config(place)
        return open_configured(config.data, config.method.type)
    except UserError as error:
        say(f"The run's data cannot be read, so prompts are taken as the rollouts tell them: {error}")
        return None
