#!/usr/bin/env bash
# llama.cpp as xllamacpp 2026.10.11549 carries it, and the name that a GGUF file gives its model.
#
# A good guess: `general.name` is for people. Seen: where the name of a file with a SentencePiece tokenizer holds "phi-3" or "phi3",
# in any case, llama.cpp changes the tokenizer: it looks up Phi-3's own end tokens and makes spaces behind special tokens vanish.
# A file that has none of those tokens cannot be opened at all, and its weights are the same as those of a file that can. A model
# that somebody fine-tunes and calls "my-phi3-test" is enough, whatever its family; a real Phi-3 under another name is tokenized
# otherwise than by its own tokenizer.
#
#   {'my-run': True, 'my-phi3-run': False, 'PHI-3 beater': False, 'phi 3': True}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q gguf==0.19.0 xllamacpp==2026.10.11549
"$work/venv/bin/python" - "$work/tiny.gguf" <<'PYTHON'
import sys
from importlib.metadata import version

import gguf
import numpy as np
import xllamacpp

print("xllamacpp", version("xllamacpp"))
assert version("xllamacpp") == "2026.10.11549"
SIZES = {"block_count": 1, "context_length": 64, "embedding_length": 32, "feed_forward_length": 32, "attention.head_count": 2,
         "attention.head_count_kv": 2, "rope.dimension_count": 16}
SHAPES = {"token_embd": (259, 32), "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,),
          **{f"blk.0.{name}": (32, 32) for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}}
SERVERS = []


def write(file, name):
    """A Llama of one layer, its tokens the bytes and three special ones."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name(name)
    for key, value in SIZES.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_scores([0.0] * 259)
    writer.add_token_types([2, 3, 3, *[6] * 256])
    dice = np.random.default_rng(0)
    for tensor, shape in SHAPES.items():
        writer.add_tensor(f"{tensor}.weight", dice.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def opens(file):
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel, settings.warmup, settings.verbosity = file, 64, 1, False, 0
    settings.chat_template = "chatml"
    try:
        SERVERS.append(xllamacpp.Server(settings))
    except Exception as error:
        print("  ", type(error).__name__, error)
        return False
    return True


found = {}
for name in ("my-run", "my-phi3-run", "PHI-3 beater", "phi 3"):
    write(sys.argv[1], name)
    found[name] = opens(sys.argv[1])
print(found)
assert found == {"my-run": True, "my-phi3-run": False, "PHI-3 beater": False, "phi 3": True}
PYTHON
echo "as described"
