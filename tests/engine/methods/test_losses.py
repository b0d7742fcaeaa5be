"""Losses by numbers that can be checked in the margin: two rows, of one and of three tokens."""

from __future__ import annotations

import math
from typing import Any, get_args

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.methods.baselines import RewardComparison, optimal_values
from droid_tune.methods.losses import (
    LossRows,
    LossSpec,
    finish_metrics,
    policy_loss,
    settings_of,
    slice_context,
    supervised_loss,
    top_entropy_mask,
)
from droid_tune.methods.losses.objectives import LOSSES, clipped_surrogate
from droid_tune.names import ClippedLoss, LossType

MASK = np.array([[1, 0, 0], [1, 1, 1]], dtype=np.float32)


def loss_of(
    spec: LossSpec,
    logprobs: Any,
    *,
    old: Any = None,
    advantages: Any = (1.0, 1.0),
    mask: np.ndarray = MASK,
    entropies: Any = None,
    context: dict[str, Any] | None = None,
    **rows: Any,
) -> tuple[float, np.ndarray, dict[str, float]]:
    """Loss, gradient with respect to the log-probabilities, metrics of one slice in one piece."""
    about = slice_context(
        mask, **({"max_completion_length": 4, "entropy_mask": rows.get("entropy_mask")} | (context or {}))
    )
    given = LossRows.of(
        mask=mask,
        advantages=np.array(advantages),
        old_logprobs=None if old is None else np.array(old),
        **{name: None if value is None else np.array(value) for name, value in rows.items()},
    )
    seen = None if entropies is None else mx.array(np.array(entropies, dtype=np.float32))

    def share(values: mx.array) -> tuple[mx.array, dict[str, mx.array]]:
        return policy_loss(spec, about, given, values, seen)

    (value, sums), gradient = mx.value_and_grad(share)(mx.array(np.array(logprobs, dtype=np.float32)))
    return float(value), np.array(gradient), finish_metrics(spec, about, [sums])


def log(values: Any) -> np.ndarray:
    return np.log(np.array(values, dtype=np.float64))


def test_the_regression_on_the_best_value_by_hand() -> None:
    """A*-PO: V* from four reference answers, then one answer of each of two prompts."""
    # V* = 1/2 log((e^2 + 1 + 1 + e^2) / 4) = 1/2 log((e^2 + 1) / 2); nothing is right for the second prompt: V* = 0
    best = optimal_values(np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]), 0.5)
    assert best == pytest.approx([0.5 * math.log((math.e**2 + 1) / 2), 0.0])
    assert best[0] == pytest.approx(0.716890, abs=1e-6)
    compared = RewardComparison("value", 1, (1.0,), ("r",))
    above = compared.advantages(np.array([[1.0], [1.0]]), values=best).values
    assert above == pytest.approx([1 - 0.716890, 1.0], abs=1e-6)
    # beta2 (log pi - log pi_ref), summed over the answer's own tokens: 1/2 x 0.6 = 0.3, and 1/2 x (0.2 - 0.1 - 0.5) = -0.2
    spec = LossSpec(loss_type="a2po", importance_sampling_level="none", beta2=0.5)
    reference = np.array([[-1.6, 0.0, 0.0], [-1.2, -0.9, -0.5]])
    logprobs = [[-1.0, 9.0, 9.0], [-1.0, -1.0, -1.0]]
    value, gradient, _ = loss_of(spec, logprobs, advantages=above, reference_logprobs=reference)
    first, second = 0.3 - (1 - 0.716890), -0.2 - 1.0
    assert value == pytest.approx((first**2 + second**2) / 2, abs=1e-5)
    # d/d log pi = 2 x residual x beta2 / rows, the same for all of an answer's tokens
    assert gradient == pytest.approx(np.array([[first / 2, 0, 0], [second / 2] * 3]), abs=1e-5)


# With A = -1 a token's loss is its log-probability for reinforce, and its ratio (1) for the others.
PLAIN = [[1.0, 9.0, 9.0], [2.0, 2.0, 2.0]]  # the 9s are padding


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        ("grpo", 1.0),  # (1/1 + 3/3) / 2 rows; the ratio is 1 and A = -1, so a token's loss is 1
        ("bnpo", 1.0),  # 4 / 4 tokens
        ("dr_grpo", 0.5),  # 4 / (2 rows x 4)
        ("luspo", 2.0),  # (1 + 3) / 2 rows
        ("dapo", 1.0),  # 4 / 4 tokens of the rollout
        ("reinforce", 1.75),  # (1 + 2 + 2 + 2) / 4: log pi itself
    ],
)
def test_each_aggregation_weighs_length_differently(loss_type: Any, expected: float) -> None:
    value, _, _ = loss_of(LossSpec(loss_type=loss_type), PLAIN, advantages=(-1.0, -1.0))
    assert value == pytest.approx(expected)


