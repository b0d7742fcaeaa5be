"""`droid-tune convert`: the same rows in another format, in a new folder."""

from __future__ import annotations

import argparse

from droid_tune import words
from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import add_mapping_argument, mapping_from
from droid_tune.paths import user_path

HELP = "write data in another format into a new folder"
#: Rows that the format cannot hold, said one by one up to this many.
SHOWN_LEFT_OUT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=user_path, metavar="PATH", help="a file, or a folder with train.jsonl")
    parser.add_argument("--to", required=True, metavar="FORMAT", help="messages, prompt_answer, text, ...")
    parser.add_argument("--out", type=user_path, required=True, metavar="DIR", help="a new or empty folder")
    add_mapping_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exit 0, also where rows were left out, which are listed. Raises UserError where nothing can be written."""
    from droid_tune.data.dataset import open_dataset
    from droid_tune.data.editing.convert import check_target, convert

    check_target(arguments.to)
    dataset = open_dataset(arguments.path, None, mapping_from(arguments.map))
    written = convert(dataset, arguments.to, arguments.out)
    print(written.folder)
    say(", ".join(words.count(count, f"{split} row") for split, count in written.rows.items()))
    for sentence in written.said_lost:
        say(sentence)
    for place, why in written.left_out[:SHOWN_LEFT_OUT]:
        say(f"{place}: left out: {why}")
    if len(written.left_out) > SHOWN_LEFT_OUT:
        say(f"... and {words.count(len(written.left_out) - SHOWN_LEFT_OUT, 'more row')} left out")
    return 0
