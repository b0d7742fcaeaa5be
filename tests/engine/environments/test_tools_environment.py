"""Functions of a file as tools: episodes with them, whatever a model writes and whatever a tool does."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from droid_tune.environments.episode import Answered, Seeds, ToolCall, Turn
from droid_tune.environments.workers.own_code_worker import Limited, TookTooLong
from droid_tune.errors import UserError
from tests.engine.environments.own_files import PLAIN, ROW, TOOLS, begin, call, opened, said


def document(name: str, body: str, signature: str = "") -> str:
    return f'\ndef {name}({signature}):\n    """Does it."""\n' + "".join(
        f"    {line}\n" for line in body.splitlines()
    )


def test_an_episode_of_a_call_and_an_answer(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS) as environment:
        assert [one["function"]["name"] for one in environment.tools] == ["add", "wait"]
        episode = begin(environment)
        assert episode.opening == (Turn("user", "What is 2 + 3?"),)
        first = said(episode, "Let me see. " + call("add", a=2, b=3))
        assert first.said == Turn("assistant", "Let me see.", (ToolCall("add", {"a": 2, "b": 3}),))
        assert first.turns == (Turn("tool", "5", name="add"),)
        assert not first.done
        assert [(one.name, one.state, one.result) for one in first.calls] == [("add", "done", "5")]
        last = said(episode, "It is 5.")
        assert last == Answered(Turn("assistant", "It is 5."), ending="answered")


@pytest.mark.parametrize(
    ("text", "state", "result"),
    [
        ("<tool_call>{]</tool_call>", "malformed", "error: the call is no JSON (Expecting property name"),
        (call("sub", a=1), "unknown", "error: no tool `sub`; tools: add, wait"),
        (call("add", a=1), "refused", "error: `add` needs `b`"),
        (call("add", a=1, b="x"), "refused", "error: `b` must be integer, not string"),
        (call("_hidden", a=1), "unknown", "error: no tool `_hidden`"),
    ],
)
def test_a_call_that_cannot_be_made_is_a_turn_that_says_why(
    tmp_path: Path, text: str, state: str, result: str
) -> None:
    with opened(tmp_path, TOOLS) as environment:
        answer = said(begin(environment), text)
        assert not answer.done
        assert answer.turns[0].role == "tool"
        assert answer.turns[0].content.startswith(result)
        assert [one.state for one in answer.calls] == [state]


def test_calls_of_one_turn_are_answered_in_their_order(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS) as environment:
        text = call("add", a=1, b=1) + "<tool_call>oh</tool_call>" + call("add", a=2, b=2)
        answer = said(begin(environment), text)
        assert [one.content[:6] for one in answer.turns] == ["2", "error:", "4"]
        assert answer.said.content == text  # as it stands: a template could not write the malformed one


def test_a_call_inside_a_thought_is_none(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS) as environment:
        thought = f"<think>\nI could {call('add', a=1, b=1)}\n</think>\n\n"
        answer = said(begin(environment), thought + "Two.")
        assert (answer.ending, answer.said.content) == ("answered", "Two.")
        assert "I could" in answer.said.thinking
        unfinished = said(begin(environment), "<think>\nI could " + call("add", a=1, b=1))
        assert (unfinished.ending, unfinished.said.content) == ("answered", "")


def test_the_turns_are_counted_and_a_last_call_is_not_made(tmp_path: Path) -> None:
    source = TOOLS + document("write", "open('seen', 'a').write('x')\nreturn open('seen').read()")
    with opened(tmp_path, source, max_turns=2, at_once=1) as environment:
        episode = begin(environment)
        assert said(episode, call("write")).turns[0].content == "x"
        assert said(episode, call("write")).ending == "turns"
        assert said(begin(environment), call("write")).turns[0].content == "xx"  # not xxx


def test_an_episode_may_be_cut(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS) as environment:
        answer = begin(environment).cut("Well, <tool_call>{", "tokens").result()
        assert (answer.ending, answer.turns, answer.calls) == ("tokens", (), ())
        assert answer.said.content == "Well, <tool_call>{"


# -- tools that behave badly -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "state", "result"),
    [
        ("raise ValueError('no such thing')", "failed", "error: no such thing"),
        ("raise KeyError", "failed", "error: KeyError"),
        ("import time\nwhile True: time.sleep(1)", "timeout", "error: took longer than 0.3 s"),
        ("while True:\n    try:\n        while True: pass\n    except Exception: pass", "timeout", "error: took longer"),
        ("import os\nos._exit(3)", "failed", "error: the tool exited with code 3"),
        ("import os\nos.kill(os.getpid(), 11)", "failed", "error: the tool was killed by SIGSEGV"),
        ("return object()", "failed", "error: gave <object object at"),
        ("return b'x'", "failed", "error: gave b'x' (bytes), which is no text and no plain values"),
        ("import sys\nsys.exit()", "failed", "error: it called exit(None)"),
        ("return bytearray(4 * 2**30)", "failed", "error: "),
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "failed", "error: "),
        ("return 'half \\ud800'", "done", "half \ufffd"),
        ("return {'\\ud800': '\\ud83d\\ude00'}", "done", '{"\ufffd": "😀"}'),
        ("raise ValueError('half \\udfff')", "failed", "error: half \ufffd"),
        ("return 'x' * 100", "done", "xxxxxxxxxxxxxxxxxxxx\n(80 more characters are left out)"),
        ("print('y' * 100000)\nreturn [1, {'a': None}]", "done", '[1, {"a": null}]'),
        ("return None", "done", "None"),
    ],
)  # fmt: skip
def test_whatever_a_tool_does_is_an_answer(tmp_path: Path, body: str, state: str, result: str) -> None:
    source = TOOLS + document("bad", body)
    settings: dict[str, Any] = {
        "timeout_seconds": 0.3,
        "result_characters": 20 if "x' * 100" in body else 4000,
    }
    with opened(tmp_path, source, **settings) as environment:
        episode = begin(environment)
        answer = said(episode, call("bad"))
        assert answer.calls[0].state == state
        assert answer.turns[0].content.startswith(result)
        assert said(episode, call("add", a=1, b=1)).turns[0].content == "2"  # and it goes on


def test_a_tool_has_no_keys_no_files_of_others_and_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "12345")
    body = "import os\nreturn [os.environ.get('SECRET_API_KEY'), os.listdir('.'), os.getcwd() != '/']"
    with opened(tmp_path, TOOLS + document("look", body)) as environment:
        assert said(begin(environment), call("look")).turns[0].content == "[null, [], true]"


def test_asynchronous_tools_are_waited_for(tmp_path: Path) -> None:
    source = TOOLS + '\nasync def later() -> str:\n    """Later."""\n    return "now"\n'
    with opened(tmp_path, source) as environment:
        assert said(begin(environment), call("later")).turns[0].content == "now"


def test_slow_tools_of_several_episodes_overlap(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS, at_once=4) as environment:
        episodes = [begin(environment, member=member) for member in range(4)]
        for one in [episode.step(call("add", a=1, b=1)) for episode in episodes]:
            one.result()  # the children are there
        handles = [episode.step(call("wait", seconds=0.5)) for episode in episodes]
        assert not any(one.ready() for one in handles)
        spans = sorted([float(part) for part in one.result().turns[0].content.split()] for one in handles)
        assert any(
            start < end for (_, end), (start, _) in pairwise(spans)
        )  # one by one none begins before another ends


def test_chance_depends_on_the_seeds_alone(tmp_path: Path) -> None:
    source = "import random\n" + TOOLS + document("throw", "return random.random()")
    with opened(tmp_path, source, at_once=2) as environment:

        def thrown(member: int) -> str:
            episode = environment.open(ROW, Seeds(1, 2, 3, member)).result()
            return said(episode, call("throw")).turns[0].content

        assert thrown(0) == thrown(0)
        assert thrown(0) != thrown(1)


def test_an_episode_may_take_only_so_long(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS, episode_seconds=0.05) as environment:
        answer = said(begin(environment), call("wait", seconds=0.1))
        assert (answer.ending, answer.turns) == ("time", ())


def test_closing_in_the_middle_of_a_call_ends_it(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS) as environment:
        begin(environment).step(call("wait", seconds=60))
        began = time.perf_counter()
    assert time.perf_counter() - began < 50


# -- what is refused before the training -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ('def add(a, b):\n    """Adds.\n\n    Args:\n        a: A.\n        b: B.\n    """\n', {},
         "environment.py:1: The environment's file has the tool `add`, which has no type hint for `a`; mend it"),
        (TOOLS + document("add", "pass"), {}, "has two tools called `add` (lines 5 and 29); rename one of them"),
        (TOOLS, {"functions": ["add", "add"]}, "offers two tools called `add`; name it once in `functions`"),
        (TOOLS, {"functions": ["sub"]}, "has no function `sub`; it has add, wait, _hidden"),
        ("x = 1\n", {}, "has no public function that could be a tool"),
        ("def add(:\n", {}, "environment.py:1: The environment's file could not be run: SyntaxError"),
        ("import nothing_of_this_name\n", {}, "No module named 'nothing_of_this_name'"),
        ("raise SystemExit\n", {}, "The environment's file could not be run: it called exit(None)"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path, source: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught, opened(tmp_path, source, **settings):
        pass
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    from droid_tune.config import resolve
    from droid_tune.environments.table import open_environment

    config = resolve({"environment": {"type": "tools", "path": str(tmp_path / "none.py")}})
    with pytest.raises(UserError, match="does not exist"):
        open_environment(config, template=PLAIN)


def test_a_template_that_shows_no_tools_is_refused_with_models_that_do(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, opened(tmp_path, TOOLS, template=PLAIN):
        pass
    assert "The model's chat template shows no tools; choose a model that knows tools (Qwen3" in str(
        caught.value
    )


def test_tools_in_words_stand_in_the_system_text(tmp_path: Path) -> None:
    with opened(tmp_path, TOOLS, template=PLAIN, tool_prompt="system", functions=["add"]) as environment:
        assert environment.tools == ()
        episode = begin(environment, {**ROW, "system": "Be brief."})
        first, second = episode.opening
        assert first.role == "system"
        assert first.content.startswith('Be brief.\n\nYou may call these tools:\n{"name": "add"')
        assert first.content.endswith(
            '<tool_call>\n{"name": "NAME", "arguments": {"KEY": VALUE}}\n</tool_call>'
        )
        assert second == Turn("user", "What is 2 + 3?")
        text = call("add", a=2, b=3)
        answer = said(episode, text)
        assert answer.said == Turn("assistant", text)
        assert answer.turns == (Turn("user", "<tool_response>\n5\n</tool_response>"),)


def test_time_in_which_a_tool_was_suspended_does_not_count() -> None:
    now = [0.0]
    limited = Limited(1.0, lambda: now[0])
    for passed in (
        0.1,
        0.1,
        600.0,
        0.1,
        0.1,
        0.1,
        0.1,
        0.1,
    ):  # a lid was closed: two looks' time is taken off
        now[0] += passed
        limited.look()
    now[0] += 0.15
    with pytest.raises(TookTooLong):
        limited.look()


def test_a_tool_gets_the_value_that_the_model_wrote_where_its_hint_is_an_enum(tmp_path: Path) -> None:
    """As transformers' `get_json_schema` describes it and TRL calls it: the values are the members', not the members."""
    source = """
import enum


class Colour(enum.Enum):
    RED = "red"


def paint(colour: Colour) -> str:
    \"\"\"Paints.

    Args:
        colour: In which colour.
    \"\"\"
    return f"{type(colour).__name__} {colour} {Colour(colour).name}"
"""
    with opened(tmp_path, source) as environment:
        told = environment.tools[0]["function"]["parameters"]["properties"]["colour"]
        assert told == {"type": "string", "enum": ["red"], "description": "In which colour."}
        episode = begin(environment)
        assert said(episode, call("paint", colour="red")).turns[0].content == "str red RED"
        refused = said(episode, call("paint", colour="RED")).turns[0].content
        assert refused == "error: `colour` must be one of red"
