"""Filters by hand-checkable distributions, what the order changes, and that draws follow the probabilities."""

from __future__ import annotations

import math
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droid_tune.config.sampling import SamplingConfig
from droid_tune.rollout.keys import PIECE, chances, draw
from droid_tune.rollout.samplers import (
    FILTERS,
    ORDERS,
    SamplerSettings,
    filtered_logits,
    first_equals,
    largest,
    sample,
    sampler_settings,
    see,
    seen_tokens,
)

ODDS = [[8.0, 4.0, 2.0, 1.0, 1.0]]  # of 16


def probabilities(odds: list[list[float]] = ODDS, **how: Any) -> list[float]:
    seen = how.pop("seen", None)
    logits = mx.array(np.log(np.array(odds)).astype(np.float32))
    return distribution(logits, SamplerSettings(**how), seen).tolist()


def distribution(logits: mx.array, how: SamplerSettings, seen: mx.array | None = None) -> np.ndarray:
    """The probabilities (V,) that one row is drawn by; removed tokens have 0 exactly."""
    if how.temperature == 0:
        token = sample(logits, how, mx.zeros((1, 3)), seen=seen).tokens
        return np.array(mx.arange(logits.shape[-1]) == token, np.float32)
    return np.array(mx.softmax(filtered_logits(logits, how, seen=seen), axis=-1, precise=True))[0]


def test_without_filters_the_distribution_is_the_models() -> None:
    assert probabilities() == pytest.approx([8 / 16, 4 / 16, 2 / 16, 1 / 16, 1 / 16])


def test_temperature_sharpens_the_odds() -> None:
    total = 64 + 16 + 4 + 1 + 1
    assert probabilities(temperature=0.5) == pytest.approx(
        [64 / total, 16 / total, 4 / total, 1 / total, 1 / total]
    )


def test_a_temperature_of_zero_takes_the_best_after_the_penalty() -> None:
    assert probabilities(temperature=0.0) == [1, 0, 0, 0, 0]
    penalised = probabilities(temperature=0.0, repetition_penalty=3.0, seen=seen_tokens([[0]], 5))
    assert penalised == [0, 1, 0, 0, 0]  # log 8 / 3 = log 2 < log 4


def test_top_k_keeps_the_largest_and_equals_of_the_last() -> None:
    assert probabilities(top_k=2) == pytest.approx([8 / 12, 4 / 12, 0, 0, 0])
    assert probabilities(top_k=4) == pytest.approx([8 / 16, 4 / 16, 2 / 16, 1 / 16, 1 / 16])
    assert probabilities(top_k=99) == pytest.approx(probabilities())


def test_top_p_keeps_tokens_until_the_share_is_reached() -> None:
    assert probabilities(top_p=0.5) == pytest.approx([1, 0, 0, 0, 0])
    assert probabilities(top_p=0.51) == pytest.approx([8 / 12, 4 / 12, 0, 0, 0])
    assert probabilities(top_p=1e-6) == pytest.approx([1, 0, 0, 0, 0])


def test_top_p_ranks_equals_by_their_number() -> None:
    assert probabilities([[1.0] * 8], top_p=0.5) == pytest.approx([1 / 4] * 4 + [0] * 4)
    # equals of 3/13: those before the second hold 3/13 < 0.3, those before the third 6/13
    assert probabilities([[1.0, 3.0, 3.0, 3.0, 3.0]], top_p=0.3) == pytest.approx([0, 1 / 2, 1 / 2, 0, 0])


def test_top_p_after_top_k_counts_equals_of_the_last_in_the_total() -> None:
    # top-k 4 leaves all five (two equals), so the first three hold 14/16 = 0.875
    assert probabilities(top_k=4, top_p=0.87) == pytest.approx([8 / 14, 4 / 14, 2 / 14, 0, 0])
    # the fourth is kept too, and not its equal: that one is ranked behind 15/16
    assert probabilities(top_k=4, top_p=0.88) == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15, 0])
    assert probabilities(top_k=4, top_p=0.95)[3:] == pytest.approx([1 / 16, 1 / 16])


def test_min_p_is_relative_to_the_best() -> None:
    assert probabilities(min_p=0.4) == pytest.approx([8 / 12, 4 / 12, 0, 0, 0])


def test_xtc_leaves_the_least_of_the_top_choices() -> None:
    assert probabilities(xtc_probability=1.0, xtc_threshold=0.2) == pytest.approx(
        [0, 4 / 8, 2 / 8, 1 / 8, 1 / 8]
    )
    spared = probabilities(xtc_probability=1.0, xtc_threshold=0.2, xtc_special_tokens=(0,))
    assert spared == pytest.approx(probabilities())
    nothing_above = probabilities(xtc_probability=1.0, xtc_threshold=0.5)
    assert nothing_above == pytest.approx(probabilities())


