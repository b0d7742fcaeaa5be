"""`droid-tune test-reward`: a reward tried on rows of data before any training."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.consent import add_trust_argument, ask_about_file
from droid_tune.cli.output import amount, print_json, print_table
from droid_tune.cli.run_arguments import add_mapping_argument, mapping_from
from droid_tune.errors import UsageError

if TYPE_CHECKING:
    from droid_tune.rewards.trial import Trial, Try

HELP = "try a reward on rows' own answers and on completions of yours, before any training"
LONGEST_SHOWN = 48


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        metavar="REWARD",
        help="a Python file with a reward, a run's YAML config, or the name of a built-in reward (accuracy)",
    )
    parser.add_argument("--function", default="", metavar="NAME", help="which function of the file")
    parser.add_argument("--data", default="sample", metavar="PATH", help="a data file or folder")
    add_mapping_argument(parser)
    add_trust_argument(parser)
    parser.add_argument("--n", type=int, default=8, metavar="ROWS", help="rows to try (8)")
    parser.add_argument(
        "--completion",
        action="append",
        default=[],
        metavar="TEXT",
        help="a completion to try on every row; may be given many times",
    )
    parser.add_argument(
        "--cases",
        type=Path,
        metavar="FILE",
        help="score pairs instead of rows: JSON lines with answer, completion and, where they matter, prompt, "
        "prompt_ends, finish_reason and further columns",
    )
    parser.add_argument(
        "--json", action="store_true", help="everything as one JSON document; of cases a line each"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 where every completion got a number, 1 where a reward failed on one."""
    from droid_tune.rewards.trial import CONFIG_SUFFIXES, config_in, try_file

    if arguments.file.suffix in CONFIG_SUFFIXES:
        ask_about_file(arguments.file, config_in(arguments.file), trusted=arguments.trust)
    if arguments.cases is not None:
        return run_cases(arguments)
    if arguments.n < 1:
        raise UsageError(f"`--n {arguments.n}` must be at least 1")
    trial = try_file(
        arguments.file,
        arguments.data,
        function=arguments.function,
        count=arguments.n,
        given=arguments.completion,
        mapping=mapping_from(arguments.map),
    )
    if arguments.json:
        print_json(trial.as_json())
    else:
        print_trial(trial)
    return 0 if trial.ok else 1


def run_cases(arguments: argparse.Namespace) -> int:
    """Each pair of a file with its reward and why; exit 1 where the reward failed on one."""
    from droid_tune.rewards.cases import read_cases, score_cases

    judged = score_cases(arguments.file, read_cases(arguments.cases), function=arguments.function)
    if arguments.json:
        for one in judged:
            print(json.dumps(one.as_json(), ensure_ascii=False))
    else:
        rows = [
            (
                str(number),
                words.shortened(one.answer, LONGEST_SHOWN),
                words.shortened(one.completion, LONGEST_SHOWN),
                amount(one.reward),
                one.why,
            )
            for number, one in enumerate(judged, start=1)
        ]
        print_table(("CASE", "ANSWER", "COMPLETION", "REWARD", "WHY"), rows, right=(0, 3))
    return 1 if any(one.failed for one in judged) else 0


def print_trial(trial: Trial) -> None:
    """A line a completion, one column a reward where there are several; failures and notes once each."""
    parts = list(dict.fromkeys(name for one in trial.tries for name in one.rewards))
    print_table(
        ("ROW", "TRIED", "COMPLETION", "REWARD", *(part.upper() for part in parts if len(parts) > 1)),
        [cells(one, parts if len(parts) > 1 else []) for one in trial.tries],
        right=(0, *range(3, 4 + len(parts))),
    )
    for sentence in dict.fromkeys(failure for one in trial.tries for failure in one.failures):
        print(sentence)
    for name, said in trial.printed.items():
        print(f"The last call of `{name}` printed:\n{said}")
    for note in trial.notes:
        print(note)


def cells(one: Try, parts: list[str]) -> list[str]:
    """One line of the table; `parts` are the rewards that have a column of their own."""
    reward = "failed" if one.failures else amount(one.reward)
    values = [amount(one.rewards.get(part)) for part in parts]
    return [str(one.row + 1), one.source, words.shortened(one.completion, LONGEST_SHOWN), reward, *values]
