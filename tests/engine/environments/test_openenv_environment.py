"""OpenEnv environments: their protocol, spoken to any server; with the library itself where it is installed."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.config.asking.reaching_out import code_files, reaches
from droid_tune.environments.episode import Environment, EpisodeError, Seeds, Turn
from droid_tune.environments.table import open_environment
from droid_tune.environments.workers.openenv_texts import action_tool, text_of
from droid_tune.errors import UserError
from tests.engine.environments.own_files import TEMPLATE, begin, call, said

INSTALLED = importlib.util.find_spec("openenv") is not None
needs_openenv = pytest.mark.skipif(not INSTALLED, reason="the package openenv is not installed")

#: a server that speaks the protocol and knows nothing of the library: two sessions at most
SERVER = """
import json
import random

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

OPEN = 0
ACTION = {
    "title": "GuessNumberAction",
    "description": "A guess.",
    "type": "object",
    "properties": {"number": {"$ref": "#/$defs/Number"}, "metadata": {"type": "object", "title": "Metadata"}},
    "required": ["number"],
    "$defs": {"Number": {"type": "integer", "title": "Number"}},
}


async def schema(request):
    return JSONResponse({"action": ACTION, "observation": {}})


async def play(ws):
    global OPEN
    await ws.accept()
    if OPEN >= 2:
        await ws.send_text(json.dumps({"type": "error", "data": {"message": "full", "max_sessions": 2}}))
        return await ws.close()
    OPEN += 1
    try:
        while (message := json.loads(await ws.receive_text()))["type"] != "close":
            data = message["data"]
            if message["type"] == "reset":
                secret = data.get("secret", random.randrange(100))
                seen, done, reward = f" Guess, né? {random.randrange(10**6)}", False, 0.0
            elif not isinstance(data["number"], int) or data["number"] < 0:
                fault = {"loc": ["number"], "msg": "must be 0 or more"}
                await ws.send_text(json.dumps({"type": "error", "data": {"message": "Invalid", "errors": [fault]}}))
                continue
            elif data["number"] == 13:
                return await ws.close()
            else:
                done = data["number"] == secret
                seen, reward = "right" if done else "wrong", 1.0 if done else -0.25
            told = {"observation": {"said": seen, "metadata": {"x": 1}}, "done": done, "reward": reward}
            await ws.send_text(json.dumps({"type": "observation", "data": told}))
    finally:
        OPEN -= 1