def test_the_repetition_penalty_lowers_either_sign() -> None:
    logits = mx.array([[2.0, -2.0, 2.0]])
    seen = seen_tokens([[0, 1, 1]], 3)
    kept = filtered_logits(logits, SamplerSettings(repetition_penalty=2.0), seen=seen)
    assert kept.tolist() == [[1.0, -4.0, 2.0]]


def test_seen_tokens_are_per_row_and_grow() -> None:
    seen = see(seen_tokens([[0], [2, 2]], 3), mx.array([1, 2], dtype=mx.uint32))
    assert seen.tolist() == [[True, True, False], [False, False, True]]


def test_the_order_decides_whether_top_p_sees_the_temperature() -> None:
    hot: dict[str, Any] = {"temperature": 2.0, "top_p": 0.7}
    assert sum(p > 0 for p in probabilities(**hot)) == 3  # sqrt of the odds: 2.83, 2, 1.41 of 8.24
    assert sum(p > 0 for p in probabilities(**hot, order="temperature_last")) == 2  # 8 + 4 of 16


def test_every_filter_stands_in_every_order() -> None:
    for names in ORDERS.values():
        assert sorted(names) == sorted(FILTERS)


def test_settings_come_from_the_sampling_config_and_start_without_filters() -> None:
    found = sampler_settings(SamplingConfig(), xtc_special_tokens=[2])
    assert found == SamplerSettings(xtc_special_tokens=(2,))
    assert found.filters == ()
    assert SamplerSettings(top_p=0.9, top_k=3, temperature=0.5).filters == ("top_k", "top_p")


# --- draws ----------------------------------------------------------------------------------------------------------


def test_draws_follow_the_probabilities() -> None:
    rows = 20_000
    logits = mx.repeat(mx.array(np.log(np.array(ODDS)).astype(np.float32)), rows, axis=0)
    found = sample(logits, SamplerSettings(), chances(3, range(rows), 1)[:, 0])
    counts = np.bincount(np.array(found.tokens), minlength=5)
    expected = rows * np.array(ODDS[0]) / 16
    assert ((counts - expected) ** 2 / expected).sum() < 18.5  # chi-squared with 4 degrees of freedom, 0.999


