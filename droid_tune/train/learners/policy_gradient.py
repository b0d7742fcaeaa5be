"""Group-relative policy optimisation: sample, judge, compare within the group, follow the gradient.

The stages are DESIGN.md section 3; the mathematics is in `droid_tune.methods`. A rollout is cut into slices
(TRL's micro-steps), an update gathers some of them; memory micro-batches inside a slice change no number.

Shapes: P prompts, G completions each, N = P x G rows, T positions.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.methods import entropy_bonus
from droid_tune.methods.entropy_bonus import EntropySettings, EntropyState
from droid_tune.methods.losses import (
    LossSpec,
    finish_metrics,
    policy_loss,
    settings_of,
    slice_context,
    top_entropy_mask,
)
from droid_tune.methods.losses.loss_metrics import combined
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.train.exploring.experience import Experience
from droid_tune.train.exploring.explore import Explorer
from droid_tune.train.learners.learner import State, Tensors
from droid_tune.train.learners.rollout_learner import RolloutLearner
from droid_tune.train.scoring_pass import scored
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator

Floats = NDArray[np.floating[Any]]


def loss_spec(method: PolicyMethodConfig) -> LossSpec:
    """A method's loss; a KL penalty that the reward has paid is not paid again."""
    return replace(settings_of(LossSpec, method), beta=method.kl_weight)


class PolicyGradient(RolloutLearner[Experience]):
    """GRPO and its descendants, told apart by their config alone."""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__(session)
        method = session.config.method
        assert isinstance(method, PolicyMethodConfig)
        self.method = method
        self.spec = loss_spec(method)
        self.bonus = settings_of(EntropySettings, method)
        self.explorer = Explorer(session, method, self.scorer)
        self.entropy: EntropyState = entropy_bonus.start(self.bonus)

    # -- one update --------------------------------------------------------------------------------

    def explore(self, step: int, watch: Stopwatch) -> tuple[Experience, dict[str, float]]:
        """A rollout, judged, told and prepared for training; and its rollout-side metrics."""
        return self.explorer.explore(step, watch)

    def has_signal(self, part: Experience) -> bool:
        """Whether a slice pulls anywhere: a token of a group whose rewards differ, or a bonus on entropy.

        The KL term alone does not count. Without a reward it would pull on rounding errors between policy and
        reference, which Adam makes as large as any other gradient.
        """
        if entropy_bonus.applied_coef(self.bonus, self.entropy):
            return True
        learnt = part.mask.any(axis=1)
        if self.method.loss_type == "a2po":
            return bool(learnt.any())
        return bool(_moving(part.advantages[learnt]).any())

    def learn(
        self, step: int, number: int, part: Experience, own: NDArray[np.int64], accumulator: Accumulator
    ) -> dict[str, float]:
        """Add the loss and gradient of slice `number`, of whose rows this rank has its `own`; its loss-side metrics."""
        session, method = self.session, self.method
        slices = session.config.training.gradient_accumulation_steps
        session.phase("update", step, number, slices, "slices")
        rows = part.in_the_loss
        keep = self._high_entropy(rows, own)
        own = self._teaching(own, part.advantages)
        kept_share = _share_kept(keep, part.mask)
        constants = part.loss_rows(keep)
        context = slice_context(
            part.mask,
            max_completion_length=session.config.sampling.max_completion_length,
            rollout_tokens=part.rollout_tokens,
            entropy_mask=keep,
            gradient_accumulation_steps=slices,
            steps_per_generation=method.steps_per_generation,
            entropy_coef=entropy_bonus.applied_coef(self.bonus, self.entropy),
        )

        def loss(chosen: NDArray[np.int64], logprobs: Any, entropies: Any) -> Any:
            session.pause_point()
            return policy_loss(self.spec, context, constants.take(own[chosen]), logprobs, entropies)

        value, gradients, parts = loss_and_gradients(
            session.policy,
            rows.take(own),
            loss,
            temperature=session.config.sampling.temperature,
            plan=session.plan,
            with_entropy=True,
            entropy_gradient=bool(context.entropy_coef),
            dropout_seed=session.seed("dropout", step, number),
        )
        accumulator.add(value, gradients)
        sums = session.world.gather_sums(combined(parts))
        totals = combined(sums)
        self.entropy = entropy_bonus.observe(
            self.entropy, totals.get("bonus_entropy", 0.0), totals.get("bonus_tokens", 0.0)
        )
        return finish_metrics(self.spec, context, sums) | kept_share

    def _teaching(self, own: NDArray[np.int64], advantages: Floats) -> NDArray[np.int64]:
        """The rows with a gradient: where only the policy term pulls, an advantage of 0 pulls nowhere.

        The loss-side metrics (entropy, ratio, clipping) are then those of the rows that are learnt from.
        """
        pulled_otherwise = self.method.kl_weight or entropy_bonus.applied_coef(self.bonus, self.entropy)
        if pulled_otherwise or self.bonus.entropy_target is not None or self.method.loss_type == "a2po":
            return own
        return own[_moving(advantages[own])]

    def _high_entropy(self, rows: ScoringRows, own: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """The tokens kept by `top_entropy_quantile` over the whole slice, which takes a pass of its own."""
        if self.method.top_entropy_quantile >= 1:
            return None
        session = self.session
        scores = scored(session, rows.take(own), with_entropy=True)
        assert scores.entropies is not None
        entropies = session.world.merge(scores.entropies, own, len(rows))
        return top_entropy_mask(entropies, rows.completion_mask, self.method.top_entropy_quantile)

    def after_update(self, step: int) -> None:
        """Adapts the entropy bonus, where it has a target, and tells what the update did to single tokens."""
        self.explorer.tokens.tell()
        self.entropy = entropy_bonus.close_window(self.bonus, self.entropy)

    def settings_changed(self) -> None:
        """The loss and the sampler follow the session's config."""
        method = self.session.config.method
        assert isinstance(method, PolicyMethodConfig)
        self.method, self.spec = method, loss_spec(method)
        self.explorer.settings_changed(method)

    # -- held-out rows and state -------------------------------------------------------------------

    def state(self) -> State:
        """JSON values."""
        values = self.explorer.values
        return super().state() | {
            "rollouts": self.explorer.rollouts,
            "entropy": asdict(self.entropy),
            "values": None if values is None else values.state(),
        }

    def restore(self, state: State, tensors: Tensors) -> None:
        """Takes back `state`, and an open rollout from its arrays."""
        super().restore(state, tensors)
        self.explorer.rollouts = int(state["rollouts"])
        self.entropy = EntropyState(**state["entropy"])
        if self.explorer.values is not None:
            self.explorer.values.restore(state["values"])

    def revived(self, tensors: Tensors) -> Experience:
        """A rollout from the arrays of a checkpoint."""
        return Experience.from_tensors(tensors)


def _moving(advantages: Floats) -> NDArray[np.bool_]:
    """Of each row whether its advantage, or that of one of its tokens, pulls anywhere."""
    moving = advantages != 0
    return moving if moving.ndim == 1 else moving.any(axis=1)


def _share_kept(keep: NDArray[np.bool_] | None, mask: Floats) -> dict[str, float]:
    """The share of a slice's tokens that `top_entropy_quantile` left in; {} without it."""
    tokens = float((mask > 0).sum())
    return {} if keep is None or not tokens else {"entropy_filter/kept": float(keep[mask > 0].sum()) / tokens}
