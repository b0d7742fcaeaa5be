"""Curves as a drawing in the page: no script, no file beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune import words
from droid_tune.report.markup import Html, tag

WIDTH, HEIGHT = 560, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 26
#: points of a curve that are drawn; of more, the least and the greatest of each stretch
MOST_POINTS = 400
#: told apart by colour and by the way they are dashed, in the order of `words.LINE_SIGNS`
COLOURS = ("#2f63e6", "#c2410c", "#15803d", "#7e22ce", "#0e7490", "#b91c1c", "#4d7c0f", "#a16207")
AXIS_COLOUR = "#777777"
DASHES = ("", "7 3", "2 3", "10 3 2 3", "10 3 2 3 2 3")

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A named line over steps; `band` are least and greatest values at the same steps, shown behind it."""

    name: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False


def chart(title: str, curves: Sequence[Curve], unit: str = "") -> Html:
    """A figure with the curves that have points; empty where none has."""
    shown = [curve for curve in curves if curve.points]
    if not shown:
        return Html("")
    frame = _Frame.around(shown)
    lines = [part for number, curve in enumerate(shown) for part in _drawn(curve, number, frame)]
    drawing = tag(
        "svg",
        tag("title", title),
        *_axes(frame, unit),
        *lines,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
        width=str(WIDTH),
        height=str(HEIGHT),
    )
    legend = [
        tag(
            "span",
            tag("b", words.LINE_SIGNS[number % len(DASHES)], style=f"color:{COLOURS[number % len(COLOURS)]}"),
            " ",
            curve.name,
            klass="key",
        )
        for number, curve in enumerate(shown)
    ]
    caption = tag("figcaption", tag("strong", title), *(legend if len(shown) > 1 else ()))
    return tag("figure", caption, drawing)


@dataclass(frozen=True)
class _Frame:
    """From steps and values to places in the drawing."""

    first: float
    last: float
    least: float
    most: float

    @classmethod
    def around(cls, curves: Sequence[Curve]) -> _Frame:
        steps = [step for curve in curves for step, _ in curve.points]
        values = [value for curve in curves for _, value in curve.points]
        values += [edge for curve in curves for _, low, high in curve.band for edge in (low, high)]
        least, most = min(values), max(values)
        room = (most - least) * 0.05 or abs(most) * 0.1 or 1.0
        return cls(min(steps), max(*steps, min(steps) + 1), least - room, most + room)

    def place(self, step: float, value: float) -> str:
        """`x,y` in pixels."""
        across = (step - self.first) / (self.last - self.first)
        up = (value - self.least) / (self.most - self.least)
        x = LEFT + across * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"


def _drawn(curve: Curve, number: int, frame: _Frame) -> list[Html]:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    parts: list[Html] = []
    if curve.band:
        upper = [frame.place(step, high) for step, _, high in curve.band]
        lower = [frame.place(step, low) for step, low, _ in reversed(curve.band)]
        parts.append(tag("polygon", points=" ".join([*upper, *lower]), fill=colour, opacity="0.15"))
    points = [frame.place(step, value) for step, value in thinned(curve.points)]
    parts.append(
        tag(
            "polyline",
            points=" ".join(points),
            fill="none",
            stroke=colour,
            stroke_width="1.6",
            stroke_dasharray=dash,
        )
    )
    if curve.dots or len(points) == 1:
        for point in points:
            x, _, y = point.partition(",")
            parts.append(tag("circle", cx=x, cy=y, r="2.4", fill=colour))
    return parts


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: of each stretch its least and its greatest value, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    found: list[Point] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        found += sorted(ends)
    return found


def _axes(frame: _Frame, unit: str) -> list[Html]:
    parts: list[Html] = []
    for value in ticks(frame.least, frame.most, 4):
        x, _, y = frame.place(frame.first, value).partition(",")
        parts.append(
            tag("line", x1=x, x2=str(WIDTH - RIGHT), y1=y, y2=y, stroke="#888", stroke_opacity="0.3")
        )
        said = words.share(value, 1) if unit == "share" else words.number(value)
        parts.append(_words(said, LEFT - 6, float(y) + 4, "end"))
    for step in ticks(frame.first, frame.last, 6):
        if step == int(step):
            x, _, _ = frame.place(step, frame.least).partition(",")
            parts.append(_words(f"{step:,.0f}", float(x), HEIGHT - 8, "middle"))
    return parts


def _words(said: str, x: float, y: float, anchor: str) -> Html:
    return tag("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, font_size="11", fill=AXIS_COLOUR)


def ticks(least: float, most: float, count: int) -> list[float]:
    """Round numbers between two, as near to `count` of them as can be: 1, 2 or 5 times a power of ten apart."""
    power = 10 ** math.floor(math.log10((most - least) / count))
    ways = [_multiples(least, most, power * factor) for factor in (1, 2, 5, 10)]
    return min(ways, key=lambda way: abs(len(way) - count))


def _multiples(least: float, most: float, step: float) -> list[float]:
    first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
