"""Runs beside one another: in which settings, data and reward code they differ, and what each says to the same prompts."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from droid_tune import words
from droid_tune.config.setting_titles import setting_title, setting_value
from droid_tune.data.reading.fingerprint import Fingerprint
from droid_tune.events import RolloutGroup
from droid_tune.paths import RunPaths
from droid_tune.report.story import HeldOutAnswers
from droid_tune.runs.folder import RunSummary, summarise
from droid_tune.runs.log import read_events
from droid_tune.runs.origin.identity import flat_settings, kept_data
from droid_tune.runs.state import RunState, small_state

NOTHING = "–"
#: letters of a file's digest
DIGEST = 12
#: characters of a setting's value in its cell
LONGEST_VALUE = 200


#: its prompt and its answer, and which of the rows that have both the same it is: two runs may number their rows otherwise
HeldOutRow = tuple[str, str | None, int]


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs, read from its files. `rewards`: text by name; `answers`: its newest held-out answers by row."""

    summary: RunSummary
    state: RunState
    files: tuple[Fingerprint, ...]
    rewards: Mapping[str, str]
    answers: Mapping[HeldOutRow, RolloutGroup]


@dataclass(frozen=True)
class ComparedLine:
    """What each run has of one thing, in their order."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether not all have the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class SharedPrompt:
    """A held-out prompt that every run answered: text and reward of each, in their order."""

    prompt: str
    answer: str | None
    replies: tuple[tuple[str, float | None], ...]

    @property
    def differs(self) -> bool:
        """Whether they earned different rewards."""
        return len({reward for _, reward in self.replies}) > 1


@dataclass(frozen=True)
class CodeDifference:
    """A reward's file in one run against the first run's. `lines` as `diff -u` has them; none where both are the same."""

    reward: str
    run: int
    lines: tuple[str, ...]


def read_compared(folder: Path) -> ComparedRun:
    """Read a run. Raises UserError where the folder is none."""
    summary, paths = summarise(folder), RunPaths(folder)
    state = small_state().apply_all(read_events(paths.events))
    state.mark_interrupted()
    return ComparedRun(
        summary, state, tuple(kept_data(folder)), reward_texts(folder), _newest_answers(paths.rollouts)
    )


def reward_texts(folder: Path) -> dict[str, str]:
    """The reward files' texts that a run keeps, by the reward's name; one that cannot be read is empty."""
    found: dict[str, str] = {}
    for file in sorted(RunPaths(folder).rewards.glob("*.py")):
        try:
            found[file.stem] = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            found[file.stem] = ""
    return found


def _newest_answers(rollouts: Path) -> dict[HeldOutRow, RolloutGroup]:
    answers = HeldOutAnswers()
    for event in read_events(rollouts):
        if isinstance(event, RolloutGroup) and event.held_out:
            answers.add(event)
    times: Counter[tuple[str, str | None]] = Counter()
    found: dict[HeldOutRow, RolloutGroup] = {}
    for group in answers.newest:
        row = group.prompt, group.answer
        found[*row, times[row]] = group
        times[row] += 1
    return found


# --- what differs ---------------------------------------------------------------------------------------------------


def compared_settings(runs: Sequence[ComparedRun]) -> list[ComparedLine]:
    """The settings in which they differ, as Setup names them; those of one run's own method are `–` in the others."""
    settings = [run.summary.settings for run in runs]
    flat = [dict(flat_settings(one)) for one in settings]
    paths = _kinds_first(dict.fromkeys(path for one in flat for path in one if path != "name"))
    lines = (
        ComparedLine(
            setting_title(path, *settings),
            tuple(_value(path, one.get(path), own) for one, own in zip(flat, settings, strict=True)),
        )
        for path in paths
    )
    return [line for line in lines if line.differs]


def _kinds_first(paths: Iterable[str]) -> list[str]:
    """Which reward or method it is above what it is set to."""
    place = {path.rpartition(".")[0]: at for at, path in reversed(list(enumerate(paths)))}
    return sorted(paths, key=lambda path: (place[path.rpartition(".")[0]], not path.endswith(".type")))


def _value(path: str, value: Any, settings: Mapping[str, Any]) -> str:
    said = words.literal(setting_value(path, value, settings))
    return words.shortened(said, LONGEST_VALUE, "…") or NOTHING


def compared_data(runs: Sequence[ComparedRun]) -> list[ComparedLine]:
    """Where the rows are from, how many there are, and each file's size and digest as the run began with it."""
    lines = [
        ComparedLine("Data", tuple(words.literal(run.summary.data) or NOTHING for run in runs)),
        ComparedLine("Rows to train on", tuple(_count(run.state.data.get("train")) for run in runs)),
        ComparedLine("Held-out rows", tuple(_count(run.state.data.get("valid")) for run in runs)),
    ]
    prints = [{PurePath(one.path).name: one for one in run.files} for run in runs]
    for name in dict.fromkeys(name for one in prints for name in one):
        lines.append(ComparedLine(words.literal(name), tuple(_print(one.get(name)) for one in prints)))
    return lines


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else NOTHING


def _print(one: Fingerprint | None) -> str:
    return NOTHING if one is None else f"{one.sha256[:DIGEST]} · {words.size(one.size)}"


def compared_code(runs: Sequence[ComparedRun]) -> list[CodeDifference]:
    """Of each reward file how every other run's text differs from the first run's; a missing one is an empty text."""
    return list(_differences(runs))


def _differences(runs: Sequence[ComparedRun]) -> Iterator[CodeDifference]:
    for name in dict.fromkeys(name for run in runs for name in run.rewards):
        first = runs[0].rewards.get(name, "").splitlines()
        for place, run in enumerate(runs[1:], start=1):
            own = run.rewards.get(name, "").splitlines()
            lines = list(difflib.unified_diff(first, own, lineterm="", n=4))
            yield CodeDifference(name, place, tuple(lines[2:]))  # without the names of two files


def shared_answers(runs: Sequence[ComparedRun]) -> list[SharedPrompt]:
    """The held-out prompts with the same right answer that all of them answered, those first on which their rewards differ."""
    rows = [row for row in runs[0].answers if all(row in run.answers for run in runs)]
    found = [_shared([run.answers[row] for run in runs]) for row in rows]
    return sorted(found, key=lambda one: not one.differs)


def _shared(groups: Sequence[RolloutGroup]) -> SharedPrompt:
    first = [group.completions[0] for group in groups]
    return SharedPrompt(groups[0].prompt, groups[0].answer, tuple((one.text, one.reward) for one in first))
