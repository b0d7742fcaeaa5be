"""What a template adds behind a model's own tokens: every template at hand, random episodes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from droid_tune.data.rendering.conversation import Conversation
from droid_tune.data.rendering.encoding import encode
from droid_tune.data.rendering.shapes import Note
from droid_tune.data.rendering.templates.added_turns import (
    ENDED_OTHERWISE,
    REWRITTEN,
    TurnAdder,
    require_turns,
)
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.rendering.turns import RowTurns
from droid_tune.data.templates import DEFAULT, render_prompt
from droid_tune.errors import UserError
from tests.engine.data.rendering.tokenizers import NAMES, tokenizer

TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look something up.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "Rome"}}}
TRIED = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SAID = st.sampled_from(
    ["4", "so 12", "I look it up", "été, or 日本 🙂", "<|im_end|> is text", "two\nlines", "</s> [INST]"]
)
EPISODES = st.lists(st.tuples(st.booleans(), SAID, SAID), min_size=1, max_size=3)


def answer(tools: bool, calls: bool, text: str) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": "assistant", "content": text}
    return {**turn, "tool_calls": [CALL]} if tools and calls else turn


def follows(turn: dict[str, Any], text: str) -> dict[str, Any]:
    return (
        {"role": "tool", "name": "look", "content": text}
        if "tool_calls" in turn
        else {"role": "user", "content": text}
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tools", [False, True])
@TRIED
@given(episode=EPISODES)
def test_nothing_sampled_is_lost_and_the_tokens_say_what_is_rendered(
    name: str, tools: bool, episode: list[tuple[bool, str, str]]
):
    given_tokenizer = tokenizer(name)
    row: dict[str, Any] = {"prompt": [{"role": "user", "content": "What is in Rome?"}]}
    if tools:
        row["tools"] = [TOOL]
    try:
        prompt = render_prompt(given_tokenizer, row)
        require_turns(given_tokenizer, row, DEFAULT, tools=tools)
    except UserError:
        return  # refused before a run begins, and said why
    adder = TurnAdder(given_tokenizer, row, DEFAULT)
    turns, tokens, notes = list(row["prompt"]), list(prompt.tokens), list[Any]()
    for calls, said, told in episode:
        turns.append(answer(tools, calls, said))
        wrote = written(given_tokenizer, row, turns)
        turns.append(follows(turns[-1], told))
        if wrote is None:
            return  # no model can write this answer behind this prompt
        sampled, ended = wrote
        turns[-2]["content"] = said_of(decoded(given_tokenizer, sampled), turns[-2])
        found = adder.added(turns, len(turns) - 1, ended=ended)
        alone = decoded(given_tokenizer, [*sampled, *found.tokens])
        assert same(alone, decoded(given_tokenizer, sampled) + found.text), found.text
        tokens += [*sampled, *found.tokens]
        notes += [found.note] if found.note else []
    whole = Conversation(ChatTemplate.of(given_tokenizer), row, RowTurns(turns), DEFAULT)
    rendered = whole.guard.show(whole.prompt(len(turns)), [])[0]
    assert notes or same(decoded(given_tokenizer, tokens), rendered)


def said_of(text: str, turn: dict[str, Any]) -> str:
    """What a parser makes of a turn: its words with the thoughts that it wrote, without its calls."""
    thought = re.match(r"<think>.*?</think>\s*", text, re.DOTALL)
    if thought and "<think>" not in turn["content"]:
        return thought.group() + turn["content"]
    return turn["content"]


def written(
    given_tokenizer: Any, row: dict[str, Any], turns: list[dict[str, Any]]
) -> tuple[list[int], bool] | None:
    """The last turn's tokens as a model writes them that follows its template, and whether a token ends them."""
    template = ChatTemplate.of(given_tokenizer)
    try:
        talk = Conversation(template, row, RowTurns(turns), DEFAULT)
        prompt, text = talk.answer(len(turns) - 1)
    except UserError:
        return None
    whole, marks, literal = talk.guard.show(prompt + text, [len(prompt)])
    found = encode(given_tokenizer, whole, marks, literal=literal, controls=template.mark_ids)
    tokens = [token for token, (start, _) in zip(found.tokens, found.spans, strict=True) if start >= marks[0]]
    return tokens, template.control_pattern.fullmatch(decoded(given_tokenizer, tokens[-1:])) is not None


@pytest.mark.parametrize(
    ("name", "text", "note"),
    [
        ("always_asks", "\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n", None),
        ("returns", "<|im_start|>user\nAnd now?<|im_end|><|im_start|>assistant\n", ENDED_OTHERWISE),
    ],
)
def test_what_is_added_begins_where_the_model_ended_its_turn(name: str, text: str, note: Note | None):
    asked = {"role": "user", "content": "One?"}
    turns = [asked, {"role": "assistant", "content": "2"}, {"role": "user", "content": "And now?"}]
    adder = TurnAdder(tokenizer(name), {"prompt": [asked]}, DEFAULT)
    assert (adder.added(turns, 2, ended=True).text, adder.added(turns, 2, ended=True).note) == (text, note)
    assert adder.added(turns, 2, ended=False).text == "<|im_end|>" + text


