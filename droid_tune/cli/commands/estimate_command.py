"""`droid-tune estimate`: whether a run fits in memory and how long it will take, before anything is loaded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.output import amount, print_json, print_table, say
from droid_tune.cli.run_arguments import add_run_arguments, config_from

if TYPE_CHECKING:
    from droid_tune.config import RunConfig
    from droid_tune.estimate.forecast import Estimate
    from droid_tune.estimate.job import DataLengths

HELP = "memory and time of a run, computed before it begins"
VERDICTS = {
    "fits": "It fits",
    "tight": "It is tight",
    "too_large": "It is too large",
    "unknown": "Whether it fits is not known",
}
PARTS = {
    "weights": "Weights",
    "adapters": "Adapters",
    "optimizer": "Optimizer",
    "reference": "Reference",
    "teacher": "Teacher",
    "gradients": "Gradients",
    "prompt_kv": "Prompt's keys and values",
    "kv_cache": "Keys and values",
    "activations": "Activations",
    "head": "Head",
    "logits": "Logits",
    "framework": "Framework",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="everything as one JSON document")
    parser.add_argument(
        "--no-data", action="store_true", help="do not look at the data: assume prompts of 128 tokens"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 whatever the verdict: it is told, not judged."""
    from droid_tune.estimate.estimate import estimate

    config = config_from(arguments)
    ask_the_hub(config)
    lengths = None if arguments.no_data else lengths_of_data(config)
    found = estimate(config, lengths)
    if arguments.json:
        print_json({**found.to_json(), "details": found.details()})
    else:
        print_estimate(found)
    return 0


def ask_the_hub(config: RunConfig) -> None:
    """The sizes of a model that is not on this computer, from the Hub; a word where they cannot be had."""
    from droid_tune.errors import UserError
    from droid_tune.model_files.hub_facts import facts_at_hand, fetch_facts, is_of_hub

    name, revision = config.model.path, config.model.revision
    if facts_at_hand(name, revision).known or not is_of_hub(name):
        return
    try:
        fetch_facts(name, revision)
    except UserError as error:
        say(str(error))


def lengths_of_data(config: RunConfig) -> DataLengths | None:
    """The data's lengths in the model's own tokens; None, and a word why, where they cannot be measured."""
    from droid_tune.errors import UserError
    from droid_tune.estimate.lengths import measure_data

    try:
        return measure_data(config)
    except UserError as error:
        say(f"The data was not measured: {error}")
        return None


def print_estimate(found: Estimate) -> None:
    """The verdict in words, the parts of each stage, what would help."""
    if not found.known:
        print("\n".join((verdict_in_words(found), *found.notes)))
        return
    stages = [name for name in ("rollout", "update") if name in found.peak.parts]
    names = dict.fromkeys(part for stage in stages for part in found.peak.parts[stage])
    rows = [
        (PARTS.get(name, name), *(amount(found.peak.parts[stage].get(name, 0), "bytes") for stage in stages))
        for name in names
        if any(found.peak.parts[stage].get(name, 0) for stage in stages)
    ]
    rows.append(("In all", *(amount(found.peak.stages[stage], "bytes") for stage in stages)))
    print(verdict_in_words(found))
    print(time_in_words(found))
    print()
    print_table(("", *(stage.capitalize() for stage in stages)), rows, right=range(1, 1 + len(stages)))
    for suggestion in found.suggestions:
        print(f"--set {suggestion.change}  ({suggestion.why})")
    for note in found.notes:
        print(note)


def verdict_in_words(found: Estimate) -> str:
    """`It fits: about 9.1 GB of the 18.0 GB that a run may use (Apple M2, 24.0 GB).`"""
    host = found.host
    if not found.known:
        return f"{VERDICTS[found.verdict]}: a run may use {amount(found.budget_bytes, 'bytes')} of this {host.chip}."
    return (
        f"{VERDICTS[found.verdict]}: about {amount(found.peak_bytes, 'bytes')} of the "
        f"{amount(found.budget_bytes, 'bytes')} that a run may use ({host.chip}, {amount(host.memory_bytes, 'bytes')})."
    )


def time_in_words(found: Estimate) -> str:
    """`About 2 h 10 min (1 h 50 min - 2 h 40 min), 14 s per step; first guess.`"""
    time = found.duration
    return (
        f"About {words.duration(time.total)} ({words.duration(time.least)} - {words.duration(time.most)}), "
        f"{words.pace(time.per_step)} per step ({time.basis})."
    )
