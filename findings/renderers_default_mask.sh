#!/usr/bin/env bash
# renderers 0.1.12 (Prime Intellect), `build_training_sample` over its default renderer for any chat template.
#
# A good guess: with `role_to_mask` for assistants the mask covers what the model writes: the answer and its end token.
# Seen: the header of every turn (`<|assistant|>`) is in the mask; where a template renders an earlier turn otherwise once
# others follow (Qwen3's empty thought), masks are cut at the lengths of the earlier rendering and reach into the user's
# turn, and the mask has more entries than there are tokens; where a system text moves to the last user's turn (Mistral's manner) nothing at all is in the mask. No word is said.
# Besides, a plain `pip install renderers==0.1.12` with openai 3.57.0 does not import: it asks for `httpx`, which that
# openai no longer brings.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q renderers==0.1.12 openai==3.57.0 transformers==5.23.0
if "$work/venv/bin/python" -c 'import renderers' 2>"$work/error"; then
    echo "renderers imports now" && exit 1
fi
grep -o "No module named 'httpx'" "$work/error"
"$work/venv/bin/python" -m pip install -q httpx
TRANSFORMERS_NO_ADVISORY_WARNINGS=1 "$work/venv/bin/python" - <<'PYTHON'
import importlib.metadata

from renderers import create_renderer
from renderers.base import build_training_sample
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

assert importlib.metadata.version("renderers") == "0.1.12"
letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
core = Tokenizer(models.BPE(vocab=letters, merges=[]))
core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
core.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")
tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})


def learnt(template, turns):
    """`(the text under the mask of the assistant's turns, entries of the mask that stand beside no token)`."""
    tokenizer.chat_template = template
    sample = build_training_sample(
        create_renderer(tokenizer), turns, role_to_mask=lambda turn: turn["role"] == "assistant"
    )
    masked = [t for t, on in zip(sample.token_ids, sample.loss_mask, strict=False) if on]
    return tokenizer.decode(masked), len(sample.loss_mask) - len(sample.token_ids)


plain = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
thinking = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' and loop.last %}[thought]{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
moving = (
    "{% set said = messages[0].content %}{% for m in messages[1:] %}{% if m.role == 'user' %}<|user|>"
    "{% if loop.last %}{{ said }} {% endif %}{{ m.content }}{% else %}<|assistant|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
)
turns = [{"role": role, "content": text} for role, text in (("user", "Hi"), ("assistant", "A"), ("user", "Bye"), ("assistant", "B"))]
system = {"role": "system", "content": "Speak as pirates do, at length."}

found = learnt(plain, turns)
print("plain:   ", found)
assert found == ("<|assistant|>A<|end|><|assistant|>B<|end|>", 0)
found = learnt(thinking, turns)
print("thinking:", found)
assert found[0].startswith("<|assistant|>A<|end|><|user|>Bye")
assert found[1] > 0
found = learnt(moving, [system, *turns[:2]])
print("moving:  ", found)
assert found[0] == ""
PYTHON
