"""`droid-tune mcp`: let an assistant program use Droid Tune, over the Model Context Protocol."""

from __future__ import annotations

import argparse

from droid_tune.errors import UserError

HELP = "serve the Model Context Protocol on standard input and output, for assistant programs (docs/mcp.md)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none: everything comes over the protocol."""


def run(_arguments: argparse.Namespace) -> int:
    """Serves until the client leaves. Raises UserError where the package `mcp` is not installed."""
    try:
        from droid_tune.assistant.mcp_server import make_server
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "mcp":
            raise
        raise UserError(
            "`droid-tune mcp` needs the package `mcp`, which is not installed",
            remedy='install it with pip install "droid-tune[mcp]", or pip install mcp',
        ) from None
    make_server().run("stdio")
    return 0
