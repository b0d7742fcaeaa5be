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
    """One completion: its tokens and their log-probabilities (t,) once it has ended."""

    index: int
    prompt: int
    key: int  # what its random numbers derive from, beside the seed
    tokens: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    logprobs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    drawn: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    reason: FinishReason | None = None


class _Written:
    """What the rows of a wave have said so far, by place and position (n, T)."""

    def __init__(self, rows: int, limit: int) -> None:
        self.tokens = np.zeros((rows, limit), np.int32)
        self.logprobs, self.drawn = (np.zeros((rows, limit), np.float32) for _ in range(2))
        self.lengths = np.zeros(rows, np.int64)
        self.reasons: list[FinishReason | None] = [None] * rows
        self.ended = np.zeros(rows, np.bool_)

    def end(self, places: np.ndarray, reason: FinishReason) -> None:
        """Rows that say no more."""
        self.ended[places] = True
        for place in places.tolist():
            self.reasons[place] = reason

    def give(self, rows: Sequence[_Row]) -> None:
        """To each row what is its own."""
        for place, (row, length) in enumerate(zip(rows, self.lengths.tolist(), strict=True)):
            row.tokens, row.logprobs, row.drawn = (
                part[place, :length] for part in (self.tokens, self.logprobs, self.drawn)
            )
            row.reason = self.reasons[place]


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
        self._stop_tokens = np.array(sorted(self._stops), np.int64)
        self.filters = False  # whether tokens were drawn from a filtered distribution

    def decode(self, rows: list[_Row]) -> None:
        """One wave: all of `rows` at once, until each has finished."""
        limit = self._sampling.max_completion_length
        decoder, logits = self._begin(rows)
        chooser = self._chooser(rows, int(logits.shape[-1]))
        places, written = np.arange(len(rows)), _Written(len(rows), limit)
        self.filters = chooser.filters
        now = chooser.choose(logits, 0)
        for step in range(limit):
            self._watch.tell_token(step, limit)
            ahead = None
            if step + 1 < limit:
                ahead = chooser.choose(decoder.step(now.tokens), step + 1)
                mx.async_eval(*ahead)
            self._take(written, places, step, now, last=ahead is None)
            alive = np.flatnonzero(~written.ended[places])
            if ahead is None or not len(alive):
                break
            now = ahead
            if len(places) - len(alive) >= DROP_SHARE * len(places):
                kept, places = mx.array(alive), places[alive]
                decoder.keep(alive)
                chooser.keep(kept)
                now = Draw(*(array[kept] for array in now))
        written.give(rows)

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

    def _take(self, written: _Written, places: np.ndarray, step: int, draw: Draw, *, last: bool) -> None:
        """Append one token to every unfinished row."""
        live = np.flatnonzero(~written.ended[places])
        tokens, now = np.asarray(draw.tokens)[live], places[live]
        written.tokens[now, step] = tokens
        written.logprobs[now, step] = np.asarray(draw.logprobs)[live]
        if self.filters:
            written.drawn[now, step] = np.asarray(draw.drawn)[live]
        written.lengths[now] = step + 1
        stopped = np.isin(tokens, self._stop_tokens)
        if self._sampling.stop_strings:
            said = (written.tokens[place, : step + 1].tolist() for place in now)
            stopped |= [ends_in_stop_string(self._policy, self._sampling, one) for one in said]
        written.end(now[stopped], "stop")
        if last:
            written.end(now[~stopped], "length")
        ended = len(now) if last else int(stopped.sum())
        self._done += ended
        if ended:
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
    texts = [completion_text(policy, row.tokens.tolist()) for row in rows]
    reasons: list[FinishReason] = [row.reason or "length" for row in rows]
    own = [list(prompt) for prompt in prompts]
    return Rollout(own, group_size, tokens, mask, logprobs, texts, reasons, drawn if filters else None)
