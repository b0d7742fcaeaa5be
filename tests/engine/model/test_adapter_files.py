"""Adapters: bypassed, fused, as a moving reference, and in files that mlx-lm reads."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_unflatten
from mlx_lm.tuner.utils import load_adapters

from droid_tune import words
from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import DiskError, UserError
from droid_tune.model.adapter_files import adapter_config_in, load_adapter, read_arrays, save_adapter
from droid_tune.model.adapters import adapter_off
from droid_tune.model.fusing import fuse_adapter
from droid_tune.model.reference import ReferencePolicy, as_reference
from tests.engine.model.tiny import flat, tiny_model, tiny_policy

TOKENS = mx.array([[3, 5, 7, 11, 2]])


def test_dora_refuses_experts_that_were_asked_for_and_skips_those_that_were_not():
    with pytest.raises(UserError, match="mixture-of-experts"):
        tiny_policy("qwen3_moe", AdapterConfig(type="dora", target_modules=("*.switch_mlp.*",)))
    assert not any("switch" in name for name in tiny_policy("qwen3_moe", AdapterConfig(type="dora")).adapted)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_the_base_model_is_there_with_the_adapter_off(kind: str):
    expected = tiny_model("llama")(TOKENS)
    policy = tiny_policy("llama", AdapterConfig(type=kind, rank=4))  # pyright: ignore[reportArgumentType]
    stirred = policy.model(TOKENS)
    with adapter_off(policy.model, policy.adapted):
        assert mx.allclose(policy.model(TOKENS), expected, atol=1e-6)
    assert mx.array_equal(policy.model(TOKENS), stirred)
    assert not mx.allclose(stirred, expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_mlx_lm_reads_what_is_saved(kind: str, tmp_path: Path):
    policy = tiny_policy("llama", AdapterConfig(type=kind, rank=4, scale=3.0, layers=2))  # pyright: ignore[reportArgumentType]
    save_adapter(policy, tmp_path)
    theirs = load_adapters(tiny_model("llama"), str(tmp_path))
    theirs.eval()
    assert mx.allclose(theirs(TOKENS), policy.model(TOKENS), atol=1e-6)


def test_an_adapter_comes_back_as_it_was(tmp_path: Path):
    settings = AdapterConfig(rank=4, scale=3.0, target_modules=("q_proj", "lm_head"))
    policy = tiny_policy("mistral", settings)
    save_adapter(policy, tmp_path)
    found = adapter_config_in(tmp_path)
    again = tiny_policy("mistral", found, stir=False)
    load_adapter(again, tmp_path)
    assert again.adapted == policy.adapted
    assert mx.array_equal(again.model(TOKENS), policy.model(TOKENS))


def test_a_foreign_adapter_is_named_and_changes_nothing(tmp_path: Path):
    save_adapter(tiny_policy("llama", AdapterConfig(rank=8)), tmp_path)
    policy = tiny_policy("llama", AdapterConfig(rank=4))
    before = policy.model(TOKENS)
    with pytest.raises(UserError, match=r"shape \(32, 8\), not \(32, 4\) and \d+ more"):
        load_adapter(policy, tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"fine_tune_type": "magic"}))
    with pytest.raises(UserError, match="`fine_tune_type` must be 'lora', 'dora' or 'full'"):
        adapter_config_in(tmp_path)
    assert mx.array_equal(policy.model(TOKENS), before)


def test_fusing_keeps_the_numbers():
    policy = tiny_policy("llama")
    expected = policy.model(TOKENS)
    fuse_adapter(policy)
    assert policy.adapted == ()
    assert mx.allclose(policy.model(TOKENS), expected, atol=1e-4)
    assert not any("lora" in name for name in policy.trainable())


def test_fusing_into_a_quantised_model_keeps_what_was_learnt_unless_told_otherwise():
    policy = tiny_policy("llama", quantise=4, intermediate_size=64)
    expected = policy.model(TOKENS)

    fused = fuse_adapter(policy)

    assert fused.unpacked > 0
    assert fused.kept == 1.0
    assert mx.allclose(policy.model(TOKENS), expected, atol=1e-3)


def test_fusing_into_four_bits_says_how_much_is_left():
    policy = tiny_policy("llama", quantise=4, intermediate_size=64)
    for name, array in policy.trainable().items():
        if name.endswith("lora_b"):
            policy.model.update(tree_unflatten([(name, array * 0.02)]))

    fused = fuse_adapter(policy, requantise=True)

    assert fused.requantised > 0
    assert 0 < fused.kept < 0.9
    assert f"hold {words.share(fused.kept)} of what was learnt" in fused.sentence


def test_fused_weights_have_the_type_of_the_base():
    for kind in ("lora", "dora"):
        policy = tiny_policy("llama", AdapterConfig(type=kind))
        policy.model.set_dtype(mx.bfloat16, lambda _: True)
        fuse_adapter(policy)
        assert {array.dtype for array in flat(policy.model.parameters()).values()} == {mx.bfloat16}


def moved(policy: object, to: float) -> None:
    policy.model.update(  # pyright: ignore[reportAttributeAccessIssue]
        tree_unflatten([(name, mx.full(array.shape, to)) for name, array in policy.trainable().items()])  # pyright: ignore
    )


def test_an_ema_reference_moves_by_its_share_and_a_periodic_one_by_jumps():
    policy = tiny_policy("llama")
    moved(policy, 0.0)
    ema = ReferencePolicy(policy, "ema", ema_alpha=0.75)
    moved(policy, 1.0)
    ema.after_step(1)
    assert all(
        mx.allclose(array, mx.array(0.25)) for array in (ema.arrays or {}).values()
    )  # 0.75 * 0 + 0.25 * 1
    periodic = ReferencePolicy(policy, "periodic", every=2)
    moved(policy, 3.0)
    periodic.after_step(1)
    assert all(array.min().item() == 1.0 for array in (periodic.arrays or {}).values())
    periodic.after_step(2)
    assert all(array.min().item() == 3.0 for array in (periodic.arrays or {}).values())


def test_a_static_reference_of_full_training_is_the_model_at_the_start():
    policy = tiny_policy("llama", AdapterConfig(type="full"), stir=False)
    start = policy.model(TOKENS)
    ReferencePolicy(policy)
    moved(policy, 0.1)
    assert not mx.allclose(policy.model(TOKENS), start)
    with as_reference(policy):
        assert mx.array_equal(policy.model(TOKENS), start)


@pytest.mark.parametrize("blocks", [0, 2], ids=["the header", "the arrays, read in MLX's own thread"])
def test_weights_that_the_disk_does_not_give_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    """MLX lets Python's error through, or raises one of its own with that in it."""
    save_adapter(tiny_policy("llama", AdapterConfig(rank=2)), tmp_path)
    file = tmp_path / "adapters.safetensors"
    whole, own, reads = file.read_bytes(), Path.open, itertools.count()

    class Broken(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            if next(reads) >= blocks:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(buffer)

    monkeypatch.setattr("droid_tune.model.adapter_files.read_header", lambda _: None)
    monkeypatch.setattr(
        Path, "open", lambda self, *given: Broken(whole) if self == file else own(self, *given)
    )
    said = r"adapters\.safetensors: the weights cannot be read \(Input/output error\)"
    with pytest.raises(DiskError, match=said):
        read_arrays(file)
    assert next(reads) > blocks
