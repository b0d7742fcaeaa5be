"""Rows that were learnt or asked wrongly once, with what is right, on real tokenizers (skipped where absent)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from droid_tune.data.templates import Example, TemplateOptions, render_examples, render_prompt
from droid_tune.errors import UserError
from tests.engine.data.rendering.tokenizers import tokenizer

NO_THOUGHT = "<think>\n\n</think>\n\n"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a town",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
CALL = {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"town": "Bonn"}}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def model(text: str | None, **keys: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **keys}


def chat(*turns: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {"messages": list(turns), **columns}


def learnt(name: str, example: Example) -> str:
    tokens = [token for token, on in zip(example.tokens, example.answer_mask, strict=True) if on]
    return str(tokenizer(name).decode(tokens))


def all_learnt(name: str, row: dict[str, Any], **options: Any) -> list[str]:
    found = render_examples(tokenizer(name), row, TemplateOptions(**options))
    return [learnt(name, example) for example in found]


def test_an_answer_that_its_thoughts_mention_is_learnt_whole() -> None:
    row = chat(user("2+2?"), model("4", reasoning_content="Two and two are 4. I am sure."))
    assert all_learnt("qwen3", row) == ["<think>\nTwo and two are 4. I am sure.\n</think>\n\n4<|im_end|>"]
    assert all_learnt("qwen3", chat(user("A thought?"), model("think"))) == [NO_THOUGHT + "think<|im_end|>"]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_are_the_same_in_every_form(key: str) -> None:
    expected = ["<think>\nOne and one.\n</think>\n\n2<|im_end|>"]
    assert all_learnt("qwen3", chat(user("1+1?"), model("2", **{key: "One and one."}))) == expected
    assert all_learnt("qwen3", chat(user("1+1?"), model("<think>One and one.</think>2"))) == expected


def test_thoughts_of_earlier_turns_are_learnt_behind_their_own_prompt() -> None:
    row = chat(
        user("1+1?"),
        model("<think>\nOne and one.\n</think>\n\n2"),
        user("And 2+2?"),
        model("<think>\nTwo and two.\n</think>\n\n4"),
    )
    found = render_examples(tokenizer("qwen3"), row)
    assert [learnt("qwen3", one) for one in found] == [
        "<think>\nOne and one.\n</think>\n\n2<|im_end|>",
        "<think>\nTwo and two.\n</think>\n\n4<|im_end|>",
    ]
    assert "One and one" not in found[1].text
    assert {note.code for note in found[0].notes} == {"turn_by_turn"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (model("<think>\nWe add"), "thoughts_never_end"),
        (model("<think>\nWe add\n</think>\n\n"), "only_thoughts"),
        (model("<think>\nWe add\n</think>\n\n2"), ""),
        (model("It is <think>."), ""),
    ],
)
def test_thoughts_without_an_answer_are_told(answer: dict[str, Any], code: str) -> None:
    """Both are learnt with an end behind them: as when a teacher's answers were cut off."""
    (example, *_) = render_examples(tokenizer("qwen3"), chat(user("1 + 1?"), answer))
    assert [note.code for note in example.notes] == ([code] if code else [])


def test_a_template_that_changes_no_earlier_turn_gives_one_sequence() -> None:
    row = chat(user("2+2?"), model("4"), user("3+3?"), model("6"))
    assert all_learnt("llama3_1", row) == ["4<|eot_id|>6<|eot_id|>"]
    assert all_learnt("smollm2", row) == ["4<|im_end|>6<|im_end|>"]
    assert all_learnt("deepseek_v3", row) == ["4<｜end▁of▁sentence｜>6<｜end▁of▁sentence｜>"]


def test_the_end_of_a_turn_is_the_templates_not_the_end_of_text() -> None:
    row = chat(user("2+2?"), model("4"), user("3+3?"), model("6"))
    assert tokenizer("base_with_template").eos_token == "<|endoftext|>"
    assert all_learnt("base_with_template", row) == [NO_THOUGHT + "4<|im_end|>", NO_THOUGHT + "6<|im_end|>"]


def test_the_tokens_are_those_of_the_text_where_a_tokenizer_puts_a_space_before_each() -> None:
    tok = tokenizer("stories")
    (example,) = render_examples(tok, chat(user("Hi"), model("hello there")))
    assert example.text == "User: Hi\nAssistant: hello there</s>"
    assert tok.convert_ids_to_tokens(example.tokens)[-5:] == ["▁he", "ll", "o", "▁there", "</s>"]
    assert example.tokens == tok.encode(example.text, add_special_tokens=False)