def test_a_sequence_mean_gives_short_completions_more_weight_per_token() -> None:
    _, gradient, _ = loss_of(LossSpec(loss_type="grpo"), PLAIN, advantages=(-1.0, -1.0))
    np.testing.assert_allclose(gradient, [[1 / 2, 0, 0], [1 / 6, 1 / 6, 1 / 6]], rtol=1e-6)


def test_a_token_mean_gives_every_token_the_same_weight() -> None:
    _, gradient, _ = loss_of(LossSpec(loss_type="dapo"), PLAIN, advantages=(-1.0, -1.0))
    np.testing.assert_allclose(gradient, [[1 / 4, 0, 0], [1 / 4, 1 / 4, 1 / 4]], rtol=1e-6)


def test_accumulation_divides_means_by_the_slices_of_a_step() -> None:
    four = {"gradient_accumulation_steps": 4}
    value, _, metrics = loss_of(LossSpec(loss_type="bnpo"), PLAIN, advantages=(-1, -1), context=four)
    assert value == pytest.approx(1.0 / 4)
    assert metrics["policy_loss"] == pytest.approx(1.0)  # logged undivided


def test_a_rollout_mean_is_rescaled_from_the_slices_of_the_rollout_to_those_of_the_step() -> None:
    about = {"gradient_accumulation_steps": 2, "steps_per_generation": 4, "rollout_tokens": 16}
    value, _, _ = loss_of(LossSpec(loss_type="dapo"), PLAIN, advantages=(-1, -1), context=about)
    assert value == pytest.approx(4 / (16 * 2 / 4))


def test_evaluation_is_not_divided_for_accumulation() -> None:
    about = {"gradient_accumulation_steps": 2, "steps_per_generation": 4, "training": False}
    assert loss_of(LossSpec(loss_type="grpo"), PLAIN, advantages=(-1, -1), context=about)[0] == pytest.approx(
        1
    )
    assert loss_of(LossSpec(loss_type="dapo"), PLAIN, advantages=(-1, -1), context=about)[0] == pytest.approx(
        1
    )


ONE = np.ones((1, 1), dtype=np.float32)
TWO = np.ones((1, 2), dtype=np.float32)


def single(ratio: float, advantage: float, **spec: Any) -> tuple[float, float]:
    """Loss and gradient of one token whose ratio is `ratio`."""
    value, gradient, _ = loss_of(
        LossSpec(**spec), log([[ratio]]), old=[[0.0]], advantages=(advantage,), mask=ONE
    )
    return value, float(gradient[0, 0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.1, 2.0, -2.2, -2.2),  # inside
        (1.5, 2.0, -2.4, 0.0),  # good and already likelier: held at 1.2
        (1.5, -2.0, 3.0, 3.0),  # bad and likelier: not held
        (0.5, -2.0, 1.6, 0.0),  # bad and already rarer: held at 0.8
        (0.5, 2.0, -1.0, -1.0),  # good and rarer: not held
    ],
)
def test_the_clip_holds_only_what_has_gone_far_enough(
    ratio: float, advantage: float, loss: float, gradient: float
) -> None:
    found = single(ratio, advantage, loss_type="grpo")
    assert found == pytest.approx((loss, gradient), abs=1e-6)


def test_epsilon_high_widens_upwards_only() -> None:
    assert single(1.5, 1.0, loss_type="dapo", epsilon_high=0.4)[0] == pytest.approx(-1.4)
    assert single(0.5, -1.0, loss_type="dapo", epsilon_high=0.4)[0] == pytest.approx(0.8)


def test_delta_bounds_what_the_clip_leaves_open() -> None:
    assert single(9.0, -1.0, loss_type="grpo")[0] == pytest.approx(9.0)
    assert single(9.0, -1.0, loss_type="grpo", delta=4.0) == pytest.approx((4.0, 0.0))


