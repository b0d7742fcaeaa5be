"""Choosing tokens row by row: what a row gets does not depend on the rows beside it, nor on how they are cut up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config.sampling import SamplingConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.loading import load_policy
from droid_tune.numerics import token_logprobs
from droid_tune.rollout.choice import Chooser
from droid_tune.rollout.generate import generate

LOGITS = mx.random.normal((6, 300), key=mx.random.key(4)) * 2


@pytest.mark.parametrize(
    "how", [{}, {"temperature": 0.7, "top_k": 5, "top_p": 0.9}, {"xtc_probability": 0.5}]
)
def test_rows_that_remain_draw_as_if_nobody_had_left(how: dict[str, Any]) -> None:
    sampling = SamplingConfig(max_completion_length=3, **how)
    everyone, fewer = Chooser(sampling, 9, range(6)), Chooser(sampling, 9, range(6))
    fewer.keep(mx.array([1, 4]))
    for step in range(3):
        whole = everyone.choose(LOGITS, step).tokens
        part = fewer.choose(LOGITS[mx.array([1, 4])], step).tokens
        assert part.tolist() == [whole[1].item(), whole[4].item()]


def test_the_repetition_penalty_remembers_what_was_chosen() -> None:
    chooser = Chooser(SamplingConfig(temperature=0, repetition_penalty=5.0), 1, range(1))
    logits = mx.array([[1.0, 3.0, 2.0]])
    chooser.remember([[0]], vocabulary=3)
    assert [chooser.choose(logits, step)[0].item() for step in range(3)] == [
        1,
        2,
        1,
    ]  # 0.2, 0.6, 0.4 in the end


def test_what_is_recorded_is_the_temperature_scaled_distribution() -> None:
    chooser = Chooser(SamplingConfig(temperature=0.5, top_k=3), 1, range(6))
    tokens, logprobs, _ = chooser.choose(LOGITS, 0)
    wanted = token_logprobs(LOGITS, tokens, 0.5)
    np.testing.assert_allclose(np.array(logprobs), np.array(wanted), atol=1e-5)


def test_a_rollout_is_the_same_however_many_rows_are_decoded_at_once(stories_model: Path) -> None:
    policy = load_policy(stories_model)
    sampling = SamplingConfig(max_completion_length=12, temperature=1.0)
    prompts = [[1, 80, 60], [1, 90]]
    whole, cut = (
        generate(policy, prompts, group_size=3, sampling=sampling, seed=5, plan=MemoryPlan(decode_rows=rows))
        for rows in (6, 2)
    )
    assert whole.tokens.tolist() == cut.tokens.tolist()
    other = generate(policy, prompts, group_size=3, sampling=sampling, seed=6, plan=MemoryPlan(decode_rows=6))
    assert other.tokens.tolist() != whole.tokens.tolist()
    assert len({tuple(row) for row in whole.tokens[:3].tolist()}) > 1  # siblings differ
