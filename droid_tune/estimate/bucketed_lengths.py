"""A few lengths in place of all: batches are padded to one of eight lengths per doubling.

Every shape that a model's compiled functions see is compiled anew and kept, and every new size of array is allocated
anew. Ragged data would bring hundreds of them; so there are some fifty lengths up to 2,048 tokens, for one token of
padding in twenty.
"""

from __future__ import annotations

#: no length is cut finer than so many tokens
FINEST = 8
#: lengths between a power of two and the next
PER_DOUBLING = 8


def bucketed(length: int) -> int:
    """The shortest of the allowed lengths that holds `length` tokens."""
    next_power = 1 << max(0, length - 1).bit_length()
    step = max(FINEST, next_power // (2 * PER_DOUBLING))
    return -(-length // step) * step
