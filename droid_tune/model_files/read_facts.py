"""A model's facts from config.json and the weights' headers; never from its name."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from droid_tune.model_files.config_values import ConfigValues, of_text
from droid_tune.model_files.facts import KNOWN, Linear, ModelFacts
from droid_tune.model_files.float8 import CODES, stays_packed
from droid_tune.model_files.headers import Tensor, read_headers
from droid_tune.model_files.layer_parts import layer_parts
from droid_tune.model_files.model_folder import Stamps, stamps_of
from droid_tune.model_files.packing_groups import Packing
from droid_tune.model_files.state_layers import span_width, state_numbers, state_width, widest_state
from droid_tune.model_files.told_packing import ToldPacking
from droid_tune.model_files.weight_shapes import (
    compute_bytes_of,
    embedding_of,
    layers_of,
    linears_of,
    width_of,
)

#: architectures whose weights a config's sizes count: within 2 % of what is published for 35 models, or more (November 2026);
#: others have parts that these sizes do not tell of (experts under other names, states, embeddings of each layer)
COUNTED = KNOWN | {
    *(
        "qwen3_moe",
        "mixtral",
        "olmoe",
        "gpt_oss",
        "minimax",
        "deepseek_v2",
        "deepseek_v3",
        "kimi_k2",
        "glm4_moe",
    ),
    *("cohere", "cohere2", "granite", "olmo2", "internlm2", "internlm3", "stablelm", "exaone4", "ernie4_5"),
}
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model")


def read_model(folder: Path) -> ModelFacts:
    """Facts of the model in `folder`; what is missing is inferred and said in `notes`. Never raises."""
    return _read(folder, stamps_of(folder))


@lru_cache(maxsize=32)
def _read(folder: Path, _stamps: Stamps) -> ModelFacts:
    config, notes = _config(folder)
    headers = read_headers(folder)
    notes += [f"The model is incomplete: {problem}." for problem in headers.problems]
    if headers.problems and says_its_size(config):  # some of the weights would pass for all of them
        return facts_of(config, (), tuple(notes), weight_bytes=_indexed_bytes(folder))
    facts = facts_of(config, headers.tensors, tuple(notes))
    return replace(facts, known=facts.known and not headers.problems)


def says_its_size(config: dict[str, Any]) -> bool:
    """Whether a config tells at least how deep and how wide the model is."""
    read = ConfigValues(of_text(config))
    return bool(read.whole(*_LAYERS) and read.whole(*_HIDDEN))


def _indexed_bytes(folder: Path) -> int:
    """Bytes of all weights by the index of the shards; 0 where there is none that says so."""
    try:
        index: Any = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8-sig"))
        return max(0, int(index["metadata"]["total_size"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0


def _config(folder: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        found: Any = json.loads((folder / "config.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}, ["Its config.json cannot be read; sizes are inferred from the weights."]
    if not isinstance(found, dict):
        return {}, ["Its config.json is no JSON object; sizes are inferred from the weights."]
    return cast("dict[str, Any]", found), []


def facts_of(
    config: dict[str, Any],
    tensors: tuple[Tensor, ...],
    notes: tuple[str, ...] = (),
    *,
    weight_bytes: int = 0,
) -> ModelFacts:
    """Facts from a parsed config and the weights' tensors; either may be empty.

    `weight_bytes` of all weights, where that is known of weights that are not here; 0 leaves it to the config.
    """
    read = ConfigValues(of_text(config))
    by_layer = layers_of(tensors)
    layers = read.whole(*_LAYERS) or len(by_layer) or 12
    embedding = embedding_of(tensors)
    hidden = read.whole(*_HIDDEN) or (embedding[1] if embedding else 0) or 768
    heads = read.whole("num_attention_heads", "n_head") or max(1, hidden // 64)
    head = read.whole("head_dim") or max(1, hidden // heads)
    key_heads = read.whole("num_key_value_heads", "n_kv_heads") or heads
    vocabulary = read.whole("vocab_size") or (embedding[0] if embedding else 0) or 32_000
    intermediate = read.whole("moe_intermediate_size", "intermediate_size", "n_inner") or 4 * hidden
    experts = read.whole("num_experts", "num_local_experts", "n_routed_experts") or 1
    architecture = str(config.get("model_type") or "unknown")
    parts = layer_parts(of_text(config), layers, key_heads * head)
    facts = ModelFacts(
        architecture=architecture,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        query_width=heads * head,
        key_width=key_heads * head,
        heads=heads,
        vocabulary=vocabulary,
        tied=read.flag("tie_word_embeddings", default=not any("lm_head" in t.name for t in tensors)),
        weight_bytes=0,
        parameters=0,
        active_parameters=0,
        quantised=any(tensor.name.endswith(".scales") for tensor in tensors),
        compute_bytes=compute_bytes_of(tensors, str(config.get("torch_dtype") or config.get("dtype") or "")),
        linears=(),
        window=read.whole("sliding_window"),
        context=read.whole("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
        experts=experts,
        experts_per_token=parts.experts_asked if experts > 1 else 1,
        keeps_attention=read.given("attn_logit_softcapping") or parts.gate == "clipped",
        shared_intermediate=parts.shared if experts > 1 else 0,
        gate=parts.gate,
        cache_width=parts.cache_width,
        state_width=state_width(of_text(config), layers),
        state_numbers=state_numbers(of_text(config), layers),
        span_width=span_width(of_text(config)),
        widest_state=widest_state(of_text(config), layers),
        attention_share=parts.attention_share,
        feed_share=parts.feed_share,
        notes=(*notes, *_generic(architecture)),
        known=bool(by_layer) or says_its_size(config),
    )
    quantisation = config.get("quantization") or config.get("quantization_config")
    settings = cast("dict[str, Any]", quantisation) if isinstance(quantisation, dict) else {}
    packing = ConfigValues(settings)
    group = packing.whole("group_size") or 0
    coded = packing.text("quant_method") == "fp8" and not stays_packed(config)
    if by_layer:
        packed = Packing.of(tensors, settings, group, hidden)
        found = _weighed(facts, tensors, by_layer, packed, unpacked=not stays_packed(config))
    else:
        facts = replace(facts, known=facts.known and (weight_bytes > 0 or _is_counted(config)))
        found = _imagined(facts, ToldPacking(settings, facts.compute_bytes), weight_bytes, coded=coded)
    return replace(
        found,
        query_width=parts.query_width or found.query_width,
        key_width=parts.key_width or found.key_width,
    )


def _is_counted(config: dict[str, Any]) -> bool:
    """Whether a config's sizes alone tell how large the weights are."""
    text = of_text(config)
    told = ConfigValues(text)
    return str(text.get("model_type")) in COUNTED and bool(
        told.whole("vocab_size") and told.whole("num_attention_heads", "n_head")
    )


