"""What must be known of a batch before its loss: the reference's scores, weights, the divergence, the mean reward."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.preference_methods import ImplicitRewardConfig, PreferenceConfig
from droid_tune.methods.losses.pairs.bco_loss import RunningMean
from droid_tune.methods.losses.pairs.dpo_loss import on_policy_weights
from droid_tune.methods.losses.pairs.kto_loss import kto_divergence, mismatched
from droid_tune.methods.losses.pairs.pair_sides import answer_sums, shared_length
from droid_tune.model.gradients.scoring import Scores
from droid_tune.model.gradients.value_gradients import values_of
from droid_tune.model.heads.value_head import reward_head
from droid_tune.model_files.base_digest import digests_of
from droid_tune.train.learners.pairs.judged_rows import JudgedRows, JudgedUnit, judged_rows_of
from droid_tune.train.learners.pairs.pair_recipes import Floats, Known, PairRecipe
from droid_tune.train.learners.pairs.reference_scores import ReferenceScores
from droid_tune.train.rows.examples import TrainingExample
from droid_tune.train.scoring_pass import scored
from droid_tune.train.training_session import TrainingSession

Units = NDArray[np.int64]


@dataclass
class Beforehand:
    """Looks at batches without a gradient. `rewards` is BCO's mean reward so far; `held_out` are the reference's scores
    of held-out rows, which a resume makes anew."""

    session: TrainingSession
    method: PreferenceConfig
    recipe: PairRecipe
    rewards: RunningMean = field(default_factory=RunningMean)
    references: ReferenceScores = field(init=False)
    held_out: ReferenceScores = field(init=False)

    def __post_init__(self) -> None:
        self.references = ReferenceScores(self.method.answers)
        self.held_out = ReferenceScores(self.method.answers)

    def known(self, step: int, judged: JudgedRows, own: Units) -> Known:
        """Of a batch of training rows, of whose units this rank has its `own`."""
        arrays = self.fixed(judged, self.references)
        numbers: dict[str, float] = {}
        if self.recipe.weighs:
            arrays["weights"] = self._weights(judged, own)
        if self.recipe.divergence:
            numbers["kl"] = self.divergence(judged.units)
        if self.recipe.threshold:
            self.rewards = self.rewards.including(self._rewards(judged, own, arrays["reference"]))
            numbers["delta"] = self.rewards.mean
        return Known(numbers, arrays)

    def fixed(self, judged: JudgedRows, references: ReferenceScores) -> dict[str, Floats]:
        """What does not change while the policy learns."""
        arrays: dict[str, Floats] = {"good": judged.good, "margins": judged.margins}
        if self.method.compares:
            arrays["reference"] = references.of(judged.units, self._score_reference)
        if self.method.learns_prompt:
            arrays["read"] = judged.read_mask[:: judged.answers]
        return arrays

    def scores(self, judged: JudgedRows, own: Units, *, with_entropy: bool = False) -> list[Floats]:
        """Log-probabilities, and entropies where asked, of the own units' rows (n x S, T) under the policy; of a reward
        model its numbers."""
        if self.recipe.numbers:
            session = self.session
            rows = judged.rows.take(judged.row_numbers(own))
            head = reward_head(session.policy)
            return [values_of(session.policy, rows, head, session.plan, session.stopping)]
        found = self._score(judged, own, with_entropy=with_entropy)
        return [found.logprobs] if found.entropies is None else [found.logprobs, found.entropies]

    def sums(self, judged: JudgedRows, logprobs: Floats, units: Units) -> Floats:
        """Log-probabilities of whole answers (n, S) from those of tokens (n x S, T)."""
        size = judged.answers
        masks = mx.array(judged.answer_mask[judged.row_numbers(units)])
        shared = shared_length(masks[::size], masks[1::size]) if size > 1 else None
        columns = [
            answer_sums(
                mx.array(logprobs)[place::size],
                masks[place::size],
                ld_alpha=self.recipe.ld_alpha if place < 2 else None,
                shared=shared,
            )
            for place in range(size)
        ]
        return np.array(mx.stack(columns, axis=1))

    @cached_property
    def base(self) -> str:
        """The digest of what the reference's scores depend on beside the rows; empty where nothing is compared with it."""
        if not self.method.compares:
            return ""
        found = digests_of(self.session.policy.path)
        if self.session.config.starts_as_reference:
            found["start"] = "its adapter"  # a copy in the run's folder, which nobody changes
        if self.recipe.ld_alpha is not None:  # kept are sums over answers, which it weighs
            found["ld_alpha"] = str(self.recipe.ld_alpha)
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    # -- passes without a gradient -----------------------------------------------------------------

    def _score(
        self,
        judged: JudgedRows,
        units: Units,
        *,
        reference: bool = False,
        with_entropy: bool = False,
        with_collisions: bool = False,
    ) -> Scores:
        self.session.pause_point()
        return scored(
            self.session,
            judged.rows.take(judged.row_numbers(units)),
            temperature=1.0,
            with_entropy=with_entropy,
            with_collisions=with_collisions,
            reference=reference,
        )

    def _score_reference(self, units: Sequence[JudgedUnit]) -> Floats:
        """Each rank scores its own of these; then all know all."""
        judged, world = judged_rows_of(units), self.session.world
        own = world.own_groups(len(units))
        return world.merge(self._sums_under(judged, own, reference=True), own, len(units))

    def _sums_under(self, judged: JudgedRows, own: Units, *, reference: bool) -> Floats:
        if not len(own):
            return np.zeros((0, judged.answers), np.float32)
        return self.sums(judged, self._score(judged, own, reference=reference).logprobs, own)

    def _weights(self, judged: JudgedRows, own: Units) -> Floats:
        """WPO's weight of each pair (n,): how likely its answers are for the policy."""
        size, numbers, world = judged.answers, judged.row_numbers(own), self.session.world
        found = self._score(judged, own, with_collisions=True)
        assert found.collisions is not None
        each = on_policy_weights(
            mx.array(found.logprobs), mx.array(found.collisions), mx.array(judged.answer_mask[numbers])
        )
        return world.merge(np.array(each[::size] * each[1::size]), own, len(judged.units))

    def _rewards(self, judged: JudgedRows, own: Units, reference: Floats) -> Floats:
        """BCO's rewards of all answers of the batch (n,)."""
        assert isinstance(self.method, ImplicitRewardConfig)
        policy = self._sums_under(judged, own, reference=False)[:, 0]
        rewards = np.float32(self.method.beta) * (policy - reference[own, 0])
        return self.session.world.merge(rewards, own, len(judged.units))

    def divergence(self, units: Sequence[JudgedUnit]) -> float:
        """KTO's point of view: the divergence on each prompt's neighbour's answer."""
        others = mismatched(len(units), len(units))
        crossed = [crossed_over(unit, units[other]) for unit, other in zip(units, others, strict=True)]
        limit = self.session.reader.limit
        judged = judged_rows_of([_within(one, limit) for one in crossed])
        world = self.session.world
        own = world.own_groups(len(units))
        both = [
            world.merge(self._sums_under(judged, own, reference=reference), own, len(units))
            for reference in (False, True)
        ]
        return kto_divergence(*both)


def crossed_over(unit: JudgedUnit, other: JudgedUnit) -> JudgedUnit:
    """A unit's prompt with the answer of another."""
    asked, answered = unit.answers[0], other.answers[0]
    tokens = asked.tokens[: asked.start] + answered.tokens[answered.start :]
    learn = [False] * asked.start + answered.learn[answered.start :]
    return replace(unit, answers=(TrainingExample(asked.number, tokens, learn),))


def _within(unit: JudgedUnit, limit: int) -> JudgedUnit:
    """At most `limit` tokens, the prompt cut at its beginning where it leaves no room for the answer."""
    one = unit.answers[0]
    if len(one.tokens) <= limit:
        return unit
    over = len(one.tokens) - limit
    cut = min(over, one.start - 1)
    short = replace(one, tokens=one.tokens[cut:][:limit], learn=one.learn[cut:][:limit])
    return replace(unit, answers=(short,))
