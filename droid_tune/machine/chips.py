"""First guesses of speed by chip: memory bandwidth and arithmetic of the GPU, before this machine was measured.

Bandwidth from Apple's technical specifications; arithmetic (float16 and float32 run alike) from core counts:
128 lanes per core, two operations per cycle, at about 1.28 (M1), 1.40 (M2), 1.38 (M3), 1.58 (M4) and 1.62 GHz (M5).
The names are those of `sysctl machdep.cpu.brand_string`; variants with fewer cores run a little slower.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Speed:
    """What a machine does at best: `bandwidth` in bytes per second; `arithmetic` in floating-point operations per second
    on float32 weights, `narrow` on 16-bit and quantised ones; `elementwise` in bytes per second of numbers that go
    through a softmax or an activation, all steps told; `layer_s` and `trained_layer_s` in seconds for building and
    sending one layer's operations. `known` if the chip is in the table."""

    bandwidth: float
    arithmetic: float
    narrow: float
    elementwise: float
    layer_s: float
    trained_layer_s: float
    known: bool = True


#: chip: (GB/s, TFLOPS)
APPLE: dict[str, tuple[float, float]] = {
    "Apple M1": (68, 2.6),
    "Apple M1 Pro": (200, 5.2),
    "Apple M1 Max": (400, 10.4),
    "Apple M1 Ultra": (800, 20.8),
    "Apple M2": (100, 3.6),
    "Apple M2 Pro": (200, 6.8),
    "Apple M2 Max": (400, 13.5),
    "Apple M2 Ultra": (800, 27.0),
    "Apple M3": (100, 3.5),
    "Apple M3 Pro": (150, 6.4),
    "Apple M3 Max": (400, 14.1),
    "Apple M3 Ultra": (819, 28.2),
    "Apple M4": (120, 4.0),
    "Apple M4 Pro": (273, 8.1),
    "Apple M4 Max": (546, 16.2),
    "Apple M5": (153, 4.2),
    "Apple M5 Pro": (307, 8.3),
    "Apple M5 Max": (614, 16.6),
}
#: a Mac that the table does not know: the slowest of its kind
SLOWEST_APPLE = (100, 3.5)
#: a softmax or an activation reads and writes its numbers about so often
APPLE_PASSES = 8
APPLE_LAYER_S, APPLE_TRAINED_LAYER_S = 60e-6, 300e-6
#: MLX without a GPU, measured on a server's core (tests/benchmarks/estimate_accuracy.py): the reference BLAS of the
#: Linux wheels, or OpenBLAS where it is preloaded; 16-bit and quantised weights go through neither
CPU = Speed(8e9, 6e9, 18e9, 0.5e9, 900e-6, 1.2e-3, known=False)
CPU_WITH_OPENBLAS = replace(CPU, arithmetic=150e9)


def speed_of(chip: str, backend: str) -> Speed:
    """What the chip can do at best; `known` is False where that is a guess."""
    if backend != "metal":
        return CPU_WITH_OPENBLAS if "openblas" in os.environ.get("LD_PRELOAD", "") else CPU
    found = APPLE.get(chip.strip())
    gigabytes, teraflops = found or SLOWEST_APPLE
    bandwidth, arithmetic = gigabytes * 1e9, teraflops * 1e12
    return Speed(
        bandwidth,
        arithmetic,
        arithmetic,
        bandwidth / APPLE_PASSES,
        APPLE_LAYER_S,
        APPLE_TRAINED_LAYER_S,
        known=found is not None,
    )
