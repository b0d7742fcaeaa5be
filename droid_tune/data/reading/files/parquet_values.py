"""Values of Parquet columns as JSON has them: short floats as they were written, nulls of structures left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from arro3.core import Array, DataType

Reader = Callable[[Any], Any]


def values_of(column: Array) -> Sequence[Any]:
    """All values of a column, read by its type."""
    read = reader_of(column.type)
    return [read(one) for one in column.to_pylist()]


def reader_of(kind: DataType) -> Reader:
    """How a value of a type is made plain.

    A 16 or 32-bit float becomes the number that is written shortest among those with the same bits: 0.1 was stored
    as 0.100000001490116 and means 0.1.
    """
    types = type(kind)
    if types.is_float32(kind) or types.is_float16(kind):
        return _shortest(np.float32 if types.is_float32(kind) else np.float16)
    if types.is_struct(kind):
        return _fields({field.name: reader_of(field.type) for field in kind.fields})
    inner = kind.value_type if _is_list(kind) else None
    return _plain if inner is None else _items(reader_of(inner))


def _is_list(kind: DataType) -> bool:
    types = type(kind)
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _shortest(width: type[np.floating[Any]]) -> Reader:
    return lambda value: None if value is None else float(str(width(value)))


def _fields(readers: dict[str, Reader]) -> Reader:
    def read(value: Any) -> Any:
        """Nulls inside structures are fields that the row does not have."""
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        return {name: readers[name](item) for name, item in given.items() if item is not None}

    return read


def _items(read: Reader) -> Reader:
    return lambda value: [read(one) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Values of every other type, dictionaries and maps among them."""
    if isinstance(value, dict):
        given = cast("dict[Any, Any]", value)
        return {str(key): _plain(item) for key, item in given.items() if item is not None}
    return [_plain(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value
