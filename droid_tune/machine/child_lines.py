"""What a child process says, line by line, while whoever listens looks up now and then."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Iterator


def lines_of(process: subprocess.Popen[bytes], look_every_s: float) -> Iterator[bytes]:
    """Whole lines of the child's output until it hangs up; an empty one whenever nothing came for `look_every_s`.

    The pipe is closed at the end.
    """
    assert process.stdout is not None
    pipe, rest = process.stdout, b""
    with pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(look_every_s):
                yield b""
                continue
            block = os.read(pipe.fileno(), 1 << 16)
            if not block:
                return
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
