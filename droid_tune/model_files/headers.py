"""What safetensors files hold, read from their headers: names, shapes and types, never a weight.

Format: eight bytes of length (little-endian), then that much JSON, then the numbers without a gap
(https://github.com/huggingface/safetensors, "Format"). Read here and not by the library: it takes a name that stands
twice, does not say how much of a file is missing, and maps the whole file. What it refuses is refused here too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError

MAX_HEADER_BYTES = 100 * 2**20
_REMEDY = "download the model again"

#: bits of one number, by the names of safetensors 0.8
BITS_OF = {
    **dict.fromkeys(("C64", "F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
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
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of its data; types of less than a byte are packed."""
        return self.size * BITS_OF[self.dtype] // 8


@dataclass(frozen=True)
class Headers:
    """All tensors that could be read, and one sentence for each file that could not."""

    tensors: tuple[Tensor, ...]
    problems: tuple[str, ...] = ()


def weight_files(folder: Path) -> list[Path]:
    """The weights of a model folder as mlx-lm looks for them, all shards; [] where the folder cannot be read."""
    try:
        return sorted(folder.glob("model*.safetensors"))
    except OSError:
        return []


def missing_shards(folder: Path) -> list[str]:
    """Weight files that the index names and that are not there. A broken index names none."""
    try:
        index: Any = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8-sig"))
        named = {str(name) for name in index["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return sorted(name for name in named if not os.path.isfile(folder / name))  # noqa: PTH113 (a name may be too long)


def read_headers(folder: Path) -> Headers:
    """The tensors of all weight files of a folder; files that cannot be read are named. Never raises."""
    tensors: list[Tensor] = []
    files, missing = weight_files(folder), missing_shards(folder)
    problems = [f"{len(missing)} of its weight files are missing ({missing[0]})"] if missing else []
    for file in files:
        try:
            tensors.extend(read_header(file))
        except UserError as error:
            problems.append(f"{file.name} cannot be read ({error.message})")
    if not files:
        problems.append("it has no weights (model*.safetensors)")
    return Headers(tuple(tensors), tuple(problems))


def read_header(file: Path) -> tuple[Tensor, ...]:
    """The arrays of one safetensors file that is whole. Raises `UserError` for a cut-off, damaged or foreign one."""
    try:
        status = file.stat()
        return _read(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise UserError(f"the file cannot be read ({error.strerror})", place=str(file)) from error


@lru_cache(maxsize=256)
def _read(file: Path, size: int, _modified_ns: int) -> tuple[Tensor, ...]:
    """Remembered by size and time: the check of a model, its estimate and its start ask for the same headers."""
    with file.open("rb") as stream:
        prefix = stream.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise _damaged(file)
        text = stream.read(length)
    try:
        entries = list(_entries(json.loads(text, object_pairs_hook=_named_once)))
        _check_places(file, [place for _, place in entries], size - 8 - length)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(file) from error
    return tuple(tensor for tensor, _ in entries)


def _damaged(file: Path) -> UserError:
    return UserError("the file is damaged or cut off", place=str(file), remedy=_REMEDY)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _entries(header: dict[str, Any]) -> Iterator[tuple[Tensor, tuple[int, int]]]:
    """The arrays with their place `(begin, end)` behind the header. Raises `ValueError` and the like."""
    for name, entry in header.items():
        if name == "__metadata__":
            _check_metadata(entry)
            continue
        shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
        numbers: list[Any] = [*shape, begin, end]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError(name)
        tensor = Tensor(name, entry["dtype"], shape)
        if (end - begin) * 8 != tensor.size * BITS_OF[tensor.dtype]:
            raise ValueError(name)
        yield tensor, (begin, end)


def _check_metadata(entry: dict[str, Any] | None) -> None:
    # MLX writes null where it was given none.
    if entry is not None and not all(isinstance(value, str) for value in entry.values()):
        raise TypeError("metadata is text")


def _check_places(file: Path, places: list[tuple[int, int]], present: int) -> None:
    """The arrays lie side by side, without gap or overlap, up to the file's last byte."""
    told = max((end for _, end in places), default=0)
    if present < told:
        size = file.stat().st_size
        expected = size - present + told
        raise UserError(
            f"the file is cut off: {size:,} of {expected:,} bytes", place=str(file), remedy=_REMEDY
        )
    position = 0
    for begin, end in sorted(places):
        if begin != position:
            raise ValueError("a gap or an overlap")
        position = end
    if position != present:
        raise ValueError(f"{present - position} bytes too many")
