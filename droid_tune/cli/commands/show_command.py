"""`droid-tune show`: rows as the model sees them, with the part that is learnt marked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune.cli.commands.validate_command import add_mapping_argument, known_method, mapping_from
from droid_tune.cli.output import say
from droid_tune.errors import UsageError, UserError
from droid_tune.words import count as counted

if TYPE_CHECKING:
    from droid_tune.data.dataset import Rows
    from droid_tune.data.reading.listing import ListedRow
    from droid_tune.data.rendering.shown import ShownRow

HELP = "print rows as the model sees them, with the learnt part marked"
#: Rows shown to a person who names none; `--json` has them all.
SHOWN_ROWS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="M", default="starter", help="a model, or a folder with its tokenizer alone"
    )
    parser.add_argument(
        "--data", metavar="D", default="sample", help="`sample` (the default), a file or a folder"
    )
    parser.add_argument(
        "--method",
        metavar="NAME",
        default="sft",
        help="sft (the default) shows examples, dpo both answers, grpo prompts",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--row", metavar="N", help="one row, counted from 1")
    which.add_argument("--rows", metavar="A-B", help="rows A to B, both included")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="train")
    parser.add_argument("--thinking", choices=("template", "on", "off"), default="template")
    parser.add_argument(
        "--system-prompt", metavar="TEXT", default="", help="for rows without one of their own"
    )
    add_mapping_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a row and line")


def run(arguments: argparse.Namespace) -> int:
    """Print the rows asked for; a row that would be left out says why."""
    from droid_tune.data.rendering.shown import ShownRow, show_row
    from droid_tune.data.templates import TemplateOptions

    known_method(arguments.method)
    rows, listed = _rows(arguments)
    chosen = chosen_rows(arguments.row or arguments.rows or "", len(listed))
    if not (arguments.json or arguments.row or arguments.rows):
        chosen = chosen[:SHOWN_ROWS]
    tokenizer = _tokenizer(arguments.model)
    options = TemplateOptions(arguments.system_prompt, arguments.thinking)
    for one in (listed[place] for place in chosen):
        if rows is None or one.index is None:
            shown = ShownRow(error=one.error)
        else:
            shown = show_row(tokenizer, rows.row(one.index), options, arguments.method)
        _print(one.number, shown, tokenizer, as_json=arguments.json)
    if len(chosen) < len(listed) and not (arguments.json or arguments.row or arguments.rows):
        say(f"{len(listed) - len(chosen):,} more: --rows {len(chosen) + 1}-{len(listed)} shows them.")
    return 0


def _rows(arguments: argparse.Namespace) -> tuple[Rows | None, list[ListedRow]]:
    """The split's usable rows (None where there is none), and all of its rows with those that are refused."""
    from droid_tune.data.dataset import UnusableDataError, open_dataset
    from droid_tune.data.reading.discover import place_of
    from droid_tune.data.reading.listing import listed_rows

    place = place_of(arguments.data, arguments.method)
    try:
        dataset = open_dataset(place, arguments.method, mapping_from(arguments.map))
    except UnusableDataError as error:
        if not (listed := listed_rows(arguments.split, None, error.report)):
            raise
        return None, listed
    rows = dataset.splits[arguments.split]
    listed = listed_rows(arguments.split, rows, dataset.report)
    if not listed:
        raise UserError(f"The split {arguments.split} has no rows", place=str(arguments.data))
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


def _tokenizer(name: str) -> Any:
    from droid_tune.model_files.hub import local_model, resolve_model
    from droid_tune.model_files.tokenizer import load_tokenizer

    return load_tokenizer(Path(local_model(name) or resolve_model(name)))


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
