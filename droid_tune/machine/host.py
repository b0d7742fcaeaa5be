"""The machine: how much memory there is, how much of it the GPU may use, what others use now."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from droid_tune.machine.pressure import process_bytes

#: macOS lets Metal use about two thirds of small machines' memory and three quarters of larger ones'
SMALL_BYTES = 36 * 2**30
SMALL_SHARE, LARGE_SHARE = 2 / 3, 3 / 4
_UNLIMITED = 2**60


@dataclass(frozen=True)
class Host:
    """Facts of this machine. `gpu_limit_bytes` is what the engine may hold at most (all memory without a GPU)."""

    memory_bytes: int
    gpu_limit_bytes: int
    chip: str
    used_by_others_bytes: int = 0
    #: `metal`, or `cpu` where MLX runs without Apple's GPU
    backend: str = "cpu"


def read_host() -> Host:
    """This machine, now."""
    fixed = _fixed()
    return Host(
        memory_bytes=fixed.memory_bytes,
        gpu_limit_bytes=fixed.gpu_limit_bytes,
        chip=fixed.chip,
        used_by_others_bytes=_used_by_others(fixed.memory_bytes),
        backend=fixed.backend,
    )


@lru_cache(maxsize=1)
def _fixed() -> Host:
    apple = sys.platform == "darwin"
    memory = _sysctl_number("hw.memsize") if apple else 0
    memory = memory or int(psutil.virtual_memory().total)
    memory = min(memory, *_cgroup_limits(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")), _UNLIMITED)
    metal = apple and platform.machine() == "arm64"
    wired = 2**20 * _sysctl_number("iogpu.wired_limit_mb") if metal else 0
    limit = (wired or recommended_working_set(memory)) if metal else memory
    return Host(memory, limit, _chip(apple), 0, "metal" if metal else "cpu")


def recommended_working_set(memory_bytes: int) -> int:
    """Metal's `recommendedMaxWorkingSetSize`, as macOS sets it unless `iogpu.wired_limit_mb` says otherwise."""
    return int(memory_bytes * (SMALL_SHARE if memory_bytes <= SMALL_BYTES else LARGE_SHARE))


def _used_by_others(memory_bytes: int) -> int:
    """What cannot be had now: all that is used but by this very process."""
    memory = psutil.virtual_memory()
    used = int(memory.total - memory.available)
    return max(0, min(memory_bytes, used - process_bytes()))


def _cgroup_limits(root: Path, membership: Path) -> list[int]:
    """Memory limits of this process's control groups (containers), version 1 and 2."""
    places = [root / "memory.max", root / "memory" / "memory.limit_in_bytes"]
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        _, _, group = line.partition(":")
        controllers, _, path = group.partition(":")
        own = path.strip().lstrip("/")
        if not controllers:
            places.append(root / own / "memory.max")
        elif "memory" in controllers.split(","):
            places.append(root / "memory" / own / "memory.limit_in_bytes")
    return [limit for place in places if (limit := _number_in(place)) is not None]


def _number_in(file: Path) -> int | None:
    try:
        value = int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or `max`
        return None
    return value if 0 < value < _UNLIMITED else None


def _chip(apple: bool) -> str:
    if apple:
        return _sysctl("machdep.cpu.brand_string") or platform.processor() or "Mac"
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "Hardware") and value.strip():
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=2, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _sysctl_number(name: str) -> int:
    text = _sysctl(name)
    return int(text) if text.isdigit() else 0
