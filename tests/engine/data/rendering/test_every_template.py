"""What holds for every template: random conversations, rendered and read back from their tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from droid_tune.data.rendering.foreign_marks import ending_token
from droid_tune.data.rendering.templates import chat_template
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.rendering.thinking import KEYS, split_thoughts
from droid_tune.data.templates import Example, render_examples, render_prompt
from droid_tune.errors import UserError
from tests.engine.data.rendering.tokenizers import NAMES, tokenizer

EVERY = pytest.mark.parametrize("name", NAMES)
TRIED = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORDS = st.sampled_from(
    (
        *(
            "4",
            "a",
            "think",
            "assistant",
            "user",
            "model",
            "im_start",
            "<|im_end|>",
            "</s>",
            "<eos>",
            "<|eot_id|>",
        ),
        *(
            "INST",
            "[/INST]",
            "<think>",
            "text\n",
            "\n\nx",
            " b",
            "Assistant:",
            "été",
            "日本",
            "🙂",
            "12",
            "  ",
        ),
        *("{% if %}", "{{ x }}"),
    )
)
CONTENT = (
    st.lists(WORDS, min_size=1, max_size=5)
    .map(" ".join)
    .filter(lambda text: "think>" not in text and text.strip())
)
LOOSE = (
    st.lists(WORDS, min_size=1, max_size=4)
    .map("".join)
    .filter(lambda text: "think>" not in text and text.strip())
)
THOUGHT = st.sampled_from(["I add.", "It is 4, or a?", "so\nso"])


@st.composite
def assistant_turns(draw: Any) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": "assistant", "content": draw(CONTENT | LOOSE)}
    form = draw(st.sampled_from(["", "", *KEYS, "content"]))
    if form == "content":
        turn["content"] = f"<think>{draw(THOUGHT)}</think>{turn['content']}"
    elif form:
        turn[form] = draw(THOUGHT)
    return turn


@st.composite
def conversations(draw: Any) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    if draw(st.booleans()):
        turns.append({"role": "system", "content": draw(CONTENT)})
    for _ in range(draw(st.integers(1, 3))):
        turns += [{"role": "user", "content": draw(CONTENT | LOOSE)}, draw(assistant_turns())]
    return turns


def runs(example: Example) -> list[tuple[int, int]]:
    """Where learnt tokens stand together."""
    edges = [place for place in range(len(example.tokens) + 1) if _edge(example.answer_mask, place)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _edge(mask: list[bool], place: int) -> bool:
    return (place > 0 and mask[place - 1]) != (place < len(mask) and mask[place])


def rendered(name: str, turns: list[dict[str, Any]]) -> list[Example]:
    """The row's sequences; a row that the template refuses is none."""
    try:
        return render_examples(tokenizer(name), {"messages": turns})
    except UserError:
        return []


def turn_end(name: str) -> str:
    template = ChatTemplate.of(tokenizer(name))
    return template.end or template.eos


TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
SAID: list[dict[str, Any]] = [
    {"role": "user", "content": "Wie viel ist 3 + 4? ü \u2028 </s>"},
    {"role": "assistant", "content": "7", "reasoning_content": "3 and 4"},
    {"role": "user", "content": "Sure?", "name": None},
]


@EVERY
def test_the_child_process_renders_what_transformers_renders(name: str) -> None:
    inner = chat_template.unwrapped(tokenizer(name))
    template = ChatTemplate.of(inner)
    if not chat_template.is_jinja(inner):
        pytest.skip("rendered by Python code of a library")
    for count, answer_next, switches in ((1, True, {}), (3, True, {"tools": [TOOL]}), (2, False, {})):
        try:
            theirs = inner.apply_chat_template(
                SAID[:count], tokenize=False, add_generation_prompt=answer_next, **switches
            )
        except Exception:
            with pytest.raises(UserError, match="refuses the row"):
                template.render(SAID[:count], answer_next=answer_next, switches=switches)
        else:
            assert template.render(SAID[:count], answer_next=answer_next, switches=switches) == theirs


