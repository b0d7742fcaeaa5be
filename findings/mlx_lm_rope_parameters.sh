#!/usr/bin/env bash
# mlx-lm 0.32.2 with a Llama config as transformers 5.23.0 saves it.
#
# A good guess: the loader either reads `rope_parameters`, the only place where transformers 5 writes the rotary base,
# or refuses the config. Seen: for most families (llama, mixtral, qwen2, gemma, phi3, deepseek_v3 ...) it is passed over
# without a word and a default base of 10,000 is taken; for qwen3_moe the arguments end in a TypeError.
# A model loaded so runs and trains, with positions turned by the wrong angles. Any trainer or exporter on top of mlx-lm
# has to fill `rope_theta` and `rope_scaling` first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case $(uname -s) in Linux) mlx='mlx[cpu]==0.32.4' ;; *) mlx='mlx==0.32.4' ;; esac
"$work/venv/bin/python" -m pip install -q "$mlx" mlx-lm==0.32.2 transformers==5.23.0
TRANSFORMERS_NO_ADVISORY_WARNINGS=1 "$work/venv/bin/python" - "$work" <<'PYTHON'
import json
import sys
from pathlib import Path

from mlx_lm.models import llama, qwen2, qwen3_moe
from transformers import LlamaConfig, Qwen2Config, Qwen3MoeConfig

folder = Path(sys.argv[1])


def saved(config):
    config.save_pretrained(folder)
    return json.loads((folder / "config.json").read_text())


parameters = {"rope_type": "default", "rope_theta": 500000.0}
config = saved(LlamaConfig(rope_parameters=parameters))
print("saved by transformers:", config["rope_parameters"], "and rope_theta" if "rope_theta" in config else "alone")
assert "rope_theta" not in config
taken = llama.ModelArgs.from_dict(config)
print("base taken for llama:", taken.rope_theta)
assert taken.rope_theta == 10000

other = qwen2.ModelArgs.from_dict(saved(Qwen2Config(rope_parameters=parameters)))
print("base taken for qwen2:", other.rope_theta)
assert other.rope_theta != 500000

try:
    qwen3_moe.ModelArgs.from_dict(saved(Qwen3MoeConfig(rope_parameters=parameters)))
except TypeError as error:
    print("qwen3_moe:", error)
else:
    raise SystemExit("qwen3_moe reads the config now")
PYTHON
echo "as described"
