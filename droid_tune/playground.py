"""Talk to a model, or to what a run has learnt: with the adapter and without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm import stream_generate
from mlx_lm.sample_utils import make_sampler

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.lens import require_known
from droid_tune.data.templates import TemplateOptions, render_prompt
from droid_tune.export.result import trained_policy
from droid_tune.model.adapters import adapter_off
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.names import LAST, Thinking
from droid_tune.rollout.decoding import TextStream, completion_text
from droid_tune.runs.folder import read_config
from droid_tune.train.weights import weights_of


@dataclass(frozen=True)
class Reply:
    """What was said, its length in tokens, and why it ended: stop or length."""

    text: str
    tokens: int
    finish_reason: str


class Playground:
    """A loaded model that answers. Belongs to the thread that makes it."""

    def __init__(self, policy: Policy, options: TemplateOptions, step: int | None = None) -> None:
        self._policy = policy
        self._options = options
        #: of a run: after how many updates its weights are; None where that is not known
        self.step = step

    @classmethod
    def of_run(cls, run_dir: Path, checkpoint: str = LAST) -> Playground:
        """What the run has learnt (at its last checkpoint, its `best` or that of a step), asked as in the run itself."""
        config = read_config(run_dir)
        weights = weights_of(run_dir, checkpoint)
        options = TemplateOptions(config.data.system_prompt, config.data.thinking)
        return cls(trained_policy(run_dir, weights), options, weights.step)

    @classmethod
    def of_model(cls, name: str, *, system_prompt: str = "", thinking: Thinking = "template") -> Playground:
        """A model as it is."""
        return cls(load_policy(name), TemplateOptions(system_prompt, thinking))

    def reply(
        self,
        prompt: str | Sequence[dict[str, Any]],
        sampling: SamplingConfig,
        *,
        with_adapter: bool = True,
        on_text: Callable[[str], None] | None = None,
        watch: Watch = UNWATCHED,
        seed: int = 0,
        tools: Sequence[dict[str, Any]] = (),
    ) -> Reply:
        """The answer to a prompt or a conversation; `on_text` hears each new piece, `watch` counts tokens and may end it.
        `tools` are shown as the template has them.

        Raises `Stopped` where `watch` ends it, `UserError` where the template refuses the conversation.
        """
        if not with_adapter:
            with adapter_off(self._policy.model, self._policy.adapted):
                return self._answer(prompt, sampling, on_text, watch, seed, tools)
        return self._answer(prompt, sampling, on_text, watch, seed, tools)

    def _answer(
        self,
        prompt: str | Sequence[dict[str, Any]],
        sampling: SamplingConfig,
        on_text: Callable[[str], None] | None,
        watch: Watch,
        seed: int,
        tools: Sequence[dict[str, Any]],
    ) -> Reply:
        row: dict[str, Any] = {"prompt": prompt if isinstance(prompt, str) else list(prompt)}
        if tools:
            row["tools"] = list(tools)
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
        return Reply(completion_text(self._policy, sampled), len(sampled), reason)
