"""The page: what the runs came to, on one self-contained sheet of HTML."""

from __future__ import annotations

import time
from collections.abc import Sequence

from droid_tune import __version__, words
from droid_tune.metrics import describe
from droid_tune.paths import resources_dir
from droid_tune.report.markup import Html, joined, table, tag, text
from droid_tune.report.outcome import bounds_words, value_words
from droid_tune.report.run_section import Figure, in_figure, run_section
from droid_tune.report.story import Story
from droid_tune.report.suspects import Suspect
from droid_tune.report.svg_chart import Curve, chart

#: how a page of ours is known again: only such a file is written over
GENERATOR = "Droid Tune report"


def page(title: str, stories: Sequence[Story], faults: Sequence[str] = ()) -> str:
    """The whole document. `faults` are sentences on runs that could not be read."""
    head = joined(
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta name="generator" content="{GENERATOR} {__version__}">'),
        tag("title", title),
        tag("style", Html((resources_dir() / "report.css").read_text(encoding="utf-8"))),
    )
    body = page_body(title, stories, faults)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def page_body(
    title: str, stories: Sequence[Story], faults: Sequence[str] = (), figure: Figure = Html
) -> Html:
    """What stands on the page; `figure` gives each chart the form that its reader can show."""
    made = f"{words.count(len(stories), 'run')} · made {time.strftime('%Y-%m-%d %H:%M')} by Droid Tune {__version__}"
    return joined(
        tag("h1", title),
        tag("p", made, klass="quiet"),
        *(tag("p", fault, klass="warning") for fault in faults),
        _overview(stories),
        _together(stories, figure) if len(stories) > 1 else "",
        _read_first(stories),
        *(run_section(story, figure) for story in stories),
    )


# --- all runs -------------------------------------------------------------------------------------------------------


def _overview(stories: Sequence[Story]) -> Html:
    headings = [
        "Run",
        "State",
        "Steps",
        "Measure",
        "Before",
        "After",
        "95% bounds",
        "General answers",
        "Time",
    ]
    rows = [_overview_row(story) for story in stories]
    if any(story.summary.joules for story in stories):  # not every system tells
        headings.append("Energy")
        drew = [words.energy(joules) if (joules := story.summary.joules) else "–" for story in stories]
        rows = [(*row, one) for row, one in zip(rows, drew, strict=True)]
    return (
        table(tuple(headings), rows, right=(2, 4, 5, 7, 8, 9))
        if rows
        else tag("p", "There is no run to tell of.")
    )


def _overview_row(story: Story) -> tuple[str, ...]:
    summary, after = story.summary, story.after
    return (
        tag("a", summary.name, href=f"#{summary.id}"),
        tag("span", summary.state, klass={"completed": "good", "failed": "bad"}.get(summary.state, "")),
        f"{summary.step:,} / {summary.total_steps:,}",
        describe(story.measure).label if story.measure else "–",
        value_words(story, story.before),
        value_words(story, after),
        bounds_words(after) or "–",
        _forgot(story),
        words.duration(story.seconds) if story.seconds else "–",
    )


def _forgot(story: Story) -> Html:
    """How much less likely general answers became, in nats a token."""
    if story.general is None:
        return text("–")
    change = story.general.after - story.general.before
    return tag("span", f"{change:+.3f} nats", klass="bad" if story.general.has_forgotten else "good")


def _together(stories: Sequence[Story], figure: Figure) -> Html:
    """The held-out curves of all runs that are told by the same measure."""
    drawn: list[Html] = []
    for measure in dict.fromkeys(story.measure for story in stories if story.measure):
        curves = [
            Curve(story.summary.name, [(one.step, one.value) for one in story.evaluations], dots=True)
            for story in stories
            if story.measure == measure
        ]
        drawn.append(in_figure(chart(describe(measure).label, curves, describe(measure).unit), figure))
    return tag("div", *drawn, klass="charts")


def _read_first(stories: Sequence[Story]) -> Html:
    named = [(story, one) for story in stories for one in story.suspects]
    flat = [joined(tag("strong", story.summary.name), ": ", story.flat) for story in stories if story.flat]
    if not named and not flat:
        return Html("")
    named.sort(key=lambda pair: pair[1], reverse=True)
    return joined(
        tag("h2", "Read first"),
        *(tag("p", sentence, klass="warning") for sentence in flat),
        *(_suspect(one, story.summary.name if len(stories) > 1 else "") for story, one in named[:12]),
    )


def _suspect(one: Suspect, name: str) -> Html:
    where = " · ".join(filter(None, (name, f"step {one.step:,}", f"reward {words.number(one.reward)}")))
    return joined(
        tag("p", tag("strong", "; ".join(one.reasons)), " ", tag("span", where, klass="quiet")),
        tag("pre", one.prompt),
        tag("pre", one.text),
    )
