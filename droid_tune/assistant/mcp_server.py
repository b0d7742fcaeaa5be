"""The tools offered over the Model Context Protocol, on standard input and output."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from droid_tune import __version__
from droid_tune.assistant.assistant_tools import READING, WRITING
from droid_tune.errors import UserError

INSTRUCTIONS = (
    "Droid Tune fine-tunes language models on this computer. A run: validate the data, estimate, check, then train "
    "with the user's consent, watch status, read the report. Paths are on this computer, best written in full; RUN is "
    "an id of `status` or the beginning of one. Tools that change something ask for confirm=true."
)


def make_server() -> MCPServer:
    """The server with all tools."""
    server = MCPServer("droid-tune", instructions=INSTRUCTIONS, version=__version__)
    for tools, reads in ((READING, True), (WRITING, False)):
        for name, tool in tools.items():
            server.add_tool(
                _in_thread(tool),
                name=name,
                annotations=ToolAnnotations(read_only_hint=reads, destructive_hint=False),
            )
    return server


def _in_thread(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool off the server's loop, which goes on answering; a mistake comes back as its sentence."""

    @functools.wraps(tool)
    async def call(**arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(tool, **arguments)
        except UserError as error:
            raise ToolError(str(error)) from error

    return call
