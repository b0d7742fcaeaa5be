"""The model that grades a student: what of it decides memory beside the student's own sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.errors import UserError
from droid_tune.model_files.facts import ModelFacts
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.hub_facts import facts_at_hand
from droid_tune.model_files.model_folder import Stamps, stamps_of
from droid_tune.model_files.tokenizer import load_fast_tokenizer
from droid_tune.runs.folder import find_run, fused_base, read_config


@dataclass(frozen=True)
class GradingModel:
    """A teacher on this computer; `other_tokens`: its tokenizer is not the student's."""

    facts: ModelFacts
    other_tokens: bool = False


def largest_teacher(config: RunConfig) -> GradingModel | None:
    """The largest of a run's teachers, of which one is in memory at a time; None where none is on this computer."""
    if not isinstance(config.method, TeacherConfig):
        return None
    named = [name for name in config.method.teachers if not name.startswith(("http://", "https://"))]
    models = [_model_of(name) for name in named]
    facts = [facts_at_hand(model) for model in models]
    if not facts:
        return None
    largest = max(range(len(facts)), key=lambda at: facts[at].weight_bytes)
    return GradingModel(facts[largest], any(_other_tokens(config.model.path, model) for model in models))


def _model_of(teacher: str) -> str:
    """The model under a run; a model's own name stays."""
    try:
        run = find_run(teacher)
        return str(fused_base(run) or read_config(run).model.path)
    except UserError:
        return teacher


def _other_tokens(student: str, teacher: str) -> bool:
    own, other = local_model(student), local_model(teacher)
    if own is None or other is None or own == other:
        return False
    return _vocabulary(own, stamps_of(own)) != _vocabulary(other, stamps_of(other))


@lru_cache(maxsize=8)
def _vocabulary(folder: Path, _stamps: Stamps) -> dict[str, int] | None:
    tokenizer = load_fast_tokenizer(folder)
    return None if tokenizer is None else tokenizer.get_vocab(with_added_tokens=True)
