#!/usr/bin/env bash
# Chat templates of GLM-4.7-Flash, DeepSeek-V3.2 and Gemma 4 31B, as llama.cpp carries them (in llama-cpp-python 0.3.36).
#
# A good guess: a conversation with an answer begins as its prompt does, so that the answer is what stands behind the prompt.
# Seen: where the answer has no thoughts, none of the three does. GLM's prompt ends by opening a thought, its rendered answer
# begins by closing one that nobody opened; DeepSeek's prompt has an empty thought, its answer the closing mark alone; Gemma's
# prompt has an empty thought channel, its answer nothing at all. Whoever trains on the rendered conversation teaches the model to
# answer behind another text than it is asked with, and whoever cuts by the prompt's length cuts into the answer.
# GLM-4.6 and DeepSeek-V3.1, one version before, do not part in this way: their answers begin with a whole, empty thought.
#
#   GLM-4.7-Flash: prompt ...'<|assistant|><think>' answer ...'<|assistant|></think>4'
#   DeepSeek-V3.2: prompt ...'<｜Assistant｜><think></think>' answer ...'<｜Assistant｜></think>4<｜end▁of▁sentence｜>'
#   Gemma 4 31B: prompt ...'<|turn>model\n<|channel>thought\n<channel|>' answer ...'<|turn>model\n4<turn|>\n'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q jinja2==3.1.6
"$work/venv/bin/python" -m pip download -q --no-deps --no-binary :all: --dest "$work" llama-cpp-python==0.3.36
tar -xzf "$work"/llama_cpp_python-0.3.36.tar.gz -C "$work"
"$work/venv/bin/python" - "$work/llama_cpp_python-0.3.36/vendor/llama.cpp/models/templates" <<'PYTHON'
import json
import sys
from pathlib import Path

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

ASKED = [{"role": "user", "content": "2+2?"}]
ANSWERED = [*ASKED, {"role": "assistant", "content": "4"}]
SEEN = {
    "GLM-4.7-Flash": ("GLM-4.7-Flash", "<|assistant|><think>", "<|assistant|></think>4"),
    "DeepSeek-V3.2": (
        "deepseek-ai-DeepSeek-V3.2",
        "<｜Assistant｜><think></think>",
        "<｜Assistant｜></think>4<｜end▁of▁sentence｜>",
    ),
    "Gemma 4 31B": (
        "google-gemma-4-31B-it",
        "<|turn>model\n<|channel>thought\n<channel|>",
        "<|turn>model\n4<turn|>\n",
    ),
}
surroundings = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
surroundings.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
for name, (file, prompt_end, answer_end) in SEEN.items():
    template = surroundings.from_string((Path(sys.argv[1]) / f"{file}.jinja").read_text(encoding="utf-8"))
    tokens = {"bos_token": "<bos>", "eos_token": "<eos>"}
    prompt = template.render(messages=ASKED, add_generation_prompt=True, **tokens)
    whole = template.render(messages=ANSWERED, add_generation_prompt=False, **tokens)
    print(f"{name}: prompt ...{prompt[-len(prompt_end):]!r} answer ...{whole[-len(answer_end):]!r}")
    assert prompt.endswith(prompt_end)
    assert whole.endswith(answer_end)
    assert not whole.startswith(prompt)
PYTHON
