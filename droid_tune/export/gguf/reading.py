"""A GGUF file read back into what mlx-lm loads: by what the file itself says, never by the model that it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import mlx.core as mx
import numpy as np

from droid_tune.export.gguf.families import FAMILIES, Family
from droid_tune.export.gguf.tensors import split_pairs

_ENDS = ("eos", "eot", "eom")
#: tokens that llama.cpp ends at wherever a vocabulary has them
KNOWN_ENDS = frozenset(
    (
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|eom_id|>",
        "<EOT>",
        "<|end_of_text|>",
    )
)


@dataclass(frozen=True)
class GgufKeys:
    """The keys of a file."""

    values: Mapping[str, Any]

    @property
    def chat_template(self) -> str:
        """Empty where there is none."""
        return str(self.values.get("tokenizer.chat_template", ""))

    @property
    def templates(self) -> str | dict[str, str]:
        """As a tokenizer takes them: the one, or all by their names; empty where there is none."""
        named = {
            str(name): str(self.values[f"tokenizer.chat_template.{name}"])
            for name in self.values.get("tokenizer.chat_templates", ())
        }
        default = {"default": self.chat_template} if self.chat_template else {}
        return default | named if named else self.chat_template

    @property
    def ends(self) -> list[int]:
        """The tokens that end an answer."""
        named = (self.values.get(f"tokenizer.ggml.{name}_token_id") for name in _ENDS)
        return sorted({int(one) for one in named if one is not None})

    def ends_among(self, tokens: Iterable[int]) -> list[int]:
        """The ends that the file names, and those among `tokens` that llama.cpp knows by their texts."""
        return sorted({*self.ends, *(token for token in tokens if self.text(token) in KNOWN_ENDS)})

    @property
    def beginning(self) -> str:
        """The text of the token that every text begins with; empty where none does."""
        if not self.values.get("tokenizer.ggml.add_bos_token"):
            return ""
        return self.text(int(self.values["tokenizer.ggml.bos_token_id"]))

    def text(self, token: int) -> str:
        """A token's text in the file."""
        return str(self.values["tokenizer.ggml.tokens"][token])

    def of_model(self, key: str, default: Any = None) -> Any:
        """A key of the architecture."""
        return self.values.get(f"{self.values['general.architecture']}.{key}", default)


def read_keys(file: Path) -> GgufKeys:
    """All keys of a file with their values."""
    return _keys(gguf.GGUFReader(file))


def _keys(reader: gguf.GGUFReader) -> GgufKeys:
    return GgufKeys({name: field.contents() for name, field in reader.fields.items()})


#: architecture of a file -> `model_type` of a config
_MODEL_TYPES = {family.arch: name for name, family in reversed(FAMILIES.items())} | {"gemma3": "gemma3_text"}


def unpack_gguf(file: Path, tokenizer: Path, folder: Path, ends: Iterable[int] = ()) -> None:
    """Write the file's model into `folder` as mlx-lm loads it, with the tokenizer files of the folder `tokenizer`; its
    ends and chat template are the file's, and of the run's `ends` those that llama.cpp knows without being told."""
    reader = gguf.GGUFReader(file)
    keys = _keys(reader)
    model_type = _MODEL_TYPES[str(keys.values["general.architecture"])]
    family = FAMILIES[model_type]
    config = config_of(keys, model_type)
    arrays, factors = _arrays(reader, keys, family, config)
    config |= {**_scaling_by_tensors(factors, keys), "eos_token_id": keys.ends_among(ends)}
    config["tie_word_embeddings"] = "lm_head.weight" not in arrays
    config["attention_bias"] = any(name.endswith("o_proj.bias") for name in arrays)
    config["mlp_bias"] = any(name.endswith("down_proj.bias") for name in arrays)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    mx.save_safetensors(str(folder / "model.safetensors"), arrays, metadata={"format": "mlx"})
    _write_tokenizer(keys, tokenizer, folder)


