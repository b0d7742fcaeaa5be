#!/usr/bin/env bash
# mlx-lm 0.32.2 on mlx 0.32.4 (CPU): `LoRALinear.fuse()` called again and again, as a trainer does that merges its adapter
# before each round of sampling.
#
# A good guess: a fused layer whose weight was computed and that is let go leaves nothing behind. Seen: `fuse` makes an
# `nn.Linear`, whose first weight is a draw from MLX's global random state that is replaced before anyone computes it.
# The state is then itself a thing to compute, and hangs on the state before it: 14 lines of graph more for each fuse
# (`mx.export_to_dot`), and some 2 KB of resident memory, for as long as nobody evaluates `mx.random.state`. MLX's own
# count (`mx.get_active_memory`) does not move. `mx.eval(layer.weight, mx.random.state)` keeps the process as it is:
#
#   state evaluated each time: 3000 fuses, 0 KB more resident, 2 lines of graph, 0 bytes more by MLX's count
#   state left alone: 3000 fuses, 5828 KB more resident, 42002 lines of graph, 0 bytes more by MLX's count
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case $(uname -s) in Linux) mlx='mlx[cpu]==0.32.4' ;; *) mlx='mlx==0.32.4' ;; esac
"$work/venv/bin/python" -m pip install -q "$mlx" mlx-lm==0.32.2 transformers==5.23.0
TRANSFORMERS_NO_ADVISORY_WARNINGS=1 "$work/venv/bin/python" - <<'PYTHON'
import io
import os
import subprocess
from importlib.metadata import version

import mlx.core as mx
from mlx_lm.tuner.lora import LoRALinear

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))
assert (version("mlx"), version("mlx-lm")) == ("0.32.4", "0.32.2")
mx.set_default_device(mx.cpu)
FUSES = 3000
layer = LoRALinear(64, 64)
mx.eval(layer.parameters(), mx.random.state)


def resident():
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())]))


def graph_lines():
    graph = io.StringIO()
    mx.export_to_dot(graph, *mx.random.state)
    return graph.getvalue().count("\n")


def fuse(times, also):
    for _ in range(times):
        mx.eval(layer.fuse().weight, *also())


def grown(name, also):
    fuse(300, also)
    kilobytes, counted = resident(), mx.get_active_memory()
    mx.eval(mx.random.state)
    fuse(FUSES, also)
    kilobytes, counted = resident() - kilobytes, mx.get_active_memory() - counted
    lines = graph_lines()
    print(f"{name}: {FUSES} fuses, {kilobytes} KB more resident, {lines} lines of graph, {counted} bytes more by MLX's count")
    return kilobytes, lines, counted


kept, kept_lines, _ = grown("state evaluated each time", lambda: mx.random.state)
left, left_lines, left_counted = grown("state left alone", lambda: ())
assert left > 1000 and left > 5 * max(kept, 1)
assert kept_lines < 10 and left_lines > 5 * FUSES
assert left_counted < 10_000
mx.eval(mx.random.state)
assert graph_lines() == kept_lines
PYTHON
echo "as described"
