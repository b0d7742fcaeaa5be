"""What environments have in common whose episodes live in children that are asked one thing after the other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from droid_tune.config.environments import EnvironmentConfig
from droid_tune.control import Allowance, Watch
from droid_tune.environments.episode import Episode, EpisodeError, Message, Seeds, Turn
from droid_tune.environments.lanes import Coming, Lane, Lanes, ReadyAnswer, failing
from droid_tune.environments.openings import prompt_turns, with_observation
from droid_tune.environments.own_episode import OwnEpisode
from droid_tune.environments.showing import Showing, ShownTools
from droid_tune.errors import UserError
from droid_tune.rewards.children.process import Child, ChildError

#: what a child gets beyond its own clock before it is ended
GRACE_S = 2.0


class LaneEnvironment:
    """An environment of lanes (`lanes.py`). Who extends it says how a child is made, and calls `_shows` once it knows its
    tools."""

    #: where the episode's reward comes from (empty: nowhere)
    judge: str = ""
    #: whether an episode has an object of its own in one child
    keeps_state: bool = True

    def __init__(self, config: EnvironmentConfig, system_prompt: str, watch: Watch) -> None:
        self.config, self.watch = config, Watch(should_stop=watch.should_stop)
        self._system_prompt, self._numbers = system_prompt, itertools.count()
        self.lanes = Lanes(self._child, config.at_once)
        self.all_tools: list[Message] = []
        self.shown: ShownTools

    def _child(self) -> Child:
        """A child, not begun."""
        raise NotImplementedError

    def _shows(self, showing: Showing, tools: list[Message]) -> None:
        """The tools before this model. Raises UserError, with the children ended."""
        self.all_tools = tools
        try:
            self.shown = showing.of(tools)
        except UserError:
            self.close()
            raise

    @property
    def tools(self) -> Sequence[Message]:
        """What the template is given: none where they are told in words."""
        return () if self.shown.in_words else self.all_tools

    def _first_words(self) -> Message:
        """What the first child says to its set-up. Raises ChildError, with the children ended, and Stopped."""
        try:
            return Coming(self.lanes.pick().put(lambda child: child.start() or {}), self.watch).result()
        except BaseException:
            self.close()
            raise

    def prepare(self, episodes: int) -> None:
        """Start the children that so many episodes at once are spread over, and wait for them. Raises Stopped."""
        self.lanes.start(episodes, self.watch)

    def open(self, row: Mapping[str, Any], seeds: Seeds) -> Coming[Episode] | ReadyAnswer[Episode]:
        """An episode of a row. The handle's `result` raises EpisodeError where it cannot begin."""
        try:
            turns = prompt_turns(row, self._system_prompt)
        except EpisodeError as error:
            return failing(error)
        if not self.keeps_state:
            return ReadyAnswer(
                OwnEpisode(self, None, next(self._numbers), self.shown.opening(turns), row, seeds)
            )
        lane = self.lanes.pick()
        lane.bind(1)
        number = next(self._numbers)
        return Coming(lane.put(lambda child: self._begun(child, lane, number, turns, row, seeds)), self.watch)

    def _begun(
        self,
        child: Child,
        lane: Lane,
        number: int,
        turns: Sequence[Turn],
        row: Mapping[str, Any],
        seeds: Seeds,
    ) -> Episode:
        try:
            reply = self.ask(child, {"do": "begin", "episode": number, "row": dict(row), "seed": seeds.group})
        except ChildError as error:
            lane.bind(-1)
            raise EpisodeError(f"could not begin: `reset` {error}") from None
        if "error" in reply:
            lane.bind(-1)
            place = f" ({reply['place']})" if reply.get("place") else ""
            raise EpisodeError(f"could not begin: {reply['error']}{place}")
        opening = self.shown.opening(with_observation(turns, reply["observation"]))
        return OwnEpisode(self, lane, number, opening, row, seeds)

    def ask(self, child: Child, message: Message) -> Message:
        """A child's answer within the time limit. Raises ChildError."""
        seconds = self.config.timeout_seconds
        return child.ask({**message, "seconds": seconds}, Allowance(seconds + GRACE_S))

    def close(self) -> None:
        """End the children."""
        self.lanes.close()
