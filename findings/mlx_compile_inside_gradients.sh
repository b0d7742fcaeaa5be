#!/usr/bin/env bash
# mlx 0.32.4 calls a function made by `mx.compile` while it traces a gradient.
#
# A good guess: the loss's fused parts stay fused in training, so that a chain of elementwise operations is one kernel
# there as it is in generation. Seen: inside `value_and_grad` each operation stands alone in the graph, forth and back, and
# so it does inside an `mx.custom_function` whose value and derivative are compiled. Only a compiled `value_and_grad` as a
# whole is fused, and that is one graph for each shape. Figures of a fused kernel taken without a gradient say nothing
# of training.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case $(uname -s) in Linux) mlx='mlx[cpu]==0.32.4' ;; *) mlx='mlx==0.32.4' ;; esac
"$work/venv/bin/python" -m pip install -q "$mlx"
"$work/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import io
import re

import mlx.core as mx


def chain(x):
    return mx.exp(mx.sin(x) * 2 + 1) * x


def operations(array):
    text = io.StringIO()
    mx.export_to_dot(text, array)
    return re.findall(r'label ="(\w+)"', text.getvalue())


fused = mx.compile(chain)
own = mx.custom_function(fused)
own.vjp(mx.compile(lambda x, cotangent, _: cotangent * mx.exp(x) * x))
x = mx.array([1.0, 2.0])
found = {"alone": [operations(fused(x))]}
for name, inner in (("inside a gradient", fused), ("inside a gradient, as a custom function", own)):
    found[name] = [operations(one) for one in mx.value_and_grad(lambda x, inner=inner: inner(x).sum())(x)]
found["around it"] = [operations(one) for one in mx.compile(mx.value_and_grad(lambda x: chain(x).sum()))(x)]
print("mlx", importlib.metadata.version("mlx"))
has_fused = {}
for name, graphs in found.items():
    has_fused[name] = any(one.startswith("Compiled") for graph in graphs for one in graph)
    print(f"{name}: {'fused' if has_fused[name] else 'single operations'}: {graphs}")
assert importlib.metadata.version("mlx") == "0.32.4"
assert list(has_fused.values()) == [True, False, False, True]
PYTHON
