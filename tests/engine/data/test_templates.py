"""Rows become the tokens that the model expects, and only answers are learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.templates import (
    TemplateOptions,
    check_length,
    prompt_text,
    render_example,
    render_prompt,
)
from droid_tune.errors import UserError


class Letters:
    """A tokenizer of letters; `<e>` ends a turn."""

    eos_token = "<e>"
    eos_token_id = 0
    chat_template = "yes"

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [0 if letter == "\0" else ord(letter) for letter in text.replace("<e>", "\0")]

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> str:
        if any(turn["role"] == "tool" for turn in conversation):
            raise ValueError("no tools here")
        said = "".join(f"{turn['role'][0]}:{turn['content']}<e>\n" for turn in conversation)
        thought = "" if options.get("enable_thinking", True) else "[]"
        return said + (f"a:{thought}" if options["add_generation_prompt"] else "")


class Plain(Letters):
    chat_template = None


def learnt(example: Any) -> str:
    picked = (token for token, mask in zip(example.tokens, example.answer_mask, strict=True) if mask)
    return "".join("<e>" if token == 0 else chr(token) for token in picked)


ROW = {"prompt": "2+3?", "answer": "5"}


def test_a_prompt_ends_where_the_model_begins():
    assert render_prompt(Letters(), ROW).text == "u:2+3?<e>\na:"


def test_the_rows_own_system_text_goes_before_the_default():
    options = TemplateOptions(system_prompt="be brief")
    assert render_prompt(Letters(), ROW, options).text.startswith("s:be brief<e>")
    assert render_prompt(Letters(), {**ROW, "system": "own"}, options).text.startswith("s:own<e>")
    turns = [{"role": "system", "content": "in the turns"}, {"role": "user", "content": "hi"}]
    assert render_prompt(Letters(), {"prompt": turns}, options).text.startswith("s:in the turns<e>\nu:hi")


def test_thinking_is_left_to_the_template_unless_switched():
    assert render_prompt(Letters(), ROW, TemplateOptions(thinking="off")).text.endswith("a:[]")
    assert render_prompt(Letters(), ROW, TemplateOptions(thinking="on")).text.endswith("a:")


def test_only_the_answer_and_its_end_are_learnt():
    example = render_example(Letters(), ROW)
    assert example.text == "u:2+3?<e>\na:5<e>"
    assert learnt(example) == "5<e>"
    assert example.tokens[-1] == 0


def test_every_assistant_turn_is_learnt_and_no_other():
    turns = [("user", "5 or 6?"), ("assistant", "5"), ("user", "sure?"), ("assistant", "yes")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    assert learnt(render_example(Letters(), row)) == "5<e>yes<e>"


def test_everything_is_learnt_on_request():
    assert all(render_example(Letters(), ROW, answers_only=False).answer_mask)


def test_text_rows_are_learnt_whole_and_closed():
    assert learnt(render_example(Letters(), {"text": "once"})) == "once<e>"


def test_without_a_template_a_prompt_is_plain_text():
    assert render_prompt(Plain(), {**ROW, "system": "s"}).text == "s\n\n2+3?"
    assert learnt(render_example(Plain(), ROW)) == "5<e>"


def test_a_template_that_refuses_is_one_sentence():
    row = {"prompt": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]}
    with pytest.raises(UserError, match="template refuses the row: no tools here"):
        render_prompt(Letters(), row)


def test_a_template_that_writes_nothing_is_refused():
    """The model would have learnt to answer nothing in particular: prompts of no token were trained on without a word."""

    class Silent(Letters):
        def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> str:
            return ""

    with pytest.raises(UserError, match="template writes nothing of the row"):
        render_prompt(Silent(), ROW)


def test_a_prompt_that_leaves_no_room_names_its_row():
    check_length([1] * 8, 10, "train.jsonl:7", room=2)
    with pytest.raises(
        UserError, match=r"train\.jsonl:7: The prompt has 9 tokens, with 2 for the answer more than the 10"
    ):
        check_length([1] * 9, 10, "train.jsonl:7", room=2)


def test_the_prompt_in_short_is_the_last_thing_asked():
    turns = [("user", "first"), ("assistant", "x"), ("user", "last")]
    assert prompt_text({"prompt": [{"role": role, "content": text} for role, text in turns]}) == "last"
    assert prompt_text({"prompt": "p"}) == "p"


@pytest.mark.parametrize("place", ["tokenizers/qwen3", "models/SmolLM2-135M-Instruct-4bit"])
def test_real_templates_mask_the_answer_and_its_end(shared_dir: Path, place: str):
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(shared_dir / place)
    example = render_example(tokenizer, ROW, TemplateOptions(thinking="off"))
    picked = [token for token, mask in zip(example.tokens, example.answer_mask, strict=True) if mask]
    assert tokenizer.decode(picked) == "5<|im_end|>"
    prompt = render_prompt(tokenizer, ROW, TemplateOptions(thinking="off"))
    assert example.tokens[: len(prompt.tokens)] == prompt.tokens
