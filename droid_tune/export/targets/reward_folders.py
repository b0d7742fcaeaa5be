"""A reward model to take along: its adapter with its head, or a whole classifier of one label.

What is written gives numbers, not answers: it is opened again and must give held-out answers the numbers that the run gives them.
"""

from __future__ import annotations

import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np

from droid_tune import words
from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Watch
from droid_tune.data.dataset import open_configured
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.export.base import ExportSource, Target
from droid_tune.export.repacking import bytes_at, unpack
from droid_tune.machine import garbage
from droid_tune.model.adapter_files import SETTINGS, WEIGHTS, save_adapter
from droid_tune.model.fusing import fuse_adapter, save_model
from droid_tune.model.heads.classifier import CLASSIFIER
from droid_tune.model.heads.reward_models import Answer, RewardModel, open_reward_model
from droid_tune.model.heads.value_head import HEAD_WEIGHTS, reward_head
from droid_tune.train.rows.row_reader import RowReader

#: a causal model's class by the end of its name
_CAUSAL = "ForCausalLM"
#: answers that are read together
_PLAN = MemoryPlan(train_rows=4)
#: numbers may differ by this much of their size, and of 1
_TOLERANCE = 1e-3


class RewardTarget(Target):
    """What both have in common: they are compared by their numbers."""

    answers = False

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """Write, open again, compare. Raises UserError where the numbers are others."""
        asked = answers_to_read(source, request.check)
        here = (
            RewardModel(source.policy, reward_head(source.policy)).numbers(asked, _PLAN, watch)
            if asked
            else []
        )
        notes = self.written(source, request, folder)
        source.policy.model.clear()  # there may be room for one only
        garbage.collect()
        mx.clear_cache()
        if not asked:
            return notes
        there = open_reward_model(str(folder), watch=watch).numbers(asked, _PLAN, watch)
        gap = np.abs(np.array(here) - np.array(there))
        if (gap > _TOLERANCE * (1 + np.abs(here))).any() and not request.force:
            raise UserError(
                f"What was written gives other numbers than the run: they differ by up to {gap.max():.3g}",
                remedy="nothing was kept; `--force` keeps it all the same",
            )
        return [
            *notes,
            f"Opened again, it gives {words.count(len(asked), 'held-out answer')} the run's numbers.",
        ]

    def written(self, source: ExportSource, request: ExportRequest, folder: Path) -> list[str]:
        """Write the files; what a person should know."""
        raise NotImplementedError

    def is_lossless(self, source: ExportSource, request: ExportRequest) -> bool:
        """Nothing is quantised."""
        return True

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """As a reward."""
        return f"rewards: [{{type: reward_model, path: {shlex.quote(str(out))}}}]"


class RewardAdapterFolder(RewardTarget):
    """The adapter in mlx-lm's layout, and the head beside it."""

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """The trained arrays."""
        return source.policy.trainable_bytes

    def written(self, source: ExportSource, request: ExportRequest, folder: Path) -> list[str]:
        """A result is in this layout already; of a checkpoint it is made."""
        if source.weights.is_result:
            for name in (WEIGHTS, SETTINGS, HEAD_WEIGHTS):
                shutil.copyfile(source.run / name, folder / name)
        else:
            save_adapter(source.policy, folder)
        return []


class ClassifierFolder(RewardTarget):
    """A whole model of transformers' class for sequence classification, with one label."""

    def refuse(self, source: ExportSource, request: ExportRequest) -> None:
        """A family whose class is not known, and further quantising."""
        if request.type not in ("keep", "none") or request.requantise:
            raise UserError(
                "A reward model is written in its own precision",
                value=request.type,
                remedy="leave `--quantise` and `--requantise`",
            )
        _class_of(source)

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """All weights in their type; unpacked ones may be all of them."""
        return bytes_at(source.policy.model, None)

    def written(self, source: ExportSource, request: ExportRequest, folder: Path) -> list[str]:
        """Merge, put the head in the place of the vocabulary's, save."""
        policy = source.policy
        note = fuse_adapter(policy).sentence
        if request.type == "none":
            unpack(policy)
            note = ""
        cast("Any", policy.model).pop("lm_head", None)
        padding = policy.config.get("pad_token_id")
        policy.config |= {
            "architectures": [_class_of(source)],
            "id2label": {"0": "reward"},
            "label2id": {"reward": 0},
            "pad_token_id": policy.tokenizer.pad_token_id if padding is None else padding,
        }
        save_model(policy, folder)
        return [note] if note else []

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """As a reward here, and by transformers."""
        return f"{super().how_to_use(source, out)}; in transformers: AutoModelForSequenceClassification"


def _class_of(source: ExportSource) -> str:
    """The class under which transformers knows the family's classifier. Raises UserError where it is not known."""
    names = [str(one) for one in source.policy.config.get("architectures") or []]
    known = [name for name in names if name.endswith(_CAUSAL)]
    if not known:
        raise UserError(
            f"The model's class ({' and '.join(names) or 'none named'}) has no classifier of the same family",
            remedy="export the adapter instead: `--to adapter`",
        )
    return known[0].removesuffix(_CAUSAL) + CLASSIFIER


def answers_to_read(source: ExportSource, count: int) -> list[Answer]:
    """Held-out answers (training ones where none are held out) to compare on; [] where the data are gone."""
    policy, config = source.policy, source.config
    reader = RowReader(policy.tokenizer, config, policy.context_length, policy.embedding_rows)
    found: list[Answer] = []
    with suppress(UserError):
        dataset = open_configured(config.data, config.method.type)
        rows = dataset.valid if len(dataset.valid) else dataset.train
        for number in range(min(count, len(rows))):
            with suppress(UserError):
                for unit in reader.judged(number, rows.row(number)):
                    found += [(one.tokens[: one.start], one.tokens[one.start :]) for one in unit.answers]
    return found
