"""Group-relative policy optimisation: sample, judge, compare within the group, follow the gradient.

The stages are DESIGN.md section 3; the mathematics is in `droid_tune.methods`. A rollout is cut into slices
(TRL's micro-steps), an update gathers some of them; memory micro-batches inside a slice change no number.

Shapes: P prompts, G completions each, N = P x G rows, T positions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.config.policy_method import PolicyMethodConfig
from droid_tune.methods import entropy_bonus
from droid_tune.methods.advantages import Advantages, compute_advantages
from droid_tune.methods.completions import length_metrics, loss_mask
from droid_tune.methods.correction import sampler_ratio, sampling_metrics
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
from droid_tune.methods.overlong import soft_overlong_reward
from droid_tune.model.gradients.scoring import loss_and_gradients, score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.train.accumulator import Accumulator
from droid_tune.train.evaluate import Evaluated, evaluate_by_reward
from droid_tune.train.experience import Experience, Replay
from droid_tune.train.learner import Gathered, State, Tensors
from droid_tune.train.sampler import Sampled, Sampler
from droid_tune.train.score import Judge, Judged
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Collected:
    """A whole generation batch: what was sampled, how it was judged, what that is worth."""

    sampled: Sampled
    judged: Judged
    advantages: Advantages


class PolicyGradient:
    """GRPO and its descendants, told apart by their config alone."""

    def __init__(self, session: TrainingSession) -> None:
        method = session.config.method
        assert isinstance(method, PolicyMethodConfig)
        self.session = session
        self.method = method
        self.spec = settings_of(LossSpec, method)
        self.bonus = settings_of(EntropySettings, method)
        self.sampler = Sampler(session, method.group_size)
        self.judge = Judge(session, method.group_size)
        self.replay: Replay | None = None
        self.rollouts = 0  # made so far: the random state of each derives from its number
        self.entropy: EntropyState = entropy_bonus.start(self.bonus)

    # -- one update --------------------------------------------------------------------------------

    def gather(self, step: int) -> Gathered:
        """The gradient of `gradient_accumulation_steps` slices, sampling new rollouts when the old are used up."""
        slices = self.session.config.training.gradient_accumulation_steps
        accumulator, watch = Accumulator(), Stopwatch()
        metrics: list[dict[str, float]] = []
        signal = False
        for number in range(slices):
            if self.replay is None or self.replay.exhausted:
                self.replay, found = self.explore(step, watch)
                metrics.append(found)
            signal |= self._has_signal(self.replay)
            with watch("update"):
                metrics.append(self.learn(step, number, slices, self.replay, accumulator))
        world = self.session.world
        gradients, loss = world.sum_tree(accumulator.gradients), world.sum_number(accumulator.loss)
        return Gathered(gradients, loss, _mean_of(metrics), watch.seconds, signal)

    def _has_signal(self, replay: Replay) -> bool:
        """Whether the next slice pulls anywhere: a token of a group whose rewards differ, or a bonus on entropy.

        The KL term alone does not count. Without a reward it would pull on rounding errors between policy and
        reference, which Adam makes as large as any other gradient.
        """
        if entropy_bonus.applied_coef(self.bonus, self.entropy):
            return True
        index = replay.experience.slice_rows(replay.next % replay.slices, replay.slices)
        learnt = replay.experience.mask[index].any(axis=1)
        return bool((replay.experience.advantages[index][learnt] != 0).any())

    def learn(
        self, step: int, number: int, slices: int, replay: Replay, accumulator: Accumulator
    ) -> dict[str, float]:
        """Add one slice's loss and gradient; returns its loss-side metrics."""
        session, method = self.session, self.method
        session.phase("update", step, number, slices, "slices")
        experience = replay.experience
        index = replay.take()
        rows = experience.scored_rows(index)
        own = self._own(index)
        keep = self._high_entropy(rows, own)
        own = self._teaching(own, experience.advantages[index])
        kept_share = _share_kept(keep, experience.mask[index])
        constants = experience.loss_rows(index, keep)
        context = slice_context(
            experience.mask[index],
            max_completion_length=session.config.sampling.max_completion_length,
            rollout_tokens=experience.rollout_tokens,
            entropy_mask=keep,
            gradient_accumulation_steps=slices,
            steps_per_generation=method.steps_per_generation,
            entropy_coef=entropy_bonus.applied_coef(self.bonus, self.entropy),
        )

        def loss(part: NDArray[np.int64], logprobs: Any, entropies: Any) -> Any:
            session.pause_point()
            return policy_loss(self.spec, context, constants.take(own[part]), logprobs, entropies)

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

    def _own(self, index: NDArray[Any]) -> NDArray[np.int64]:
        """Which of a slice's rows are this rank's, by their place in the slice."""
        world = self.session.world
        return np.flatnonzero((index // self.method.group_size) % world.size == world.rank)

    def _teaching(self, own: NDArray[np.int64], advantages: Floats) -> NDArray[np.int64]:
        """The rows with a gradient: where only the policy term pulls, an advantage of 0 pulls nowhere.

        The loss-side metrics (entropy, ratio, clipping) are then those of the rows that are learnt from.
        """
        pulled_otherwise = self.method.beta or entropy_bonus.applied_coef(self.bonus, self.entropy)
        return own if pulled_otherwise or self.bonus.entropy_target is not None else own[advantages[own] != 0]

    def _high_entropy(self, rows: ScoringRows, own: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """The tokens kept by `top_entropy_quantile` over the whole slice, which takes a pass of its own."""
        if self.method.top_entropy_quantile >= 1:
            return None
        session = self.session
        temperature = session.config.sampling.temperature
        scores = score(
            session.policy, rows.take(own), temperature=temperature, plan=session.plan, with_entropy=True
        )
        assert scores.entropies is not None
        entropies = session.world.merge(scores.entropies, own, len(rows))
        return top_entropy_mask(entropies, rows.completion_mask, self.method.top_entropy_quantile)

    def after_update(self, step: int) -> None:
        self.entropy = entropy_bonus.close_window(self.bonus, self.entropy)

    # -- one rollout -------------------------------------------------------------------------------

    def explore(self, step: int, watch: Stopwatch) -> tuple[Replay, dict[str, float]]:
        """Sample and judge a rollout and prepare it for training; returns its rollout-side metrics."""
        collected, metrics = self._collect(step, watch)
        rollout = collected.sampled.rollout
        lengths = [int(length) for length in rollout.completion_mask.sum(axis=1)]
        truncated = np.array([reason == "length" for reason in rollout.finish_reasons])
        masked = truncated if self.method.mask_truncated_completions else None
        mask = loss_mask(lengths, masked, width=rollout.tokens.shape[1])
        rows = ScoringRows.of_groups(
            rollout.prompt_tokens, rollout.group_size, rollout.tokens, rollout.completion_mask
        )
        with watch("update"):
            experience = self._prepare(step, rows, mask, collected)
        prompt_lengths = np.repeat([len(prompt) for prompt in rollout.prompt_tokens], rollout.group_size)
        metrics |= length_metrics(lengths, truncated, prompt_lengths.tolist())
        metrics |= collected.advantages.metrics
        metrics["sampled_tokens"] = float(sum(lengths))
        if experience.old_logprobs is not None:
            metrics |= sampling_metrics(
                experience.old_logprobs,
                rollout.sampled_logprobs,
                rollout.completion_mask,
                experience.sampler_ratio,
            )
        return Replay(experience, self.method.steps_per_generation, self.method.num_iterations), metrics

    def _prepare(self, step: int, rows: ScoringRows, mask: Floats, collected: Collected) -> Experience:
        """Score what the method needs under the old and the reference policy; nothing that it does not."""
        method, session = self.method, self.session
        sampled = collected.sampled.rollout.sampled_logprobs
        corrected = method.sampler_correction != "off"
        old = reference = ratio = None
        if method.needs_old_logprobs(session.config.training.gradient_accumulation_steps):
            session.phase("update", step, 0, 0, "old policy")
            old = self._scored(rows)
        if method.beta:
            session.phase("update", step, 0, 0, "reference")
            reference = self._scored(rows, reference=True)
        if corrected and old is not None and method.sampler_correction != "off":
            ratio = sampler_ratio(
                old,
                sampled,
                mask,
                method.sampler_correction,
                clip_max=method.sampler_clip_max,
                clip_min=method.sampler_clip_min,
            )
        return Experience(
            rows=rows,
            mask=mask,
            advantages=collected.advantages.values,
            sampled_logprobs=sampled,
            old_logprobs=old,
            reference_logprobs=reference,
            sampler_ratio=ratio,
            rollout_tokens=max(float(mask.sum()), 1.0),
        )

    def _scored(self, rows: ScoringRows, *, reference: bool = False) -> Floats:
        """Log-probabilities of all rows; each rank scores its own."""
        session = self.session
        own = self._own(np.arange(len(rows)))
        found = score(
            session.policy,
            rows.take(own),
            temperature=session.config.sampling.temperature,
            plan=session.plan,
            reference=reference,
        )
        return session.world.merge(found.logprobs, own, len(rows))

    def _collect(self, step: int, watch: Stopwatch) -> tuple[Collected, dict[str, float]]:
        """One generation batch; with dynamic sampling, groups that teach nothing are replaced a few times."""
        wanted = self.session.config.training.batch_size
        collected = self._sample(step, watch)
        rounds = dropped = 0
        while self.method.dynamic_sampling and rounds < self.method.dynamic_sampling_rounds:
            informative = np.flatnonzero(collected.advantages.informative)
            if len(informative) >= wanted:
                break
            rounds += 1
            fresh = self._sample(step, watch)
            collected, lost = self._replaced(collected, fresh, wanted)
            dropped += lost
        metrics: dict[str, float] = {}
        if self.method.dynamic_sampling:
            metrics = {
                "dynamic_sampling/rounds": float(rounds),
                "dynamic_sampling/dropped_groups": float(dropped),
            }
        self.judge.tell(step + 1, collected.sampled, collected.judged, collected.advantages)
        return collected, metrics

    def _sample(self, step: int, watch: Stopwatch) -> Collected:
        with watch("rollout"):
            sampled = self.sampler.sample(step, self.rollouts)
        self.rollouts += 1
        with watch("reward"):
            judged = self.judge.score(step, sampled)
        return Collected(sampled, judged, self._advantages(sampled, judged))

    def _replaced(self, first: Collected, fresh: Collected, wanted: int) -> tuple[Collected, int]:
        """The informative groups of both, in order, filled up with uninformative ones; how many were dropped."""
        sampled = first.sampled.joined(fresh.sampled)
        judged = first.judged.joined(fresh.judged)
        teaches = np.concatenate([first.advantages.informative, fresh.advantages.informative])
        order = np.concatenate([np.flatnonzero(teaches), np.flatnonzero(~teaches)])[:wanted]
        sampled, judged = sampled.take(order), judged.take(order, self.method.group_size)
        return Collected(sampled, judged, self._advantages(sampled, judged)), len(teaches) - wanted

    def _advantages(self, sampled: Sampled, judged: Judged) -> Advantages:
        """The groups' advantages; DAPO's soft overlong punishment counts as one more reward of what was judged."""
        method = self.method
        table, weights, names = judged.table, list(judged.weights), list(judged.names)
        if method.overlong_cache is not None:
            limit = self.session.config.sampling.max_completion_length
            lengths = sampled.rollout.completion_mask.sum(axis=1)
            punished = [[soft_overlong_reward(int(n), limit, method.overlong_cache)] for n in lengths]
            unjudged = np.isnan(table).all(axis=1, keepdims=True)
            table = np.concatenate([table, np.where(unjudged, np.nan, punished)], axis=1)
            weights, names = [*weights, 1.0], [*names, "overlong"]
        return compute_advantages(
            table,
            method.group_size,
            weights=weights,
            scale_rewards=method.scale_rewards,
            aggregation=method.multi_objective_aggregation,
            eps=method.advantage_eps,
            names=names,
        )

    # -- held-out rows and state -------------------------------------------------------------------

    def evaluate(self, step: int) -> Evaluated | None:
        return evaluate_by_reward(self.session, self.judge, step)

    def state(self) -> State:
        replay = self.replay
        open_replay = None if replay is None or replay.exhausted else replay.next
        return {
            "batches": self.session.batches.state(),
            "rollouts": self.rollouts,
            "entropy": asdict(self.entropy),
            "replay": open_replay,
        }

    def tensors(self) -> Tensors:
        """The rollout that is not used up yet."""
        if self.replay is None or self.replay.exhausted:
            return {}
        return self.replay.experience.to_tensors()

    def restore(self, state: State, tensors: Tensors) -> None:
        self.session.batches.restore(state["batches"])
        self.rollouts = int(state["rollouts"])
        self.entropy = EntropyState(**state["entropy"])
        self.replay = None
        if state["replay"] is not None:
            method = self.method
            self.replay = Replay(
                Experience.from_tensors(tensors),
                method.steps_per_generation,
                method.num_iterations,
                int(state["replay"]),
            )


def _share_kept(keep: NDArray[np.bool_] | None, mask: Floats) -> dict[str, float]:
    """The share of a slice's tokens that `top_entropy_quantile` left in; {} without it."""
    tokens = float((mask > 0).sum())
    return {} if keep is None or not tokens else {"entropy_filter/kept": float(keep[mask > 0].sum()) / tokens}


def _mean_of(metrics: list[dict[str, float]]) -> dict[str, float]:
    """Each metric's mean over the slices (or rollouts) that have it; NaN where one of them is NaN alone."""
    names = dict.fromkeys(name for one in metrics for name in one)
    return {name: float(np.mean([one[name] for one in metrics if name in one])) for name in names}
