"""First guesses of speed by chip: memory bandwidth and arithmetic of the GPU, before this machine was measured.

Bandwidth from Apple's technical specifications; arithmetic (float16 and float32 run alike) from core counts:
128 lanes per core, two operations per cycle, at about 1.28 (M1), 1.40 (M2), 1.38 (M3), 1.58 (M4) and 1.62 GHz (M5).
The names are those of `sysctl machdep.cpu.brand_string`; variants with fewer cores run a little slower.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """`bandwidth` in bytes per second, `arithmetic` in floating-point operations per second; `known` if in the table."""

    bandwidth: float
    arithmetic: float
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
UNKNOWN_APPLE = Speed(100e9, 3.5e12, known=False)
#: MLX without a GPU, per core: the reference BLAS of the Linux wheels runs at a few operations per cycle
CPU_BANDWIDTH = 8e9
CPU_ARITHMETIC_PER_CORE = 6e9


def speed_of(chip: str, backend: str, cores: int) -> Speed:
    """What the chip can do at best; `known` is False where that is a guess."""
    if backend != "metal":
        return Speed(CPU_BANDWIDTH, CPU_ARITHMETIC_PER_CORE * max(1, cores), known=False)
    found = APPLE.get(chip.strip())
    if found is None:
        return UNKNOWN_APPLE
    return Speed(found[0] * 1e9, found[1] * 1e12)
