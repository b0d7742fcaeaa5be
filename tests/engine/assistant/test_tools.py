"""The tools of an assistant: the same words as a person's, nothing written without a confirmation, one sentence for a mistake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.assistant.assistant_tools import READING, WRITING, export, report, resume, stop_run, train
from droid_tune.assistant.own_calls import ask, complaint
from droid_tune.assistant.tool_words import RunWords, options
from droid_tune.cli import main
from droid_tune.errors import UserError
from droid_tune.machine.own_process import own_environment
from droid_tune.runs.folder import create_run
from tests.engine.train.conftest import tiny


def test_a_run_is_described_as_on_the_command_line() -> None:
    run = RunWords(
        model="starter",
        data="-odd name",
        settings={"group_size": 8, "schedule": "constant", "rewards": [{"type": "length"}]},
    )
    assert run.words() == [
        "--model=starter",
        "--data=-odd name",
        "--set",
        "group_size=8",
        "--set",
        "schedule=constant",
        "--set",
        'rewards=[{"type": "length"}]',
    ]
    assert options(limit=3, search="", steps=None) == ["--limit=3"]


@pytest.mark.parametrize(
    ("call", "would"),
    [
        (
            lambda: train(model="starter", settings={"iterations": 2}),
            "droid-tune train --model=starter --set iterations=2",
        ),
        (lambda: train(queued=True), "droid-tune queue add"),
        (lambda: resume("some-run", steps=5), "droid-tune resume --steps=5 -- some-run"),
        (lambda: stop_run("some-run"), "droid-tune steer some-run stop_at=1"),
        (lambda: export("some-run", "/out"), "droid-tune export --json --out=/out --to=adapter -- some-run"),
        (
            lambda: export("some-run", to="gguf", checkpoint="best", quantise="q8_0", check=0, force=True),
            "droid-tune export --json --to=gguf --checkpoint=best --quantise=q8_0 --check=0 --force -- some-run",
        ),
        (lambda: report(["some-run"], out="/out.html"), "droid-tune report --out=/out.html -- some-run"),
    ],
)
def test_nothing_is_done_without_a_confirmation(
    call: Callable[[], dict[str, Any]], would: str, data_home: Path
) -> None:
    said = call()
    assert said["needs_confirmation"] is True
    assert said["would_do"] == would
    assert not (data_home / "runs").exists()
    assert not (data_home / "queue").exists()


@pytest.mark.parametrize("tool", [*READING.values(), *WRITING.values()])
def test_every_tool_says_what_it_does(tool: Callable[..., Any]) -> None:
    assert len(str(tool.__doc__)) > 60


def test_a_mistake_is_the_sentence_of_the_command_line() -> None:
    with pytest.raises(UserError, match="There is no run `unknown`"):
        ask(["rollouts", "--json", "--", "unknown"])
    assert complaint("a word\n\ndroid-tune: It failed.\n") == "It failed."


def test_a_run_that_does_not_train_cannot_be_stopped(tmp_path: Path) -> None:
    folder = create_run(tiny(), tmp_path / "run")
    with pytest.raises(UserError, match="The run run is not training"):
        stop_run(str(folder), confirm=True)


def test_without_the_package_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "droid_tune.assistant.mcp_server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert main(["mcp"]) == 1
    assert "needs the package `mcp`" in capsys.readouterr().err


# --- over the protocol -----------------------------------------------------------------------------------------------


def conversation(talk: Callable[[Any], Awaitable[None]]) -> None:
    """Talk to a server in a process of its own, through the package's own client."""
    mcp = pytest.importorskip("mcp")
    client = pytest.importorskip("mcp.client.client")
    server = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "droid_tune", "mcp"], env=own_environment()
    )

    async def go() -> None:
        async with client.Client(mcp.stdio_client(server)) as session:
            await talk(session)

    asyncio.run(go())


