"""Calls as models write them: what real templates render is read back, and what is malformed is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.environments.calls.bare import LLAMA_JSON, PYTHONIC, PYTHONIC_TAGGED
from droid_tune.environments.calls.base import CallFormat, SaidAndCalled
from droid_tune.environments.calls.deepseek_calls import DEEPSEEK, DEEPSEEK_V31
from droid_tune.environments.calls.gemma_calls import GEMMA, GEMMA4
from droid_tune.environments.calls.mistral_calls import MISTRAL, MISTRAL_ARGS
from droid_tune.environments.calls.pair_calls import GLM, LONGCAT, MINIMAX, QWEN3_CODER
from droid_tune.environments.calls.table import format_of, shows_tools
from droid_tune.environments.calls.tagged import HERMES, KIMI
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
        (GEMMA, "<start_function_call>add 1<end_function_call>", "is no call:NAME{KEY:VALUE}"),
        (KIMI, "<|tool_calls_section_begin|>add<|tool_calls_section_end|>", "has text outside of <|tool_call_begin|>"),
        (LLAMA_JSON, "<|python_tag|>", "is empty"),
        (DEEPSEEK, "<｜tool▁call▁begin｜>add<｜tool▁call▁end｜>", "stands outside of <｜tool▁calls▁begin｜>"),
        (GLM, "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>1</tool_call>", "has text that is no <arg_key>KEY"),
        (GLM, "<tool_call>add and so on</tool_call>", "has text that is no <arg_key>KEY"),
        (MINIMAX, "<minimax:tool_call></minimax:tool_call>", "is no <invoke"),
        (GEMMA4, "<|tool_call>call:add{a:17} and<tool_call|>", "has text behind its braces"),
        (GEMMA4, "<|tool_call>call:add{a:017}<tool_call|>", "has the value '017'"),
        (GEMMA, "<start_function_call>call:add{note:<escape>x}<end_function_call>", "not closed by <escape>"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_call_is_said(one: CallFormat, text: str, fault: str) -> None:
    said = faults(one, text)
    assert len(said) == 1
    assert fault in said[0]


#: arguments that Python's readers take, and no JSON holds, as each family of formats writes them
_TWICE, _HUGE, _HALF = "twice", "too large", "half of a character"
NO_JSON: list[tuple[CallFormat, str, str]] = [
    *((HERMES, '<tool_call>{"name": "add", "arguments": ' + told + "}</tool_call>", why) for told, why in (
        ('{"a": 1, "a": 2}', _TWICE), ('{"deep": {"x": 1, "x": 1}}', _TWICE), ('{"a": 1e999}', _HUGE),
        ('{"note": "\\ud800"}', _HALF), ('{"deep": {"\\udc00": 1}}', _HALF))),
    (HERMES, '<tool_call>{"name": "add", "name": "sub", "arguments": {}}</tool_call>', _TWICE),
    (HERMES, '<tool_call>{"name": "\\ud800", "arguments": {}}</tool_call>', _HALF),
    (LLAMA_JSON, '{"name": "add", "parameters": {"a": 1, "a": 2}}', _TWICE),
    (MISTRAL_ARGS, '[TOOL_CALLS]add[ARGS]{"a": 1, "a": 2}', _TWICE),
    (KIMI, "<|tool_calls_section_begin|><|tool_call_begin|>add<|tool_call_argument_begin|>{'a': 1}<|tool_call_end|>"
           "<|tool_calls_section_end|>", "is no JSON"),
    (QWEN3_CODER, "<tool_call><function=add><parameter=a>1</parameter><parameter=a>2</parameter></function></tool_call>",
     _TWICE),
    (QWEN3_CODER, '<tool_call><function=add><parameter=deep>{"x": 1, "x": 2}</parameter></function></tool_call>', _TWICE),
    (QWEN3_CODER, "<tool_call><function=add><parameter=a>1e999</parameter></function></tool_call>", _HUGE),
    (GLM, "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>a</arg_key><arg_value>2</arg_value>"
          "</tool_call>", _TWICE),
    (MINIMAX, '<minimax:tool_call><invoke name="add"><parameter name="a">1</parameter><parameter name="a">2</parameter>'
              "</invoke></minimax:tool_call>", _TWICE),
    (GEMMA, "<start_function_call>call:add{a:1,a:2}<end_function_call>", _TWICE),
    *((PYTHONIC, f"[add(a={told})]", why) for told, why in (
        ("1, a=2", _TWICE), ('{"x": 1, "x": 2}', _TWICE), ("1e999", _HUGE), ('"\\ud800"', _HALF),
        ("{1, 2}", "no plain values"), ('b"x"', "no plain values"), ("1 + 2j", "no plain values"),
        ("...", "no plain values"), ("(1, 2)", "no plain values"), ("[{1}]", "no plain values"),
        ("{1: 2}", "a key that is no text"))),
]  # fmt: skip


@pytest.mark.parametrize(("one", "text", "fault"), NO_JSON)
def test_what_no_json_holds_is_refused_and_never_guessed(one: CallFormat, text: str, fault: str) -> None:
    said = faults(one, text)
    assert len(said) == 1
    assert fault in said[0]
    assert [found for found in read(one, text).found if not isinstance(found, str)] == []


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("a", "17", 17),
        ("a", '"17"', "17"),  # text, which does not fit and is refused by the schema
        ("a", "1_7", "1_7"),
        ("a", "017", "017"),
        ("a", "NaN", "NaN"),
        ("note", "17", "17"),
        ("note", "true", "true"),
        ("note", ' "x" ', ' "x" '),
        ("more", "(1, 2)", "(1, 2)"),
        ("more", "['x', 1]", ["x", 1]),
        ("deep", "{'x': {1}}", "{'x': {1}}"),
        ("deep", "{'x': true}", {"x": True}),
        ("sure", "True", True),
    ],
)
def test_values_without_quotes_have_the_schemas_type_and_nothing_is_made_to_fit(
    key: str, value: str, wanted: Any
) -> None:
    for one, text in (
        (GLM, f"<tool_call>add<arg_key>{key}</arg_key><arg_value>{value}</arg_value></tool_call>"),
        (
            QWEN3_CODER,
            f"<tool_call><function=add><parameter={key}>\n{value}\n</parameter></function></tool_call>",
        ),
        (
            MINIMAX,
            f'<minimax:tool_call><invoke name="add"><parameter name="{key}">{value}</parameter></invoke>'
            "</minimax:tool_call>",
        ),
    ):
        assert read(one, text).found == (ToolCall("add", {key: wanted}),)


def test_a_text_that_may_be_null_is_null_where_null_is_written() -> None:
    tool = json.loads(json.dumps(TOOL))
    tool["function"]["parameters"]["properties"]["note"]["nullable"] = True
    text = "<tool_call>add<arg_key>note</arg_key><arg_value>null</arg_value></tool_call>"
    assert GLM.read(text, [tool]).found == (ToolCall("add", {"note": None}),)


def test_gemmas_values_are_read_at_any_depth() -> None:
    text = "<start_function_call>call:add{deep:{x:{y:[1,<escape>},{<escape>]},<escape>k<escape>:null},more:[]}<end_function_call>"
    assert read(GEMMA, text).found == (
        ToolCall("add", {"deep": {"x": {"y": [1, "},{"]}, "k": None}, "more": []}),
    )


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
    # an object that is asked for is an answer, also where it has a name or a type of its own
    for answer in (
        '{"sum": 17}',
        '{"name": "Ann", "age": 3}',
        '{"type": "cat"}',
        '{"name": "Ann"} {"name": "Bo"}',
    ):
        assert read(LLAMA_JSON, answer) == SaidAndCalled(answer)
    assert faults(LLAMA_JSON, '{"name": "Ann", "age": 3') == [faults(LLAMA_JSON, '{"name": "add", "a": 3')[0]]
    assert faults(LLAMA_JSON, '<|python_tag|>{"name": "Ann", "age": 3}') == ["has no `arguments`"]


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


HERMES_CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call>'

# -- thoughts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        # a thought in the middle of an answer calls nothing, closed or not
        (f"I look. <think>Shall I {HERMES_CALL}</think> No.", "I look.  No.", 0),
        (f"I look. <think>Shall I {HERMES_CALL}", "I look.", 0),
        (f"<think>a</think><think>{HERMES_CALL}</think>Done.", "Done.", 0),
        (f"I look. <think>Yes.</think> {HERMES_CALL}", "I look.", 1),
        (f"{HERMES_CALL} and <think>no {HERMES_CALL}</think>", "and", 1),
        # what looks like a thought inside of a call is its argument
        (
            '<tool_call>\n{"name": "add", "arguments": {"a": 2, "note": "<think>a</think>"}}\n</tool_call>',
            "",
            1,
        ),
        ('<tool_call>\n{"name": "add", "arguments": {"a": 2, "note": "</think>"}}\n</tool_call>', "", 1),
    ],
)
def test_calls_that_are_only_thought_of_are_none(text: str, said: str, calls: int) -> None:
    from droid_tune.environments.turn_reader import TurnReader

    read = TurnReader(HERMES, [TOOL]).read(text)
    assert (read.turn.content, len(read.order), read.faults) == (said, calls, ())
    for one in read.turn.calls:
        assert one.arguments.get("note", "") in ("", "<think>a</think>", "</think>")


def test_a_thought_that_is_told_of_in_a_calls_json_leaves_the_answer_a_call() -> None:
    from droid_tune.environments.turn_reader import TurnReader

    text = '{"name": "add", "parameters": {"a": 2, "note": "<think>x</think>"}}'
    (call,) = TurnReader(LLAMA_JSON, [TOOL]).read(text).order
    assert call == ToolCall("add", {"a": 2, "note": "<think>x</think>"})
