"""What a row format is: its fields, how a row is checked against them, and the row that training sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from droid_tune.data.formats.parts.answers import answer_in, may_be_answer
from droid_tune.data.formats.parts.columns import ABSENT, has, path_of, value_at
from droid_tune.data.formats.parts.field_checks import Kind, check_value, may_hold
from droid_tune.data.formats.parts.messages import as_turns, is_learnt, role_of
from droid_tune.data.formats.parts.tools import parsed_object, parsed_tools
from droid_tune.data.issues import RowFault, listed
from droid_tune.names import Need

Row = dict[str, Any]
#: Kinds that are a text in nearly every row.
TEXT_KINDS: frozenset[Kind] = frozenset(("text", "text_or_messages", "answer"))
#: Kinds that are a list of turns, or the JSON text of one.
TURN_KINDS: frozenset[Kind] = frozenset(("messages", "conversations"))


@dataclass(frozen=True)
class Field:
    """One field of a format.

    `synonyms` are other names of the same thing; at most one of them may say something else. `instead` are columns
    (or dotted paths) that are read only in rows where the field has no column of its own. `need` names the methods
    that read it, None all.
    """

    name: str
    kind: Kind = "text"
    required: bool = True
    synonyms: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    need: Need | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names it goes by, ours first."""
        return (self.name, *self.synonyms)

    def serves(self, need: Need | None) -> bool:
        """Whether it is read for a need (for None, as for any)."""
        return need is None or self.need in (None, need)


#: Where other trainers keep what a reward checks against: verl's rule rewards, AI2's RLVR sets, bare results beside a worked
#: answer, ms-swift's and TRL's `solution`.
BARE_REFERENCES = ("final_answer", "reference_answer", "expected_answer", "gold_answer")
REFERENCES = ("reward_model.ground_truth", "ground_truth", *BARE_REFERENCES, "solution")
SYSTEM = Field("system", required=False)
REFERENCE = Field("answer", "answer", required=False, instead=REFERENCES, need="prompt")
TOOLS = Field("tools", "tools", required=False, instead=("functions", "input.tools"))
TEMPLATE_SETTINGS = Field("chat_template_kwargs", "object", required=False)
#: verl's column for what a template calls by the same name
THINKING_COLUMN = "enable_thinking"
#: Fields of every format that asks something.
COMMON = (SYSTEM, TOOLS, TEMPLATE_SETTINGS)


@dataclass(frozen=True)
class RowFormat:
    """One shape of rows. `normalise` takes the fields by their own names and gives what training reads."""

    name: str
    title: str
    fields: tuple[Field, ...]
    needs: frozenset[Need]
    normalise: Callable[[Row], Row]
    example: Row = field(default_factory=dict[str, Any])
    #: The field that is the prompt as it stands, where one is.
    prompt_field: str | None = None
    #: Whether a row must hold an answer of the assistant's (unless the method only needs prompts).
    needs_assistant: bool = False
    #: the last turn of its conversation is the answer that is judged
    ends_with_answer: bool = False

    @property
    def required(self) -> tuple[Field, ...]:
        """The fields without which a row is not of this format."""
        return tuple(one for one in self.fields if one.required)


