"""Values that cross between two interpreters as copies of exactly the built-in types. Standard library only.

Nothing of the other side's classes comes along, so that no object which equals everything stands where a number should.
numpy's arrays of numbers cross too where it is loaded.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import fractions
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, cast

Coded = Any  # what JSON has a form for: itself, or `[kind, what it holds]`
Code = Callable[[Any], Coded]

_AS_THEY_ARE = (type(None), bool, int, float, str)
_COLLECTIONS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}
_BY_TEXT: dict[str, Callable[[str], Any]] = {
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "complex": complex,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
}
_TEXT_TYPES = (decimal.Decimal, fractions.Fraction, complex, datetime.date, datetime.datetime)
#: dictionaries of `collections` that are copied as what they hold
_LIBRARY_DICTS = ("Counter", "OrderedDict", "defaultdict")


def encode_plain(value: Any, encode: Code) -> list[Coded] | None:
    """`[value in JSON]`, what it holds by `encode`; None for an object of any other class."""
    kind: type[Any] = type(value)
    name = kind.__name__
    if kind in _AS_THEY_ARE:
        return [value]
    if _COLLECTIONS.get(name) is kind:
        return [[name, [encode(one) for one in value]]]
    if kind is dict or (kind.__module__ == "collections" and name in _LIBRARY_DICTS):
        pairs = dict.items(cast("dict[Any, Any]", value))
        return [["dict", [[encode(key), encode(one)] for key, one in pairs]]]
    if kind is bytes or kind is bytearray:
        return [[name, value.hex()]]
    if kind is range:
        return [["range", [value.start, value.stop, value.step]]]
    if kind in _TEXT_TYPES:
        return [[name, str(value)]]
    return _encode_numbers(value)


def decode_plain(kind: str, held: Any, decode: Code) -> Any:
    """The value of a `[kind, what it holds]` that `encode_plain` made."""
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](decode(one) for one in held)
    if kind in _BY_TEXT:
        return _BY_TEXT[kind](held)
    match kind:
        case "dict":
            return {decode(key): decode(one) for key, one in held}
        case "bytes":
            return bytes.fromhex(held)
        case "bytearray":
            return bytearray.fromhex(held)
        case "range":
            return range(*held)
        case _:
            return _decode_numbers(*held)


def _encode_numbers(value: Any) -> list[Coded] | None:
    """A numpy array or scalar of numbers."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or (type(value) is not numpy.ndarray and not isinstance(value, numpy.generic)):
        return None
    array = numpy.asarray(value)
    if array.dtype.hasobject:
        return None
    shape = None if isinstance(value, numpy.generic) else list(array.shape)
    return [["numbers", [array.dtype.str, shape, base64.b64encode(array.tobytes()).decode()]]]


def _decode_numbers(kind: str, shape: list[int] | None, text: str) -> Any:
    import numpy

    array: Any = numpy.frombuffer(base64.b64decode(text), dtype=numpy.dtype(kind))
    return array[0] if shape is None else array.reshape(shape).copy()


def content_of(value: Any) -> list[Any]:
    """`[the plain value]` that an object is built on (a named tuple, a list with methods); `[]` for any other object.

    It is read past whatever the object's class defines.
    """
    for kind in (int, float, str):
        if isinstance(value, kind):
            return [_READ[kind](value)]
    if isinstance(value, bytes):
        return [bytes(memoryview(value))]
    for kind in (tuple, list, set, frozenset):
        if isinstance(value, kind):
            return [kind(kind.__iter__(cast("Any", value)))]
    return [dict(dict.items(cast("dict[Any, Any]", value)))] if isinstance(value, dict) else []


_READ: dict[type, Callable[[Any], Any]] = {int: int.__int__, float: float.__float__, str: str.__str__}


def is_mutable(value: object) -> bool:
    """Whether a call may change what was handed over."""
    return isinstance(value, (list, dict, set, bytearray, deque))


def follow(mine: Any, after: Any) -> None:
    """Make a collection of this side equal to what the other side made of its copy, the collections in it too."""
    if isinstance(mine, (list, bytearray)):
        held = cast("list[Any]", mine)
        for index, one in enumerate(after[: len(held)]):
            if is_mutable(held[index]) and type(held[index]) is type(one):
                follow(held[index], one)
                after[index] = held[index]
        held[:] = after
        return
    mine.clear()
    if isinstance(mine, deque):
        cast("deque[Any]", mine).extend(after)
    else:
        mine.update(after)
