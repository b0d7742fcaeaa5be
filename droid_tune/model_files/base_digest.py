"""Whether a model folder is still the one that a run was trained on: digests of its files, kept in the run's folder.

Of weights the size, the header and some blocks count, not every byte: a run begins without reading gigabytes for it, and
another model, another revision or another quantisation differs in all of these.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from droid_tune.errors import UserError
from droid_tune.runs.disk.durable import write_text

#: blocks of a file that are looked at, from its beginning to its end, and their size in bytes
BLOCKS, BLOCK_BYTES = 32, 2**16
_KEPT = ("config.json", "tokenizer.json", "*.safetensors")


def digests_of(folder: Path) -> dict[str, str]:
    """Digest by file name. Raises OSError."""
    files = sorted({file for pattern in _KEPT for file in folder.glob(pattern)})
    return {file.name: _digest(file) for file in files}


def keep_digests(folder: Path, file: Path) -> None:
    """Write the digests of a model folder to `file`. Raises UserError where it cannot be written."""
    write_text(file, json.dumps(digests_of(folder), indent=1) + "\n")


def change_since(file: Path, folder: Path) -> str:
    """The first file of the model that is another than when `file` was written, in words; empty where none is, or
    nothing was kept (runs of earlier versions). Raises UserError where what was kept is damaged."""
    try:
        kept: Any = json.loads(file.read_text(encoding="utf-8-sig"))
        now = digests_of(folder)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from None
    if not (isinstance(kept, dict) and kept):
        raise _damaged(file, "it names no files")
    for name in sorted({*kept, *now}):
        if name not in now:
            return f"{name} is gone"
        if kept.get(name) != now[name]:
            return f"{name} is another file" if name in kept else f"{name} is new"
    return ""


def _damaged(file: Path, why: str) -> UserError:
    return UserError(
        f"Whether the model is still the one that the run was trained on is not known ({why})",
        place=str(file),
        remedy="move this file away to do without",
    )


def _digest(file: Path) -> str:
    size = file.stat().st_size
    found = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        for number in range(BLOCKS):
            stream.seek(max(0, size - BLOCK_BYTES) * number // (BLOCKS - 1))
            found.update(stream.read(BLOCK_BYTES))
    return found.hexdigest()
