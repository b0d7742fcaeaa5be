"""One generation batch on its way from the sampler to the advantages.

Shapes: P prompts, G completions each, N = P x G rows with the groups one after another, T positions, K rewards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.advantages import weighted_totals
from droid_tune.rollout.rollout import Rollout, rows_of_groups
from droid_tune.train.rows.row_reader import PromptRow

Table = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Batch:
    """Data rows (P), the completions of their prompts, and what each reward said of each completion.

    `table` (N, K): NaN where a reward does not apply or failed; `names` and `weights` (K,). `shown`: what has a curve
    of its own, rewards and the parts they are made of, (N,) each. `reasons`: each reward's words (N) on why.
    """

    rows: list[PromptRow]
    rollout: Rollout
    table: Table
    names: tuple[str, ...]
    weights: tuple[float, ...]
    shown: Mapping[str, Table]
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @property
    def totals(self) -> Table:
        """The weighted reward of each completion (N,), NaN where no reward judged it."""
        return weighted_totals(self.table, self.weights)

    def take(self, groups: NDArray[Any]) -> Batch:
        """Some of the groups, in the order given."""
        index, prompts = rows_of_groups(groups, self.rollout.group_size), self.rollout.prompt_tokens
        some = self._of(index)
        return replace(
            some,
            rows=[self.rows[group] for group in groups],
            rollout=replace(some.rollout, prompt_tokens=[prompts[group] for group in groups]),
        )

    def narrowed(self, index: NDArray[Any]) -> Batch:
        """The same groups with fewer completions, equally many of each: those at `index`, in their order."""
        some = self._of(index)
        return replace(some, rollout=replace(some.rollout, group_size=len(index) // len(self.rows)))

    def _of(self, index: NDArray[Any]) -> Batch:
        rollout = self.rollout
        return replace(
            self,
            rollout=replace(
                rollout,
                tokens=rollout.tokens[index],
                completion_mask=rollout.completion_mask[index],
                sampled_logprobs=rollout.sampled_logprobs[index],
                texts=[rollout.texts[row] for row in index],
                finish_reasons=[rollout.finish_reasons[row] for row in index],
                drawn_logprobs=None if rollout.drawn_logprobs is None else rollout.drawn_logprobs[index],
                trajectories=rollout.trajectories and [rollout.trajectories[row] for row in index],
            ),
            table=self.table[index],
            shown={name: column[index] for name, column in self.shown.items()},
            reasons={name: [said[row] for row in index] for name, said in self.reasons.items()},
        )

    def joined(self, other: Batch) -> Batch:
        """Both, one after the other; groups of the same size, judged by the same rewards."""
        first, second = self.rollout, other.rollout
        width = max(first.tokens.shape[1], second.tokens.shape[1])

        def both(name: str) -> NDArray[Any]:
            parts = [getattr(rollout, name) for rollout in (first, second)]
            return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])

        return replace(
            self,
            rows=self.rows + other.rows,
            rollout=replace(
                first,
                prompt_tokens=first.prompt_tokens + second.prompt_tokens,
                tokens=both("tokens"),
                completion_mask=both("completion_mask"),
                sampled_logprobs=both("sampled_logprobs"),
                texts=first.texts + second.texts,
                finish_reasons=first.finish_reasons + second.finish_reasons,
                drawn_logprobs=None if first.drawn_logprobs is None else both("drawn_logprobs"),
                trajectories=first.trajectories and first.trajectories + (second.trajectories or []),
                read_tokens=first.read_tokens + second.read_tokens,
                stood_seconds=first.stood_seconds + second.stood_seconds,
            ),
            table=np.concatenate([self.table, other.table]),
            shown=_joined_columns(self, other),
            reasons={name: [*said, *other.reasons[name]] for name, said in self.reasons.items()},
        )


def _joined_columns(first: Batch, second: Batch) -> dict[str, Table]:
    """What is shown of both, NaN where one of them has no such column."""
    nothing = np.full(len(first.table), np.nan), np.full(len(second.table), np.nan)
    return {
        name: np.concatenate([first.shown.get(name, nothing[0]), second.shown.get(name, nothing[1])])
        for name in dict.fromkeys([*first.shown, *second.shown])
    }
