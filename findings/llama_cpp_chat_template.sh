#!/usr/bin/env bash
# llama.cpp as xllamacpp 2026.10.11549 carries it, and the chat template of Mistral NeMo.
#
# A good guess: a server opens a GGUF file whatever its chat template says, or falls back to another one. Seen: a template that
# asks `selectattr("tool_calls", "undefined")`, as Mistral NeMo's own does and Jinja allows (the second word names a test), is
# "unknown test 'tool_calls'" to llama.cpp's engine, and the server of such a file does not start at all; with
# `chat_template="chatml"` it does. Whoever writes such a file has to say so, or give a template that it takes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q gguf==0.19.0 xllamacpp==2026.10.11549 jinja2==3.1.6
"$work/venv/bin/python" - "$work/tiny.gguf" <<'PYTHON'
import sys
from importlib.metadata import version

import gguf
import jinja2
import numpy as np
import xllamacpp

print("xllamacpp", version("xllamacpp"))
assert version("xllamacpp") == "2026.10.11549"
TEMPLATE = (
    '{%- for message in messages | selectattr("tool_calls", "undefined") %}[INST]{{ message["content"] }}[/INST]{%- endfor %}'
)
SERVERS = []
TURNS = [{"role": "user", "content": "hi"}]
print("jinja2 renders", jinja2.Template(TEMPLATE).render(messages=TURNS))
assert jinja2.Template(TEMPLATE).render(messages=TURNS) == "[INST]hi[/INST]"


def write(file, template):
    """A Llama of one layer whose 259 tokens are three special ones and the bytes."""
    writer = gguf.GGUFWriter(file, "llama")
    for key, value in {"block_count": 1, "context_length": 64, "embedding_length": 32, "feed_forward_length": 32,
                       "attention.head_count": 2, "attention.head_count_kv": 2, "rope.dimension_count": 16}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_scores([0.0] * 259)
    writer.add_token_types([2, 3, 3, *[6] * 256])
    writer.add_chat_template(template)
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (259, 32), "blk.0.attn_q": (32, 32), "blk.0.attn_k": (32, 32), "blk.0.attn_v": (32, 32),
              "blk.0.attn_output": (32, 32), "blk.0.ffn_gate": (32, 32), "blk.0.ffn_up": (32, 32), "blk.0.ffn_down": (32, 32),
              "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def opens(file, template=""):
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel, settings.warmup, settings.verbosity = file, 64, 1, False, 0
    settings.chat_template = template
    try:
        SERVERS.append(xllamacpp.Server(settings))
    except RuntimeError as error:
        print("  ", error)
        return False
    return True


file = sys.argv[1]
write(file, TEMPLATE)
found = {"its own template": opens(file), "chatml instead": opens(file, "chatml")}
write(file, TEMPLATE.replace(' | selectattr("tool_calls", "undefined")', ""))
found["without the filter"] = opens(file)
print(found)
assert found == {"its own template": False, "chatml instead": True, "without the filter": True}
PYTHON
echo "as described"
