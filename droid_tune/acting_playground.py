"""The playground of a run that has tools: what is asked is an episode, and its tools run between the model's turns."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from droid_tune.config.environments import OwnCodeConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.environments.episode import Environment, Episode, EpisodeError, Seeds
from droid_tune.errors import UserError
from droid_tune.names import LAST
from droid_tune.playground import Playground, Reply
from droid_tune.rollout.episodes.trajectory import Recorder
from droid_tune.runs.folder import read_config
from droid_tune.runs.foreign import foreign_reach
from droid_tune.train.acting import acted_in
from droid_tune.turn_by_turn import Conversation, turn_by_turn


class ActingPlayground(Playground):
    """Answers as a `Playground`; with the tools of the run's own file where it has one and the person allowed it.

    Environments of packages bring prompts of their own: there the model answers without them.
    """

    _environment: Environment | None = None
    _most: int = 0

    @classmethod
    def of_run(cls, run_dir: Path, checkpoint: str = LAST) -> Self:
        """What the run has learnt, with its tools; they end with the playground. Raises UserError."""
        made = super().of_run(run_dir, checkpoint)
        config = read_config(run_dir)
        if isinstance(config.environment, OwnCodeConfig) and not foreign_reach(run_dir):
            opened = ExitStack()
            made._environment = opened.enter_context(acted_in(config, made._policy))
            made._most = config.environment.max_turn_tokens
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
        tools: Conversation = (),
    ) -> Reply:
        """The last answer of an episode with all its turns; `sampling` bounds them together. As `Playground.reply` else."""

        def answer(asked: str | Conversation | Row, within: SamplingConfig, told: Conversation) -> Reply:
            return super(ActingPlayground, self).reply(
                asked,
                within,
                with_adapter=with_adapter,
                on_text=on_text,
                watch=watch,
                seed=seed,
                tools=told,
            )

        if self._environment is None or tools:
            return answer(prompt, sampling, tools)
        row = dict(prompt) if isinstance(prompt, Mapping) else {"prompt": prompt}
        try:
            episode = self._environment.open(row, Seeds(seed, 0, 0)).result()
        except EpisodeError as error:
            raise UserError(f"The episode {error}", place="environment") from None
        try:
            return self._played(episode, sampling, answer)
        finally:
            episode.close()

    def _played(
        self,
        episode: Episode,
        sampling: SamplingConfig,
        answer: Callable[[Conversation, SamplingConfig, Conversation], Reply],
    ) -> Reply:
        """Turn by turn until the episode is over."""
        assert self._environment is not None
        tools, recorder, written = self._environment.tools, Recorder(episode.opening), 0

        def say(asked: Conversation, within: SamplingConfig, _: int) -> Reply:
            return answer(asked, within, tools)

        for said, heard in turn_by_turn(episode, sampling, self._most, say):
            recorder.wrote(written, written + said.tokens)
            written += said.tokens
            recorder.answered(said.text, heard, 0.0)
            if heard.ending is not None:
                path = recorder.finished(heard.ending)
                reason = "length" if path.cut else "stop"
                return Reply(path.answer, written, reason, said.prompt_ends, path.turns)
            recorder.follows(heard, 0, 0.0)
        raise AssertionError("an episode has an ending")