def test_cispo_caps_the_weight_and_keeps_the_gradient() -> None:
    ratio = math.exp(2.0)
    assert single(ratio, 1.0, loss_type="cispo", epsilon_high=5.0) == pytest.approx((-10.0, -5.0), rel=1e-5)
    assert single(1.0, 1.0, loss_type="cispo", epsilon_high=5.0) == pytest.approx((0.0, -1.0), abs=1e-6)


def test_cispo_without_its_cap_shrinks_the_on_policy_gradient_to_a_fifth() -> None:
    assert single(1.0, 1.0, loss_type="cispo")[1] == pytest.approx(-0.2)


def test_sapo_on_policy_has_the_gradient_of_the_policy_gradient() -> None:
    value, gradient = single(1.0, 1.0, loss_type="sapo")
    assert value == pytest.approx(-2.0)  # 4 x sigmoid(0)
    assert gradient == pytest.approx(-1.0)
    assert single(1.0, -1.0, loss_type="sapo")[0] == pytest.approx(2.0 / 1.05)


def test_vespo_weighs_a_completion_by_its_whole_weight_and_phi_of_one_is_one() -> None:
    assert single(1.0, 1.0, loss_type="vespo")[1] == pytest.approx(-1.0)
    # w = 2: phi = exp(3 + 2 ln 2 - 3 x 2)
    assert single(2.0, 1.0, loss_type="vespo")[1] == pytest.approx(-4 * math.exp(-3), rel=1e-5)


def test_reinforce_needs_no_old_policy() -> None:
    assert single(3.0, 2.0, loss_type="reinforce") == pytest.approx((-2 * math.log(3), -2.0), rel=1e-6)


@pytest.mark.parametrize(
    ("level", "loss", "gradient"),
    [
        ("token", -(4 + 1) / 2, [-4 / 2, -1 / 2]),
        ("sequence", -2.0, [-2 / 2, -2 / 2]),  # sqrt(4 x 1) = 2; half of it through each token
        ("sequence_token", -2.0, [-2 / 2, -2 / 2]),
        ("none", -1.0, [-1 / 2, -1 / 2]),  # value 1, with a gradient
    ],
)
def test_ratio_levels(level: Any, loss: float, gradient: list[float]) -> None:
    spec = LossSpec(loss_type="grpo", importance_sampling_level=level, epsilon_high=99.0)
    value, found, _ = loss_of(spec, log([[4.0, 1.0]]), old=[[0.0, 0.0]], advantages=(1.0,), mask=TWO)
    assert value == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(found[0], gradient, rtol=1e-6)


def test_without_old_logprobs_the_ratio_is_one_and_the_gradient_flows() -> None:
    _, gradient, metrics = loss_of(LossSpec(loss_type="dapo"), PLAIN, advantages=(2.0, -2.0))
    np.testing.assert_allclose(gradient, [[-0.5, 0, 0], [0.5, 0.5, 0.5]])
    assert metrics["ratio/mean"] == metrics["ratio/min"] == metrics["ratio/max"] == 1.0


def test_kl_is_k3_and_pulls_towards_the_reference() -> None:
    spec = LossSpec(loss_type="bnpo", beta=0.5, use_bias_correction_kl=False)
    value, gradient, metrics = loss_of(
        spec, [[0.0]], advantages=(0.0,), mask=ONE, reference_logprobs=log([[0.5]])
    )
    kl = 0.5 - math.log(0.5) - 1
    assert value == pytest.approx(0.5 * kl, rel=1e-6)
    assert gradient[0, 0] == pytest.approx(
        0.5 * (1 - 0.5), rel=1e-6
    )  # down, away from what the policy overrates
    assert metrics["kl"] == pytest.approx(kl, rel=1e-6)


def test_bias_correction_leaves_the_on_policy_value_and_changes_the_gradient() -> None:
    given: dict[str, Any] = {"advantages": (0.0,), "mask": ONE, "reference_logprobs": log([[0.5]])}
    plain = loss_of(LossSpec(beta=1.0, use_bias_correction_kl=False), [[0.0]], **given)
    corrected = loss_of(LossSpec(beta=1.0), [[0.0]], **given)
    kl = 0.5 - math.log(0.5) - 1
    assert corrected[0] == pytest.approx(plain[0])
    assert corrected[1][0, 0] == pytest.approx(plain[1][0, 0] + kl, rel=1e-6)