@EVERY
@TRIED
@given(turns=conversations())
def test_learnt_tokens_are_the_answer_behind_the_inference_prompt(
    name: str, turns: list[dict[str, Any]]
) -> None:
    tok = tokenizer(name)
    examples = rendered(name, turns)
    if not examples:
        return
    answers = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
    learnt = [(example, run) for example in examples for run in runs(example)]
    assert len(learnt) == len(answers)  # every answer once
    for place, (example, (start, end)) in zip(answers, learnt, strict=True):
        said = tok.decode(example.tokens[start:end])
        _, visible = split_thoughts(turns[place])
        assert said.endswith(turn_end(name))
        assert unclosed(name, compact(visible)) in compact(said)
        prompt = render_prompt(tok, {"prompt": turns[:place]})
        assert example.text.startswith(prompt.text) or len(runs(example)) > 1
        if start == runs(example)[0][0]:
            assert example.tokens[:start] == prompt.tokens


@EVERY
@TRIED
@given(turns=conversations())
def test_tokens_are_those_of_the_text(name: str, turns: list[dict[str, Any]]) -> None:
    tok = tokenizer(name)
    for example in rendered(name, turns):
        assert compact(tok.decode(example.tokens)) == compact(example.text)
        assert len(example.tokens) == len(example.answer_mask)
        if tok.bos_token and tok.bos_token not in tok.chat_template and "bos_token" in tok.chat_template:
            assert example.tokens.count(tok.bos_token_id) == bos_count(name, turns, example)
        controls = ChatTemplate.of(tok).ids
        bare = render_examples(tok, {"messages": [plain(turn) for turn in turns]})
        assert sorted(t for t in all_tokens(rendered(name, turns)) if t in controls.values()) == sorted(
            t for t in all_tokens(bare) if t in controls.values()
        )


def bos_count(name: str, turns: list[dict[str, Any]], example: Example) -> int:
    """Llama 2's template begins every pair with one; all others begin the conversation."""
    return sum(1 for _ in runs(example)) if name == "llama2" else 1


def plain(turn: dict[str, Any]) -> dict[str, Any]:
    """The same turn with words in the place of all that could be taken for a token of the template's."""
    thoughts, _ = split_thoughts(turn)
    bare = {key: value for key, value in turn.items() if key not in KEYS}
    return {**bare, "content": "word", **({} if thoughts is None else {"reasoning_content": "thought"})}


def all_tokens(examples: list[Example]) -> list[int]:
    return [token for example in examples for token in example.tokens]


def unclosed(name: str, text: str) -> str:
    """An answer without the end token that somebody wrote behind it by hand: the model's own is learnt once, another's never."""
    template = ChatTemplate.of(tokenizer(name))
    end = next(
        (end for end in (template.end, template.eos) if end and text.endswith(end) and text != end), ""
    )
    foreign = None if end else ending_token(text)
    return text.removesuffix(end) if foreign is None else text[: foreign.start()] or text


def compact(text: str) -> str:
    """Without white space: templates trim contents, tokenizers join spaces, decoders add them."""
    return "".join(text.split())


@st.composite
def tool_rows(draw: Any) -> dict[str, Any]:
    """A question, one or two calls with their results, and an answer."""
    arguments = {"town": draw(LOOSE), "days": draw(st.integers(0, 9))}
    written = draw(st.sampled_from([arguments, json.dumps(arguments)]))
    call = {"type": "function", "id": draw(st.sampled_from(["c1", "call_123", "abcdefghi"]))}
    calls = [{**call, "function": {"name": "weather", "arguments": written}}]
    said = draw(st.sampled_from(["", "Let me look."]))
    turns = [
        {"role": "user", "content": draw(CONTENT)},
        {"role": "assistant", "content": said, "tool_calls": calls},
        {"role": "tool", "content": "Rain", "tool_call_id": call["id"]},
        {"role": "assistant", "content": draw(CONTENT)},
    ]
    schema = {"type": "object", "properties": {"town": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "description": "w", "parameters": schema}}]
    return {"messages": turns, "tools": draw(st.sampled_from([tools, json.dumps(tools)]))}


@pytest.mark.parametrize("name", ["qwen3", "qwen2_5", "mistral_nemo", "llama3_2"])
@TRIED
@given(row=tool_rows())
def test_calls_are_learnt_with_their_arguments_as_objects(name: str, row: dict[str, Any]) -> None:
    tok = tokenizer(name)
    learnt = [tok.decode(one.tokens[a:b]) for one in render_examples(tok, row) for a, b in runs(one)]
    assert len(learnt) == 2
    call = row["messages"][1]["tool_calls"][0]["function"]["arguments"]
    arguments = json.loads(call) if isinstance(call, str) else call
    assert '"weather"' in learnt[0]
    assert compact(json.dumps(arguments, ensure_ascii=False)) in compact(learnt[0])
    assert all(one.endswith(turn_end(name)) for one in learnt)
