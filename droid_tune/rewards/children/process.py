"""One persistent child process for code that may hang, crash, print or eat memory.

Its own session, an environment of a few harmless variables, an empty scratch folder as home and working folder; killed with
all its descendants when it takes too long or too much, when the person stops the run, and when this process ends. What it
prints goes to a file and never into the protocol. Between the two stands a keeper (`workers/keeper.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, cast

from droid_tune.control import UNWATCHED, Allowance, Watch
from droid_tune.machine.isolated import harmless_environment, python_of_ours
from droid_tune.machine.scratch import Scratch
from droid_tune.rewards.children.family import MARK, end_family, end_newcomers, family, kill, resident_bytes
from droid_tune.rewards.children.sandbox import Rules

Message = dict[str, Any]

_KEEP = "from droid_tune.rewards.workers.keeper import keep; keep(*json.loads(sys.argv[2]))"
_LONGEST_REPLY_BYTES = 64 * 1024 * 1024
_WATCH_INTERVAL_S = 0.1
_START_SECONDS = 60.0
_HALF = re.compile("[\ud800-\udfff]")


class ChildError(Exception):
    """The child could not answer; it has been killed and the next question starts a new one."""


class ChildHungError(ChildError):
    """It took longer than it may."""


class ChildTooBigError(ChildError):
    """It took more memory than it may."""


class ChildEndedError(ChildError):
    """It ended by itself, or could not be started."""


class Child:
    """A worker (a module that `serve`s), started at the first question and again after each death.

    `setup` is asked first of every new process; `rules` shut it in; `watch` may end a question. Not for use
    from several threads at once.
    """

    def __init__(
        self,
        worker: str,
        *,
        memory_mb: int,
        setup: Message | None = None,
        setup_seconds: float = _START_SECONDS,
        rules: Rules | None = None,
        watch: Watch = UNWATCHED,
    ) -> None:
        self._worker = worker
        self._memory_mb = memory_mb
        self._setup = setup
        self._setup_seconds = setup_seconds
        self._rules = rules
        self._watch = watch
        self._mark = secrets.token_hex(16)
        self._settled: frozenset[int] = frozenset()  # who was there when it had been set up
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Scratch | None = None

    def ask(self, message: Message, allowance: Allowance) -> Message:
        """The reply to one message. After killing the child raises Stopped, ChildHungError, ChildTooBigError or
        ChildEndedError."""
        self.start()
        return self._exchange(message, allowance)

    def start(self) -> Message | None:
        """The reply to `setup` where this started a new process."""
        if self._process is not None:
            return None
        try:
            self._process = self._started()
        except OSError as error:
            self.close()
            raise ChildEndedError(f"cannot be started ({error.strerror or error})") from error
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        reply = (
            self._exchange(self._setup, Allowance(self._setup_seconds)) if self._setup is not None else None
        )
        self._settled = frozenset(one.pid for one in family(self._process.pid))
        return reply

    def _started(self) -> subprocess.Popen[bytes]:
        """A new process in a folder of its own. Raises OSError."""
        self._scratch = Scratch()
        folder, home = self._scratch.folder, self._scratch.home
        self._prints = folder / "prints.txt"
        with self._prints.open("ab") as errors:
            return subprocess.Popen(
                self._command(folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=home,
                env={**environment(home), MARK: self._mark},
                start_new_session=True,
            )

    def end_what_it_started(self) -> None:
        """End the processes that its answers have left behind; those that its setup started stay."""
        if self._process is not None:
            end_newcomers(self._process.pid, self._settled)

    def printed(self, most: int = 2000) -> str:
        """The end of what the child has printed since the last question."""
        try:
            return self._prints.read_bytes()[-most:].decode(errors="replace").strip()
        except (AttributeError, OSError):
            return ""

    def close(self) -> None:
        """Kill the child and remove its scratch folder. It may be asked again afterwards."""
        if self._process is not None:
            end_family(self._process, self._mark)
            self._process = None
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def end_now(self) -> None:
        """From another thread: end the process; whoever waits for its answer hears that it ended."""
        process = self._process
        if process is not None:
            kill(process)

    def _command(self, scratch: Path) -> list[str]:
        rules = None if self._rules is None else self._rules.told(scratch)
        arguments = (json.dumps([self._worker, rules]), str(self._prints), str(self._memory_mb))
        # not -I: of the environment, which is ours alone, Python is to read PYTHONHASHSEED
        return python_of_ours(_KEEP, *arguments, flags=("-P", "-s"))

    def _exchange(self, message: Message, allowance: Allowance) -> Message:
        number = secrets.token_hex(8)  # so that a reply cannot be written in advance
        request = json.dumps({**message, "id": number}, default=str).encode() + b"\n"
        with contextlib.suppress(OSError):
            os.truncate(self._prints, 0)
        try:
            line = self._converse(request, allowance)
            reply: Message = _without_halves(json.loads(line)) if b"\\ud" in line else json.loads(line)
            if reply.get("id") != number:
                raise ChildEndedError("answered a question that was not asked")
        except (ChildError, ValueError) as error:
            last_words = self.printed()
            self.close()
            self._watch.pause_point()  # ended for a stop: that is what is said
            if isinstance(error, ChildEndedError) and last_words:
                raise ChildEndedError(f"{error}; it said: {last_words.splitlines()[-1]}") from None
            if isinstance(error, ChildError):
                raise
            raise ChildEndedError("answered with something that is not JSON") from None
        except BaseException:  # a stop: the answer would come in the middle of the next question
            self.close()
            raise
        return reply

    def _converse(self, request: bytes, allowance: Allowance) -> bytes:
        """Write the request and read one line, watching clock, memory, life and the person."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        reply = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stdout, selectors.EVENT_READ)
            next_look = time.monotonic() + _WATCH_INTERVAL_S
            while True:
                for key, _ in selector.select(_WATCH_INTERVAL_S):
                    if key.fileobj is process.stdin:
                        request = _send(key.fd, request, process)
                        if not request:
                            selector.unregister(process.stdin)
                    elif _receive(key.fd, reply, process):
                        return bytes(reply)
                self._watch.pause_point()
                if allowance.used_up():
                    raise ChildHungError(f"took longer than {allowance.seconds:g} s")
                if time.monotonic() > next_look:
                    self._weigh(process)
                    next_look = time.monotonic() + _WATCH_INTERVAL_S

    def _weigh(self, process: subprocess.Popen[bytes]) -> None:
        if resident_bytes(process.pid) > self._memory_mb * 1024 * 1024:
            raise ChildTooBigError(f"took more than {self._memory_mb} MB of memory")


