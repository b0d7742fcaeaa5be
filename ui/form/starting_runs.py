"""The runs that another one can start from, and whether one fits the chosen model. Reads a few small files only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.errors import UserError
from droid_tune.model_files.facts import ModelFacts
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.read_facts import read_model
from droid_tune.paths import RunPaths, user_path

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary


@dataclass(frozen=True)
class Start:
    """`value` is what `model.start_from` says, `words` what a list shows."""

    value: str
    words: str


def startable(runs: Sequence[RunSummary]) -> list[Start]:
    """The runs that left a result, in the order of the list."""
    return [Start(run.id, _words(run)) for run in runs if run.state != "running" and has_result(run.folder)]


def has_result(folder: Path) -> bool:
    """Whether a run folder holds a trained adapter."""
    paths = RunPaths(folder)
    return paths.adapter_weights.is_file() and paths.adapter_config.is_file()


def misfit(start_from: str, model: str) -> str:
    """Why a run on `model` cannot start from that run or folder, in one sentence; empty where it can, or who knows."""
    from droid_tune.runs.folder import find_run

    try:
        given = user_path(start_from)
        folder = given if given.is_dir() else find_run(start_from)
    except UserError:
        return f"There is no run and no folder {start_from}; choose one from the list."
    if not has_result(folder):
        return f"{folder.name} has no result to start from; choose a run that was trained to its end."
    earlier = _model_of(folder)
    if not earlier or _shape(earlier) == _shape(model):
        return ""
    return (
        f"{folder.name} trained {words.literal(earlier)}, whose layers are not those of {words.literal(model)}; "
        "choose that model, or another run."
    )


def _words(run: RunSummary) -> str:
    method = METHOD_CONFIGS[run.method].label if run.method in METHOD_CONFIGS else run.method
    name = words.literal(run.name)
    told = name if method in name else f"{name} · {method}"
    return f"{told} · step {run.step:,} · {words.when(run.created)}"


def _model_of(folder: Path) -> str:
    """The model that a run trained; empty of a folder that is no run."""
    config = RunPaths(folder).config
    return _configured(folder, config.stat().st_mtime_ns) if config.is_file() else ""


@lru_cache(maxsize=32)
def _configured(folder: Path, _changed_ns: int) -> str:
    from droid_tune.runs.folder import read_config

    try:
        return read_config(folder).model.path
    except UserError:
        return ""


def _shape(model: str) -> object:
    """What an adapter has to fit; the name alone of a model that is not on this computer."""
    folder = local_model(model)
    return model if folder is None else _layers(read_model(folder))


def _layers(facts: ModelFacts) -> object:
    return facts.layers, sorted((linear.name, linear.inputs, linear.outputs) for linear in facts.linears)
