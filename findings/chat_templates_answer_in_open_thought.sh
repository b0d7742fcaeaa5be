#!/usr/bin/env bash
# Chat templates of Nemotron Nano 9B v2 and Hermes 3 (tool use), as llama.cpp carries them (in llama-cpp-python 0.3.36).
#
# A good guess: where a conversation with an answer begins as its prompt does, what stands behind the prompt is what the model
# is to write; and a prompt that ends with a tool's turn is how the conversation with the next answer begins.
# Seen: Nemotron's prompt opens a thought and its rendered conversation writes the last answer straight behind it, without
# closing the thought; an answer whose own text holds `<think>...</think>` opens it twice. Whoever cuts behind the prompt
# teaches to answer inside the thought. Hermes writes a line feed behind a tool's result only once another turn follows: the
# prompt that asks behind a result is not how the conversation with the answer goes on.
#
#   Nemotron: prompt ...'Assistant\n<think>\n' answer ...'Assistant\n<think>\n4\n<SPECIAL_12>\n'
#   Nemotron, thoughts in the text: answer ...'Assistant\n<think>\n<think>\nadd\n</think>\n\n4\n<SPECIAL_12>\n'
#   Hermes 3: prompt ...'</tool_response><|im_end|><|im_start|>assistant\n' answer ...'</tool_response>\n<|im_end|><|im_start|>assistant\n4<|im_end|>\n'
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

surroundings = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
surroundings.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)


def both(file, asked, answer, tools=None):
    """The prompt, and the conversation with its answer."""
    template = surroundings.from_string((Path(sys.argv[1]) / f"{file}.jinja").read_text(encoding="utf-8"))
    shown = {"bos_token": "<bos>", "eos_token": "<eos>", "tools": tools}
    prompt = template.render(messages=asked, add_generation_prompt=True, **shown)
    return prompt, template.render(messages=[*asked, answer], add_generation_prompt=False, **shown)


def seen(name, prompt, whole, prompt_end, answer_end):
    print(f"{name}: prompt ...{prompt[-len(prompt_end):]!r} answer ...{whole[-len(answer_end):]!r}")
    assert prompt.endswith(prompt_end)
    assert whole.endswith(answer_end)


QUESTION = [{"role": "user", "content": "2+2?"}]
NEMOTRON = "NVIDIA-Nemotron-Nano-v2"
open_thought = "Assistant\n<think>\n"
prompt, whole = both(NEMOTRON, QUESTION, {"role": "assistant", "content": "4"})
seen("Nemotron", prompt, whole, open_thought, f"{open_thought}4\n<SPECIAL_12>\n")
assert whole.startswith(prompt)
thought = {"role": "assistant", "content": "<think>\nadd\n</think>\n\n4"}
prompt, whole = both(NEMOTRON, QUESTION, thought)
twice = f"{open_thought}<think>\nadd\n</think>\n\n4\n<SPECIAL_12>\n"
seen("Nemotron, thoughts in the text", prompt, whole, open_thought, twice)

parameters = {"type": "object", "properties": {"a": {"type": "integer", "description": "a"}}, "required": ["a"]}
tool = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": parameters}}
call = {"type": "function", "function": {"name": "add", "arguments": {"a": 4}}}
asked = [
    *QUESTION,
    {"role": "assistant", "content": "", "tool_calls": [call]},
    {"role": "tool", "name": "add", "content": "4"},
]
prompt, whole = both(
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", asked, {"role": "assistant", "content": "4"}, [tool]
)
header = "<|im_start|>assistant\n"
seen(
    "Hermes 3",
    prompt,
    whole,
    f"</tool_response><|im_end|>{header}",
    f"</tool_response>\n<|im_end|>{header}4<|im_end|>\n",
)
assert not whole.startswith(prompt)
PYTHON
