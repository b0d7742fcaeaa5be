"""How much memory a run may use: the engine keeps to what the estimate told, because both ask here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droid_tune.config.training_config import MemoryConfig
    from droid_tune.machine.host import Host


def budget_of(memory: MemoryConfig, host: Host) -> int:
    """Bytes that a run may use: `budget_mb` (MiB) where it is set, else its share of what the GPU may hold.

    Without a GPU that is the machine's memory, or what its container allows (`Host.gpu_limit_bytes`).
    """
    if memory.budget_mb:
        return memory.budget_mb * 2**20
    return int(memory.budget_fraction * host.gpu_limit_bytes)


def limit_of(memory: MemoryConfig, host: Host) -> int:
    """Bytes that must never be passed: all that the GPU may hold, or as much above a fixed budget as the usual share leaves."""
    if not memory.budget_mb:
        return host.gpu_limit_bytes
    usual = type(memory)().budget_fraction
    return min(host.gpu_limit_bytes, int(budget_of(memory, host) / usual))
