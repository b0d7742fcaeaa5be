"""What a row format is: its fields, how a row is checked against them, and the row that training sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from droid_tune.data.formats.messages import check_messages, role_of
from droid_tune.data.issues import RowFault, listed

Row = dict[str, Any]
Kind = Literal["text", "messages", "text_or_messages", "conversations"]
#: What a method asks of a row: something to answer, an answer to imitate, two answers to compare.
Need = Literal["prompt", "demonstration", "preference"]
NEEDS: tuple[Need, ...] = ("prompt", "demonstration", "preference")


@dataclass(frozen=True)
class Field:
    """One field of a format. `synonyms` are other names of the same thing; at most one of them may say something else."""

    name: str
    kind: Kind = "text"
    required: bool = True
    synonyms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names it goes by, ours first."""
        return (self.name, *self.synonyms)


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
    def _columns(self) -> dict[str, tuple[str, ...]]:
        taken = set(self.mapping.values())
        return {
            one.name: (self.mapping[one.name],)
            if one.name in self.mapping
            else tuple(name for name in one.names if name not in taken)
            for one in self.format.fields
        }

    @cached_property
    def _by_name(self) -> tuple[tuple[Field, str | None], ...]:
        """The fields, and the column of those that may be text under one name only."""
        texts = ("text", "text_or_messages")
        return tuple(
            (one, names[0] if len(names) == 1 and one.kind in texts else None)
            for one in self.format.fields
            for names in (self._columns[one.name],)
        )

    def columns(self, one: Field) -> tuple[str, ...]:
        """The column names a field may stand under; a mapped field stands only under the name it is mapped to."""
        return self._columns[one.name]

    @property
    def prompt_column(self) -> str | None:
        """The column that holds the whole prompt, where one does."""
        name = self.format.prompt_field
        return None if name is None else self.mapping.get(name, name)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether every required field is there, whatever it holds."""
        return all(any(name in row for name in self.columns(one)) for one in self.format.required)

    def present(self, row: Mapping[str, Any]) -> int:
        """How many required fields are there."""
        return sum(any(name in row for name in self.columns(one)) for one in self.format.required)

    def check(self, row: Row) -> None:
        """Raise `RowFault` for the first field that is missing, of the wrong type, or blank."""
        for one, name in self._by_name:
            if name is not None:
                value = row.get(name)
                # Text that begins with a letter: what nearly every field of nearly every row holds.
                if type(value) is str and value and not value[0].isspace():
                    continue
            self._check_field(one, row)
        if self.format.needs_assistant and self.need != "prompt":
            self._check_answered(row)

    def _check_field(self, one: Field, row: Row) -> None:
        found = [name for name in self.columns(one) if name in row]
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
            if row[other] != row[name]:
                raise RowFault(
                    "ambiguous_fields",
                    f"The fields {listed(found)} mean the same and differ; keep one of them.",
                    field=other,
                    path=(other,),
                )
        check_value(name, row[name], one)

    def _check_answered(self, row: Row) -> None:
        for one in self.format.fields:
            if one.kind not in ("messages", "conversations"):
                continue
            for name in self.columns(one):
                turns = row.get(name)
                if turns is not None and not any(is_assistant(turn) for turn in turns):
                    raise RowFault(
                        "no_assistant_turn",
                        f"`{name}` holds no turn of the assistant's, so there is nothing to learn; add an answer.",
                        field=name,
                        path=(name,),
                    )

    def fields_of(self, row: Row) -> tuple[Row, Row]:
        """`(the format's fields by their own names, the other columns)` of a row that passed `check`."""
        fields: Row = {}
        used: set[str] = set()
        for one in self.format.fields:
            for name in self.columns(one):
                if name in row:
                    fields.setdefault(one.name, row[name])
                    used.add(name)
        return fields, {name: value for name, value in row.items() if name not in used}

    def normalise(self, row: Row) -> Row:
        """The row as training and rewards see it; other columns are kept under their own names."""
        fields, extra = self.fields_of(row)
        return {**extra, **self.format.normalise(fields)}


def is_assistant(turn: Any) -> bool:
    """Whether a turn is the model's, under any of the role's names."""
    return isinstance(turn, dict) and role_of(turn) == "assistant"


def check_value(name: str, value: Any, one: Field) -> None:
    """Raise `RowFault` unless `value` is what the field asks for."""
    if value is None and not one.required:
        return
    if one.kind in ("messages", "conversations") or (
        one.kind == "text_or_messages"
        and isinstance(value, list)
        and value
        and all(isinstance(t, dict) for t in value)
    ):
        check_messages(name, value)
    elif not isinstance(value, str):
        wanted = "text" if one.kind == "text" else "text or a list of messages"
        raise RowFault(
            "wrong_type",
            f"`{name}` must be {wanted}, but it is {said_type(value)}; {_remedy(value)}.",
            field=name,
            path=(name,),
        )
    elif one.required and not value.strip():
        raise RowFault(
            "empty_required_field",
            f"`{name}` is blank; fill it in or remove the row.",
            field=name,
            path=(name,),
        )


def said_type(value: Any) -> str:
    """A JSON value's type and, when short, the value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        said = str(value)
        return f"the number {said}" if len(said) <= 40 else "a long number"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "text"


def _remedy(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return "put it in quotes"
    return "fill it in or remove the row" if value is None else "write it as text"


def _keys(row: Mapping[str, Any]) -> str:
    names = [name if len(name) <= 30 else f"{name[:27]}..." for name in list(row)[:8]]
    if not names:
        return "no fields"
    return listed(names) + (" and more" if len(row) > 8 else "")
