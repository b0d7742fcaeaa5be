"""Equal rows and shared prompts found by 64-bit hashes, in passes that each hold a bounded part of them."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator

import numpy as np
import orjson

from droid_tune.data.formats.base import Row
from droid_tune.data.reading.spill import Numbers, SpillArray

#: Hashes looked at in one pass: about 100 MB with what sorting them needs.
PER_PASS = 2_000_000
_BY_KEY = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def row_hash(row: Row) -> int:
    """Equal for rows that say the same, whatever the order of their keys and however their JSON is written."""
    try:
        return hash(orjson.dumps(row, default=str, option=_BY_KEY))
    except TypeError:  # a whole number of more than 64 bits
        return hash(json.dumps(row, default=str, sort_keys=True))


def repeats(hashes: SpillArray) -> Iterator[tuple[int, int]]:
    """`(place, place of the first equal one)` for every number that was there before, by rising place.

    Two different rows of ten million share a hash with a probability below one in a hundred thousand.
    """
    passes = max(1, -(-len(hashes) // PER_PASS))
    found = [_repeats_of_pass(hashes, one, passes) for one in range(passes)]
    return heapq.merge(*(_pairs(later, first) for later, first in found))


def _repeats_of_pass(hashes: SpillArray, one: int, passes: int) -> tuple[SpillArray, SpillArray]:
    values, places = _selected(hashes, one, passes)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    repeated = np.flatnonzero(~starts)
    firsts = np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0))[repeated]
    later, first = places[order[repeated]], places[order[firsts]]
    by_place = np.argsort(later, kind="stable")
    kept = SpillArray(), SpillArray()
    kept[0].extend(later[by_place])
    kept[1].extend(first[by_place])
    return kept


def _selected(hashes: SpillArray, one: int, passes: int) -> tuple[Numbers, Numbers]:
    """The hashes of one pass and their places."""
    values: list[Numbers] = []
    places: list[Numbers] = []
    start = 0
    for chunk in hashes.chunks():
        mine = np.flatnonzero(chunk.view(np.uint64) % np.uint64(passes) == one)
        values.append(chunk[mine])
        places.append(mine + start)
        start += len(chunk)
    if not values:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(values), np.concatenate(places)


def _pairs(later: SpillArray, first: SpillArray) -> Iterator[tuple[int, int]]:
    for these, those in zip(later.chunks(), first.chunks(), strict=True):
        yield from zip(these.tolist(), those.tolist(), strict=True)


def shared(hashes: SpillArray, others: SpillArray) -> Iterator[tuple[int, int]]:
    """`(place in hashes, first place in others)` for every number that `others` holds too, by rising place."""
    passes = max(1, -(-len(others) // PER_PASS))
    found = [_shared_of_pass(hashes, others, one, passes) for one in range(passes)]
    return heapq.merge(*(_pairs(place, other) for place, other in found))


def _shared_of_pass(
    hashes: SpillArray, others: SpillArray, one: int, passes: int
) -> tuple[SpillArray, SpillArray]:
    values, places = _selected(others, one, passes)
    values, first = np.unique(values, return_index=True)
    found = SpillArray(), SpillArray()
    start = 0
    for chunk in hashes.chunks():
        if len(values):
            near = np.minimum(np.searchsorted(values, chunk), len(values) - 1)
            hits = np.flatnonzero(values[near] == chunk)
            found[0].extend(hits + start)
            found[1].extend(places[first[near[hits]]])
        start += len(chunk)
    return found