def test_text_without_a_template_is_joined_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    tok = tokenizer("stories")
    monkeypatch.setattr(tok, "chat_template", None)
    for answer in (" hello there", "four"):
        (example,) = render_examples(tok, {"prompt": "The cat said", "answer": answer})
        assert example.text == f"The cat said{answer}</s>"
        prompt = render_prompt(tok, {"prompt": "The cat said"}).tokens
        assert example.tokens[: len(prompt)] == prompt
        assert tok.decode(example.tokens[1:-1]) == f"The cat said{answer}"
        assert example.tokens.count(tok.bos_token_id) == 1


def test_without_a_template_nothing_is_left_out_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    tok = tokenizer("stories")
    monkeypatch.setattr(tok, "chat_template", None)
    thought = chat(user("2+2?"), model("4", reasoning_content="two twice"))
    (example,) = render_examples(tok, thought)
    assert example.text == "2+2?<think>\ntwo twice\n</think>\n\n4</s>"
    (example,) = render_examples(tok, chat(user("2+2?"), model("4"), user("3+3?"), model("6"), user("?")))
    assert [note.code for note in example.notes] == ["only_last_answer", "turns_after_answer"]
    (example,) = render_examples(tok, chat(user("2+2?"), model("4"), user("3+3?"), model("7", weight=0)))
    assert example.text == "2+2?4</s>"
    with pytest.raises(UserError, match="cannot be shown tools"):
        render_examples(tok, chat(user("Weather?"), model("", tool_calls=[CALL])))
    with pytest.raises(UserError, match="cannot be shown tools"):
        render_prompt(tok, {"prompt": "Weather?", "tools": [TOOL]})


def test_a_system_text_stands_where_the_model_reads_it_when_it_answers() -> None:
    system = {"role": "system", "content": "Answer like a pirate."}
    row = chat(system, user("Hi"), model("Ahoy"), user("Bye"), model("Arr"))
    for name, end in (("moving", "<|im_end|>"), ("mistral_nemo", "</s>")):
        first, second = render_examples(tokenizer(name), row)
        start = tokenizer(name).bos_token or ""
        assert first.text == f"{start}[INST]Answer like a pirate.\n\nHi[/INST]Ahoy{end}"
        assert (
            second.text == f"{start}[INST]Hi[/INST]Ahoy{end}[INST]Answer like a pirate.\n\nBye[/INST]Arr{end}"
        )
        assert [learnt(name, one) for one in (first, second)] == [f"Ahoy{end}", f"Arr{end}"]


def test_a_template_that_opens_the_thought_is_answered_behind_it() -> None:
    for name, end in (("r1", "<｜end▁of▁sentence｜>"), ("thinking", "<|im_end|>")):
        bare = all_learnt(name, chat(user("2+2?"), model("4")))
        assert bare == [f"\n</think>\n\n4{end}"]
        thought = all_learnt(name, chat(user("2+2?"), model("4", reasoning_content="I add.")))
        assert thought == [f"I add.\n</think>\n\n4{end}"]
        assert render_prompt(tokenizer(name), {"prompt": "2+2?"}).ends.endswith("<think>\n")


def test_switched_off_thoughts_are_not_learnt_and_told() -> None:
    row = chat(user("1+1?"), model("2", reasoning_content="One and one."))
    (example,) = render_examples(tokenizer("qwen3"), row, TemplateOptions(thinking="off"))
    assert learnt("qwen3", example) == "2<|im_end|>"
    assert [note.code for note in example.notes] == ["thoughts_left_out"]
    assert all_learnt("closed", chat(user("1+1?"), model("2"))) == ["2<|im_end|>"]


def test_the_whole_turn_with_its_calls_is_learnt() -> None:
    row = chat(user("Weather?"), model("Let me look.", tool_calls=[CALL]), tools=[TOOL])
    called = '<tool_call>\n{"name": "weather", "arguments": {"town": "Bonn"}}\n</tool_call><|im_end|>'
    assert all_learnt("qwen3", row) == [f"{NO_THOUGHT}Let me look.\n{called}"]
    row = chat(user("Weather?"), model(None, tool_calls=[CALL]), tools=[TOOL])
    assert all_learnt("qwen3", row) == [NO_THOUGHT + called]


