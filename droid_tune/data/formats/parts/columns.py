"""Finding a column in a row: by its name, or by a dotted path into objects (`reward_model.ground_truth`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

#: Stands for a column that a row does not have; null is a value.
ABSENT: Any = object()


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """The value under a name or a dotted path, `ABSENT` where there is none. A key with dots goes before a path."""
    if name in row:
        return row[name]
    if "." not in name:
        return ABSENT
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = cast("dict[str, Any]", value)[part]
    return value


def has(row: Mapping[str, Any], name: str) -> bool:
    """Whether a row has a value under a name or path, null included."""
    return name in row or ("." in name and value_at(row, name) is not ABSENT)


def path_of(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Where a name lies in the row's JSON."""
    return (name,) if name in row or "." not in name else tuple(name.split("."))


def names_in(row: Mapping[str, Any]) -> Iterator[str]:
    """A row's columns, and the fields of those that are objects as dotted paths."""
    for name, value in row.items():
        yield name
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in cast("dict[str, Any]", value))
