"""Recurrences by chunks against the loop over tokens: values, gradients, masks, states, whole models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.models import gated_delta as theirs
from mlx_lm.models.bailing_hybrid import recurrent_gla as their_gla

from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.scoring import loss_and_gradients
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.kernels import own_kernels as own
from droid_tune.model.kernels.in_force import Kernels
from droid_tune.model.kernels.install import goes_token_by_token, install
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.kernels.recurrence import asked
from droid_tune.model.kernels.recurrence.gated_delta import gated_delta
from droid_tune.model.kernels.recurrence.linear_attention import decayed_attention
from droid_tune.model.kernels.recurrence.rwkv7 import generalised_delta
from droid_tune.model.kernels.recurrence.triangular import inverse_of_unit_lower
from droid_tune.model.policy import Policy
from tests.engine.model import tiny
from tests.engine.model.recurrent import RECURRENT, without_zeros
from tests.engine.model.test_gradients import (
    BY_HAND,
    PLANS,
    TEMPERATURE,
    Case,
    agrees,
    flat,
    made_case,
    plain_gradient,
    relative_error,
)

#: relative, of a gradient's length
TOLERANCE = 1e-5
Arrays = Sequence[mx.array]


# --- the loops: each formula as it stands in its docstring ----------------------------------------------------------


def delta_loop(q: mx.array, k: mx.array, v: mx.array, g: mx.array, b: mx.array, state: mx.array) -> Arrays:
    output, after = theirs.gated_delta_ops(q, k, v, mx.exp(g), b, state.swapaxes(-1, -2))
    return output, after.swapaxes(-1, -2)


def attention_loop(q: mx.array, k: mx.array, v: mx.array, g: mx.array, state: mx.array) -> Arrays:
    heads = v.shape[2] // k.shape[2]
    q, k = (mx.repeat(one, heads, axis=2) for one in (q, k))
    outputs: list[mx.array] = []
    for t in range(v.shape[1]):
        state = mx.exp(g[:, t])[..., None, None] * state + k[:, t, :, :, None] * v[:, t, :, None]
        outputs.append((q[:, t, :, None] @ state)[:, :, 0])
    return mx.stack(outputs, axis=1), state


def rwkv_loop(
    r: mx.array, w: mx.array, k: mx.array, v: mx.array, a: mx.array, b: mx.array, state: mx.array
) -> Arrays:
    outputs: list[mx.array] = []
    for t in range(v.shape[1]):
        asked_of = a[:, t, :, None] @ state
        state = mx.exp(w[:, t])[..., None] * state + b[:, t, :, :, None] * asked_of
        state = state + k[:, t, :, :, None] * v[:, t, :, None]
        outputs.append((r[:, t, :, None] @ state)[:, :, 0])
    return mx.stack(outputs, axis=1), state


# --- random inputs of each ------------------------------------------------------------------------------------------


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> mx.array:
    return mx.array((scale * rng.standard_normal(shape)).astype(np.float32))


def unit(rng: np.random.Generator, *shape: int) -> mx.array:
    values = normal(rng, *shape)
    return values / mx.linalg.norm(values, axis=-1, keepdims=True)


def gates(rng: np.random.Generator, *shape: int) -> mx.array:
    """Log decays from nearly none to forgetting at once."""
    return -mx.abs(normal(rng, *shape, scale=float(rng.choice([0.01, 0.3, 3.0, 60.0]))))


def delta_case(rng: np.random.Generator, n: int, t: int, h: int, d: int, e: int, channels: bool) -> Arrays:
    strengths = mx.sigmoid(normal(rng, n, t, h)) * float(rng.choice([1, 2]))
    shape = (n, t, h, d) if channels else (n, t, h)
    return (
        *(normal(rng, n, t, h, d, scale=d**-0.5), unit(rng, n, t, h, d), normal(rng, n, t, h, e)),
        *(gates(rng, *shape), strengths, normal(rng, n, h, d, e)),
    )


def attention_case(rng: np.random.Generator, n: int, t: int, h: int, d: int, e: int) -> Arrays:
    groups = int(rng.choice([group for group in range(1, h + 1) if h % group == 0]))
    return (
        *(normal(rng, n, t, groups, d), normal(rng, n, t, groups, d, scale=d**-0.5)),
        *(normal(rng, n, t, h, e), gates(rng, n, t, h), normal(rng, n, h, d, e)),
    )


def rwkv_case(rng: np.random.Generator, n: int, t: int, h: int, d: int, e: int) -> Arrays:
    removed, rate = unit(rng, n, t, h, d), mx.sigmoid(normal(rng, n, t, h, d))
    decays = -0.606531 * mx.sigmoid(normal(rng, n, t, h, d, scale=3))
    return (
        *(normal(rng, n, t, h, d), decays, normal(rng, n, t, h, d, scale=d**-0.5), normal(rng, n, t, h, e)),
        *(-removed, removed * rate, normal(rng, n, h, d, e)),
    )


KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Arrays]]] = {
    "a gate a head": (gated_delta, delta_loop, lambda *shape: delta_case(*shape, channels=False)),
    "a gate a channel": (gated_delta, delta_loop, lambda *shape: delta_case(*shape, channels=True)),
    "linear attention": (decayed_attention, attention_loop, attention_case),
    "RWKV-7": (generalised_delta, rwkv_loop, rwkv_case),
}


def values_and_gradients(function: Callable[..., Arrays], inputs: Arrays, seed: int) -> list[mx.array]:
    """Output, state, and the gradient of a random sum of both by every input."""
    found = function(*inputs)
    rng = np.random.default_rng(seed)
    weights = [normal(rng, *one.shape) for one in found]

    def weighed(*arrays: mx.array) -> mx.array:
        return sum(((one * weight).sum() for one, weight in zip(function(*arrays), weights, strict=True)))

    gradients = mx.grad(weighed, argnums=list(range(len(inputs))))(*inputs)
    return [*found, *gradients]


def agree(found: Arrays, expected: Arrays) -> None:
    for one, other in zip(found, expected, strict=True):
        gap = mx.linalg.norm((one - other).flatten()).item()
        assert gap <= TOLERANCE * max(mx.linalg.norm(other.flatten()).item(), 1e-3)


def try_shape(kind: str, seed: int) -> None:
    chunked, loop, make = KINDS[kind]
    rng = np.random.default_rng(seed)
    steps = int(rng.choice([2, 3, 17, 63, 64, 65, 100, 128, 150]))
    rows, heads, key, value = (
        int(rng.integers(low, high)) for low, high in ((1, 3), (1, 4), (2, 12), (1, 9))
    )
    inputs = make(rng, rows, steps, heads, key, value)
    agree(values_and_gradients(chunked, inputs, seed), values_and_gradients(loop, inputs, seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_chunk_gives_what_the_loop_gives(kind: str, seed: int) -> None:
    try_shape(kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_shapes_give_what_the_loop_gives(kind: str) -> None:
    for seed in range(100, 150):
        try_shape(kind, seed)


def test_more_than_one_span_gives_what_the_loop_gives() -> None:
    inputs = delta_case(np.random.default_rng(5), 1, 530, 1, 4, 4, channels=False)
    agree(values_and_gradients(gated_delta, inputs, 1), values_and_gradients(delta_loop, inputs, 1))


def test_equal_keys_do_not_spoil_the_inverse() -> None:
    """(I - L)(I + L^2)(I + L^4)... would pass 1e17 on its way to these ones."""
    ones = mx.tril(mx.ones((64, 64)), -1)
    expected = np.eye(64) - np.eye(64, k=-1)
    np.testing.assert_allclose(np.asarray(inverse_of_unit_lower(ones)), expected, atol=1e-6)


def test_equal_keys_of_a_whole_chunk_keep_the_gradient() -> None:
    rng = np.random.default_rng(3)
    q, k, v, _, _, state = delta_case(rng, 1, 64, 2, 8, 4, channels=False)
    same = mx.broadcast_to(k[:, :1], k.shape)
    inputs = (q, same, v, mx.zeros((1, 64, 2)), mx.ones((1, 64, 2)), state)
    agree(values_and_gradients(gated_delta, inputs, 1), values_and_gradients(delta_loop, inputs, 1))


# --- with mlx-lm's signatures ---------------------------------------------------------------------------------------


def test_what_a_mask_hides_leaves_the_delta_state_alone() -> None:
    rng = np.random.default_rng(1)
    q, k, v, a, b = (normal(rng, 2, 70, 2, 8), unit(rng, 2, 70, 2, 8), normal(rng, 2, 70, 4, 8),
                     normal(rng, 2, 70, 4), normal(rng, 2, 70, 4))  # fmt: skip
    rates, bias = normal(rng, 4), normal(rng, 4)
    mask = mx.array(np.arange(70)[None] < np.array([[70], [33]]))
    arguments = (q, k, v, a, b, rates, bias, None, mask)
    output, state = asked.gated_delta_update(theirs.gated_delta_update, *arguments)
    expected, after = theirs.gated_delta_update(*arguments, use_kernel=False)
    agree([state, output[0], output[1, :33]], [after, expected[0], expected[1, :33]])


@pytest.mark.parametrize("hidden", ["by a mask", "behind a length"])
def test_what_is_hidden_leaves_the_mamba_state_alone(hidden: str) -> None:
    rng = np.random.default_rng(2)
    x, times = normal(rng, 1, 70, 4, 8), normal(rng, 1, 70, 4)
    inputs, outputs, fixed = (
        normal(rng, 1, 70, 2, 6),
        normal(rng, 1, 70, 2, 6),
        [normal(rng, 4) for _ in range(3)],
    )
    rates, skip, bias = fixed

    def run(steps: int, **hiding: mx.array) -> tuple[mx.array, mx.array]:
        taken = (one[:, :steps] for one in (inputs, outputs))
        return asked.ssm_update(never, x[:, :steps], rates, *taken, skip, times[:, :steps], bias, **hiding)

    hiding = {"mask": mx.arange(70)[None] < 33} if hidden == "by a mask" else {"lengths": mx.array([33])}
    (output, state), (expected, after) = run(70, **hiding), run(33)
    agree([output[:, :33], state], [expected, after])


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("mlx-lm's own function was called")


def test_lightning_attention_is_mlx_lms() -> None:
    rng = np.random.default_rng(4)
    q, k, v = (normal(rng, 2, 3, 90, 8, scale=0.3) for _ in range(3))
    slopes, mask = -mx.array([0.9, 0.1, 0.01]), mx.array(np.arange(90)[None] < np.array([[90], [41]]))
    state = normal(rng, 2, 3, 8, 8)
    output, after = asked.recurrent_gla(never, q, k, v, slopes, 0.5, state, mask)
    expected, kept = their_gla(q, k, v, slopes, scale=0.5, h=state, mask=mask)
    agree([after, output[0], output[1, :, :41]], [kept, expected[0], expected[1, :, :41]])


def test_one_token_goes_mlx_lms_way() -> None:
    seen: list[int] = []
    one = mx.zeros((1, 1, 2, 4))
    asked.gated_delta_update(lambda *_, **__: seen.append(1), one, one, one, one, one, one, one)
    asked.ssm_update(lambda *_: seen.append(2), one, *[one] * 6)
    asked.wkv7(lambda *_: seen.append(3), None, *[one] * 6, None)
    asked.recurrent_gla(lambda *_, **__: seen.append(4), one.swapaxes(1, 2), one, one, one, 1.0)
    assert seen == [1, 2, 3, 4]


# --- whole models ---------------------------------------------------------------------------------------------------


@pytest.fixture
def recurrent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, config in RECURRENT.items():
        monkeypatch.setitem(tiny.CONFIGS, name, config)


FAMILIES = ["qwen3_next", "mamba2", *RECURRENT]
#: keys of 8 numbers, brought to length 1, multiply float32's rounding fivefold (see test_gradients.py)
WIDER: dict[str, dict[str, Any]] = {
    "qwen3_next": {"linear_key_head_dim": 16},
    "olmo_hybrid": {"linear_key_head_dim": 16},
    "qwen3_5": {"text_config": {**RECURRENT["qwen3_5"]["text_config"], "linear_key_head_dim": 16}},
    "kimi_linear": {"linear_attn_config": {**RECURRENT["kimi_linear"]["linear_attn_config"], "head_dim": 16}},
}


@pytest.mark.usefixtures("recurrent")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_has_the_gradient_of_mlx_lms_loop(family: str) -> None:
    model = tiny.tiny_model(family)
    install(model)
    model.train()
    rng = np.random.default_rng(0)
    if family == "rwkv7":
        without_zeros(model)
    tokens, weights = mx.array(rng.integers(0, tiny.VOCABULARY, (2, 70))), normal(rng, 2, 70, tiny.VOCABULARY)

    def weighed(parameters: Any) -> mx.array:
        model.update(parameters)
        return (model(tokens) * weights).mean()

    gradient = mx.grad(weighed)
    expected = gradient(model.trainable_parameters())
    with own_kernels(training=True):
        found = gradient(model.trainable_parameters())
    lengths = [
        sum((one**2).sum().item() for _, one in pairs) ** 0.5
        for pairs in (
            [(name, one - dict(tree_flatten(expected))[name]) for name, one in tree_flatten(found)],
            tree_flatten(expected),
        )
    ]
    assert lengths[0] <= TOLERANCE * lengths[1]


@pytest.mark.usefixtures("recurrent")
def test_latent_attention_keeps_no_weights_of_a_long_row() -> None:
    """Kimi Linear's rotated parts came as a mask of heads x 1,024 x 1,024 numbers, stored with each gradient anew."""
    policy = tiny.tiny_policy("kimi_linear")
    layer, x = policy.model.layers[1].self_attn, normal(np.random.default_rng(0), 1, 1024, 32)
    mask = mx.tril(mx.ones((1024, 1024), dtype=mx.bool_))

    def peak() -> int:
        mx.eval(x, mask)
        mx.clear_cache()
        held = mx.get_active_memory()
        mx.reset_peak_memory()
        mx.eval(mx.grad(lambda given: layer(given, mask).sum())(x))
        return mx.get_peak_memory() - held

    weights = 4 * 4 * 1024 * 1024
    assert peak() > 3 * weights
    with own_kernels(training=True):
        assert peak() < weights


