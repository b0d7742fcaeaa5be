#!/usr/bin/env bash
# mlx-lm-lora 5.10.2: what its DPO training reports as "accuracies".
#
# A good guess: the share of pairs whose chosen answer has more reward, as in TRL and the paper. Seen: both rewards are averaged
# over the batch first and then compared, so that it is 0 or 1 for each batch. One pair far on the right side hides any number of
# wrong ones: of four pairs here one is right, and the accuracy is 1. Curves of the two trainers cannot be laid side by side.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case "$(uname -s)" in Linux) backend="mlx[cpu]" ;; *) backend="mlx" ;; esac
"$work/venv/bin/python" -m pip install -q "$backend==0.32.4" mlx-lm==0.32.2 mlx-lm-lora==5.10.2
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import mlx.core as mx
from mlx_lm_lora.trainer.dpo_trainer import dpo_loss

print("mlx-lm-lora", version("mlx-lm-lora"))
assert version("mlx-lm-lora") == "5.10.2"

chosen = mx.array([9.0, -1.0, -1.0, -1.0])  # policy less reference, summed over the answer
rejected = mx.array([0.0, 0.0, 0.0, 0.0])
none, mask = mx.zeros(4), mx.ones((4, 5))
_, _, _, metrics = dpo_loss(chosen, rejected, none, none, mask, mask, beta=0.1, delta=0.0)
share = (chosen > rejected).astype(mx.float32).mean().item()
print("pairs told apart rightly:", share, " reported:", metrics["accuracies"].item())
assert share == 0.25
assert metrics["accuracies"].item() == 1.0
PYTHON
echo "as described"
