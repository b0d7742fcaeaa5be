"""`droid-tune show`: rows as the model sees them, with the part that is learnt marked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune.cli.commands.validate_command import add_mapping_argument, known_method
from droid_tune.cli.consent import add_trust_argument, ask_about_file
from droid_tune.cli.ending import STOPPED, stopping_gracefully
from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import data_settings, values_in
from droid_tune.errors import UsageError, UserError
from droid_tune.paths import user_path
from droid_tune.words import count as counted

if TYPE_CHECKING:
    from droid_tune.config import RunConfig
    from droid_tune.control import Watch
    from droid_tune.data.dataset import Rows
    from droid_tune.data.reading.listing import ListedRow
    from droid_tune.data.rendering.shown import ShownRow
    from droid_tune.names import Split
    from droid_tune.playground.seen_openings import SeenOpenings

HELP = "print rows as the model sees them, with the learnt part marked"
#: Rows shown to a person who names none; `--json` has them all.
SHOWN_ROWS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=user_path,
        metavar="RUN.yaml",
        help="the rows as this run reads them, its environment's tools and first turns among them; what is said beside it wins",
    )
    parser.add_argument(
        "--model", metavar="M", help="a model, or a folder with its tokenizer alone (the starter)"
    )
    parser.add_argument("--data", metavar="D", help="`sample` (the default), a file or a folder")
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="sft (the default) shows examples, dpo both answers, grpo prompts",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--row", metavar="N", help="one row, counted from 1")
    which.add_argument("--rows", metavar="A-B", help="rows A to B, both included")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="train")
    parser.add_argument("--thinking", choices=("template", "on", "off"))
    parser.add_argument("--system-prompt", metavar="TEXT", help="for rows without one of their own")
    add_mapping_argument(parser)
    add_trust_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a row and line")


def run(arguments: argparse.Namespace) -> int:
    """Print the rows asked for; a row that would be left out says why. Exit 130 where it was stopped."""
    from droid_tune.control import Control, Watch
    from droid_tune.errors import Stopped

    if arguments.method is not None:
        known_method(arguments.method)
    config, control = _config(arguments), Control()
    rows, listed = _rows(config, arguments.split)
    asked = arguments.row or arguments.rows or ""
    chosen = chosen_rows(asked, len(listed))
    if not (arguments.json or asked):
        chosen = chosen[:SHOWN_ROWS]
    try:
        with stopping_gracefully(control, "nothing is kept"):
            watch = Watch(should_stop=control.stop_requested)
            _show(config, rows, [listed[place] for place in chosen], watch, as_json=arguments.json)
    except Stopped:
        return STOPPED
    if len(chosen) < len(listed) and not (arguments.json or asked):
        say(f"{len(listed) - len(chosen):,} more: --rows {len(chosen) + 1}-{len(listed)} shows them.")
    return 0


def _config(arguments: argparse.Namespace) -> RunConfig:
    """The run whose rows are shown: that of the file, else one of supervised training."""
    from droid_tune.config import resolve
    from droid_tune.config.files.config_file import with_absolute_paths
    from droid_tune.config.files.load import canonical, merge_words

    file: Path | None = arguments.config
    data = {"system_prompt": arguments.system_prompt, "thinking": arguments.thinking}
    said: dict[str, Any] = {
        "model": {"path": arguments.model} if arguments.model else {},
        "data": {
            **data_settings(arguments),
            **{key: given for key, given in data.items() if given is not None},
        },
        "method": arguments.method or (None if file else "sft"),
    }
    values = canonical(values_in(file)) if file else {}
    values = merge_words(values, canonical({key: given for key, given in said.items() if given}))
    config = resolve(with_absolute_paths(values, Path()), place=str(file or ""))
    ask_about_file(file, config, trusted=arguments.trust)
    return config


def _show(
    config: RunConfig, rows: Rows | None, chosen: Sequence[ListedRow], watch: Watch, *, as_json: bool
) -> None:
    """Raises UserError for an environment that cannot be used, and Stopped."""
    from droid_tune.data.rendering.shown import ShownRow, show_row
    from droid_tune.data.templates import TemplateOptions
    from droid_tune.playground.seen_openings import SeenOpenings

    tokenizer = _tokenizer(config)
    options = TemplateOptions.of(config.data)
    with closing(SeenOpenings()) as openings:
        if config.environment is not None:
            openings.options(config, tokenizer, watch)  # what cannot be used is said once, not with each row
        for one in chosen:
            watch.pause_point()
            if rows is None or one.index is None:
                shown = ShownRow(error=one.error)
            elif config.environment is None:
                shown = show_row(tokenizer, rows.row(one.index), options, config.method.type)
            else:
                shown = _begun(openings, config, tokenizer, rows, one.index, watch)
            _print(one.number, shown, tokenizer, as_json=as_json)


def _begun(
    openings: SeenOpenings, config: RunConfig, tokenizer: Any, rows: Rows, place: int, watch: Watch
) -> ShownRow:
    from droid_tune.data.rendering.shown import ShownRow

    try:
        return openings.opening(config, tokenizer, rows.row(place), place, watch)
    except UserError as error:
        return ShownRow(error=str(error))


def _rows(config: RunConfig, split: Split) -> tuple[Rows | None, list[ListedRow]]:
    """The split's usable rows (None where there is none), and all of its rows with those that are refused."""
    from droid_tune.data.dataset import UnusableDataError, open_configured
    from droid_tune.data.reading.listing import listed_rows

    try:
        dataset = open_configured(config.data, config.method.type)
    except UnusableDataError as error:
        if not (listed := listed_rows(split, None, error.report)):
            raise
        return None, listed
    rows = dataset.splits[split]
    listed = listed_rows(split, rows, dataset.report)
    if not listed:
        raise UserError(f"The split {split} has no rows", place=config.data.path)
    return rows, listed


