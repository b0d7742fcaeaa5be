"""16-bit, 8-bit and 4-bit weights stay what they are from loading to the update; what is judged and learnt is float32.

A float32 copy of the weights would take `copy` bytes. Nothing that a stage uses, let alone keeps, may come near that.
"""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import pytest
from mlx_lm.models import llama

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.arrays import flat_arrays
from droid_tune.model.gradients.scoring import loss_and_gradients, score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.rollout.generate import generate

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "intermediate_size": 768,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "rms_norm_eps": 1e-5,
    "vocab_size": 1024,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
PLANS = {
    "two-stage": MemoryPlan(train_rows=1, head_tokens=16),
    "run again": MemoryPlan(train_rows=1, head_tokens=16, hold=False),
    "layer by layer": MemoryPlan(train_rows=1, head_tokens=16, layer_wise=True),
    "whole rows": MemoryPlan(train_rows=1, head_tokens=16, share_prompts=False),
}
PROMPT = [5, 6, 7, 8, 9]


@dataclass
class Weighed:
    """What each stage kept in use and what it took at its peak, beyond the weights; all in bytes."""

    bits: int
    copy: int = 0
    kept: dict[str, int] = field(default_factory=dict[str, int])
    peak: dict[str, int] = field(default_factory=dict[str, int])
    #: float32 arrays that belong to adapter, gradients and optimizer
    own: int = 0
    base_types: set[Any] = field(default_factory=set[Any])
    judged_types: set[Any] = field(default_factory=set[Any])
    trained_types: set[Any] = field(default_factory=set[Any])


def model_folder(folder: Path, bits: int) -> Path:
    """A random model in bfloat16 (`bits` 16), or quantised from it, with the starter's tokenizer."""
    starter = Path(__file__).resolve().parents[3] / "resources" / "starter"
    for file in starter.glob("*token*"):
        shutil.copy(file, folder)
    model = llama.Model(llama.ModelArgs.from_dict(CONFIG))
    model.set_dtype(mx.bfloat16)
    config = dict(CONFIG)
    if bits < 16:
        nn.quantize(model, group_size=64, bits=bits)
        config["quantization"] = {"group_size": 64, "bits": bits}
    mx.save_safetensors(str(folder / "model.safetensors"), flat_arrays(model.parameters()))
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=[16, 8, 4])
def weighed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Weighed:
    """One step of a group of two, every way back, each stage on the scales."""
    found = Weighed(request.param)
    path = model_folder(tmp_path_factory.mktemp("weights"), found.bits)
    gc.collect()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    policy = load_policy(path, AdapterConfig(rank=4))
    before += policy.weight_bytes - policy.trainable_bytes  # the weights themselves
    found.own = (
        5 * policy.trainable_bytes
    )  # the adapter, its gradient, Adam's two moments, and one in the making

    def weigh(stage: str) -> None:
        gc.collect()
        found.kept[stage] = mx.get_active_memory() - before
        found.peak[stage] = mx.get_peak_memory() - before
        mx.reset_peak_memory()

    weigh("load")
    found.copy = 4 * sum(_numbers(array, found.bits) for array in _base(policy).values())
    rows = _sampled(policy)
    weigh("rollout")
    for name, reference in (("score", False), ("reference", True)):
        scored = score(
            policy, rows, temperature=1.0, plan=PLANS["two-stage"], with_entropy=True, reference=reference
        )
        found.judged_types |= {scored.logprobs.dtype.name}
        weigh(name)
    gradients: dict[str, Any] = {}
    for name, plan in PLANS.items():
        gradients = _gradients(policy, rows, plan, found)
        weigh(name)
    optimizer = optim.AdamW(1e-3, bias_correction=True)
    optimizer.update(policy.model, gradients)
    mx.eval(policy.model.trainable_parameters(), optimizer.state)
    weigh("update")
    found.base_types = {array.dtype for array in _base(policy).values()}
    found.trained_types = {array.dtype for array in flat_arrays([gradients, policy.trainable()]).values()}
    return found


def _base(policy: Policy) -> dict[str, mx.array]:
    trained = policy.trainable()
    every = flat_arrays(policy.model.parameters())
    return {name: array for name, array in every.items() if name not in trained}


def _numbers(array: mx.array, bits: int) -> int:
    """How many weights an array stands for: several are packed into each uint32."""
    return array.size * (32 // bits) if array.dtype == mx.uint32 else array.size


def _sampled(policy: Policy) -> ScoringRows:
    sampling = SamplingConfig(max_completion_length=4)
    rollout = generate(policy, [PROMPT], group_size=2, sampling=sampling, seed=1, plan=MemoryPlan())
    return ScoringRows.of_groups([PROMPT], 2, rollout.tokens, rollout.completion_mask)


def _gradients(policy: Policy, rows: ScoringRows, plan: MemoryPlan, found: Weighed) -> dict[str, Any]:
    def loss(index: Any, logprobs: mx.array, entropies: mx.array | None) -> Any:
        assert entropies is not None
        total = -(logprobs * mx.array(rows.completion_mask[index])).sum()
        found.judged_types |= {str(array.dtype).rpartition(".")[2] for array in (logprobs, entropies, total)}
        return total, {}

    _, gradients, _ = loss_and_gradients(policy, rows, loss, temperature=1.0, plan=plan, with_entropy=True)
    return gradients


def test_no_stage_takes_a_float32_copy_of_the_weights(weighed: Weighed) -> None:
    for stage, taken in weighed.peak.items():
        assert taken < weighed.own + weighed.copy / 5, stage


def test_nothing_beyond_the_adapter_and_its_update_is_kept(weighed: Weighed) -> None:
    for stage, kept in weighed.kept.items():
        assert kept < weighed.own + weighed.copy / 50, stage


def test_the_base_keeps_its_types(weighed: Weighed) -> None:
    packed = set() if weighed.bits == 16 else {mx.uint32}
    assert weighed.base_types == {mx.bfloat16, *packed}


def test_what_is_judged_and_what_is_learnt_is_float32(weighed: Weighed) -> None:
    assert weighed.judged_types == {"float32"}
    assert weighed.trained_types == {mx.float32}


def test_all_weights_in_16_bits_have_gradients_and_moments_of_16_bits(tmp_path: Path) -> None:
    policy = load_policy(model_folder(tmp_path, 16), AdapterConfig(type="full"))
    found = Weighed(16)
    gradients = _gradients(policy, _sampled(policy), PLANS["two-stage"], found)
    assert found.judged_types == {"float32"}
    optimizer = optim.AdamW(1e-3, bias_correction=True)
    optimizer.update(policy.model, gradients)
    every = flat_arrays([gradients, policy.model.parameters()])
    assert {array.dtype for array in every.values()} == {mx.bfloat16}
    moments = [array for name, array in flat_arrays(optimizer.state).items() if name.endswith((".m", ".v"))]
    assert {array.dtype for array in moments} == {mx.bfloat16}
