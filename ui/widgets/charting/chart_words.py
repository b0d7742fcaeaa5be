"""What a chart says in words: its values at a place, and each curve in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from droid_tune import words
from droid_tune.runs.series import Series
from ui.widgets.charting.chart_spec import Line
from ui.widgets.charting.scale_across import ScaleAcross
from ui.widgets.curves import trend

#: values beside the cursor
MOST_TOLD = 4


def told_at(lines: Sequence[Line], series: Mapping[str, Series], step: float, across: ScaleAcross) -> str:
    """The values of this very step: `step 27 · Reward 0.8`; a curve without a value there is not named.

    Of a `near` line, whose values stand between those of others, it is the nearest one as long as there are any.
    """
    present = [line for line in lines if series.get(line.source)]
    told = [across.named(step)]
    for line in present:
        found = series[line.source]
        point = found.at(step)
        near = line.near and found.steps[0] <= step <= found.steps[-1]
        if point is not None and (point[0] == step or near) and len(told) <= MOST_TOLD:
            prefix = f"{line.label} " if len(present) > 1 else ""
            told.append(prefix + words.metric(line.metric, point[1]))
    return " · ".join(told)


def newest_of(lines: Sequence[Line], series: Mapping[str, Series], colors: Sequence[str]) -> str:
    """The newest value of each curve as markup, in its colour and in the legend's order; a single one is plain."""
    told = [
        (words.metric(line.metric, found.last), color)
        for line, color in zip(lines, colors, strict=True)
        if (found := series.get(line.source)) is not None and len(found)
    ]
    if len(lines) < 2:
        return "".join(value for value, _ in told)
    return " · ".join(f'<span style="color:{color}">{value}</span>' for value, color in told[:MOST_TOLD])


def summary_of(name: str, metric: str, found: Series | None, across: ScaleAcross | None = None) -> str:
    """One curve in a sentence: where it is, between what, and which way it goes."""
    if found is None or not len(found):
        return ""
    values = np.frombuffer(found.values)  # read and let go: a view that is kept would stop the series' growth
    low, high = float(values.min()), float(values.max())
    where = (across or ScaleAcross()).named(found.steps[-1])
    return (
        f"{name}: {words.metric(metric, found.last)} at {where}, "
        f"between {words.metric(metric, low)} and {words.metric(metric, high)}, {trend(values, high - low)}."
    )