def test_no_gate_touches_the_kl_term() -> None:
    spec = LossSpec(loss_type="bnpo", beta=1.0, off_policy_mask_threshold=0.1)
    shared: dict[str, Any] = {
        "reference_logprobs": log([[0.5]]),
        "mask": ONE,
        "advantages": (-1.0,),
        "old": [[0.0]],
    }
    kl = 0.5 - math.log(0.5) - 1
    gated = loss_of(spec, [[0.0]], sampler_ratio=[[0.0]], **shared)[0]
    assert gated == pytest.approx(kl, rel=1e-6)
    assert loss_of(spec, [[0.0]], entropy_mask=[[0.0]], **shared)[0] == pytest.approx(kl, rel=1e-6)


def test_off_policy_rows_are_dropped_only_where_they_are_bad() -> None:
    drifted = [[-1.0, 0, 0], [-1.0, -1.0, -1.0]]  # a nat less likely than when they were sampled
    spec = LossSpec(loss_type="bnpo", off_policy_mask_threshold=0.5)
    _, gradient, _ = loss_of(spec, drifted, old=np.zeros((2, 3)), advantages=(1.0, -1.0))
    assert gradient[0, 0] != 0
    assert not gradient[1].any()
    _, kept, _ = loss_of(
        spec, drifted, old=np.zeros((2, 3)), sampled_logprobs=drifted, advantages=(1.0, -4.0)
    )
    assert not kept[1].any()  # clipped below, not dropped: the sampler's own numbers are near
    wide = LossSpec(loss_type="bnpo", off_policy_mask_threshold=0.5, epsilon=0.9)
    _, kept, _ = loss_of(
        wide, drifted, old=np.zeros((2, 3)), sampled_logprobs=drifted, advantages=(1.0, -4.0)
    )
    assert kept[1].all()


def test_the_entropy_mask_drops_tokens_without_changing_the_denominator() -> None:
    keep = np.array([[0, 0, 0], [1, 0, 1]], dtype=np.float32)
    _, gradient, _ = loss_of(LossSpec(loss_type="dapo"), PLAIN, advantages=(-1, -1), entropy_mask=keep)
    np.testing.assert_allclose(gradient, keep / 4)


def test_top_entropy_keeps_the_share_over_the_slice_not_per_row() -> None:
    entropies = np.array([[0.1, 99, 99], [0.2, 0.3, 0.4]])  # the 99s are padding
    assert top_entropy_mask(entropies, MASK, 1.0) is None
    half = top_entropy_mask(entropies, MASK, 0.5)
    assert half is not None
    assert half.tolist() == [[False, False, False], [False, True, True]]
    none_but_the_largest = top_entropy_mask(entropies, MASK, 0.0)
    assert none_but_the_largest is not None
    assert none_but_the_largest.sum() == 1


def test_equal_entropies_on_the_threshold_are_all_kept() -> None:
    kept = top_entropy_mask(np.full((1, 4), 0.7), np.ones((1, 4)), 0.25)
    assert kept is not None
    assert kept.all()


def test_the_entropy_bonus_is_a_mean_over_its_tokens_and_has_its_own_gradient() -> None:
    entropies = [[1.0, 9, 9], [2.0, 2.0, 3.0]]
    plain, _, _ = loss_of(LossSpec(loss_type="dr_grpo"), PLAIN, entropies=entropies)
    value, _, metrics = loss_of(
        LossSpec(loss_type="dr_grpo"), PLAIN, entropies=entropies, context={"entropy_coef": 0.1}
    )
    assert value == pytest.approx(plain - 0.1 * 8 / 4)
    assert metrics["policy_loss"] == pytest.approx(plain)
    assert metrics["entropy_coef"] == 0.1
    assert metrics["entropy"] == pytest.approx(2.0)


def test_the_entropy_bonus_asks_for_entropies() -> None:
    with pytest.raises(ValueError, match="needs entropies"):
        loss_of(LossSpec(), PLAIN, context={"entropy_coef": 0.1})


def test_a_kl_penalty_asks_for_a_reference() -> None:
    with pytest.raises(ValueError, match="needs reference log-probabilities"):
        loss_of(LossSpec(beta=0.1), PLAIN)


