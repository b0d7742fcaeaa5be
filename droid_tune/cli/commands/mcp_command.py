"""`droid-tune mcp`: let an assistant program use Droid Tune, over the Model Context Protocol."""

from __future__ import annotations

import argparse
import os
import select
import threading
from collections.abc import Callable
from typing import Any

from droid_tune.errors import UserError

#: seconds between two looks at whether the client listens
_LOOK_S = 0.5
HELP = "serve the Model Context Protocol on standard input and output, for assistant programs (docs/mcp.md)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none: everything comes over the protocol."""


def run(_arguments: argparse.Namespace) -> int:
    """Serves until the client leaves or a signal comes. Raises UserError where the package `mcp` is not installed."""
    try:
        from droid_tune.assistant.mcp_server import make_server
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "mcp":
            raise
        raise UserError(
            "`droid-tune mcp` needs the package `mcp`, which is not installed",
            remedy='install it with pip install "droid-tune[mcp]", or pip install mcp',
        ) from None
    _until_it_leaves(lambda: make_server().run("stdio"))
    return 0


def _until_it_leaves(serve: Callable[[], Any]) -> None:
    """Beside the main thread, which hears signals: the library reads standard input in threads that no signal wakes, and a
    process does not end before those that are not daemons, as the threads of a daemon are. A client that does not listen any
    more has left, though it holds the other end: what reads there is left behind."""
    failures: list[BaseException] = []

    def served() -> None:
        try:
            serve()
        except BaseException as failure:
            failures.append(failure)

    server = threading.Thread(target=served, name="mcp", daemon=True)
    listener = os.dup(1)  # the library turns 1 elsewhere
    server.start()
    while server.is_alive() and not _has_hung_up(listener):
        server.join(_LOOK_S)
    if failures and not _is_broken_pipe(failures[0]):
        raise failures[0]


def _has_hung_up(stream: int) -> bool:
    """Whether nobody reads what is written to it any more."""
    look = select.poll()
    look.register(stream, select.POLLOUT)  # macOS tells of the end only who asks for this
    gone = select.POLLHUP | select.POLLERR
    return any(told & gone for _, told in look.poll(0))


def _is_broken_pipe(failure: BaseException) -> bool:
    if isinstance(failure, BaseExceptionGroup):
        return all(_is_broken_pipe(one) for one in failure.exceptions)
    return isinstance(failure, BrokenPipeError)
