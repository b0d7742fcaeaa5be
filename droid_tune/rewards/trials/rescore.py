"""A past run as another reward would have seen it: every completion that is kept, scored anew, step by step.

Nothing is trained: the completions are those of the model that learnt from the old reward, so the curve says what the new
one would have told of them, not where it would have led. What a reward draws at random is drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from droid_tune.config.rewards import RewardConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UserError
from droid_tune.events import Completion, RolloutGroup
from droid_tune.metrics import flat
from droid_tune.paths import RunPaths
from droid_tune.rewards.base import Sample
from droid_tune.rewards.combine import RewardScores, RewardSet
from droid_tune.rewards.table import build_rewards
from droid_tune.rewards.trials.agreement import agreement_in, right_by_accuracy
from droid_tune.rewards.trials.past_rows import PastRows
from droid_tune.rewards.trials.trial import LONGEST_WHY, or_none, why_of
from droid_tune.runs.completions.asking import Wanted, find, groups_at, lines_of, steps_of
from droid_tune.runs.completions.completion_index import CompletionIndex
from droid_tune.runs.folder import read_config
from droid_tune.trial_report import Agreement, Rescored, RescoredCompletion, RescoredStep
from droid_tune.words import shortened

#: characters of a prompt and of a completion that are told
_LONGEST_TOLD = 400
#: completions of a run that are looked at for those to the rows of a trial
_SAVED_LOOKED_AT = 400


@dataclass(frozen=True)
class PastRun:
    """A run whose completions are scored anew."""

    name: str
    steps: Sequence[int]
    rows: PastRows
    index: CompletionIndex


def rescore(
    folder: Path,
    configs: Sequence[RewardConfig],
    watch: Watch = UNWATCHED,
    unsaved: Mapping[str, str] | None = None,
) -> Iterator[RescoredStep | Rescored]:
    """Each step as it is scored, held-out completions apart, and at last the whole (its `steps` are the same objects).

    Raises UserError where the run or the rewards cannot be used, or the rewards fail on all of a step's completions;
    `Stopped` where `watch` ends it.
    """
    with CompletionIndex(RunPaths(folder).rollouts) as index:
        config = read_config(folder)
        for _ in index.update():
            watch.pause_point()
        rows = PastRows.of(config, watch)
        longest = config.sampling.max_completion_length
        with build_rewards(
            configs, max_completion_length=longest, tolerant=True, watch=watch, unsaved=unsaved
        ) as rewards:
            steps = sorted({*steps_of(index), *steps_of(index, held_out=True)})
            found: list[RescoredStep] = []
            for one in _all_steps(PastRun(folder.name, steps, rows, index), rewards, watch):
                found.append(one)
                yield one
            yield Rescored(folder.name, found, [*rewards.cautions, *rows.notes()], rewards.printed())


def _all_steps(run: PastRun, rewards: RewardSet, watch: Watch) -> Iterator[RescoredStep]:
    for done, step in enumerate(run.steps):
        watch.tell(done, len(run.steps), f"step {step:,}")
        for held_out, groups in groupby(groups_at(run.index, step), key=lambda group: group.held_out):
            yield rescored_step(step, held_out, list(groups), run.rows, rewards)
    watch.tell(len(run.steps), len(run.steps))


def rescored_step(
    step: int, held_out: bool, groups: Sequence[RolloutGroup], rows: PastRows, rewards: RewardSet
) -> RescoredStep:
    """All completions of one step in one call of each reward, as in the run. Raises UserError where all of them failed."""
    samples = [_sample(group, one, rows) for group in groups for one in group.completions]
    scores = rewards.score(
        [one.prompt for one in samples],
        [one.completion for one in samples],
        [one.row for one in samples],
        [one.length for one in samples],
        [one.finish_reason for one in samples],
        [one.prompt_ends for one in samples],
        seed=step,
    )
    if samples and scores.failed.all():
        first = scores.failures[0]
        raise UserError(
            f"{first.message}; it failed on every completion of step {step:,}",
            place=first.place or first.name,
        )
    return _told(step, held_out, groups, scores, right_by_accuracy(samples))


def _sample(group: RolloutGroup, one: Completion, rows: PastRows) -> Sample:
    row = rows.row_of(group)
    return Sample(group.prompt, one.text, row, one.length, one.finish_reason, rows.end_of(group))


def _told(
    step: int,
    held_out: bool,
    groups: Sequence[RolloutGroup],
    scores: RewardScores,
    right: Sequence[bool | None],
) -> RescoredStep:
    """The step's completions beside what they were, and what that means for its groups."""
    members = [(group, at, one) for group in groups for at, one in enumerate(group.completions)]
    completions = [
        RescoredCompletion(
            step=step,
            group=group.group,
            member=at,
            held_out=held_out,
            prompt=shortened(group.prompt, _LONGEST_TOLD),
            completion=shortened(one.text, _LONGEST_TOLD),
            was=one.reward,
            would=or_none(scores.totals[place]),
            right=right[place],
            why=shortened(why_of(scores, place), LONGEST_WHY),
        )
        for place, (group, at, one) in enumerate(members)
    ]
    by_group = [list(of) for _, of in groupby(completions, key=lambda one: one.group)]
    return RescoredStep(
        step=step,
        held_out=held_out,
        completions=completions,
        was=mean(one.was for one in completions),
        would=mean(one.would for one in completions),
        groups=len(by_group),
        flat_was=sum(flat(one.was for one in of) for of in by_group),
        flat_would=sum(flat(one.would for one in of) for of in by_group),
        failed=int(scores.failed.sum()),
        agreement=sum((agreement_in((one.right, one.would) for one in of) for of in by_group), Agreement()),
    )


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that there are; None where there are none."""
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def saved_completions(folder: Path) -> dict[str, str]:
    """One completion of a past run to each of its newest prompts, by the prompt's text. Raises UserError where it is no run."""
    read_config(folder)
    with CompletionIndex(RunPaths(folder).rollouts) as index:
        for _ in index.update():
            pass
        newest = find(index, Wanted(sort="step", descending=True))[:_SAVED_LOOKED_AT]
        return {line.prompt: line.text for line in reversed(lines_of(index, newest))}


def rescored_whole(folder: Path, configs: Sequence[RewardConfig], watch: Watch = UNWATCHED) -> Rescored:
    """All of it at once. Raises as `rescore` does."""
    *_, last = rescore(folder, configs, watch)
    assert isinstance(last, Rescored)
    return last
