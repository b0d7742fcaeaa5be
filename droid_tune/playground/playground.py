"""Talk to a model, or to what a run has learnt: with the adapter and without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import mlx.core as mx
from mlx_lm import stream_generate
from mlx_lm.sample_utils import make_sampler

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.lens import require_known
from droid_tune.data.templates import TemplateOptions, render_prompt
from droid_tune.events import PlayedTurn
from droid_tune.export.result import trained_policy
from droid_tune.model.adapter_files import load_arrays, read_arrays
from droid_tune.model.adapters import adapter_off
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.names import LAST, Thinking
from droid_tune.rewards.trials.answer_verdicts import GivenAnswer, verdicts_on
from droid_tune.rollout.decoding import TextStream, completion_text
from droid_tune.runs.folder import read_config
from droid_tune.runs.origin.foreign import foreign_reach
from droid_tune.train.saving.weights import weights_of
from droid_tune.trial_report import AnswerVerdict

#: messages, the last of them to be answered
Conversation = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Reply:
    """What was said, its length in tokens, why it ended (stop or length), and how its prompt ended as the model saw it.

    Where tools were used, `turns` are all behind the prompt. `aside` is what a person should know of it, a sentence
    each: that the run's environment had no part in it, what the template leaves out of the question.
    """

    text: str
    tokens: int
    finish_reason: str
    prompt_ends: str = ""
    turns: tuple[PlayedTurn, ...] = ()
    aside: str = ""


#: of a run that learns in an environment
WITHOUT = "Answered without the environment that the run learns in"


class Playground:
    """A loaded model that answers. Belongs to the thread that makes it."""

    def __init__(self, policy: Policy, options: TemplateOptions, step: int | None = None) -> None:
        self._policy = policy
        self._options = options
        #: of a run: after how many updates its weights are; None where that is not known
        self.step = step
        self._run: Path | None = None
        self._aside = ""

    @classmethod
    def of_run(cls, run_dir: Path, checkpoint: str = LAST) -> Self:
        """What the run has learnt (at its last checkpoint, its `best` or that of a step), asked as in the run itself."""
        config = read_config(run_dir)
        weights = weights_of(run_dir, checkpoint)
        options = TemplateOptions.of(config.data)
        made = cls(trained_policy(run_dir, weights), options, weights.step)
        made._run = run_dir
        made._aside = f"{WITHOUT}." if config.environment is not None else ""
        return made

    @classmethod
    def of_model(cls, name: str, *, system_prompt: str = "", thinking: Thinking = "template") -> Playground:
        """A model as it is."""
        return cls(load_policy(name), TemplateOptions(system_prompt, thinking))

    def turn_to(self, checkpoint: str) -> None:
        """Answer with the weights of another checkpoint of the same run; the model stays loaded. Raises UserError."""
        assert self._run is not None, "a model without a run has no checkpoints"
        weights = weights_of(self._run, checkpoint)
        load_arrays(self._policy, read_arrays(weights.file), place=str(weights.file))
        self.step = weights.step

    def verdicts(self, row: Row, answers: Sequence[Reply], watch: Watch = UNWATCHED) -> list[AnswerVerdict]:
        """What the run's own rewards say of answers to a row, and whether they are right. Raises UserError, `Stopped`."""
        assert self._run is not None, "a model without a run has no rewards"
        given = [GivenAnswer(one.text, one.tokens, one.finish_reason, one.prompt_ends) for one in answers]
        config = read_config(self._run)
        if foreign_reach(self._run):  # a stranger's code is not run before the person allowed it
            config = config.model_copy(update={"rewards": ()})
        return verdicts_on(config, row, given, watch)

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
        """The answer to a prompt, a conversation or a row; `on_text` hears each new piece, `watch` counts tokens and may end it.

        Raises `Stopped` where `watch` ends it, `UserError` where the template refuses the conversation.
        """
        if not with_adapter:
            with adapter_off(self._policy.model, self._policy.adapted):
                return self._answer(prompt, sampling, on_text, watch, seed)
        return self._answer(prompt, sampling, on_text, watch, seed)

    def _answer(
        self,
        prompt: str | Conversation | Row,
        sampling: SamplingConfig,
        on_text: Callable[[str], None] | None,
        watch: Watch,
        seed: int,
    ) -> Reply:
        row: dict[str, Any] = (
            dict(prompt)
            if isinstance(prompt, dict)
            else {"prompt": prompt if isinstance(prompt, str) else list(prompt)}
        )
        rendered = render_prompt(self._policy.tokenizer, row, self._options)
        require_known(rendered.tokens, self._policy.embedding_rows)
        mx.random.seed(seed)
        sampler = make_sampler(
            temp=sampling.temperature, top_p=sampling.top_p, top_k=sampling.top_k, min_p=sampling.min_p
        )
        stream, sampled, reason = TextStream(self._policy), list[int](), "length"
        for response in stream_generate(
            self._policy.model,
            self._policy.tokenizer,
            rendered.tokens,
            max_tokens=sampling.max_completion_length,
            sampler=sampler,
        ):
            sampled.append(int(response.token))
            reason = response.finish_reason or reason
            if (piece := stream.add(sampled[-1])) and on_text is not None:
                on_text(piece)
            watch.tell(len(sampled), sampling.max_completion_length)
        text = completion_text(self._policy, sampled)
        aside = " ".join(filter(None, (self._aside, *(note.text for note in rendered.notes))))
        return Reply(text, len(sampled), reason, rendered.ends, aside=aside)
