"""What surrounds the loss: log-probabilities, sampler correction, entropy bonus, lengths, schedule, reference."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config.recipes.methods import GRPOConfig
from droid_tune.methods.completions import length_metrics, loss_mask
from droid_tune.methods.correction import sampler_ratio, sampling_metrics
from droid_tune.methods.distillation.demonstrations import ShowingRules, shown_to_teachers
from droid_tune.methods.entropy_bonus import (
    EntropySettings,
    EntropyState,
    applied_coef,
    close_window,
    observe,
    start,
)
from droid_tune.methods.overlong import soft_overlong_reward
from droid_tune.methods.reference_sync import mixed, policy_share
from droid_tune.model.gradients.head import score_tokens
from droid_tune.numerics import token_entropies, token_logprobs

# --- log-probabilities ----------------------------------------------------------------------------------------------

Scorer = Callable[[mx.array, mx.array, float], tuple[mx.array, mx.array]]


def plain_scores(logits: mx.array, targets: mx.array, temperature: float) -> tuple[mx.array, mx.array]:
    return token_logprobs(logits, targets, temperature), token_entropies(logits, temperature)


def head_scores(logits: mx.array, targets: mx.array, temperature: float) -> tuple[mx.array, mx.array]:
    """The scoring head, which takes one exponential for both, of hidden states that are the logits."""
    found = score_tokens(
        lambda states: states, logits, targets, temperature=temperature, chunk=1, with_entropy=True
    )
    assert found.entropies is not None
    return found.logprobs, found.entropies


both_scorers = pytest.mark.parametrize("score", [plain_scores, head_scores])


@both_scorers
def test_a_fair_choice_of_four_has_a_log_probability_and_an_entropy_of_log_four(score: Scorer) -> None:
    logprobs, entropies = score(mx.zeros((2, 4)), mx.array([0, 3]), 1.0)
    np.testing.assert_allclose(np.array(logprobs), -math.log(4), rtol=1e-6)
    np.testing.assert_allclose(np.array(entropies), math.log(4), rtol=1e-6)


@both_scorers
def test_temperature_divides_the_logits(score: Scorer) -> None:
    logits = mx.array([[0.0, math.log(9.0)]])
    assert float(score(logits, mx.array([1]), 2.0)[0]) == pytest.approx(math.log(3 / 4))  # odds of 9 become 3
    assert float(score(logits, mx.array([1]), 0.0)[0]) == pytest.approx(math.log(9 / 10))


@both_scorers
def test_half_precision_logits_are_taken_to_float32_first(score: Scorer) -> None:
    logits = mx.array([[300.0, 0.0, -300.0]], dtype=mx.bfloat16)
    logprobs, entropies = score(logits, mx.array([2]), 1.0)
    assert logprobs.dtype == mx.float32
    assert float(logprobs[0]) == pytest.approx(-600.0)
    assert float(entropies[0]) == pytest.approx(0.0, abs=1e-6)


@both_scorers
def test_an_id_that_is_no_token_does_not_spoil_the_entropy(score: Scorer) -> None:
    """Phi-3-small gives its dummy ids the logit -inf."""
    logprobs, entropies = score(mx.array([[0.0, 0.0, -math.inf]]), mx.array([0]), 1.0)
    assert float(logprobs[0]) == pytest.approx(-math.log(2))
    assert float(entropies[0]) == pytest.approx(math.log(2))


def test_an_id_that_is_no_token_does_not_spoil_a_derivative() -> None:
    found = score_tokens(
        lambda states: states,
        mx.array([[0.0, math.log(3.0), -math.inf]]),
        mx.array([0]),
        temperature=1.0,
        chunk=1,
        with_entropy=True,
        with_gradients=True,
    )
    assert np.array(found.logprob_gradients)[0].tolist() == pytest.approx([0.75, -0.75, 0])  # 1 - p, -p
    by_entropy = 0.25 * 0.75 * math.log(3)  # p x (-log p - entropy): log 4 - (log 4 - 3/4 log 3)
    assert np.array(found.entropy_gradients)[0].tolist() == pytest.approx([by_entropy, -by_entropy, 0])


# --- sampler correction ---------------------------------------------------------------------------------------------

SCORED = np.log([[0.4, 0.2, 0.9], [0.5, 0.5, 0.9]])
SAMPLED = np.log([[0.2, 0.2, 0.1], [0.125, 0.5, np.nan]])
BOTH = np.array([[1, 1, 0], [1, 1, 1]], dtype=np.float64)  # ratios 2, 1, (padding) and 4, 1, (unknown)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("token_truncate", [[2, 1, 1], [3, 1, 1]]),
        ("token_mask", [[2, 1, 1], [0, 1, 1]]),
        ("sequence_truncate", [[2], [3]]),
        ("sequence_mask", [[2], [0]]),
    ],
)
def test_the_correction_clamps_or_drops_what_is_too_far(mode: Any, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(sampler_ratio(SCORED, SAMPLED, BOTH, mode, clip_max=3.0), expected, rtol=1e-12)


def test_the_correction_has_a_floor_where_one_is_given() -> None:
    found = sampler_ratio(SAMPLED, SCORED, BOTH, "token_mask", clip_max=None, clip_min=0.4)
    np.testing.assert_allclose(found, [[0.5, 1, 1], [0, 1, 1]])


def test_sampling_metrics_leave_out_padding_and_unknown_tokens() -> None:
    ratio = sampler_ratio(SCORED, SAMPLED, BOTH, "sequence_truncate")
    metrics = sampling_metrics(SCORED, SAMPLED, BOTH, ratio)
    assert metrics["sampling/logp_difference/mean"] == pytest.approx((math.log(2) + math.log(4)) / 4)
    assert metrics["sampling/logp_difference/max"] == pytest.approx(math.log(4))
    assert metrics["sampling/importance_sampling_ratio/mean"] == pytest.approx(2.5)


def test_sampling_metrics_over_nothing_are_zero() -> None:
    nothing = sampling_metrics(SCORED, SAMPLED, np.zeros((2, 3)), np.ones((2, 3)))
    assert set(nothing.values()) == {0.0}
    assert len(nothing) == 5


# --- entropy bonus --------------------------------------------------------------------------------------------------


def test_a_fixed_bonus_acts_from_the_first_update_and_stays() -> None:
    fixed = EntropySettings(entropy_coef=0.01)
    state = start(fixed)
    assert applied_coef(fixed, state) == 0.01
    assert applied_coef(fixed, close_window(fixed, observe(state, 10, 10))) == 0.01


def test_an_adaptive_bonus_waits_for_a_measurement_and_acts_below_its_target() -> None:
    steered = EntropySettings(entropy_coef=0.02, entropy_target=1.0, entropy_coef_delta=0.005)
    state = start(steered)
    assert applied_coef(steered, state) == 0.0
    state = close_window(steered, observe(observe(state, 3, 10), 6, 10))  # 0.45 a token: too sure
    assert state == EntropyState(coef=0.025, last_entropy=0.45)
    assert applied_coef(steered, state) == 0.025
    state = close_window(steered, observe(state, 15, 10))
    assert state.coef == pytest.approx(0.02)
    assert applied_coef(steered, state) == 0.0


def test_an_adaptive_bonus_stays_within_its_bounds() -> None:
    steered = EntropySettings(0.02, entropy_target=1.0, entropy_coef_min=0.018, entropy_coef_max=0.022)
    assert close_window(steered, observe(start(steered), 0, 10)).coef == 0.022
    assert close_window(steered, observe(start(steered), 50, 10)).coef == 0.018


def test_the_state_of_the_bonus_survives_a_checkpoint() -> None:
    for state in (EntropyState(0.02), EntropyState(0.02, 0.7, 12.5, 9.0)):
        assert EntropyState(**json.loads(json.dumps(asdict(state), allow_nan=False))) == state


# --- lengths and masks ----------------------------------------------------------------------------------------------


def test_cut_off_completions_and_tool_output_leave_the_loss() -> None:
    tools = np.array([[1, 0, 1], [1, 1, 1]])
    assert loss_mask([3, 2], None, tools).tolist() == [[1, 0, 1], [1, 1, 0]]
    assert loss_mask([3, 2], np.array([False, True]), tools).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert loss_mask([1], width=3).tolist() == [[1, 0, 0]]


def test_length_metrics() -> None:
    metrics = length_metrics([2, 4, 6], np.array([False, False, True]), [10, 10, 10])
    assert metrics["num_tokens"] == 42
    assert metrics["completions/mean_length"] == 4
    assert metrics["completions/max_length"] == 6
    assert metrics["completions/mean_terminated_length"] == 3
    assert metrics["completions/max_terminated_length"] == 4
    assert metrics["completions/clipped_ratio"] == pytest.approx(1 / 3)


def test_terminated_lengths_are_zero_where_none_terminated() -> None:
    metrics = length_metrics([2], np.array([True]), [1])
    assert metrics["completions/min_terminated_length"] == metrics["completions/max_terminated_length"] == 0


@pytest.mark.parametrize(("length", "reward"), [(80, 0), (90, -0.5), (100, -1), (101, -1)])
def test_the_last_fifth_before_the_limit_costs_up_to_one(length: int, reward: float) -> None:
    assert soft_overlong_reward(length, 100, 20) == reward


# --- schedule and reference -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accumulated", "settings", "needed"),
    [
        (4, {"steps_per_generation": 2}, False),
        (2, {"steps_per_generation": 4}, True),
        (1, {"num_iterations": 2}, True),
        (4, {"steps_per_generation": 2, "sampler_correction": "token_mask"}, True),
    ],
)
def test_old_logprobs_are_needed_once_weights_change_between_slices_of_a_rollout(
    accumulated: int, settings: dict[str, Any], needed: bool
) -> None:
    assert GRPOConfig(**settings).needs_old_logprobs(accumulated) is needed


def test_the_share_of_the_policy_by_reference_mode() -> None:
    def over_steps(mode: Any) -> list[float | None]:
        return [policy_share(mode, step, ema_alpha=0.75, every=2) for step in (1, 2, 3, 4)]

    assert over_steps("static") == [None] * 4
    assert over_steps("ema") == [0.25] * 4
    assert over_steps("periodic") == [None, 1.0, None, 1.0]


def test_mixing_weighs_the_policy_by_its_share() -> None:
    assert mixed(mx.array([4.0]), mx.array([8.0]), 0.25).item() == 7.0
    assert mixed(mx.array([4.0]), mx.array([8.0]), 1.0).item() == 4.0


def test_weights_that_add_up_to_the_threshold_are_a_success() -> None:
    """0.6 + 0.3 + 0.1 is 1 but for its rounding."""
    earned = 0.6 + 0.3 + 0.1
    assert earned < 1.0
    shown = shown_to_teachers([earned, 0.9], 2, [None, None], ShowingRules())
    assert [one.demonstration for one in shown] == [None, 0]
