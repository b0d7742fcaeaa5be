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
#: Nemotron Nano 2's: the last answer is rendered behind the open thought as it stands.
NEMOTRON = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' and loop.last %}<think>\n{{ m.content }}"
    "{% elif '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
#: Kimi K3's: the message is closed in several tokens, the first of which closes a thought as well.
KIMI_3 = (
    "{% for m in messages %}<|open|>{{ m.role }}<|sep|>{% if m.role == 'assistant' %}<|open|>think<|sep|>"
    "{{ m.reasoning_content or '' }}<|close|>think<|sep|>{% endif %}{{ m.content }}<|close|>message<|sep|><|end_of_msg|>"
    "{% endfor %}{% if add_generation_prompt %}<|open|>assistant<|sep|><|open|>think<|sep|>{% endif %}"
)
#: Ministral's: thoughts are parts of the content, between marks of its own.
MINISTRAL = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for part in m.content %}{% if part['type'] == 'thinking' %}[THINK]{{ part['thinking'] }}[/THINK]"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% if m.role == 'assistant' %}<|im_end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: Apertus': thoughts between control tokens, parts of a content of its own kind.
APERTUS = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content is mapping %}<|inner_prefix|>{{ m.content.blocks[0].text }}"
    "<|inner_suffix|>{{ m.content.blocks[1].text }}{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: Solar's: thoughts under the key `reasoning`, a message of their own.
SOLAR = (
    (
        "{% for m in messages %}{% if m.reasoning %}<|assistant|>think:{{ m.reasoning }}<|role|>{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    .replace("<|assistant|>think:", "<|assistant|><|channel>")
    .replace("<|role|>{%", "<channel|>{%")
)
#: Hy3's: thinking is switched by effort.
HY = (
    "{% set effort = reasoning_effort if reasoning_effort is defined else 'no_think' %}"
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}<think:opensource>{{ m.reasoning_content or '' }}"
    "</think:opensource>{% endif %}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "<think:opensource>{% if effort == 'no_think' %}</think:opensource>{% endif %}{% endif %}"
)
#: Hermes 3's: a line feed stands behind a tool's turn once another turn follows.
HERMES = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>"
    "{{ c.function.name }}{{ c.function.arguments | tojson }}</tool_call>{% endfor %}"
    "{% if m.role == 'tool' and not loop.last %}\n{% endif %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: Functionary's: arguments are written as the text that they are.
FUNCTIONARY = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}"
    "{{ '<tool_call>' + c.function.name + c.function.arguments + '</tool_call>' }}{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: A template that knows no thoughts.
