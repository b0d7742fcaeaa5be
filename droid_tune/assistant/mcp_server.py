"""The tools offered over the Model Context Protocol, on standard input and output."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import ValidationError

from droid_tune import __version__, words
from droid_tune.assistant.assistant_tools import READING, WRITING
from droid_tune.config.files.faults import in_words
from droid_tune.errors import UserError

INSTRUCTIONS = (
    "Droid Tune fine-tunes language models on this computer. A run: validate the data, estimate, check, then train "
    "with the user's consent, watch status, read the report. Paths are on this computer, best written in full; RUN is "
    "an id of `status` or the beginning of one. Tools that change something ask for confirm=true."
)


class ToolServer(MCPServer):
    """Names arguments that are at fault in a sentence; the library passes over those that a tool has not."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """What the tool answers. Raises ToolError."""
        _refuse_unknown(name, arguments)
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                fault = error.__cause__.errors()[0]
                place = ".".join(map(str, fault["loc"]))
                raise ToolError(f"{name}: {place} {words.sentence(in_words(fault))}") from error
            raise


def _refuse_unknown(name: str, arguments: dict[str, Any]) -> None:
    tool = (READING | WRITING).get(name)
    known = inspect.signature(tool).parameters if tool is not None else arguments
    unknown = [one for one in arguments if one not in known]
    if unknown:
        single = "; single settings of a run belong into `settings`" if "settings" in known else ""
        raise ToolError(f"{name} has no argument `{unknown[0]}`; it has {', '.join(known)}{single}.")


def make_server() -> MCPServer:
    """The server with all tools."""
    server = ToolServer("droid-tune", instructions=INSTRUCTIONS, version=__version__)
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
