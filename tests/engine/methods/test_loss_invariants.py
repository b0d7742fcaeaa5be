"""What must never change a loss: padding, the size of micro-batches, the order of rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

import mlx.core as mx
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from droid_tune import names
from droid_tune.config.recipes import methods as config
from droid_tune.methods.losses import LossRows, LossSpec, finish_metrics, policy_loss, slice_context
from droid_tune.methods.losses import spec as loss_spec
from droid_tune.methods.losses.masks import top_entropy_mask

ROWS, WIDTH = 5, 6
Arrays = dict[str, np.ndarray]

specs = st.builds(
    LossSpec,
    loss_type=st.sampled_from(get_args(names.LossType)),
    importance_sampling_level=st.sampled_from(get_args(names.RatioLevel)),
    epsilon_high=st.sampled_from([None, 0.28]),
    delta=st.sampled_from([None, 1.5]),
    beta=st.sampled_from([0.0, 0.1]),
    use_bias_correction_kl=st.booleans(),
    top_entropy_quantile=st.sampled_from([1.0, 0.4]),
    off_policy_mask_threshold=st.sampled_from([None, 0.1]),
)
situations = st.fixed_dictionaries(
    {
        "on_policy": st.booleans(),
        "sampler": st.sampled_from([None, "token", "sequence"]),
        "entropy_coef": st.sampled_from([0.0, 0.05]),
        "seed": st.integers(0, 10_000),
    }
)
lengths_of_rows = st.lists(st.integers(0, WIDTH), min_size=ROWS, max_size=ROWS)


def slice_of(spec: LossSpec, lengths: list[int], situation: dict[str, Any]) -> Arrays:
    """Random but plausible arrays of one slice."""
    random = np.random.default_rng(situation["seed"])
    logprobs = random.uniform(-3, -0.1, (ROWS, WIDTH))
    mask = (np.arange(WIDTH)[None] < np.array(lengths)[:, None]).astype(float)
    entropies = random.uniform(0, 3, (ROWS, WIDTH))
    arrays = {
        "mask": mask,
        "advantages": random.normal(size=ROWS),
        "logprobs": logprobs,
        "entropies": entropies,
        "reference_logprobs": logprobs + random.normal(size=logprobs.shape) * 0.3,
        "sampled_logprobs": logprobs + random.normal(size=logprobs.shape) * 0.3,
    }
    if not situation["on_policy"]:
        arrays["old_logprobs"] = logprobs + random.normal(size=logprobs.shape) * 0.3
    if situation["sampler"]:
        columns = WIDTH if situation["sampler"] == "token" else 1
        arrays["sampler_ratio"] = random.uniform(0.5, 1.5, (ROWS, columns))
    kept = top_entropy_mask(entropies, mask, spec.top_entropy_quantile)
    return arrays if kept is None else {**arrays, "entropy_mask": kept}


def evaluate(
    spec: LossSpec, arrays: Arrays, situation: dict[str, Any], cuts: list[int] | None = None
) -> tuple[float, np.ndarray, dict[str, float]]:
    """Loss, gradients with respect to (log-probabilities, entropies) stacked, and metrics, over parts of a slice."""
    context = slice_context(
        arrays["mask"],
        max_completion_length=8,
        rollout_tokens=40,
        entropy_mask=arrays.get("entropy_mask"),
        gradient_accumulation_steps=2,
        steps_per_generation=4,
        entropy_coef=situation["entropy_coef"],
    )
    rows = LossRows.of(
        **{name: array for name, array in arrays.items() if name not in ("logprobs", "entropies")}
    )
    edges = [0, *sorted(set(cuts or []) - {0}), len(arrays["mask"])]
    total, gradients, parts = 0.0, [], []
    for first, last in pairwise(edges):
        taken = rows.take(np.arange(first, last))

        def share(both: mx.array, taken: LossRows = taken) -> tuple[mx.array, dict[str, mx.array]]:
            return policy_loss(spec, context, taken, both[0], both[1])

        both = np.stack([arrays["logprobs"][first:last], arrays["entropies"][first:last]]).astype(np.float32)
        (value, sums), gradient = mx.value_and_grad(share)(mx.array(both))
        total += float(value)
        gradients.append(np.array(gradient))
        parts.append(sums)
    return total, np.concatenate(gradients, axis=1), finish_metrics(spec, context, parts)


def agree(one: tuple[Any, ...], two: tuple[Any, ...], tolerance: float = 2e-5) -> None:
    np.testing.assert_allclose(two[0], one[0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(two[1], one[1], rtol=tolerance, atol=tolerance)
    assert one[2].keys() == two[2].keys()
    for name in one[2]:
        np.testing.assert_allclose(two[2][name], one[2][name], rtol=tolerance, atol=tolerance, err_msg=name)


@given(
    spec=specs,
    lengths=lengths_of_rows,
    situation=situations,
    junk=st.sampled_from([np.nan, np.inf, -1e30, 7.0]),
)
@settings(deadline=None, max_examples=60)
def test_padding_never_matters_and_has_no_gradient(
    spec: LossSpec, lengths: list[int], situation: dict[str, Any], junk: float
) -> None:
    arrays = slice_of(spec, lengths, situation)
    padding = arrays["mask"] == 0
    soiled = {
        name: np.where(padding, junk, array) if array.shape == padding.shape and "mask" not in name else array
        for name, array in arrays.items()
    }
    before, after = evaluate(spec, arrays, situation), evaluate(spec, soiled, situation)
    agree(before, after, tolerance=0)
    assert not after[1][:, padding].any()


@given(spec=specs, lengths=lengths_of_rows, situation=situations, more=st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_padding_to_a_greater_width_never_matters(
    spec: LossSpec, lengths: list[int], situation: dict[str, Any], more: int
) -> None:
    arrays = slice_of(spec, lengths, situation)
    wider = {
        name: np.pad(array, [(0, 0), (0, more)], constant_values=1 if name == "sampler_ratio" else 0)
        if array.ndim == 2 and array.shape[1] == WIDTH
        else array
        for name, array in arrays.items()
    }
    one, two = evaluate(spec, arrays, situation), evaluate(spec, wider, situation)
    agree(one, (two[0], two[1][:, :, :WIDTH], two[2]))


@given(
    spec=specs,
    lengths=lengths_of_rows,
    situation=situations,
    cuts=st.lists(st.integers(1, ROWS - 1), min_size=1, max_size=ROWS - 1),
)
@settings(deadline=None, max_examples=60)
def test_the_size_of_micro_batches_never_matters(
    spec: LossSpec, lengths: list[int], situation: dict[str, Any], cuts: list[int]
) -> None:
    arrays = slice_of(spec, lengths, situation)
    agree(evaluate(spec, arrays, situation), evaluate(spec, arrays, situation, cuts))


@given(spec=specs, lengths=lengths_of_rows, situation=situations, order=st.permutations(range(ROWS)))
@settings(deadline=None, max_examples=40)
def test_the_order_of_rows_never_matters(
    spec: LossSpec, lengths: list[int], situation: dict[str, Any], order: list[int]
) -> None:
    arrays = slice_of(spec, lengths, situation)
    one = evaluate(spec, arrays, situation)
    two = evaluate(spec, {name: array[order] for name, array in arrays.items()}, situation)
    agree((one[0], one[1][:, order], one[2]), two)


@given(spec=specs, situation=situations)
@settings(deadline=None, max_examples=30)
def test_zero_advantages_without_penalty_teach_nothing(spec: LossSpec, situation: dict[str, Any]) -> None:
    """The licence to skip such rows altogether (beta 0, no bonus); A*-PO's 0 is a target like any other."""
    assume(spec.loss_type != "a2po")
    spec = replace(spec, beta=0.0)
    situation = {**situation, "entropy_coef": 0.0}
    arrays = slice_of(spec, [WIDTH] * ROWS, situation)
    loss, gradients, _ = evaluate(spec, {**arrays, "advantages": np.zeros(ROWS)}, situation)
    assert loss == 0.0
    assert not gradients.any()


def test_the_loss_has_the_names_and_defaults_of_the_configs() -> None:
    assert loss_spec.settings_of(LossSpec, config.DAPOConfig()) == LossSpec(epsilon_high=0.28)
