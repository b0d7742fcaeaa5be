"""A plain transformer's pass over whole rows, forth and back by hand (see `plain_layers`)."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from droid_tune.model.arrays import Indices
from droid_tune.model.gradients.by_hand.plain_body import PlainBody
from droid_tune.model.gradients.by_hand.plain_layers import PaddedStates, PlainLayers
from droid_tune.model.gradients.by_hand.row_attention import RowAttention
from droid_tune.model.gradients.by_hand.unpadded_rows import UnpaddedRows


class JoinedPass:
    """The states (M, D) at flat positions `states` (M,) of rows of tokens (n, T), and the gradient by the arrays `wanted`; for
    none nothing is kept."""

    def __init__(
        self, body: PlainBody, tokens: mx.array, states: Indices, wanted: Sequence[str] = ()
    ) -> None:
        rows, steps = (int(size) for size in tokens.shape)
        layout = UnpaddedRows(rows, steps, states)
        self._padded = PaddedStates(states)
        self._layers = PlainLayers(
            body,
            RowAttention(body, rows, steps, layout),
            layout.gathered(tokens.reshape(-1)),
            layout.places_of(self._padded.places),
            wanted,
        )
        self.results = [self._padded.real(self._layers.result)]

    def pull(self, cotangents: Sequence[mx.array]) -> list[mx.array]:
        """The gradient of sum(results * cotangents) by each array that is wanted. Can be called once."""
        return self._layers.pull(self._padded.padded(cotangents[0]))
