"""A reward model at work: a run of ours, its exported adapter, or a classifier's folder. It reads answers and gives numbers.

Where it is an adapter on the base of a policy that is in memory, it computes with that base's weights: its layers stand in the
policy's place while it reads.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import mlx.nn as nn
import numpy as np

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.rendering.shapes import TemplateOptions
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.adapter_files import (
    SETTINGS,
    WEIGHTS,
    adapter_config_in,
    load_arrays,
    read_arrays,
)
from droid_tune.model.adapters import adapter_beside, adapters_exchanged
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.value_gradients import values_of
from droid_tune.model.heads.classifier import load_classifier
from droid_tune.model.heads.value_head import HEAD_WEIGHTS, head_of_weights
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.model_files.hub import resolve_model
from droid_tune.model_files.model_folder import read_json
from droid_tune.paths import user_path
from droid_tune.runs.folder import find_run, fused_base, read_config

#: an answer: the tokens of its prompt, and its own
Answer = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class RewardModel:
    """`policy` computes; `beside` are the reward model's own adapter layers where the policy is another run's."""

    policy: Policy
    head: nn.Linear
    beside: dict[str, nn.Module] | None = None
    options: TemplateOptions = field(default_factory=TemplateOptions)
    longest: int | None = None  # tokens that it was taught to read; None: as many as the model takes

    @property
    def limit(self) -> int | None:
        """Tokens that an answer may have with its prompt; what is longer is read without its end."""
        known = [one for one in (self.longest, self.policy.context_length) if one]
        return min(known, default=None)

    def numbers(self, answers: Sequence[Answer], plan: MemoryPlan, watch: Watch = UNWATCHED) -> list[float]:
        """Of each answer the number behind its last token; answers that follow one prompt share its pass. Raises Stopped."""
        rows = rows_to_read(answers, self.limit)
        with self._standing():
            return values_of(self.policy, rows, self.head, plan, watch).sum(axis=1).tolist()

    @contextmanager
    def _standing(self) -> Generator[None]:
        if self.beside is None:
            yield
            return
        with adapters_exchanged(self.policy.model, self.policy.adapted, self.beside):
            yield


def rows_to_read(answers: Sequence[Answer], limit: int | None = None) -> ScoringRows:
    """Answers behind their prompts, with one more token each, the only one that is scored: the state before it has read all."""
    cut = [_within(prompt, answer, limit) for prompt, answer in answers]
    prompts = list(dict.fromkeys(tuple(prompt) for prompt, _ in cut))
    places = {prompt: place for place, prompt in enumerate(prompts)}
    width = max(len(answer) for _, answer in cut) + 1
    tokens, mask = np.zeros((len(cut), width), np.int32), np.zeros((len(cut), width), np.float32)
    for row, (_, answer) in enumerate(cut):
        tokens[row, : len(answer)] = answer
        mask[row, len(answer)] = 1.0
    index = np.array([places[tuple(prompt)] for prompt, _ in cut], np.int64)
    return ScoringRows([list(prompt) for prompt in prompts], index, tokens, mask)


def _within(prompt: Sequence[int], answer: Sequence[int], limit: int | None) -> Answer:
    if limit is None:
        return prompt, answer
    return prompt[:limit], answer[: max(0, limit - len(prompt))]


def open_reward_model(name: str, sharing: Policy | None = None, watch: Watch = UNWATCHED) -> RewardModel:
    """A run of ours by id or folder, a folder with its adapter, or a classifier's folder or Hub id.

    `sharing` is a policy whose base may be shared. Raises UserError where `name` is none of these.
    """
    run: Path | None = None
    with suppress(UserError):
        run = find_run(name)
    if run is not None:
        config = read_config(run)
        require_reward_run(run, config)
        base = fused_base(run) or resolve_model(config.model.path, config.model.revision, watch)
        options = TemplateOptions.of(config.data)
        longest = config.training.max_seq_length
        return _of_adapter(run, base, sharing, watch, options, longest)
    folder = user_path(name)
    if (folder / HEAD_WEIGHTS).is_file():
        base = resolve_model(str(read_json(folder / SETTINGS).get("model") or ""), "", watch)
        return _of_adapter(folder, base, sharing, watch, TemplateOptions(), None)
    policy, head = load_classifier(name, watch)
    return RewardModel(policy, head)


def require_reward_run(run: Path, config: RunConfig) -> None:
    """Raise UserError for a run that made no reward model, or not yet."""
    if config.method.type != "reward":
        raise UserError(
            f"The run {run.name} trained by {type(config.method).label}, so it gives no rewards",
            remedy="name a run of `method: reward`",
        )
    if not (run / HEAD_WEIGHTS).is_file() or not (run / WEIGHTS).is_file():
        raise UserError(
            f"The reward model {run.name} is not finished",
            remedy="train it to its end first",
        )


def _of_adapter(
    folder: Path,
    base: Path,
    sharing: Policy | None,
    watch: Watch,
    options: TemplateOptions,
    longest: int | None,
) -> RewardModel:
    """An adapter with its head, on a base that is in memory where that is the same."""
    config = adapter_config_in(folder)
    arrays = read_arrays(folder / WEIGHTS)
    head = head_of_weights(read_arrays(folder / HEAD_WEIGHTS)["score.weight"])
    place = str(folder / WEIGHTS)
    if sharing is not None and shares_base(sharing, base, config):
        beside = adapter_beside(sharing.model, sharing.adapted, config, arrays, place=place)
        return RewardModel(sharing, head, beside, options, longest)
    policy = load_policy(base, config, watch=watch)
    load_arrays(policy, arrays, place=place)
    return RewardModel(policy, head, None, options, longest)


def shares_base(policy: Policy, base: Path, adapter: AdapterConfig) -> bool:
    """Whether a policy's base, which its training does not move, is the one that an adapter belongs to."""
    return "full" not in (policy.adapter.type, adapter.type) and policy.path.resolve() == base.resolve()
