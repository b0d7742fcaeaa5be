"""What of a model decides memory and time, from config.json and the weights' headers; never from its name."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from droid_tune.model_files.float8 import CODES, stays_packed
from droid_tune.model_files.headers import Tensor, read_headers
from droid_tune.model_files.model_folder import Stamps, stamps_of
from droid_tune.model_files.packing_groups import Packing

#: architectures whose memory was measured against the formulas (tests/benchmarks/estimate_accuracy.py) or that
#: are built alike: pre-norm attention and a gated feed-forward part
KNOWN = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3_text", "phi3"})
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
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.(.+)$")
#: the towers of models that see or hear: mlx-lm leaves them out
_SEES_OR_HEARS = re.compile(r"(?:^|\.)(?:vision|visual|audio)\w*\.")
#: experts as transformers stores them, each by itself; mlx-lm stacks them
_ONE_EXPERT = re.compile(r"\.experts\.\d+\.")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
_FLOATS = {"F32": 4, "F16": 2, "BF16": 2}


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
    read = _Reader(_of_text(config))
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


def _of_text(config: dict[str, Any]) -> dict[str, Any]:
    """The config with what it says of the language model of several (`text_config`) on top."""
    text = config.get("text_config")
    return {**config, **(cast("dict[str, Any]", text) if isinstance(text, dict) else {})}


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
    read = _Reader(_of_text(config))
    by_layer = _by_layer(tensors)
    layers = read.whole(*_LAYERS) or len(by_layer) or 12
    embedding = _embedding(tensors)
    hidden = read.whole(*_HIDDEN) or (embedding[1] if embedding else 0) or 768
    heads = read.whole("num_attention_heads", "n_head") or max(1, hidden // 64)
    head = read.whole("head_dim") or max(1, hidden // heads)
    key_heads = read.whole("num_key_value_heads", "n_kv_heads") or heads
    vocabulary = read.whole("vocab_size") or (embedding[0] if embedding else 0) or 32_000
    intermediate = read.whole("moe_intermediate_size", "intermediate_size", "n_inner") or 4 * hidden
    experts = read.whole("num_experts", "num_local_experts", "n_routed_experts") or 1
    architecture = str(config.get("model_type") or "unknown")
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
        compute_bytes=_compute_bytes(tensors, str(config.get("torch_dtype") or config.get("dtype") or "")),
        linears=(),
        window=read.whole("sliding_window"),
        context=read.whole("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
        experts=experts,
        experts_per_token=read.whole("num_experts_per_tok") or 1,
        keeps_attention=read.given("attn_logit_softcapping"),
        notes=(*notes, *_generic(architecture)),
        known=bool(by_layer) or says_its_size(config),
    )
    quantisation = config.get("quantization") or config.get("quantization_config")
    packing = _Reader(cast("dict[str, Any]", quantisation) if isinstance(quantisation, dict) else {})
    group = packing.whole("group_size") or 0
    coded = packing.text("quant_method") == "fp8" and not stays_packed(config)
    if by_layer:
        settings = cast("dict[str, Any]", quantisation) if isinstance(quantisation, dict) else {}
        packed = Packing.of(tensors, settings, group, hidden)
        return _weighed(facts, tensors, by_layer, packed, unpacked=not stays_packed(config))
    facts = replace(facts, known=facts.known and (weight_bytes > 0 or _is_counted(config)))
    return _imagined(facts, packing.whole("bits") or 0, group, weight_bytes, coded=coded)


def _is_counted(config: dict[str, Any]) -> bool:
    """Whether a config's sizes alone tell how large the weights are."""
    text = _of_text(config)
    told = _Reader(text)
    return text.get("model_type") in COUNTED and bool(
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
    linears = _linears(widest, packed)
    embedding = facts.vocabulary * facts.hidden
    active = sum(n.inputs * n.outputs * min(n.experts, facts.experts_per_token) for n in linears)
    return replace(
        facts,
        weight_bytes=sum(
            tensor.nbytes * (2 if unpacked and tensor.dtype == CODES else 1) for tensor in tensors
        ),
        parameters=sum(map(packed.numbers, tensors)),
        query_width=_width(linears, "q_proj") or facts.query_width,
        key_width=_width(linears, "k_proj") or facts.key_width,
        active_parameters=facts.layers * active + embedding,
        linears=linears,
        embedding_parameters=embedding,
    )


def _width(linears: tuple[Linear, ...], name: str) -> int:
    """What a projection of the widest layer's attention gives, 0 where it has none of that name."""
    return next((one.outputs for one in linears if one.name == f"self_attn.{name}"), 0)


def _imagined(
    facts: ModelFacts, bits: int, group: int, weight_bytes: int, *, coded: bool = False
) -> ModelFacts:
    """A gated transformer of the config's sizes: what the weights will be once they are there.

    `bits` of a packed weight (0: not packed) with a scale and a bias of two bytes each for every `group` of them. Where
    the files' size is known (`weight_bytes`), weights that are not packed are counted by it: there are layers that no
    config's sizes tell of (shared experts, embeddings of each layer). `coded`: their float8 becomes bfloat16.
    """
    facts = replace(facts, quantised=bool(bits))
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
    parameters = facts.layers * per_layer + embedding * (1 if facts.tied else 2)
    active = sum(n.inputs * n.outputs * min(n.experts, facts.experts_per_token) for n in linears)
    each = bits / 8 + 4 / (group or 64) if bits else facts.compute_bytes
    if coded:
        wide = 2 * embedding * (1 if facts.tied else 2)
        weight_bytes = max(weight_bytes, 2 * weight_bytes - wide)
    if not bits:
        parameters = max(parameters, weight_bytes // facts.compute_bytes)
    weight_bytes = weight_bytes or int(parameters * each)
    return replace(
        facts,
        weight_bytes=weight_bytes,
        parameters=parameters,
        active_parameters=facts.layers * active + embedding,
        linears=linears,
        embedding_parameters=embedding,
    )


def _by_layer(tensors: tuple[Tensor, ...]) -> dict[int, list[tuple[str, Tensor]]]:
    found: dict[int, list[tuple[str, Tensor]]] = {}
    for tensor in tensors:
        match = _LAYER.search(tensor.name)
        if match and not _SEES_OR_HEARS.search(tensor.name):
            found.setdefault(int(match[1]), []).append((match[2], tensor))
    return found


def _linears(layer: list[tuple[str, Tensor]], packed: Packing) -> tuple[Linear, ...]:
    """The matrices of a layer."""
    found: dict[str, Linear] = {}
    for name, tensor in layer:
        if not name.endswith(".weight") or len(tensor.shape) not in (2, 3):
            continue
        own = name.removesuffix(".weight")
        *experts, outputs, inputs = tensor.shape
        unpacked = packed.inputs(tensor.name.removesuffix(".weight"))
        called = _ONE_EXPERT.sub(".switch_mlp.", own)
        others = found[called].experts if called in found else 0
        count = others + (experts[0] if experts else 1)
        found[called] = Linear(called, unpacked or inputs, outputs, unpacked is not None, count)
    return tuple(found.values())


def _embedding(tensors: tuple[Tensor, ...]) -> tuple[int, int] | None:
    for tensor in tensors:
        if "embed" in tensor.name and tensor.name.endswith(".weight") and len(tensor.shape) == 2:
            return tensor.shape[0], tensor.shape[1]
    return None


def _compute_bytes(tensors: tuple[Tensor, ...], declared: str) -> int:
    """Activations take the type of the norms and scales; without weights, of the config."""
    kinds = Counter(t.dtype for t in tensors if len(t.shape) == 1 or t.name.endswith(".scales"))
    kinds = kinds or Counter(t.dtype for t in tensors)
    for dtype, _ in kinds.most_common():
        if dtype in _FLOATS:
            return _FLOATS[dtype]
    return 4 if declared == "float32" else 2


class _Reader:
    """Values of a config that may be missing or absurd."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    def whole(self, *names: str) -> int | None:
        """The first of these that is a positive number (of a list, its largest)."""
        for name in names:
            value: Any = self._config.get(name)
            if isinstance(value, list):
                numbers = [item for item in cast("list[Any]", value) if isinstance(item, int)]
                value = max(numbers, default=None)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
                return value
        return None

    def text(self, name: str) -> str:
        value = self._config.get(name)
        return value if isinstance(value, str) else ""

    def given(self, name: str) -> bool:
        """Whether there is a value other than null, false and 0."""
        return bool(self._config.get(name))

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._config.get(name)
        return value if isinstance(value, bool) else default
