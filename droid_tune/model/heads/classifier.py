"""A folder with a sequence classifier of one label (`...ForSequenceClassification`), read as a body and a head.

Its body is the one that mlx-lm has for the same family; in the output head's place stands a row of weights, `score`. Written
by transformers and TRL, or by our own export.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.utils import _get_classes as classes_of  # pyright: ignore[reportPrivateUsage]
from mlx_lm.utils import load_model

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UserError
from droid_tune.model.arrays import HEAD
from droid_tune.model.loading import (
    load_model_tokenizer,
    make_policy,
    model_not_loaded,
    odd_values,
    plain_path,
    read_weights,
)
from droid_tune.model.policy import Policy
from droid_tune.model_files.hub import resolve_model
from droid_tune.model_files.model_folder import check_model_folder
from droid_tune.model_files.rope import missing_keys

CLASSIFIER = "ForSequenceClassification"


def load_classifier(name: str, watch: Watch = UNWATCHED) -> tuple[Policy, nn.Linear]:
    """The model and its head. Raises UserError for a folder (or Hub id) that is no classifier of one label."""
    path = resolve_model(name, "", watch)
    config = check_model_folder(path)
    check_is_classifier(config, path)
    with odd_values(path):
        # Where embeddings and output head are tied, mlx-lm asks for no output head: a classifier has none.
        filled = missing_keys(config) | {"tie_word_embeddings": True}
    tokenizer = load_model_tokenizer(path)
    with odd_values(path):
        with plain_path(path) as plain:
            try:
                model = load_model(plain, lazy=True, model_config=filled, get_model_classes=_with_head)[0]
            except (ValueError, KeyError) as error:
                raise model_not_loaded(error, path) from error
            read_weights(model, watch, str(path))
        head = cast("nn.Linear", cast("Any", model).pop(HEAD))
        # A fresh adapter changes nothing; this is the smallest one.
        policy = make_policy(model, tokenizer, config | filled, path, AdapterConfig(rank=1, layers=1))
    return policy, head


def check_is_classifier(config: Mapping[str, Any], path: Path) -> None:
    """Raise UserError for a model that does not give one number."""
    classes = [str(one) for one in config.get("architectures") or []]
    if not any(CLASSIFIER in one for one in classes):
        raise UserError(
            f"The model is no reward model: it is {' and '.join(classes) or 'of no named class'}",
            place=str(path / "config.json"),
            remedy=f"name a run of `method: reward`, or a folder of a {CLASSIFIER} model with one label",
        )
    labels = config.get("num_labels") or len(config.get("id2label") or {}) or 2
    if labels != 1:
        raise UserError(
            f"The model sorts texts into {labels} classes; a reward model gives one number",
            place=str(path / "config.json"),
            remedy="choose a reward model: a classifier with one label",
        )


def _with_head(config: dict[str, Any]) -> tuple[type[nn.Module], type]:
    """mlx-lm's class of a family with a row of weights beside its body, and its arguments' class."""
    model_class, arguments_class = classes_of(config)

    class Classifier(model_class):
        """The family's model, whose weights hold a head of numbers."""

        def __init__(self, arguments: Any) -> None:
            super().__init__(arguments)
            text = config.get("text_config") or {}
            self[HEAD] = nn.Linear(text.get("hidden_size") or config["hidden_size"], 1, bias=False)

        def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
            """The body's weights as the family wants them; the head's as they are."""
            own = {name: weights.pop(name) for name in list(weights) if name.startswith(f"{HEAD}.")}
            cleaned = super().sanitize(weights) if hasattr(model_class, "sanitize") else weights
            return {**cleaned, **own}

    return Classifier, arguments_class
