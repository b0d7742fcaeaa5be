"""Runs that share a name, told apart by the settings in which they differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from droid_tune import words
from droid_tune.config.setting_titles import setting_name, setting_value
from droid_tune.runs.folder import RunSummary

#: settings named behind a run's name, and characters of each one's value
MOST_NAMED, WIDEST = 2, 24
#: what most people ask for first
FIRST = ("data.path", "optimizer.learning_rate", "method.loss_type", "method.beta", "method.group_size")


def differences(runs: Sequence[RunSummary]) -> dict[str, str]:
    """By a run's id what tells it from others of the same name: `Learning rate 3e-4`; empty where none has its name.

    Runs that are set up alike are told apart by when they began.
    """
    same: dict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        same[run.name].append(run)
    found: dict[str, str] = {}
    for group in same.values():
        found |= {group[0].id: ""} if len(group) == 1 else _told_apart(group)
    return found


def _told_apart(group: list[RunSummary]) -> dict[str, str]:
    settings = {run.id: dict(_flat(run.settings)) for run in group}
    paths = _differing(list(settings.values()))
    said = {run.id: _said(settings[run.id], paths, run.settings) for run in group}
    taken = Counter(said.values())
    return {
        run.id: " · ".join(filter(None, (said[run.id], words.when(run.created))))
        if taken[said[run.id]] > 1
        else said[run.id]
        for run in group
    }


def _differing(settings: list[dict[str, Any]]) -> list[str]:
    """The settings that are not the same in all of them, those first that people look for."""
    paths = list(dict.fromkeys(path for one in settings for path in one))
    differ = [path for path in paths if len({str(one.get(path)) for one in settings}) > 1]
    return [path for path in FIRST if path in differ] + [path for path in differ if path not in FIRST]


def _said(own: Mapping[str, Any], paths: list[str], settings: Mapping[str, Any]) -> str:
    said = [
        f"{setting_name(path, settings)} {_value(path, own[path], settings)}" for path in paths if path in own
    ]
    return ", ".join(said[:MOST_NAMED])


def _value(path: str, value: Any, settings: Mapping[str, Any]) -> str:
    text = setting_value(path, value, settings).rstrip("/").rpartition("/")[2] or "none"
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted path; names of runs are none, and of rewards their types are the value."""
    for key, value in tree.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, Any]", value), f"{path}.")
        elif path == "rewards":
            yield path, " + ".join(str(one.get("type")) for one in cast("list[dict[str, Any]]", value))
        elif path != "name":
            yield path, value
