"""A lock for disks that have none of the system's (some network homes): a file that only one process can make.

It holds who made it, and is touched as long as he lives: one whose process is gone, or that nobody has touched for
minutes where the process is another computer's, does not count.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any, cast

from droid_tune.machine.named_process import is_of_this_computer, still_lives, this_process

_BEAT_S = 15.0
#: computers' clocks differ, and a beat may come late
_STALE_S = 300.0


class SoftLock:
    """Beside the file `lock` its holder, `lock.holder`."""

    def __init__(self, lock: Path) -> None:
        self._file = lock.with_name(f"{lock.name}.holder")
        self._end = threading.Event()

    def take(self) -> bool:
        """Whether it is ours now. Raises OSError."""
        for _ in range(2):
            try:
                descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if self.is_held():
                    return False
                self._file.unlink(missing_ok=True)
                continue
            with os.fdopen(descriptor, "w") as file:
                json.dump(this_process(), file)
            threading.Thread(target=self._beat, name="lock", daemon=True).start()
            return True
        return False

    def is_held(self) -> bool:
        """Whether a process that lives holds it."""
        holder: Any = None  # where it is being written, or damaged
        try:
            age = time.time() - self._file.stat().st_mtime
        except OSError:
            return False
        with contextlib.suppress(OSError, ValueError, RecursionError):
            holder = json.loads(self._file.read_text(encoding="utf-8"))
        if isinstance(holder, dict) and is_of_this_computer(named := cast("dict[str, Any]", holder)):
            return still_lives(named)
        return age < _STALE_S

    def holder(self) -> str:
        """`process 123 on studio.local`; empty where it does not say."""
        try:
            held: Any = json.loads(self._file.read_text(encoding="utf-8"))
            return f"process {held['pid']} on {held['host']}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ""

    def release(self) -> None:
        """Let the next one have it."""
        self._end.set()
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._end.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self._file)