def test_a_template_that_rewrites_history_is_kept_to_what_was_written_or_refused():
    """Qwen3 takes the thoughts out of earlier answers once a user speaks again."""
    given_tokenizer = tokenizer("qwen3")
    row = {"prompt": [{"role": "user", "content": "One?"}]}
    turns = [
        *row["prompt"],
        {"role": "assistant", "content": "<think>\nI add.\n</think>\n\n2"},
        {"role": "user", "content": "And now?"},
    ]
    kept = TurnAdder(given_tokenizer, row, DEFAULT).added(turns, 2, ended=True)
    assert kept.note == REWRITTEN
    assert kept.text == "\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n"
    with pytest.raises(UserError, match="shows earlier turns otherwise"):
        TurnAdder(given_tokenizer, row, DEFAULT, "refuse").added(turns, 2, ended=True)


def test_an_answer_cut_before_its_end_is_ended_by_the_template():
    given_tokenizer = tokenizer("qwen3")
    row = {"prompt": [{"role": "user", "content": "One?"}]}
    turns = [*row["prompt"], {"role": "assistant", "content": "2"}, {"role": "user", "content": "And now?"}]
    found = TurnAdder(given_tokenizer, row, DEFAULT).added(turns, 2, ended=False)
    assert found.text.startswith("<|im_end|>\n<|im_start|>user")
    assert decoded(given_tokenizer, found.tokens) == found.text


def test_control_tokens_in_what_a_tool_says_are_text():
    given_tokenizer = tokenizer("qwen3")
    row = {"prompt": [{"role": "user", "content": "One?"}], "tools": [TOOL]}
    turns = [*row["prompt"], answer(True, True, ""), {"role": "tool", "content": "<|im_end|>"}]
    found = TurnAdder(given_tokenizer, row, DEFAULT).added(turns, 2, ended=True)
    end = given_tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert found.text.count("<|im_end|>") == 2
    assert found.tokens.count(end) == 1


@pytest.mark.parametrize("name", NAMES)
def test_no_mark_of_the_template_comes_out_of_what_a_tool_said(name: str):
    """Neither its control tokens nor the others that it writes: a tool cannot end its turn or begin a call."""
    given_tokenizer = tokenizer(name)
    row: dict[str, Any] = {"prompt": [{"role": "user", "content": "One?"}], "tools": [TOOL]}
    try:
        require_turns(given_tokenizer, row, DEFAULT, tools=True)
    except UserError:
        return
    template, adder = ChatTemplate.of(given_tokenizer), TurnAdder(given_tokenizer, row, DEFAULT)
    every = " ".join([*template.marks[:40], *(one for one in template.marks if one in template.source)])
    ids = set(template.mark_ids.values())

    def marks(said: str, tool: str = "look") -> list[int]:
        turns = [*row["prompt"], answer(True, True, ""), {"role": "tool", "name": tool, "content": said}]
        found = adder.added(turns, 2, ended=True)
        assert said == "fine" or same(decoded(given_tokenizer, found.tokens), found.text)
        return [token for token in found.tokens if token in ids]

    assert marks(every) == marks("fine") == marks("fine", every)


def test_thoughts_taken_out_of_earlier_turns_leave_every_sampled_token_where_it_was():
    """Qwen3 keeps thoughts between calls and takes them out once a user speaks: what is added is the same both ways."""
    given_tokenizer = tokenizer("qwen3")
    row: dict[str, Any] = {"prompt": [{"role": "user", "content": "One?"}], "tools": [TOOL]}
    thought = "<think>\nI look.\n</think>\n\n"
    turns = [*row["prompt"]]
    adder, notes = TurnAdder(given_tokenizer, row, DEFAULT), list[Any]()
    for said, told in (
        (answer(True, True, thought), {"role": "tool", "name": "look", "content": "1"}),
        (answer(True, True, thought), {"role": "tool", "name": "look", "content": "2"}),
        ({"role": "assistant", "content": thought + "2"}, {"role": "user", "content": "Sure?"}),
        (answer(True, True, thought), {"role": "tool", "name": "look", "content": "3"}),
    ):
        turns += [said, told]
        found = adder.added(turns, len(turns) - 1, ended=True)
        role = "user\n<tool_response>\n" if told["role"] == "tool" else "user\n"
        assert found.text.startswith(f"\n<|im_start|>{role}{told['content']}")
        assert found.text.endswith("<|im_start|>assistant\n")
        assert "<think>" not in found.text
        notes.append(found.note)
    assert notes[2] == REWRITTEN
    assert notes[:2] == [None, None]


def test_a_template_that_leaves_tools_out_is_refused():
    with pytest.raises(UserError, match=r"model\.path"):
        require_turns(tokenizer("gemma"), {"prompt": "x", "tools": [TOOL]}, DEFAULT, tools=True)


def same(one: str, other: str) -> bool:
    """Equal but for the spaces that some tokenizers write before words."""
    return one == other or "".join(one.split()) == "".join(other.split())


def decoded(given_tokenizer: Any, tokens: list[int]) -> str:
    return given_tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
