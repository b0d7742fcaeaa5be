"""All rows of a split behind a model's template, before a run: which can be used, and what is read otherwise.

What was found is kept like the index of the files: it holds for the same files, template, tokenizer and settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from droid_tune import __version__, words
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.lens import Lens, Longest
from droid_tune.data.rendering.templates.chat_template import ChatTemplate, unwrapped
from droid_tune.errors import UserError
from droid_tune.paths import cache_dir

#: data sets up to here are looked through before training begins (0.6 ms of CPU a short chat, 2026-11-29)
LOOKED_THROUGH = 200_000
#: smaller splits are looked through again faster than they are looked up with care
LEAST_KEPT = 2_000
#: entries on disk, the newest ones
MOST_KEPT = 64
#: rows between two words on how far it is
TOLD_EVERY = 100


@dataclass
class Findings:
    """Rows by number in the split: `refused` with why, `too_long` with their tokens; `notes` by code, how often; and how
    long the others are at most."""

    rows: int
    refused: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    too_long: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    notes: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    longest: Longest = field(default_factory=Longest)

    @property
    def usable(self) -> Sequence[int] | None:
        """The numbers of the rows that can be used, None where all can."""
        left_out = {number for number, _ in (*self.refused, *self.too_long)}
        return [number for number in range(self.rows) if number not in left_out] if left_out else None

    def add(self, number: int, row: Row, lens: Lens) -> None:
        """Look at one more row."""
        try:
            measured = lens.measure(row)
        except UserError as error:
            self.refused.append((number, str(error)))
            return
        if not lens.fits(measured):
            self.too_long.append((number, measured.longest))
            return
        self.longest = self.longest.beside(measured)
        for note in measured.notes:
            self.notes[note.code] = (note.text, self.notes.get(note.code, ("", 0))[1] + 1)

    def told_notes(self) -> list[tuple[str, str]]:
        """`(code, sentence with its share of the rows)` for each kind of note."""
        return [
            (code, f"{words.capitalised(words.share(count / self.rows))} of the rows: {text}")
            for code, (text, count) in self.notes.items()
        ]


def look_through(rows: Rows, lens: Lens, watch: Watch = UNWATCHED) -> Findings | None:
    """Render every row once; None where there are too many to do so first. Raises `Stopped`."""
    if len(rows) > LOOKED_THROUGH:
        return None
    found = Findings(len(rows))
    for number in range(len(rows)):
        if number % TOLD_EVERY == 0:
            watch.tell(number, len(rows), "rows")
        watch.pause_point()
        found.add(number, rows.row(number), lens)
    return found


def findings_of(
    dataset: Dataset, split: str, rows: Rows, lens: Lens, method: str, watch: Watch = UNWATCHED
) -> Findings | None:
    """`look_through`, from what was kept of an earlier time where the same was looked at."""
    if not LEAST_KEPT <= len(rows) <= LOOKED_THROUGH:
        return look_through(rows, lens, watch)
    place = cache_dir() / "rendered" / f"{_key(lens, dataset, split, method)}.json"
    known = _kept(place, len(rows))
    if known is not None:
        return known
    found = look_through(rows, lens, watch)
    if found is not None:
        _keep(place, found)
    return found


def _key(lens: Lens, dataset: Dataset, split: str, method: str) -> str:
    """What the findings depend on, as one word."""
    inner = unwrapped(lens.tokenizer)
    backend: Any = getattr(inner, "backend_tokenizer", None)
    spelt = backend.to_str() if hasattr(backend, "to_str") else str(type(inner))
    looked = (lens.options, lens.imitated, lens.answers_only, lens.judged, lens.cut, lens.limit, lens.known)
    settings = (__version__, *looked, split, method)
    parts = [
        str(settings),
        ChatTemplate.of(lens.tokenizer).source,
        str(getattr(inner, "eos_token", "")),
        spelt,
    ]
    parts += [str(one.to_json()) for one in dataset.fingerprints]
    parts += [f"{layout.format.name} {sorted(layout.mapping.items())}" for layout in _layouts(dataset)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _layouts(dataset: Dataset) -> list[Layout]:
    return [file.layout for file in dataset.report.files if file.layout is not None]


def _kept(place: Path, rows: int) -> Findings | None:
    try:
        value = json.loads(place.read_text(encoding="utf-8"))
        found = Findings(
            int(value["rows"]),
            [(int(number), str(why)) for number, why in value["refused"]],
            [(int(number), int(tokens)) for number, tokens in value["too_long"]],
            {str(code): (str(text), int(count)) for code, (text, count) in value["notes"].items()},
            Longest(*map(int, value["longest"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # none, damaged, or of another version: as good as none
    return found if found.rows == rows else None


def _keep(place: Path, found: Findings) -> None:
    """Write an entry whole or not at all; a full disk costs only the next look."""
    value = {**vars(found), "longest": astuple(found.longest)}
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(".partial")
        partial.write_text(json.dumps(value), encoding="utf-8")
        partial.replace(place)
        entries = sorted(place.parent.glob("*.json"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in entries[MOST_KEPT:]:
            old.unlink(missing_ok=True)