app = Starlette(routes=[Route("/schema", schema), WebSocketRoute("/ws", play)])
"""
ROW = {"prompt": "Play.", "secret": 7}


def guessing(folder: Path) -> Path:
    made = folder / "guessing"
    (made / "server").mkdir(parents=True)
    (made / "openenv.yaml").write_text("spec_version: 1\nname: guessing\napp: server.app:app\n")
    (made / "server" / "__init__.py").write_text("")
    (made / "server" / "app.py").write_text(SERVER)
    return made


@contextmanager
def opened(server: object, **settings: Any) -> Generator[Environment]:
    config = resolve({"environment": {"type": "openenv", "server": str(server), **settings}})
    environment = open_environment(config, template=TEMPLATE)
    try:
        yield environment
    finally:
        environment.close()


def test_an_episode_is_played_over_the_protocol_and_earns_by_the_turn(tmp_path: Path) -> None:
    with opened(guessing(tmp_path)) as environment:
        tool = environment.tools[0]["function"]
        assert tool["name"] == "guess_number"
        assert tool["parameters"] == {
            "type": "object",
            "properties": {"number": {"type": "integer"}},
            "required": ["number"],
        }
        one, other = begin(environment, ROW), begin(environment, ROW, member=1)
        assert one.opening[-1].content == other.opening[-1].content  # members of a group begin alike
        assert one.opening[-1].content.startswith("Play. Guess, né?")
        wrong = one.step(call("guess_number", number=3)).result()
        assert wrong.turns == (Turn("tool", "wrong", name="guess_number"),)
        assert (wrong.reward, wrong.ending) == (-0.25, None)
        refused = one.step(call("guess_number", number=-1)).result()
        assert refused.turns[0].content == "error: `number`: must be 0 or more"
        assert refused.reward is None
        right = one.step(
            call("guess_number", number=3) + call("guess_number", number=7) + call("guess_number", number=1)
        )
        found = right.result()
        assert (found.ending, found.reward, len(found.calls)) == (
            "environment",
            0.75,
            2,
        )  # the third was too late
        given_up = said(other, "I give up.")
        assert (given_up.ending, given_up.reward, given_up.episode_reward) == ("answered", None, 0.0)
        again = begin(environment, ROW)
        lost = again.step(call("guess_number", number=13)).result()
        assert (lost.ending, lost.failed) == ("failed", "The episode was lost: its server ended the session.")
        for episode in (one, other, again):
            episode.close()


def test_a_server_that_takes_few_sessions_says_so(tmp_path: Path) -> None:
    with opened(guessing(tmp_path), at_once=1) as environment:
        begun = [begin(environment, ROW), begin(environment, ROW)]
        with pytest.raises(EpisodeError, match="takes 2 at once"):
            begin(environment, ROW)
        begun[0].close()
        begin(environment, ROW).close()  # room again


def test_the_folder_is_code_that_is_asked_about(tmp_path: Path) -> None:
    folder = guessing(tmp_path)
    config = resolve({"environment": {"type": "openenv", "server": str(folder)}})
    assert reaches(config) == [f"runs the code in {folder}"]
    assert {one.name for one in code_files(config)} == {"openenv.yaml", "__init__.py", "app.py"}
    package = resolve({"environment": {"type": "openenv", "server": "echo_env", "network": True}})
    assert reaches(package) == [
        "runs the installed environment echo_env",
        "lets that environment use the network",
    ]
    address = resolve({"environment": {"type": "openenv", "server": "http://127.0.0.1:8000"}})
    assert reaches(address) == ["plays with the server http://127.0.0.1:8000"]


def test_what_is_no_server_is_one_sentence() -> None:
    with (
        pytest.raises(UserError, match="needs the package `no_such_environment`"),
        opened("no_such_environment"),
    ):
        pass


def test_schemas_and_observations_are_shown_plainly() -> None:
    schema = {
        "title": "MoveAction",
        "properties": {
            "title": {"title": "Title", "type": "string"},
            "to": {"anyOf": [{"$ref": "#/$defs/Square"}, {"type": "null"}], "default": None},
        },
        "$defs": {"Square": {"title": "Square", "enum": ["a1", "b2"], "type": "string"}},
    }
    assert action_tool(schema)["function"] == {
        "name": "move",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "to": {
                    "anyOf": [{"enum": ["a1", "b2"], "type": "string"}, {"type": "null"}],
                    "default": None,
                },
            },
        },
    }
    assert text_of({"text": "né", "metadata": {}, "gone": None}) == "né"
    assert text_of({"board": [1, 2], "legal": ["é"]}) == '{"board": [1, 2], "legal": ["é"]}'
    assert text_of({"board": [1, 2], "legal": ["é"]}, "legal") == '["é"]'
    assert text_of({"result": {"content": [{"type": "text", "text": "5"}], "data": None}}, mcp=True) == "5"


ECHO = '''
import random

from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State
from pydantic import Field


class SayAction(Action):
    """Something to be echoed."""

    message: str = Field(..., description="What to say")


class Heard(Observation):
    heard: str = ""
    letters: int = 0


class Echo(Environment):
    SUPPORTS_CONCURRENT_SESSIONS = %s

    def reset(self, seed=None, episode_id=None, **row):
        self._state = State(episode_id=episode_id, step_count=0)
        return Heard(heard=f"Ready, {row['name']}, {random.Random(seed).randrange(1000)}.", reward=0.0)

    def step(self, action, timeout_s=None, **more):
        self._state.step_count += 1
        done = self._state.step_count == 3
        return Heard(heard=action.message, letters=len(action.message), reward=len(action.message) / 10, done=done)

    @property
    def state(self):
        return self._state


app = create_app(Echo, SayAction, Heard, env_name="echo", max_concurrent_envs=1)
'''
TOOLS = '''
from fastmcp import FastMCP
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation
from openenv.core.env_server.types import Observation, State


class Adding(MCPEnvironment):
    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self):
        server = FastMCP("adding")

        @server.tool
        def add(a: int, b: int) -> int:
            """Adds two numbers."""
            return a + b

        super().__init__(server)
        self._state = State(step_count=0)

    def reset(self, seed=None, episode_id=None, **more):
        return Observation(done=False, reward=0.0)

    def _step_impl(self, action, timeout_s=None, **more):
        return Observation(done=False)

    @property
    def state(self):
        return self._state


app = create_app(Adding, CallToolAction, CallToolObservation, env_name="adding")
'''


def served(folder: Path, source: str) -> Path:
    made = guessing(folder)
    (made / "server" / "app.py").write_text(source)
    return made


@needs_openenv
def test_an_environment_of_the_library_takes_as_many_sessions_as_are_asked_for(tmp_path: Path) -> None:
    with opened(served(tmp_path, ECHO % "True"), at_once=1, shown="heard") as environment:
        assert environment.tools[0]["function"]["name"] == "say"
        assert environment.tools[0]["function"]["description"] == "Something to be echoed."
        row = {"prompt": "Go on. ", "name": "Zoë"}
        begun = [environment.open(row, Seeds(0, 0, place // 2, place % 2)).result() for place in range(6)]
        openings = [one.opening[-1].content for one in begun]
        assert openings[0] == openings[1] != openings[2]
        assert openings[0].startswith("Go on. Ready, Zoë, ")
        for place, one in enumerate(begun):
            answer = one.step(call("say", message="ö" * (place + 1))).result()
            assert (answer.turns[0].content, answer.reward) == ("ö" * (place + 1), (place + 1) / 10)
        wrong = begun[0].step(call("say", words="x")).result()
        assert wrong.turns[0].content == "error: `say` needs `message`"
        assert said(begun[0], call("say", message="a"), call("say", message="b")).ending == "environment"
    with opened(served(tmp_path / "alone", ECHO % "False"), at_once=1, shown="heard") as environment:
        environment.open(row, Seeds(0, 0, 0)).result()
        with pytest.raises(EpisodeError, match="takes 1 at once"):
            environment.open(row, Seeds(0, 0, 1)).result()


@needs_openenv
def test_tools_of_an_environment_that_speaks_mcp_are_tools(tmp_path: Path) -> None:
    with opened(served(tmp_path, TOOLS)) as environment:
        told = environment.tools[0]["function"]
        assert (told["name"], told["description"]) == ("add", "Adds two numbers.")
        assert told["parameters"]["properties"]["a"] == {"type": "integer"}
        episode = begin(environment, {"prompt": "Add."})
        assert episode.opening[-1].content == "Add."
        assert episode.step(call("add", a=2, b=3)).result().turns[0].content == "5"


@needs_openenv
def test_a_server_that_runs_already_is_spoken_to_at_its_address(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with pytest.raises(UserError, match="nothing answers at"), opened(address):
        pass
    command = [sys.executable, "-m", "uvicorn", "server.app:app", "--port", str(port), "--log-level", "error"]
    folder = guessing(tmp_path)
    with subprocess.Popen(command, cwd=folder) as server:
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            with opened(address) as environment:
                episode = begin(environment, ROW)
                assert said(episode, call("guess_number", number=7)).reward == 1.0
                episode.close()
        finally:
            server.terminate()
