"""What DPO's losses make of a pair: one function each, (n,), below a line with its name.

A new one is a function here and its word in `droid_tune.names.DPOLoss`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx

from droid_tune.methods.losses.pairs.pair_sides import log_sigmoid, smoothed
from droid_tune.names import DPOLoss, FDivergence


@dataclass(frozen=True)
class DPOSpec:
    """The settings of the loss; names, meaning and defaults are TRL's (1.16). `loss_weights` None: 1 each."""

    loss_type: tuple[DPOLoss, ...] = ("sigmoid",)
    loss_weights: tuple[float, ...] | None = None
    beta: float = 0.1
    label_smoothing: float = 0.0
    f_divergence_type: FDivergence = "reverse_kl"
    f_alpha_divergence_coef: float = 0.5
    ld_alpha: float | None = None
    use_weighting: bool = False
    discopop_tau: float = 0.05

    @property
    def weighted(self) -> list[tuple[DPOLoss, float]]:
        """Each loss with its weight, which are not normalised."""
        return list(zip(self.loss_type, self.loss_weights or [1.0] * len(self.loss_type), strict=True))


@dataclass(frozen=True)
class ComparedPairs:
    """What an objective may look at, (n,) each: of the whole answers the log-probabilities under the policy and the
    reference, the scores (the f-divergence of their difference) and the tokens."""

    policy_chosen: mx.array
    policy_rejected: mx.array
    reference_chosen: mx.array
    reference_rejected: mx.array
    score_chosen: mx.array
    score_rejected: mx.array
    tokens_chosen: mx.array
    tokens_rejected: mx.array

    @property
    def chosen(self) -> mx.array:
        """log(policy / reference) of the chosen answers: what DPO reports, times beta, as their reward."""
        return self.policy_chosen - self.reference_chosen

    @property
    def rejected(self) -> mx.array:
        """The same of the rejected answers."""
        return self.policy_rejected - self.reference_rejected

    @property
    def margin(self) -> mx.array:
        """How much better the chosen answers score."""
        return self.score_chosen - self.score_rejected

    @property
    def mean_margin(self) -> mx.array:
        """The same of scores per token."""
        return self.score_chosen / self.tokens_chosen - self.score_rejected / self.tokens_rejected


PairObjective = Callable[[DPOSpec, ComparedPairs], mx.array]
DPO_LOSSES: dict[DPOLoss, PairObjective] = {}
#: losses that sort each side over the batch: a part of it does not do
SORTING_LOSSES: frozenset[DPOLoss] = frozenset(("aot", "aot_unpaired"))


def pair_loss(name: DPOLoss) -> Callable[[PairObjective], PairObjective]:
    """Enters the objective below into DPO_LOSSES."""

    def enter(objective: PairObjective) -> PairObjective:
        DPO_LOSSES[name] = objective
        return objective

    return enter


@pair_loss("sigmoid")
def bradley_terry(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """DPO's own (arXiv 2305.18290): the likelihood that the chosen answer is preferred."""
    return -log_sigmoid(spec.beta * pairs.margin)


@pair_loss("sigmoid_norm")
def bradley_terry_per_token(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """The same of scores per token (Tulu 3, arXiv 2411.15124)."""
    return -log_sigmoid(spec.beta * pairs.mean_margin)


@pair_loss("hinge")
def hinge(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Nothing more to gain from a margin of 1 / beta on (SLiC, arXiv 2305.10425)."""
    return mx.maximum(1.0 - spec.beta * pairs.margin, 0.0)


@pair_loss("ipo")
def identity_preference(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """A margin per token of 1 / (2 beta), and no more (IPO, arXiv 2310.12036)."""
    return mx.square(pairs.mean_margin - 1.0 / (2.0 * spec.beta))


@pair_loss("robust")
def robust(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Unbiased where a share `label_smoothing` of the labels is the wrong way round (arXiv 2403.00409)."""
    wrong, value = spec.label_smoothing, spec.beta * pairs.margin
    return (-(1.0 - wrong) * log_sigmoid(value) + wrong * log_sigmoid(-value)) / (1.0 - 2.0 * wrong)


@pair_loss("exo_pair")
def exact_optimisation(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """The reverse KL to the smoothed label (EXO, arXiv 2402.00856, eq. 16)."""
    wrong, value = spec.label_smoothing, spec.beta * pairs.margin
    likely = mx.sigmoid(value) * (log_sigmoid(value) - math.log1p(-wrong))
    return likely + mx.sigmoid(-value) * (log_sigmoid(-value) - math.log(wrong))


@pair_loss("nca_pair")
def noise_contrastive(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Keeps the chosen answer's own likelihood up (NCA, arXiv 2402.05369)."""
    chosen, rejected = spec.beta * pairs.chosen, spec.beta * pairs.rejected
    return -log_sigmoid(chosen) - 0.5 * log_sigmoid(-chosen) - 0.5 * log_sigmoid(-rejected)


@pair_loss("bco_pair")
def binary_classifier(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Chosen above, rejected below the reference, each on its own (arXiv 2404.04656)."""
    return -log_sigmoid(spec.beta * pairs.chosen) - log_sigmoid(-spec.beta * pairs.rejected)


@pair_loss("sppo_hard")
def self_play(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Half a win each way as the target (SPPO, arXiv 2405.00675)."""
    target = 1.0 / (2.0 * spec.beta)
    return mx.square(pairs.chosen - target) + mx.square(pairs.rejected + target)


@pair_loss("aot")
def optimal_transport(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """The distribution of the policy's margins over that of the reference's (AOT, arXiv 2406.05882)."""
    own = in_order(pairs.policy_chosen - pairs.policy_rejected)
    return smoothed(
        spec.beta * (own - in_order(pairs.reference_chosen - pairs.reference_rejected)), spec.label_smoothing
    )


@pair_loss("aot_unpaired")
def optimal_transport_unpaired(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """The distribution of the chosen answers' rewards over that of the rejected ones'."""
    return smoothed(spec.beta * (in_order(pairs.chosen) - in_order(pairs.rejected)), spec.label_smoothing)


@pair_loss("apo_zero")
def anchored(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Chosen up, rejected down, anchored at the reference: for a model worse than its data (APO, arXiv 2408.06266)."""
    return mx.sigmoid(-spec.beta * pairs.chosen) + mx.sigmoid(spec.beta * pairs.rejected)


@pair_loss("apo_down")
def anchored_down(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Both down, the rejected ones more: for a model better than its data."""
    lower = mx.sigmoid(spec.beta * pairs.chosen)
    return lower + mx.sigmoid(-spec.beta * (pairs.chosen - pairs.rejected))


@pair_loss("discopop")
def discovered(spec: DPOSpec, pairs: ComparedPairs) -> mx.array:
    """Logistic and exponential loss, mixed by the margin itself (DiscoPOP, arXiv 2406.08414).

    The exponential's share is multiplied in before e is raised: alone e^-value may be more than float32 holds, where its share
    is 0.
    """
    value = spec.beta * pairs.margin
    share = value / spec.discopop_tau
    return mx.sigmoid(-share) * -log_sigmoid(value) + mx.exp(log_sigmoid(share) - value)


def in_order(values: mx.array) -> mx.array:
    """Sorted, with the gradient going to where each value came from."""
    return values[mx.argsort(mx.stop_gradient(values))]
