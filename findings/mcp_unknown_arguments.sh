#!/usr/bin/env bash
# mcp 2.3.0 (the Model Context Protocol's own Python package): a tool that is a function, called with an argument that it has not.
#
# A good guess: a misspelt argument is an error, as it is in Python, and as the tool's schema lets a client expect. Seen: it is dropped
# without a word and the tool runs with its default, for the schema that is made of the function does not say
# `additionalProperties: false` and nothing else looks. A program that asks to begin a run with `lerning_rate` begins one with the
# usual rate and hears that all went well. A required argument that is missing is refused. Whoever offers tools that spend hours has to
# refuse what they do not know themselves.
#
#   schema says additionalProperties: None
#   misspelt: began at 1e-05 (error: False)
#   missing: error: True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q mcp==2.3.0
"$work/venv/bin/python" - <<'PYTHON'
import asyncio
from importlib.metadata import version

from mcp import Client
from mcp.server import MCPServer

print("mcp", version("mcp"))
assert version("mcp") == "2.3.0"
server = MCPServer("trainer")


@server.tool()
def train(model: str, learning_rate: float = 1e-5) -> str:
    """Begin a run."""
    return f"began at {learning_rate}"


async def ask() -> None:
    async with Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        said = tool.input_schema.get("additionalProperties")
        print("schema says additionalProperties:", said)
        misspelt = await client.call_tool("train", {"model": "m", "lerning_rate": 1e-3})
        print(f"misspelt: {misspelt.content[0].text} (error: {bool(misspelt.is_error)})")
        missing = await client.call_tool("train", {"learning_rate": 1e-3})
        print("missing: error:", bool(missing.is_error))
        assert said is None
        assert misspelt.content[0].text == "began at 1e-05" and not misspelt.is_error
        assert missing.is_error


asyncio.run(ask())
PYTHON
