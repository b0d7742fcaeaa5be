"""The few numbers that memory follows from: one model with one adapter and one optimizer, on one kind of device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TypedDict

from droid_tune.config import RunConfig
from droid_tune.config.recipes.ppo_method import PPOConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.rewards import RewardConfig, RewardModelReward
from droid_tune.errors import UserError
from droid_tune.estimate.cache_bits import bytes_share
from droid_tune.estimate.grading_model import GradingModel, largest_teacher
from droid_tune.estimate.trained import Trained, trained_part
from droid_tune.model_files.facts import Gate, ModelFacts
from droid_tune.model_files.hub_facts import facts_at_hand
from droid_tune.runs.folder import find_run, fused_base, read_config

#: arrays of the trained size that an optimizer keeps (Adafactor keeps a row and a column of each matrix)
OPTIMIZER_COPIES = {"adamw": 2.0, "adam": 2.0, "adafactor": 0.05, "lion": 1.0, "muon": 1.2}


class _Widths(TypedDict):
    item: int
    hidden: int
    intermediate: int
    query_width: int
    key_width: int
    heads: int
    vocabulary: int
    state_width: int
    routed: int
    gate: Gate
    widest_state: int
    span_width: int
    attention_share: float
    feed_share: float


def _widths(facts: ModelFacts) -> _Widths:
    """What a model's own layers and head are wide."""
    return {
        "item": facts.compute_bytes,
        "hidden": facts.hidden,
        "intermediate": facts.intermediate * facts.experts_per_token + facts.shared_intermediate,
        "query_width": facts.query_width,
        "key_width": facts.key_width,
        "heads": facts.heads,
        "vocabulary": facts.vocabulary,
        "state_width": facts.state_width,
        "routed": facts.experts_per_token if facts.experts > 1 else 0,
        "gate": facts.gate,
        "span_width": facts.span_width,
        "widest_state": facts.widest_state,
        "attention_share": facts.attention_share,
        "feed_share": facts.feed_share,
    }


