"""What of a model decides memory and time: its sizes, and how they are told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

#: architectures whose memory was measured against the formulas (tests/benchmarks/estimate_accuracy.py) or that
#: are built alike: pre-norm attention and a gated feed-forward part
KNOWN = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3_text", "phi3"})

#: what the feed-forward part multiplies with: SwiGLU has a derivative of the engine's own that keeps little, the others are
#: traced by MLX, which keeps each of their steps
Gate = Literal["silu", "gelu", "clipped"]


@dataclass(frozen=True)
class Linear:
    """A matrix of one layer: `name` relative to the layer, `inputs` to `outputs`; `experts` copies of it."""

    name: str
    inputs: int
    outputs: int
    quantised: bool = False
    experts: int = 1

    @property
    def numbers(self) -> int:
        """Weights, those of all experts together."""
        return self.inputs * self.outputs * self.experts


@dataclass(frozen=True)
class ModelFacts:
    """Sizes of a model. `linears` are those of one layer (the widest where layers differ)."""

    architecture: str
    layers: int
    hidden: int
    intermediate: int
    query_width: int  # all query heads together
    key_width: int  # all key heads together; the values' are the same
    heads: int
    vocabulary: int
    tied: bool
    weight_bytes: int
    parameters: int
    active_parameters: int  # what one token runs through, without the embedding's look-up
    quantised: bool
    compute_bytes: int  # of one activation: 2 or 4
    linears: tuple[Linear, ...]
    window: int | None = None
    context: int | None = None
    experts: int = 1
    experts_per_token: int = 1
    embedding_parameters: int = 0
    #: its attention is not the plain one, so that the engine's leaner way of training it does not apply
    keeps_attention: bool = False
    #: width of the experts that every token asks
    shared_intermediate: int = 0
    gate: Gate = "silu"
    #: numbers of a token's keys and values over all layers; 0: as many in each layer as it is wide
    cache_width: int = 0
    #: numbers per token that go into the states of layers that hold some, a mean over all layers
    state_width: int = 0
    #: of one layer that holds a state, at its busiest
    widest_state: int = 0
    #: and per token of the span of chunks that is differentiated at a time
    span_width: int = 0
    #: numbers of the states of one row, over all layers
    state_numbers: int = 0
    #: of the layers, those that attend, and those that have a feed-forward part
    attention_share: float = 1.0
    feed_share: float = 1.0
    notes: tuple[str, ...] = ()
    #: whether the files said how large it is; if not, the sizes are placeholders from which nothing may be concluded
    known: bool = True

    @property
    def bits(self) -> float:
        """Bits per weight, all told."""
        return 8 * self.weight_bytes / max(1, self.parameters)

    @property
    def with_unpacked_layers(self) -> ModelFacts:
        """The same model whose layers' matrices are no longer quantised; the embedding stays as it is."""
        packed = [one for one in self.linears if one.quantised]
        if not packed:
            return self
        more = int(sum(one.numbers for one in packed) * (self.compute_bytes - self.bits / 8))
        return replace(
            self,
            weight_bytes=self.weight_bytes + self.layers * more,
            linears=tuple(replace(one, quantised=False) for one in self.linears),
        )

    @property
    def fingerprint(self) -> str:
        """Tells models apart for calibration: shape and weight, not the folder."""
        return (
            f"{self.architecture}-{self.layers}x{self.hidden}x{self.intermediate}-v{self.vocabulary}-"
            f"{self.weight_bytes}"
        )
