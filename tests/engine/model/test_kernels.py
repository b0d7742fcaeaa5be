"""The engine's own kernels against the plain formulas that they stand in for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models.activations import swiglu as plain_swiglu
from mlx_lm.tuner.lora import LoRALinear

from droid_tune.model.arrays import layers_of
from droid_tune.model.kernels import lean_attention, lora_in_one, shared_attention
from droid_tune.model.kernels.in_force import PLAIN, Kernels, in_force, using
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.kernels.shared_attention import Shared, attend
from droid_tune.model.kernels.swiglu import FEW_NUMBERS, swiglu, swiglu_read
from droid_tune.numerics import MOST_FALLEN, exponential, falling
from tests.engine.model.tiny import VOCABULARY, tiny_policy

TOKENS = (mx.arange(12) * 7 % VOCABULARY)[None]
SLOTS, HEADS, REPEATS, ROWS, STEPS, PREFIX, WIDTH = 2, 2, 2, 3, 4, 5, 8


def test_the_exponential_is_e_to_the_power_and_exactly_0_at_minus_infinity() -> None:
    values = np.concatenate([np.linspace(-100, 80, 1001), [0.0, -np.inf]]).astype(np.float32)

    found = np.asarray(exponential(mx.array(values)))

    np.testing.assert_allclose(found, np.exp(values.astype(np.float64)), rtol=2e-5, atol=2e-38)
    assert found[-2:].tolist() == [1, 0]


def test_what_falls_is_the_exponential_and_nothing_where_it_counts_for_nothing() -> None:
    gaps = np.concatenate([np.linspace(0, 0.999 * MOST_FALLEN, 5000), [MOST_FALLEN, 80, 1e30, np.inf]])
    found = np.array(falling(mx.array(gaps.astype(np.float32))))
    assert found[0] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found[:-4], np.exp(-gaps[:-4]), rtol=2e-5)
    assert found[-4:].max() < 1e-14
    assert found[-1] == found[-2] == 0


def test_the_exponential_of_half_precision_is_float32() -> None:
    assert exponential(mx.array([0.0, -1.0], dtype=mx.bfloat16)).dtype == mx.float32


@pytest.mark.parametrize("kind", [mx.float32, mx.bfloat16])
def test_swiglu_and_its_gradient_are_the_plain_ones_of_the_same_type(kind: mx.Dtype) -> None:
    gate, up, slope = (mx.random.normal((3, 7), key=mx.random.key(seed)).astype(kind) for seed in range(3))

    ours = mx.vjp(lambda *given: [swiglu(*given)], [gate, up], [slope])
    plain = mx.vjp(lambda *given: [plain_swiglu(*given)], [gate, up], [slope])

    loose = 1e-5 if kind == mx.float32 else 0.03
    for mine, theirs in zip([*ours[0], *ours[1]], [*plain[0], *plain[1]], strict=True):
        assert mine.dtype == theirs.dtype == kind
        assert_close(mine, theirs, loose)


def test_swiglu_stays_finite_where_the_gate_is_huge() -> None:
    gate, up = mx.array([-1e4, 1e4]), mx.array([2.0, 2.0])

    assert swiglu(gate, up).tolist() == [0.0, 2e4]


@pytest.mark.parametrize("kind", [mx.float32, mx.bfloat16])
@pytest.mark.parametrize("rows", [3, FEW_NUMBERS // 8])
def test_swiglu_that_is_only_read_is_gate_times_its_sigmoid_times_up(kind: mx.Dtype, rows: int) -> None:
    gate, up = (mx.random.normal((2, rows, 8), key=mx.random.key(seed)) * 6 for seed in range(2))
    gate[0, :2, 0], gate[1, :2, 0] = mx.array([-1e4, 1e4]), mx.array([0.0, -25.0])
    gate, up = gate.astype(kind), up.astype(kind)

    found = swiglu_read(gate, up)

    assert found.dtype == kind
    wide, times = (np.asarray(array.astype(mx.float32), np.float64) for array in (gate, up))
    with np.errstate(over="ignore"):
        expected = wide * times / (1 + np.exp(-wide))
    loose = 5e-6 if kind == mx.float32 else 4e-3
    error = np.abs(np.asarray(found.astype(mx.float32)) - expected)
    assert (error <= loose * np.abs(expected) + 1e-9 * np.abs(wide * times)).all()


def shared_parts(*, masked: bool, steps: int = STEPS) -> tuple[mx.array, Shared]:
    """Queries (S * R, heads * rep, T, D) and keys as `attend` takes them; ragged prompts, causal own tokens."""
    keys = [mx.random.key(seed) for seed in range(5)]
    rows, query_heads = SLOTS * ROWS, HEADS * REPEATS
    queries = mx.random.normal((rows, query_heads, steps, WIDTH), key=keys[0])
    prefix = [mx.random.normal((SLOTS, HEADS, PREFIX, WIDTH), key=key) for key in keys[1:3]]
    own = [mx.random.normal((SLOTS, HEADS, ROWS, steps, WIDTH), key=key) for key in keys[3:]]
    lengths = mx.array([PREFIX, 3])[:, None]
    visible = (mx.arange(PREFIX)[None] < lengths)[:, None, None, None, None] if masked else None
    causal = mx.arange(steps)[:, None] >= mx.arange(steps)[None] if masked else None
    return queries, Shared(prefix[0], prefix[1], own[0], own[1], visible, causal)


def plainly(queries: mx.array, shared: Shared, scale: float) -> mx.array:
    """The same attention row by row, over both parts joined."""
    rows: list[mx.array] = []
    for row in range(queries.shape[0]):
        slot, member = divmod(row, ROWS)
        joined = [
            mx.concatenate([far[slot], near[slot, :, member]], axis=1)
            for far, near in (
                (shared.prefix_keys, shared.own_keys),
                (shared.prefix_values, shared.own_values),
            )
        ]
        keys, values = (mx.repeat(part, REPEATS, axis=0) for part in joined)
        scores = (queries[row] * scale) @ keys.swapaxes(-1, -2)
        if shared.prefix_mask is not None and shared.own_mask is not None:
            far = mx.broadcast_to(shared.prefix_mask[slot, 0, 0, 0], (STEPS, PREFIX))
            scores = mx.where(mx.concatenate([far, shared.own_mask], axis=-1), scores, -mx.inf)
        rows.append(mx.softmax(scores, axis=-1) @ values)
    return mx.stack(rows)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("block", [2**22, 1])  # all rows at once, and one by one
def test_shared_attention_and_all_its_gradients_are_those_of_plain_attention(
    masked: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_attention, "block_weights", lambda **_: block)
    queries, shared = shared_parts(masked=masked)
    parts = [shared.prefix_keys, shared.prefix_values, shared.own_keys, shared.own_values]
    weights = mx.random.normal(queries.shape, key=mx.random.key(9))

    def pulled(attention: Callable[[mx.array, Shared, float], mx.array]) -> tuple[Any, ...]:
        def total(*given: mx.array) -> list[mx.array]:
            return [attention(given[0], Shared(*given[1:], shared.prefix_mask, shared.own_mask), 0.3)]

        return mx.vjp(total, [queries, *parts], [weights])

    ours, plain = pulled(attend), pulled(plainly)

    for mine, theirs in zip([*ours[0], *ours[1]], [*plain[0], *plain[1]], strict=True):
        assert_close(mine, theirs, 1e-5)
    assert_close(attend(queries, shared, 0.3, training=False), plain[0][0], 1e-5)


@pytest.mark.parametrize("block", [2**22, 2 * HEADS * REPEATS * SLOTS * STEPS * (PREFIX + STEPS), 1])
def test_shared_attention_that_is_causal_by_name_is_that_with_its_mask(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows at once, two and then one, and each query's keys in one array, as long rows go."""
    queries, shared = shared_parts(masked=True)
    parts = [queries, shared.prefix_keys, shared.prefix_values, shared.own_keys, shared.own_values]
    weights = mx.random.normal(queries.shape, key=mx.random.key(9))

    def pulled(own_mask: mx.array | str | None) -> list[mx.array]:
        def total(*given: mx.array) -> list[mx.array]:
            return [attend(given[0], Shared(*given[1:], None, own_mask), 0.3)]

        outputs, gradients = mx.vjp(total, parts, [weights])
        return [*outputs, *gradients]

    expected = pulled(shared.own_mask)
    monkeypatch.setattr(shared_attention, "block_weights", lambda **_: block)
    for mine, theirs in zip(pulled("causal"), expected, strict=True):
        assert_close(mine, theirs, 1e-5)


