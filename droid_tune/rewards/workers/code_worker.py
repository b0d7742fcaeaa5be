"""Child: runs a program that a model wrote in one interpreter, and the row's tests in another one.

This process runs the tests. A fork of it runs the program, with nothing but a line between them (`exchange`): whatever
the program does to its interpreter, the tests' `assert`, their comparisons and the line to the trainer are out of its reach.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from types import ModuleType
from typing import Any, cast

from droid_tune.rewards.workers.confine import shut_off_from_parent
from droid_tune.rewards.workers.exchange import Peer, Remote
from droid_tune.rewards.workers.protocol import Message, serve

#: `[name, kind, what]`: see `Program.definitions`
Definition = tuple[str, str, Any]

_OTHER_LIBRARIES = ("numpy",)


class Program:
    """The program's side."""

    def __init__(self) -> None:
        self._space: dict[str, Any] = {"__name__": "completion"}

    def run(self, source: str) -> None:
        """Raises whatever the program raises."""
        exec(compile(source, "<completion>", "exec"), self._space)  # noqa: S102 - what this process is for

    def definitions(self) -> list[Definition]:
        """What the program has made by now: a `module` or a thing of a `library`, which the tests import themselves, an
        `exception` with the names of what it is derived from, or a `value`."""
        return [
            self._definition(name, value) for name, value in self._space.items() if not name.startswith("__")
        ]

    def _definition(self, name: str, value: Any) -> Definition:
        if isinstance(value, ModuleType):
            return name, "module", value.__name__
        if isinstance(value, type) and issubclass(value, BaseException):
            return name, "exception", [one.__name__ for one in value.__mro__]
        place = importable(value)
        return (name, "value", value) if place is None else (name, "library", place)


class Tests:
    """The tests' side: names of the program stand in their space for what the other interpreter has."""

    peer: Peer | None = None
    space: dict[str, Any] = {"__name__": "tests"}  # noqa: RUF012 - of this process, once
    offered: dict[str, Any] = {}  # noqa: RUF012
    withheld: frozenset[str] = frozenset()

    @classmethod
    def begin(cls, source: str, withheld: frozenset[str]) -> None:
        """Start the program's interpreter and run the program in it; the tests see nothing of its under the names `withheld`.

        Raises what the program raises, EOFError at its end.
        """
        cls.withheld = withheld
        cls.peer = in_another_interpreter()
        cls.peer.ask("run", source)

    @classmethod
    def run(cls, test: str) -> None:
        """Raises whatever the test raises."""
        if cls.peer is not None:
            cls._offer(cls.peer, cls.peer.ask("definitions"))
        exec(compile(test, "<test>", "exec"), cls.space)  # noqa: S102 - what this process is for

    @classmethod
    def _offer(cls, peer: Peer, definitions: list[Definition]) -> None:
        """The program's names as they are now, save those that a test gave another meaning."""
        for name, kind, what in sorted(
            definitions, key=lambda one: len(one[2]) if one[1] == "exception" else 0
        ):
            if name in cls.withheld or (name in cls.space and cls.space[name] is not cls.offered.get(name)):
                continue
            if isinstance(what, Remote) and isinstance(cls.offered.get(name), Remote):
                continue
            with contextlib.suppress(ImportError, AttributeError):
                cls.offered[name] = cls.space[name] = stand_in(peer, kind, what)


def stand_in(peer: Peer, kind: str, what: Any) -> Any:
    """What a test sees under a name of the program's. Raises ImportError for a module that only the program may have."""
    if kind == "value":
        return what
    if kind == "exception":
        return exception_class(peer, what)
    module = what if kind == "module" else what[0]
    top = str(module).partition(".")[0]
    if top not in sys.stdlib_module_names and top not in _OTHER_LIBRARIES:
        raise ImportError(module)
    found: Any = importlib.import_module(module)
    return found if kind == "module" else getattr(found, what[1])


def exception_class(peer: Peer, names: list[str]) -> type[BaseException]:
    """A class of this interpreter's for an exception of the program's, derived as there."""
    if (known := peer.exceptions.get(names[0])) is not None:
        return known
    bases = (peer.known_exception(name) for name in names[1:])
    base = next((one for one in bases if one is not None), Exception)
    made = peer.exceptions[names[0]] = cast("type[BaseException]", type(names[0], (base,), {}))
    return made


def importable(value: Any) -> list[str] | None:
    """`[module, name]` under which the standard library has an object; None for what is not its own."""
    module: Any = getattr(value, "__module__", None)
    name: Any = getattr(value, "__qualname__", None) or getattr(value, "_name", None)
    if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules:
        return None
    is_library = module.partition(".")[0] in sys.stdlib_module_names
    return [module, name] if is_library and getattr(sys.modules[module], name, None) is value else None


def in_another_interpreter() -> Peer:
    """Fork; the child serves a program until this end is closed, and shares nothing with this process but the line."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        line = theirs.detach()
        os.dup2(line, 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        shut_off_from_parent()
        program = Program()
        peer = Peer(os.fdopen(3, "rb", closefd=False), os.fdopen(os.dup(3), "wb"), open_names=True)
        peer.services = {"run": program.run, "definitions": program.definitions}
        peer.serve()
        os._exit(0)
    theirs.close()
    stream = ours.detach()
    return Peer(os.fdopen(stream, "rb"), os.fdopen(os.dup(stream), "wb"), open_names=False)


def handle(request: Message) -> Message:
    """`{"passed"}`: whether a program or a test ran to its end. Their mistakes, exits included, are their own and not ours."""
    try:
        if "program" in request:
            Tests.begin(request["program"], frozenset(request.get("withheld", ())))
        else:
            Tests.run(request["test"])
    except BaseException as error:
        return {"passed": False, "why": f"{type(error).__name__}: {error}"[:500]}
    return {"passed": True}


if __name__ == "__main__":
    serve(handle)
