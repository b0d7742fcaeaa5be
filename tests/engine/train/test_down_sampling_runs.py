"""Sampling many completions and training on few: what is learnt, what is told, what is reckoned with."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.errors import UserError
from droid_tune.estimate.job import DataLengths, job_of
from droid_tune.events import RolloutGroup, Step
from droid_tune.methods.down_sampling import down_sampled
from droid_tune.model_files.read_facts import facts_of
from tests.engine.train.conftest import digest, resume, tiny, train
from tests.engine.train.learning import assert_same, by_hand, learner_of
from tests.engine.train.stopping import stopped_after

HALF = {"group_size": 4, "train_completions": 2}


def test_the_update_is_that_of_the_kept_completions_compared_with_each_other(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.0, **HALF})
    gathered = learner.gather(0)
    experience = learner.experience
    assert experience is not None
    assert experience.prompt_index.tolist() == [0, 0, 1, 1]
    pairs = experience.advantages.reshape(2, 2)
    np.testing.assert_allclose(pairs.sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(
        np.abs(pairs[pairs != 0]), np.sqrt(0.5), rtol=1e-3
    )  # two rewards, one deviation apart

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        return -float(experience.advantages[row]) * logprobs.mean() / 4

    _, gradients = by_hand(learner.session.policy, experience, range(4), loss)
    assert_same(gathered.gradients, gradients)


def test_what_is_told_is_told_of_all(tmp_path: Path) -> None:
    _, all_of_them = train(tiny(training={"iterations": 1}), tmp_path / "all")
    _, half = train(tiny(method=HALF, training={"iterations": 1}), tmp_path / "half")
    first, second = ([one for one in told if isinstance(one, RolloutGroup)] for told in (all_of_them, half))
    assert [[one.text for one in group.completions] for group in first] == [
        [one.text for one in group.completions] for group in second
    ]
    for group in second:
        rewards = np.array([one.reward for one in group.completions])
        kept = down_sampled(rewards, 4, 2)
        told = [one.advantage for one in group.completions]
        assert [place for place, one in enumerate(told) if one is not None] == kept.tolist()
        assert len([one for one in told if one]) in (0, 2)
    metrics = [next(one.metrics for one in told if isinstance(one, Step)) for told in (all_of_them, half)]
    for name in ("reward", "reward_std", "completions/mean_length", "num_tokens"):
        assert metrics[0][name] == metrics[1][name]


def test_a_run_that_goes_on_within_a_rollout_ends_with_the_same_bytes(tmp_path: Path) -> None:
    method = {**HALF, "steps_per_generation": 2, "num_iterations": 2, "beta": 0.04}
    changes = {"method": method, "training": {"iterations": 3}}
    train(tiny(**changes), tmp_path / "whole")
    stopped_after(tmp_path / "parts", 1, **changes)
    assert resume(tmp_path / "parts")[0].outcome == "completed"
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")


def test_cut_off_completions_that_are_left_out_are_the_last_to_be_kept(tmp_path: Path) -> None:
    method = {**HALF, "mask_truncated_completions": True}
    _, told = train(
        tiny(method=method, training={"iterations": 1}, sampling={"max_completion_length": 9}),
        tmp_path / "run",
    )
    groups = [one.completions for one in told if isinstance(one, RolloutGroup)]
    cut = [np.array([one.finish_reason == "length" for one in group]) for group in groups]
    assert any(some.any() and not some.all() for some in cut)
    for group, some in zip(groups, cut, strict=True):
        rewards = np.where(some, np.nan, [one.reward for one in group])
        told = [one.advantage is not None for one in group]
        kept = np.isin(np.arange(4), down_sampled(rewards, 4, 2))
        assert told == (kept & ~some).tolist()  # a cut one that fills up its group is in no loss


def test_memory_and_time_are_reckoned_for_what_is_trained_on() -> None:
    config = resolve({"method": {"group_size": 16, "train_completions": 4}, "training": {"batch_size": 2}})
    job = job_of(config, facts_of({}, ()), DataLengths(32, 32))
    assert (job.rows, job.rows_per_slice, job.learnt_group) == (32, 8, 4)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ({"group_size": 4, "train_completions": 4}, "must be smaller than `group_size` 4"),
        (
            {"type": "rloo", "group_size": 4, "train_completions": 2},
            "baseline leave_one_out needs every completion",
        ),
        ({"group_size": 8, "train_completions": 3, "steps_per_generation": 4}, "train_completions 3"),
    ],
)
def test_what_does_not_go_together_is_refused(method: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        resolve({"method": method, "training": {"batch_size": 1}})
