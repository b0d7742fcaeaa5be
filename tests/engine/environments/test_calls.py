"""Calls as models write them: what real templates render is read back, and what is malformed is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.environments.calls.bare import LLAMA_JSON, PYTHONIC, PYTHONIC_TAGGED
from droid_tune.environments.calls.base import CallFormat, SaidAndCalled
from droid_tune.environments.calls.deepseek_calls import DEEPSEEK, DEEPSEEK_V31
from droid_tune.environments.calls.mistral_calls import MISTRAL, MISTRAL_ARGS
from droid_tune.environments.calls.table import format_of, shows_tools
from droid_tune.environments.calls.tagged import (
    GEMMA,
    GEMMA4,
    GLM,
    HERMES,
    KIMI,
    LONGCAT,
    MINIMAX,
    QWEN3_CODER,
)
from droid_tune.environments.episode import ToolCall

SHARED = Path(__file__).resolve().parents[4] / "shared"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "note": {"type": "string"},
                "more": {"type": "array", "items": {"type": "number"}},
                "deep": {"type": "object"},
                "sure": {"type": "boolean"},
            },
            "required": ["a"],
        },
    },
}
ARGUMENTS: dict[str, Any] = {
    "a": 17,
    "note": 'He said "1 < 2",\nno? 真',
    "more": [1, 2.5],
    "deep": {"x": None, "y": [True]},
    "sure": False,
}
CALL = ToolCall("add", ARGUMENTS)


def template(name: str) -> str:
    folder = SHARED / "tokenizers" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]


def rendered(
    source: str, calls: list[ToolCall], *, text_arguments: bool = False, content: str | None = ""
) -> str:
    """What a template writes for an assistant turn with calls, its first turn apart."""
    from transformers.utils.chat_template_utils import render_jinja_template

    made = [
        {
            "id": f"abcdefgh{place}",
            "type": "function",
            "function": {
                "name": one.name,
                "arguments": json.dumps(one.arguments) if text_arguments else dict(one.arguments),
            },
        }
        for place, one in enumerate(calls)
    ]
    user = {"role": "user", "content": "Add."}
    kwargs: dict[str, Any] = {"tools": [TOOL], "bos_token": "<s>", "eos_token": "</s>"}
    asked: Any = render_jinja_template([[user]], chat_template=source, add_generation_prompt=True, **kwargs)
    turn = {"role": "assistant", "content": content, "tool_calls": made}
    whole: Any = render_jinja_template([[user, turn]], chat_template=source, **kwargs)
    prompt, text = asked[0][0], whole[0][0]
    assert text.startswith(prompt) or prompt.endswith("<｜Assistant｜>")
    return text[len(prompt) :] if text.startswith(prompt) else text.rpartition("<｜Assistant｜>")[2]


def read(one: CallFormat, text: str) -> SaidAndCalled:
    return one.read(text, [TOOL])


def faults(one: CallFormat, text: str) -> list[str]:
    found = read(one, text).found
    assert found
    return [fault for fault in found if isinstance(fault, str)]


# -- real templates --------------------------------------------------------------------------------------------------


def test_qwen_3_writes_what_hermes_reads() -> None:
    source = template("qwen3")
    assert format_of(source) is HERMES
    assert shows_tools(source)
    text = rendered(source, [CALL, ToolCall("add", {"a": 2})]).removesuffix("<|im_end|>\n")
    from droid_tune.environments.turn_reader import TurnReader

    said = TurnReader(HERMES, [TOOL]).read(text)
    assert said.turn.calls == (CALL, ToolCall("add", {"a": 2}))
    assert said.faults == ()


def test_mistral_nemo_writes_what_mistral_reads() -> None:
    source = template("mistral_nemo")
    assert format_of(source) is MISTRAL
    assert shows_tools(source)
    text = rendered(source, [CALL, ToolCall("add", {"a": 2})]).removesuffix("</s>")
    assert read(MISTRAL, text) == SaidAndCalled("", (CALL, ToolCall("add", {"a": 2})))


def test_deepseek_v3_writes_what_deepseek_reads() -> None:
    source = template("deepseek_v3")
    assert format_of(source) is DEEPSEEK
    assert not shows_tools(source)  # it writes calls, never the tools themselves
    text = rendered(source, [CALL, ToolCall("add", {"a": 2})], text_arguments=True, content=None)
    text = text.removesuffix("</s>").removesuffix("<｜end▁of▁sentence｜>")
    assert read(DEEPSEEK, text) == SaidAndCalled("", (CALL, ToolCall("add", {"a": 2})))


@pytest.mark.parametrize("name", ["llama3_1"])
def test_templates_without_a_word_of_tools_are_known(name: str) -> None:
    source = template(name)
    assert format_of(source) is None
    assert not shows_tools(source)


def test_smollm_shows_no_tools() -> None:
    folder = SHARED / "models" / "SmolLM2-135M-Instruct-4bit"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    file = folder / "chat_template.jinja"
    source = (
        file.read_text(encoding="utf-8")
        if file.exists()
        else json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    )
    assert not shows_tools(source)


# -- every format reads its own form ----------------------------------------------------------------------------------

_JSON = json.dumps(ARGUMENTS, ensure_ascii=False)
WRITTEN: list[tuple[CallFormat, str]] = [
    (HERMES, f'<tool_call>\n{{"name": "add", "arguments": {_JSON}}}\n</tool_call>'),
    (
        QWEN3_CODER,
        "<tool_call>\n<function=add>\n<parameter=a>\n17\n</parameter>\n<parameter=note>\n"
        + ARGUMENTS["note"]
        + "\n</parameter>\n<parameter=more>\n[1, 2.5]\n</parameter>\n"
        '<parameter=deep>\n{"x": null, "y": [true]}\n</parameter>\n<parameter=sure>\nFalse\n</parameter>\n'
        "</function>\n</tool_call>",
    ),
    (LLAMA_JSON, f'{{"name": "add", "parameters": {_JSON}}}'),
    (LLAMA_JSON, f'<|python_tag|>{{"name": "add", "parameters": {_JSON}}}'),
    (
        PYTHONIC,
        "[add(**0)]".replace("**0", ", ".join(f"{key}={value!r}" for key, value in ARGUMENTS.items())),
    ),
    (
        PYTHONIC_TAGGED,
        "<|tool_call_start|>[add("
        + ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in ARGUMENTS.items())
        + ")]<|tool_call_end|>",
    ),
    (MISTRAL, f'[TOOL_CALLS][{{"name": "add", "arguments": {_JSON}, "id": "abcdefgh1"}}]'),
    (MISTRAL_ARGS, f"[TOOL_CALLS]add[ARGS]{_JSON}"),
    (MISTRAL_ARGS, f"[TOOL_CALLS]add[CALL_ID]abcdefgh1[ARGS]{_JSON}"),
    (
        DEEPSEEK_V31,
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{_JSON}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
]
SIMPLE: list[tuple[CallFormat, str]] = [
    (GEMMA, "<start_function_call>call:add{a:17,note:<escape>x, y<escape>}<end_function_call>"),
    (GEMMA4, '<|tool_call>call:add{a:17,note:<|"|>x, y<|"|>}<tool_call|>'),
    (
        GLM,
        "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>17</arg_value>\n"
        "<arg_key>note</arg_key>\n<arg_value>x, y</arg_value>\n</tool_call>",
    ),
    (
        KIMI,
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.add:0<|tool_call_argument_begin|>"
        '{"a": 17, "note": "x, y"}<|tool_call_end|><|tool_calls_section_end|>',
    ),
    (
        LONGCAT,
        "<longcat_tool_call>add\n<longcat_arg_key>a</longcat_arg_key>\n<longcat_arg_value>17</longcat_arg_value>\n"
        "<longcat_arg_key>note</longcat_arg_key>\n<longcat_arg_value>x, y</longcat_arg_value>\n</longcat_tool_call>",
    ),
    (
        MINIMAX,
        '<minimax:tool_call>\n<invoke name="add">\n<parameter name="a">17</parameter>\n'
        '<parameter name="note">x, y</parameter>\n</invoke>\n</minimax:tool_call>',
    ),
]


@pytest.mark.parametrize(("one", "text"), WRITTEN, ids=lambda one: getattr(one, "name", ""))
def test_a_call_with_arguments_of_every_kind_is_read(one: CallFormat, text: str) -> None:
    assert read(one, text) == SaidAndCalled("", (CALL,))


@pytest.mark.parametrize(("one", "text"), SIMPLE, ids=lambda one: getattr(one, "name", ""))
def test_a_call_is_read_by_mlx_lms_reader(one: CallFormat, text: str) -> None:
    assert read(one, text) == SaidAndCalled("", (ToolCall("add", {"a": 17, "note": "x, y"}),))


ALL = list(dict.fromkeys(one for one, _ in [*WRITTEN, *SIMPLE]))


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_an_answer_without_a_call_is_only_said(one: CallFormat) -> None:
    said = "The sum is {17}, [see] <b>here</b>."
    assert read(one, f" {said}\n") == SaidAndCalled(said)


@pytest.mark.parametrize(("one", "text"), [*WRITTEN, *SIMPLE], ids=lambda one: getattr(one, "name", ""))
def test_a_call_that_is_cut_anywhere_is_never_read_as_another_one(one: CallFormat, text: str) -> None:
    """Each beginning of a call is an answer, a malformed call, or (without its closing marks) the call itself."""
    whole = read(one, text).found
    for end in range(len(text)):
        for found in read(one, text[:end]).found:
            assert isinstance(found, str) or found in whole, text[:end]


@pytest.mark.parametrize(
    ("one", "text", "fault"),
    [
        (HERMES, "<tool_call>{'name': 'add'}</tool_call>", "is no JSON"),
        (HERMES, '<tool_call>{"name": "add"}</tool_call>', "has no `arguments`"),
        (HERMES, '<tool_call>{"arguments": {}}</tool_call>', "has no `name`"),
        (HERMES, '<tool_call>{"name": "add", "arguments": [1]}</tool_call>', "are no JSON object"),
        (HERMES, '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>', "is no JSON (NaN"),
        (HERMES, '<tool_call>{"name": "add", "arguments": {}} and</tool_call>', "has text behind its JSON"),
        (HERMES, '<tool_call>{"name": "add", "arguments": {}}', "is not closed by </tool_call>"),
        (HERMES, "<tool_call>" + "[" * 5000 + "</tool_call>", "is no JSON"),
        (QWEN3_CODER, "<tool_call>add(1)</tool_call>", "is no <function=NAME>"),
        (QWEN3_CODER, "<tool_call><function=add>a=1</function></tool_call>", "has text that is no <parameter"),
        (LLAMA_JSON, '{"name": "add", "parameters": {"a": 1}', "is no JSON"),
        (LLAMA_JSON, '{"name": "add"}', "has no `arguments`"),
        (PYTHONIC, "[add(1)]", "gives arguments without their names"),
        (PYTHONIC, "[add(a=open('x'))]", "no plain values"),
        (PYTHONIC, "[add(a=1)", "is no list of calls in Python"),
        (MISTRAL, '[TOOL_CALLS][{"name": "add"}]', "has no `arguments`"),
        (MISTRAL, "[TOOL_CALLS]add(1)", "has no [ARGS] behind its name"),
        (MISTRAL, "[TOOL_CALLS]", "is empty"),
        (DEEPSEEK, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁call▁end｜>", "has no <｜tool▁sep｜>"),
        (DEEPSEEK, "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>", "is empty"),
        (GEMMA, "<start_function_call>add 1<end_function_call>", "cannot be read (No function provided.)"),
        (KIMI, "<|tool_calls_section_begin|>add<|tool_calls_section_end|>", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_call_is_said(one: CallFormat, text: str, fault: str) -> None:
    said = faults(one, text)
    assert len(said) == 1
    assert fault in said[0]


def test_good_calls_beside_a_malformed_one_are_made() -> None:
    text = (
        'First <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
        '<tool_call>{"name"</tool_call><tool_call>{"name": "add", "arguments": {"a": 2}}</tool_call>'
    )
    got = read(HERMES, text)
    assert got.content == "First"
    assert [type(one) for one in got.found] == [ToolCall, str, ToolCall]


def test_several_calls_in_a_row_are_read_from_llamas_json() -> None:
    text = '{"name": "add", "parameters": {"a": 1}}; {"name": "add", "parameters": {"a": 2}}'
    assert read(LLAMA_JSON, text).found == (ToolCall("add", {"a": 1}), ToolCall("add", {"a": 2}))


def test_a_json_answer_that_is_no_call_stays_an_answer() -> None:
    assert read(LLAMA_JSON, '{"sum": 17}') == SaidAndCalled('{"sum": 17}')


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{% if tools %}<|tool_call>x<tool_call|>{% endif %}", GEMMA4),
        ("<start_function_call>", GEMMA),
        ("<tool_call>\\n<function=", QWEN3_CODER),
        ("<tool_call><arg_key>", GLM),
        ("<|tool_list_start|>", PYTHONIC_TAGGED),
        ("[TOOL_CALLS]{{ name }}[ARGS]", MISTRAL_ARGS),
        ("{{ '{\"name\": ' }}{{ '\"parameters\": ' }}{{ message.tool_calls }}", LLAMA_JSON),
        ("[func_name1(params_name1=params_value1)]", PYTHONIC),
        ("no tools here", None),
    ],
)
def test_the_marks_of_a_template_tell_its_format(source: str, wanted: CallFormat | None) -> None:
    assert format_of(source) is wanted


def test_a_word_in_a_templates_text_does_not_show_tools() -> None:
    assert not shows_tools("{{ 'You have no tools.' }}{% for m in messages %}{{ m.content }}{% endfor %}")
    assert not shows_tools("{{ message.tools }}")
    assert shows_tools("{%- if tools is not none %}{{ tools | tojson }}{% endif %}")
