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

from droid_tune.config.policy_method import PolicyMethodConfig
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
from droid_tune.model.gradients.scoring import loss_and_gradients, score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.train.accumulator import Accumulator
from droid_tune.train.evaluate import Evaluated, evaluate_by_reward
from droid_tune.train.experience import Experience, SliceCursor
from droid_tune.train.explore import Explorer
from droid_tune.train.learner import Gathered, State, Tensors
from droid_tune.train.score import Scorer
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


def loss_spec(method: PolicyMethodConfig) -> LossSpec:
    """A method's loss; a KL penalty that the reward has paid is not paid again."""
    return replace(settings_of(LossSpec, method), beta=method.kl_weight)


class PolicyGradient:
    """GRPO and its descendants, told apart by their config alone."""

    def __init__(self, session: TrainingSession) -> None:
        method = session.config.method
        assert isinstance(method, PolicyMethodConfig)
        self.session = session
        self.method = method
        self.spec = loss_spec(method)
        self.bonus = settings_of(EntropySettings, method)
        self.scorer = Scorer(session)
        self.explorer = Explorer(session, method, self.scorer)
        self.experience: Experience | None = None
        self.cursor = SliceCursor(0, method.steps_per_generation, method.num_iterations)
        self.entropy: EntropyState = entropy_bonus.start(self.bonus)

    # -- one update --------------------------------------------------------------------------------

    def gather(self, step: int) -> Gathered:
        """The gradient of `gradient_accumulation_steps` slices, sampling new rollouts when the old are used up."""
        session = self.session
        slices = session.config.training.gradient_accumulation_steps
        accumulator, watch = Accumulator(), Stopwatch()
        metrics: list[dict[str, float]] = []
        signal = False
        for number in range(slices):
            if self.experience is None or self.cursor.exhausted:
                self.experience, found = self.explorer.explore(step, watch)
                self.cursor = replace(self.cursor, rows=len(self.experience), next=0)
                metrics.append(found)
            with watch("update"):
                index = self.cursor.take()
                part = self.experience.take(index)
                own = session.world.own_places(index // self.method.group_size)
                signal |= self._has_signal(part)
                metrics.append(self.learn(step, number, part, own, accumulator))
        gradients = session.world.sum_tree(accumulator.gradients)
        loss = session.world.sum_number(accumulator.loss)
        return Gathered(gradients, loss, _mean_of(metrics), watch.seconds, signal)

    def _has_signal(self, part: Experience) -> bool:
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
        temperature = session.config.sampling.temperature
        scores = score(
            session.policy,
            rows.take(own),
            temperature=temperature,
            plan=session.plan,
            with_entropy=True,
            watch=session.stopping,
        )
        assert scores.entropies is not None
        entropies = session.world.merge(scores.entropies, own, len(rows))
        return top_entropy_mask(entropies, rows.completion_mask, self.method.top_entropy_quantile)

    def after_update(self, step: int) -> None:
        """Adapts the entropy bonus, where it has a target, and tells what the update did to single tokens."""
        self.explorer.tokens.tell()
        self.entropy = entropy_bonus.close_window(self.bonus, self.entropy)

    @property
    def mid_rollout(self) -> bool:
        """Whether slices of a rollout are left to be learnt from."""
        return self.experience is not None and not self.cursor.exhausted

    def settings_changed(self) -> None:
        """The loss and the sampler follow the session's config."""
        method = self.session.config.method
        assert isinstance(method, PolicyMethodConfig)
        self.method, self.spec = method, loss_spec(method)
        self.explorer.settings_changed(method)

    # -- held-out rows and state -------------------------------------------------------------------

    def evaluate(self, step: int) -> Evaluated | None:
        """Held-out rows; None where there are none."""
        return evaluate_by_reward(self.session, self.scorer, step)

    def state(self) -> State:
        """JSON values; `replay` is the next slice of the rollout that is not used up yet."""
        return {
            "batches": self.session.batches.state(),
            "rollouts": self.explorer.rollouts,
            "entropy": asdict(self.entropy),
            "values": None if self.explorer.values is None else self.explorer.values.state(),
            "replay": self.cursor.next if self.mid_rollout else None,
        }

    def tensors(self) -> Tensors:
        """The rollout that is not used up yet."""
        if self.experience is None or not self.mid_rollout:
            return {}
        return self.experience.to_tensors()

    def restore(self, state: State, tensors: Tensors) -> None:
        """Takes back `state`, and an open rollout from its arrays."""
        self.session.batches.restore(state["batches"])
        self.explorer.rollouts = int(state["rollouts"])
        self.entropy = EntropyState(**state["entropy"])
        if self.explorer.values is not None:
            self.explorer.values.restore(state["values"])
        self.experience = None
        if state["replay"] is not None:
            self.experience = Experience.from_tensors(tensors)
            self.cursor = replace(self.cursor, rows=len(self.experience), next=int(state["replay"]))


def _moving(advantages: Floats) -> NDArray[np.bool_]:
    """Of each row whether its advantage, or that of one of its tokens, pulls anywhere."""
    return (advantages.reshape(len(advantages), -1) != 0).any(axis=1)


def _share_kept(keep: NDArray[np.bool_] | None, mask: Floats) -> dict[str, float]:
    """The share of a slice's tokens that `top_entropy_quantile` left in; {} without it."""
    tokens = float((mask > 0).sum())
    return {} if keep is None or not tokens else {"entropy_filter/kept": float(keep[mask > 0].sum()) / tokens}


def _mean_of(metrics: list[dict[str, float]]) -> dict[str, float]:
    """Each metric's mean over the slices (or rollouts) that have it; NaN where one of them is NaN alone."""
    names = dict.fromkeys(name for one in metrics for name in one)
    return {name: float(np.mean([one[name] for one in metrics if name in one])) for name in names}
