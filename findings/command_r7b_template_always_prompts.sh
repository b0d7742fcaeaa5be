#!/usr/bin/env bash
# The chat template of Command R7B (12-2024, with tools), as llama.cpp carries it (in llama-cpp-python 0.3.36).
#
# A good guess: `add_generation_prompt=False` renders a conversation and stops behind its last turn. Seen: the template does not
# ask for that setting at all. The beginning of one more answer, with an empty thought, stands behind every conversation, one that
# already ends with the assistant's answer too. Rendered for training it teaches the model to begin another turn behind its end,
# and a mask of "everything behind the last user's turn" takes that beginning for a part of the answer.
#
#   asked, without a generation prompt: ...<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>
#   answered, without a generation prompt: ...<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>
#   chatbot turns begun in the conversation of one answer: 2
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

BEGINNING = "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
SEEN = f"{BEGINNING}<|START_THINKING|><|END_THINKING|>"
ASKED = [{"role": "user", "content": "2+2?"}]
ANSWERED = [*ASKED, {"role": "assistant", "content": "4"}]
surroundings = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
surroundings.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
file = Path(sys.argv[1]) / "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja"
template = surroundings.from_string(file.read_text(encoding="utf-8"))
for name, messages in (("asked", ASKED), ("answered", ANSWERED)):
    text = template.render(messages=messages, add_generation_prompt=False, bos_token="<bos>")
    print(f"{name}, without a generation prompt: ...{text[-len(SEEN):]}")
    assert text.endswith(SEEN)
begun = text.split("2+2?")[1].count(BEGINNING)
print("chatbot turns begun in the conversation of one answer:", begun)
assert begun == 2
PYTHON
