"""From logits to the next token: filters as pure functions over a batch, and a draw with a key per row.

One new filter is one function and one line in FILTERS (and its place in ORDERS).

No filter sorts the vocabulary except top-p, and that only where no top-k came before it. The order of
transformers and TRL (temperature first) is the default; mlx-lm's (temperature last) is an option.

Shapes: n rows, V vocabulary. Removed tokens have the logit -inf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

from droid_tune.names import FilterOrder
from droid_tune.numerics import at_temperature, falling, token_logprobs
from droid_tune.rollout.keys import PIECE, draw, drawn_by, pieces


@dataclass(frozen=True)
class SamplerSettings:
    """How to sample; every filter is off by default. A temperature of 0 takes the most probable token.

    `top_k` 0, `top_p` 1, `min_p` 0, `repetition_penalty` 1 and `xtc_probability` 0 are off.
    `xtc_special_tokens` (end of sequence, newline) are never removed by XTC.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    order: FilterOrder = "temperature_first"
    xtc_special_tokens: tuple[int, ...] = ()

    @property
    def needs_history(self) -> bool:
        """Whether the tokens seen so far matter."""
        return self.repetition_penalty != 1.0

    @property
    def filters(self) -> tuple[str, ...]:
        """The active filters in order: what makes the sampler differ from softmax(logits / temperature)."""
        return tuple(
            name for name in ORDERS[self.order] if name != "temperature" and FILTERS[name].active(self)
        )


def sampler_settings(config: object, xtc_special_tokens: Sequence[int] = ()) -> SamplerSettings:
    """The settings in a config's attributes of the same names."""
    names = [field.name for field in fields(SamplerSettings) if field.name != "xtc_special_tokens"]
    given: dict[str, Any] = {name: getattr(config, name) for name in names}
    return SamplerSettings(**given, xtc_special_tokens=tuple(xtc_special_tokens))


class Extra(NamedTuple):
    """What some filters need besides logits: tokens seen (n, V), whether XTC acts on each row (n, 1), and of top-k the k largest
    (n, k), in descending order, where it comes first."""

    seen: mx.array | None
    xtc_acts: mx.array | None
    ranked: mx.array | None = None


def repetition_penalty(logits: mx.array, settings: SamplerSettings, extra: Extra) -> mx.array:
    """CTRL's penalty (arXiv 1909.05858): logits of tokens seen are divided, or multiplied where negative."""
    if extra.seen is None:
        return logits
    penalty = settings.repetition_penalty
    return mx.where(extra.seen, mx.where(logits < 0, logits * penalty, logits / penalty), logits)


def temperature(logits: mx.array, settings: SamplerSettings, extra: Extra) -> mx.array:
    """Flattens (above 1) or sharpens (below 1)."""
    return logits / settings.temperature


def top_k(logits: mx.array, settings: SamplerSettings, extra: Extra) -> mx.array:
    """Keeps the k largest; equals of the k-th stay with it."""
    if settings.top_k >= logits.shape[-1]:
        return logits
    ranked = largest(logits, settings.top_k) if extra.ranked is None else extra.ranked
    return at_least(logits, ranked[:, -1:])


def top_p(logits: mx.array, settings: SamplerSettings, extra: Extra) -> mx.array:
    """Nucleus sampling (arXiv 1904.09751): keeps a token while those ranked before it hold less than p.

    Equals are ranked by their number, so that a flat distribution is cut like any other. After top-k the largest k
    logits decide, so that the vocabulary need not be sorted.
    """
    ranked = largest(logits, logits.shape[-1]) if extra.ranked is None else extra.ranked
    mass = mx.exp(ranked - ranked[:, :1])
    # Equals of the k-th, which top-k left in: ranked behind it.
    equals = _reached(logits, ranked[:, -1:]).sum(axis=-1, keepdims=True) - ranked.shape[-1]
    held = mass.sum(axis=-1, keepdims=True)
    share = settings.top_p * (held + equals * mass[:, -1:])
    kept = mx.maximum((mx.cumsum(mass, axis=-1, inclusive=False) < share).sum(axis=-1, keepdims=True), 1)
    last = mx.take_along_axis(ranked, kept - 1, axis=-1)
    further = mx.clip(mx.ceil((share - held) / mass[:, -1:]), 0, equals).astype(mx.int32)
    return first_equals(logits, last, kept + further - (ranked > last).sum(axis=-1, keepdims=True))