PLAIN = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
#: Phi-3.5's where the token that ends turns is the one that ends the text.
PHI_ALIKE = PHI.replace("<|im_end|>", "<|endoftext|>\n")
MARKS = (
    "<|user|> <|assistant|> <|tool|> <tool_call> </tool_call> <|turn> <turn|> <|channel> <channel|> <|START_OF_TURN_TOKEN|> "
    "<|END_OF_TURN_TOKEN|> <|START_THINKING|> <|END_THINKING|> <|START_TEXT|> <|END_TEXT|> <|role|> "
    "<|open|> <|close|> <|sep|> <|end_of_msg|> [THINK] [/THINK] <|inner_prefix|> <|inner_suffix|>"
)
ASKED = {"role": "user", "content": "First?"}
SAID = {"role": "assistant", "content": "One."}
THOUGHT = {**SAID, "reasoning_content": "I add."}
IN_MARKS = {**SAID, "content": "<think>\nI add.\n</think>\n\nOne."}
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
        (PHI_ALIKE, [ASKED, SAID, ASKED, SAID], "template", ["One.<|endoftext|>", "One.<|endoftext|>"]),
        (GIGA, [ASKED, SAID, SAID], "template", ["One.<|im_end|>", "One.<|im_end|>"]),
        (NEMOTRON, [ASKED, SAID], "template", ["\n</think>\n\nOne.<|im_end|>"]),
        (NEMOTRON, [ASKED, THOUGHT], "template", ["I add.\n</think>\n\nOne.<|im_end|>"]),
        (NEMOTRON, [ASKED, IN_MARKS], "template", ["I add.\n</think>\n\nOne.<|im_end|>"]),
        (
            NEMOTRON,
            [ASKED, THOUGHT, ASKED, THOUGHT],
            "template",
            ["I add.\n</think>\n\nOne.<|im_end|>", "I add.\n</think>\n\nOne.<|im_end|>"],
        ),
        (
            KIMI_3,
            [ASKED, THOUGHT, ASKED, SAID],
            "template",
            [
                "I add.<|close|>think<|sep|>One.<|close|>message<|sep|><|end_of_msg|>",
                "<|close|>think<|sep|>One.<|close|>message<|sep|><|end_of_msg|>",
            ],
        ),
        (MINISTRAL, [ASKED, THOUGHT], "template", ["[THINK]I add.[/THINK]One.<|im_end|>"]),
        (MINISTRAL, [ASKED, IN_MARKS], "template", ["[THINK]I add.[/THINK]One.<|im_end|>"]),
        (APERTUS, [ASKED, THOUGHT], "template", ["<|inner_prefix|>I add.<|inner_suffix|>One.<|im_end|>"]),
        (APERTUS, [ASKED, IN_MARKS], "template", ["<|inner_prefix|>I add.<|inner_suffix|>One.<|im_end|>"]),
        (SOLAR, [ASKED, THOUGHT], "template", ["<|channel>I add.<channel|><|assistant|>One.<|im_end|>"]),
        (HY, [ASKED, THOUGHT], "template", ["One.<|im_end|>"]),
        (HY, [ASKED, THOUGHT], "on", ["I add.</think:opensource>One.<|im_end|>"]),
        (
            HERMES,
            [ASKED, CALL, RESULT, SAID],
            "template",
            ["<tool_call>add{}</tool_call><|im_end|>", "One.<|im_end|>"],
        ),
        (
            FUNCTIONARY,
            [ASKED, CALL, RESULT, SAID],
            "template",
            ["<tool_call>add{}</tool_call><|im_end|>", "One.<|im_end|>"],
        ),
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


def notes(template: str, turn: dict[str, Any], thinking: Any = "template") -> set[str]:
    tokenizer = own_tokenizer()
    tokenizer.chat_template, tokenizer.eos_token = template, "<|endoftext|>"
    rendered = render_examples(tokenizer, {"messages": [ASKED, turn]}, TemplateOptions(thinking=thinking))
    return {note.code for example in rendered for note in example.notes}


def test_thoughts_of_a_template_that_knows_none_are_told() -> None:
    assert notes(PLAIN, THOUGHT) == {"thoughts_in_marks"}
    assert notes(PLAIN, SAID) == set()
    for template in (GLM, KIMI, KIMI_3, NEMOTRON, MINISTRAL, APERTUS, SOLAR):
        assert notes(template, THOUGHT) == set()


def test_a_switch_that_the_template_does_not_know_is_told() -> None:
    for template in (PLAIN, KIMI, NEMOTRON):
        assert notes(template, SAID, "off") == {"thinking_not_switched"}
    for template in (GLM, GEMMA, HY):
        assert notes(template, SAID, "off") == set()


def test_marks_of_thoughts_are_the_models_own_tokens() -> None:
    tokenizer = own_tokenizer()
    for template, opener in ((MINISTRAL, "[THINK]"), (APERTUS, "<|inner_prefix|>")):
        tokenizer.chat_template, tokenizer.eos_token = template, "<|endoftext|>"
        for turn in (THOUGHT, IN_MARKS):
            (example,) = render_examples(tokenizer, {"messages": [ASKED, turn]})
            assert tokenizer.convert_tokens_to_ids(opener) in example.tokens
