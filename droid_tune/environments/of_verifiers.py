"""Environments of the `verifiers` library, in a child; the library's requests to its model are answered by our sampler."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from droid_tune.config.environments import VerifiersEnvironment
from droid_tune.control import Allowance, Watch
from droid_tune.environments.bridge import Bridge
from droid_tune.environments.episode import Episode, EpisodeError, Message, Seeds
from droid_tune.environments.lanes import Coming, Then
from droid_tune.environments.openings import refuse_without, turn_of
from droid_tune.environments.showing import Showing
from droid_tune.environments.verifiers_episode import VerifiersEpisode, turns_in
from droid_tune.errors import UserError
from droid_tune.rewards.children.process import Child, ChildError
from droid_tune.rewards.children.sandbox import Rules, offers

_WORKER = "droid_tune.environments.workers.verifiers_worker"
_LOADING_SECONDS = 120.0
_GRACE_S = 5.0
_LOOK_S = 0.01
#: episodes that one child plays before another one is begun
_SHARE = 8
#: columns that a rollout of the library is made of
_COLUMNS = ("prompt", "answer", "info", "task", "example_id")


class OfVerifiers:
    """Loads the environment at once. Raises UserError where it is missing, or asks for a network that it does not have."""

    def __init__(self, config: VerifiersEnvironment, showing: Showing, watch: Watch) -> None:
        self.config, self.watch = config, Watch(should_stop=watch.should_stop)
        self._numbers = itertools.count()
        self._first = self._child()
        try:
            self.all_tools: list[Message] = self._load()["tools"]
            self.shown = showing.of(self.all_tools)
        except BaseException:
            self._first.close()
            raise
        self._bridges: list[Bridge] = []
        self._open = 0

    @property
    def tools(self) -> Sequence[Message]:
        """What the template is given: none where they are told in words."""
        return () if self.shown.in_words else self.all_tools

    @property
    def caution(self) -> str:
        """What a person should know of what its code can reach."""
        offer, network = offers(), self.config.network
        if offer.files and offer.network and not network:
            return ""
        return f"Code of the environment {self.config.id} runs on this computer. {offer.sentence(network=network)}"

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Raises UserError for rows without a prompt."""
        refuse_without(("prompt",), rows)

    def own_rows(self, split: str, count: int) -> list[Message]:
        """The rows that the environment brings, before any episode is open. Raises UserError."""
        return self._asked({"do": "rows", "split": split, "count": count})["rows"]

    def prepare(self, episodes: int) -> None:
        """Start the children that so many episodes at once are spread over, and wait for them. Raises Stopped."""
        while len(self._bridges) < self._wanted(episodes - 1):
            self._add_bridge()
        for bridge in self._bridges:
            while not bridge.started.wait(_LOOK_S):
                self.watch.pause_point()

    def open(self, row: Mapping[str, Any], seeds: Seeds) -> Then[Episode]:
        """An episode of a row. The handle's `result` raises EpisodeError where it cannot begin."""
        number, bridge = next(self._numbers), self._bridge()
        given = {key: row[key] for key in _COLUMNS if row.get(key) is not None}
        given.setdefault("example_id", 0)
        given.setdefault("answer", "")
        future = bridge.send({"do": "begin", "episode": number, "row": given, "seed": seeds.group})
        return Then(Coming(future, self.watch), lambda event: self._begun(event, bridge, number, seeds))

    def _begun(self, event: Message, bridge: Bridge, number: int, seeds: Seeds) -> Episode:
        if "messages" not in event:
            self._open -= 1
            bridge.tell({"do": "end", "episode": number})
            done: Message = event.get("done") or {}
            raise EpisodeError(
                f"could not begin: {event.get('error') or done.get('error') or 'it ended at once'}"
            )
        opening = self.shown.opening([turn_of(one) for one in turns_in(event["messages"])])
        return VerifiersEpisode(self, bridge, number, opening, event["messages"], seeds)

    def ended(self) -> None:
        """An episode is closed."""
        self._open -= 1

    def _bridge(self) -> Bridge:
        """The child for the next episode: each is begun once those before it have their share."""
        if len(self._bridges) < self._wanted(self._open):
            self._add_bridge()
        self._open += 1
        return self._bridges[self._open % len(self._bridges)]

    def _wanted(self, episodes: int) -> int:
        """Children that one episode more than these are played by."""
        return min(self.config.at_once, episodes // _SHARE + 1)

    def _add_bridge(self) -> None:
        child = self._child() if self._bridges else self._first
        self._bridges.append(Bridge(child, self.config.timeout_seconds, _GRACE_S))

    def _child(self) -> Child:
        config = self.config
        return Child(
            _WORKER,
            memory_mb=config.memory_mb,
            setup={"do": "set_up", "environment": config.id, "args": config.args},
            setup_seconds=max(config.timeout_seconds, _LOADING_SECONDS),
            rules=Rules((), config.network, listed=(str(Path(__file__).parent),)),
            watch=self.watch,
        )

    def _load(self) -> Message:
        try:
            reply = self._first.start() or {}
        except ChildError as error:
            raise UserError(
                f"The environment `{self.config.id}` could not be loaded: it {error}", place="environment"
            ) from None
        return self._checked(reply)

    def _asked(self, message: Message) -> Message:
        try:
            return self._checked(self._first.ask(message, Allowance(_LOADING_SECONDS)))
        except ChildError as error:
            raise UserError(f"The environment `{self.config.id}` {error}", place="environment") from None

    def _checked(self, reply: Message) -> Message:
        """Raises UserError for what the child could not do."""
        name = self.config.id
        if reply.get("missing") == "verifiers":
            raise UserError(
                f"The environment `{name}` needs the package `verifiers`, which is not installed",
                place="environment",
                remedy="install it with `pip install 'droid-tune[verifiers]'`",
            )
        if "missing" in reply:
            raise UserError(
                f"The environment `{name}` is not installed",
                place="environment",
                remedy="install its package, or give another `id`",
            )
        if reply.get("network") and not self.config.network:
            raise UserError(
                f"The environment `{name}` asks for the network: {reply['error']}",
                place="environment",
                remedy="switch `network` on if it may, or give it data that are here",
            )
        if "error" in reply:
            raise UserError(
                f"The environment `{name}` could not be loaded: {reply['error']}", place="environment"
            )
        return reply

    def close(self) -> None:
        """End the children."""
        for bridge in self._bridges:
            bridge.close()
        if not self._bridges:
            self._first.close()
        self._bridges.clear()
