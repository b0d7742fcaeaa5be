"""What the accepted rows of a file hold besides what is read of them: counted while they are read, said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from droid_tune import words
from droid_tune.data.formats.base import (
    BARE_REFERENCES,
    REFERENCE,
    THINKING_COLUMN,
    TOOLS,
    TURN_KINDS,
    Field,
    Layout,
)
from droid_tune.data.formats.parts.answers import right_answers
from droid_tune.data.formats.parts.columns import ABSENT, value_at
from droid_tune.data.formats.parts.field_checks import holds_turns
from droid_tune.data.formats.parts.messages import READ_KEYS, as_turns, role_of
from droid_tune.data.formats.parts.tools import parsed_tools
from droid_tune.data.formats.table import label_of
from droid_tune.data.formats.verdict import VERDICT_LABEL
from droid_tune.data.reading.unlearnt import unlearnt
from droid_tune.data.splits import SPLIT_COLUMN

#: Names counted, and of these shown in a sentence: rows may have keys without end.
_COUNTED, _SHOWN = 10_000, 8
#: columns that are mostly part of what is asked
_MATERIAL = frozenset(
    (
        "context",
        "contexts",
        "body",
        "story",
        "premise",
        "hypothesis",
        "paragraph",
        "background",
        "facts",
        "passage",
        "article",
        "document",
        "input",
        "choices",
        "options",
        "history",
        "evidence",
        "schema",
        "table",
        *("opa", "opb", "opc", "opd"),
        *(f"{kind}{number}" for kind in ("option", "option_", "choice", "sol") for number in "abcd12345"),
    )
)
#: where an answer is said to be good or bad
_LABELS = frozenset(VERDICT_LABEL.names)
#: what begins the tools in a system text that was written by hand, as Hermes' sets have it
_TOOLS_MARK = "<tools>"
_CHOICES = ("choices", "options")
#: columns in which sets of pairs keep how good the two answers are
_SCORES = tuple(
    (form.format("chosen"), form.format("rejected"))
    for form in ("score_{}", "{}_score", "{}_rating", "rating_{}", "{}-rating", "{}-score")
)

SeenRow = Mapping[str, Any]


@dataclass(frozen=True)
class _Shape:
    """The columns that nothing reads, the fields without a column of their own that may stand in others, these columns, and
    whether they must be objects for that.
    """

    unread: tuple[str, ...]
    elsewhere: tuple[Field, ...]
    undecided: set[str]
    paths_only: bool


class ColumnsSeen:
    """Counts of columns, turns and answers. `count` takes rows that have passed the check of the file's layout."""

    def __init__(self, layout: Layout, method: str | None, *, parts: bool) -> None:
        self.layout, self.method = layout, method
        self._parts = parts  # whether the column `split` decides where rows belong
        self.counted = self.alike = self.turned = 0
        self._sides = [one for one in layout.fields if one.name in ("chosen", "rejected")]
        self.rows = self.unanswered = self.several = self.words_beside = self.systems_beside = 0
        #: rows said to be bad that are imitated, and those whose system text has the tools that the template adds again
        self.bad = self.tools_twice = 0
        self._unread: Counter[str] = Counter()
        self._instead: Counter[tuple[str, str]] = Counter()
        self._turn_keys: Counter[str] = Counter()
        self._by_shape: dict[tuple[str, ...], _Shape] = {}
        self._turns = next((one for one in layout.fields if one.kind in TURN_KINDS), None)
        self._prompt = next((one for one in layout.fields if one.name == "prompt"), None)
        self._answer = next((one for one in layout.fields if one.kind == "answer"), None)
        #: whether a row may have no answer, and whether its one answer may be several
        self._may_lack = layout.need == "prompt" and not any(
            one.name in ("answer", "completion", "output", "response", "chosen", "annotations")
            for one in layout.format.required
        )
        self._imitates = layout.need == "demonstration" and self._answer is not None

    def count(self, rows: Sequence[SeenRow]) -> None:
        """Take in accepted rows."""
        self.rows += len(rows)
        shapes = Counter(map(tuple, rows))
        for shape, times in shapes.items():
            self._unread.update(dict.fromkeys(self._of_shape(shape).unread, times))
        if any(self._of_shape(shape).elsewhere for shape in shapes):
            for row in rows:
                self._count_elsewhere(row, self._of_shape(tuple(row)))
        if self.layout.need == "demonstration" and (labels := _LABELS & self._unread.keys()):
            self.bad += sum(any(str(row.get(name)).lower() == "false" for name in labels) for row in rows)
        if self._imitates:
            self._count_several(rows)
        if len(self._sides) == 2 and self.layout.need != "prompt":
            self._count_pairs(rows)
        if self.layout.need in ("prompt", "demonstration"):
            self.counted += sum(map(self._counts_choices, rows))
        if self._turns is not None or self._may_lack:
            for row in rows:
                self._look_at(row)

    def _of_shape(self, shape: tuple[str, ...]) -> _Shape:
        """What rows with these columns have, by the columns' names alone."""
        found = self._by_shape.get(shape)
        if found is None:
            read: set[str] = {THINKING_COLUMN}
            elsewhere: dict[Field, set[str]] = {}
            for one in self.layout.fields:
                own = _roots(self.layout.columns(one), shape)
                read |= own
                if not own and one.name not in self.layout.mapping:
                    elsewhere[one] = _roots(self.layout.instead(one), shape)
            if self._parts:
                read.add(SPLIT_COLUMN)
            undecided = set[str]().union(*elsewhere.values()) - read
            unread = tuple(name for name in shape if name not in read | undecided)
            fields = tuple(one for one, roots in elsewhere.items() if roots)
            paths_only = not any(name in shape for one in fields for name in self.layout.instead(one))
            found = _Shape(unread, fields, undecided, paths_only)
            if len(self._by_shape) < _COUNTED:
                self._by_shape[shape] = found
        return found

    def _count_elsewhere(self, row: SeenRow, shape: _Shape) -> None:
        """Fields that a row has in columns of other names, and such columns of the row that are none of them."""
        used: set[str] = set()
        objects = not shape.paths_only or any(type(row[column]) is dict for column in shape.undecided)
        for one in shape.elsewhere if objects else ():
            for name in self.layout.found(one, row):
                self._instead[name, one.name] += 1
                used.update(_roots((name,), row))
        for column in shape.undecided - used:
            if row[column] is not None:
                self._unread[column] += 1

    def _count_several(self, rows: Sequence[SeenRow]) -> None:
        """Rows whose answer is more than a text."""
        assert self._answer is not None
        [name, *_others] = self.layout.columns(self._answer)
        odd = [row for row in rows if type(row.get(name)) is not str]
        for row in odd:
            for found in self.layout.found(self._answer, row)[:1]:
                self.several += len(right_answers(value_at(row, found)) or ()) > 1

    def _count_pairs(self, rows: Sequence[SeenRow]) -> None:
        """Pairs of equal answers, and those whose own scores say that the rejected one is better."""
        columns = [self.layout.columns(one)[0] for one in self._sides]
        for row in rows:
            better, worse = (value_at(row, name) for name in columns)
            self.alike += better == worse
            scores = next(((row[a], row[b]) for a, b in _SCORES if a in row and b in row), (0, 0))
            self.turned += all(isinstance(one, int | float) for one in scores) and scores[0] < scores[1]

    def _counts_choices(self, row: SeenRow) -> bool:
        """Whether the answer is the place of a choice in the row's list, as MMLU's is."""
        choices = next((row[name] for name in _CHOICES if isinstance(row.get(name), list)), ())
        found = self.layout.found(self._answer, row)[:1] if self._answer is not None and choices else []
        places = [str(place) for place in range(len(choices))]
        return any(str(value_at(row, name)) in places for name in found)

    def _look_at(self, row: SeenRow) -> None:
        turns = self._turns_of(row)
        for shape, times in Counter(map(tuple, turns)).items():
            self._turn_keys.update(dict.fromkeys(set(shape) - READ_KEYS, times))
        self.tools_twice += bool(turns) and _TOOLS_MARK in _text_of(turns[0]) and self._brings_tools(row)
        self.systems_beside += bool(turns) and bool(row.get("system")) and role_of(turns[0]) == "system"
        if self.layout.need != "prompt":
            return
        beside = bool(self._answer is not None and self.layout.found(self._answer, row))
        ends = self._turns is not None and bool(turns) and role_of(turns[-1]) == "assistant"
        self.words_beside += beside and ends
        self.unanswered += not (beside or ends)

    def _brings_tools(self, row: SeenRow) -> bool:
        found = self.layout.found(TOOLS, row)[:1]
        return any(parsed_tools(value_at(row, name)) for name in found)

    def _turns_of(self, row: SeenRow) -> list[dict[str, Any]]:
        one = self._turns or self._prompt
        names = [] if one is None else self.layout.found(one, row)
        value = as_turns(value_at(row, names[0])) if names else ABSENT
        return cast("list[dict[str, Any]]", value) if one and holds_turns(value, one.kind) else []

    # -- said ------------------------------------------------------------------------------------------------------

    def notes(self) -> list[str]:
        """A sentence for each thing that a person should know; none where all is read."""
        return list(self._sentences()) if self.rows else []

    def _sentences(self) -> Iterator[str]:
        by = label_of(self.method) if self.method else "any method"
        if self._unread and self.layout.need != "prompt":
            only = "; only rewards can ask for them" if self.layout.need is None else ""
            yield f"Not read by {by}: {self._shares(self._unread)}{only}."
        material = Counter({name: n for name, n in self._unread.items() if name.lower() in _MATERIAL})
        if material and self.layout.need in ("prompt", "demonstration"):
            only = ": only rewards can ask for it" if self.layout.need == "prompt" else ""
            yield (
                f"The model does not see {self._shares(material)}{only}. Write it into the prompt where the question needs it."
            )
        if self.counted and 2 * self.counted > self.rows:
            does = "rewards compare with" if self.layout.need == "prompt" else f"{by} learns"
            yield (
                f"The answer is the place of a choice, counted from 0, in {self._share(self.counted)}: {does} that number. Write "
                "the letter or the text that the prompt asks for."
            )
        for (column, name), times in self._instead.items():
            yield f"`{column}` is read as `{name}` in {self._share(times)}."
        yield from self._sentences_about_marks()
        imitated = self._answer.name if self._imitates and self._answer is not None else None
        texts = self.layout.format.name == "text"
        yield from unlearnt(self._unread, by, self._shares, imitated=imitated, texts=texts)
        if self._turn_keys:
            shown = ", ".join(f"`{name}` ({times:,})" for name, times in self._turn_keys.most_common(_SHOWN))
            yield f"Turns have keys that are not read: {shown}."
        yield from self._sentences_about_answers(by)
        if self.bad:
            yield (
                f"A label is false in {self._share(self.bad)}, and {by} learns them like the others: leave them out where it "
                "means a bad answer, or train by KTO."
            )
        if self.tools_twice:
            yield (
                f"The first turn names its tools (`{_TOOLS_MARK}`) in {self._share(self.tools_twice)} that have them in a column "
                "too: the model's template may show both. Remove one of them."
            )
        if self.systems_beside:
            rows = self._share(self.systems_beside)
            yield f"The column `system` is not read in {rows}: the turns have a system text of their own."
        for name in self.layout.mapping.keys() - {one.name for one in self.layout.fields}:
            yield f"The mapping of `{name}` is not used: {by} reads no such field of {self.layout.format.name} rows."

    def _sentences_about_answers(self, by: str) -> Iterator[str]:
        if self.unanswered:
            which = (
                "No row has an answer"
                if self.unanswered == self.rows
                else f"There is no answer in {self._share(self.unanswered)}"
            )
            yield f"{which}: rewards that compare with one cannot score them."
        if self.words_beside:
            rows = self._share(self.words_beside)
            yield f"The assistant's last words are not used in {rows}: `{REFERENCE.name}` is the reference."
        if self.alike:
            yield f"The chosen and the rejected answer are the same in {self._share(self.alike)}: such pairs teach nothing."
        if self.turned:
            yield f"The rejected answer has the higher score in {self._share(self.turned)}: look which one is meant as chosen."
        if self.several:
            yield f"There are several right answers in {self._share(self.several)}; {by} learns the first."
        if self.layout.need == "prompt" and "preference" in self.layout.format.needs:
            yield f"{by} compares no pairs: `chosen` is the reference answer, and only rewards can ask for `rejected`."

    def _sentences_about_marks(self) -> Iterator[str]:
        """Columns that say which answer is meant and do not decide it."""
        beside = Counter({name: n for name, n in self._unread.items() if name in BARE_REFERENCES})
        if beside and self.layout.need == "prompt":
            [(name, _times)] = beside.most_common(1)
            yield (
                f"`{REFERENCE.name}` is what rewards compare with, not {self._shares(beside)}: add --map {REFERENCE.name}={name} "
                "where that is the bare result."
            )

    def _shares(self, counts: Counter[str]) -> str:
        shown = [f"`{name[:40]}` ({self._share(times)})" for name, times in counts.most_common(_SHOWN)]
        more = len(counts) - len(shown)
        return ", ".join(shown) + (f" and {more:,} more columns" if more else "")

    def _share(self, times: int) -> str:
        """`all rows`, `37% of the rows`, `3 of 10,000 rows`."""
        if times == self.rows:
            return "all rows"
        part = times / self.rows
        return f"{words.share(part)} of the rows" if part >= 0.01 else f"{times:,} of {self.rows:,} rows"


def _text_of(turn: Mapping[str, Any]) -> str:
    """A turn's text, as either kind of turns has it."""
    return str(turn.get("content") or turn.get("value"))


def _roots(names: Iterable[str], columns: Container[str]) -> set[str]:
    """Those of `columns` in which names or dotted paths lie."""
    return {
        root for name in names if (root := name if name in columns else name.partition(".")[0]) in columns
    }
