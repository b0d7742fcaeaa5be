"""Which rows are decoded together: who leaves the batch when, who waits, who comes (back) next.

It follows from what the rows wrote alone, never from how soon an environment answers: floating point numbers depend on who
shares a batch, and a rollout that is sampled again (a resume, a second run) must be the same to the last bit. So a row that
has ended its turn waits in a queue in the order in which turns ended, and the oldest comes back as soon as more than
`waiting_share` of the rows in flight wait; where its answer is not there yet, all wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

#: rows come back in portions of this share of the rows in flight: every portion rearranges the batch
_PORTION = 0.125
#: or as soon as so many of the batch's rows are past their turn, whose further tokens are thrown away
_PAST = 0.25


class Comer(NamedTuple):
    """The row that comes into the batch next: `fresh` for its first turn, else with its environment's answer."""

    row: int
    fresh: bool


class RowQueue:
    """Rows by number, those outside of the batch: the ones that have not begun, and the ones that wait for an answer.

    At most `decode_rows` are in flight (written or waiting); `waiting_share` of these may wait.
    """

    def __init__(self, rows: int, decode_rows: int, waiting_share: float) -> None:
        self._decode_rows, self._waiting_share = decode_rows, waiting_share
        self._fresh = deque(range(rows))
        self._waiting: deque[int] = deque()

    @property
    def waiting(self) -> Iterable[int]:
        """The rows that wait for an answer, in the order in which their turns ended."""
        return self._waiting

    def wait(self, row: int) -> None:
        """A row's turn is over."""
        self._waiting.append(row)

    def moves(self, batch: int, past: int) -> bool:
        """Whether it is time to rearrange a batch of so many rows, of which so many are `past` their turn."""
        writing = batch - past
        flight = writing + len(self._waiting)
        room = self._decode_rows - flight
        coming = min(len(self._fresh), max(0, room)) + self._due(flight)
        return not writing or coming >= max(1, int(_PORTION * flight)) or past >= _PAST * batch

    def next(self, writing: int) -> Comer | None:
        """Who comes in beside so many rows that are written: the oldest of those that wait too many, then a fresh one while
        there is room; where nothing else is left to write, whoever waits."""
        flight = writing + len(self._waiting)
        if self._waiting and (self._due(flight) or not (writing or self._fresh)):
            return Comer(self._waiting.popleft(), fresh=False)
        if self._fresh and flight < self._decode_rows:
            return Comer(self._fresh.popleft(), fresh=True)
        if self._waiting and not writing:
            return Comer(self._waiting.popleft(), fresh=False)
        return None

    def _due(self, flight: int) -> int:
        """How many more wait than may."""
        return max(0, len(self._waiting) - int(self._waiting_share * flight))
