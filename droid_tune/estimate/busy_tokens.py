"""How much at a time keeps a device busy: as this machine was measured with a model, or from constants.

More rows at once stop paying as soon as the device is busy, on some machines they even cost time.
"""

from __future__ import annotations

from dataclasses import dataclass

from droid_tune.estimate.sizes import Sizes

#: tokens per micro-batch from which a device is busy: of completions, and of whole rows (measured on a CPU: with half of
#: it a pass's own cost, its graph and its threads, is 5-15 %)
BUSY_TOKENS = {"cpu": 128, "metal": 2048}
BUSY_WHOLE_TOKENS = {"cpu": 256, "metal": 2048}
#: what a pass costs by itself, forth and back, in seconds a layer; and operations in a second. The CPU's are measured (the
#: starter and S of docs/log.md, two threads); Metal's are not: a launch of 4 us, and a tenth of an M2's 3.6e12
PASS_SECONDS = {"cpu": 4e-3, "metal": 0.8e-3}
OPERATIONS = {"cpu": 3e10, "metal": 3.6e11}


@dataclass(frozen=True)
class Busy:
    """What a short measurement found best (train/starting/measuring.py); 0 where nothing was measured."""

    #: tokens of completions, and of whole rows, in one micro-batch
    shared: int = 0
    whole: int = 0
    #: rows decoded together
    wave: int = 0

    def shared_tokens(self, backend: str) -> int:
        """Tokens of completions in one micro-batch where their prompt is shared."""
        return self.shared or BUSY_TOKENS[backend]

    def whole_tokens(self, sizes: Sizes, backend: str) -> int:
        """Tokens of whole rows from which a pass's own cost is an eighth of what it computes, or the device is busy."""
        tokens = 8 * PASS_SECONDS[backend] * OPERATIONS[backend] / operations_a_layer(sizes)
        return self.whole or max(BUSY_WHOLE_TOKENS[backend], int(tokens))

    def wave_rows(self, rows: int) -> int:
        """Of `rows` to be decoded as many as are best decoded together."""
        return min(rows, self.wave or rows)


UNMEASURED = Busy()


def operations_a_layer(sizes: Sizes) -> int:
    """Operations of a training pass over one token in one layer, roughly: forth and back through its matrices."""
    return 6 * sizes.hidden * (2 * sizes.query_width + 2 * sizes.key_width + 3 * sizes.intermediate)
