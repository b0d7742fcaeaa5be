"""The policy: a model with its adapter, its tokenizer, and what the engine knows about its architecture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.model.arrays import APART, embedding_rows, flat_arrays
from droid_tune.model.checks.probe import Architecture
from droid_tune.model.places import trainable_arrays


@dataclass
class Policy:
    """What is trained. `stop_tokens` end a completion: eos of the tokenizer and of the generation config.

    The model is in evaluation mode, but while a gradient is computed (`model.gradients.scoring`).
    """

    model: nn.Module
    tokenizer: Any
    config: dict[str, Any]
    path: Path
    adapter: AdapterConfig
    architecture: Architecture
    stop_tokens: frozenset[int]
    #: module names that carry an adapter, relative to the model; empty when training in full
    adapted: tuple[str, ...] = ()
    #: the trainable arrays of a moving reference (None: the base model itself), see model/reference.py
    reference_arrays: dict[str, mx.array] | None = None
    #: what was done to make the folder readable, a sentence each
    notes: tuple[str, ...] = ()

    def trainable(self) -> dict[str, mx.array]:
        """The trainable arrays by name, in a fixed order; without heads and critics."""
        return {name: array for name, array in self.learnt().items() if not name.startswith(APART)}

    def learnt(self) -> dict[str, mx.array]:
        """All that the optimizer moves: the trainable arrays, and what is trained beside them."""
        return trainable_arrays(self.model)

    @property
    def trainable_bytes(self) -> int:
        """Size of what is trained."""
        return sum(array.nbytes for array in self.trainable().values())

    @property
    def weight_bytes(self) -> int:
        """Size of all weights, adapter included; without heads and critics."""
        arrays = flat_arrays(self.model.parameters())
        return sum(array.nbytes for name, array in arrays.items() if not name.startswith(APART))

    @cached_property
    def embedding_rows(self) -> int | None:
        """How many tokens the model has an embedding for; None where it has none of the known kinds."""
        return embedding_rows(self.model)

    @property
    def context_length(self) -> int | None:
        """The longest sequence the model was made for, where its config says so."""
        for source in (self.config, self.config.get("text_config") or {}):
            for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
                value = source.get(key)
                if isinstance(value, int) and value > 0:
                    return value
        return None
