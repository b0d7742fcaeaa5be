"""Where the readers of all file types report to: counts, issues, and what indexes the accepted rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from droid_tune import words
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Layout, Need, Row
from droid_tune.data.formats.parts.columns import value_at
from droid_tune.data.formats.table import label_of, need_of, said_need, said_readers
from droid_tune.data.formats.verdict import said_unread_label
from droid_tune.data.issues import FileFault, Issue, IssueLog, IssueRun, RowFault, excerpt_of, listed
from droid_tune.data.layout import detect
from droid_tune.data.mapping import mapped, propose
from droid_tune.data.reading.columns_seen import ColumnsSeen
from droid_tune.data.reading.control_characters import first_bom, first_control
from droid_tune.data.reading.duplicates import repeats, row_hash
from droid_tune.data.reading.opposites import Verdicts
from droid_tune.data.reading.spill import SpillArray
from droid_tune.data.reasons import LONG_ROW_BYTES, WarningReason
from droid_tune.data.report import FileReport
from droid_tune.data.splits import SPLIT_COLUMN, SPLITS, split_of_word, split_word

#: of a row that names no split, and of one whose word for it is not known
UNSAID, UNKNOWN = -1, -2
#: different words kept that name no known split
_MOST_WORDS = 1000


@dataclass(frozen=True)
class Options:
    """How files are scanned. `watch` is told (bytes done, bytes in all, file)."""

    method: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    watch: Watch = UNWATCHED
    keep_index: bool = False
    keep_prompts: bool = False

    @property
    def need(self) -> Need | None:
        """What the method needs of a row; None where any will do."""
        return None if self.method is None else need_of(self.method)


@dataclass
class RowIndex:
    """Where the accepted rows of a file lie: byte offset and length (or row number), and their line or index."""

    starts: SpillArray = field(default_factory=SpillArray)
    lengths: SpillArray = field(default_factory=SpillArray)
    places: SpillArray = field(default_factory=SpillArray)


class FileScan:
    """One file while it is read. Readers call `detect` once, then `accept`, `reject`, `blank` in the file's order."""

    def __init__(self, file: FileReport, options: Options, log: IssueLog, *, by_line: bool = True) -> None:
        self.file = file
        self.options = options
        self.index = RowIndex()
        self.hashes = SpillArray()
        self.prompts = SpillArray()
        #: of a train file whose rows name their split, the place of each row's in `SPLITS`, `UNSAID` or `UNKNOWN`
        self.marks = SpillArray()
        #: words of the column `split` that name none, with their rows
        self.unknown_words: Counter[str] = Counter()
        self._mark_of: dict[str, int] = {"": UNSAID}
        self._keeps_prompts = options.keep_prompts
        self.detected = False
        #: For readers whose rows are not JSON text in the file itself: how a stored row is read, and from where.
        self.decode: Callable[[bytes], Row] | None = None
        self.stored_in: IO[bytes] | None = None
        self.by_line = by_line
        self._runs = log.open_file()
        self._rows = IssueRun()
        self._runs.append(self._rows)
        self._mixed = False
        self.seen: ColumnsSeen | None = None
        self._verdicts: Verdicts | None = None

    @property
    def layout(self) -> Layout | None:
        """Format and mapping, once the first rows have told."""
        return self.file.layout

    # -- what the rows are ------------------------------------------------------------------------

    def detect(self, rows: Sequence[Any]) -> None:
        """Settle the layout from the first rows; without any object among them the question stays open."""
        sample = [row for row in rows if isinstance(row, dict)]
        if not sample or self.detected:
            return
        self.detected = True
        found = detect(sample, self.options.need, self.options.mapping)
        if found.layout is None or not any(found.layout.fits(row) for row in sample):
            self._propose(sample)
        # Where a mapping makes the rows fit, that is said, rather than what the nearest format misses.
        self.file.layout = None if self.file.proposed_mapping else found.layout
        if found.layout is None or self.file.layout is None:
            return
        self.file.format = found.layout.format.name
        parts = self.file.split == "train"
        self._keeps_prompts |= parts and any(SPLIT_COLUMN in row for row in sample)
        self.seen = ColumnsSeen(found.layout, self.options.method, parts=parts)
        if found.usable and self.options.need in ("preference", "verdict"):
            self._verdicts = Verdicts(found.layout)
        if not found.usable and self.options.method is not None and self.options.need is not None:
            self.file.error = FileFault(
                "schema_mismatch",
                f"The rows are {found.layout.format.name}, but {label_of(self.options.method)} needs "
                f"{said_need(self.options.need)}; {said_readers(found.layout.format, self.options.need)}"
                f"{self._said_proposal(sample)}{said_unread_label(sample) if self.options.need == 'verdict' else ''}.",
            )
        if found.also:
            names = listed([one.name for one in found.also])
            self.say_of_file(
                "ambiguous_fields",
                f"The rows fit {names} as well and are read as `{found.layout.format.name}`; map the columns to choose.",
            )

    def _said_proposal(self, sample: Sequence[Row]) -> str:
        """A mapping by which rows of another format fit the method."""
        mapping = next((one.mapping for one in propose(sample, self.options.method)), {})
        return f"; or map columns, perhaps by {mapped(mapping)}" if mapping else ""

    def _propose(self, sample: Sequence[Row]) -> None:
        proposals = propose(sample, self.options.method)
        if proposals:
            self.file.proposed_mapping = proposals[0].mapping

    # -- one row each -----------------------------------------------------------------------------

    def accept(self, place: int, start: int, length: int, raw: bytes | str, row: Row) -> None:
        """One accepted row of a reader that takes them singly."""
        self.accept_many([place], [start], [length], [row_hash(row)], [row])

    def accept_many(self, places: Any, starts: Any, lengths: Any, hashes: Any, rows: Sequence[Row]) -> None:
        """Accepted rows in order."""
        self.file.accepted += len(places)
        if self.seen is not None:
            self.seen.count(rows)
        if self._verdicts is not None:
            self._verdicts.count(rows)
        self.hashes.extend(hashes)
        self._mark_rows(rows)
        self.index.places.extend(places)
        if self.options.keep_index:
            self.index.starts.extend(starts)
            self.index.lengths.extend(lengths)
        if self._keeps_prompts:
            self.prompts.extend([self._prompt_hash(row) for row in rows])

    def _mark_rows(self, rows: Sequence[Row]) -> None:
        """Note to which split each row says it belongs, from the first on that names one."""
        if self.file.split != "train" or not (len(self.marks) or any(SPLIT_COLUMN in row for row in rows)):
            return
        self.marks.extend([UNSAID] * (len(self.index.places) - len(self.marks)))
        said = [split_word(row) for row in rows]
        self.marks.extend([self._mark(word) for word in said])

    def _mark(self, word: str) -> int:
        """The mark of a row that says this word of its split."""
        mark = self._mark_of.get(word)
        if mark is None:
            split = split_of_word(word)
            mark = UNKNOWN if split is None else SPLITS.index(split)
            if len(self._mark_of) < _MOST_WORDS:
                self._mark_of[word] = mark
        if mark == UNKNOWN and len(self.unknown_words) < _MOST_WORDS:
            self.unknown_words[word] += 1
        return mark

    def _prompt_hash(self, row: Row) -> int:
        """What is compared between train and valid: the prompt's text, whatever the answer."""
        if self.layout is None:
            return 0
        column = self.layout.prompt_column
        prompt = value_at(row, column) if column is not None else self.layout.normalise(row)["prompt"]
        return hash(prompt if isinstance(prompt, str) else repr(prompt))

    def blank(self, count: int = 1) -> None:
        """Counts blank lines."""
        self.file.blank += count

    def reject(self, place: int, fault: RowFault, raw: bytes | str, *, said_place: str | None = None) -> None:
        """One rejected row; a fault's `{place}` becomes `said_place` (or its column)."""
        self.file.rejected += 1
        if fault.reason == "unknown_schema" and self.file.proposed_mapping:
            pairs = mapped(self.file.proposed_mapping)
            fault.message = fault.message.replace("map them to ours", f"map them to ours, perhaps by {pairs}")
        message = fault.message.replace("{place}", said_place or f"column {fault.column}")
        self._rows.append(self._issue(place, fault.reason, "error", message, fault.column, fault.field, raw))
        if fault.foreign and not self._mixed:
            self._mixed = True
            self.warn(
                "mixed_schema",
                "The file mixes rows of several formats; give each format its own file.",
                place,
                raw,
            )

    def warn(
        self,
        reason: WarningReason,
        message: str,
        place: int | None,
        raw: bytes | str,
        *,
        column: int | None = None,
        field: str | None = None,
    ) -> None:
        """Remarks on a row that is accepted all the same; `raw` is its text, `column` from 1."""
        self._rows.append(self._issue(place, reason, "warning", message, column, field, raw))

    def say_of_file(self, reason: WarningReason, message: str, field: str | None = None) -> None:
        """A warning about the whole file, wherever it is read by now."""
        self.add_run().append(self._issue(None, reason, "warning", message, None, field, b""))

    def _issue(
        self,
        place: int | None,
        reason: Any,
        severity: Any,
        message: str,
        column: int | None,
        field: Any,
        raw: Any,
    ) -> Issue:
        line, index = (place, None) if self.by_line else (None, place)
        excerpt = excerpt_of(raw, column)
        return Issue(self.file.path, line, index, column, field, reason, severity, message, excerpt)

    def remark(self, place: int, row: Row, raw: bytes | str, *, controls: bool = True) -> None:
        """Warnings about an accepted row: control characters, marks inside texts, unusual length."""
        if len(raw) > LONG_ROW_BYTES:
            self.warn(
                "long_row",
                f"The row is {words.size(len(raw))} long, longer than any model's context; cut it.",
                place,
                raw,
            )
        if not controls:
            return
        found = first_control(row)
        if found is not None:
            field, character = found
            self.warn(
                "control_chars",
                f"`{field}` holds the control character U+{ord(character):04X}; it is kept: remove it unless it is meant.",
                place,
                raw,
                field=field,
            )
        field = first_bom(row)
        if field is not None:
            self.warn(
                "bom_inside",
                f"`{field}` holds a byte order mark (U+FEFF); it is kept: remove it unless it is meant.",
                place,
                raw,
                field=field,
            )

    def keep_stored(self, stored: IO[bytes]) -> None:
        """Keep a temporary file for random access, when rows will be read and it is the last form of them."""
        if self.options.keep_index and self.stored_in is None:
            self.stored_in = stored
        else:
            stored.close()

    def close(self) -> None:
        """Let go of what was kept for random access."""
        if self.stored_in is not None:
            self.stored_in.close()

    # -- the end of the file ----------------------------------------------------------------------

    def finish(self) -> None:
        """Warn about duplicates and opposites; an error when the file held no row."""
        if self.file.error is None and not self.file.accepted and not self.file.rejected:
            self.file.error = FileFault("no_rows", "The file holds no row; add rows to it.")
        if self.seen is not None:
            self.file.notes += self.seen.notes()
        same = "is the same as {}; it is kept, remove it unless it is meant."
        other = "judges the same as {} the other way round; both are kept, remove the wrong one."
        self._compare("duplicate_row", same, repeats(self.hashes))
        self._compare("opposite_row", other, self._verdicts.opposed() if self._verdicts else ())

    def _compare(self, reason: WarningReason, said: str, pairs: Iterable[tuple[int, int]]) -> None:
        found, word = self.add_run(), "line" if self.by_line else "row"
        for later, first in pairs:
            message = f"The row {said.format(f'{word} {self.index.places[first]}')}"
            found.append(self._issue(self.index.places[later], reason, "warning", message, None, None, b""))

    def add_run(self) -> IssueRun:
        """One more sorted run of issues for this file (overlap of splits)."""
        run = IssueRun()
        self._runs.append(run)
        return run

    def check_stop(self, done: int, total: int) -> None:
        """Report progress; raises `Stopped` when the caller wants to stop."""
        self.options.watch.tell(done, total, self.file.path)
