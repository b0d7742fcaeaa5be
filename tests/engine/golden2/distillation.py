"""The distillation methods of the second golden vectors, by the engine's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: method -> (inputs, config) -> {"loss", "grads", "metrics"}
LOSSES: dict[str, Callable[..., dict[str, Any]]] = {}
