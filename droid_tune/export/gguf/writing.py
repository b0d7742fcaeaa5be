"""One GGUF file, tensor by tensor: never more than one of them in memory a second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import mlx.core as mx
import numpy as np

from droid_tune.control import UNWATCHED, Watch
from droid_tune.export.gguf.families import family_of, metadata_of, settings_of
from droid_tune.export.gguf.tensors import Kind, NamedArray, tensors_of
from droid_tune.export.gguf.vocabulary import name_in_file, vocabulary_of
from droid_tune.model.arrays import flat_arrays
from droid_tune.model.policy import Policy

FILE_TYPES: dict[Kind, gguf.LlamaFileType] = {
    Kind.F32: gguf.LlamaFileType.ALL_F32,
    Kind.F16: gguf.LlamaFileType.MOSTLY_F16,
    Kind.BF16: gguf.LlamaFileType.MOSTLY_BF16,
    Kind.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
    Kind.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
}


def write_gguf(
    policy: Policy, file: Path, *, name: str, weights: str, texts: Sequence[str], watch: Watch = UNWATCHED
) -> tuple[str, ...]:
    """The policy's model, whose adapter is merged and whose layers are plain, as `file`; returns what a person should
    know. `texts` are some that its tokenizer will read. Raises UserError for what a GGUF file cannot hold, `Stopped`."""
    family = family_of(str(policy.config.get("model_type")))
    settings = settings_of(policy.config, policy.model)
    metadata = metadata_of(family, settings)
    arrays = flat_arrays(policy.model.parameters())
    tensors = list(tensors_of(arrays, family, settings, weights))
    rows = next(one.array.shape[0] for one in tensors if one.name == "token_embd.weight")
    vocabulary = vocabulary_of(policy.tokenizer, rows, policy.stop_tokens, texts)
    writer = gguf.GGUFWriter(file, family.arch)
    writer.add_name(name_in_file(name, policy.tokenizer))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(FILE_TYPES[_main_kind(tensors)])
    add_keys(writer, {f"{family.arch}.{key}": value for key, value in metadata.items()})
    add_keys(writer, {f"{family.arch}.vocab_size": rows})
    add_keys(writer, {f"tokenizer.{key}": value for key, value in vocabulary.keys.items()})
    _write(writer, tensors, watch)
    return vocabulary.notes


def _main_kind(tensors: Sequence[NamedArray]) -> Kind:
    """The type of most weights."""
    sizes: dict[Kind, int] = {}
    for one in tensors:
        sizes[one.kind] = sizes.get(one.kind, 0) + one.array.size
    return max(sizes, key=lambda kind: sizes[kind])


def add_keys(writer: gguf.GGUFWriter, values: Mapping[str, Any]) -> None:
    """Each key in the type of its value."""
    for key, value in values.items():
        match value:
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case float():
                writer.add_float32(key, value)
            case str():
                writer.add_string(key, value)
            case _:
                writer.add_array(key, value)


def _write(writer: gguf.GGUFWriter, tensors: Sequence[NamedArray], watch: Watch) -> None:
    for one in tensors:
        writer.add_tensor_info(one.name, one.array.shape, np.dtype(np.float32), _size(one), one.kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for one in tensors:
            watch.pause_point()
            writer.write_tensor_data(one.encoded())
            mx.clear_cache()
    finally:
        writer.close()


def _size(tensor: NamedArray) -> int:
    """Bytes in the file."""
    numbers, size = gguf.GGML_QUANT_SIZES[tensor.kind]
    return tensor.array.size // numbers * size


def bytes_of_file(policy: Policy, weights: str) -> int:
    """About how large the file becomes."""
    bits = {"none": 0.0, "bf16": 16.0, "f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}[weights]
    from droid_tune.export.repacking import bytes_at

    plain = bytes_at(policy.model, None)
    widest = (
        4
        if any(array.dtype == mx.float32 for array in flat_arrays(policy.model.parameters()).values())
        else 2
    )
    return int(plain * (bits / 8 / widest)) if bits else plain
