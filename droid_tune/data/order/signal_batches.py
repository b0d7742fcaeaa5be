"""Rows drawn by what is expected to be learnt from them: mixed ones often, solved and hopeless ones now and then.

A group teaches by the spread of its rewards, p (1 - p) for a prompt answered rightly with chance p: most at one half,
nothing at 0 and 1. What a row's groups showed so far is a Beta distribution of p, whose mean of p (1 - p) is

    E[p (1 - p)] = a b / ((a + b) (a + b + 1)),

the row's weight. Rows are drawn without replacement with chances in proportion to its square (Efraimidis and Spirakis
2006, by the largest 2 log w + Gumbel noise). What was seen fades: by half with every new visit, as the model has moved since, and
with a half-life in draws, so that rows that rest come back. A row that was not seen yet is expected to be as all rows
were lately. Compared with every row once an epoch this trains on another distribution of prompts, on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.data.formats.base import Row
from droid_tune.data.order.batches import PromptBatch, PromptBatches
from droid_tune.errors import UserError

Floats = NDArray[np.float64]

#: completions that what is expected of an unseen row counts as
PRIOR = 2.0
#: what a row keeps when nothing is to be expected of it, of the largest weight 1/4
LEAST_WEIGHT = 0.01
#: the power of the weights that rows are drawn by
SHARPNESS = 2.0
#: draws in which half of what was seen of a row is forgotten
HALF_LIFE = 50
#: draws for which a row rests after it was trained on
REST = 4
#: what remains with each draw of what all rows showed lately
LATELY = 0.9


class SignalBatches(PromptBatches):
    """Batches of rows without end, in an order that `observe` teaches; the same draws for the same observations."""

    def __init__(self, rows: Sequence[Row], batch_size: int, seed: int) -> None:
        super().__init__(rows, batch_size, seed)
        self._right, self._wrong = np.zeros(len(rows)), np.zeros(len(rows))
        self._last = np.full(len(rows), -1, np.int64)  # the draw that a row was in; -1: none yet
        self._draws = 0
        self._lately = np.zeros(2)  # right and wrong completions of all rows, fading
        self._range = (0.0, 0.0)  # of all rewards so far, 0 among them
        self._told: dict[str, float] = {}

    def take(self, count: int | None = None) -> PromptBatch:
        """The next batch, or the next `count` rows."""
        wanted = self._batch_size if count is None else count
        weights = self.weights()
        indices = self._drawn_now(weights, wanted)
        rows = [self._rows[index] for index in indices]
        # Only now: a row that cannot be read leaves everything where it was.
        self._told = {
            "prompts/expected_signal": float(4 * weights[indices].mean()),
            "prompts/seen_before": float((self._last[indices] >= 0).mean()),
        }
        self._drawn += wanted
        self._draws += 1
        self._last[indices] = self._draws
        self._lately *= LATELY
        return PromptBatch(indices, rows, self.epoch)

    def observe(self, indices: Sequence[int], rewards: NDArray[np.floating[Any]]) -> None:
        """What the groups of some rows (P,) were rewarded (P, G); NaN where nothing judged a completion."""
        known = rewards[~np.isnan(rewards)]
        if known.size:
            low, high = self._range
            self._range = (min(low, float(known.min())), max(high, float(known.max())))
        low, high = self._range
        for index, group in zip(indices, rewards, strict=True):
            judged = group[~np.isnan(group)]
            right = float(((judged - low) / (high - low)).sum()) if high > low else 0.0
            self._right[index] = self._right[index] / 2 + right
            self._wrong[index] = self._wrong[index] / 2 + len(judged) - right
            self._lately += (right, len(judged) - right)

    def weights(self) -> Floats:
        """What is expected of each row (R,), from `LEAST_WEIGHT` to 1/4; of one that rests nothing."""
        fades = 0.5 ** ((self._draws - self._last) / HALF_LIFE)
        right, wrong = (self._lately + 1) / (self._lately.sum() + 2) * PRIOR
        a, b = self._right * fades + right, self._wrong * fades + wrong
        weights = np.maximum(a * b / ((a + b) * (a + b + 1)), LEAST_WEIGHT)
        rests = (self._last >= 0) & (self._draws - self._last < REST)
        return np.where(rests, 0.0, weights)

    def told(self) -> dict[str, float]:
        """Of the last batch: its mean weight in parts of the largest, and the share of rows that had been drawn before."""
        return self._told

    def _drawn_now(self, weights: Floats, wanted: int) -> list[int]:
        """Rows without repetition, as far as there are enough."""
        with np.errstate(divide="ignore"):
            keys = SHARPNESS * np.log(weights) + self._noise()
        order = np.argsort(-keys, kind="stable")  # those that rest come last, in their order
        return [int(order[place % len(order)]) for place in range(wanted)]

    def _noise(self) -> Floats:
        """Gumbel noise for each row, by (seed, draw) alone; raw output, which NumPy keeps the same for ever."""
        generator = np.random.Philox(np.random.SeedSequence([self._seed % 2**64, self._draws, 1]))
        uniform = (generator.random_raw(len(self._rows)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return -np.log(-np.log(uniform + 2.0**-54))

    def state(self) -> dict[str, Any]:
        """All that is needed to go on: plain numbers, of the rows seen so far."""
        seen = np.flatnonzero(self._last >= 0)
        signal = {
            "draws": self._draws,
            "lately": self._lately.tolist(),
            "range": list(self._range),
            "rows": seen.tolist(),
            "last": self._last[seen].tolist(),
            "right": self._right[seen].tolist(),
            "wrong": self._wrong[seen].tolist(),
        }
        return {**super().state(), "signal": signal}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state()` was taken; after another order was in use, or with other rows, with nothing known of any row."""
        super().restore(state)
        signal = state.get("signal")
        if signal is None or self._others:
            return
        seen = np.array(signal["rows"], np.int64)
        if seen.size and int(seen.max()) >= len(self._rows):
            raise UserError(
                "The checkpoint knows rows that the train file does not have", remedy="start a new run"
            )
        self._draws = signal["draws"]
        self._lately = np.array(signal["lately"])
        self._range = (signal["range"][0], signal["range"][1])
        self._last[seen], self._right[seen], self._wrong[seen] = (
            signal["last"],
            signal["right"],
            signal["wrong"],
        )
