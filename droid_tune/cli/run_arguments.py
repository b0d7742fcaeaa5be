"""The arguments of `train`, `resume` and `estimate`, and the config that they make."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune.cli.consent import add_trust_argument, ask_about_file
from droid_tune.cli.output import say
from droid_tune.errors import UsageError, UserError
from droid_tune.names import LAST
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.config import RunConfig


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("the run (a later one wins: preset, config file, arguments, --set)")
    run.add_argument("--config", type=user_path, metavar="RUN.yaml", help="settings in YAML or JSON")
    run.add_argument(
        "--model", metavar="M", help="`starter` (the default), a model folder or a Hugging Face id"
    )
    run.add_argument(
        "--data", metavar="D", help="`sample` (the default), a file, or a folder with train.jsonl"
    )
    run.add_argument(
        "--method", metavar="NAME", help="grpo (the default), sft, ...: see `droid-tune methods`"
    )
    run.add_argument(
        "--preset", metavar="P", default="default", help="fast_test, full_training, low_memory, ..."
    )
    run.add_argument("--name", help="the run's name in lists")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, e.g. group_size=8 or optimizer.learning_rate=1e-5; may be given many times",
    )
    run.add_argument(
        "--track",
        action="append",
        default=[],
        choices=("tensorboard", "wandb", "trackio"),
        help="draw the curves there too, as the run goes (wandb: offline); may be given many times",
    )
    add_mapping_argument(parser)
    add_trust_argument(parser)


def add_mapping_argument(parser: argparse.ArgumentParser) -> None:
    """`--map`, for every command that reads data."""
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="which column of the data holds a field, e.g. prompt=query; may be given many times",
    )


def add_driving_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--events", action="store_true", help="print the run's events on stdout, one JSON line each"
    )
    parser.add_argument(
        "--stop-after",
        type=positive,
        metavar="N",
        help="save and stop after N steps of this session; `droid-tune resume` goes on exactly from there",
    )
    add_process_argument(parser)


def add_process_argument(parser: argparse.ArgumentParser) -> None:
    """`--separate-process`, for the commands that train."""
    parser.add_argument(
        "--separate-process",
        action="store_true",
        help="train in a process of its own: what ends it does not end this one",
    )


def add_checkpoint_argument(parser: argparse.ArgumentParser, purpose: str) -> None:
    """`--checkpoint`, for every command that uses a run."""
    parser.add_argument(
        "--checkpoint",
        default=LAST,
        metavar="best|last|STEP",
        help=f"{purpose}: the run's newest (the default), its best by held-out rows, or that of a step",
    )


def mapping_from(pairs: list[str]) -> dict[str, str]:
    """`["prompt=query"]` -> {"prompt": "query"}. Raises UsageError."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise UsageError(f"`--map {pair}` needs the form field=column, e.g. --map prompt=query")
        mapping[field] = column
    return mapping


def positive(text: str) -> int:
    """argparse's type for a count: 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number of 1 or more")
    return number


def asked_config(arguments: argparse.Namespace) -> RunConfig:
    """`config_from` for a command that runs what the config brings: asked about where a file brings it.

    Raises UsageError, UserError.
    """
    from droid_tune.config.asking.trust import trust

    config = config_from(arguments)
    ask_about_file(arguments.config, config, trusted=arguments.trust, brought=brought_by(arguments.config))
    with suppress(UserError):  # what is left are the person's own words
        trust(config)
    return config


def brought_by(file: Path | None) -> list[str] | None:
    """What a config file reaches for by itself, without what the command line adds; None where it is no whole config."""
    from droid_tune.config import resolve
    from droid_tune.config.asking.reaching_out import reaches
    from droid_tune.config.files.config_file import read_config_file, with_absolute_paths

    if file is None:
        return []
    try:
        return reaches(resolve(with_absolute_paths(read_config_file(file).values, Path())))
    except UserError:
        return None


def config_from(arguments: argparse.Namespace) -> RunConfig:
    """All layers as one resolved config. Raises UsageError with the first fault."""
    from droid_tune.config import parse_overrides, resolve
    from droid_tune.config.files.config_file import with_absolute_paths
    from droid_tune.config.files.load import canonical, merge_words

    file: Path | None = arguments.config
    try:
        values = canonical(values_in(file)) if file else {}
        values = merge_words(values, canonical(named_settings(arguments)))
        values = merge_words(values, parse_overrides(arguments.set))
        config = resolve(with_absolute_paths(values, Path()), preset=arguments.preset, place=str(file or ""))
    except UserError as error:
        raise UsageError(str(error)) from None
    if arguments.preset == "from_sft" and not config.model.start_from:
        raise UsageError(
            "the preset `from_sft` goes on from a supervised run, and none is named",
            place="--preset",
            remedy="add --set model.start_from=RUN, with the run's id or folder",
        )
    return config


def values_in(file: Path) -> dict[str, Any]:
    """The settings in a config file; another trainer's are made ours, with a word about each that is not the same."""
    from droid_tune.config.files.config_file import read_config_file

    imported = read_config_file(file)
    for note in imported.notes:
        say(f"{file.name}: {note}")
    return imported.values


def named_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that have an argument of their own."""
    given: dict[str, Any] = {
        "model": {"path": arguments.model} if arguments.model else None,
        "data": data_settings(arguments),
        "method": arguments.method,
        "name": arguments.name,
        "tracking": dict.fromkeys(arguments.track, True),
    }
    return {key: value for key, value in given.items() if value}


def data_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `--data` and `--map` say; a path given here is read in place of a file's files."""
    path = {"path": arguments.data, "files": {}} if arguments.data else {}
    mapping = mapping_from(arguments.map)
    return {**path, **({"mapping": mapping} if mapping else {})}