@pytest.mark.parametrize(
    "ends",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, "leaves", "is deaf", "is deaf to an answer"],
    ids=str,
)
def test_a_signal_or_a_client_that_leaves_ends_the_server(ends: signal.Signals | str) -> None:
    pytest.importorskip("mcp")
    pipe = subprocess.PIPE
    words = [sys.executable, "-m", "droid_tune", "mcp"]
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    greeting = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    with subprocess.Popen(
        words, env=own_environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(greeting) + "\n")
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["id"] == 1
        if isinstance(ends, signal.Signals):
            server.send_signal(ends)
        elif ends == "leaves":
            server.stdin.close()
        else:  # it goes on holding the other end
            server.stdout.close()
        if ends == "is deaf to an answer":
            server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "ping"}) + "\n")
            with contextlib.suppress(BrokenPipeError):
                server.stdin.flush()
        try:
            assert server.wait(timeout=60) == (130 if isinstance(ends, signal.Signals) else 0)
        finally:
            server.kill()


def content(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)


def test_a_client_finds_the_tools_and_is_asked_before_anything_is_written(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "1 + 1?", "answer": "2"}\n{"prompt": 7}\n')

    async def talk(session: Any) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {*READING, *WRITING}
        assert tools["train"].annotations.read_only_hint is False
        assert "confirm" in tools["export"].input_schema["properties"]
        found = content(await session.call_tool("validate", {"path": str(rows), "method": "grpo"}))
        assert (found["accepted"], found["rejected"]) == (1, 1)
        would = content(await session.call_tool("train", {"model": "starter"}))
        assert would["needs_confirmation"] is True
        failed = await session.call_tool("report", {"runs": ["unknown"]})
        assert failed.is_error
        assert "There is no run `unknown`" in failed.content[0].text
        for tool, arguments, said in FAULTY:
            failed = await session.call_tool(tool, arguments)
            assert failed.is_error
            assert failed.content[0].text == said

    conversation(talk)


#: nothing that an assistant says is passed over: a run with other settings than it meant would train
FAULTY: list[tuple[str, dict[str, Any], str]] = [
    (
        "resume",
        {"run": "x", "step": 7, "confirm": True},
        "resume has no argument `step`; it has run, steps, confirm.",
    ),
    ("stop", {"confirm": True}, "stop: run must be given."),
    ("resume", {"run": 7}, "resume: run must be text."),
    (
        "estimate",
        {"learning_rate": 1e-4},
        "estimate has no argument `learning_rate`; it has config, model, data, method, preset, settings; "
        "single settings of a run belong into `settings`.",
    ),
]


@pytest.mark.slow
def test_a_client_trains_stops_resumes_reports_and_exports(tmp_path: Path) -> None:
    settings = {
        "iterations": 400,
        "batch_size": 1,
        "group_size": 2,
        "max_completion_length": 4,
        "evaluation.rows": 2,
    }

    async def until(session: Any, run: str, *states: str) -> dict[str, Any]:
        for _ in range(600):
            (one,) = content(await session.call_tool("status", {"run": run}))["runs"]
            if one["state"] in states and one["step"]:
                return one
            time.sleep(0.2)
        raise AssertionError(one)

    async def talk(session: Any) -> None:
        begun = content(await session.call_tool("train", {"settings": settings, "confirm": True}))
        run = begun["run"]
        await until(session, run, "running")
        assert content(await session.call_tool("stop", {"run": run, "confirm": True}))["stopped"] is True
        stopped = await until(session, run, "stopped")
        steps = {"run": run, "steps": 1, "confirm": True}
        assert content(await session.call_tool("resume", steps))["run"] == run
        time.sleep(1)
        further = await until(session, run, "stopped")
        assert further["step"] >= stopped["step"]
        assert content(await session.call_tool("rollouts", {"run": run, "limit": 2}))
        assert content(await session.call_tool("report", {"runs": [run]}))["result"][0]["id"] == run
        out = {"run": run, "out": str(tmp_path / "out"), "confirm": True}
        content(await session.call_tool("export", out))
        assert (tmp_path / "out" / "adapters.safetensors").is_file()

    conversation(talk)