def config_of(keys: GgufKeys, model_type: str) -> dict[str, Any]:
    """The config.json that the keys amount to."""
    width = int(keys.of_model("attention.key_length"))
    window = keys.of_model("attention.sliding_window")
    config: dict[str, Any] = {
        "model_type": model_type,
        "hidden_size": keys.of_model("embedding_length"),
        "intermediate_size": keys.of_model("feed_forward_length"),
        "num_hidden_layers": keys.of_model("block_count"),
        "num_attention_heads": keys.of_model("attention.head_count"),
        "num_key_value_heads": keys.of_model("attention.head_count_kv"),
        "head_dim": width,
        "rms_norm_eps": keys.of_model("attention.layer_norm_rms_epsilon"),
        "rope_theta": keys.of_model("rope.freq_base"),
        "vocab_size": keys.of_model("vocab_size"),
        "max_position_embeddings": keys.of_model("context_length"),
        "partial_rotary_factor": keys.of_model("rope.dimension_count") / width,
        "query_pre_attn_scalar": width,
        "attn_logit_softcapping": keys.of_model("attn_logit_softcapping"),
        "final_logit_softcapping": keys.of_model("final_logit_softcapping"),
        "sliding_window": window or None,
        "num_experts": keys.of_model("expert_count"),
        "num_experts_per_tok": keys.of_model("expert_used_count"),
        "moe_intermediate_size": keys.of_model("expert_feed_forward_length"),
    }
    if config.get("num_experts"):
        config |= {"norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []}
    return {key: value for key, value in config.items() if value is not None} | _scaling(keys)


def _scaling(keys: GgufKeys) -> dict[str, Any]:
    kind = keys.of_model("rope.scaling.type")
    if kind not in ("linear", "yarn"):
        return {}
    scaling = {"rope_type": kind, "type": kind, "factor": keys.of_model("rope.scaling.factor")}
    if kind == "yarn":
        scaling["original_max_position_embeddings"] = keys.of_model("rope.scaling.original_context_length")
    return {"rope_scaling": scaling}


def _scaling_by_tensors(factors: Mapping[str, mx.array], keys: GgufKeys) -> dict[str, Any]:
    if not factors:
        return {}
    lists: dict[str, Any] = {name: array.tolist() for name, array in factors.items()}
    if "rope_freqs.weight" in lists:
        # The factors themselves, by the one kind of scaling of mlx-lm that takes a list.
        each = lists["rope_freqs.weight"]
        first = int(keys.of_model("context_length"))
        scaling: dict[str, Any] = {"type": "longrope", "short_factor": each, "long_factor": each}
        return {"rope_scaling": scaling | {"original_max_position_embeddings": first}}
    first = int(keys.of_model("rope.scaling.original_context_length"))
    scaling = {
        "type": "longrope",
        "short_factor": lists["rope_factors_short.weight"],
        "long_factor": lists["rope_factors_long.weight"],
    }
    return {"rope_scaling": scaling, "original_max_position_embeddings": first}


def _arrays(
    reader: gguf.GGUFReader, keys: GgufKeys, family: Family, config: Mapping[str, Any]
) -> tuple[dict[str, mx.array], dict[str, mx.array]]:
    """The model's arrays under mlx-lm's names, and the factors of its rotary frequencies."""
    names = own_names(family, int(config["num_hidden_layers"]))
    heads = {
        "attn_q": int(config["num_attention_heads"]),
        "attn_k": int(config["num_key_value_heads"]),
    }
    arrays: dict[str, mx.array] = {}
    factors: dict[str, mx.array] = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        module, _, part = tensor.name.rpartition(".")
        last = module.rpartition(".")[2]
        if module.startswith("rope_f"):
            factors[tensor.name] = mx.array(values)
            continue
        if family.permuted and last in heads:
            values = split_pairs(values, heads[last])
        if tensor.name.endswith("norm.weight"):
            values = values - np.float32(family.norm_offset)
        arrays[f"{names[module]}.{part}"] = mx.array(values)
    return arrays, factors


def own_names(family: Family, layers: int) -> dict[str, str]:
    """GGUF's name of a module -> mlx-lm's, of this family."""
    architecture = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == family.arch)
    names = gguf.get_tensor_name_map(architecture, layers)
    found: dict[str, str] = {}
    for own in _MODULES:
        if "up_proj" in own and ("gate_up" in own) != (family.arch == "phi3"):
            continue  # both have one name in the file
        for layer in range(layers):
            name = own.format(layer)
            known = names.get_name(name)
            if known is not None:
                found.setdefault(known, name.replace(".experts.", ".switch_mlp."))
    return found


_LAYER = "model.layers.{}."
_MODULES = (
    "model.embed_tokens",
    "model.norm",
    "lm_head",
    *(
        _LAYER + name
        for name in (
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.qkv_proj",
            "self_attn.o_proj",
            "self_attn.q_norm",
            "self_attn.k_norm",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.gate_up_proj",
            "mlp.down_proj",
            "mlp.gate",
            "mlp.experts.gate_proj",
            "mlp.experts.up_proj",
            "mlp.experts.down_proj",
        )
    ),
)


def _write_tokenizer(keys: GgufKeys, source: Path, folder: Path) -> None:
    """The tokenizer files of `source`, but with the ends and the chat template of the file."""
    for name in ("tokenizer.json", "tokenizer.model"):
        if (source / name).is_file():
            (folder / name).write_bytes((source / name).read_bytes())
    settings_file = source / "tokenizer_config.json"
    settings = json.loads(settings_file.read_text(encoding="utf-8-sig")) if settings_file.is_file() else {}
    settings.pop("chat_template", None)
    if keys.templates:
        settings["chat_template"] = keys.templates
    if keys.ends:
        settings["eos_token"] = keys.text(int(keys.values["tokenizer.ggml.eos_token_id"]))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