def test_clip_metrics_count_tokens_and_rows() -> None:
    ratios = [[2.0, 5.0, 5.0], [0.5, 1.0, 0.5]]  # the 5s are padding
    given: dict[str, Any] = {"old": np.zeros((2, 3)), "advantages": (1.0, -1.0)}
    _, _, metrics = loss_of(LossSpec(loss_type="grpo"), log(ratios), **given)
    assert metrics["clip_ratio/high_mean"] == pytest.approx(1 / 4)
    assert metrics["clip_ratio/low_mean"] == pytest.approx(2 / 4)
    assert metrics["clip_ratio/region_mean"] == pytest.approx(3 / 4)
    assert metrics["clip_ratio/high_max"] == pytest.approx(1.0)
    assert metrics["clip_ratio/low_min"] == pytest.approx(0.0)
    assert metrics["ratio/max"] == pytest.approx(2.0)
    assert metrics["ratio/min"] == pytest.approx(0.5)


def test_a_slice_with_every_token_masked_is_zero_and_its_extremes_are_unknown() -> None:
    empty = np.zeros((2, 3), dtype=np.float32)
    spec = LossSpec(loss_type="grpo", beta=0.1)
    value, gradient, metrics = loss_of(spec, PLAIN, mask=empty, reference_logprobs=np.full((2, 3), np.nan))
    assert value == 0.0
    assert not gradient.any()
    assert metrics["kl"] == 0.0
    assert math.isnan(metrics["clip_ratio/low_min"])
    assert math.isnan(metrics["clip_ratio/high_max"])


def test_metrics_of_one_column_are_one_value_per_row() -> None:
    """TRL's convention for T == 1: a masked row counts in the metrics, though not in the loss."""
    half = np.array([[1.0], [0.0]], dtype=np.float32)
    value, gradient, metrics = loss_of(
        LossSpec(loss_type="dapo"),
        log([[2.0], [2.0]]),
        old=[[0.0], [0.0]],
        mask=half,
        entropies=[[1.0], [3.0]],
    )
    assert metrics["entropy"] == pytest.approx(2.0)
    assert metrics["clip_ratio/high_mean"] == pytest.approx(1.0)
    assert metrics["ratio/mean"] == pytest.approx(2.0)
    assert value == pytest.approx(-1.2)
    assert gradient[1, 0] == 0.0


def test_a_diverged_model_gives_a_large_loss_not_nan() -> None:
    value, gradient, _ = loss_of(
        LossSpec(loss_type="grpo", beta=0.1),
        [[0.0, 0, 0], [0, 0, 0]],
        old=np.full((2, 3), -500.0),
        advantages=(0.0, 1.0),
        reference_logprobs=np.full((2, 3), -300.0),
    )
    assert math.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_micro_batch_may_be_narrower_than_its_slice() -> None:
    rows = LossRows.of(mask=MASK, advantages=np.array([-1.0, -1.0]), sampler_ratio=np.ones((2, 1)))
    context = slice_context(MASK, max_completion_length=4)
    first, _ = policy_loss(LossSpec(), context, rows.take(np.array([0])), mx.array([[1.0]]))
    second, _ = policy_loss(LossSpec(), context, rows.take(np.array([1])), mx.array([[2.0, 2.0, 2.0]]))
    assert float(first + second) == pytest.approx(1.0)


def test_settings_come_from_attributes_of_the_same_names() -> None:
    class Method:
        def __getattr__(self, name: str) -> Any:
            return {"loss_type": "cispo", "epsilon_high": 5.0}.get(name, getattr(LossSpec(), name))

    assert settings_of(LossSpec, Method()) == LossSpec(loss_type="cispo", epsilon_high=5.0)


def test_supervised_loss_is_the_mean_over_the_steps_tokens() -> None:
    logprobs = mx.array([[-1.0, 9.0, 9.0], [-2.0, -3.0, -2.0]])

    def share(values: mx.array) -> mx.array:
        return supervised_loss(values, mx.array(MASK), tokens=16)[0]

    value, gradient = mx.value_and_grad(share)(logprobs)
    assert float(value) == pytest.approx(8 / 16)
    np.testing.assert_allclose(np.array(gradient), -MASK / 16)
    sums = supervised_loss(logprobs, mx.array(MASK), tokens=16)[1]
    assert (float(sums["nll"]), float(sums["tokens"])) == (8.0, 4.0)


def test_supervised_loss_over_nothing_is_zero() -> None:
    assert float(supervised_loss(mx.full((1, 2), math.nan), mx.zeros((1, 2)), tokens=0)[0]) == 0.0


def test_every_loss_that_a_config_may_name_is_there_and_clips_where_its_name_says_so() -> None:
    assert set(LOSSES) == set(get_args(LossType))
    clipping = {name for name, loss in LOSSES.items() if loss.objective is clipped_surrogate}
    assert clipping == set(get_args(ClippedLoss))
