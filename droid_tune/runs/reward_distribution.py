"""How a step's rewards are spread: what a mean hides, and what people who train by reinforcement look at first."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from droid_tune.runs.series import Series

#: the reward of each completion and whether it is right; None: no reward judged it
Judged = tuple[float | None, bool]
#: the bands of the rewards' distribution, in percent
QUANTILES = (10, 25, 50, 75, 90)


def distribution(groups: Sequence[Sequence[Judged]]) -> dict[str, float]:
    """The rewards of a step's groups as metrics by the catalogue's names; {} where none was judged.

    A group is all right, all wrong or mixed: only the mixed ones teach. pass@1 is the share of right completions, pass@G
    the share of prompts with a right one among their G.
    """
    rewards = sorted(reward for group in groups for reward, _ in group if reward is not None)
    if not rewards:
        return {}
    right = [[one for _, one in group] for group in groups if group]
    share = 1 / len(right)
    solved, hopeless = sum(map(all, right)) * share, sum(not any(group) for group in right) * share
    return {
        "reward/min": rewards[0],
        "reward/max": rewards[-1],
        **{f"reward/q{percent}": quantile(rewards, percent / 100) for percent in QUANTILES},
        "reward/zero": sum(reward == 0 for reward in rewards) / len(rewards),
        "reward/one": sum(reward == 1 for reward in rewards) / len(rewards),
        "groups/all_right": solved,
        "groups/mixed": max(0.0, 1 - solved - hopeless),
        "groups/all_wrong": hopeless,
        "pass@1": statistics.fmean(one for group in right for one in group),
        "pass@G": statistics.fmean(any(group) for group in right),
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of ordered values lies, by a line between neighbours (numpy's default)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def series_of(groups: Iterable[tuple[int, Sequence[Judged]]]) -> dict[str, Series]:
    """The distribution of every step, from (step, group) in order of the steps."""
    made: dict[str, Series] = {}
    current: list[Sequence[Judged]] = []
    known: int | None = None

    def close() -> None:
        for name, value in distribution(current).items():
            made.setdefault(name, Series()).append(known or 0, value)

    for step, group in groups:
        if step != known:
            close()
            known, current = step, []
        current.append(group)
    close()
    return made
