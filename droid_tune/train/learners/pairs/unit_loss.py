"""A recipe's loss of some units from the log-probabilities of their rows."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import Sums
from droid_tune.methods.losses.pairs.pair_sides import PairSide
from droid_tune.train.learners.pairs.judged_rows import JudgedRows
from droid_tune.train.learners.pairs.pair_recipes import Known, PairRecipe


def unit_loss(
    recipe: PairRecipe,
    batch: PairBatch,
    judged: JudgedRows,
    units: NDArray[np.int64],
    known: Known,
    logprobs: mx.array,
    entropies: mx.array | None,
) -> tuple[mx.array, Sums]:
    """The share of `units` (n,) in the batch's loss, from log-probabilities and entropies (n x S, T) in their order."""
    known = known.take(units)
    mask = mx.array(judged.answer_mask[judged.row_numbers(units)])
    reference = known.array("reference")
    sides = [
        PairSide(
            _of(logprobs, judged, place),
            _of(mask, judged, place),
            None if reference is None else reference[:, place],
            None if entropies is None else _of(entropies, judged, place),
        )
        for place in range(judged.answers)
    ]
    return recipe.loss(batch, sides, known)


def _of(rows: Any, judged: JudgedRows, place: int) -> Any:
    """The rows of each unit's answer of one place (n, ...)."""
    return rows[place :: judged.answers]
