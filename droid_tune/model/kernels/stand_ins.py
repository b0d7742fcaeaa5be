"""Functions of ours in the places of mlx-lm's, in the files of one model's layers and for as long as a block runs."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import mlx.nn as nn

MODELS = "mlx_lm.models."


def files_of(model: nn.Module) -> list[ModuleType]:
    """The files of mlx-lm that `model`'s layers come from."""
    names = {type(module).__module__ for module in model.modules()}
    return [sys.modules[name] for name in sorted(names) if name.startswith(MODELS)]


@contextmanager
def standing_in(files: Sequence[ModuleType], name: str, theirs: Any, ours: Any) -> Generator[None]:
    """Inside, `name` means `ours` wherever one of `files` means `theirs` by it."""
    places = [file for file in files if getattr(file, name, None) is theirs]
    for file in places:
        setattr(file, name, ours)
    try:
        yield
    finally:
        for file in places:
            setattr(file, name, theirs)