@dataclass(frozen=True)
class Sizes:
    """Bytes and widths. Widths are numbers per token in one layer; `item` is the bytes of one activation."""

    weights: int  # the model's own
    adapters: int  # added to it
    trained: int
    optimizer: int
    reference: int
    item: int
    layers: int
    trained_layers: int
    hidden: int
    intermediate: int
    query_width: int
    key_width: int
    heads: int
    vocabulary: int
    state_width: int = 0
    #: experts that a token asks, each of which gets a copy of it; 0: there are none
    routed: int = 0
    gate: Gate = "silu"
    #: `state_width` is a mean over all layers; this is of one that holds a state, at its busiest
    widest_state: int = 0
    span_width: int = 0
    #: of the layers, those that attend, and those that have a feed-forward part
    attention_share: float = 1.0
    feed_share: float = 1.0
    adapted_inputs: int = 0
    ranks: int = 0
    rebuilt: int = 0
    unpacked: int = 0
    scaled: int = 0
    largest_trained: int = 0  # bytes of the largest array that is trained
    trained_table: int = 0  # bytes of the table of embeddings, where it is trained
    mergeable: int = (
        0  # bytes of copies of the adapted weights; 0 where they would not hold what an adapter adds
    )
    full: bool = False
    #: without a gradient attention weights are never stored (Metal's fused kernel); on the CPU they are
    fused_attention: bool = False
    #: they are kept for the backward pass (model/kernels/lean_attention.py does not know this model's kind)
    keeps_attention: bool = False
    shares_prompts: bool = True
    layer_wise: bool = True
    #: as the model's own caches were measured, where it is loaded; 0: from the widths
    cache_per_token: int = 0
    #: the same in numbers, by the config; 0: as many in each layer as it is wide
    cache_width: int = 0
    teacher: GradingModel | None = None  # the largest model that grades the student
    judges: int = 0  # bytes of the reward models that are no part of the base
    state_per_row: int = 0
    #: bits in which keys and values are kept while completions are sampled; 0: as they are
    cache_bits: int = 0

    @property
    def of_teacher(self) -> Sizes:
        """The teacher's widths in place of the student's, nothing trained; the student's where it grades itself."""
        if self.teacher is None:
            return self
        return replace(
            self,
            **_widths(self.teacher.facts),
            adapted_inputs=0,
            ranks=0,
            rebuilt=0,
            unpacked=0,
            scaled=0,
        )

    @property
    def key_values(self) -> int:
        """Bytes of one token's keys and values over all layers."""
        if not self.attention_share:
            return 0
        return self.cache_per_token or self.item * (self.cache_width or 2 * self.layers * self.key_width)

    @property
    def kept_key_values(self) -> int:
        """The same as it is kept while completions are sampled."""
        width = max(1, self.query_width // max(1, self.heads))
        return round(self.key_values * bytes_share(self.cache_bits, self.item, width))


def sizes_of(config: RunConfig, facts: ModelFacts, backend: str) -> Sizes:
    """Sizes of a run's model, from headers alone."""
    trained = trained_part(config.adapter, facts)
    copies = trained_copies(config)
    return Sizes(
        weights=facts.weight_bytes,
        adapters=trained.added_bytes if copies == 1 else trained.added_bytes + trained.bytes,
        trained=copies * trained.bytes,
        optimizer=copies * _optimizer(config.optimizer.name, trained),
        reference=_reference(config, trained),
        layers=facts.layers,
        trained_layers=trained.layers,
        **_widths(facts),
        adapted_inputs=trained.inputs,
        ranks=trained.ranks,
        rebuilt=trained.rebuilt,
        unpacked=trained.unpacked,
        scaled=trained.scaled,
        largest_trained=trained.largest_bytes,
        trained_table=trained.table_bytes,
        mergeable=trained.mergeable_bytes,
        full=trained.full,
        fused_attention=backend == "metal",
        keeps_attention=facts.keeps_attention,
        teacher=largest_teacher(config),
        judges=sum(map(partial(_judge, config), config.rewards)) if config.samples else 0,
        cache_width=facts.cache_width,
        state_per_row=4 * facts.state_numbers,
        cache_bits=config.sampling.cache_bits,
    )


def _judge(config: RunConfig, reward: RewardConfig) -> int:
    """A reward model's own weights: of a run on the same base its adapter alone."""
    if not isinstance(reward, RewardModelReward):
        return 0
    try:
        run = find_run(reward.path)
        judge = read_config(run)
    except UserError:
        facts = facts_at_hand(reward.path)
        return facts.weight_bytes if facts.known else 0
    own = sum(file.stat().st_size for file in run.glob("adapters.safetensors"))
    same = judge.model.path == config.model.path and fused_base(run) is None
    if same and "full" not in (judge.adapter.type, config.adapter.type):
        return own
    return facts_at_hand(str(fused_base(run) or judge.model.path)).weight_bytes + own


def trained_copies(config: RunConfig) -> int:
    """How often what is trained is there: PPO's critic has as much as the policy."""
    return 2 if isinstance(config.method, PPOConfig) else 1


def _optimizer(name: str, trained: Trained) -> int:
    """Moments, and float32 copies of weights in 16 bits (train/updating/masters.py), whose moments are float32 too."""
    wide = 4 * trained.numbers
    masters = wide if trained.bytes < wide else 0
    return int(OPTIMIZER_COPIES[name] * wide) + masters


def _reference(config: RunConfig, trained: Trained) -> int:
    """A copy of what is trained, where bypassing the adapter does not give the reference (model/reference.py)."""
    method = config.method
    if isinstance(method, PreferenceConfig):
        copied = config.starts_as_reference or (method.compares and trained.full)
        return trained.bytes if copied else 0
    if not isinstance(method, SamplingMethodConfig) or not method.needs_reference:
        return 0
    return trained.bytes if method.keeps_reference or trained.full else 0
