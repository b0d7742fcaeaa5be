"""How many numbers a run trains, from the widths of the model's matrices."""

from __future__ import annotations

from dataclasses import dataclass

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.target_modules import fits
from droid_tune.model_files.facts import Linear, ModelFacts


@dataclass(frozen=True)
class Trained:
    """`added_bytes` are new arrays beside the weights; `bytes` is all that is trained, `numbers` how many.

    `inputs` and `ranks` are summed over the adapted matrices of one layer: what their activations cost per token (LoRA makes
    what lies between its two factors again, DoRA keeps it).
    `rebuilt` are the float32 numbers of weights that DoRA makes in each pass of one layer (the adapted matrices),
    `unpacked` those that it keeps for the backward pass (what packed matrices hold), `scaled` the outputs that it scales
    and keeps, per token. `largest_bytes` is the largest single array. `mergeable_bytes` are copies of the adapted
    weights, where those are float32 and hold exactly what an adapter adds; 0 elsewhere.
    """

    numbers: int
    bytes: int
    added_bytes: int
    layers: int
    inputs: int = 0
    ranks: int = 0
    rebuilt: int = 0
    unpacked: int = 0
    scaled: int = 0
    largest_bytes: int = 0
    mergeable_bytes: int = 0
    full: bool = False
    #: the table of embeddings, where it is trained
    table_bytes: int = 0


def trained_part(adapter: AdapterConfig, facts: ModelFacts) -> Trained:
    """The adapter's (or, in full training, the weights') share of the memory."""
    layers = facts.layers if adapter.layers < 0 else min(adapter.layers, facts.layers)
    chosen = [linear for linear in facts.linears if _chosen(linear, adapter)]
    if adapter.type == "full":
        return _in_full(adapter, facts, chosen, layers)
    per_layer = sum((linear.inputs + linear.outputs) * adapter.rank * linear.experts for linear in chosen)
    magnitudes = rebuilt = unpacked = 0
    if adapter.type == "dora":
        magnitudes = sum(linear.outputs for linear in chosen)
        rebuilt = sum(linear.numbers for linear in chosen)
        unpacked = sum(linear.numbers for linear in chosen if linear.quantised)
    numbers = layers * (per_layer + magnitudes)
    return Trained(
        numbers=numbers,
        bytes=4 * numbers,  # mlx-lm makes adapters in float32
        added_bytes=4 * numbers,
        layers=layers,
        inputs=sum(linear.inputs for linear in chosen),
        ranks=adapter.rank * len(chosen) if magnitudes else 0,
        rebuilt=rebuilt,
        unpacked=unpacked,
        scaled=magnitudes,
        largest_bytes=4
        * adapter.rank
        * max((max(one.inputs, one.outputs) * one.experts for one in chosen), default=0),
        mergeable_bytes=layers * _mergeable_bytes(facts, chosen),
    )


def _mergeable_bytes(facts: ModelFacts, chosen: list[Linear]) -> int:
    """Of one layer."""
    wide = facts.compute_bytes == 4 and not any(linear.quantised for linear in chosen)
    return 4 * sum(linear.numbers for linear in chosen) if wide else 0


def _in_full(adapter: AdapterConfig, facts: ModelFacts, chosen: list[Linear], layers: int) -> Trained:
    per_layer = sum(linear.numbers for linear in chosen)
    numbers = layers * per_layer
    largest = max((linear.numbers for linear in chosen), default=0)
    table = 0
    if adapter.layers < 0 and not adapter.target_modules:
        numbers, table = facts.parameters, facts.embedding_parameters
        largest = max(largest, table)
    return Trained(
        numbers=numbers,
        bytes=facts.compute_bytes * numbers,
        added_bytes=0,
        layers=layers,
        inputs=sum(linear.inputs for linear in chosen),
        largest_bytes=facts.compute_bytes * largest,
        full=True,
        table_bytes=facts.compute_bytes * table,
    )


def _chosen(linear: Linear, adapter: AdapterConfig) -> bool:
    """Whether a matrix is trained; DoRA leaves out experts."""
    if not adapter.target_modules:
        return adapter.type != "dora" or linear.experts == 1
    return any(fits(linear.name, pattern) for pattern in adapter.target_modules)
