#!/usr/bin/env bash
# mlx 0.32.4 fuses less of a function that `mx.compile(..., shapeless=True)` made than of the same one without it.
#
# A good guess: `shapeless=True` only saves compiling anew for each shape; the kernels are the same. Seen: a polynomial by
# Horner's rule (13 times a product and a sum with a number) is 3 fused kernels and one array more at its peak where it is
# compiled for a shape, as it is plain, where each step takes the place of the last; shapeless it is 5 kernels with eight
# broadcasts between them and five arrays. So a function that is compiled shapeless may need several times the memory of the
# plain one, and figures of one kind of compilation say nothing of the other.
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

mx.set_default_device(mx.cpu)
x = mx.random.uniform(shape=(1024, 1024))
mx.eval(x)


def horner(values):
    total = values * 0
    for _ in range(13):
        total = total * values + 0.5
    return total


def kernels(function):
    text = io.StringIO()
    mx.export_to_dot(text, function(x))
    return len([one for one in re.findall(r'label ="(\w+)', text.getvalue()) if one.startswith("Compiled")])


def arrays(function):
    mx.eval(function(x))
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(function(x))
    return round((mx.get_peak_memory() - before) / x.nbytes)


print("mlx", importlib.metadata.version("mlx"))
found = {}
for name, function in (("by shape", mx.compile(horner)), ("shapeless", mx.compile(horner, shapeless=True))):
    found[name] = kernels(function), arrays(function)
    print(f"{name}: {found[name][0]} fused kernels, {found[name][1]} arrays at the peak")
print(f"plain: {arrays(horner)} arrays at the peak")
assert importlib.metadata.version("mlx") == "0.32.4"
assert found == {"by shape": (3, 1), "shapeless": (5, 5)}
assert arrays(horner) == 1
PYTHON