def chosen_rows(asked: str, count: int) -> range:
    """`"7"` or `"3-5"` (from 1, both ends included) as numbers from 0; all where nothing is asked. Raises UsageError."""
    if not asked:
        return range(count)
    first, _, last = asked.partition("-")
    try:
        start, end = int(first), int(last or first)
    except ValueError:
        raise UsageError(f"`{asked}` is no row", remedy="write --row 7 or --rows 3-5") from None
    if not 1 <= start <= end <= count:
        raise UsageError(
            f"there is no row {asked}", remedy=f"the split has {counted(count, 'row')}, counted from 1"
        )
    return range(start - 1, end)


def _tokenizer(config: RunConfig) -> Any:
    from droid_tune.model_files.hub import local_model, resolve_model
    from droid_tune.model_files.tokenizer import load_tokenizer

    name, revision = config.model.path, config.model.revision
    return load_tokenizer(Path(local_model(name, revision) or resolve_model(name, revision)))


def _print(row: int, shown: ShownRow, tokenizer: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"row": row, **shown.to_json()}, ensure_ascii=False))
        return
    if shown.error is not None:
        print(f"--- row {row} is left out: {shown.error}")
        return
    print(f"--- row {row}: {counted(len(shown.tokens), 'token')}, {sum(shown.learnt):,} of them learnt")
    for part in shown.parts:
        if part.name:
            print(f"{part.name}:")
        print(marked(part.tokens, part.learnt, tokenizer))
    for note in shown.notes:
        print(f"    note: {note}")


def marked(tokens: Sequence[int], learnt: Sequence[bool], tokenizer: Any) -> str:
    """The text of the tokens, what is learnt between `[[` and `]]`."""
    edges = [0, *(k for k in range(1, len(tokens)) if learnt[k] != learnt[k - 1]), len(tokens)]
    pieces = [(str(tokenizer.decode(tokens[a:b])), learnt[a]) for a, b in pairwise(edges) if a < b]
    return "".join(f"[[{text}]]" if is_learnt else text for text, is_learnt in pieces)
