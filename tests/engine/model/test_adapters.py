"""What is trained: the modules that the patterns choose, on weights of any precision, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import psutil
import pytest
from mlx.utils import tree_flatten, tree_unflatten

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.adapters import adapter_merged, adapter_off, target_modules
from droid_tune.model.gradients.scoring import loss_and_gradients, score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.loading import make_policy
from droid_tune.model.policy import Policy
from tests.engine.model.tiny import CONFIGS, IdTokenizer, flat, tiny_model, tiny_policy

ROWS = ScoringRows.of_groups([[3, 4, 5]], 2, np.arange(10, 22).reshape(2, 6), np.ones((2, 6), np.float32))


def trained(**settings: Any) -> set[str]:
    """`layer.module` of what an adapter of these settings trains in a llama of four layers."""
    names = tiny_policy("llama", AdapterConfig.model_validate({"rank": 2, **settings})).trainable()
    found = (re.match(r"model\.(?:layers\.)?(.*?)\.?(lora_[ab]|m|weight)$", name) for name in names)
    return {match.group(1) for match in found if match}


def test_the_models_own_modules_are_offered() -> None:
    assert target_modules(tiny_model("llama")) == [
        "mlp.down_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "self_attn.k_proj",
        "self_attn.o_proj",
        "self_attn.q_proj",
        "self_attn.v_proj",
        "model.embed_tokens",
    ]


def test_by_default_every_linear_layer_is_trained() -> None:
    assert len(trained()) == 4 * 7


@pytest.mark.parametrize("pattern", ["q_proj", "*.q_proj", "self_attn.q_proj"])
def test_a_pattern_may_be_the_last_part_of_a_name_or_all_of_it(pattern: str) -> None:
    assert trained(target_modules=[pattern], layers=2) == {"2.self_attn.q_proj", "3.self_attn.q_proj"}


def test_several_patterns_add_up() -> None:
    found = trained(target_modules=["self_attn.[qv]_proj", "mlp.*"], layers=1)
    assert found == {
        "3.self_attn.q_proj",
        "3.self_attn.v_proj",
        "3.mlp.gate_proj",
        "3.mlp.up_proj",
        "3.mlp.down_proj",
    }


def test_more_layers_than_there_are_is_all_of_them() -> None:
    assert len(trained(layers=99, target_modules=["q_proj"])) == 4


def test_a_pattern_that_fits_nothing_is_answered_with_the_models_own_list() -> None:
    with pytest.raises(UserError) as caught:
        trained(target_modules=["q_proj", "query"])
    said = str(caught.value)
    assert "query" in said
    assert "its modules are mlp.down_proj" in said


def test_in_full_only_the_chosen_part_is_trained() -> None:
    found = trained(type="full", layers=1, target_modules=["mlp.*"])
    assert found == {"3.mlp.gate_proj", "3.mlp.up_proj", "3.mlp.down_proj"}


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_weights_are_never_trained_in_full(bits: int) -> None:
    with pytest.raises(UserError, match="quantised weights cannot be trained in full") as caught:
        tiny_policy("llama", AdapterConfig(type="full"), quantise=bits, stir=False, intermediate_size=64)
    assert "use LoRA or DoRA" in str(caught.value)


def test_dora_refuses_widths_that_it_would_read_wrongly() -> None:
    settings = AdapterConfig(type="dora", target_modules=("q_proj",))
    with pytest.raises(UserError, match="DoRA cannot train 6-bit weights"):
        tiny_policy("llama", settings, quantise=6, stir=False, intermediate_size=64)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_a_fresh_adapter_changes_nothing_and_without_it_the_base_is_left(kind: str) -> None:
    settings = AdapterConfig.model_validate({"type": kind, "rank": 2})
    base = score(tiny_policy("llama", stir=False), ROWS, temperature=1.0, plan=MemoryPlan(), reference=True)
    fresh = tiny_policy("llama", settings, stir=False)
    np.testing.assert_allclose(
        score(fresh, ROWS, temperature=1.0, plan=MemoryPlan()).logprobs, base.logprobs, atol=1e-5
    )
    stirred = tiny_policy("llama", settings)
    assert (
        np.abs(score(stirred, ROWS, temperature=1.0, plan=MemoryPlan()).logprobs - base.logprobs).max() > 0.01
    )
    with adapter_off(stirred.model, stirred.adapted):
        off = stirred.model(mx.array([[3, 4, 5]]))
    np.testing.assert_allclose(off, tiny_policy("llama", stir=False).model(mx.array([[3, 4, 5]])), atol=1e-5)


def half(kind: str) -> Policy:
    """A policy of bfloat16 weights."""
    model = tiny_model("llama")
    model.set_dtype(mx.bfloat16)
    config = {"model_type": "llama", **CONFIGS["llama"]}
    settings = AdapterConfig.model_validate({"type": kind, "rank": 4, "scale": 2.0})
    return make_policy(model, IdTokenizer(), config, Path("tiny"), settings, seed=1)


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_one_update_on_bfloat16_makes_the_rows_likelier(kind: str) -> None:
    policy = half(kind)

    def loss(index: Any, logprobs: mx.array, _: Any) -> Any:
        return -logprobs.sum() / 12, {}

    before, gradients, _ = loss_and_gradients(policy, ROWS, loss, temperature=1.0, plan=MemoryPlan())
    slopes = flat(gradients)
    stepped = [
        (name, (array - 0.2 * slopes[name]).astype(array.dtype)) for name, array in policy.trainable().items()
    ]
    policy.model.update(tree_unflatten(stepped))
    after, _, _ = loss_and_gradients(policy, ROWS, loss, temperature=1.0, plan=MemoryPlan())
    assert after < before - 0.01
    kept = [name for name, array in tree_flatten(policy.model.parameters()) if array.dtype == mx.bfloat16]
    assert kept


def test_merging_over_and_over_keeps_nothing() -> None:
    """A new layer draws its first weights from MLX's own dice, and what was drawn and never looked at is kept for ever:
    4 KB a layer, 100 MB in 2,000 steps of the starter."""
    policy = tiny_policy("llama")

    def merge(times: int) -> int:
        for _ in range(times):
            with adapter_merged(policy.model, policy.adapted):
                pass
        return psutil.Process().memory_info().rss

    before = merge(20)
    assert merge(100) - before < 3 * 2**20