def test_calls_and_tools_may_be_json_text() -> None:
    spelt = {**CALL, "function": {"name": "weather", "arguments": '{"town": "Bonn"}'}}
    row = chat(user("Weather?"), model("", tool_calls=[CALL]), tools=[TOOL])
    text = chat(user("Weather?"), model("", tool_calls=[spelt]), tools=json.dumps([TOOL["function"]]))
    for name in ("qwen3", "qwen2_5"):
        assert all_learnt(name, text) == all_learnt(name, row)
    with pytest.raises(UserError, match="`tools` is text that is no JSON"):
        render_examples(tokenizer("qwen3"), {**row, "tools": "[{"})


def test_mistrals_ids_of_nine_characters_are_given() -> None:
    tool = {"role": "tool", "content": "Rain", "tool_call_id": "c1"}
    row = chat(user("Weather?"), model("", tool_calls=[CALL]), tool, model("It rains."), tools=[TOOL])
    (example,) = render_examples(tokenizer("mistral_nemo"), row)
    assert learnt("mistral_nemo", example).startswith('[TOOL_CALLS][{"name": "weather"')
    assert '"call_id": "call00001"' in example.text


@pytest.mark.parametrize("name", ["smollm2", "starter", "deepseek_v3", "gemma3", "llama3_1"])
def test_a_template_that_shows_no_tools_refuses_them(name: str) -> None:
    asked = chat(user("Weather?"), model("It rains."), tools=[TOOL])
    with pytest.raises(UserError, match="leaves out the tool `weather`"):
        render_examples(tokenizer(name), asked)
    with pytest.raises(UserError, match=r"leaves out the call of `weather`|refuses the row"):
        render_examples(tokenizer(name), chat(user("Weather?"), model("", tool_calls=[CALL])))


def test_a_tool_that_somebody_speaks_of_is_not_shown_by_that() -> None:
    asked = chat(user("How is the weather?"), model("It rains."), tools=[TOOL])
    with pytest.raises(UserError, match="leaves out the tool `weather`"):
        render_examples(tokenizer("smollm2"), asked)
    called = chat(user("And now?"), model("I ask for the weather.", tool_calls=[CALL]))
    with pytest.raises(UserError, match="leaves out the call of `weather`"):
        render_examples(tokenizer("smollm2"), called)
    assert all_learnt("qwen3", {**asked, **called})  # which shows both


FLAGS = [
    {"weight": 0},
    {"train": False},
    {"training": False},
    {"loss": False},
    {"train": "false"},
    {"weight": "0"},
]


@pytest.mark.parametrize("flag", FLAGS)
def test_a_turn_marked_as_context_is_read_only(flag: dict[str, Any]) -> None:
    row = chat(user("2+2?"), model("5", **flag), user("Wrong, again?"), model("4", weight=1))
    (example,) = render_examples(tokenizer("llama3_1"), row)
    assert learnt("llama3_1", example) == "4<|eot_id|>"
    assert "5<|eot_id|>" in example.text
    assert [note.code for note in example.notes] == ["turn_not_learnt"]
    with pytest.raises(UserError, match="no answer to learn"):
        render_examples(tokenizer("llama3_1"), chat(user("2+2?"), model("5", **flag)))


def test_a_row_that_begins_with_the_model_learns_the_later_turns() -> None:
    row = chat(model("Welcome!"), user("Hi"), model("Hello"))
    (example,) = render_examples(tokenizer("qwen3"), row)
    assert learnt("qwen3", example) == NO_THOUGHT + "Hello<|im_end|>"
    assert example.text.startswith("<|im_start|>assistant\nWelcome!<|im_end|>")
    assert [note.code for note in example.notes] == ["begins_with_answer"]


def test_the_beginning_of_an_answer_is_continued() -> None:
    prompt = [user("What is 1+1?"), model("Let me think it over.\n<think>")]
    asked = render_prompt(tokenizer("qwen3"), {"prompt": prompt})
    assert asked.text.endswith("<|im_start|>assistant\nLet me think it over.\n<think>")
    assert asked.ends.endswith("<think>")
    (example,) = render_examples(tokenizer("qwen3"), {"prompt": prompt, "answer": "two</think>2"})
    assert example.text == asked.text + "two</think>2<|im_end|>"
    assert learnt("qwen3", example) == "two</think>2<|im_end|>"
    assert example.tokens[: len(asked.tokens)] == asked.tokens


def test_only_the_completion_of_a_prompt_is_learnt() -> None:
    prompt = [user("2+2?"), model("4"), user("3+3?")]
    (example,) = render_examples(tokenizer("llama3_1"), {"prompt": prompt, "completion": [model("6")]})
    assert learnt("llama3_1", example) == "6<|eot_id|>"


