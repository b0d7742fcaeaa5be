"""Rows as runs in environments put them before their models: with the tools, and the first turns of the episode."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from droid_tune.config.asking.acting_key import acting_key
from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Allowance, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.order.seeds import rollout_seed
from droid_tune.data.rendering.shown import ShownRow, of_prompt
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.templates import TemplateOptions
from droid_tune.environments.episode import Environment, Seeds
from droid_tune.environments.opening_prompt import environment_for, opening_prompt

#: an environment that nobody asks about so long is ended
IDLE_SECONDS = 120.0
#: what a question that nobody waits for may still take before its environment is ended with it
_GRACE_S = 2.0


@dataclass(frozen=True)
class _Kept:
    key: tuple[str, ...]
    environment: Environment


class SeenOpenings:
    """Keeps the environment of the last question for the next one, since those of packages take seconds to start.

    Another one is started where the settings, the model or the environment's files are others. Questions may come from any
    thread; they are answered one after the other.
    """

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._idle: threading.Timer | None = None
        self._asked, self._grace = UNWATCHED, Allowance(_GRACE_S)

    def options(self, config: RunConfig, tokenizer: Any, watch: Watch = UNWATCHED) -> TemplateOptions:
        """How a run measures its rows. Raises UserError for an environment that cannot be used, and Stopped."""
        with self._open(config, tokenizer, watch) as environment:
            return TemplateOptions.of(config.data, environment.tools)

    def opening(
        self, config: RunConfig, tokenizer: Any, row: Row, number: int, watch: Watch = UNWATCHED
    ) -> ShownRow:
        """What the model reads before its first turn of row `number` (from 0), as in the run's first rollout: an
        environment that begins by chance begins otherwise in later ones.

        Raises UserError as `options`, and where the episode cannot begin.
        """
        with self._open(config, tokenizer, watch) as environment:
            seed = config.training.seed
            seeds = Seeds(seed, rollout_seed(seed, 0), number)
            options = TemplateOptions.of(config.data, environment.tools)
            return of_prompt(opening_prompt(environment, tokenizer, row, seeds, options))

    def close(self) -> None:
        """End the environment once the question in hand is answered; the next question starts another one."""
        with self._lock:
            self._end()

    @contextmanager
    def _open(self, config: RunConfig, tokenizer: Any, watch: Watch) -> Generator[Environment]:
        with self._lock:
            watch.pause_point()
            self._asked, self._grace = watch, Allowance(_GRACE_S)
            self._stay()
            try:
                yield self._fitting(config, tokenizer)
            except BaseException:  # nobody knows in what state it is
                self._end()
                raise
            self._idle = threading.Timer(self._idle_seconds, self._end_idle)
            self._idle.daemon = True
            self._idle.start()

    def _fitting(self, config: RunConfig, tokenizer: Any) -> Environment:
        """The kept environment where it is that of the question, else a new one."""
        template = ChatTemplate.of(tokenizer).source
        key = (acting_key(config), config.data.system_prompt, str(bool(config.rewards)), template)
        if self._kept is None or self._kept.key != key:
            self._end()
            watch = Watch(should_stop=self._is_given_up)
            self._kept = _Kept(key, environment_for(_in_one_child(config), tokenizer, watch))
        return self._kept.environment

    def _is_given_up(self) -> bool:
        """Whether the environment is to leave the question in hand unanswered: a person who reads row after row gives
        up one question after the other, and would never see an environment that ended with each."""
        stop = self._asked.should_stop
        return stop is not None and stop() and self._grace.used_up()

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end_idle(self) -> None:
        if self._lock.acquire(blocking=False):  # else somebody asks again
            try:
                self._end()
            finally:
                self._lock.release()

    def _end(self) -> None:
        self._stay()
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(Exception):
                kept.environment.close()


def _in_one_child(config: RunConfig) -> RunConfig:
    """The same: one question is answered after the other."""
    section = config.environment
    one = None if section is None else section.model_copy(update={"at_once": 1})
    return config.model_copy(update={"environment": one})
