"""Environments from a Python file of the user's: its functions as tools, or a class with an object for each episode."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from droid_tune.config.environments import ClassEnvironment, OwnCodeConfig, ToolsEnvironment
from droid_tune.control import Allowance, Watch
from droid_tune.environments.episode import Episode, EpisodeError, Message, Seeds, Turn
from droid_tune.environments.lanes import Coming, Lane, Lanes, ReadyAnswer, failing
from droid_tune.environments.openings import prompt_turns, refuse_without, with_observation
from droid_tune.environments.own_episode import OwnEpisode
from droid_tune.environments.showing import Showing
from droid_tune.errors import UserError
from droid_tune.rewards.process import Child, ChildError
from droid_tune.rewards.user_file import caution_of, read_source, rules_of

_WORKER = "droid_tune.environments.workers.own_code_worker"
_LOADING_SECONDS = 60.0
#: what a child gets beyond its own clock before it is ended
GRACE_S = 2.0
_REMEDY = "mend it and try it with `droid-tune play`"


class OwnCode:
    """Loads the file at once, so that its mistakes are said before the training starts. Raises UserError.

    The source is read once: an edit while the run goes on counts from the next run.
    """

    def __init__(
        self, config: OwnCodeConfig, path: Path, system_prompt: str, showing: Showing, watch: Watch
    ) -> None:
        self.config, self.path, self.watch = config, path, Watch(should_stop=watch.should_stop)
        self._system_prompt, self._numbers = system_prompt, itertools.count()
        self.source = read_source(path)
        self.caution = caution_of(path, network=config.network)
        self.lanes = Lanes(self._child, config.at_once)
        loaded = self._load()
        self.all_tools: list[Message] = loaded["tools"]
        #: columns that a row must have, and where the episode's reward comes from (empty: nowhere)
        self.needs: tuple[str, ...] = tuple(loaded["needs"])
        self.judge: str = loaded["judge"]
        try:
            self.shown = showing.of(self.all_tools)
        except UserError:
            self.close()
            raise

    @property
    def tools(self) -> Sequence[Message]:
        """What the template is given: none where they are told in words."""
        return () if self.shown.in_words else self.all_tools

    @property
    def keeps_state(self) -> bool:
        """Whether an episode has an object of its own in one child."""
        return isinstance(self.config, ClassEnvironment)

    def _child(self) -> Child:
        config = self.config
        kind: Message = {"kind": "tools", "functions": []}
        if isinstance(config, ToolsEnvironment):
            kind["functions"] = list(config.functions)
        elif isinstance(config, ClassEnvironment):
            kind = {"kind": "class", "name": config.name, "reward": config.reward}
        return Child(
            _WORKER,
            memory_mb=config.memory_mb,
            setup={"do": "set_up", "source": self.source, "path": str(self.path), **kind},
            setup_seconds=max(config.timeout_seconds, _LOADING_SECONDS),
            rules=rules_of(self.path, config.readable, network=config.network),
            watch=self.watch,
        )

    def _load(self) -> Mapping[str, Any]:
        """What the first child says about the file. Raises UserError."""
        try:
            reply = Coming(self.lanes.pick().put(lambda child: child.start() or {}), self.watch).result()
        except ChildError as error:
            self.close()
            raise UserError(
                f"The environment's file could not be loaded: it {error}",
                place=str(self.path),
                remedy=_REMEDY,
            ) from None
        except BaseException:
            self.close()
            raise
        if "error" in reply:
            self.close()
            told = f"could not be run: {reply['error']}" if reply.get("raised") else reply["error"]
            raise UserError(f"The environment's file {told}", place=reply["place"], remedy=_REMEDY)
        return reply

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Refuse data without a column that `reset` cannot do without. Raises UserError naming it."""
        refuse_without(self.needs, rows)

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
            raise EpisodeError(f"could not begin: {reply['error']} ({reply['place']})")
        opening = self.shown.opening(with_observation(turns, reply["observation"]))
        return OwnEpisode(self, lane, number, opening, row, seeds)

    def ask(self, child: Child, message: Message) -> Message:
        """A child's answer within the time limit. Raises ChildError."""
        seconds = self.config.timeout_seconds
        return child.ask({**message, "seconds": seconds}, Allowance(seconds + GRACE_S))

    def close(self) -> None:
        """End the children."""
        self.lanes.close()
