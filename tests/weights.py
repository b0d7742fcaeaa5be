"""Model files for tests: headers that are right, weights of zeros."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

from droid_tune.model_files.headers import BITS_OF


def header_only(file: Path, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """A safetensors file of zeros; they take no room on a disk with sparse files."""
    header: dict[str, object] = {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + prod(shape) * BITS_OF[dtype] // 8
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)


def model_folder(folder: Path, megabytes: int = 2, **config: object) -> Path:
    """A folder that can be loaded as far as can be told without its weights; a Qwen3 unless `config` says otherwise."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", **config}))
    (folder / "tokenizer.json").write_text("{}")
    header_only(folder / "model.safetensors", {"model.norm.weight": ("U8", (megabytes * 1_000_000,))})
    return folder