def min_p(logits: mx.array, settings: SamplerSettings, extra: Extra) -> mx.array:
    """Drops what is less probable than this share of the best token (arXiv 2407.01082)."""
    return at_least(logits, logits.max(axis=-1, keepdims=True) + math.log(settings.min_p))


def xtc(logits: mx.array, settings: SamplerSettings, extra: Extra) -> mx.array:
    """Exclude Top Choices: of the tokens above the threshold only the least probable stays, where it acts."""
    probabilities = mx.softmax(logits, axis=-1)
    above = mx.where(probabilities > settings.xtc_threshold, probabilities, mx.inf)
    removed = probabilities > above.min(axis=-1, keepdims=True)
    if settings.xtc_special_tokens:
        special = mx.zeros((logits.shape[-1],), dtype=mx.bool_)
        special[mx.array(settings.xtc_special_tokens)] = True
        removed = removed & ~special
    if extra.xtc_acts is not None:
        removed = removed & extra.xtc_acts
    return mx.where(removed, -mx.inf, logits)


class Filter(NamedTuple):
    """A function over logits (n, V), the setting that rules it, and the value of it that means off."""

    apply: Callable[[mx.array, SamplerSettings, Extra], mx.array]
    setting: str
    off: float

    def active(self, settings: SamplerSettings) -> bool:
        """Whether the filter has anything to do."""
        return getattr(settings, self.setting) != self.off


FILTERS: dict[str, Filter] = {
    "repetition_penalty": Filter(repetition_penalty, "repetition_penalty", off=1.0),
    "temperature": Filter(temperature, "temperature", off=1.0),
    "top_k": Filter(top_k, "top_k", off=0),
    "top_p": Filter(top_p, "top_p", off=1.0),
    "min_p": Filter(min_p, "min_p", off=0.0),
    "xtc": Filter(xtc, "xtc_probability", off=0.0),
}
ORDERS: dict[FilterOrder, tuple[str, ...]] = {
    "temperature_first": ("repetition_penalty", "temperature", "top_k", "top_p", "min_p", "xtc"),
    "temperature_last": ("repetition_penalty", "top_p", "min_p", "xtc", "top_k", "temperature"),
}


def filtered_logits(
    logits: mx.array,
    settings: SamplerSettings,
    *,
    seen: mx.array | None = None,
    xtc_acts: mx.array | None = None,
) -> mx.array:
    """Logits (n, V) after every active filter in the settings' order, float32, -inf where removed.

    `seen` (n, V) marks the tokens of prompt and completion so far, for the repetition penalty;
    `xtc_acts` (n, 1) where XTC fires, None: everywhere. A temperature of 0 applies the penalty only.
    """
    logits = logits.astype(mx.float32)
    extra = Extra(seen, xtc_acts)
    names = ("repetition_penalty",) if settings.temperature == 0 else ORDERS[settings.order]
    for name in names:
        if not FILTERS[name].active(settings):
            continue
        if name == "top_k" and settings.order == "temperature_first":
            extra = extra._replace(ranked=largest(logits, min(settings.top_k, logits.shape[-1])))
        logits = FILTERS[name].apply(logits, settings, extra)
    return logits


class Draw(NamedTuple):
    """Tokens (n,) uint32 and their log-probabilities (n,) under softmax(logits / temperature), without the filters:
    the ones that training compares with. `drawn` (n,) are those after the filters, under the distribution that the tokens
    were drawn from. At temperature 0, where nothing is drawn and nothing trained on, both are 0."""

    tokens: mx.array
    logprobs: mx.array
    drawn: mx.array


