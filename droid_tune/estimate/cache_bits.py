"""How keys and values in few bits are laid out: the kernels' rule (model/kernels/few_bits.py), and what it costs."""

from __future__ import annotations

#: neighbouring numbers of a head that share a scale and an offset: so many, or the fewer where a head's width asks for it
LARGE_GROUP, SMALL_GROUP = 64, 32


def padded_width(width: int) -> int:
    """Numbers that a head of `width` takes: whole groups."""
    return -(-width // SMALL_GROUP) * SMALL_GROUP


def group_of(width: int) -> int:
    """Numbers that share a scale in heads of `width`."""
    return SMALL_GROUP if padded_width(width) % LARGE_GROUP else LARGE_GROUP


def bytes_share(bits: int, item: int, width: int) -> float:
    """Bytes of a head's keys in `bits` bits, scales and offsets (each a number of `item` bytes) included, as a share of
    those of `width` numbers of `item` bytes; 1 for 0 bits, which means as they are."""
    if not bits:
        return 1.0
    padded = padded_width(width)
    return (padded * bits / 8 + 2 * item * padded / group_of(width)) / (width * item)
