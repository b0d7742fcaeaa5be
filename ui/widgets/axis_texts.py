"""Where an axis has its ticks and what they say: round, few, and never the same text twice."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: beyond these sizes a plain number has too many digits to be read
LARGE, SMALL = 1e6, 1e-3
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "bytes"))
#: a span this small beside the values is noise of the arithmetic, not a change
NOISE = 1e-9
#: of a tick's place, so that an end of the range that is one (3e-4 of 1e-4) does not miss it
ROUNDING = 1e-9


def round_ticks(low: float, high: float, most: float, least: float = 0.0) -> list[tuple[float, list[float]]]:
    """At most about `most` steps between ticks at multiples of 1, 2 or 5: one level, so that the grid stays quiet."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(span / most))
    for factor in (0.5, 1, 2, 5, 10):  # half, as the ends of the range may fall between ticks
        step = max(factor * power, least)
        first, last = math.ceil(low / step - ROUNDING), math.floor(high / step + ROUNDING)
        if last - first <= most:
            break
    return [(step, [float(step * number) for number in range(first, last + 1)])]


def roomy(low: float, high: float) -> tuple[float, float]:
    """The range to show for values between these: around a single value, or noise, there is room on both sides."""
    size = max(abs(low), abs(high))
    if high - low > NOISE * size:
        return low, high
    middle, margin = (low + high) / 2, size / 2 or 0.5
    return middle - margin, middle + margin


def tick_texts(values: Sequence[float], spacing: float, unit: str = "") -> list[str]:
    """A text for each tick, with as many digits as tell neighbours `spacing` apart; `unit` as in the metrics."""
    if unit == "share":
        return [f"{_fixed(100 * value, 100 * spacing)}%" for value in values]
    if unit == "bytes":
        return [_bytes(value, max(values, default=0.0), spacing) for value in values]
    if unit == "s":
        return [f"{_fixed(value, spacing)} s" for value in values]
    largest = max((abs(value) for value in values), default=0.0)
    if largest >= LARGE or 0 < largest < SMALL:
        return [_scientific(value, spacing) for value in values]
    return [_fixed(value, spacing) for value in values]


def _exponent(value: float) -> int:
    """The power of ten of a number's first digit."""
    return math.floor(round(math.log10(abs(value)), 9))


def _fixed(value: float, spacing: float) -> str:
    digits = max(0, -_exponent(spacing)) if spacing > 0 else 3
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def _scientific(value: float, spacing: float) -> str:
    """`3e-4`, `1.5e8`."""
    if abs(value) < spacing / 2 or value == 0:
        return "0"
    digits = max(0, _exponent(value) - _exponent(spacing)) if spacing > 0 else 3
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _bytes(value: float, largest: float, spacing: float) -> str:
    """All in the unit of the largest; nothing below zero."""
    if value < 0:
        return ""
    size, name = next((pair for pair in _BYTES if largest >= pair[0]), _BYTES[-1])
    return f"{_fixed(value / size, spacing / size)} {name}"
