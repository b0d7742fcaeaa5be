"""From data rows to a rollout: which prompts come next, and their completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.sampling import SamplingConfig
from droid_tune.rollout.decoding import completion_text
from droid_tune.rollout.generate import generate
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.drawing import draw
from droid_tune.train.row_reader import PromptRow
from droid_tune.train.training_session import TrainingSession

Array = NDArray[Any]


@dataclass(frozen=True)
class Sampled:
    """Data rows (P) and the completions of their prompts."""

    rows: list[PromptRow]
    rollout: Rollout

    def joined(self, other: Sampled) -> Sampled:
        """Both, one after the other."""
        return Sampled(self.rows + other.rows, joined(self.rollout, other.rollout))

    def take(self, groups: Array) -> Sampled:
        """Some of the groups, in the order given."""
        return Sampled([self.rows[i] for i in groups], take_groups(self.rollout, groups))


class Sampler:
    """Takes the next prompts and lets the policy complete them."""

    def __init__(self, session: TrainingSession, group_size: int) -> None:
        self.session = session
        self.group_size = group_size

    def sample(self, step: int, number: int) -> Sampled:
        """Rollout `number` of the run: its random state derives from (seed, number) alone."""
        session = self.session
        session.pause_point()
        rows = draw(session, session.reader.prompt)

        def progress(done: int, of: int) -> None:
            session.phase("rollout", step, done, of, "completions")

        session.phase("rollout", step, 0, len(rows) * self.group_size, "completions")
        return complete(
            session,
            rows,
            self.group_size,
            session.config.sampling,
            session.seed("rollout", number),
            progress,
        )


def complete(
    session: TrainingSession,
    rows: Sequence[PromptRow],
    group_size: int,
    sampling: SamplingConfig,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> Sampled:
    """Completions of every row; each rank makes those of its own groups, all of them know all."""
    world = session.world
    own = world.own_groups(len(rows))
    rollout = generate(
        session.policy,
        [rows[group].tokens for group in own],
        group_size=group_size,
        sampling=sampling,
        seed=seed,
        plan=session.plan,
        groups=own.tolist(),
        on_progress=on_progress,
        should_stop=session.stop_requested,
    )
    session.pause_point()
    return Sampled(list(rows), rollout if world.alone else _shared(session, rollout, own, rows))


def _shared(session: TrainingSession, own: Rollout, groups: Array, rows: Sequence[PromptRow]) -> Rollout:
    """The rollout of all ranks; texts are decoded again, everywhere from the same tokens."""
    world, size = session.world, own.group_size
    places, total = world.own_rows(groups, size), len(rows) * size
    tokens = world.merge(own.tokens, places, total)
    mask = world.merge(own.completion_mask, places, total)
    cut = world.merge(
        np.array([reason == "length" for reason in own.finish_reasons], np.int32), places, total
    )
    return Rollout(
        prompt_tokens=[row.tokens for row in rows],
        group_size=size,
        tokens=tokens,
        completion_mask=mask,
        sampled_logprobs=world.merge(own.sampled_logprobs, places, total),
        texts=[
            completion_text(session.policy, row[keep > 0].tolist())
            for row, keep in zip(tokens, mask, strict=True)
        ],
        finish_reasons=["length" if flag else "stop" for flag in cut],
    )


def take_groups(rollout: Rollout, groups: Array) -> Rollout:
    """Some of a rollout's groups, in the order given."""
    size = rollout.group_size
    rows = (np.asarray(groups)[:, None] * size + np.arange(size)).reshape(-1)
    return replace(
        rollout,
        prompt_tokens=[rollout.prompt_tokens[i] for i in groups],
        tokens=rollout.tokens[rows],
        completion_mask=rollout.completion_mask[rows],
        sampled_logprobs=rollout.sampled_logprobs[rows],
        texts=[rollout.texts[i] for i in rows],
        finish_reasons=[rollout.finish_reasons[i] for i in rows],
    )


def joined(first: Rollout, second: Rollout) -> Rollout:
    """Two rollouts with the same group size, one after the other."""
    width = max(first.tokens.shape[1], second.tokens.shape[1])

    def both(name: str) -> Array:
        parts = [getattr(rollout, name) for rollout in (first, second)]
        return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])

    return replace(
        first,
        prompt_tokens=first.prompt_tokens + second.prompt_tokens,
        tokens=both("tokens"),
        completion_mask=both("completion_mask"),
        sampled_logprobs=both("sampled_logprobs"),
        texts=first.texts + second.texts,
        finish_reasons=first.finish_reasons + second.finish_reasons,
    )
