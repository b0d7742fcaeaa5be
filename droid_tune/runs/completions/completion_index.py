"""Every completion of a run as a table on disk: sorted, filtered and searched without holding them in memory.

`rollouts.jsonl` stays the truth. In the cache stands a database (SQLite, of the standard library) with one line a
completion, its text, and the place of its group in the file; it is brought up to date by reading what was added, and made
anew where the file is another. Full-text search (FTS5) was weighed and left out: by words it finds no part of one, with
trigrams it takes twice the room of the texts and 2.2 s more to build, and a plain scan of 80,000 completions is quick enough
(tests/benchmarks/long_run.py, 30 November 2026).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from droid_tune.errors import UserError
from droid_tune.events import RolloutGroup, TokenDetails, parse_event
from droid_tune.metrics import is_right
from droid_tune.paths import cache_dir, private_file, private_folder
from droid_tune.runs.log import reading_log

#: of the tables; another number makes an index anew
FORMAT = 2
#: tables that are kept: of the runs that were looked at last
MOST_KEPT = 20
#: lines of the file in one transaction
PORTION = 2_000
#: integers of the table are below it
_LARGEST = 2**63
#: columns of a completion before those of the rewards
FIXED = (
    "id",
    "step",
    "grp",
    "member",
    "row",
    "held_out",
    "reward",
    "advantage",
    "length",
    "cut",
    "right",
    "offset",
)
_TABLES = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE parts (place INTEGER PRIMARY KEY, name TEXT UNIQUE)",
    "CREATE TABLE completions (id INTEGER PRIMARY KEY, step INTEGER, grp INTEGER, member INTEGER, row INTEGER, "
    "held_out INTEGER, reward REAL, advantage REAL, length INTEGER, cut INTEGER, right INTEGER, offset INTEGER, "
    "UNIQUE (held_out, step, grp, member) ON CONFLICT REPLACE)",
    "CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)",
    "CREATE TABLE groups (offset INTEGER PRIMARY KEY, prompt TEXT)",
    "CREATE TABLE traces (step INTEGER, grp INTEGER, offset INTEGER, PRIMARY KEY (step, grp))",
    "CREATE INDEX by_row ON completions (row, step)",
)


@dataclass
class _Portion:
    """What some lines of the file hold; `parts` are the rewards' columns, those that are new too."""

    parts: dict[str, int]
    next_id: int
    end: int
    completions: list[list[Any]] = field(default_factory=list[list[Any]])
    texts: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    groups: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    traces: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])

    def add(self, raw: bytes, offset: int) -> None:
        """One line; what is no group of completions is passed over."""
        try:
            told = parse_event(raw)
        except ValueError:
            return
        if isinstance(told, TokenDetails) and _fits(told.step, told.group):
            self.traces.append((told.step, told.group, offset))
        if isinstance(told, RolloutGroup) and _fits(
            told.step, told.group, told.row or 0, *(one.length for one in told.completions)
        ):
            self._add_group(told, offset)

    def _add_group(self, told: RolloutGroup, offset: int) -> None:
        common = [told.step, told.group]
        self.groups.append((offset, told.prompt))
        for member, one in enumerate(told.completions):
            for name in one.rewards:
                self.parts.setdefault(name, len(self.parts))
            judged = [one.reward, one.advantage, one.length]
            flags = [one.finish_reason == "length", is_right(one.reward, one.rewards), offset]
            values = [one.rewards.get(name) for name in self.parts]
            where = [told.row, int(told.held_out)]
            self.completions.append([self.next_id, *common, member, *where, *judged, *flags, *values])
            self.texts.append((self.next_id, one.text))
            self.next_id += 1


def _fits(*numbers: int) -> bool:
    """Whether the table can hold them; no run counts so far, but a damaged line may say anything."""
    return all(-_LARGEST <= number < _LARGEST for number in numbers)