def ragged_case(policy: Policy, seed: int) -> Case:
    """Up to two prompts of any length, shared by up to three completions each, ragged, some with parts that are not scored."""
    rng = np.random.default_rng(seed)
    group, longest = int(rng.integers(1, 4)), int(rng.integers(2, 90))
    prompts = [
        rng.integers(2, tiny.VOCABULARY, int(rng.integers(1, 80))).tolist()
        for _ in range(int(rng.integers(1, 3)))
    ]
    count = group * len(prompts)
    ends = rng.integers(1, longest + 1, count)
    mask = (np.arange(longest)[None] < ends[:, None]).astype(np.float32)
    mask[rng.random(mask.shape) < 0.1] = 0
    mask[0, 0] = 1
    tokens = rng.integers(2, tiny.VOCABULARY, (count, longest)).astype(np.int32)
    rows = ScoringRows.of_groups(prompts, group, tokens, mask)
    return Case(rows, normal(rng, count), mx.zeros(mask.shape))


@pytest.mark.slow
@pytest.mark.usefixtures("recurrent")
@pytest.mark.parametrize("family", [*FAMILIES, "lfm2"])
def test_sixteen_ragged_shapes_of_each_family_have_the_gradient_of_the_loop(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than 200 in all: shared prompts, states that rows begin with, masks, every plan in turn. The loop is judged in the
    same passes; rows that go singly through the whole model round otherwise (PLaMo 2's to 1.5e-5)."""
    policy = tiny.tiny_policy(family, **WIDER.get(family, {}))
    if family == "rwkv7":
        without_zeros(policy.model)
    plans = list(PLANS.values())
    for seed in range(16):
        case, plan = ragged_case(policy, seed), plans[seed % len(plans)]
        by_chunks = gradient_of(policy, case, plan)
        with monkeypatch.context() as patch:
            patch.setattr(own, "Kernels", token_by_token)
            by_tokens = gradient_of(policy, case, plan)
        assert relative_error(by_chunks, by_tokens) < 1e-5
        assert relative_error(by_chunks, plain_gradient(policy, case)[1]) < 2e-5


def token_by_token(*given: Any, **named: Any) -> Kernels:
    return replace(Kernels(*given, **named), chunked=False)


def gradient_of(policy: Policy, case: Case, plan: MemoryPlan) -> dict[str, mx.array]:
    return flat(loss_and_gradients(policy, case.rows, case.loss, temperature=TEMPERATURE, plan=plan)[1])


def test_a_loop_without_a_chunked_form_is_told() -> None:
    mamba = {"hidden_size": 32, "intermediate_size": 64, "state_size": 4, "conv_kernel": 4, "num_hidden_layers": 1,
             "use_bias": False, "use_conv_bias": True, "time_step_rank": 2, "vocab_size": 64}  # fmt: skip
    model_class, arguments = tiny._get_classes({"model_type": "mamba"})
    assert goes_token_by_token(model_class(arguments.from_dict({"model_type": "mamba", **mamba})))
    assert not goes_token_by_token(tiny.tiny_model("mamba2"))


@pytest.mark.usefixtures("recurrent")
@pytest.mark.parametrize("family", ["qwen3_5", "falcon_h1", "nemotron_h", "kimi_linear", "rwkv7"])
def test_every_plan_keeps_the_gradient_of_whole_rows(family: str) -> None:
    policy = tiny.tiny_policy(family, **WIDER.get(family, {}))
    if family == "rwkv7":
        without_zeros(policy.model)
    case = made_case(policy)
    expected = plain_gradient(policy, case)
    for name in BY_HAND:
        agrees(policy, case, PLANS[name], expected)
