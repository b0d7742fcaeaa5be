"""A model's sizes from its files' headers; anything may be missing or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.estimate.trained import trained_part
from droid_tune.model_files.headers import Tensor
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.read_facts import facts_of, read_model
from tests.engine.estimate.conftest import CONFIG, MATRICES, PER_LAYER, MakeModel, dense, packed
from tests.weights import header_only


def test_sizes_come_from_the_headers(make_model: MakeModel) -> None:
    facts = read_model(make_model(dense()))
    assert (facts.layers, facts.hidden, facts.key_width, facts.query_width) == (2, 64, 32, 64)
    assert facts.parameters == 2 * PER_LAYER + 1000 * 64 + 64 + 2 * 64  # layers, embedding, norms
    assert facts.weight_bytes == 2 * (2 * PER_LAYER + 64_000 + 64 + 2 * 64)
    assert facts.compute_bytes == 2
    assert not facts.quantised


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("group", [32, 64])
def test_packed_matrices_are_as_wide_as_they_were(make_model: MakeModel, bits: int, group: int) -> None:
    facts = read_model(make_model(packed(bits, group)))
    assert facts.quantised
    assert {one.name: (one.outputs, one.inputs) for one in facts.linears} == MATRICES
    assert facts.parameters == 2 * PER_LAYER + 64_000 + 64 + 2 * 64


def test_a_matrix_that_is_packed_in_its_own_way_is_as_wide_too() -> None:
    name = "model.layers.0.mlp.up_proj"
    tensors = (
        Tensor(f"{name}.weight", "U32", (192, 64 * 8 // 32)),
        Tensor(f"{name}.scales", "BF16", (192, 64 // 64)),
        Tensor("model.layers.0.self_attn.k_proj.weight", "U32", (32, 64 * 4 // 32)),
        Tensor("model.layers.0.self_attn.k_proj.scales", "U8", (32, 64 // 32)),
        Tensor("vision_tower.encoder.layers.0.self_attn.k_proj.weight", "BF16", (500, 100)),
    )
    packing = {"group_size": 32, "bits": 4, "mode": "mxfp4", name: {"group_size": 64, "bits": 8}}
    facts = facts_of({**CONFIG, "quantization": packing}, tensors)
    assert {one.name: (one.outputs, one.inputs, one.experts) for one in facts.linears} == {
        "mlp.up_proj": (192, 64, 1),
        "self_attn.k_proj": (32, 64, 1),
    }
    assert (facts.key_width, facts.parameters) == (32, 192 * 64 + 32 * 64 + 500 * 100)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, True),
        ({"model_type": "qwen3_moe", "num_experts": 4, "moe_intermediate_size": 32}, True),
        ({"model_type": "ernie4_5_moe", "moe_num_experts": 64}, False),
        ({"model_type": "gemma3n_text", "hidden_size_per_layer_input": 256}, False),
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}, "vocab_size": None}, False),
    ],
)
def test_without_weights_only_counted_architectures_are_known(
    changes: dict[str, object], known: bool
) -> None:
    config = {**CONFIG, **changes}
    assert facts_of(config, ()).known == known
    assert facts_of(config, (), weight_bytes=1_000_000).known


def test_the_name_of_the_folder_says_nothing(make_model: MakeModel) -> None:
    assert read_model(make_model(dense(), name="Llama-70B-Instruct")).parameters < 200_000


def test_shards_add_up(make_model: MakeModel) -> None:
    folder = make_model()
    tensors = list(dense().items())
    header_only(folder / "model-00001-of-00002.safetensors", dict(tensors[:5]))
    header_only(folder / "model-00002-of-00002.safetensors", dict(tensors[5:]))
    assert read_model(folder).weight_bytes == read_model(make_model(dense(), name="whole")).weight_bytes


def test_a_missing_shard_is_named(make_model: MakeModel) -> None:
    folder = make_model(dense())
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert any("model-00002.safetensors" in note for note in read_model(folder).notes)


def test_a_damaged_file_is_named_and_the_config_answers(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    facts = read_model(folder)
    assert facts.parameters == 2 * PER_LAYER + 64_000
    assert any("model.safetensors cannot be read" in note for note in facts.notes)


def test_an_empty_folder_still_has_an_answer(tmp_path: Path) -> None:
    facts = read_model(tmp_path)
    assert facts.weight_bytes > 0
    assert len(facts.notes) >= 2


def test_an_unknown_architecture_is_said(make_model: MakeModel) -> None:
    facts = read_model(make_model(dense(), config={**CONFIG, "model_type": "mamba99"}))
    assert any("mamba99" in note for note in facts.notes)
    assert read_model(make_model(dense(), name="known")).notes == ()


def test_experts_count_whole_in_weight_and_in_part_in_work() -> None:
    config = {**CONFIG, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 96}
    facts = facts_of(config, ())
    idle = 3 * 64 * 96 * (8 - 2) * 2  # three matrices, six experts that are not asked, two layers
    assert facts.parameters - facts.active_parameters == idle


def test_experts_that_are_stored_one_by_one_are_those_that_run_together(make_model: MakeModel) -> None:
    tensors = dense()
    for layer in range(2):
        for expert in range(4):
            tensors[f"model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"] = ("BF16", (16, 64))
    facts = read_model(make_model(tensors, {**CONFIG, "num_experts": 4, "num_experts_per_tok": 2}))
    (stacked,) = [one for one in facts.linears if one.name == "mlp.switch_mlp.up_proj"]
    assert (stacked.experts, stacked.numbers) == (4, 4 * 16 * 64)
    assert facts.active_parameters == 2 * (PER_LAYER + 2 * 16 * 64) + 64_000
    assert (
        trained_part(AdapterConfig(type="dora"), facts).numbers < trained_part(AdapterConfig(), facts).numbers
    )


FLOAT8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
PACKED = {"quant_method": "mxfp8"}


@pytest.mark.parametrize(("quantization_config", "each"), [(FLOAT8, 2), (PACKED, 1)])
def test_float8_that_mlx_turns_into_bfloat16_is_twice_as_large_in_memory(
    quantization_config: dict[str, object], each: int, make_model: MakeModel
) -> None:
    matrix = "model.layers.0.mlp.up_proj.weight"
    tensors = {**dense(), matrix: ("F8_E4M3", (192, 64))}
    told = read_model(
        make_model(tensors, {**CONFIG, "quantization_config": quantization_config})
    ).weight_bytes
    assert told == read_model(make_model(dense(), name="wide")).weight_bytes - (2 - each) * 192 * 64


def test_a_float8_model_of_the_hub_is_counted_as_it_will_be_in_memory() -> None:
    config = {**CONFIG, "quantization_config": FLOAT8}
    embedding = 2 * 64_000
    told = facts_of(config, (), weight_bytes=embedding + 100_000)
    assert told.weight_bytes == embedding + 200_000


def test_what_a_configs_sizes_do_not_tell_of_is_counted_by_the_size_of_the_files() -> None:
    facts = facts_of({**CONFIG, "torch_dtype": "bfloat16"}, (), weight_bytes=1_000_000)
    assert facts.parameters == 500_000  # the config alone: 162,304
    assert trained_part(AdapterConfig(type="full"), facts).bytes == 1_000_000


def test_a_model_that_is_not_here_has_no_folder() -> None:
    assert local_model("nobody/nothing-at-all") is None


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*CONFIG, "text_config", "num_experts", "head_dim", "sliding_window"]),
        st.one_of(
            st.none(),
            st.integers(-5, 10**12),
            st.text(max_size=3),
            st.floats(),
            st.lists(st.integers(), max_size=2),
        ),
    )
)
def test_absurd_configs_never_break_it(config: dict[str, object]) -> None:
    facts = facts_of(config, ())
    assert facts.weight_bytes > 0
    assert facts.layers > 0


def test_the_starter_is_as_heavy_as_its_file(project_root: Path) -> None:
    facts = read_model(project_root / "resources" / "starter")
    assert facts.weight_bytes == pytest.approx(
        (project_root / "resources/starter/model.safetensors").stat().st_size, rel=0.01
    )
    assert facts.notes == ()


def test_a_real_four_bit_model(smol_model: Path) -> None:
    facts = read_model(smol_model)
    assert facts.parameters == pytest.approx(134_515_008, rel=0.001)  # norms apart
    assert (facts.layers, facts.vocabulary, facts.quantised) == (30, 49_152, True)
