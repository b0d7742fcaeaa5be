"""The largest step of a run, done once and not applied: the longest prompt, every completion as long as allowed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

import mlx.core as mx
import numpy as np

from droid_tune.config import RunConfig
from droid_tune.config.recipes.methods import SFTConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig, RewardModelConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.estimate.check_pace import LARGEST, Pace
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import OPTIMIZER_COPIES, trained_copies
from droid_tune.machine import garbage
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.rollout.generate import generate
from droid_tune.train.learners.pairs.judged_rows import judged_rows_of
from droid_tune.train.rows.examples import TrainingExample, example_rows
from droid_tune.train.rows.row_reader import readable
from droid_tune.train.saving.run_record import Observed
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.bare_gradients import bare_gradients


@dataclass(frozen=True)
class LargestStep:
    """`config` is the run's, whose steps may be larger than those of the check's `session`; so is `plan`. `pace` shortens
    completions that would take too long here (None where nothing is sampled), `seconds` are the whole check's."""

    session: TrainingSession
    config: RunConfig
    plan: MemoryPlan
    pace: Pace | None
    seconds: float

    def observed(self) -> Observed:
        """Its rows, lengths, seconds and peak of memory, what the optimizer will keep included. Raises Stopped."""
        garbage.collect()
        mx.clear_cache()
        mx.reset_peak_memory()
        observed = self._of_examples() if not self.config.samples else self._of_rollouts()
        policy = self.session.policy
        own = trained_copies(self.config) * policy.trainable_bytes
        kept = OPTIMIZER_COPIES[self.config.optimizer.name] * own
        return replace(observed, peak_bytes=int(mx.get_peak_memory() + kept))

    def _of_rollouts(self) -> Observed:
        session, sampling = self.session, self.config.sampling
        method = self.config.method
        assert isinstance(method, SamplingMethodConfig)
        prompt = max(self._prompts(), key=len)
        size = method.group_size
        count = max(1, min(self.config.training.batch_size, self.plan.decode_rows // size))
        tokens = sampling.max_completion_length
        if self.pace is not None:
            tokens = self.pace.affordable_tokens(count * size, tokens, LARGEST * self.seconds)
        stops, session.policy.stop_tokens = session.policy.stop_tokens, frozenset()
        start = time.perf_counter()
        try:
            rollout = generate(
                session.policy,
                [prompt] * count,
                group_size=size,
                sampling=sampling.model_copy(
                    update={"stop_strings": (), "extra_stop_tokens": (), "max_completion_length": tokens}
                ),
                seed=session.seed("check"),
                plan=self.plan,
                watch=session.watch("rollout", 0, "completions"),
            )
        finally:
            session.policy.stop_tokens = stops
        sampled = time.perf_counter()
        learnt = method.learnt_group
        groups = self._groups_at_once(count, learnt)
        part = (size * np.arange(groups)[:, None] + np.arange(learnt)).reshape(-1)
        rows = ScoringRows.of_groups(
            [prompt] * groups, learnt, rollout.tokens[part], rollout.completion_mask[part]
        )
        self._differentiate(rows, with_entropy=True)
        return Observed(
            prompts=count,
            rows=len(rows),
            prompt=len(prompt),
            completion=rollout.tokens.shape[1],
            rollout=sampled - start,
            update=time.perf_counter() - sampled,
        )

    def _differentiate(self, rows: ScoringRows, *, with_entropy: bool) -> None:
        session = self.session
        tell = partial(session.phase, "update", 0, 0, 0, "longest rows")
        bare_gradients(session, self.config, self.plan, rows, with_entropy=with_entropy, tell=tell)

    def _groups_at_once(self, groups: int, size: int) -> int:
        """So many groups of `groups` as the largest micro-batch of the run's plan takes in."""
        plan = self.plan
        return 1 if plan.share_prompts else max(1, min(groups, -(-plan.train_rows // size)))

    def _of_examples(self) -> Observed:
        session, count = self.session, self.config.training.batch_size
        if isinstance(self.config.method, PreferenceConfig):
            rows, longest = self._longest_judged(count)
        else:
            found = readable(session.train, self._places(), session.reader.examples)
            longest = max((example for one in found for example in one), key=lambda one: len(one.tokens))
            rows = example_rows([longest] * count)
        start = time.perf_counter()
        entropies = not isinstance(self.config.method, SFTConfig)
        self._differentiate(rows, with_entropy=entropies)
        return Observed(
            prompts=count,
            rows=len(rows),
            prompt=longest.start,
            completion=len(longest.tokens) - longest.start,
            update=time.perf_counter() - start,
        )

    def _longest_judged(self, count: int) -> tuple[ScoringRows, TrainingExample]:
        """So many rows as the longest one whose answers are judged, and the longest of its answers."""
        found = readable(self.session.train, self._places(), self.session.reader.judged)
        longest = max(
            (unit for one in found for unit in one),
            key=lambda unit: sum(len(one.tokens) for one in unit.answers),
        )
        method = self.config.method
        learns_prompt = isinstance(method, PreferenceConfig) and method.learns_prompt
        numbers = isinstance(method, RewardModelConfig)
        rows = judged_rows_of([longest] * count, learns_prompt=learns_prompt, at_end=numbers).rows
        return rows, max(longest.answers, key=lambda one: len(one.tokens))

    def _places(self) -> range:
        count = len(self.session.train)
        return range(0, count, max(1, count // 200))

    def _prompts(self) -> list[list[int]]:
        session = self.session
        return [one.tokens for one in readable(session.train, self._places(), session.reader.prompt)]
