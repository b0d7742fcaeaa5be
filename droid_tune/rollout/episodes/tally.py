"""How far a rollout of episodes is: what it has read, how long it stood still, which episodes are over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from droid_tune.control import Watch
from droid_tune.environments.episode import Handle
from droid_tune.rollout.episodes.episode_row import EpisodeRow
from droid_tune.rollout.episodes.joining import Prompts
from droid_tune.rollout.episodes.row_decoders import RowDecoder
from droid_tune.rollout.episodes.trajectory import Trajectory

#: between two looks at an answer that is waited for
_LOOK_S = 0.002


class Tally:
    """Every wait for the environment and every episode's end goes through here, and `watch` hears of it.

    `read` counts the tokens of prompts and environments that the model has read, `stood` the seconds in which all waited
    for an environment.
    """

    def __init__(
        self,
        episodes: int,
        prompts: Prompts,
        decoder: RowDecoder,
        watch: Watch,
        on_end: Callable[[int, Trajectory], None] | None,
    ) -> None:
        self._episodes, self._done = episodes, 0
        self._prompts, self._decoder = prompts, decoder
        self._watch, self._on_end = watch, on_end
        self.read = 0
        self.stood = 0.0

    @property
    def complete(self) -> bool:
        """Whether every episode is over."""
        return self._done == self._episodes

    def tell(self) -> None:
        """Say how many episodes are over. Raises Stopped."""
        self._watch.tell(self._done, self._episodes)

    def wait_for(self, handle: Handle[Any]) -> None:
        """Until an answer is there. Raises Stopped."""
        start = time.perf_counter()
        while not handle.ready():
            self._watch.pause_point()
            time.sleep(_LOOK_S)
        self.stood += time.perf_counter() - start

    def finish(self, row: EpisodeRow, trajectory: Trajectory) -> None:
        """An episode is over: give back what it holds, and say so. Raises Stopped."""
        row.trajectory = trajectory
        if row.episode is not None:
            row.episode.close()
            row.episode = None
        self._decoder.forget(row.index)
        self._prompts.release(row.prompt, row.index)
        self._done += 1
        self.tell()
        if self._on_end is not None:
            self._on_end(row.index, trajectory)
