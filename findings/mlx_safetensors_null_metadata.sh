#!/usr/bin/env bash
# mlx 0.32.4 saves a safetensors file without being given metadata.
#
# A good guess: the header has no `__metadata__`, which the format leaves out or gives as a map of texts. Seen: MLX writes
# `"__metadata__": null`. The library safetensors 0.8.0 reads that as none; a reader that expects a map there (or takes
# every key of the header for an array) refuses a sound file: most adapters and many models that MLX has written.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
case $(uname -s) in Linux) mlx='mlx[cpu]==0.32.4' ;; *) mlx='mlx==0.32.4' ;; esac
"$work/venv/bin/python" -m pip install -q "$mlx" safetensors==0.8.0 numpy
"$work/venv/bin/python" - "$work" <<'PYTHON'
import importlib.metadata
import json
import sys
from pathlib import Path

import mlx.core as mx
from safetensors import safe_open

file = Path(sys.argv[1]) / "model.safetensors"
mx.save_safetensors(str(file), {"a": mx.zeros((2,))})
content = file.read_bytes()
header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
with safe_open(str(file), framework="np") as library:
    names, metadata = list(library.keys()), library.metadata()
print("mlx", importlib.metadata.version("mlx"), "safetensors", importlib.metadata.version("safetensors"))
print("header:", header)
print("the library reads:", names, "metadata", metadata)
assert importlib.metadata.version("mlx") == "0.32.4"
assert "__metadata__" in header and header["__metadata__"] is None
assert (names, metadata) == (["a"], None)
PYTHON
