"""`droid-tune validate`: every row accounted for, every fault with its place and what to do.

It exits with 0 where nothing is wrong, with 1 where a row was rejected or a file cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.cli.output import print_table, progress_line
from droid_tune.cli.run_arguments import add_mapping_argument, mapping_from
from droid_tune.errors import UsageError
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.control import Watch
    from droid_tune.data.issues import Issue
    from droid_tune.data.report import Report

HELP = "check a data file or folder and say what is wrong with which row"
#: Issues written out for a person; `--json` has them all.
SHOWN_ISSUES = 50
#: rows that are named of a warning that holds of many
SHOWN_PLACES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=user_path, metavar="PATH", help="a file, or a folder with train.jsonl")
    parser.add_argument("--method", metavar="NAME", help="check for this method; by default for any")
    parser.add_argument(
        "--model", metavar="M", help="check also that this model's chat template shows every row"
    )
    add_mapping_argument(parser)
    parser.add_argument("--json", action="store_true", help="the whole report as one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 where no row is rejected, else 1. Raises UsageError for an unknown method or mapping."""
    from droid_tune.control import Watch
    from droid_tune.data.validate import validate

    known_method(arguments.method)
    mapping, watch = mapping_from(arguments.map), Watch(progress_line("reading"))
    report = validate(arguments.path, arguments.method, mapping, watch)
    if arguments.model and report.usable:
        report = rendered_report(arguments, mapping, watch)
    if arguments.json:
        report.write_json(sys.stdout)
    else:
        print_report(report)
    return 0 if report.ok else 1


def rendered_report(arguments: argparse.Namespace, mapping: dict[str, str], watch: Watch) -> Report:
    """The report with the rows that the model's template cannot show among the rejected ones."""
    from droid_tune.data.dataset import open_dataset
    from droid_tune.data.rendering.rendered_report import add_unrendered
    from droid_tune.model_files.hub import resolve_model
    from droid_tune.model_files.tokenizer import load_tokenizer

    dataset = open_dataset(arguments.path, arguments.method, mapping, watch)
    add_unrendered(dataset, load_tokenizer(resolve_model(arguments.model)), arguments.method, watch)
    return dataset.report


def known_method(name: str | None) -> None:
    """Raises UsageError where no method is called that; None stands for any."""
    from droid_tune.config.recipes.methods import METHOD_CONFIGS

    if name is not None and name not in METHOD_CONFIGS:
        raise UsageError(f"there is no method `{name}`", remedy=f"choose one of {', '.join(METHOD_CONFIGS)}")


def print_report(report: Report) -> None:
    """A line a file, then the issues with their places, then the verdict."""
    print_table(
        ("FILE", "SPLIT", "FORMAT", "ROWS", "REJECTED", "BLANK"),
        [
            (
                Path(file.path).name,
                file.split,
                file.format or "-",
                str(file.accepted),
                str(file.rejected),
                str(file.blank),
            )
            for file in report.files
        ],
        right=(3, 4, 5),
    )
    for file in report.errors:
        if file.error is not None:
            print(file.error.message)
    for file in report.files:
        for note in file.notes:
            print(f"{Path(file.path).name}: {note}")
    lines = issue_lines(report.issues)
    for line in lines[:SHOWN_ISSUES]:
        print(line)
    if len(lines) > SHOWN_ISSUES:
        print(f"... and {len(lines) - SHOWN_ISSUES} more; --json lists them all.")
    print(verdict(report))


def issue_lines(issues: Iterable[Issue]) -> list[str]:
    """A line for each rejected row; warnings that say the same of several rows are one, with their count and some places."""
    from droid_tune.data.issues import LEAST_GROUPED, alike

    lines: list[str] = []
    for group in alike(issues):
        if group[0].severity == "error" or len(group) < LEAST_GROUPED:
            lines += [issue_line(issue) for issue in group]
            continue
        places = ", ".join(str(issue.place) for issue in group[:SHOWN_PLACES])
        others = f" and {len(group) - SHOWN_PLACES} more" if len(group) > SHOWN_PLACES else ""
        lines.append(f"{issue_line(group[0])} There are {len(group):,} such rows: {places}{others}.")
    return lines


def issue_line(issue: Issue) -> str:
    """`train.jsonl:3:12: warning: ...`, as compilers write it, so that editors can jump there."""
    place = ":".join(str(part) for part in (Path(issue.file).name, issue.place, issue.column) if part)
    kind = "" if issue.severity == "error" else f"{issue.severity}: "
    return f"{place}: {kind}{issue.message}"


def verdict(report: Report) -> str:
    """The last line: whether one can train on it, and how much is left out."""
    if not report.usable:
        return "This data cannot be trained on yet."
    left_out = f", left out: {report.rejected}" if report.rejected else ""
    return f"Rows that can be used: {report.accepted}{left_out}."
