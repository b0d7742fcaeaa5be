"""A folder held by its descriptor: where it is now, though it was moved or renamed meanwhile."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_F_GETPATH = 50  # of macOS's fcntl
_LONGEST_PATH = 1024


class Anchor:
    """An open descriptor of a folder. A context manager; raises OSError where the folder cannot be opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def where(self) -> Path | None:
        """The folder's path now, None where it has none any more (it was deleted)."""
        for path in (self._folder, self._path_by_system()):
            if path is not None and self._is_at(path):
                self._folder = path
                return path
        return None

    def _is_at(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _path_by_system(self) -> Path | None:
        """What the system says of the descriptor."""
        try:
            if sys.platform == "darwin":
                import fcntl

                found = fcntl.fcntl(self._descriptor, _F_GETPATH, bytes(_LONGEST_PATH))
                return Path(os.fsdecode(found.partition(b"\0")[0]))
            return Path(f"/proc/self/fd/{self._descriptor}").readlink()
        except OSError:
            return None
