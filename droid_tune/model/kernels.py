"""The engine's own functions in a model's layers: SwiGLU that keeps less, attention that reads a shared prompt once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType

from droid_tune.model import gated
from droid_tune.model.shared_attention import shared_attention
from droid_tune.model.stand_ins import standing_in


@contextmanager
def own_kernels(files: Sequence[ModuleType], *, shared: bool) -> Generator[None]:
    """Inside, layers from `files` compute with them; `shared` says whether caches may hand out shared prompts."""
    with ExitStack() as open_ones:
        open_ones.enter_context(standing_in(files, gated.NAME, gated.THEIRS, gated.swiglu))
        if shared:
            open_ones.enter_context(shared_attention(files))
        yield