def sample(
    logits: mx.array, settings: SamplerSettings, chance: mx.array, *, seen: mx.array | None = None
) -> Draw:
    """The next token of each row. `chance` (n, 3) is one position of `keys.chances`: a row's draw depends on its own
    numbers alone, so it does not matter which rows share its batch. Without a filter the log-probabilities
    cost nothing.
    """
    acts = chance[:, 2:3] < settings.xtc_probability if settings.xtc_probability else None
    kept = filtered_logits(logits, settings, seen=seen, xtc_acts=acts)
    if settings.temperature == 0:
        certain = mx.zeros(
            kept.shape[:1]
        )  # exponentials of all logits would be a tenth of a small model's step
        return Draw(mx.argmax(kept, axis=-1), certain, certain)
    if not settings.filters:
        tokens, drawn = draw(kept, chance)
        return Draw(tokens, drawn, drawn)
    if settings.repetition_penalty != 1.0:  # what remains has other logits
        tokens, drawn = draw(kept, chance)
        return Draw(tokens, token_logprobs(logits, tokens, settings.temperature), drawn)
    scaled = at_temperature(logits, settings.temperature)
    best = scaled.max(axis=-1, keepdims=True)
    mass = falling(best - scaled)
    tokens, total = drawn_by(_remaining(mass, kept), chance)
    chosen = mx.take_along_axis(scaled, tokens, axis=-1) - best
    all_mass = mass.sum(axis=-1, keepdims=True)
    return Draw(tokens[:, 0], *((chosen - mx.log(one))[:, 0] for one in (all_mass, total)))


def seen_tokens(histories: Sequence[Sequence[int]], vocabulary: int) -> mx.array:
    """Marks (n, V) the tokens in each row's history; `see` adds to it."""
    seen = np.zeros((len(histories), vocabulary), dtype=np.bool_)
    for row, history in zip(seen, histories, strict=True):
        row[np.asarray(history, dtype=np.int64)] = True
    return mx.array(seen.view(np.uint8)).astype(mx.bool_)


def see(seen: mx.array, tokens: mx.array) -> mx.array:
    """`seen` (n, V) with the rows' latest tokens (n,) marked."""
    return mx.put_along_axis(seen, tokens[:, None], mx.array(True), axis=-1)


def largest(values: mx.array, count: int) -> mx.array:
    """The `count` largest of each row (n, count), in descending order.

    In a wide row only the pieces with the largest maxima can hold them, so a small part is searched.
    """
    wide = values.shape[-1]
    if count * PIECE * 4 < wide:
        values = _best_pieces(values, count)
    if count < values.shape[-1]:
        values = mx.topk(values, count, axis=-1)
    return mx.sort(values, axis=-1)[:, ::-1]


@partial(mx.compile, shapeless=True)
def at_least(logits: mx.array, threshold: mx.array) -> mx.array:
    """Removes what lies below the threshold (n, 1)."""
    return mx.where(logits < threshold, -mx.inf, logits)


def first_equals(logits: mx.array, threshold: mx.array, count: mx.array) -> mx.array:
    """Removes what lies below the threshold (n, 1), and of its equals all but the first `count` (n, 1)."""
    equal = pieces(_equal(logits, threshold), filler=0)  # (n, C, PIECE)
    before = mx.cumsum(equal.sum(axis=-1), axis=-1)
    piece = mx.minimum((before < count).sum(axis=-1, keepdims=True), before.shape[-1] - 1)
    inside = mx.take_along_axis(equal, piece[..., None], axis=1)[:, 0]
    further = count - mx.take_along_axis(before, piece, axis=-1) + inside.sum(axis=-1, keepdims=True)
    last = piece * PIECE + (mx.cumsum(inside, axis=-1) < further).sum(axis=-1, keepdims=True)
    return _first(logits, threshold, last, mx.arange(logits.shape[-1])[None])


@partial(mx.compile, shapeless=True)
def _reached(logits: mx.array, threshold: mx.array) -> mx.array:
    return (logits >= threshold).astype(mx.int32)


@partial(mx.compile, shapeless=True)
def _equal(logits: mx.array, threshold: mx.array) -> mx.array:
    return (logits == threshold).astype(mx.int32)


@partial(mx.compile, shapeless=True)
def _first(logits: mx.array, threshold: mx.array, last: mx.array, places: mx.array) -> mx.array:
    kept = (logits > threshold) | ((logits == threshold) & (places <= last))
    return mx.where(kept, logits, -mx.inf)


@partial(mx.compile, shapeless=True)
def _remaining(mass: mx.array, kept: mx.array) -> mx.array:
    return mx.where(kept == -mx.inf, 0.0, mass)


def _best_pieces(values: mx.array, count: int) -> mx.array:
    """The `count` pieces (n, count x PIECE) of each row that have the largest maxima."""
    parts = pieces(values, filler=-mx.inf)
    best = mx.argpartition(-parts.max(axis=-1), kth=count - 1, axis=-1)[:, :count]
    return mx.take_along_axis(parts, best[..., None], axis=1).reshape(values.shape[0], -1)