def test_draws_reach_every_piece_of_a_wide_vocabulary() -> None:
    vocabulary, rows = 3 * PIECE + 5, 400
    logits = mx.zeros((rows, vocabulary))
    tokens = np.array(sample(logits, SamplerSettings(), chances(1, range(rows), 1)[:, 0]).tokens)
    assert set(tokens // PIECE) == {0, 1, 2, 3}
    assert tokens.max() < vocabulary


@pytest.mark.parametrize("chance", [0.0, 0.5, 1 - 2**-24, 1.0])
@pytest.mark.parametrize("alive", [[0], [130], [7, 300]])
def test_a_removed_token_is_never_drawn(chance: float, alive: list[int]) -> None:
    logits = np.full((1, 301), -np.inf, dtype=np.float32)
    logits[0, alive] = 1.0
    tokens, logprobs = draw(mx.array(logits), mx.full((1, 3), chance))
    assert tokens.item() in alive
    assert logprobs.item() == pytest.approx(-math.log(len(alive)), abs=1e-6)


@given(seed=st.integers(0, 2**63), row=st.integers(0, 40), others=st.lists(st.integers(0, 40), max_size=4))
@settings(deadline=None, max_examples=25)
def test_a_rows_draw_does_not_depend_on_its_company(seed: int, row: int, others: list[int]) -> None:
    logits = mx.random.normal((41, 300), key=mx.random.key(0))
    together = [row, *others]
    alone = sample(logits[mx.array([row])], SamplerSettings(), chances(seed, [row], 2)[:, 1])
    among = sample(logits[mx.array(together)], SamplerSettings(), chances(seed, together, 2)[:, 1])
    assert among.tokens[0].item() == alone.tokens[0].item()


def test_rows_and_positions_and_seeds_have_numbers_of_their_own() -> None:
    found = np.concatenate([np.array(chances(seed, range(8), 5)).ravel() for seed in (1, 2)])
    assert len(np.unique(found)) == len(found)


@pytest.mark.parametrize("how", [{}, {"top_k": 2}, {"temperature": 0.5, "top_p": 0.6}])
def test_recorded_logprobs_are_those_without_filters(how: dict[str, Any]) -> None:
    logits = mx.random.normal((16, 50), key=mx.random.key(1))
    found = sample(logits, SamplerSettings(**how), chances(5, range(16), 1)[:, 0])
    scaled = np.array(logits, dtype=np.float64) / how.get("temperature", 1.0)
    scores = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    chosen = np.take_along_axis(scores, np.array(found.tokens)[:, None].astype(int), axis=1)[:, 0]
    np.testing.assert_allclose(np.array(found.logprobs), chosen, atol=1e-5)


def test_what_is_taken_greedily_is_certain() -> None:
    logits = mx.random.normal((16, 50), key=mx.random.key(1))
    found = sample(logits, SamplerSettings(temperature=0.0), chances(5, range(16), 1)[:, 0])
    assert found.tokens.tolist() == mx.argmax(logits, axis=-1).tolist()
    assert found.logprobs.tolist() == found.drawn.tolist() == [0.0] * 16


def test_xtc_acts_on_its_share_of_rows() -> None:
    rows = 2_000
    logits = mx.repeat(mx.array(np.log(np.array([[15.0, 1.0, 4.0]])).astype(np.float32)), rows, axis=0)
    how = SamplerSettings(xtc_probability=0.25, xtc_threshold=0.1)
    tokens = np.array(sample(logits, how, chances(2, range(rows), 1)[:, 0]).tokens)
    assert (
        0.70 * 0.75 < (tokens == 0).mean() < 0.80 * 0.75
    )  # 15 of 20 where it does not act, never where it does


@given(
    width=st.integers(1, 700), seed=st.integers(0, 99), count=st.integers(1, 400), threshold=st.integers(0, 2)
)
@settings(deadline=None, max_examples=40)
def test_the_first_of_equals_remain(width: int, seed: int, count: int, threshold: int) -> None:
    values = np.random.default_rng(seed).integers(0, 3, (3, width)).astype(np.float32)
    found = np.array(
        first_equals(mx.array(values), mx.full((3, 1), float(threshold)), mx.full((3, 1), count))
    )
    equal = values == threshold
    kept = (values > threshold) | (equal & (equal.cumsum(axis=1) <= count))
    np.testing.assert_array_equal(found, np.where(kept, values, -np.inf))


# --- searching wide rows --------------------------------------------------------------------------------------------


@given(width=st.integers(1, 3000), count=st.integers(1, 8), seed=st.integers(0, 99), tied=st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_largest_are_those_of_a_full_sort(width: int, count: int, seed: int, tied: bool) -> None:
    values = np.random.default_rng(seed).normal(size=(2, width)).astype(np.float32)
    values = np.round(values) if tied else values
    count = min(count, width)
    np.testing.assert_array_equal(np.array(largest(mx.array(values), count)), -np.sort(-values)[:, :count])


@given(
    seed=st.integers(0, 999),
    how=st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([0.5, 1.0, 1.7]),
            "top_k": st.sampled_from([0, 3, 40]),
            "top_p": st.sampled_from([0.2, 0.9, 1.0]),
            "min_p": st.sampled_from([0.0, 0.05]),
            "xtc_probability": st.sampled_from([0.0, 1.0]),
            "order": st.sampled_from(["temperature_first", "temperature_last"]),
        }
    ),
)
@settings(deadline=None, max_examples=60)
def test_a_wide_vocabulary_is_filtered_like_a_narrow_one(seed: int, how: dict[str, Any]) -> None:
    """Tokens of vanishing probability change the path through the search, not the outcome."""
    narrow = np.random.default_rng(seed).normal(size=(1, 40)).astype(np.float32) * 2
    wide = np.full((1, 5000), -200.0, dtype=np.float32)
    places = np.random.default_rng(seed).permutation(5000)[:40]
    wide[0, places] = narrow[0]
    one = distribution(mx.array(narrow), SamplerSettings(**how))
    two = distribution(mx.array(wide), SamplerSettings(**how))
    np.testing.assert_allclose(two[places], one, atol=1e-5)
    assert two.sum() == pytest.approx(1.0, abs=1e-5)


def test_what_was_drawn_is_recorded_with_the_filters_and_without() -> None:
    # top-p 0.6 of [8, 4, 2, 1, 1] / 16 keeps the first two: 8/12 and 4/12 after it
    logits = mx.array(np.log(np.array(ODDS)).astype(np.float32))
    for seed in range(8):
        found = sample(logits, SamplerSettings(top_p=0.6), chances(seed, [0], 1)[:, 0])
        token = int(found.tokens.item())
        assert float(found.logprobs.item()) == pytest.approx(math.log(ODDS[0][token] / 16), abs=1e-5)
        assert float(found.drawn.item()) == pytest.approx(math.log(ODDS[0][token] / 12), abs=1e-5)
