"""One checkpoint for all ranks: rank 0 reads it, the others receive it."""

from __future__ import annotations

from typing import Any, Protocol

import mlx.core as mx

from droid_tune.train.distributed import World


class SavedState(Protocol):
    """What a run goes on from."""

    @property
    def state(self) -> dict[str, Any]: ...
    @property
    def step(self) -> int: ...
    @property
    def place(self) -> str: ...
    def tensors(self, name: str) -> dict[str, mx.array]: ...


class _Received:
    """Rank 0's checkpoint as the other ranks see it (and rank 0 too, so that all make the same calls)."""

    def __init__(self, own: SavedState | None, world: World) -> None:
        self._own, self._world = own, world
        self.state: dict[str, Any] = world.from_lead(None if own is None else own.state)
        self.place: str = world.from_lead("" if own is None else own.place)

    @property
    def step(self) -> int:
        return int(self.state["step"])

    def tensors(self, name: str) -> dict[str, mx.array]:
        return self._world.tensors_from_lead({} if self._own is None else self._own.tensors(name))


def shared_checkpoint(own: SavedState | None, world: World) -> SavedState | None:
    """Rank 0's checkpoint, on every rank; None where there is none."""
    if world.alone or not world.any(own is not None):
        return own
    return _Received(own, world)
