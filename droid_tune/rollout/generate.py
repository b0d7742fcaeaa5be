"""Completions for a batch of prompts: every unique prompt runs once, all rows are decoded together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import mlx.core as mx
import numpy as np

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.lens import require_known
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.adapters import adapter_merged
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from droid_tune.names import FinishReason
from droid_tune.rollout.choice import Chooser
from droid_tune.rollout.decoders import Decoder, make_decoder
from droid_tune.rollout.decoding import completion_text, ending_tokens, ends_in_stop_string
from droid_tune.rollout.prefilled import prefilled
from droid_tune.rollout.rollout import Rollout
from droid_tune.rollout.samplers import Draw

#: rows are dropped from the batch when at least this share of them has finished
DROP_SHARE = 0.25


@dataclass
class _Row:
    """One completion while it grows."""

    index: int
    prompt: int
    key: int  # what its random numbers derive from, beside the seed
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)
    reason: FinishReason | None = None


def generate(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    *,
    group_size: int,
    sampling: SamplingConfig,
    seed: int,
    plan: MemoryPlan,
    groups: Sequence[int] | None = None,
    watch: Watch = UNWATCHED,
) -> Rollout:
    """Sample `group_size` completions of each prompt (token ids, not empty), greedily at temperature 0.

    A row's tokens depend on `seed`, its place and the model only. `groups` numbers the prompts where they are some
    of a larger rollout (the share of one rank): their completions are those that the larger one
    has. `watch` hears of finished rows and is asked between tokens; it ends the rollout with `Stopped`.
    """
    for prompt in prompts:
        require_known(prompt, policy.embedding_rows)
    numbers = range(len(prompts)) if groups is None else groups
    rows = [
        _Row(place * group_size + member, place, number * group_size + member)
        for place, number in enumerate(numbers)
        for member in range(group_size)
    ]
    run = _Run(policy, prompts, sampling, seed, plan, len(rows), watch)
    merged = adapter_merged(policy.model, policy.adapted if plan.merge else ())
    with own_kernels(), merged:
        for wave in _waves(rows, prompts, plan.decode_rows):
            run.decode(wave)
    return _collected(policy, prompts, group_size, rows, run.filters)


def _waves(rows: list[_Row], prompts: Sequence[Sequence[int]], most: int) -> list[list[_Row]]:
    """Waves of equal size, of `most` rows at most: those with like prompts together, so that there is little padding."""
    count = -(-len(rows) // most)
    if count == 1:
        return [rows]
    ordered = sorted(rows, key=lambda row: len(prompts[row.prompt]))
    size = -(-len(rows) // count)
    return [ordered[start : start + size] for start in range(0, len(rows), size)]


class _Run:
    """What all waves of one rollout share."""

    def __init__(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingConfig,
        seed: int,
        plan: MemoryPlan,
        total: int,
        watch: Watch,
    ) -> None:
        self._policy, self._prompts, self._sampling, self._plan = policy, prompts, sampling, plan
        self._seed, self._total, self._done = seed, total, 0
        self._watch = watch
        self._stops = ending_tokens(policy, sampling)
        self.filters = False  # whether tokens were drawn from a filtered distribution

    def decode(self, rows: list[_Row]) -> None:
        """One wave: all of `rows` at once, until each has finished."""
        limit = self._sampling.max_completion_length
        decoder, logits = self._begin(rows)
        chooser = self._chooser(rows, int(logits.shape[-1]))
        places = np.arange(len(rows))
        self.filters = chooser.filters
        now = chooser.choose(logits, 0)
        for step in range(limit):
            self._watch.tell_token(step, limit)
            ahead = None
            if step + 1 < limit:
                ahead = chooser.choose(decoder.step(now.tokens), step + 1)
                mx.async_eval(*ahead)
            self._take(rows, places, now, last=ahead is None)
            alive = np.flatnonzero([rows[place].reason is None for place in places])
            if ahead is None or not len(alive):
                return
            now = ahead
            if len(places) - len(alive) >= DROP_SHARE * len(places):
                kept, places = mx.array(alive), places[alive]
                decoder.keep(alive)
                chooser.keep(kept)
                now = Draw(*(array[kept] for array in now))

    def _chooser(self, rows: list[_Row], vocabulary: int) -> Chooser:
        chooser = Chooser(
            self._sampling,
            self._seed,
            [row.key for row in rows],
            xtc_special_tokens=sorted(stop for stop in self._stops if stop < vocabulary),
        )
        chooser.remember([self._prompts[row.prompt] for row in rows], vocabulary)
        return chooser

    def _begin(self, rows: list[_Row]) -> tuple[Decoder, mx.array]:
        """Prefill each prompt of the wave once; the decoder and every row's first logits (n, V)."""
        unique = sorted({row.prompt for row in rows})
        plan = self._plan
        prompts = [self._prompts[index] for index in unique]
        ready = prefilled(self._policy, prompts, plan.prefill_tokens, plan.joined_tokens)
        place = {prompt: place for place, prompt in enumerate(unique)}
        row_prompts = [place[row.prompt] for row in rows]
        logits = mx.concatenate([ready[index].logits for index in row_prompts])
        sampling = self._sampling
        bits, most = sampling.cache_bits, sampling.max_completion_length
        return make_decoder(self._policy, ready, row_prompts, bits, most, joins=plan.joins), logits

    def _take(self, rows: list[_Row], places: np.ndarray, draw: Draw, *, last: bool) -> None:
        """Append one token to every unfinished row."""
        before = self._done
        tokens, logprobs = np.asarray(draw.tokens).tolist(), np.asarray(draw.logprobs).tolist()
        drawn = np.asarray(draw.drawn).tolist() if self.filters else logprobs
        for place, token, logprob, after in zip(places, tokens, logprobs, drawn, strict=True):
            row = rows[place]
            if row.reason is not None:
                continue
            row.tokens.append(token)
            row.logprobs.append(logprob)
            if self.filters:
                row.drawn.append(after)
            if token in self._stops or ends_in_stop_string(self._policy, self._sampling, row.tokens):
                row.reason = "stop"
            elif last:
                row.reason = "length"
            self._done += row.reason is not None
        if self._done > before:
            self._watch.tell(self._done, self._total)


def _collected(
    policy: Policy, prompts: Sequence[Sequence[int]], group_size: int, rows: list[_Row], filters: bool
) -> Rollout:
    length = max(len(row.tokens) for row in rows)
    tokens = np.zeros((len(rows), length), np.int32)
    mask = np.zeros((len(rows), length), np.float32)
    logprobs, drawn = np.zeros_like(mask), np.zeros_like(mask)
    for row in rows:
        count = len(row.tokens)
        tokens[row.index, :count] = row.tokens
        mask[row.index, :count] = 1
        logprobs[row.index, :count] = row.logprobs
        if filters:
            drawn[row.index, :count] = row.drawn
    texts = [completion_text(policy, row.tokens) for row in rows]
    reasons: list[FinishReason] = [row.reason or "length" for row in rows]
    own = [list(prompt) for prompt in prompts]
    return Rollout(own, group_size, tokens, mask, logprobs, texts, reasons, drawn if filters else None)
