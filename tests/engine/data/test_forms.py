"""Rows of other trainers and tools are read as their formats mean them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.messages import plain_messages
from droid_tune.data.validate import validate
from droid_tune.errors import UserError
from tests.engine.data.parquet_files import parquet_bytes

USER = {"role": "user", "content": "1 + 1?"}
PROSE = {"role": "assistant", "content": "We add both."}
WEATHER = {"name": "weather", "parameters": {"type": "object"}}


def read(tmp_path: Path, method: str, *rows: Any, name: str = "train.jsonl", **mapping: str) -> Row:
    """The first row of a file as a method sees it."""
    path = tmp_path / name
    if name.endswith(".parquet"):
        path.write_bytes(parquet_bytes(list(rows)))
    elif name.endswith(".json"):
        path.write_text(json.dumps(list(rows)))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_dataset(path, method, mapping).row(0)


def fault(tmp_path: Path, method: str, row: Any) -> tuple[str, str | None]:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row) + "\n")
    [issue] = validate(path, method).issues
    return issue.reason, issue.field


# --- the reference ------------------------------------------------------------------------------------------------


def test_an_answer_beside_messages_is_the_reference_and_the_assistants_words_without_one(tmp_path: Path):
    row = read(tmp_path, "grpo", {"messages": [USER, PROSE], "answer": "2"})
    assert (row["answer"], row["prompt"]) == ("2", [USER])
    row = read(tmp_path, "grpo", {"messages": [USER, PROSE]})
    assert (row["answer"], row["prompt"]) == ("We add both.", [USER])
    assert read(tmp_path, "grpo", {"messages": [USER], "answer": "2"})["answer"] == "2"


def test_a_prompt_that_is_the_text_of_turns_is_these_turns(tmp_path: Path):
    """As tables write them."""
    assert read(tmp_path, "grpo", {"prompt": json.dumps([USER]), "answer": "2"})["prompt"] == [USER]
    pair = {"prompt": json.dumps([USER]), "chosen": "2", "rejected": "3"}
    assert read(tmp_path, "dpo", pair)["prompt"] == [USER]
    for text in ("[1, 2]", '["role"]', "[Scene] He enters.", "[" * 2000):
        assert read(tmp_path, "grpo", {"prompt": text, "answer": "2"})["prompt"] == text


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"messages": [USER], "ground_truth": "2", "dataset": "gsm8k"}, "2"),
        ({"prompt": "?", "ground_truth": 2.5}, "2.5"),
        ({"messages": [USER, PROSE], "final_answer": "2"}, "2"),
        ({"prompt": "?", "completion": "We add both.", "expected_answer": "2"}, "2"),
        ({"prompt": "?", "solution": "We add both.", "reference_answer": "2"}, "2"),
        ({"prompt": "?", "ground_truth": '{"func_name": "validate_lowercase"}'}, None),
        ({"prompt": "?", "ground_truth": {"func_name": "validate_lowercase"}}, None),
        ({"prompt": "?", "reward_model": {"ground_truth": {"target": ["a", "b"]}}}, ["a", "b"]),
        ({"prompt": "?", "reward_model": {"ground_truth": {"target": 98, "numbers": [44, 19, 35]}}}, None),
        ({"question": "?", "answer": {"value": "v", "aliases": ["w"], "type": "x"}}, ["v", "w"]),
    ],
)
def test_where_other_sets_keep_what_is_right(tmp_path: Path, row: Row, answer: Any):
    assert read(tmp_path, "grpo", row)["answer"] == answer


def test_conversations_that_are_the_text_of_turns_are_these_turns(tmp_path: Path):
    row = read(tmp_path, "sft", {"messages": json.dumps([USER, PROSE])})
    assert (row["messages"], row["answer"]) == ([USER, PROSE], PROSE["content"])
    said = json.dumps([{"from": "human", "value": "?"}, {"from": "gpt", "value": "a"}])
    assert read(tmp_path, "sft", {"conversations": said})["answer"] == "a"


def test_supervised_learning_learns_the_turns_whatever_stands_beside(tmp_path: Path):
    row = read(tmp_path, "sft", {"messages": [USER, PROSE], "answer": "2"})
    assert row["messages"] == [USER, PROSE]


@pytest.mark.parametrize("form", ["messages", "conversations", "prompt", "instruction", "query"])
def test_a_mapped_answer_is_the_reference_in_every_form(tmp_path: Path, form: str):
    rows: dict[str, Row] = {
        "messages": {"messages": [USER, PROSE]},
        "conversations": {
            "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "We add."}]
        },
        "prompt": {"prompt": "?", "completion": "We add."},
        "instruction": {"instruction": "?", "output": "We add."},
        "query": {"query": "?", "response": "We add."},
    }
    row = read(tmp_path, "grpo", {**rows[form], "meta": {"label": "2"}}, answer="meta.label")
    assert (row["answer"], row["meta"]) == ("2", {"label": "2"})


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.parquet"])
def test_verl_rows_have_their_ground_truth_as_answer_and_keep_their_columns(tmp_path: Path, name: str):
    verl = {
        "data_source": "sums",
        "prompt": [USER],
        "reward_model": {"ground_truth": "2", "style": "rule"},
        "extra_info": {"index": 1, "answer": "1 + 1 = 2"},
    }
    row = read(tmp_path, "grpo", verl, name=name)
    assert (row["answer"], row["data_source"]) == ("2", "sums")
    assert (row["reward_model"], row["extra_info"]["index"]) == (verl["reward_model"], 1)
    assert read(tmp_path, "grpo", verl, name=name, answer="extra_info.answer")["answer"] == "1 + 1 = 2"


def test_a_solution_is_the_reference_where_no_answer_stands_and_stays_for_rewards(tmp_path: Path):
    row = read(tmp_path, "grpo", {"messages": [USER], "solution": "2"})
    assert (row["answer"], row["solution"]) == ("2", "2")
    assert read(tmp_path, "grpo", {"prompt": [USER], "solution": "2"})["answer"] == "2"
    assert read(tmp_path, "grpo", {"prompt": "?", "answer": "2", "solution": "long"})["answer"] == "2"


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (["4", "four"], ["4", "four"]),
        (["4", "4"], "4"),
        ([4, 4.5], ["4", "4.5"]),
        ({"text": ["4"]}, "4"),
        ({"choices": ["yes", "no"]}, ["yes", "no"]),
    ],
)
def test_several_right_answers_stay_several_for_rewards_and_the_first_is_imitated(
    tmp_path: Path, value: Any, answer: Any
):
    assert read(tmp_path, "grpo", {"prompt": "?", "answer": value})["answer"] == answer
    first = answer if isinstance(answer, str) else answer[0]
    assert read(tmp_path, "sft", {"prompt": "?", "answer": value})["answer"] == first


def test_numbers_under_other_names_are_answers(tmp_path: Path):
    assert read(tmp_path, "grpo", {"prompt": "?", "reward_model": {"ground_truth": 7}})["answer"] == "7"


def test_a_prompt_that_ends_with_a_question_has_no_answer_of_an_earlier_turn(tmp_path: Path):
    turns = [USER, PROSE, {"role": "user", "content": "So?"}]
    row = read(tmp_path, "grpo", {"messages": turns})
    assert (row["prompt"], row["answer"]) == (turns, None)


# --- turns --------------------------------------------------------------------------------------------------------


def test_history_becomes_earlier_turns(tmp_path: Path):
    row = {"instruction": "Twice that?", "input": "", "output": "8", "history": [["2 + 2?", "4"]]}
    turns = [("user", "2 + 2?"), ("assistant", "4"), ("user", "Twice that?")]
    for method in ("sft", "grpo"):
        seen = read(tmp_path, method, row)
        assert [(turn["role"], turn["content"]) for turn in seen["prompt"]] == turns
        assert seen["answer"] == "8"
    swift = {"query": "Twice that?", "response": "8", "history": [["2 + 2?", "4"]], "system": "Be brief."}
    seen = read(tmp_path, "sft", swift)
    assert [(turn["role"], turn["content"]) for turn in seen["prompt"]] == turns
    assert (seen["answer"], seen["system"]) == ("8", "Be brief.")
    for none in ([], "", "[]"):
        assert read(tmp_path, "sft", {**row, "history": none})["prompt"] == "Twice that?"
    seen = read(tmp_path, "sft", {**row, "history": json.dumps(row["history"])})
    assert [(turn["role"], turn["content"]) for turn in seen["prompt"]] == turns
    assert fault(tmp_path, "sft", {**row, "history": "2 + 2?"}) == ("wrong_type", "history")
    assert fault(tmp_path, "sft", {**row, "history": ["2 + 2?"]}) == ("wrong_type", "history")


def test_conversations_may_begin_with_the_model(tmp_path: Path):
    turns = [("gpt", "Welcome!"), ("human", "Hi"), ("gpt", "Hello")]
    row = read(tmp_path, "sft", {"conversations": [{"from": who, "value": said} for who, said in turns]})
    assert [turn["role"] for turn in row["messages"]] == ["assistant", "user", "assistant"]


@pytest.mark.parametrize(
    "flag", [{"weight": 0}, {"train": False}, {"training": False}, {"trainable": False}, {"loss_scale": 0.0}]
)
def test_flags_of_turns_become_one_weight(tmp_path: Path, flag: dict[str, Any]):
    wrong = {"role": "assistant", "content": "5", **flag}
    row = read(tmp_path, "sft", {"messages": [USER, wrong, USER, {**PROSE, "weight": 1}]})
    assert [turn.get("weight") for turn in row["messages"]] == [None, 0, None, 1]
    assert fault(tmp_path, "sft", {"messages": [USER, wrong]}) == ("no_assistant_turn", "messages")


def test_tools_as_text_are_objects_and_what_is_no_json_is_named(tmp_path: Path):
    wanted = [{"type": "function", "function": WEATHER}]
    for written in (wanted, json.dumps(wanted), json.dumps([WEATHER]), [WEATHER]):
        assert read(tmp_path, "sft", {"messages": [USER, PROSE], "tools": written})["tools"] == wanted
    assert "tools" not in read(tmp_path, "sft", {"messages": [USER, PROSE], "tools": "[]"})
    assert fault(tmp_path, "sft", {"messages": [USER, PROSE], "tools": "[{"}) == ("wrong_type", "tools")
    old = read(tmp_path, "sft", {"messages": [USER, PROSE], "functions": [WEATHER]})
    assert old["tools"] == wanted


@pytest.mark.parametrize(
    "turn",
    [
        {
            "content": None,
            "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"content": "", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
        {"content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}},
        {"content": None, "tool_calls": [{"name": "f", "arguments": json.dumps('{"a": 1}')}]},
    ],
)
def test_calls_of_tools_are_kept_with_their_arguments_as_objects(tmp_path: Path, turn: dict[str, Any]):
    row = read(tmp_path, "sft", {"messages": [USER, {"role": "assistant", **turn}]})
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    assert row["messages"][1] == {"role": "assistant", "content": "", "tool_calls": [call]}


def test_the_solution_is_imitated_and_the_bare_result_is_not(tmp_path: Path):
    row = {"prompt": "?", "final_answer": "2", "solution": "We add both: 2."}
    assert read(tmp_path, "sft", row)["answer"] == "We add both: 2."


def test_what_a_calls_text_says_is_null_is_meant_and_a_tables_blank_is_not(tmp_path: Path):
    def learnt(arguments: Any) -> Any:
        call = {"function": {"name": "f", "arguments": arguments}}
        row = read(
            tmp_path, "sft", {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [call]}]}
        )
        (turn,) = plain_messages(row["messages"][1:])
        return turn["tool_calls"][0]["function"]["arguments"]

    assert learnt('{"end": null, "at": 1}') == {"end": None, "at": 1}
    assert learnt({"end": None, "at": 1}) == {"at": 1}


def test_a_templates_settings_may_be_the_json_text_of_an_object(tmp_path: Path):
    asked = {"messages": [USER, PROSE]}
    row = read(tmp_path, "sft", {**asked, "chat_template_kwargs": '{"enable_thinking": false}'})
    assert row["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in read(tmp_path, "sft", {**asked, "chat_template_kwargs": ""})
    wrong = {**asked, "chat_template_kwargs": "no thinking"}
    assert fault(tmp_path, "sft", wrong) == ("wrong_type", "chat_template_kwargs")
    [issue] = validate(tmp_path / "train.jsonl", "sft").issues
    assert issue.message.endswith('but it is text; write {"name": value}.')


def test_sharegpt_calls_are_calls(tmp_path: Path):
    turns = [
        {"from": "human", "value": "Weather?"},
        {"from": "function_call", "value": '{"name": "f", "arguments": {"a": 1}}'},
        {"from": "observation", "value": "Rain"},
        {"from": "gpt", "value": "It rains."},
    ]
    row = read(tmp_path, "sft", {"conversations": turns, "tools": json.dumps([WEATHER]), "system": "S"})
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    assert row["messages"][2] == {"role": "assistant", "content": "", "tool_calls": [call]}
    turns[1]["value"] = "f(1)"
    assert fault(tmp_path, "sft", {"conversations": turns}) == ("wrong_type", "conversations[1].value")


def test_a_turn_to_a_recipient_is_a_call_of_that_tool(tmp_path: Path):
    """As harmony writes them: gpt-oss learnt to answer the user with the arguments."""

    def said(channel: str, text: str, **keys: Any) -> dict[str, Any]:
        return {"role": "assistant", "channel": channel, "content": text, **keys}

    call = said("commentary", '{"a": 1}', recipient="functions.f", content_type="<|constrain|>json")
    result = {
        "role": "tool",
        "name": "functions.f",
        "channel": "commentary",
        "recipient": "assistant",
        "content": "Rain",
    }
    turns = [
        USER,
        said("analysis", "I ask."),
        call,
        result,
        said("analysis", "So."),
        said("final", "It rains."),
    ]
    row = read(tmp_path, "sft", {"messages": turns, "tools": [WEATHER]})
    asked = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    learnt = plain_messages(row["messages"])
    assert learnt == [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [asked], "reasoning_content": "I ask."},
        {"role": "tool", "name": "f", "content": "Rain"},
        {"role": "assistant", "content": "It rains.", "reasoning_content": "So."},
    ]
    ran = said("analysis", "1 + 1", recipient="python")
    assert [one["function"] for one in plain_messages([ran])[0]["tool_calls"]] == [
        {"name": "python", "arguments": "1 + 1"}
    ]
    drawn = {**call, "content": [{"type": "image", "url": "x"}]}
    assert fault(tmp_path, "sft", {"messages": [USER, drawn]}) == ("wrong_type", "messages[1].content")
    for nobody in ({**PROSE, "recipient": "Bob"}, said("final", "Two.", recipient="all")):
        assert plain_messages([nobody]) == [{"role": "assistant", "content": nobody["content"]}]


def test_turns_that_are_calls_belong_to_the_turn_before_them(tmp_path: Path):
    """ms-swift writes what is said, and each of several calls at once, as turns of their own."""

    def called(name: str) -> dict[str, Any]:
        return {"role": "tool_call", "content": json.dumps({"name": name, "arguments": {}})}

    said = {"role": "assistant", "content": "I look."}
    answers = [{"role": "tool_response", "content": "Rain"}, {"role": "tool_response", "content": "Wind"}]
    row = read(tmp_path, "sft", {"messages": [USER, said, called("f"), called("g"), *answers, PROSE]})
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant", "tool", "tool", "assistant"]
    assert row["messages"][1]["content"] == "I look."
    assert [call["function"]["name"] for call in row["messages"][1]["tool_calls"]] == ["f", "g"]

    apart = read(tmp_path, "sft", {"messages": [USER, {**said, "loss": False}, called("f"), PROSE]})
    assert [turn["role"] for turn in apart["messages"]] == ["user", "assistant", "assistant", "assistant"]


def test_null_keys_of_turns_are_not_there(tmp_path: Path):
    nulls = {
        "name": None,
        "tool_calls": None,
        "tool_call_id": None,
        "weight": None,
        "reasoning_content": None,
    }
    row = read(tmp_path, "sft", {"messages": [{**USER, **nulls}, {**PROSE, **nulls}], "tools": None})
    assert row["messages"] == [USER, PROSE]


def test_thoughts_and_settings_of_the_template_are_kept(tmp_path: Path):
    thought = {**PROSE, "reasoning_content": "One and one."}
    settings = {"enable_thinking": False}
    row = read(tmp_path, "sft", {"messages": [USER, thought], "chat_template_kwargs": settings})
    assert (row["messages"][1], row["chat_template_kwargs"]) == (thought, settings)


def test_harmonys_channel_of_thoughts_is_what_the_next_turn_thought() -> None:
    asked = {"role": "user", "content": "2 + 2?"}
    thought = {"role": "assistant", "channel": "analysis", "content": "Add."}
    said = {"role": "assistant", "channel": "final", "content": "4"}
    call = {"role": "assistant", "channel": "commentary", "tool_calls": [{"name": "add", "arguments": {}}]}
    result = {"role": "tool", "content": "4"}
    assert plain_messages([asked, thought, said]) == [
        asked,
        {"role": "assistant", "content": "4", "reasoning_content": "Add."},
    ]
    assert plain_messages([asked, thought, thought, said])[1]["reasoning_content"] == "Add.\n\nAdd."
    turns = plain_messages([asked, thought, call, result, said])
    assert [turn.get("reasoning_content") for turn in turns] == [None, "Add.", None, None]
    assert turns[1]["tool_calls"]
    assert not any("channel" in turn for turn in turns)
    assert plain_messages(turns) == turns
    # thoughts that nothing follows stay thoughts; those that are not learnt are not mixed with what is
    assert plain_messages([asked, thought])[1] == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Add.",
    }
    apart = plain_messages([asked, {**thought, "weight": 0}, said])
    assert [turn["content"] for turn in apart] == ["2 + 2?", "", "4"]


def test_a_completion_of_turns_is_kept_whole(tmp_path: Path):
    row = read(tmp_path, "sft", {"prompt": [USER], "completion": [PROSE]})
    assert (row["completion"], row["answer"]) == ([PROSE], "We add both.")
    assert read(tmp_path, "sft", {"prompt": "?", "completion": "!", "answer": "2"})["answer"] == "!"
    assert read(tmp_path, "grpo", {"prompt": "?", "completion": "!", "answer": "2"})["answer"] == "2"


# --- pairs and annotations ----------------------------------------------------------------------------------------


def test_pairs_of_other_trainers_are_pairs(tmp_path: Path):
    better, worse = {"role": "assistant", "content": "2"}, {"role": "assistant", "content": "3"}
    shared = read(tmp_path, "grpo", {"chosen": [USER, better], "rejected": [USER, worse]})
    factory = read(
        tmp_path,
        "grpo",
        {
            "conversations": [{"from": "human", "value": "1 + 1?"}],
            "chosen": {"from": "gpt", "value": "2"},
            "rejected": {"from": "gpt", "value": "3"},
        },
    )
    openai = read(
        tmp_path,
        "grpo",
        {"input": {"messages": [USER]}, "preferred_output": [better], "non_preferred_output": [worse]},
        prompt="input.messages",
        chosen="preferred_output",
        rejected="non_preferred_output",
    )
    for row in (shared, factory, openai):
        assert (row["prompt"], row["chosen"], row["rejected"], row["answer"]) == ([USER], "2", "3", "2")


def annotation(*texts: str, **more: Any) -> dict[str, Any]:
    return {"result": [{"type": "textarea", "value": {"text": list(texts)}}], **more}


def test_label_studios_export_is_question_and_answer(tmp_path: Path):
    row = {"id": 1, "data": {"text": "1 + 1?"}, "annotations": [annotation("2"), annotation("2")]}
    seen = read(tmp_path, "grpo", row, name="train.json")
    assert (seen["prompt"], seen["answer"]) == ("1 + 1?", "2")
    choices = [{"result": [{"type": "choices", "value": {"choices": ["even"]}}]}]
    assert read(tmp_path, "grpo", {**row, "annotations": choices})["answer"] == "even"
    double = [annotation("2", "two"), annotation("nonsense", was_cancelled=True)]
    assert read(tmp_path, "grpo", {**row, "annotations": double})["answer"] == ["2", "two"]


def test_annotators_who_contradict_each_other_are_named(tmp_path: Path):
    row = {"data": {"text": "1 + 1?"}, "annotations": [annotation("2"), annotation("3")]}
    assert fault(tmp_path, "grpo", row) == ("ambiguous_fields", "annotations")
    most = {**row, "annotations": [annotation("2"), annotation("3"), annotation("2")]}
    assert read(tmp_path, "grpo", most)["answer"] == "2"
    assert fault(tmp_path, "grpo", {**row, "annotations": []}) == ("empty_required_field", "annotations")


def test_a_wrong_path_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(UserError, match="Its only row"):
        read(tmp_path, "grpo", {"messages": [USER], "meta": {"label": True}}, answer="meta.label")


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        ('"{""text"": [""2""]}"', "2"),
        ('"{""choices"": [""a"", ""b""]}"', ["a", "b"]),
        ('"[""2"", ""two""]"', ["2", "two"]),
        ('"[1, 2]"', "[1, 2]"),
        ('"{2, 3}"', "{2, 3}"),
    ],
)
def test_cells_that_hold_an_annotation_tools_json_are_its_answers(tmp_path: Path, cell: str, answer: Any):
    path = tmp_path / "train.csv"
    path.write_text(f"prompt,answer\n1 + 1?,{cell}\n")
    assert open_dataset(path, "grpo").row(0)["answer"] == answer
