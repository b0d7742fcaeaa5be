"""Keys and values in few bits: the attention is that of the numbers they stand for, and what differs is corrected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.config.recipes.methods import GRPOConfig
from droid_tune.config.run import RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.errors import UserError
from droid_tune.estimate.cache_bits import bytes_share
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.caches.group import SlotLayout, group_caches
from droid_tune.model.caches.prefix import empty_caches
from droid_tune.model.gradients.scoring import score
from droid_tune.model.kernels.few_bits import FewBits, Held, in_bits
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.kernels.shared_attention import Shared, attend
from droid_tune.model.plan_for import plan_for
from droid_tune.names import KVCache
from tests.engine.model.tiny import tiny_policy
from tests.engine.rollout.test_generate import TEMPERATURE, as_rows, sampled
from tests.engine.train.test_policy_gradient import experience_of, learner_of


def whole(held: Held) -> mx.array:
    """The numbers that packed ones stand for."""
    if not isinstance(held, FewBits):
        return held
    group = held.packed.shape[-1] * 32 // held.bits // held.scales.shape[-1]
    numbers = mx.dequantize(*held.arrays, group_size=group, bits=held.bits)
    return numbers[..., : held.width]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("width", [24, 64, 80])  # padded to a group of 32, one of 64, three of 32
def test_attention_over_few_bits_is_that_over_the_numbers_they_stand_for(width: int, bits: int) -> None:
    slots, heads, rows, repeats, prompt, own = 2, 2, 3, 2, 7, 5
    shapes = [(slots, heads, prompt, width)] * 2 + [(slots, heads, rows, own, width)] * 2
    drawn = [mx.random.normal(shape, key=mx.random.key(seed)) for seed, shape in enumerate(shapes)]
    queries = mx.random.normal((slots * rows, heads * repeats, 1, width), key=mx.random.key(9))
    kept = [in_bits(array, bits) for array in drawn]
    masks = mx.arange(prompt)[None] < mx.array([[7], [4]]), mx.arange(own) > 0
    visible = masks[0][:, None, None, None, None]

    found = attend(queries, Shared(*kept, visible, masks[1]), width**-0.5, training=False)
    expected = attend(queries, Shared(*map(whole, kept), visible, masks[1]), width**-0.5, training=False)
    exact = attend(queries, Shared(*drawn, visible, masks[1]), width**-0.5, training=False)

    np.testing.assert_allclose(found, expected, atol=2e-5)
    apart = np.abs(np.asarray(found - exact)).max()
    assert 1e-5 < apart < (0.03 if bits == 8 else 0.4)


@pytest.mark.parametrize("bits", [8, 4])
def test_a_cache_in_few_bits_weighs_what_the_estimate_says_and_keeps_rows_apart(bits: int) -> None:
    policy = tiny_policy("llama", hidden_size=64, num_attention_heads=2, num_key_value_heads=1, head_dim=64)
    prompt = mx.arange(64)[None]
    kept: dict[int, int] = {}
    for each in (0, bits):
        caches = empty_caches(policy.model)
        with own_kernels():
            policy.model(prompt, cache=caches)
            read = [(cache.keys, cache.values) for cache in caches]
            held = group_caches(read, [None] * len(read), SlotLayout([64], 3), each)
            before = policy.model(mx.array([[5], [9], [11]]), cache=held)[:, 0]
            for cache in held:
                cache.keep(SlotLayout([64], 2), mx.array([0]), mx.array([[2, 0]]))
            after = policy.model(mx.array([[3], [3]]), cache=held)[:, 0]
        arrays = [array for cache in held for array in cache.state]
        mx.eval(before, after, arrays)
        kept[each] = sum(array.nbytes for array in arrays)
        assert not np.allclose(after[0], after[1], atol=1e-3)  # what they had read before differs
    assert kept[bits] / kept[0] == pytest.approx(bytes_share(bits, 4, 64), rel=1e-6)


def test_bytes_of_few_bits_by_hand() -> None:
    assert bytes_share(0, 2, 128) == 1
    assert bytes_share(4, 2, 128) == (128 * 0.5 + 2 * 2 * 2) / 256  # bfloat16: 0.28
    assert bytes_share(8, 2, 64) == (64 + 2 * 2) / 128
    assert bytes_share(4, 4, 24) == (32 * 0.5 + 2 * 4) / 96  # padded to 32, one group


@pytest.mark.parametrize("architecture", ["llama", "qwen3_moe", "gemma3_text"])
def test_completions_drawn_from_few_bits_say_what_they_were_drawn_with(architecture: str) -> None:
    policy = tiny_policy(architecture)
    policy.stop_tokens = frozenset({1, 17, 23, 29, 31})
    exact = sampled(policy)
    gaps: dict[str, float] = {}
    for kind in ("8bit", "4bit"):
        rollout = sampled(policy, kv_cache=kind)
        scored = score(
            policy, as_rows(rollout), temperature=TEMPERATURE, plan=MemoryPlan(train_rows=3)
        ).logprobs
        gap = np.abs(rollout.sampled_logprobs - scored)[rollout.completion_mask > 0]
        gaps[kind] = float(gap.mean())
    assert 1e-6 < gaps["8bit"] < 0.05
    assert 3 * gaps["8bit"] < gaps["4bit"] < 0.5
    # Their first token comes from the prompt's own logits.
    np.testing.assert_array_equal(sampled(policy, kv_cache="4bit").tokens[:, 0], exact.tokens[:, 0])


def test_a_step_measures_and_corrects_what_few_bits_change(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.0}, sampling={"kv_cache": "4bit"})
    metrics = learner.gather(0).metrics
    experience = experience_of(learner)
    assert experience.old_logprobs is not None
    assert experience.sampler_ratio is not None
    assert metrics["sampling/logp_difference/max"] > 1e-5
    expected = np.exp((experience.old_logprobs - experience.sampled_logprobs) * experience.mask)
    np.testing.assert_allclose(experience.sampler_ratio, np.minimum(expected, 3.0), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "bits", "mode"),
    [
        ({}, 0, None),
        ({}, 4, "token_truncate"),
        ({"type": "rloo"}, 8, "sequence_truncate"),
        ({"sampler_correction": "off"}, 4, None),
        ({"sampler_correction": "sequence_mask"}, 0, "sequence_mask"),
    ],
)
def test_auto_corrects_few_bits_alone(settings: dict[str, Any], bits: int, mode: str | None) -> None:
    method = resolve({"method": {"type": "grpo", **settings}}).method
    assert method.correction(bits) == mode  # pyright: ignore
    assert method.needs_old_logprobs(1, bits) is (mode is not None)  # pyright: ignore


def test_bits_are_read_as_mlx_lm_counts_them() -> None:
    assert [SamplingConfig.model_validate({"kv_bits": bits}).cache_bits for bits in (None, 4, 8)] == [0, 4, 8]
    assert [SamplingConfig(kv_cache=kind).cache_bits for kind in get_args(KVCache)] == [0, 8, 4]
    assert GRPOConfig().sampler_correction == "auto"


def test_few_bits_are_refused_where_they_would_have_no_effect(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`kv_cache` 4bit is for answers of one turn.*use kv_cache: as_is"):
        resolve({"sampling": {"kv_cache": "4bit"}, "environment": {"type": "tools", "path": "shop.py"}})
    policy = tiny_policy("llama")
    policy.architecture = replace(policy.architecture, decodes_shared=False)
    with pytest.raises(UserError, match="`kv_cache` 8bit is not known for this model"):
        plan_for(RunConfig(sampling=SamplingConfig(kv_cache="8bit")), policy)