def _generic(architecture: str) -> tuple[str, ...]:
    if architecture in KNOWN:
        return ()
    return (f"The architecture `{architecture}` was not measured: the formula is the general one.",)


def _weighed(
    facts: ModelFacts,
    tensors: tuple[Tensor, ...],
    by_layer: dict[int, list[tuple[str, Tensor]]],
    packed: Packing,
    *,
    unpacked: bool,
) -> ModelFacts:
    """With what the weights' own headers say; `unpacked`: float8 weights become bfloat16 when they are read."""
    widest = max(by_layer.values(), key=lambda part: sum(tensor.nbytes for _, tensor in part))
    linears = linears_of(widest, packed)
    embedding = facts.vocabulary * facts.hidden
    active = sum(n.inputs * n.outputs * min(n.experts, facts.experts_per_token) for n in linears)
    return replace(
        facts,
        weight_bytes=sum(
            tensor.nbytes * (2 if unpacked and tensor.dtype == CODES else 1) for tensor in tensors
        ),
        parameters=sum(map(packed.numbers, tensors)),
        query_width=width_of(linears, "q_proj") or facts.query_width,
        key_width=width_of(linears, "k_proj") or facts.key_width,
        active_parameters=facts.layers * active + embedding,
        linears=linears,
        embedding_parameters=embedding,
    )


def _imagined(
    facts: ModelFacts, packing: ToldPacking, weight_bytes: int, *, coded: bool = False
) -> ModelFacts:
    """A gated transformer of the config's sizes: what the weights will be once they are there.

    Where the files' size is known (`weight_bytes`), weights that are not packed are counted by it: there are layers that
    no config's sizes tell of (shared experts, embeddings of each layer). `coded`: their float8 becomes bfloat16.
    """
    facts = replace(facts, quantised=packing.packs)
    d, f, q, k = facts.hidden, facts.intermediate, facts.query_width, facts.key_width
    linears = tuple(
        Linear(name, inputs, outputs, facts.quantised, facts.experts if name.startswith("mlp") else 1)
        for name, inputs, outputs in (
            ("self_attn.q_proj", d, q),
            ("self_attn.k_proj", d, k),
            ("self_attn.v_proj", d, k),
            ("self_attn.o_proj", q, d),
            ("mlp.gate_proj", d, f),
            ("mlp.up_proj", d, f),
            ("mlp.down_proj", f, d),
        )
    )
    per_layer = sum(linear.numbers for linear in linears)
    embedding = facts.vocabulary * d
    tables = 1 if facts.tied else 2
    parameters = facts.layers * per_layer + embedding * tables
    active = sum(n.inputs * n.outputs * min(n.experts, facts.experts_per_token) for n in linears)
    if coded:
        weight_bytes = max(weight_bytes, 2 * weight_bytes - 2 * embedding * tables)
    if not facts.quantised:
        parameters = max(parameters, weight_bytes // facts.compute_bytes)
    weight_bytes = weight_bytes or packing.weight_bytes(facts.layers, linears, embedding, tables)
    return replace(
        facts,
        weight_bytes=weight_bytes,
        parameters=parameters,
        active_parameters=facts.layers * active + embedding,
        linears=linears,
        embedding_parameters=embedding,
    )
