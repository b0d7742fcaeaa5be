"""LoRA adapters in PEFT's layout (`adapter_config.json`, `adapter_model.safetensors`), there and back.

mlx-lm computes y + scale (x A) B with A (inputs, rank) and B (rank, outputs); PEFT keeps both transposed and computes
y + (alpha / rank) B A x. So alpha is scale x rank, and nothing is lost either way. DoRA's magnitudes are the same numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import UserError
from droid_tune.model.adapter_files import SETTINGS, odd_setting, read_arrays, refuse_no_numbers
from droid_tune.model.arrays import write_arrays
from droid_tune.model_files.model_folder import read_json

PEFT_WEIGHTS = "adapter_model.safetensors"
_BEFORE = "base_model.model."
#: mlx-lm's name of an array in a layer -> PEFT's
_NAMES = {"lora_a": "lora_A.weight", "lora_b": "lora_B.weight", "m": "lora_magnitude_vector"}
_EMBEDDING_NAMES = {"lora_a": "lora_embedding_A", "lora_b": "lora_embedding_B"}
_OF_PEFT = {
    **{theirs: ours for ours, theirs in (*_NAMES.items(), *_EMBEDDING_NAMES.items())},
    "lora_magnitude_vector.weight": "m",
}
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(.+)$")
#: settings of PEFT that change what is computed, with the value that means: not used
_UNUSED = {
    "bias": "none",
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "megatron_config": None,
    "layer_replication": None,
    "alora_invocation_tokens": None,
    "target_parameters": None,
    "arrow_config": None,
    "kasa_config": None,
    "monteclora_config": None,
    "use_bdlora": None,
    "use_qalora": False,
}
#: `init_lora_weights` that also change the base model's weights, each time PEFT loads the adapter, by their beginnings
_CHANGES_BASE = ("pissa", "corda", "olora", "loftq")


@dataclass(frozen=True)
class PeftAdapter:
    """A PEFT adapter as mlx-lm's: its arrays under the model's own names, and what builds the same layers again."""

    arrays: dict[str, mx.array]
    type: str
    rank: int
    scale: float
    dropout: float
    #: whether an adapter of the embedding is the head's as well, where the two are one
    ties: bool = False

    def settings(self, layers: int, tied: bool, place: str) -> dict[str, Any]:
        """mlx-lm's `adapter_config.json` for a model with so many layers, whose head is the embedding where it is
        `tied`. Raises UserError for a choice of layers or modules that mlx-lm cannot make."""
        inside: dict[int, set[str]] = {}
        outside: set[str] = set()
        for name in {name.rpartition(".")[0] for name in self.arrays}:
            if found := _LAYER.search(name):
                inside.setdefault(int(found[1]), set()).add(found[2])
            else:
                outside.add(name)
        if tied and not self.ties and any(name.endswith("embed_tokens") for name in outside):
            raise UserError(
                "it adapts the embedding and not the head, which in this model are one (`ensure_weight_tying`)",
                place=place,
            )
        numbers = sorted(inside)
        if numbers != list(range(numbers[0] if numbers else 0, layers if numbers else 0)):
            raise UserError(
                f"it adapts the layers {_listed(numbers)} of {layers}, and mlx-lm adapts the last so many",
                place=place,
            )
        if len({frozenset(keys) for keys in inside.values()}) > 1:
            raise UserError("it adapts other modules in some layers than in others", place=place)
        keys = sorted(set().union(*inside.values(), outside))
        parameters = {"rank": self.rank, "scale": self.scale, "dropout": self.dropout, "keys": keys}
        return {"fine_tune_type": self.type, "num_layers": len(numbers), "lora_parameters": parameters}


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def is_peft(folder: Path) -> bool:
    """Whether a folder says that it is an adapter of PEFT's, of whatever kind."""
    return (folder / SETTINGS).is_file() and "peft_type" in read_json(folder / SETTINGS)