class CompletionIndex:
    """The table of one run. Belongs to the thread that made it: open one for each.

    Making it raises UserError where the cache cannot be written; so does the end of a block around which it is open
    where the table could not be asked. A damaged table is removed: the next one makes it anew.
    """

    def __init__(self, rollouts: Path, index: Path | None = None) -> None:
        self.rollouts = rollouts
        self._file = index or index_path(rollouts)
        try:
            private_folder(self._file.parent)
            if index is None and not self._file.exists():
                _let_go_of_others(self._file.parent)
            self.base = self._opened_whole()
        except (OSError, sqlite3.Error) as error:
            raise _refused(self._file, error) from error

    def _opened_whole(self) -> sqlite3.Connection:
        private_file(self._file)
        try:
            return self._opened()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
            _remove(self._file)
            private_file(self._file)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._file, timeout=30, isolation_level=None)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = OFF")  # it can be made again
        base.execute("BEGIN IMMEDIATE")
        if base.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            _begin_anew(base)
        base.execute("COMMIT")
        return base

    def close(self) -> None:
        """Let go of the file."""
        self.base.close()

    def __enter__(self) -> CompletionIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, sqlite3.Error):
            if _is_damage(error):
                with suppress(OSError):
                    _remove(self._file)
            raise _refused(self._file, error) from error

    def update(self) -> Iterator[int]:
        """Read what was added to the file; yields how many bytes are read so far, after each portion.

        Raises UserError where the file cannot be read; what was read of it stays in the table.
        """
        with self._change():
            if self._is_another_file():
                _begin_anew(self.base)
        while (done := self._read_portion()) is not None:
            yield done

    @contextmanager
    def _change(self) -> Generator[None]:
        """What the table takes from the file, whole or not at all."""
        with reading_log(self.rollouts), self.base:
            self.base.execute("BEGIN IMMEDIATE")
            yield

    def _is_another_file(self) -> bool:
        """The file was cut, or its beginning is another: what is known of it is not to be trusted."""
        known = self._said("head")
        return self.bytes_read > _size(self.rollouts) or (known != "" and known != _head(self.rollouts))

    @property
    def bytes_read(self) -> int:
        """How far the file is in the table."""
        return int(self._said("bytes") or 0)

    def _said(self, name: str) -> str:
        found = self.base.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return found[0] if found else ""

    def _read_portion(self) -> int | None:
        """The byte up to which the file is read now; None where nothing was added."""
        if self.bytes_read >= _size(self.rollouts):
            return None
        with self._change():
            start = self.bytes_read
            portion = self._gathered(start)
            self._keep(portion)
        return portion.end if portion.end > start else None

    def _gathered(self, start: int) -> _Portion:
        last = self.base.execute("SELECT max(id) FROM texts").fetchone()[0] or 0
        portion = _Portion(self.part_columns(), last + 1, start)
        with self.rollouts.open("rb") as file:
            file.seek(start)
            for _ in range(PORTION):
                raw = file.readline()
                if not raw.endswith(b"\n"):
                    break  # it is being written: the next look finds it whole
                portion.add(raw, portion.end)
                portion.end += len(raw)
        return portion

    def _keep(self, portion: _Portion) -> None:
        for name, place in portion.parts.items():
            if self.base.execute("INSERT OR IGNORE INTO parts VALUES (?, ?)", (place, name)).rowcount:
                self.base.execute(f"ALTER TABLE completions ADD COLUMN p{place} REAL")
        width = len(FIXED) + len(portion.parts)
        marks = ", ".join("?" * width)
        padded = [line + [None] * (width - len(line)) for line in portion.completions]
        self.base.executemany(f"INSERT INTO completions VALUES ({marks})", padded)
        self.base.executemany("INSERT INTO texts VALUES (?, ?)", portion.texts)
        self.base.executemany("INSERT OR REPLACE INTO groups VALUES (?, ?)", portion.groups)
        self.base.executemany("INSERT OR REPLACE INTO traces VALUES (?, ?, ?)", portion.traces)
        about = (("bytes", str(portion.end)), ("head", _head(self.rollouts)))
        self.base.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about)

    def part_columns(self) -> dict[str, int]:
        """The rewards and their parts by the number of their column, in the order in which they were first told."""
        return dict(self.base.execute("SELECT name, place FROM parts ORDER BY place").fetchall())


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the table is no table any more; a full or broken disk and a table that is locked are no damage."""
    return isinstance(error, sqlite3.DatabaseError) and error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def _refused(file: Path, error: Exception) -> UserError:
    return UserError(
        f"The completions cannot be indexed ({error})",
        place=str(file),
        remedy="see that the disk is sound and has room, and try again",
    )


def index_path(rollouts: Path) -> Path:
    """Where the table of a run's completions is kept: in the cache, named by the place of the run."""
    name = hashlib.sha256(os.path.realpath(rollouts).encode()).hexdigest()[:24]
    return cache_dir() / "completions" / f"{name}.sqlite"


def drop_index(rollouts: Path) -> None:
    """The run is gone, and its table with it; nothing where there is none."""
    _remove(index_path(rollouts))


def _remove(file: Path) -> None:
    """A table with what SQLite keeps beside it."""
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink(missing_ok=True)


def _let_go_of_others(folder: Path) -> None:
    """Room for one more: the tables that nobody looked at for longest go. They can be made again."""
    known = sorted(folder.glob("*.sqlite"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in known[MOST_KEPT - 1 :]:
        _remove(file)


def _begin_anew(base: sqlite3.Connection) -> None:
    for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        base.execute(f"DROP TABLE {name}")
    for statement in _TABLES:
        base.execute(statement)
    base.execute(f"PRAGMA user_version = {FORMAT}")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _head(file: Path) -> str:
    """What tells one file from another in its place: its first line, as far as it is short."""
    with file.open("rb") as lines:
        return hashlib.sha256(lines.readline(4096)).hexdigest()[:16]
