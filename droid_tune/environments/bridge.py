"""One child that plays many episodes at once: messages to them and events of them, over its line of question and answer."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from droid_tune.control import Allowance
from droid_tune.environments.episode import Message
from droid_tune.errors import Stopped
from droid_tune.rewards.children.process import Child, ChildError

#: a message that comes while the child waits for something to happen waits so long
_WAIT_S = 0.02
_GOODBYE_S = 5.0


@dataclass(frozen=True)
class Awaited:
    """Who hears of an episode's next event, and how long it may take."""

    future: Future[Message]
    allowance: Allowance


class Bridge:
    """Several threads may send; one of its own talks to the child."""

    def __init__(self, child: Child, timeout_seconds: float, grace_seconds: float) -> None:
        self._child, self._timeout, self._grace = child, timeout_seconds, grace_seconds
        self._posts: SimpleQueue[Message | None] = SimpleQueue()
        self._waiting: dict[int, Awaited] = {}
        self._closed = False
        #: set once the child was started, or could not be: then the next message says why
        self.started = threading.Event()
        self._thread = threading.Thread(target=self._work, name="environment", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> Future[Message]:
        """The next event of the message's episode; `{"error"}` where the child or the time ended."""
        future: Future[Message] = Future()
        self._waiting[message["episode"]] = Awaited(future, Allowance(self._timeout))
        self._posts.put(message)
        return future

    def tell(self, message: Message) -> None:
        """A message to which nothing is answered."""
        self._posts.put(message)

    def _work(self) -> None:
        with suppress(ChildError, Stopped):
            self._child.start()
        self.started.set()
        while not self._closed:
            posts = self._drained()
            if posts is None:
                break
            try:
                seconds = Allowance(self._timeout + self._grace)
                reply = self._child.ask({"do": "turn", "posts": posts, "wait": _WAIT_S}, seconds)
                events: list[Message] = reply.get("events") or []
                if "error" in reply:
                    self._fail_all(str(reply["error"]))
            except Stopped as error:
                self._stop_all(error)
                continue
            except ChildError as error:
                self._fail_all(f"its process {error}")
                continue
            for event in events:
                self._hear(event["episode"], event)
            self._give_up_on_the_late()
        self._stop_all(Stopped())
        self._child.close()

    def _drained(self) -> list[Message] | None:
        """What is to be sent; waits for it while nothing is awaited. None at the end."""
        posts: list[Message] = []
        while True:
            try:
                one = self._posts.get(block=not posts and not self._waiting)
            except Empty:
                return posts
            if one is None:
                return None
            posts.append(one)

    def _hear(self, number: int, event: Message) -> None:
        found = self._waiting.pop(number, None)
        if found is not None:
            found.future.set_result(event)

    def _fail_all(self, why: str) -> None:
        for number in list(self._waiting):
            self._hear(number, {"episode": number, "error": why})

    def _stop_all(self, error: BaseException) -> None:
        for number in list(self._waiting):
            self._waiting.pop(number).future.set_exception(error)

    def _give_up_on_the_late(self) -> None:
        for number, one in list(self._waiting.items()):
            if one.allowance.used_up():
                self.tell({"do": "end", "episode": number})
                self._hear(number, {"episode": number, "error": f"it took longer than {self._timeout:g} s"})

    def close(self) -> None:
        """End the child."""
        self._closed = True
        self._posts.put(None)
        self._child.end_now()
        self._thread.join(_GOODBYE_S)
