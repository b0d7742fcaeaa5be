"""Growing number arrays that keep memory constant: beyond a bound they continue in an unnamed temporary file."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
#: Numbers kept in memory per array (8 MB).
IN_MEMORY = 1 << 20


class SpillArray:
    """Append-only int64 numbers; `[]` and `chunks()` read them back, in memory or from disk alike."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._parts: list[Numbers] = []
        self._waiting = 0
        self._on_disk = 0
        self._file: IO[bytes] | None = None
        self._view: Numbers | None = None

    @classmethod
    def over(cls, numbers: Numbers) -> SpillArray:
        """Numbers that are there already (mapped from a file, say); they are not copied."""
        made = cls(in_memory=len(numbers))
        made._parts, made._waiting, made._view = [numbers], len(numbers), numbers
        return made

    def __len__(self) -> int:
        return self._on_disk + self._waiting

    def extend(self, numbers: Any) -> None:
        """Append numbers, an array or a list."""
        part = np.asarray(numbers, dtype=np.int64)
        if not len(part):
            return
        self._view = None
        self._parts.append(part)
        self._waiting += len(part)
        if self._waiting > self._in_memory:
            self._flush()

    def _flush(self) -> None:
        if self._file is None:
            # Lives as long as the array; the system removes it with the last handle.
            self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        self._file.seek(0, 2)
        for part in self._parts:
            self._file.write(part.tobytes())
        self._file.flush()
        self._on_disk += self._waiting
        self._parts, self._waiting = [], 0

    def view(self) -> Numbers:
        """All numbers as one array; what is on disk is mapped, not read."""
        if self._view is None:
            if self._file is not None:
                self._flush()
                self._view = np.memmap(self._file, dtype=np.int64, mode="r", shape=(self._on_disk,))
            else:
                whole = np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)
                self._parts = [whole] if len(whole) else []
                self._view = whole
        return self._view

    def chunks(self, size: int = 1 << 18) -> Iterator[Numbers]:
        """The numbers in order, a bounded piece at a time; pieces from disk are read, never mapped."""
        if self._file is None:
            whole = self.view()
            for start in range(0, len(whole), size):
                yield whole[start : start + size]
            return
        self._flush()
        for start in range(0, self._on_disk, size):
            self._file.seek(start * 8)
            yield np.frombuffer(self._file.read(min(size, self._on_disk - start) * 8), dtype=np.int64)

    def __getitem__(self, place: int) -> int:
        return int(self.view()[place])
