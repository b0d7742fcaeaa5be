"""Supervised fine-tuning in the same loop: rows with answers instead of rollouts with rewards."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.config.recipes.methods import SFTConfig
from droid_tune.methods.losses import supervised_loss
from droid_tune.methods.losses.loss_metrics import combined
from droid_tune.model.caches.packing import require_packing
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.learners.learner import Gathered, State, Tensors
from droid_tune.train.rows.drawing import draw
from droid_tune.train.rows.examples import TrainingExample, example_rows
from droid_tune.train.rows.kept_examples import KeptExamples
from droid_tune.train.rows.row_reader import readable
from droid_tune.train.rows.short_rows import plan_for_rows
from droid_tune.train.scoring_pass import scored
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.accumulator import Accumulator


class Supervised:
    """Cross-entropy over the tokens of the answers: every token of an update weighs the same."""

    def __init__(self, session: TrainingSession) -> None:
        method = session.config.method
        assert isinstance(method, SFTConfig)
        self.session = session
        if method.packing:
            require_packing(session.policy)
            session.plan = replace(session.plan, pack_rows=True)
        self.first_plan = session.plan  # as long as no one has taken smaller portions
        self._train, self._valid = (KeptExamples(session.reader.examples) for _ in range(2))

    def gather(self, step: int) -> Gathered:
        """The gradient of `gradient_accumulation_steps` batches of rows."""
        session, watch = self.session, Stopwatch()
        training = session.config.training
        examples = [self._take() for _ in range(training.gradient_accumulation_steps)]
        tokens = float(sum(example.learnt for batch in examples for example in batch))
        accumulator = Accumulator()
        sums: list[dict[str, Any]] = []
        for number, batch in enumerate(examples):
            session.phase("update", step, number, len(examples), "batches")
            with watch("update"):
                sums += self._learn(step, number, example_rows(self._own(batch)), tokens, accumulator)
        world = session.world
        totals = combined(world.gather_sums(combined(sums)))
        loss = totals.get("nll", 0.0) / max(totals.get("tokens", 0.0), 1.0)
        metrics = {
            "perplexity": math.exp(min(loss, 700.0)),
            "num_tokens": float(sum(len(example.tokens) for batch in examples for example in batch)),
        }
        gradients, whole = world.sum_tree(accumulator.gradients), world.sum_number(accumulator.loss)
        return Gathered(gradients, whole, metrics, watch.seconds)

    def _own(self, batch: list[TrainingExample]) -> list[TrainingExample]:
        """This rank's rows of a batch."""
        return [batch[place] for place in self.session.world.own_groups(len(batch))]

    def _take(self) -> list[TrainingExample]:
        drawn = draw(self.session, self._train)
        return [example for examples in drawn for example in examples]

    def _learn(
        self, step: int, number: int, rows: ScoringRows, tokens: float, accumulator: Accumulator
    ) -> list[dict[str, Any]]:
        session = self.session

        def loss(index: Any, logprobs: Any, _entropies: Any) -> Any:
            session.pause_point()
            mask = mx.array(rows.completion_mask[index][:, : logprobs.shape[1]])
            return supervised_loss(logprobs, mask, tokens)

        value, gradients, sums = loss_and_gradients(
            session.policy,
            rows,
            loss,
            temperature=1.0,
            plan=plan_for_rows(session, self.first_plan, rows),
            dropout_seed=session.seed("dropout", step, number),
        )
        accumulator.add(value, gradients)
        return sums

    def after_update(self, step: int) -> None:
        """Nothing moves but the weights."""

    @property
    def mid_rollout(self) -> bool:
        """There are none."""
        return False

    def settings_changed(self) -> None:
        """Everything is read from the session's config where it is used."""

    def evaluate(self, step: int) -> Evaluated | None:
        """Loss and perplexity per answer token over held-out rows."""
        session = self.session
        count = min(session.config.evaluation.rows, len(session.valid))
        if not count:
            return None
        start = time.perf_counter()
        total = tokens = 0.0
        size = session.config.training.batch_size
        for first in range(0, count, size):
            session.pause_point()
            session.phase("evaluate", step, first, count, "rows")
            places = range(first, min(first + size, count))
            found = readable(session.valid, places, self._valid)
            if not found:
                continue
            rows = example_rows([example for examples in found for example in examples])
            total -= float(scored(session, rows, temperature=1.0).logprobs.sum(dtype=np.float64))
            tokens += float(rows.completion_mask.sum())
        loss = total / max(tokens, 1.0)
        metrics = {"eval/loss": loss, "eval/perplexity": math.exp(min(loss, 700.0))}
        return Evaluated(metrics, count, time.perf_counter() - start)

    def state(self) -> State:
        """What a checkpoint keeps: the data cursor."""
        return {"batches": self.session.batches.state()}

    def tensors(self) -> Tensors:
        return {}

    def restore(self, state: State, tensors: Tensors) -> None:
        """Takes back `state`."""
        self.session.batches.restore(state["batches"])