def _without_halves(value: Any) -> Any:
    """A reply in which half of a surrogate pair, which no encoding can hold, is a replacement character."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {_without_halves(key): _without_halves(one) for key, one in items}
    return value


def _send(pipe: int, request: bytes, process: subprocess.Popen[bytes]) -> bytes:
    """What is left to send."""
    try:
        return request[os.write(pipe, request[:65536]) :]
    except BlockingIOError:
        return request
    except BrokenPipeError:
        raise ChildEndedError(how_it_ended(process)) from None


def _receive(pipe: int, reply: bytearray, process: subprocess.Popen[bytes]) -> bool:
    """Append what has come; whether the line is whole."""
    try:
        part = os.read(pipe, 1 << 20)
    except BlockingIOError:
        return False
    if not part:
        raise ChildEndedError(how_it_ended(process))
    reply += part
    if len(reply) > _LONGEST_REPLY_BYTES:
        raise ChildTooBigError("answered with more than 64 MB")
    return reply.endswith(b"\n")


def environment(home: Path) -> dict[str, str]:
    """What the child may know of the user's environment: no keys, no home folder. Sets have the same order in every child."""
    own = {"HOME": str(home), "TMPDIR": str(home), "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "0"}
    return {**harmless_environment(), **own}


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """`exited with code 3`, `was killed by SIGSEGV`."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "closed its connection"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
