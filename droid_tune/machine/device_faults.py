"""What the GPU's errors mean, in words. MLX 0.32 raises them as RuntimeError with Metal's own text.

The texts are those of `mlx/backend/metal/eval.cpp` ("[METAL] Command buffer execution failed: ...") with the reasons
of Apple's GPU driver (kIOGPUCommandBufferCallbackError...), of `mlx/backend/metal/allocator.cpp` ("[metal::malloc] ...",
"[malloc] Unable to allocate ...") and of their CUDA and CPU fellows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FRESH = "open Droid Tune anew and resume"


@dataclass(frozen=True)
class DeviceFault:
    """What happened, as the beginning of a sentence, and what to do. `smaller`: smaller portions help."""

    what: str
    remedy: str
    smaller: bool = False


_OUT_OF_MEMORY = DeviceFault(
    "The memory did not suffice",
    "close other programs, or choose the low_memory preset or a smaller model",
    smaller=True,
)
#: what a text says, and what it means; the first that is found counts
FAULTS: tuple[tuple[str, DeviceFault], ...] = (
    (
        r"Insufficient Memory|ErrorOutOfMemory|\[malloc(_or_wait)?\] Unable to allocate|cudaErrorMemoryAllocation"
        r"|out of memory",
        _OUT_OF_MEMORY,
    ),
    (
        r"greater than the maximum allowed buffer size|Attempting to allocate",
        DeviceFault(
            "A single piece of the work is larger than the GPU takes",
            "choose smaller portions: fewer rows at a time, or shorter sequences",
            smaller=True,
        ),
    ),
    (
        r"Resource limit",
        DeviceFault(
            "The GPU holds as many pieces of memory as it can count",
            "choose smaller portions: fewer rows at a time, or shorter sequences",
            smaller=True,
        ),
    ),
    (
        r"GPU Timeout|ErrorTimeout|Impacting Interactivity|ErrorImpactingInteractivity",
        DeviceFault(
            "The system ended a piece of the GPU's work that took too long (its watchdog)",
            "choose smaller portions, and close what else draws on the screen",
            smaller=True,
        ),
    ),
    (
        r"GPU Hang|ErrorHang|Address Fault|PageFault|Ignored \(for causing|SubmissionsIgnored|Discarded \(victim"
        r"|InnocentVictim|AccessRevoked|Device Reset|cudaErrorIllegalAddress",
        DeviceFault("The GPU failed and was reset by the system", "restart the computer if it happens again"),
    ),
    (
        r"\[METAL\] Command buffer execution failed",
        DeviceFault("The GPU refused a piece of the work", "restart the computer if it happens again"),
    ),
)


def device_fault(error: BaseException) -> DeviceFault | None:
    """What an exception of MLX's says of the device; None for any other exception."""
    if isinstance(error, MemoryError):
        return _OUT_OF_MEMORY
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    return next((fault for pattern, fault in FAULTS if re.search(pattern, text)), None)


def told(error: BaseException) -> str:
    """One sentence about a fault of the device with Metal's own word for it; empty for any other exception."""
    fault = device_fault(error)
    if fault is None:
        return ""
    text = str(error)
    reason = re.search(r"failed: (.+?)(?: \(0|$)", text) or re.search(r"^\[[\w:]+\] (.+?)\.?$", text)
    own = f" ({reason.group(1)})" if reason else ""
    return f"{fault.what}{own}; {fault.remedy}."
