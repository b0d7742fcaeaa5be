"""Chat templates rendered in a child process: one that never ends, or takes gigabytes, ends with it and nothing else."""

from __future__ import annotations

import atexit
import contextlib
import json
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

import psutil

from droid_tune import words
from droid_tune.data.rendering.rendered_texts import RenderedTexts
from droid_tune.data.rendering.templates.template_worker import MOST_BYTES, MOST_CHARACTERS
from droid_tune.errors import UserError
from droid_tune.machine.isolated import harmless_environment, isolated_python

_WORKER = "droid_tune.data.rendering.templates.template_worker"
#: processor seconds of one conversation; an ordinary one takes 20 microseconds
MOST_SECONDS = 5.0
_LOOK_EVERY_MS = 100
#: seconds by the clock, of a machine so busy that the child's own limit takes long
_PATIENCE_S = 60.0
_REMEDY = "choose another model, or mend its chat template"


class TemplateLimitError(UserError):
    """A template wanted more time or memory than any needs; it is not tried again in this process."""


class TemplateChild:
    """One process; one conversation at a time, which may take `seconds` of a processor.

    Raises OSError where the system gives no process: no UserError, which would be taken for a fault of the row.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process = subprocess.Popen(
            isolated_python(_WORKER, str(seconds)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=harmless_environment(),
            start_new_session=True,
        )
        self._known: dict[str, int] = {}  # templates by their text
        self._sent = 0
        assert self._process.stdout is not None
        self._poll = select.poll()
        self._poll.register(self._process.stdout, select.POLLIN)

    def ask(self, source: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the worker answers (`template_worker.answer`). Raises TemplateLimitError, after which it is dead."""
        message = {**request, "template": self._known.setdefault(source, len(self._known))}
        if message["template"] == self._sent:
            message["source"] = source
            self._sent += 1
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # said when nothing comes back
            self._process.stdin.write(json.dumps(message, default=_placeholder).encode() + b"\n")
            self._process.stdin.flush()
        return json.loads(self._line())

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + _PATIENCE_S
        while not self._poll.poll(_LOOK_EVERY_MS):
            if time.monotonic() > deadline:
                raise limit_error("time", self._seconds)
            if self._bytes() > MOST_BYTES:
                raise limit_error("memory", self._seconds)
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise limit_error("time" if self._process.wait() == -signal.SIGPROF else "memory", self._seconds)
        return line

    def _bytes(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class TemplateChildren:
    """As many children as threads that render at once, kept for the next conversation."""

    def __init__(self, seconds: float = MOST_SECONDS) -> None:
        self._seconds = seconds
        self._free: list[TemplateChild] = []
        self._lock = threading.Lock()
        self._beyond: dict[str, TemplateLimitError] = {}
        self._texts = RenderedTexts()

    def render(self, source: str, request: Mapping[str, Any]) -> list[dict[str, str]]:
        """Every text that is `asked` of `turns` (`template_worker.Renderer.render`).

        Raises TemplateLimitError, at once for a template that went beyond a limit before.
        """
        if (before := self._beyond.get(source)) is not None:
            raise TemplateLimitError(before.message, remedy=before.remedy)
        told = json.dumps(request, default=_placeholder)
        with self._lock:
            if (known := self._texts.find(source, told)) is not None:
                return known
            child = self._free.pop() if self._free else None
        child = child or TemplateChild(self._seconds)
        try:
            reply = child.ask(source, request)
            if "limit" in reply:
                raise limit_error(reply["limit"], self._seconds)
        except BaseException as error:
            child.close()
            if isinstance(error, TemplateLimitError):
                self._beyond[source] = error
            raise
        with self._lock:
            self._free.append(child)
            self._texts.keep(source, told, reply["texts"])
        return reply["texts"]

    def close(self) -> None:
        """End the children that wait; the next conversation starts another."""
        with self._lock:
            waiting, self._free = self._free, []
        for child in waiting:
            child.close()


def limit_error(kind: str, seconds: float) -> TemplateLimitError:
    """The one sentence for a template that wanted too much `time`, `memory` or `text`."""
    most = {
        "time": f"computed longer than {words.pace(seconds)} over one conversation",
        "memory": f"took more than {words.size(MOST_BYTES)} of memory for one conversation",
        "text": f"wrote more than {MOST_CHARACTERS // 2**20} million characters for one conversation",
    }
    return TemplateLimitError(f"The model's chat template {most[kind]} and was ended", remedy=_REMEDY)


def _placeholder(value: object) -> str:
    """What a template sees of a value that JSON has no form for."""
    return f"<{type(value).__name__}>"


CHILDREN = TemplateChildren()
atexit.register(CHILDREN.close)
