"""Calls between two interpreters that do not trust each other: a completion's program, and its tests.

Plain values cross as copies (`plain_values`). All else stays where it is and is known on the other side by a number; the
other side asks for what it wants of it. Standard library only.
"""

from __future__ import annotations

import builtins
import json
import operator
from collections.abc import Callable
from types import ModuleType
from typing import IO, Any, cast

from droid_tune.rewards.workers.plain_values import (
    Coded,
    content_of,
    decode_plain,
    encode_plain,
    follow,
    is_mutable,
)
from droid_tune.rewards.workers.standard_streams import printing_apart, take_over, typed

Message = dict[str, Any]

_FORWARDED = ("next", "len", "str", "repr", "bool", "int", "float", "abs")
_ITEMS = ("getitem", "setitem", "delitem")
_ARITHMETIC = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and_", "or_", "xor", "lshift", "rshift"),
)
_ORDERS = ("lt", "le", "gt", "ge")


def _call(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    return function(*args, **named)


#: what one side may ask of an object of the other's
OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "content": content_of,
    **{
        name: getattr(builtins, name)
        for name in (*_FORWARDED, "hash", "getattr", "setattr", "iter", "isinstance")
    },
    **{name: getattr(operator, name) for name in (*_ITEMS, *_ARITHMETIC, *_ORDERS, "neg", "invert", "eq")},
}


class OtherSideError(Exception):
    """An exception of the other side's that has no name here."""


class Remote:
    """An object of the other side's. It is asked for everything, but never whether it equals a plain value."""

    __slots__ = ("_number", "_peer")

    def __init__(self, peer: Peer, number: int) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        return self._peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.ask("setattr", self, name, value)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._peer.ask("call", self, *args, **named)

    def __iter__(self) -> Any:
        return self._peer.ask("iter", self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Remote):
            return self._peer.ask("eq", self, other) is True
        return self._peer.ask("content", self) == [other]

    def __hash__(self) -> int:
        return self._peer.ask("hash", self)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Remote) and self._peer.ask("isinstance", value, self) is True


def number_of(remote: Remote, peer: Peer) -> int | None:
    """The number of an object of that peer's, None for one of another."""
    own = object.__getattribute__(remote, "_peer") is peer
    return object.__getattribute__(remote, "_number") if own else None


def _forwarding(operation: str, *, reverse: bool = False) -> Callable[..., Any]:
    def forward(self: Remote, *args: Any) -> Any:
        ordered = (*args, self) if reverse else (self, *args)
        return object.__getattribute__(self, "_peer").ask(operation, *ordered)

    return forward


def _among_themselves(operation: str) -> Callable[[Remote, object], Any]:
    """An order is only asked for among objects of the other side's: one greater than every number does not count."""

    def compare(self: Remote, other: object) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented
        return object.__getattribute__(self, "_peer").ask(operation, self, other)

    return compare


for _name in (*_FORWARDED, *_ITEMS, *_ARITHMETIC, "neg", "invert"):
    setattr(Remote, f"__{_name.strip('_')}__", _forwarding(_name))
for _name in _ARITHMETIC:
    setattr(Remote, f"__r{_name.strip('_')}__", _forwarding(_name, reverse=True))
for _name in _ORDERS:
    setattr(Remote, f"__{_name}__", _among_themselves(_name))


