"""What the check sampled, as its report shows it."""

from __future__ import annotations

from collections.abc import Iterable

from droid_tune.config.rewards import AccuracyReward
from droid_tune.estimate.signal import Answer, Group
from droid_tune.events import Event, RolloutGroup
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of
from droid_tune.train.training_session import TrainingSession


def checked_groups(told: Iterable[Event], session: TrainingSession) -> tuple[Group, ...]:
    """The sampled groups with rewards, and which completions give the row's answer."""
    return tuple(_group(event, _passed(event, session)) for event in told if isinstance(event, RolloutGroup))


def _passed(event: RolloutGroup, session: TrainingSession) -> list[bool | None]:
    """By the run's own accuracy reward, which has judged them already, else by equal values."""
    own = next((one for one in session.config.rewards if isinstance(one, AccuracyReward)), None)
    if own is not None:
        found = [one.rewards.get(own.name or own.type) for one in event.completions]
    else:
        if event.row is None:
            return [None] * len(event.completions)
        row = session.reader.prompt(event.row, session.train.at(event.row))
        samples = [
            Sample(row.text, one.text, row.fields, one.length, one.finish_reason, row.prompt_ends)
            for one in event.completions
        ]
        found = [number_of(one) for one in Accuracy(AccuracyReward(math=False)).score(samples)]
    return [None if one is None else one > 0.5 for one in found]


def _group(event: RolloutGroup, passed: list[bool | None]) -> Group:
    return Group(
        row=event.row or 0,
        prompt=event.prompt,
        answer=event.answer,
        completions=tuple(
            Answer(
                one.text,
                one.reward,
                dict(one.rewards),
                one.length,
                one.finish_reason == "length",
                verdict,
                tuple(one.turns),
                one.cut,
            )
            for one, verdict in zip(event.completions, passed, strict=True)
        ),
    )
