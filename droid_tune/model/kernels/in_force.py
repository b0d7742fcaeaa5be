"""Which kernels the layers compute with: what a block set, else mlx-lm's own.

The choice is a context variable, so it holds for the thread that made it and for no other: the playground may run the
same class of model while a gradient is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import mlx.core as mx
from mlx_lm.models import activations, base


@dataclass(frozen=True)
class Kernels:
    """Functions with the signatures of mlx-lm's of the same names; `shares_prompts`: the attention knows `Shared` keys,
    and caches may answer with them; `chunked`: recurrences go by chunks, not token by token; `joins_lora`: weights and
    adapter are one product where that pays."""

    swiglu: Callable[[mx.array, mx.array], mx.array]
    attention: Callable[..., mx.array]
    shares_prompts: bool = False
    chunked: bool = False
    joins_lora: bool = False


PLAIN = Kernels(activations.swiglu, base.scaled_dot_product_attention)
_chosen: ContextVar[Kernels] = ContextVar("kernels", default=PLAIN)


def in_force() -> Kernels:
    """What this thread computes with now."""
    return _chosen.get()


@contextmanager
def using(kernels: Kernels) -> Generator[None]:
    """Inside, and in this thread, layers compute with `kernels`."""
    before = _chosen.set(kernels)
    try:
        yield
    finally:
        _chosen.reset(before)