@pytest.mark.parametrize("mask", [None, "causal", "rows"])
@pytest.mark.parametrize("block", [2**22, 1])  # all queries at once, and in blocks of the fewest
def test_lean_attention_and_its_gradients_are_those_of_mlx(
    mask: str | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_attention, "block_weights", lambda **_: block)
    monkeypatch.setattr(lean_attention, "LEAST_BLOCK", 3)
    queries, keys, values, slope = (
        mx.random.normal((2, heads, length, 8), key=mx.random.key(seed))
        for seed, (heads, length) in enumerate([(4, 7), (2, 9), (2, 9), (4, 7)])
    )
    seen = mx.random.uniform(shape=(2, 1, 7, 9), key=mx.random.key(5)) < 0.6
    visible: Any = seen | (mx.arange(9) == 0) if mask == "rows" else mask

    ours = mx.vjp(
        lambda *given: [lean_attention.lean_attention(*given, 0.3, visible)], [queries, keys, values], [slope]
    )
    plain = mx.vjp(
        lambda *given: [mx.fast.scaled_dot_product_attention(*given, scale=0.3, mask=visible)],
        [queries, keys, values],
        [slope],
    )

    for mine, theirs in zip([*ours[0], *ours[1]], [*plain[0], *plain[1]], strict=True):
        assert_close(mine, theirs, 1e-5)


