"""Families that mark thoughts, calls and the ends of turns in ways of their own: what is learnt is what they write."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from droid_tune.data.templates import TemplateOptions, render_examples
from tests.engine.data.rendering.tokenizers import REAL

#: GLM 4.7's manner: the prompt opens a thought, an answer without one begins with the closing mark alone, nothing ends a turn.
GLM = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% else %}</think>{% endif %}{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}</tool_call>{% endfor %}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "<|assistant|>{{ '</think>' if enable_thinking is false else '<think>' }}{% endif %}"
)
#: Gemma 4's: a thought in a channel, closed in the prompt where thinking is off, and never written again.
GEMMA = (
    "{% for m in messages %}<|turn>{{ m.role }}\n{{ m.content }}<turn|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn>assistant\n{% if not enable_thinking %}<|channel>thought\n<channel|>{% endif %}"
    "{% endif %}"
)
#: Command's: the text is closed, then the turn.
COMMAND = (
    "{% for m in messages %}<|START_OF_TURN_TOKEN|>{{ m.role }}{% if m.role == 'assistant' %}"
    "{% if m.reasoning_content %}<|START_THINKING|>{{ m.reasoning_content }}<|END_THINKING|>{% endif %}"
    "<|START_TEXT|>{{ m.content }}<|END_TEXT|>{% else %}{{ m.content }}{% endif %}<|END_OF_TURN_TOKEN|>{% endfor %}"
    "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|>assistant<|START_THINKING|>{% endif %}"
)
#: Kimi K2's: earlier thoughts are rendered empty.
KIMI = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}"
    "<think>{% if keep %}{{ m.reasoning_content }}{% endif %}</think>{% endif %}{{ m.content }}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: GigaChat's: behind an answer nothing asks for another one.
GIGA = (
    "{% for m in messages %}{{ m.role }}<|role|>{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt and messages[-1].role != 'assistant' %}assistant<|role|>{% endif %}"
)
#: Phi-4-mini's: the whole text ends as well.
PHI = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% else %}<|endoftext|>{% endif %}"
)
MARKS = (
    "<|user|> <|assistant|> <|tool|> <tool_call> </tool_call> <|turn> <turn|> <|channel> <channel|> <|START_OF_TURN_TOKEN|> "
    "<|END_OF_TURN_TOKEN|> <|START_THINKING|> <|END_THINKING|> <|START_TEXT|> <|END_TEXT|> <|role|>"
)
ASKED = {"role": "user", "content": "First?"}
SAID = {"role": "assistant", "content": "One."}
THOUGHT = {**SAID, "reasoning_content": "I add."}
CALL: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {}}}],
}
RESULT = {"role": "tool", "content": "7"}


@cache
def own_tokenizer() -> Any:
    transformers = pytest.importorskip("transformers")
    if not (REAL["qwen3"] / "tokenizer.json").is_file():
        pytest.skip("the tokenizer qwen3 is not on this machine")
    made = transformers.AutoTokenizer.from_pretrained(REAL["qwen3"])
    made.add_special_tokens({"additional_special_tokens": MARKS.split()})
    return made


@pytest.mark.parametrize(
    ("template", "turns", "thinking", "learnt"),
    [
        (GLM, [ASKED, SAID], "template", ["</think>One.<|endoftext|>"]),
        (GLM, [ASKED, THOUGHT], "template", ["I add.</think>One.<|endoftext|>"]),
        (GLM, [ASKED, THOUGHT], "off", ["One.<|endoftext|>"]),
        (
            GLM,
            [ASKED, CALL, RESULT, SAID],
            "template",
            ["</think><tool_call>add</tool_call><|endoftext|>", "</think>One.<|endoftext|>"],
        ),
        (GEMMA, [ASKED, SAID], "template", ["One.<turn|>"]),
        (GEMMA, [ASKED, THOUGHT], "on", ["<|channel>thought\nI add.\n<channel|>One.<turn|>"]),
        (
            COMMAND,
            [ASKED, SAID],
            "template",
            ["<|END_THINKING|><|START_TEXT|>One.<|END_TEXT|><|END_OF_TURN_TOKEN|>"],
        ),
        (
            COMMAND,
            [ASKED, THOUGHT],
            "template",
            ["I add.<|END_THINKING|><|START_TEXT|>One.<|END_TEXT|><|END_OF_TURN_TOKEN|>"],
        ),
        (KIMI, [ASKED, THOUGHT], "template", ["<think>I add.</think>One.<|im_end|>"]),
        (PHI, [ASKED, SAID, ASKED, SAID], "template", ["One.<|im_end|>", "One.<|im_end|>"]),
        (GIGA, [ASKED, SAID, SAID], "template", ["One.<|im_end|>", "One.<|im_end|>"]),
    ],
)
def test_what_is_learnt_is_what_the_family_writes(
    template: str, turns: list[dict[str, Any]], thinking: Any, learnt: list[str]
) -> None:
    tokenizer = own_tokenizer()
    tokenizer.chat_template = template
    tokenizer.eos_token = "<|END_OF_TURN_TOKEN|>" if template is COMMAND else "<|endoftext|>"
    found: list[str] = []
    for example in render_examples(tokenizer, {"messages": turns}, TemplateOptions(thinking=thinking)):
        behind = False
        for token, learn in zip(example.tokens, example.answer_mask, strict=True):
            if learn:
                text = tokenizer.decode([token])
                found = [*found[:-1], found[-1] + text] if behind else [*found, text]
            behind = learn
    assert found == learnt
