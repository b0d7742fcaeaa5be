"""The child's end of the line: one JSON object in, one out, with the user's own prints kept out of it.

The parent starts a keeper as `python -P -s -c ... PRINTS MEMORY_MB`, which forks this process (see `process.py`).
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

LARGEST_FILE_BYTES = 256 * 1024 * 1024


def serve(handle: Callable[[Message], Message]) -> None:
    """Answer each request until the parent hangs up. `handle` turns a mistake of the user's into a reply itself."""
    requests, replies = take_pipes(sys.argv[-2])
    limit(int(sys.argv[-1]))
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    with os.fdopen(requests, "rb") as lines, os.fdopen(replies, "wb") as out:
        for line in lines:
            request = json.loads(line)
            throw_dice(request.get("seed", 0))
            reply = handle(request)
            out.write(json.dumps({**reply, "id": request["id"]}).encode() + b"\n")
            out.flush()
    os._exit(0)  # whatever threads the user's code has left behind


def throw_dice(seed: int) -> None:
    """What the next answer draws at random depends on the seed alone, in each of the libraries that are loaded."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed % 2**63)


def take_pipes(prints: str) -> tuple[int, int]:
    """The parent's pipes under new numbers; what the user prints goes to a file, what he reads is empty."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    printed = os.open(prints, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (printed, 1), (printed, 2)):
        os.dup2(source, target)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # pyright: ignore
    return requests, replies


def limit(memory_mb: int) -> None:
    """No core dumps, no endless files, and on Linux no more memory: macOS does not enforce it, the parent watches."""
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_FSIZE, LARGEST_FILE_BYTES)
    if sys.platform == "linux":
        lower(resource.RLIMIT_DATA, memory_mb * 1024 * 1024)


def lower(kind: int, most: int) -> None:
    """Set a limit for good, never above one that is set already."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def end_with_parent(parent: int) -> None:
    """An orphan must not go on computing after the application has crashed."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
