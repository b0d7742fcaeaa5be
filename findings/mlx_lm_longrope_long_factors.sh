#!/usr/bin/env bash
# mlx-lm 0.32.2 beside transformers 5.23.0 (torch 2.13.0): the positions of Phi-3.5's and Phi-4-mini's longrope in short texts.
#
# A good guess: texts no longer than `original_max_position_embeddings` are turned by `short_factor`, longer ones by
# `long_factor`; transformers does so. Seen in mlx-lm: `long_factor` at every length, `short_factor` is read and not used. Such a
# model answers a little otherwise there from the first tokens on, and an adapter that was trained in mlx-lm meets other
# positions in PEFT, with no warning on either side.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case $(uname -s) in Linux) mlx='mlx[cpu]==0.32.4' ;; *) mlx='mlx==0.32.4' ;; esac
"$work/venv/bin/python" -m pip install -q "$mlx" mlx-lm==0.32.2 transformers==5.23.0 torch==2.13.0
TRANSFORMERS_NO_ADVISORY_WARNINGS=1 "$work/venv/bin/python" - <<'PYTHON'
import mlx.core as mx
import numpy as np
import torch
from mlx_lm.models.rope_utils import SuScaledRoPE
from transformers import Phi3Config
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding, rotate_half

SHORT, LONG, FIRST, LONGEST = [1.0, 1.1, 1.2, 1.3], [1.0, 1.5, 2.0, 4.0], 64, 512
rng = np.random.default_rng(0)


def theirs(queries):
    config = Phi3Config(
        hidden_size=8, num_attention_heads=1, num_key_value_heads=1, pad_token_id=0,
        max_position_embeddings=LONGEST, original_max_position_embeddings=FIRST,
        rope_parameters={"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": SHORT, "long_factor": LONG,
                         "original_max_position_embeddings": FIRST},
    )
    given = torch.tensor(queries)
    cos, sin = Phi3RotaryEmbedding(config)(given, torch.arange(given.shape[1])[None])
    return (given * cos + rotate_half(given) * sin).numpy()


def ours(queries, factors):
    rope = SuScaledRoPE(8, 10000.0, LONGEST, FIRST, short_factor=SHORT, long_factor=factors)
    return np.array(rope(mx.array(queries)[:, None])[:, 0])


def apart(one, other):
    return float(np.abs(one - other).max())


for length in (32, 128):
    queries = rng.standard_normal((1, length, 8)).astype(np.float32)
    said = theirs(queries)
    far, near = apart(ours(queries, LONG), said), apart(ours(queries, SHORT), said)
    print(f"{length} tokens: mlx-lm {far:.6f} from transformers, with its long factors replaced by the short ones {near:.6f}")
    if length <= FIRST:
        assert far > 0.1 and near < 1e-4, "mlx-lm uses the short factors now"
    else:
        assert far < 1e-4 and near > 0.1
PYTHON
echo "as described"
