"""Decoding rows that leave and come back, each with the model's own caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from droid_tune.model.caches.repeated import copied, merged
from droid_tune.model.policy import Policy
from droid_tune.rollout.episodes.joining import Joining, Prompts, stretches_of


class OwnRows:
    """Every row with the model's own caches: right for every kind, with the prompt copied for each row.

    While they are decoded the rows' caches are merged where that is proved right for the model, else each row runs by
    itself. Left out: tokens run ahead, because a state cannot take one back.
    """

    looks_ahead = False

    def __init__(self, policy: Policy, prompts: Prompts, chunk: int) -> None:
        self._model, self._prompts, self._chunk = policy.model, prompts, chunk
        self._merges = policy.architecture.merges_prompts
        self._rows: list[int] = []
        self._own: dict[int, list[Any]] = {}
        self._merged: list[Any] | None = None

    @property
    def rows(self) -> Sequence[int]:
        return self._rows

    def step(self, tokens: mx.array) -> mx.array:
        if not self._merges:
            found = [
                self._model(tokens[place : place + 1, None], cache=self._own[row])[:, -1]
                for place, row in enumerate(self._rows)
            ]
            return mx.concatenate(found)
        if self._merged is None:
            self._merged = merged([self._own[row] for row in self._rows])
        return self._model(tokens[:, None], cache=self._merged)[:, -1]

    def leave(self, rows: Sequence[int], fed: Sequence[int]) -> None:
        if rows:
            self._apart()
            self._rows = [row for row in self._rows if row not in rows]

    def join(self, rows: Sequence[Joining]) -> mx.array:
        self._apart()
        found: list[mx.array] = []
        for one in rows:
            caches = self._own.setdefault(one.row, copied(self._prompts[one.prompt].caches))
            logits = self._prompts[one.prompt].logits
            for stretch in stretches_of([one.tokens[:-1]], self._chunk):
                self._model(mx.array(stretch.tokens), cache=caches)
                mx.eval([cache.state for cache in caches])
            if one.tokens:
                last = mx.array([[one.tokens[-1]]], dtype=mx.int32)
                logits = self._model(last, cache=caches)[:, -1]
                mx.eval(logits, [cache.state for cache in caches])
            found.append(logits)
            self._rows.append(one.row)
        return mx.concatenate(found)

    def _apart(self) -> None:
        """Each row's caches by themselves again."""
        if self._merged is not None:
            for place, row in enumerate(self._rows):
                self._own[row] = [cache.extract(place) for cache in self._merged]
            self._merged = None

    def forget(self, row: int) -> None:
        self._own.pop(row, None)
