"""Runs as their files tell them: functions for the background, which touch no window."""

from __future__ import annotations

import contextlib
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.events import Event
from droid_tune.paths import RunPaths
from droid_tune.runs.completions.asking import groups_of
from droid_tune.runs.completions.completion_index import CompletionIndex
from droid_tune.runs.log import replay
from droid_tune.runs.reward_distribution import series_of
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState
from ui.engine_worker import Resumption

#: of a run's completions the newest are read with it; all of them are a table on disk (runs/completions)
RECENT_ROLLOUT_BYTES = 1_000_000


def foreign_reach_of(folder: Path) -> list[str]:
    """What the run of a folder from elsewhere reaches for; a folder that is no run is the engine's to refuse."""
    with contextlib.suppress(UserError):
        from droid_tune.runs.origin.foreign import foreign_reach

        return foreign_reach(folder)
    return []


def read_resumed(resumption: Resumption) -> tuple[RunState, list[str]]:
    """A run that is to go on, and what its user should be asked about first."""
    from droid_tune.runs.origin.identity import doubts_of

    doubts = [] if resumption.accepted else doubts_of(resumption.folder, resumption.checkpoint)
    return read_run(resumption.folder), doubts


def state_of(config: RunConfig) -> RunState:
    """A run that has told nothing yet, with its settings: what is drawn of it depends on its method."""
    return RunState(config=config.model_dump(mode="json"))


def read_run(folder: Path) -> RunState:
    """A run as its files tell it."""
    state = RunState().apply_all(_events_of(folder))
    state.mark_interrupted()
    if state.life == "empty":
        state.life = "interrupted"
    if not state.config:  # it never came to begin
        from droid_tune.runs.folder import read_config  # the first paint does without

        with contextlib.suppress(UserError):
            state.config = read_config(folder).model_dump(mode="json")
        with contextlib.suppress(OSError):
            state.started_at = RunPaths(folder).config.stat().st_mtime
    return state


def past_of(folder: Path) -> dict[str, Series]:
    """How the rewards were spread in every step, by the table of all completions, which is brought up to date."""
    with CompletionIndex(RunPaths(folder).rollouts) as index:
        for _ in index.update():
            pass
        return series_of(groups_of(index))


def _events_of(folder: Path) -> list[Event]:
    paths = RunPaths(folder)
    return list(replay(paths.events, paths.rollouts, RECENT_ROLLOUT_BYTES))
