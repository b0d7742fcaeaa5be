"""What the KL penalty compares with: never a second model.

static: the base model, which is the policy with its adapter bypassed. There is nothing to bypass where all weights are
trained, or where pairs are judged against the adapter of an earlier run: these keep a copy of what is trained. ema and
periodic: such a copy that follows. It is put in place of the policy's while the reference is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import mlx.core as mx

from droid_tune.methods.reference_sync import mixed, policy_share
from droid_tune.model.adapters import adapter_off
from droid_tune.model.places import put_arrays
from droid_tune.model.policy import Policy
from droid_tune.names import ReferenceMode


class ReferencePolicy:
    """The moving part of a reference; `arrays` is None where bypassing the adapter is enough, or none is `needed`.

    A policy that comes with `reference_arrays` (it goes on from an earlier run) keeps them as its static ones.
    """

    def __init__(
        self,
        policy: Policy,
        mode: ReferenceMode = "static",
        *,
        ema_alpha: float = 0.99,
        every: int = 100,
        needed: bool = True,
        share: Callable[[int], float | None] | None = None,
    ) -> None:
        self._policy = policy
        self._share = share or partial(policy_share, mode, ema_alpha=ema_alpha, every=every)
        self.mode: ReferenceMode = mode
        if not needed:
            policy.reference_arrays = None
        elif mode != "static" or (policy.adapter.type == "full" and policy.reference_arrays is None):
            policy.reference_arrays = _copy(policy.trainable())

    @property
    def arrays(self) -> dict[str, mx.array] | None:
        """The copy, for checkpoints."""
        return self._policy.reference_arrays

    def restore(self, arrays: dict[str, mx.array]) -> None:
        """The copy of a checkpoint, back in place."""
        self._policy.reference_arrays = dict(arrays)

    def after_step(self, step: int) -> None:
        """Follow the policy after optimizer step `step` (counted from 1), by the share that it takes then."""
        old = self._policy.reference_arrays
        share = self._share(step)
        if old is None or share is None:
            return
        now = self._policy.trainable()
        if share == 1:
            self._policy.reference_arrays = _copy(now)
            return
        moved = {name: mixed(now[name], old[name], share).astype(now[name].dtype) for name in old}
        mx.eval(moved)
        self._policy.reference_arrays = moved


def _copy(arrays: dict[str, mx.array]) -> dict[str, mx.array]:
    """The same values. Arrays are immutable: an update replaces them, so holding on to them is a copy."""
    return dict(arrays)


@contextmanager
def as_reference(policy: Policy) -> Generator[None]:
    """Inside, the policy's model computes as the reference."""
    if policy.reference_arrays is None:
        with adapter_off(policy.model, policy.adapted):
            yield
        return
    own = policy.trainable()
    put_arrays(policy.model, policy.reference_arrays)
    try:
        yield
    finally:
        put_arrays(policy.model, own)
