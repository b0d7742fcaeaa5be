"""Preference learning in the same loop: rows with judged answers instead of rollouts with rewards.

Of a batch the answers of each row run in one micro-batch, so that their comparison is differentiated where it is made.
Where they do not fit, or a loss is of the whole batch, the answers are scored first; the loss gives the weight of each
token's log-probability, and a second pass is of that weighted sum. Both give the same gradient.

Shapes: n units of S answers, N = n x S rows, T positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.methods.losses.pairs.bco_loss import RunningMean
from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums, Totals, added
from droid_tune.model.arrays import HEAD
from droid_tune.model.caches.packing import require_packing
from droid_tune.model.gradients.head_loss import Loss
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.value_gradients import value_gradients
from droid_tune.model.heads.value_head import reward_head
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.learners.learner import Gathered, State, Tensors
from droid_tune.train.learners.pairs.beforehand import Beforehand
from droid_tune.train.learners.pairs.judged_rows import JudgedRows, JudgedUnit, judged_rows_of
from droid_tune.train.learners.pairs.pair_recipes import Known, recipe_of
from droid_tune.train.learners.pairs.preference_evaluation import evaluate_preferences
from droid_tune.train.learners.pairs.unit_loss import unit_loss
from droid_tune.train.rows.drawing import draw
from droid_tune.train.rows.short_rows import plan_for_rows
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator

Units = NDArray[np.int64]


class PreferenceLearner:
    """DPO and its relatives, KTO and BCO, reward models: told apart by their recipe."""

    mid_rollout = False

    def __init__(self, session: TrainingSession) -> None:
        method = session.config.method
        assert isinstance(method, PreferenceConfig)
        self.session, self.method = session, method
        self.recipe = recipe_of(method)
        if method.packing:
            require_packing(session.policy)
            session.plan = replace(session.plan, pack_rows=True)
        self.first_plan = session.plan  # as long as no one has taken smaller portions
        self.before = Beforehand(session, method, self.recipe)

    # -- one update --------------------------------------------------------------------------------

    def gather(self, step: int) -> Gathered:
        """The gradient of `gradient_accumulation_steps` batches of rows: the mean over the batches."""
        session, watch = self.session, Stopwatch()
        batches = session.config.training.gradient_accumulation_steps
        accumulator = Accumulator()
        metrics: list[dict[str, float]] = []
        tokens = 0
        for number in range(batches):
            units = self._take()
            tokens += sum(len(one.tokens) for unit in units for one in unit.answers)
            session.phase("update", step, number, batches, "batches")
            with watch("update"):
                metrics.append(self._learn(step, number, units, accumulator))
        world = session.world
        gradients, loss = world.sum_tree(accumulator.gradients), world.sum_number(accumulator.loss)
        return Gathered(gradients, loss, {**mean_of(metrics), "num_tokens": float(tokens)}, watch.seconds)

    def _take(self) -> list[JudgedUnit]:
        """The next batch; of rows that give several units the first of each, then the second: neighbours differ."""
        drawn = draw(self.session, self.session.reader.judged)
        most = max(len(units) for units in drawn)
        return [units[place] for place in range(most) for units in drawn if place < len(units)]

    def _learn(
        self, step: int, number: int, units: Sequence[JudgedUnit], accumulator: Accumulator
    ) -> dict[str, float]:
        """Add the loss and gradient of batch `number`, of whose units this rank has its own; the batch's metrics."""
        session = self.session
        judged = judged_rows_of(units, learns_prompt=self.method.learns_prompt, at_end=self.recipe.numbers)
        own = session.world.own_groups(len(units))
        known = self.before.known(step, judged, own)
        imitated = self.recipe.imitated
        tokens = 0.0 if imitated is None else judged.tokens_of(imitated)
        batches = session.config.training.gradient_accumulation_steps
        batch = PairBatch(float(len(units) * batches), tokens * batches)
        seed = session.seed("dropout", step, number)
        if self.recipe.sorts or session.plan.train_rows < judged.answers:
            sums = self._in_two_passes(judged, own, known, batch, seed, accumulator)
        else:
            sums = self._in_one_pass(judged, own, known, batch, seed, accumulator)
        told = self.recipe.finish(session.world.gather_sums(added(sums)), tokens)
        return told | dict(known.numbers)

    def _in_one_pass(
        self,
        judged: JudgedRows,
        own: Units,
        known: Known,
        batch: PairBatch,
        seed: int,
        accumulator: Accumulator,
    ) -> list[Totals]:
        session, numbers = self.session, judged.row_numbers(own)
        rows = judged.rows.take(numbers)

        def loss(index: NDArray[np.int64], logprobs: mx.array, entropies: mx.array | None) -> Any:
            session.pause_point()
            order = np.argsort(index)
            chosen = own[index[order][:: judged.answers] // judged.answers]
            told = None if entropies is None else entropies[mx.array(order)]
            return unit_loss(self.recipe, batch, judged, chosen, known, logprobs[mx.array(order)], told)

        plan = plan_for_rows(session, self.first_plan, rows)
        value, gradients, sums = self._gradients(rows, loss, plan, seed, with_entropy=True)
        accumulator.add(value, gradients)
        return list(sums)

    def _gradients(
        self, rows: ScoringRows, loss: Loss, plan: MemoryPlan, seed: int, *, with_entropy: bool = False
    ) -> tuple[float, dict[str, Any], list[dict[str, Any]]]:
        """The loss of log-probabilities, or of a reward model's numbers, with its gradient."""
        policy = self.session.policy
        if self.recipe.numbers:
            value, gradients, of_head, sums = value_gradients(
                policy, rows, loss, reward_head(policy), plan=plan, dropout_seed=seed
            )
            return value, gradients | {HEAD: {"weight": of_head}}, sums
        return loss_and_gradients(
            policy,
            rows,
            loss,
            temperature=1.0,
            plan=plan,
            with_entropy=with_entropy,
            entropy_gradient=False,
            dropout_seed=seed,
        )

    def _in_two_passes(
        self,
        judged: JudgedRows,
        own: Units,
        known: Known,
        batch: PairBatch,
        seed: int,
        accumulator: Accumulator,
    ) -> list[Totals]:
        """Score, weigh, learn. What a sorting loss says of all units is told by the leading rank alone."""
        session, numbers = self.session, judged.row_numbers(own)
        scored = self.before.scores(judged, own, with_entropy=True)
        everyone = self.recipe.sorts
        chosen = np.arange(len(judged.units)) if everyone else own
        if everyone:
            scored = [session.world.merge(one, numbers, len(judged.rows)) for one in scored]
        entropies = mx.array(scored[1]) if len(scored) > 1 else None

        def of_scores(logprobs: mx.array) -> tuple[mx.array, Sums]:
            return unit_loss(self.recipe, batch, judged, chosen, known, logprobs, entropies)

        (value, sums), weights = mx.value_and_grad(of_scores)(mx.array(scored[0]))
        mx.eval(value, sums, weights)
        if everyone:
            weights = weights[mx.array(numbers)]

        def weighted(index: NDArray[np.int64], logprobs: mx.array, _: Any) -> Any:
            session.pause_point()
            return (logprobs * weights[mx.array(index)]).sum(), {}

        _, gradients, _ = self._gradients(judged.separated().take(numbers), weighted, session.plan, seed)
        told = session.world.leads or not everyone
        accumulator.add(float(np.array(value)) if told else 0.0, gradients)
        return [sums] if told else []

    def after_update(self, step: int) -> None:
        """Nothing moves but the weights."""

    def settings_changed(self) -> None:
        """Takes up the session's new settings of the method."""
        method = self.session.config.method
        assert isinstance(method, PreferenceConfig)
        self.method, self.recipe = method, recipe_of(method)
        self.before.method, self.before.recipe = method, self.recipe

    # -- held-out rows and state -------------------------------------------------------------------

    def evaluate(self, step: int) -> Evaluated | None:
        """Held-out rows; None where there are none."""
        return evaluate_preferences(self.session, self.recipe, self.before, step)

    def state(self) -> State:
        """What a checkpoint keeps: the data cursor, the mean reward so far, and whose scores the reference's are."""
        return {
            "batches": self.session.batches.state(),
            "rewards": asdict(self.before.rewards),
            "reference_base": self.before.base,
        }

    def tensors(self) -> Tensors:
        """The reference's scores of all answers that came so far."""
        return self.before.references.tensors()

    def restore(self, state: State, tensors: Tensors) -> None:
        """Takes back `state`, and the reference's scores, unless they are of another base."""
        self.session.batches.restore(state["batches"])
        self.before.rewards = RunningMean(**state["rewards"])
        same = state.get("reference_base", self.before.base) == self.before.base  # older runs do not say
        self.before.references.restore(tensors if same else {})


def mean_of(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each metric's mean over the batches that have it."""
    names = dict.fromkeys(name for one in metrics for name in one)
    return {name: float(np.mean([one[name] for one in metrics if name in one])) for name in names}
