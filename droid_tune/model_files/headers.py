"""What safetensors files hold, read from their headers: names, shapes and types, never a weight.

Format: eight bytes of length (little-endian), then that much JSON, then the numbers
(https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

MAX_HEADER_BYTES = 100 * 2**20

BYTES_OF = {
    "F64": 8,
    "I64": 8,
    "U64": 8,
    "F32": 4,
    "I32": 4,
    "U32": 4,
    "F16": 2,
    "BF16": 2,
    "I16": 2,
    "U16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}


@dataclass(frozen=True)
class Tensor:
    """One array of a file: its name, type as safetensors spells it, and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @property
    def nbytes(self) -> int:
        return self.size * BYTES_OF.get(self.dtype, 2)


@dataclass(frozen=True)
class Headers:
    """All tensors that could be read, and one sentence for each file that could not."""

    tensors: tuple[Tensor, ...]
    problems: tuple[str, ...] = ()


def read_headers(folder: Path) -> Headers:
    """The tensors of `model*.safetensors` in a folder, of all shards; files that cannot be read are named."""
    tensors: list[Tensor] = []
    problems: list[str] = []
    try:
        files = sorted(folder.glob("model*.safetensors"))
    except OSError:
        files = []
    missing = sorted(_named_by_index(folder) - {file.name for file in files})
    if missing:
        problems.append(f"{len(missing)} of its weight files are missing ({missing[0]})")
    for file in files:
        try:
            tensors.extend(_tensors(file))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
            problems.append(f"{file.name} cannot be read")
    if not files:
        problems.append("it has no weights (model*.safetensors)")
    return Headers(tuple(tensors), tuple(problems))


def _named_by_index(folder: Path) -> set[str]:
    try:
        index: Any = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return {str(name) for name in index["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def _tensors(file: Path) -> Iterator[Tensor]:
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if not 2 <= length <= MAX_HEADER_BYTES:
            raise ValueError(length)
        header = cast("dict[str, dict[str, Any]]", json.loads(stream.read(length)))
    for name, entry in header.items():
        if name != "__metadata__":
            shape = tuple(int(n) for n in entry["shape"])
            if min(shape, default=0) < 0:
                raise ValueError(shape)
            yield Tensor(name, str(entry["dtype"]), shape)
