"""What goes to the terminal: data to stdout, words about it to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from droid_tune import words

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 1000


def print_json(value: Any) -> None:
    """One JSON document on stdout, readable by people too."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def say(sentence: str) -> None:
    """A word to the person, kept out of what a pipe reads; nothing where that person has left."""
    try:
        print(sentence, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)  # else Python tries again as it leaves


def progress_line(doing: str) -> Callable[[int, int, str], None] | None:
    """A line on the terminal that counts up in place, `reading train.jsonl: 40%`; None where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int, what: str) -> None:
        end = "\r" if done < total else "\r\x1b[K"
        said = f"{doing} {Path(what).name}: {words.share(done / max(1, total))}"
        print(said, end=end, file=sys.stderr, flush=True)

    return show


def silence(stream: TextIO) -> None:
    """Nobody reads the stream any more: what is still written to it goes nowhere, and raises nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def terminals() -> list[TextIO]:
    """Those of our streams that write to a terminal (one that is gone is none any more: ask in time)."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream.isatty()]


def console() -> Console:
    """Stdout that takes text as it is: no markup, no colours by guess, no emoji codes. A pipe is as wide as it gets."""
    from rich.console import Console

    class PlainConsole(Console):
        """rich would leave the process where the reader has left; here that is an error like any other."""

        def on_broken_pipe(self) -> None:
            """Raises BrokenPipeError."""
            raise BrokenPipeError

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return PlainConsole(markup=False, emoji=False, highlight=False, width=width)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A plain table on stdout; the columns numbered in `right` are set flush right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, heading in enumerate(headings):
        # The first column names the thing: it must stay whole, so that it can be copied.
        justify = "right" if number in right else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def amount(value: float | None, unit: str = "") -> str:
    """A number with its unit in the catalogue's units, short enough for a table."""
    if value is None:
        return "-"
    match unit:
        case "share":
            return words.share(value)
        case "bytes":
            return words.size(value)
        case "s":
            return words.pace(value)
        case "tokens":
            return f"{value:.0f}"
        case _:
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