def read_peft(folder: Path) -> PeftAdapter:
    """The adapter of a folder. Raises UserError for one that is not LoRA or DoRA as mlx-lm computes them."""
    settings, place = read_json(folder / SETTINGS), str(folder)
    if settings.get("peft_type") != "LORA":
        raise UserError(
            "this is an adapter of PEFT's of a kind that mlx-lm has not",
            value=settings.get("peft_type"),
            place=place,
            remedy="LoRA and DoRA can be read",
        )
    for key, unused in _UNUSED.items():
        if settings.get(key) not in (unused, None, [], {}):
            raise UserError(
                f"this PEFT adapter uses `{key}`, which mlx-lm has not", value=settings[key], place=place
            )
    first = settings.get("init_lora_weights")
    if isinstance(first, str) and first.lower().startswith(_CHANGES_BASE):
        raise UserError(
            "this PEFT adapter belongs to a base whose weights its `init_lora_weights` changed",
            value=first,
            place=place,
            remedy="PEFT saves PiSSA, CorDA and OLoRA as plain LoRA by `path_initial_model_for_weight_conversion`",
        )
    if not (folder / PEFT_WEIGHTS).is_file():
        raise UserError(
            f"this PEFT adapter has no {PEFT_WEIGHTS}",
            place=place,
            remedy="save it as safetensors; a pickled adapter_model.bin is never opened",
        )
    said = _said(settings, str(folder / SETTINGS))
    root = math.sqrt(said.r) if said.use_rslora else said.r
    return PeftAdapter(
        arrays=_all_own(read_arrays(folder / PEFT_WEIGHTS), place),
        type="dora" if said.use_dora else "lora",
        rank=said.r,
        scale=said.lora_alpha / root,
        dropout=said.lora_dropout or 0.0,
        ties=bool(said.ensure_weight_tying),
    )


class _Said(BaseModel):
    """The settings of PEFT's that are computed with, and its own defaults."""

    model_config = ConfigDict(extra="ignore", strict=True)

    r: int = Field(8, ge=1)
    lora_alpha: float = Field(8.0, gt=0, allow_inf_nan=False)
    lora_dropout: float | None = Field(None, ge=0, lt=1)
    use_rslora: bool | None = None
    use_dora: bool | None = None
    ensure_weight_tying: bool | None = None


def _said(settings: Mapping[str, Any], place: str) -> _Said:
    try:
        return _Said.model_validate(settings)
    except ValidationError as error:
        raise odd_setting(error, place) from error


def _all_own(arrays: Mapping[str, mx.array], place: str) -> dict[str, mx.array]:
    """The arrays under mlx-lm's names. Raises UserError where two are of the same name, of which one would be lost."""
    refuse_no_numbers(arrays, place)
    own: dict[str, mx.array] = {}
    for name, array in arrays.items():
        ours, kept = _own(name, array, place)
        if ours in own:
            raise UserError("this PEFT adapter holds an array twice", value=ours, place=place)
        own[ours] = kept
    return own


def _own(name: str, array: mx.array, place: str) -> tuple[str, mx.array]:
    """mlx-lm's name and array for one of PEFT's."""
    plain = name.removeprefix(_BEFORE)
    for theirs, ours in _OF_PEFT.items():
        if plain.endswith(f".{theirs}"):
            kept = array if ours == "m" else array.T
            return f"{plain.removesuffix(theirs)}{ours}", kept.astype(mx.float32)
    raise UserError("this PEFT adapter holds an array that is not LoRA's", value=name, place=place)


def write_peft(
    arrays: Mapping[str, mx.array], adapter: AdapterConfig, base: str, folder: Path, *, tied: bool
) -> None:
    """Write trained arrays of mlx-lm's layers as PEFT loads them, for the base model that is called `base`.

    `tied`: its head is its embedding, so that an adapter of the one is the other's in mlx-lm; in PEFT only where
    `ensure_weight_tying` says so.
    """
    modules = sorted({name.rpartition(".")[0] for name in arrays})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": adapter.rank,
        "lora_alpha": adapter.scale * adapter.rank,
        "lora_dropout": adapter.dropout,
        "use_dora": adapter.type == "dora",
        "use_rslora": False,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "ensure_weight_tying": tied and any(name.endswith("embed_tokens") for name in modules),
        "target_modules": modules,
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    write_arrays(folder / PEFT_WEIGHTS, dict(_theirs(name, array) for name, array in arrays.items()))


def _theirs(name: str, array: mx.array) -> tuple[str, mx.array]:
    """PEFT's name and array for one of mlx-lm's."""
    module, _, part = name.rpartition(".")
    names = {**_NAMES, **_EMBEDDING_NAMES} if module.endswith("embed_tokens") else _NAMES
    kept = array if part == "m" else mx.contiguous(array.T)
    return f"{_BEFORE}{module}.{names[part]}", kept
