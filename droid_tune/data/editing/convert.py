"""Rows of one format written as another, into a new folder; what a format cannot hold is said, not lost."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from droid_tune import words
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.editing.source_row import CannotConvertError
from droid_tune.data.editing.targets import TARGETS, converted
from droid_tune.data.formats.base import Row
from droid_tune.data.splits import SPLITS
from droid_tune.errors import UsageError, UserError
from droid_tune.machine.scratch import claimed
from droid_tune.paths import user_path
from droid_tune.runs.disk.durable import clear_unfinished, unfinished_name

#: within the folder, while it is written
_UNFINISHED = ".unfinished"
#: the files that are moved out of it, as long as not all of them are
_MOVING = ".moving"


@dataclass
class Written:
    """What was written: rows per split, rows that the format could not hold with why, and what rows lost."""

    folder: Path
    rows: dict[str, int] = field(default_factory=dict[str, int])
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    #: What the format has no place for in rows that were written all the same, and in how many.
    lost: Counter[str] = field(default_factory=Counter[str])

    @property
    def said_lost(self) -> list[str]:
        """A sentence for each, with its rows."""
        return [f"In {words.count(rows, 'row')} {said}." for said, rows in self.lost.items()]


def check_target(target: str) -> None:
    """Raise `UsageError` unless rows can be written in this format."""
    if target not in TARGETS:
        raise UsageError(f"`{target}` is no format to convert to", remedy=f"use one of {', '.join(TARGETS)}")


def preview(rows: Rows, target: str, count: int = 5) -> list[tuple[Row, Row | str]]:
    """The first rows and what becomes of them: the new row, or why there is none."""
    check_target(target)
    return [(rows.raw(index), _try(rows, index, target, Counter())) for index in range(min(count, len(rows)))]


def _try(rows: Rows, index: int, target: str, lost: Counter[str]) -> Row | str:
    """One row in its new form, or why it has none; what it loses is counted."""
    try:
        new, left_out = converted(*rows.source(index), target)
    except CannotConvertError as error:
        return str(error)
    lost.update(set(left_out))
    return new


def convert(
    dataset: Dataset,
    target: str,
    out: str | Path,
    watch: Watch = UNWATCHED,
) -> Written:
    """Write all splits in another format to a new folder of JSONL. Raises `UsageError`, `UserError`, `Stopped`."""
    check_target(target)
    written = Written(user_path(out))
    total = sum(map(len, dataset.splits.values()))
    done = 0
    with new_folder(out) as folder:
        for split in SPLITS:
            rows = dataset.splits[split]
            tick = partial(_tick, before=done, total=total, watch=watch)
            count = write_rows(folder / f"{split}.jsonl", _converted_rows(rows, target, written, tick))
            if count:
                written.rows[split] = count
            done += len(rows)
        if not written.rows:
            place, why = written.left_out[0]
            raise UserError(
                f"No row can be written as {target}: {why}", place=place, remedy="choose another format"
            )
    return written


def _converted_rows(
    rows: Rows, target: str, written: Written, tick: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    for index in range(len(rows)):
        tick(index)
        new = _try(rows, index, target, written.lost)
        if isinstance(new, str):
            written.left_out.append((rows.place(index), new))
        else:
            yield new


def _tick(index: int, before: int, total: int, watch: Watch) -> None:
    if index % 1000 == 0:
        watch.tell(before + index, total)


@contextmanager
def new_folder(path: str | Path) -> Generator[Path]:
    """Where to write data that is to be in the folder `path`, new or empty, with the end of the block: all of it or nothing.

    Raises `UserError`; nothing of the user's is overwritten.
    """
    folder = user_path(path)
    unfinished, is_new = folder / _UNFINISHED, not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = {_UNFINISHED, _MOVING, *_half_moved(folder)}
        occupied = any(one.name not in ours for one in folder.iterdir())
    except OSError as error:
        raise UserError(
            f"The folder cannot be made ({error.strerror})", place=str(folder), remedy="choose another"
        ) from None
    if occupied:
        raise UserError(
            "The folder is not empty", place=str(folder), remedy="choose a new one; nothing is overwritten"
        )
    try:
        with claimed(unfinished):
            _take_back(folder)
            yield unfinished
            _move(unfinished, folder)
    except OSError as error:
        raise _unwritten(error, folder) from None
    finally:
        if is_new:
            with suppress(OSError):  # not empty: it was written
                folder.rmdir()


def _move(unfinished: Path, folder: Path) -> None:
    """Everything into its place, or nothing: where that is cut off, the next one that writes there takes it back."""
    # train.jsonl last: a folder without it is no data.
    files = sorted(unfinished.iterdir(), reverse=True)
    try:
        (folder / _MOVING).write_text(json.dumps([file.name for file in files]), encoding="utf-8")
        for file in files:
            file.replace(folder / file.name)
    except OSError:
        with suppress(OSError):  # the next one does
            _take_back(folder)
        raise
    with suppress(OSError):  # it tells of files that are all in their places
        (folder / _MOVING).unlink()


def _take_back(folder: Path) -> None:
    for name in _half_moved(folder):
        (folder / name).unlink(missing_ok=True)
    if (folder / _MOVING).exists():
        (folder / _MOVING).unlink()


def _half_moved(folder: Path) -> list[str]:
    """The files that were moved in before a move was cut off; none where the last one was, or nothing of that is known."""
    try:
        value: Any = json.loads((folder / _MOVING).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    names: list[Any] = value if isinstance(value, list) else []
    files = [name for name in names if isinstance(name, str) and Path(name).name == name]
    if not files or (folder / files[-1]).exists():
        return []
    return [name for name in files if (folder / name).exists()]


def _unwritten(error: OSError, place: Path) -> UserError:
    return UserError(
        f"Writing failed ({error.strerror})", place=str(place), remedy="make room or choose another folder"
    )


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSONL and return how many; the file appears under its name when it is whole, and only with rows."""
    partial_path, count = unfinished_name(path), 0
    try:
        clear_unfinished(path.parent, path.name)
        with partial_path.open("x", encoding="utf-8", newline="\n") as stream:
            for row in rows:
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        if count:
            partial_path.replace(path)
    except OSError as error:
        raise _unwritten(error, path) from None
    finally:
        partial_path.unlink(missing_ok=True)
    return count
