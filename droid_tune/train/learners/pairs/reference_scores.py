"""What the reference says of judged answers: computed once for each, kept with the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.train.learners.learner import Tensors
from droid_tune.train.learners.pairs.judged_rows import JudgedUnit

Floats = NDArray[np.float32]
#: scores units that are not known yet: (u, S)
Scorer = Callable[[Sequence[JudgedUnit]], Floats]


@dataclass
class ReferenceScores:
    """Log-probabilities of whole answers under the reference by unit; S answers a unit.

    A unit is known by its key and recognised by the digest of its tokens: where the data changed it is scored anew.
    """

    answers: int
    _known: dict[tuple[int, int], tuple[int, tuple[float, ...]]] = field(
        default_factory=dict[tuple[int, int], tuple[int, tuple[float, ...]]]
    )
    _tensors: Tensors | None = None

    def of(self, units: Sequence[JudgedUnit], score: Scorer) -> Floats:
        """(n, S); what is not known is scored, all of it at once."""
        missing = {unit.key: unit for unit in units if not self._holds(unit)}
        if missing:
            found = score(list(missing.values()))
            for unit, values in zip(missing.values(), found, strict=True):
                self._known[unit.key] = (unit.digest, tuple(map(float, values)))
            self._tensors = None
        return np.array([self._known[unit.key][1] for unit in units], np.float32).reshape(-1, self.answers)

    def _holds(self, unit: JudgedUnit) -> bool:
        known = self._known.get(unit.key)
        return known is not None and known[0] == unit.digest

    def tensors(self) -> Tensors:
        """Arrays for a checkpoint, from which `restore` continues exactly; {} where nothing is known."""
        if not self._known:
            return {}
        if self._tensors is None:
            keys, digests, scores = (
                np.array(list(self._known), np.int64),
                np.array([digest for digest, _ in self._known.values()], np.int64),
                np.array([values for _, values in self._known.values()], np.float32),
            )
            self._tensors = {
                "reference_keys": mx.array(keys),
                "reference_digests": mx.array(digests),
                "reference_scores": mx.array(scores),
            }
        return self._tensors

    def restore(self, tensors: Tensors) -> None:
        """Takes back `tensors`."""
        self._known, self._tensors = {}, None
        if "reference_keys" not in tensors:
            return
        arrays = (np.array(tensors[f"reference_{name}"]) for name in ("keys", "digests", "scores"))
        for key, digest, values in zip(*arrays, strict=True):
            self._known[int(key[0]), int(key[1])] = (int(digest), tuple(map(float, values)))