def test_training_keeps_no_attention_weights() -> None:
    """Twelve layers of attention over 512 tokens: their weights would be 12 x 8 x 512 x 512 numbers."""
    layers, heads, length, width = 12, 8, 512, 8
    start = mx.random.normal((1, heads, length, width), key=mx.random.key(0))

    def peak(attention: Callable[[mx.array], mx.array]) -> int:
        def total(states: mx.array) -> mx.array:
            for _ in range(layers):
                states = states + attention(states)
            return states.sum()

        mx.eval(start)
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        mx.eval(mx.grad(total)(start))
        return mx.get_peak_memory() - before

    weights = layers * heads * length * length * 4
    assert peak(lambda x: mx.fast.scaled_dot_product_attention(x, x, x, scale=1.0, mask="causal")) > weights
    assert peak(lambda x: lean_attention.lean_attention(x, x, x, 1.0, "causal")) < weights / 2


@pytest.mark.parametrize("mask", [None, "causal", "rows"])
def test_reading_long_rows_in_blocks_gives_what_mlx_gives(
    mask: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = mx.random.normal((2, 4, 7, 8), key=mx.random.key(0))
    keys, values = (mx.random.normal((2, 2, 9, 8), key=mx.random.key(seed)) for seed in (1, 2))
    seen = mx.random.uniform(shape=(2, 1, 7, 9), key=mx.random.key(5)) < 0.6
    visible: Any = seen | (mx.arange(9) == 0) if mask == "rows" else mask
    whole = lean_attention.read_attention(queries, keys, values, 0.3, visible)
    assert mx.array_equal(
        whole, mx.fast.scaled_dot_product_attention(queries, keys, values, scale=0.3, mask=visible)
    )
    monkeypatch.setattr(lean_attention, "block_weights", lambda **_: 1)
    monkeypatch.setattr(lean_attention, "LEAST_BLOCK", 3)
    assert_close(lean_attention.read_attention(queries, keys, values, 0.3, visible), whole, 1e-5)


def test_reading_long_completions_on_a_shared_prompt_gives_what_short_ones_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queries, shared = shared_parts(masked=True)
    parts = shared.prefix_keys, shared.prefix_values, shared.own_keys, shared.own_values
    whole = attend(queries, Shared(*parts, None, "causal"), 0.3, training=False)
    for module in (lean_attention, shared_attention):
        monkeypatch.setattr(module, "block_weights", lambda **_: 1)
    assert_close(attend(queries, Shared(*parts, None, "causal"), 0.3, training=False), whole, 1e-5)


@pytest.mark.parametrize("kind", ["a row by itself", "rows on a shared prompt"])
def test_one_block_of_attention_weights_exists_at_a_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order is ours: MLX by itself computes every block's scores before it reads the first of them."""
    rows, heads, length, width = (1, 4, 1024, 8) if kind == "a row by itself" else (64, 4, 256, 4)
    block = heads * length * (64 if rows == 1 else 2 * (length + 8))
    for module in (lean_attention, shared_attention):
        monkeypatch.setattr(module, "block_weights", lambda **_: block)
    start = mx.random.normal((rows, heads, length, width), key=mx.random.key(0))

    def total(states: mx.array) -> mx.array:
        if rows == 1:
            return lean_attention.lean_attention(states, states, states, 1.0, "causal").sum()
        prompt, own = states[:1, :, :8], states.swapaxes(0, 1)[None]
        return attend(states, Shared(prompt, prompt, own, own, None, "causal"), 1.0).sum()

    mx.eval(start)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(mx.grad(total)(start))
    beside = mx.get_peak_memory() - before
    assert beside < 4 * 5 * block + 20 * start.nbytes
    assert 4 * 5 * block + 20 * start.nbytes < 4 * rows * heads * length * length


def test_layers_compute_with_the_kernels_in_force_and_with_mlx_lms_own_outside_a_block() -> None:
    model = tiny_policy("llama").model
    heard: list[str] = []

    def told(name: str, theirs: Callable[..., mx.array]) -> Callable[..., mx.array]:
        def telling(*given: Any) -> mx.array:
            heard.append(name)
            return theirs(*given)

        return telling

    plain = model(TOKENS)
    with using(Kernels(told("swiglu", PLAIN.swiglu), told("attention", PLAIN.attention))):
        again = model(TOKENS)
    layers = len(layers_of(model))

    assert heard == ["attention", "swiglu"] * layers
    assert mx.array_equal(again, plain)
    model(TOKENS)
    assert len(heard) == 2 * layers


def test_a_choice_of_kernels_is_of_one_thread() -> None:
    """While this thread is inside, another runs the same class of model: it hears nothing of it."""
    mine, other = tiny_policy("llama").model, tiny_policy("llama").model
    heard: list[int] = []
    seen: list[Kernels] = []

    def told(*given: Any) -> mx.array:
        heard.append(threading.get_ident())
        return PLAIN.attention(*given)

    def elsewhere() -> None:
        seen.append(in_force())
        other(TOKENS)

    with using(Kernels(PLAIN.swiglu, told, shares_prompts=True)):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        mine(TOKENS)

    assert heard == [threading.get_ident()] * len(layers_of(mine))
    assert seen == [PLAIN]


def assert_close(mine: mx.array, theirs: mx.array, relative: float) -> None:
    mine, theirs = mine.astype(mx.float32), theirs.astype(mx.float32)
    assert mine.shape == theirs.shape
    assert float(mx.linalg.norm(mine - theirs).item()) <= relative * float(mx.linalg.norm(theirs).item())


def lora(kind: mx.Dtype = mx.float32, *, bias: bool = True, dropout: float = 0.0) -> LoRALinear:
    """A layer of 6 to 10 numbers, both factors without zeros."""
    made: Any = LoRALinear(6, 10, r=3, dropout=dropout, scale=2.0, bias=bias)
    made.lora_b = mx.random.normal((3, 10), key=mx.random.key(1))
    made.linear.apply(lambda array: array.astype(kind))
    return made


def lora_gradients(layer: Any, inputs: mx.array, slope: mx.array) -> list[mx.array]:
    """The layer's output, and its derivative by inputs and both factors."""

    def run(x: mx.array, a: mx.array, b: mx.array) -> list[mx.array]:
        layer.lora_a, layer.lora_b = a, b
        return [layer(x)]

    given = [inputs, layer.lora_a, layer.lora_b]
    outputs, gradients = mx.vjp(run, given, [slope])
    layer.lora_a, layer.lora_b = given[1:]
    return [*outputs, *gradients]


@pytest.mark.parametrize("bias", [False, True])
def test_lora_in_one_product_and_its_gradients_are_those_of_mlx_lm(bias: bool) -> None:
    tiny_policy("llama")  # layers ask from now on
    layer, inputs = lora(bias=bias), mx.random.normal((2, 9, 6), key=mx.random.key(2))
    slope = mx.random.normal((2, 9, 10), key=mx.random.key(3))

    plain = lora_gradients(layer, inputs, slope)
    with own_kernels(training=True):
        ours = lora_gradients(layer, inputs, slope)

    assert lora_in_one.takes(layer, inputs)
    for mine, theirs in zip(ours, plain, strict=True):
        assert_close(mine, theirs, 1e-5)


def test_lora_stays_beside_weights_that_cannot_hold_it_or_where_one_matrix_does_not_pay() -> None:
    many, few = mx.ones((2, 9, 6)), mx.ones((1, 4, 6))
    dropping = lora(dropout=0.5)

    assert not lora_in_one.takes(lora(), few)
    assert not lora_in_one.takes(lora(mx.bfloat16), many)
    assert not lora_in_one.takes(dropping, many)
    assert lora_in_one.takes(dropping.eval(), many)