class Peer:
    """One end of the line: asks the other side, and answers it while it waits.

    `open_names`: the other side may ask for any attribute; else only for those that lead to nothing but what was
    handed over.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes], *, open_names: bool) -> None:
        self._reader, self._writer, self._open_names = reader, writer, open_names
        self._lent: list[Any] = []  # objects of this side that the other knows, by number
        self._numbers: dict[int, int] = {}  # of them, by id
        #: asked for by name instead of on an object
        self.services: dict[str, Callable[..., Any]] = {}
        #: classes that stand here for the other side's own exceptions
        self.exceptions: dict[str, type[BaseException]] = {}

    def ask(self, operation: str, *args: Any, **named: Any) -> Any:
        """The other side's answer. Raises what it raised, EOFError where it is gone."""
        coded = [self.encode(one) for one in args]
        by_name = {key: self.encode(one) for key, one in named.items()}
        self._send({"do": operation, "with": coded, "named": by_name, "typed": typed()})
        while "do" in (message := self._receive()):
            self._send(self._answer(message))
        take_over(message)
        if "raised" in message:
            raise self._exception(*message["raised"])
        for mine, after in zip(args, message["after"], strict=True):
            if after is not None:
                follow(mine, self.decode(after))
        return self.decode(message["value"])

    def serve(self) -> None:
        """Answer until the other side hangs up."""
        while True:
            try:
                message = self._receive()
            except EOFError:
                return
            self._send(self._answer(message))

    def _answer(self, message: Message) -> Message:
        if not self._open_names:
            return self._answered(message)
        with printing_apart(message.get("typed")) as printed:
            answer = self._answered(message)
        return answer | printed

    def _answered(self, message: Message) -> Message:
        try:
            args = [self.decode(one) for one in message["with"]]
            named = {key: self.decode(one) for key, one in message["named"].items()}
            value = self._function(message["do"], args)(*args, **named)
            after = [self._changed(*pair) for pair in zip(message["with"], args, strict=True)]
            return {"value": self.encode(value), "after": after}
        except BaseException as error:
            return {"raised": [[one.__name__ for one in type(error).__mro__], str(error)[:2000]]}

    def _function(self, operation: str, args: list[Any]) -> Callable[..., Any]:
        if operation in self.services:
            return self.services[operation]
        named = operation in ("getattr", "setattr")
        if named and not self._open_names and leads_away(args[0], str(args[1])):
            raise AttributeError(args[1])
        return OPERATIONS[operation]

    def _changed(self, coded: Coded, given: Any) -> Coded | None:
        """What a call made of a collection that was handed over, None where it left it as it was."""
        if not is_mutable(given):
            return None
        now = self.encode(given)
        return None if now == coded else now

    def _exception(self, names: list[str], text: str) -> BaseException:
        """The nearest exception that both sides know."""
        known = next(
            (one for name in names if (one := self.known_exception(name)) is not None), OtherSideError
        )
        try:
            return known(text)
        except TypeError:  # UnicodeDecodeError and the like want more than a text
            return OtherSideError(f"{names[0]}: {text}")

    def known_exception(self, name: str) -> type[BaseException] | None:
        """A class that stands for one of the other side's, or the built-in one of that name."""
        found: object = self.exceptions.get(name) or getattr(builtins, name, None)
        is_one = isinstance(found, type) and issubclass(found, BaseException)
        return cast("type[BaseException]", found) if is_one else None

    def encode(self, value: Any) -> Coded:
        """A value in JSON: itself, or `[kind, what it holds or its number]`."""
        if isinstance(value, Remote) and (number := number_of(value, self)) is not None:
            return ["yours", number]
        plain = encode_plain(value, self.encode)
        return ["mine", self._lend(value)] if plain is None else plain[0]

    def decode(self, coded: Coded) -> Any:
        """The value that was encoded."""
        if not isinstance(coded, list):
            return coded
        kind, held = cast("list[Any]", coded)
        if kind == "mine":
            return Remote(self, held)
        return self._lent[held] if kind == "yours" else decode_plain(kind, held, self.decode)

    def _lend(self, value: Any) -> int:
        number = self._numbers.setdefault(id(value), len(self._lent))
        if number == len(self._lent):
            self._lent.append(value)  # kept, so that no other object gets its id
        return number

    def _send(self, message: Message) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")
        self._writer.flush()

    def _receive(self) -> Message:
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the other side is gone")
        return json.loads(line)


def leads_away(value: object, name: str) -> bool:
    """Whether an attribute leads from what was handed over to the rest of the interpreter: frames, code, modules."""
    return isinstance(value, ModuleType) or name.startswith(("_", "gi_", "cr_", "ag_", "tb_", "f_", "co_"))