@dataclass(frozen=True)
class Layout:
    """A format applied to a file: its fields under the names that the file's columns have."""

    format: RowFormat
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    need: Need | None = None

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields that are read for this need."""
        return tuple(one for one in self.format.fields if one.serves(self.need))

    @cached_property
    def _columns(self) -> dict[str, tuple[str, ...]]:
        taken = set(self.mapping.values())
        return {
            one.name: (self.mapping[one.name],)
            if one.name in self.mapping
            else tuple(name for name in one.names if name not in taken)
            for one in self.format.fields
        }

    @cached_property
    def _by_name(self) -> tuple[tuple[Field, str | None, frozenset[str]], ...]:
        """The fields, the column of those that may be text under one name only, and all columns they may stand in."""
        return tuple(
            (one, names[0] if len(names) == 1 and one.kind in TEXT_KINDS else None, _with_roots(one, names))
            for one in self.fields
            for names in (self._columns[one.name],)
        )

    def columns(self, one: Field) -> tuple[str, ...]:
        """The column names a field may stand under; a mapped field stands only under the name it is mapped to."""
        return self._columns[one.name]

    def found(self, one: Field, row: Mapping[str, Any]) -> list[str]:
        """The columns of a row in which a field stands: under its names, else where it stands instead."""
        found = [name for name in self._columns[one.name] if has(row, name)]
        if found or one.name in self.mapping:
            return found
        return [name for name in self.instead(one) if _may_stand_for(one, value_at(row, name))][:1]

    def instead(self, one: Field) -> tuple[str, ...]:
        """Where a field may stand besides its own columns; what is imitated is the solution before the bare result."""
        first = one.kind == "answer" and self.need == "demonstration"
        return tuple(sorted(one.instead, key=lambda name: name != "solution")) if first else one.instead

    @property
    def prompt_column(self) -> str | None:
        """The column that holds the whole prompt, where one does."""
        name = self.format.prompt_field
        return None if name is None else self.mapping.get(name, name)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether every required field is there, whatever it holds, in a column that may be it."""
        return all(
            any(may_hold(value_at(row, name), one.kind) for name in self.found(one, row))
            for one in self.format.required
        )

    def present(self, row: Mapping[str, Any]) -> int:
        """How many required fields are there under a name of their own."""
        return sum(any(has(row, name) for name in self.columns(one)) for one in self.format.required)

    def check(self, row: Row) -> None:
        """Raise `RowFault` for the first field that is missing, of the wrong type, or blank."""
        for one, name, possible in self._by_name:
            if not one.required and possible.isdisjoint(row):
                continue
            if name is not None:
                value = row.get(name)
                # Text that begins with a letter: what nearly every field of nearly every row holds.
                if type(value) is str and value and not value[0].isspace():
                    continue
            self._check_field(one, row)
        if self.format.needs_assistant and not self._answered_beside(row):
            self._check_answered(row)
        if self.format.ends_with_answer and self.need != "prompt":
            self._check_end(row)

    def _check_field(self, one: Field, row: Row) -> None:
        found = self.found(one, row)
        if not found:
            if one.required:
                raise RowFault(
                    "missing_required_field",
                    f"The field {listed(self.columns(one), 'or')} is missing; the row has {_keys(row)}: add it, "
                    "or map another column to it.",
                    field=self.columns(one)[0],
                )
            return
        name = found[0]
        for other in found[1:]:
            if value_at(row, other) != value_at(row, name):
                raise RowFault(
                    "ambiguous_fields",
                    f"The fields {listed(found)} mean the same and differ; keep one of them.",
                    field=other,
                    path=path_of(row, other),
                )
        check_value(name, value_at(row, name), one.kind, required=one.required, path=path_of(row, name))

    def _answered_beside(self, row: Row) -> bool:
        """Whether the row may do without an answer of the assistant's: it is only asked, or a reference stands beside."""
        return self.need == "prompt" or (self.need is None and bool(self.found(REFERENCE, row)))

    def _check_answered(self, row: Row) -> None:
        for one in self.format.fields:
            if one.kind not in TURN_KINDS:
                continue
            for name in self.found(one, row):
                if not any(is_learnt(turn) for turn in as_turns(value_at(row, name))):
                    raise RowFault(
                        "no_assistant_turn",
                        f"`{name}` holds no turn of the assistant's that is learnt; add an answer.",
                        field=name,
                        path=path_of(row, name),
                    )

    def _check_end(self, row: Row) -> None:
        """The conversation, which is the first field, must end with the answer."""
        name = self.found(self.format.fields[0], row)[0]
        turns = as_turns(value_at(row, name))
        if len(turns) < 2 or role_of(turns[-1]) != "assistant":
            raise RowFault(
                "no_assistant_turn",
                f"`{name}` does not end with an answer of the assistant's to something; add it.",
                field=name,
                path=path_of(row, name),
            )

    def fields_of(self, row: Row) -> tuple[Row, Row]:
        """`(the format's fields by their own names, the other columns)` of a row that passed `check`."""
        fields: Row = {}
        used: set[str] = set()
        for one in self.fields:
            for name in self.found(one, row):
                value = value_at(row, name)
                fields.setdefault(one.name, as_turns(value) if one.kind in TURN_KINDS else value)
                used.add(name)
        return fields, {name: value for name, value in row.items() if name not in used}

    def normalise(self, row: Row) -> Row:
        """The row as training and rewards see it; other columns are kept under their own names."""
        fields, extra = self.fields_of(row)
        return {**extra, **self._beside(row), **self.read(fields)}

    def _beside(self, row: Row) -> Row:
        """Columns that are read as a field without being one: rewards may ask for them by their own names."""
        kept = {name for one in self.fields for name in one.instead if name in row}
        return {name: row[name] for name in kept - set(self.mapping.values())}

    def read(self, fields: Row) -> Row:
        """The fields as training reads them."""
        shared = _shared(fields)
        row = {**self.format.normalise({**fields, **shared}), **shared}
        if "tools" not in shared:
            row.pop("tools", None)
        if isinstance(row.get("answer"), list) and self.need not in (None, "prompt"):
            # One text can be imitated; that there were more is said with the file.
            row["answer"] = row["answer"][0]
        return row


def _may_stand_for(one: Field, value: Any) -> bool:
    """Whether another column's value may be the field; what checks a reward by rules of its own is no answer."""
    if value is ABSENT or value is None:
        return False
    return one.kind != "answer" or may_be_answer(value)


def _with_roots(one: Field, names: tuple[str, ...]) -> frozenset[str]:
    every = (*names, *one.instead)
    return frozenset((*every, *(name.partition(".")[0] for name in every)))


def _shared(fields: Row) -> Row:
    """What is read alike in every format: a reference, tools, settings of the template."""
    answer, tools = answer_in(fields.get("answer")), parsed_tools(fields.get("tools"))
    settings = parsed_object(fields.get("chat_template_kwargs"))
    return {
        **({} if answer is None else {"answer": answer}),
        **({"tools": tools} if tools else {}),
        **({"chat_template_kwargs": settings} if settings else {}),
    }


def _keys(row: Mapping[str, Any]) -> str:
    names = [name if len(name) <= 30 else f"{name[:27]}..." for name in list(row)[:8]]
    if not names:
        return "no fields"
    return listed(names) + (" and more" if len(row) > 8 else "")
