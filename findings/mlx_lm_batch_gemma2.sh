#!/usr/bin/env bash
# mlx-lm 0.32.2 (mlx 0.32.4): batch_generate beside generate_step, for a Gemma 2 model.
#
# A good guess: prompts of different lengths, answered together, are answered as each is alone; for a Llama they are. Seen: of a
# Gemma 2 two such prompts are answered otherwise together than alone, although all is greedy and in float32, and what the batch
# says is not what a plain pass finds likeliest. Its attention lays the batch's mask (rows, 1, L, S) over scores with one
# axis more (rows, key heads, repeats, L, S): with as many rows as key heads the mask of a row falls on a head, in silence; with
# another number of rows it is a ValueError. Whoever evaluates or samples in batches has to answer this family row by row.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case "$(uname)" in
    Darwin) mlx="mlx==0.32.4" ;;
    *) mlx="mlx[cpu]==0.32.4" ;;
esac
"$work/venv/bin/python" -m pip install -q "$mlx" mlx-lm==0.32.2
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from types import SimpleNamespace

import mlx.core as mx
from mlx.utils import tree_map
from mlx_lm import batch_generate
from mlx_lm.generate import generate_step
from mlx_lm.models import gemma2, llama

print("mlx-lm", version("mlx-lm"))
assert version("mlx-lm") == "0.32.2"
SIZES = dict(hidden_size=32, num_hidden_layers=3, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2,
             head_dim=8, rms_norm_eps=1e-5, vocab_size=256)
NOBODY = SimpleNamespace(eos_token_ids=set(), decode=str)  # a tokenizer that ends nothing
PROMPTS = [list(range(3, 23)), list(range(50, 54))]
TOKENS = 12
SOFT = dict(query_pre_attn_scalar=8, attn_logit_softcapping=50.0, final_logit_softcapping=30.0)


def alone(model, prompt):
    return [int(token) for token, _ in generate_step(mx.array(prompt), model, max_tokens=TOKENS)]


def likeliest(model, prompt, answer):
    logits = model(mx.array([[*prompt, *answer]])[:, :-1])[0, len(prompt) - 1 :]
    return mx.argmax(logits, axis=-1).tolist()


def agreement(module, prompts=PROMPTS, **more):
    mx.random.seed(3)
    model = module.Model(module.ModelArgs(model_type=module.__name__.rpartition(".")[2], **SIZES, **more))
    model.update(tree_map(lambda one: one + 0.2 * mx.random.normal(one.shape), model.parameters()))
    together = batch_generate(model, NOBODY, prompts, max_tokens=TOKENS, return_token_ids=True).token_ids
    return [
        (row == alone(model, prompt), row == likeliest(model, prompt, row), alone(model, prompt) == likeliest(model, prompt, alone(model, prompt)))
        for prompt, row in zip(prompts, together, strict=True)
    ]


plain = agreement(llama, rope_theta=10000.0)
soft = agreement(gemma2, **SOFT)
print("llama   (batch as alone, batch as a plain pass, alone as a plain pass):", plain)
print("gemma 2 (batch as alone, batch as a plain pass, alone as a plain pass):", soft)
assert plain == [(True, True, True)] * 2
assert all(one[2] for one in soft)
assert [one[:2] for one in soft] == [(False, False)] * 2
try:
    agreement(gemma2, prompts=[*PROMPTS, [7, 8, 9]], **SOFT)
except ValueError as error:
    print("three rows:", str(error)[:80])
else:
    raise AssertionError("three rows are answered now")
PYTHON
echo "as described"
