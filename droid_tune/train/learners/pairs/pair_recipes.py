"""A preference method as the learner takes it: which answers it compares, what it must know before, its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.preference_methods import (
    BCOConfig,
    ContrastConfig,
    DPOConfig,
    KTOConfig,
    ORPOConfig,
    PreferenceConfig,
    RewardModelConfig,
    TPOConfig,
)
from droid_tune.methods.losses.pairs.bco_loss import bco_loss
from droid_tune.methods.losses.pairs.cpo_loss import CPOSpec, cpo_loss
from droid_tune.methods.losses.pairs.dpo_loss import dpo_loss
from droid_tune.methods.losses.pairs.dpo_objectives import SORTING_LOSSES, DPOSpec
from droid_tune.methods.losses.pairs.kto_loss import KTOSpec, kto_loss
from droid_tune.methods.losses.pairs.orpo_loss import orpo_loss
from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import (
    Sums,
    Totals,
    finish_pair_metrics,
    finish_verdict_metrics,
)
from droid_tune.methods.losses.pairs.pair_sides import PairSide
from droid_tune.methods.losses.pairs.reward_loss import reward_loss
from droid_tune.methods.losses.pairs.tpo_loss import TPOSpec, tpo_loss
from droid_tune.methods.losses.spec import settings_of

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Known:
    """What stays fixed while a batch is learnt: numbers of the batch, and arrays (n, ...) of its units."""

    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    arrays: Mapping[str, Floats] = field(default_factory=dict[str, Floats])

    def take(self, units: NDArray[Any]) -> Known:
        """Of some of the units."""
        return Known(self.numbers, {name: array[units] for name, array in self.arrays.items()})

    def array(self, name: str) -> mx.array | None:
        """One of the arrays; None where there is none of that name."""
        found = self.arrays.get(name)
        return None if found is None else mx.array(found.astype(np.float32))


#: (batch, the units' sides, what is known of them) -> (share of the loss, sums)
UnitLoss = Callable[[PairBatch, Sequence[PairSide], Known], tuple[mx.array, Sums]]


@dataclass(frozen=True)
class PairRecipe:
    """`imitated`: the answer whose likelihood is learnt besides, by its place; None where none is.

    `sorts`: the loss is of a whole batch and cannot be cut; `weighs`: pairs are weighed by how likely they are;
    `divergence`, `threshold`: KTO's and BCO's number of a batch is needed; `ld_alpha`: LD-DPO's.
    `numbers`: an answer is read as one number, behind its end, not as the log-probabilities of its tokens.
    """

    loss: UnitLoss
    finish: Callable[[Sequence[Totals], float], dict[str, float]]
    imitated: int | None = None
    sorts: bool = False
    weighs: bool = False
    divergence: bool = False
    threshold: bool = False
    ld_alpha: float | None = None
    numbers: bool = False


def recipe_of(method: PreferenceConfig) -> PairRecipe:
    """The recipe of a method with these settings."""
    match method:
        case DPOConfig():
            return _dpo(method)
        case ContrastConfig():
            return _contrast(method)
        case ORPOConfig():
            return _orpo(method)
        case TPOConfig():
            return _tpo(method)
        case KTOConfig():
            return _kto(method)
        case BCOConfig():
            return _bco(method)
        case RewardModelConfig():
            return _reward(method)
        case _:
            raise TypeError(type(method).__name__)


def _dpo(method: DPOConfig) -> PairRecipe:
    spec = settings_of(DPOSpec, method)

    def loss(batch: PairBatch, sides: Sequence[PairSide], known: Known) -> tuple[mx.array, Sums]:
        return dpo_loss(spec, batch, sides[0], sides[1], known.array("weights"))

    return PairRecipe(
        loss,
        finish_pair_metrics,
        imitated=0 if "sft" in method.loss_type else None,
        sorts=bool(SORTING_LOSSES & set(method.loss_type)),
        weighs=method.use_weighting,
        ld_alpha=method.ld_alpha,
    )


def _contrast(method: ContrastConfig) -> PairRecipe:
    spec = settings_of(CPOSpec, method)

    def loss(batch: PairBatch, sides: Sequence[PairSide], _: Known) -> tuple[mx.array, Sums]:
        return cpo_loss(spec, batch, sides[0], sides[1])

    return PairRecipe(loss, finish_pair_metrics, imitated=0 if method.cpo_alpha else None)


def _orpo(method: ORPOConfig) -> PairRecipe:
    def loss(batch: PairBatch, sides: Sequence[PairSide], known: Known) -> tuple[mx.array, Sums]:
        read = known.array("read")
        assert read is not None
        return orpo_loss(method.beta, batch, sides[0], sides[1], read)

    return PairRecipe(loss, finish_pair_metrics, imitated=0)


def _tpo(method: TPOConfig) -> PairRecipe:
    spec = settings_of(TPOSpec, method)

    def loss(batch: PairBatch, sides: Sequence[PairSide], _: Known) -> tuple[mx.array, Sums]:
        return tpo_loss(spec, batch, sides[0], sides[1], sides[2])

    return PairRecipe(loss, finish_pair_metrics, imitated=2 if method.tpo_alpha else None)


def _kto(method: KTOConfig) -> PairRecipe:
    spec = settings_of(KTOSpec, method)

    def loss(batch: PairBatch, sides: Sequence[PairSide], known: Known) -> tuple[mx.array, Sums]:
        good = known.array("good")
        assert good is not None
        return kto_loss(spec, batch, sides[0], good, known.numbers.get("kl", 0.0))

    return PairRecipe(loss, _finish_verdicts, divergence=method.loss_type == "kto")


def _bco(method: BCOConfig) -> PairRecipe:
    def loss(batch: PairBatch, sides: Sequence[PairSide], known: Known) -> tuple[mx.array, Sums]:
        good = known.array("good")
        assert good is not None
        return bco_loss(method.beta, batch, sides[0], good, known.numbers["delta"])

    return PairRecipe(loss, _finish_verdicts, threshold=True)


def _reward(method: RewardModelConfig) -> PairRecipe:
    def loss(batch: PairBatch, sides: Sequence[PairSide], known: Known) -> tuple[mx.array, Sums]:
        margins = known.array("margins")
        assert margins is not None
        return reward_loss(batch, sides[0].sums, sides[1].sums, margins, method.centering)

    return PairRecipe(loss, finish_pair_metrics, numbers=True)


def _finish_verdicts(parts: Sequence[Totals], _: float) -> dict[str, float]:
    return finish_verdict_metrics(parts)
