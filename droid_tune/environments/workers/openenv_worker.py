"""Child: one OpenEnv server (openenv 0.10), and a session of it for each episode.

A server's application is called here without a socket: what it hears and says is its own protocol, GET /schema and messages
over WebSocket at /ws. A server that runs already is spoken to at its address.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from droid_tune.environments.workers.openenv_servers import InProcess, LineClosed, Running, Server, ServerLine
from droid_tune.environments.workers.openenv_texts import (
    MCP_ACTIONS,
    action_tool,
    mcp_tools,
    said_of,
    text_of,
)
from droid_tune.rewards.workers.protocol import Message, serve
from droid_tune.rewards.workers.user_code import described


class Hosted:
    """What this process was set up with, and the sessions of the episodes that are open."""

    server: Server | None = None
    speaks_mcp = False
    reset: Mapping[str, Any] = {}
    shown = ""
    sessions: dict[int, ServerLine] = {}  # noqa: RUF012 - of the one process


def handle(request: Message) -> Message:
    """Every mistake becomes `{"error"}`, `{"missing"}` or `{"raised"}`; this process goes on."""
    try:
        return _DOES[request["do"]](request)
    except ModuleNotFoundError as error:
        return {"missing": (error.name or str(error)).partition(".")[0]}
    except LineClosed:
        return {"error": "was lost: its server ended the session"}
    except BaseException as error:
        return {"error": f"failed: {described(error)}"}
    finally:
        sys.stdout.flush()


def set_up(request: Message) -> Message:
    """`{"tools"}`: what the server's actions are, as tools."""
    Hosted.reset, Hosted.shown = request["reset"], request["shown"]
    kind, server = request["kind"], request["server"]
    Hosted.server = Running(server) if kind == "address" else InProcess(server, is_folder=kind == "folder")
    action: Any = (Hosted.server.schema() or {}).get("action")
    if not isinstance(action, dict):
        return {"error": "tells no schema of its actions at /schema, so it is no OpenEnv server"}
    Hosted.speaks_mcp = action.get("title") in MCP_ACTIONS
    if not Hosted.speaks_mcp:
        return {"tools": [action_tool(action)]}
    session = Hosted.server.connect()
    found = session.ask({"type": "step", "data": {"type": "list_tools"}})
    session.close()
    if found["type"] == "error":
        return {"error": f"tells no tools: {said_of(found['data'])}"}
    tools = mcp_tools(found["data"]["observation"])
    return {"tools": tools} if tools else {"error": "offers no tools"}


def begin(request: Message) -> Message:
    """`{"observation"}` as text; `{"error"}` where the server takes no further session, or cannot begin."""
    assert Hosted.server is not None
    session = Hosted.server.connect()
    data = {**request["row"], **Hosted.reset, "seed": request["seed"]}
    told = session.ask({"type": "reset", "data": data})
    if told["type"] == "error":
        session.close()
        most = told["data"].get("max_sessions")
        if most is not None:
            return {
                "error": f"its server takes {most} at once, and more are played side by side; let it take more "
                "(SUPPORTS_CONCURRENT_SESSIONS, max_concurrent_envs), or raise `at_once`"
            }
        return {"error": f"`reset` failed: {said_of(told['data'])}"}
    if told["data"].get("done"):
        session.close()
        return {"error": "it was over at once"}
    Hosted.sessions[request["episode"]] = session
    return {"observation": text_of(told["data"]["observation"], Hosted.shown)}


def call(request: Message) -> Message:
    """`{"result"}` as text, with what it earned and whether the episode is over; `{"raised"}` what went wrong."""
    session = Hosted.sessions.get(request["episode"])
    if session is None:
        return {"error": "was lost: its process was ended"}
    action: Message = request["arguments"]
    if Hosted.speaks_mcp:
        action = {"type": "call_tool", "tool_name": request["name"], "arguments": action}
    told = session.ask({"type": "step", "data": action})
    if told["type"] == "error":
        return {"raised": said_of(told["data"])}
    data: Message = told["data"]
    reward = data.get("reward")
    earned = {"done": bool(data.get("done")), "reward": None if reward is None else float(reward)}
    fault: Any = data["observation"].get("error") if Hosted.speaks_mcp else None
    if fault:
        return {"raised": str(fault.get("message") or fault), **earned}
    return {"result": text_of(data["observation"], Hosted.shown, mcp=Hosted.speaks_mcp), **earned}


def end(request: Message) -> Message:
    """Let go of an episode's session."""
    session = Hosted.sessions.pop(request["episode"], None)
    if session is not None:
        session.close()
    return {}


_DOES: dict[str, Callable[[Message], Message]] = {"set_up": set_up, "begin": begin, "call": call, "end": end}

if __name__ == "__main__":
    serve(handle)
