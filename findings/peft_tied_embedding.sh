#!/usr/bin/env bash
# PEFT 0.21.0 (transformers 5.18.0, torch 2.13.0) beside mlx-lm: a LoRA adapter of the embedding of a model whose head is its embedding.
#
# A good guess: where `tie_word_embeddings` makes one matrix of embedding and head, an adapter of that matrix changes both; so it
# does in mlx-lm (LoRAEmbedding.as_linear). Seen in PEFT: the head's logits stay those of the plain matrix, with a warning at
# most; only `ensure_weight_tying=True` in adapter_config.json makes the head follow. An adapter that goes from mlx-lm to PEFT
# (or back) without that key loads without complaint and answers otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q peft==0.21.0 transformers==5.18.0 torch==2.13.0
"$work/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

print("peft", version("peft"))
assert version("peft") == "0.21.0"
warnings.simplefilter("ignore")
SIZES = LlamaConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, vocab_size=64,
                    tie_word_embeddings=True)
TOKENS = torch.tensor([[1, 2, 3]])


def logits(tying):
    torch.manual_seed(0)
    settings = LoraConfig(r=4, lora_alpha=8, target_modules=["model.embed_tokens"], ensure_weight_tying=tying)
    model = get_peft_model(LlamaForCausalLM(SIZES), settings).eval()
    generator = torch.Generator().manual_seed(1)
    for name, values in sorted(model.named_parameters()):
        if "embed_tokens.lora" in name:
            values.data.copy_(torch.randn(values.shape, generator=generator))
    inner = model.get_base_model()
    with torch.no_grad():
        hidden = inner.model(TOKENS).last_hidden_state
        said = inner(TOKENS).logits
    plain = inner.model.embed_tokens.weight if not hasattr(inner.model.embed_tokens, "base_layer") else inner.model.embed_tokens.base_layer.weight
    layer = inner.model.embed_tokens
    change = 2.0 * (layer.lora_embedding_B["default"] @ layer.lora_embedding_A["default"]).T
    return said, hidden @ plain.T, hidden @ (plain + change).T


for tying in (False, True):
    said, by_plain, by_adapted = logits(tying)
    print(f"ensure_weight_tying={tying}: head of the plain matrix {torch.allclose(said, by_plain, atol=1e-4)}, "
          f"of the adapted one {torch.allclose(said, by_adapted, atol=1e-4)}")
    assert torch.allclose(said, by_plain, atol=1e-4) != tying
    assert torch.allclose(said, by_adapted, atol=1e-4) == tying
PYTHON
echo "as described"
