"""`droid-tune test-reward`: a reward tried on rows of data before any training."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.consent import add_trust_argument, ask_about_file
from droid_tune.cli.output import amount, print_json, print_table, progress_line
from droid_tune.cli.run_arguments import add_mapping_argument, mapping_from
from droid_tune.control import Watch
from droid_tune.errors import UsageError
from droid_tune.paths import user_path
from droid_tune.trial_report import LEVEL_WORDS

if TYPE_CHECKING:
    from droid_tune.trial_report import Rescored, Trial, Try

HELP = "try a reward on right, wrong, empty and cut-off answers and on a past run, before any training"
LONGEST_SHOWN = 48
#: steps of a past run in the table
MOST_STEPS = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=user_path,
        metavar="REWARD",
        help="a Python file with a reward, a run's YAML config, or the name of a built-in reward (accuracy)",
    )
    parser.add_argument("--function", default="", metavar="NAME", help="which function of the file")
    parser.add_argument(
        "--data", metavar="PATH", help="a data file or folder (the sample data; with --run that of the run)"
    )
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
        "--run",
        metavar="RUN",
        help="score every completion of a past run anew: the curve that it would have had, without training",
    )
    parser.add_argument(
        "--cases",
        type=user_path,
        metavar="FILE",
        help="score pairs instead of rows: JSON lines with answer, completion and, where they matter, prompt, "
        "prompt_ends, finish_reason and further columns",
    )
    parser.add_argument(
        "--json", action="store_true", help="everything as one JSON document; of cases a line each"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 where every completion got a number, 1 where a reward failed on one."""
    from droid_tune.rewards.trials.reward_source import CONFIG_SUFFIXES, config_in

    if arguments.file.suffix in CONFIG_SUFFIXES:
        ask_about_file(arguments.file, config_in(arguments.file), trusted=arguments.trust)
    if arguments.cases is not None:
        return run_cases(arguments)
    if arguments.n < 1:
        raise UsageError(f"`--n {arguments.n}` must be at least 1")
    return try_on_run(arguments) if arguments.run is not None else try_on_rows(arguments)


def try_on_rows(arguments: argparse.Namespace) -> int:
    """The reward on some rows of data."""
    from droid_tune.rewards.trials.trial import try_file

    trial = try_file(
        arguments.file,
        arguments.data or "sample",
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


def try_on_run(arguments: argparse.Namespace) -> int:
    """The reward on rows and completions of a past run, and then on all of its completions."""
    from droid_tune.data.dataset import open_configured, open_dataset
    from droid_tune.paths import data_path
    from droid_tune.rewards.trials.rescore import rescored_whole, saved_completions
    from droid_tune.rewards.trials.reward_source import rewards_in
    from droid_tune.rewards.trials.trial import try_on_data
    from droid_tune.rewards.trials.tries import Menu
    from droid_tune.runs.folder import find_run, read_config

    folder = find_run(arguments.run)
    configs, _ = rewards_in(arguments.file, arguments.function)
    config = read_config(folder)
    data = (
        open_dataset(data_path(arguments.data), "grpo", mapping_from(arguments.map))
        if arguments.data
        else open_configured(config.data, config.method.type)
    )
    menu = Menu(arguments.completion, saved_completions(folder))
    trial = try_on_data(configs, data.train, menu, arguments.n, config.sampling.max_completion_length)
    rescored = rescored_whole(folder, configs, Watch(progress_line("scoring")))
    if arguments.json:
        print_json({**trial.as_json(), "rescored": rescored.as_json()})
    else:
        print_trial(trial)
        print_rescored(rescored)
    return 0 if trial.ok and not rescored.failed else 1


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
    for note in (*trial.notes, trial.agreement.sentence()):
        if note:
            print(note)
    print(f"{LEVEL_WORDS[trial.verdict.level]}. {trial.verdict.text}")


def print_rescored(rescored: Rescored) -> None:
    """Some of the steps, evenly chosen, and what all of them say."""
    steps = rescored.sampled
    every = -(-len(steps) // MOST_STEPS) or 1
    shown = [one for one in steps if one in (steps[0], steps[-1]) or steps.index(one) % every == 0]
    print_table(
        ("STEP", "COMPLETIONS", "REWARD WAS", "WOULD BE", "NO SIGNAL WAS", "WOULD BE"),
        [
            (
                f"{one.step:,}",
                str(len(one.completions)),
                amount(one.was),
                amount(one.would),
                f"{one.flat_was} of {one.groups}",
                f"{one.flat_would} of {one.groups}",
            )
            for one in shown
        ],
        right=range(6),
    )
    for sentence in rescored.sentences():
        print(sentence)


def cells(one: Try, parts: list[str]) -> list[str]:
    """One line of the table; `parts` are the rewards that have a column of their own."""
    reward = "failed" if one.failures else amount(one.reward)
    values = [amount(one.rewards.get(part)) for part in parts]
    return [str(one.row + 1), one.source, words.shortened(one.completion, LONGEST_SHOWN), reward, *values]