def test_a_control_token_in_a_rows_text_is_text_and_told() -> None:
    tok = tokenizer("llama3_1")
    row = chat(user("What does <|eot_id|> mean?"), model("<|eot_id|> ends a turn."))
    (example,) = render_examples(tok, row)
    assert tok.decode(example.tokens) == example.text
    assert example.tokens.count(tok.convert_tokens_to_ids("<|eot_id|>")) == 2  # one a turn: the template's
    assert [note.code for note in example.notes] == ["control_text"]
    asked = render_prompt(tok, {"prompt": "What does <|eot_id|> mean?"})
    assert asked.tokens == example.tokens[: len(asked.tokens)]


def test_an_end_token_written_by_hand_is_not_learnt_twice() -> None:
    (example,) = render_examples(tokenizer("llama3_1"), chat(user("2+2?"), model("4<|eot_id|>")))
    assert learnt("llama3_1", example) == "4<|eot_id|>"
    assert [note.code for note in example.notes] == ["end_in_answer"]


def test_marks_of_another_models_template_are_no_part_of_an_answer_and_told() -> None:
    (example,) = render_examples(tokenizer("llama3_1"), chat(user("2+2?"), model("4<|im_end|>\n")))
    assert learnt("llama3_1", example) == "4<|eot_id|>"
    assert [note.code for note in example.notes] == ["foreign_end"]
    (html,) = render_examples(tokenizer("llama3_1"), chat(user("2+2?"), model("<s>5</s>")))
    assert learnt("llama3_1", html) == "<s>5</s><|eot_id|>"
    asked = render_prompt(tokenizer("llama3_1"), {"prompt": "<|im_start|>user\n2+2?<|im_end|>"})
    assert [note.code for note in asked.notes] == ["foreign_marks"]


def test_verls_column_switches_thoughts_of_its_row() -> None:
    row = chat(user("2+2?"), model("4"), enable_thinking=False)
    (example,) = render_examples(tokenizer("qwen3"), row)
    assert learnt("qwen3", example) == "4<|im_end|>"
    blank = render_prompt(tokenizer("qwen3"), {"prompt": "2+2?", "system": "  "})
    assert "system" not in blank.text


def test_a_developer_is_the_system_where_the_template_knows_none() -> None:
    row = chat({"role": "developer", "content": "Be brief."}, user("Hi"), model("Hey"))
    (example,) = render_examples(tokenizer("qwen3"), row)
    assert example.text.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert [note.code for note in example.notes] == ["developer_role"]


def test_a_rows_own_settings_reach_its_template() -> None:
    row = chat(user("2+2?"), model("4"), chat_template_kwargs={"enable_thinking": False})
    (example,) = render_examples(tokenizer("qwen3"), row)
    assert learnt("qwen3", example) == "4<|im_end|>"
    (text,) = render_examples(
        tokenizer("qwen3"), {**row, "chat_template_kwargs": '{"enable_thinking": false}'}
    )
    assert text == example


def test_a_weight_between_counts_as_one_and_is_told() -> None:
    (example,) = render_examples(tokenizer("llama3_1"), chat(user("2+2?"), model("4", weight=0.5)))
    assert learnt("llama3_1", example) == "4<|eot_id|>"
    assert [note.code for note in example.notes] == ["weight_counts_as_one"]


@pytest.mark.parametrize("written", ["{town: ", [1, 2], '"Bonn"'])
def test_arguments_that_are_no_object_are_told(written: Any) -> None:
    call = {"type": "function", "function": {"name": "weather", "arguments": written}}
    (example,) = render_examples(tokenizer("qwen3"), chat(user("Weather?"), model("", tool_calls=[call])))
    assert "arguments_no_object" in [note.code for note in example.notes]


def test_null_keys_of_tables_are_no_keys() -> None:
    nulls = {"tool_calls": None, "name": None, "reasoning_content": None, "weight": None}
    row = chat({**user("2+2?"), **nulls}, model("4", **nulls))
    assert all_learnt("mistral_nemo", row) == ["4</s>"]


def test_text_in_a_templates_own_form_is_closed_and_begun_once() -> None:
    tok = tokenizer("llama3_1")
    text = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    for written in (text, text.removeprefix("<|begin_of_text|>")):
        (example,) = render_examples(tok, {"text": written})
        assert example.tokens.count(tok.bos_token_id) == 1
        assert example.tokens.count(tok.eos_token_id) == 1
    base = tokenizer("base_with_template")
    (example,) = render_examples(base, {"text": "<|im_start|>user\nHi<|im_end|>"})
    assert base.decode(example.tokens).endswith("Hi<|im_end|>")
