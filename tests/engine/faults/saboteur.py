"""A disk that refuses: one of the calls through which the product writes fails, as a full or broken disk makes it."""

from __future__ import annotations

import builtins
import errno
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from droid_tune.errors import UserError

#: (where, the call's name): everything through which files come to be, are written, flushed and renamed
CALLS: list[tuple[Any, str]] = [
    (builtins, "open"),
    (os, "open"),
    (os, "fsync"),
    (os, "ftruncate"),
    (os, "pwrite"),
    (os, "link"),
    (shutil, "copyfile"),
    (Path, "open"),
    (Path, "write_text"),
    (Path, "write_bytes"),
    (Path, "mkdir"),
    (Path, "touch"),
    (Path, "chmod"),
    (Path, "replace"),
    (mx, "save_safetensors"),
]
ERRORS = [errno.ENOSPC, errno.EIO]


class Saboteur:
    """Lets the `number`-th call fail (from 1), and all after it where `for_good`; counts them."""

    def __init__(self, number: int, code: int, *, for_good: bool = False) -> None:
        self.number, self.code, self.for_good = number, code, for_good
        self.calls = 0

    @property
    def struck(self) -> bool:
        """Whether there were as many calls."""
        return self.calls >= self.number

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, until it is its turn."""

        def wrapped(*args: Any, **options: Any) -> Any:
            if reads(call, args, options):
                return call(*args, **options)
            self.calls += 1
            if self.calls == self.number or (self.for_good and self.struck):
                if call is mx.save_safetensors:
                    raise RuntimeError("[write] Unable to write to file.")
                raise OSError(self.code, os.strerror(self.code))
            return call(*args, **options)

        return wrapped

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Inside, the calls go through here."""
        with pytest.MonkeyPatch.context() as patched:
            for where, name in CALLS:
                patched.setattr(where, name, self.wrap(getattr(where, name)))
            yield


def reads(call: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Opening a file to read it is no write."""
    if call is os.open:
        return len(args) > 1 and args[1] == os.O_RDONLY and not Path(args[0]).is_dir()
    if call.__name__ == "open":
        mode = str(args[1] if len(args) > 1 else options.get("mode", "r"))
        return not set(mode) & set("wax+")
    return False


def every_failure(
    code: int, attempt: Callable[[], Any], look: Callable[[bool], None], most: int = 500
) -> int:
    """Attempt it with the first call failing, then with the second, until one attempt meets no failure any more.

    `look(done)` is called after each. How many attempts failed.
    """
    for number in range(1, most):
        saboteur, done = Saboteur(number, code), False
        with saboteur.at_work():
            try:
                attempt()
                done = True
            except UserError:  # anything else is no sentence, and fails the test
                pass
        look(done)
        if not saboteur.struck:
            assert done
            return number - 1
    raise AssertionError(f"more than {most} calls")
