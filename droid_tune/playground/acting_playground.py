"""The playground of a run that has an environment: what is asked is an episode, answered between the model's turns."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from droid_tune.config.environments import OwnCodeConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.errors import UserError
from droid_tune.model.adapters import adapter_off
from droid_tune.names import LAST
from droid_tune.playground.playground import WITHOUT, Conversation, Playground, Reply
from droid_tune.playground.playing import Stage
from droid_tune.rollout.decoding import TextStream
from droid_tune.rollout.episodes.episode_row import Seeding
from droid_tune.runs.folder import read_config
from droid_tune.runs.origin.foreign import foreign_reach
from droid_tune.train.exploring.acting import acted_in


class ActingPlayground(Playground):
    """Answers as a `Playground`; in the run's own environment where it has one and the person allowed it.

    An environment that knows only its own prompts (a puzzle's) is met by rows of data; what else is asked is answered
    without it, and the reply says so.
    """

    _stage: Stage | None = None

    @classmethod
    def of_run(cls, run_dir: Path, checkpoint: str = LAST) -> Self:
        """What the run has learnt, with its environment, which ends with the playground. Raises UserError."""
        made = super().of_run(run_dir, checkpoint)
        config = read_config(run_dir)
        if config.environment is not None and foreign_reach(run_dir):
            made._aside = (
                f"{WITHOUT}: its settings came from elsewhere, and nobody allowed here what they run."
            )
        elif config.environment is not None:
            opened = ExitStack()
            environment = opened.enter_context(acted_in(config, made._policy))
            assert environment is not None
            made._stage = Stage(made._policy, environment, config)
            weakref.finalize(made, opened.close)
        return made

    def reply(
        self,
        prompt: str | Conversation | Row,
        sampling: SamplingConfig,
        *,
        with_adapter: bool = True,
        on_text: Callable[[str], None] | None = None,
        watch: Watch = UNWATCHED,
        seed: int = 0,
    ) -> Reply:
        """The last answer of an episode with all its turns; `sampling` bounds them together. As `Playground.reply` else."""
        without = partial(
            super().reply,
            prompt,
            sampling,
            with_adapter=with_adapter,
            on_text=on_text,
            watch=watch,
            seed=seed,
        )
        if self._stage is None:
            return without()
        free = not isinstance(prompt, Mapping)
        row: dict[str, Any] = {"prompt": prompt} if free else dict(prompt)
        own = nullcontext() if with_adapter else adapter_off(self._policy.model, self._policy.adapted)
        tokens = _Tokens(TextStream(self._policy), on_text)
        with own:
            played = self._stage.play(row, sampling, Seeding(seed, seed), watch, tokens.heard)
        path = played.path
        if path.ending is not None:
            reason = "length" if path.cut else "stop"
            return Reply(path.answer, tokens.count, reason, played.prompt_ends, path.turns)
        if free and not isinstance(self._stage.config.environment, OwnCodeConfig):
            return replace(
                without(), aside=f"{WITHOUT}: it knows only the prompts of its own rows. Pick one."
            )
        raise UserError(played.failed.removesuffix("."), place="environment")


class _Tokens:
    """Counts tokens as they are written, and tells their text."""

    def __init__(self, stream: TextStream, on_text: Callable[[str], None] | None) -> None:
        self._stream, self._on_text, self.count = stream, on_text, 0

    def heard(self, _: int, token: int) -> None:
        """A token of the one episode."""
        self.count += 1
        if (piece := self._stream.add(token)) and self._on_text is not None:
            self._on_text(piece)
