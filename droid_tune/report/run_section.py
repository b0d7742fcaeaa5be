"""One run on the page: what it came to, its curves, what got worse, and answers then and now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import yaml

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.metrics import describe
from droid_tune.report.general import FORGOTTEN, General
from droid_tune.report.markup import Html, joined, table, tag
from droid_tune.report.outcome import SHOWN_PROMPTS, outcome_parts
from droid_tune.report.story import Story, Told
from droid_tune.report.svg_chart import Curve, Point, chart

#: metrics that are drawn of each run, where it tells them
DRAWN = ("reward", "loss", "kl/k1", "entropy", "completions/mean_length")
#: how the reader gets a figure: as it is in a browser
Figure = Callable[[Html], Html]


def run_section(story: Story, figure: Figure) -> Html:
    """Everything on one run."""
    summary = story.summary
    return joined(
        tag("h2", summary.name, id=summary.id),
        tag("p", _facts(story), klass="quiet"),
        tag("p", summary.why, klass="warning") if summary.why and summary.state != "completed" else "",
        _outcome(story),
        tag("div", *_curves(story, figure), klass="charts"),
        _worse(story),
        _then_and_now(story),
        _notices(story),
        tag(
            "details",
            tag("summary", "Settings"),
            tag("pre", yaml.safe_dump(dict(summary.settings), sort_keys=False)),
        ),
    )


def _facts(story: Story) -> str:
    summary = story.summary
    method = METHOD_CONFIGS[summary.method].label if summary.method in METHOD_CONFIGS else summary.method
    peak = f"peak memory {words.size(story.state.peak_bytes)}" if story.state.peak_bytes else ""
    took = f"{words.duration(story.seconds)} of work" if story.seconds else ""
    drew = words.energy(summary.joules) if summary.joules else ""
    best = f"best: {summary.best}" if summary.best is not None else ""
    facts = (method, summary.model, summary.data, story.state.device, took, drew, peak, best)
    return " · ".join(filter(None, facts))


def _outcome(story: Story) -> Html:
    """Before and after in a sentence, with what chance alone may do."""
    begins, value, ends = outcome_parts(story)
    return tag("p", begins, tag("strong", value), ends)


def _curves(story: Story, figure: Figure) -> list[Html]:
    drawn: list[Html] = []
    if story.evaluations:
        points = [(one.step, one.value) for one in story.evaluations]
        band = [(one.step, *one.bounds) for one in story.evaluations if one.bounds]
        known = describe(story.measure)
        drawn.append(chart(known.label, [Curve(known.label, points, band, dots=True)], known.unit))
    for name in DRAWN:
        series = story.state.series.get(name)
        if series is not None and len(series):
            points: list[Point] = list(zip(series.steps, series.values, strict=True))
            drawn.append(
                chart(describe(name).label, [Curve(describe(name).label, points)], describe(name).unit)
            )
    return [in_figure(one, figure) for one in drawn]


def in_figure(drawn: Html, figure: Figure) -> Html:
    """A chart as its reader gets it; nothing where there is no curve."""
    return figure(drawn) if drawn else drawn


def _worse(story: Story) -> Html:
    """What got worse: general answers by their kind, and held-out prompts that were answered better before."""
    parts: list[Html] = []
    if story.general is not None:
        rows = [
            (kind, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")
            for kind, (before, after) in story.general.by_kind().items()
        ]
        parts += [
            tag("p", _verdict(story.general)),
            table(("General answers", "Before", "After", "Change"), rows, right=(1, 2, 3)),
        ]
    if story.lost:
        parts.append(
            tag(
                "p",
                f"{words.count(len(story.lost), 'held-out prompt')} of {len(story.told)} shown were answered better before.",
            )
        )
        parts.append(_answers(story.lost[:SHOWN_PROMPTS]))
    return joined(tag("h3", "What got worse"), *parts) if parts else Html("")


def _verdict(general: General) -> str:
    """Of general answers as a whole."""
    change = general.after - general.before
    if general.has_forgotten:
        return f"General answers became less likely by {change:.2f} nats a token: something was forgotten."
    if change < -FORGOTTEN:
        return f"General answers became more likely by {-change:.2f} nats a token."
    return f"General answers are as likely as before (within {FORGOTTEN:g} nats a token)."


def _then_and_now(story: Story) -> Html:
    won = [one for one in story.told if one.change >= 0][:SHOWN_PROMPTS]
    return joined(tag("h3", "Held-out prompts, then and now"), _answers(won)) if won else Html("")


def _answers(told: Sequence[Told]) -> Html:
    rows = [
        (
            tag("pre", one.prompt),
            one.answer or "–",
            joined(tag("pre", one.before), _reward(one.before_reward)),
            joined(tag("pre", one.after), _reward(one.after_reward)),
        )
        for one in told
    ]
    return table(("Prompt", "Answer", "Before", "After"), rows)


def _reward(reward: float | None) -> Html:
    return tag("span", f"reward {words.number(reward)}" if reward is not None else "no reward", klass="quiet")


def _notices(story: Story) -> Html:
    told = [one for one in story.state.notices if one.level != "info"]
    return joined(
        *(tag("p", " ".join(filter(None, (one.text, one.remedy))), klass="warning") for one in told[-6:])
    )
