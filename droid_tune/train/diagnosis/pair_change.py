"""How the likelihoods of the same answers have changed in training: a margin can grow while neither becomes likelier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from droid_tune.train.diagnosis.symptom_facts import Said

#: the share of its log-probability by which an answer is called less likely
_LESS_LIKELY = 0.1


@dataclass(frozen=True)
class PairChange:
    """By how many nats the chosen and the rejected answers have become likelier, on average; below 0 less likely."""

    chosen: float
    rejected: float

    @classmethod
    def between(
        cls, before: Mapping[str, float | None], after: Mapping[str, float | None]
    ) -> PairChange | None:
        """Of two looks at the same held-out pairs; None where they do not tell it."""
        sides: list[float] = []
        for name in ("eval/logps/chosen", "eval/logps/rejected"):
            earlier, later = before.get(name), after.get(name)
            if earlier is None or later is None:
                return None
            sides.append(later - earlier)
        return cls(*sides)


def less_likely(change: PairChange, before: float, *, told: bool) -> Said | None:
    """A word where the margin has grown although both answers are less likely than they were, the chosen one by a tenth of
    the log-probability `before`, in nats; one that was `told` stands until a twentieth."""
    enough = (0.5 if told else 1.0) * _LESS_LIKELY * abs(before)
    margin = change.chosen - change.rejected
    if margin <= 0 or -change.chosen < enough or change.rejected >= 0:
        return None
    return Said(
        f"The margin has grown by {margin:.3g} nats, but the chosen answers have become less likely too (by "
        f"{-change.chosen:.3g} nats each, the rejected ones by {-change.rejected:.3g}): what the model says now may be neither.",
        "Lower the learning rate, raise beta, or add a likelihood term (DPO: `loss_type: [sigmoid, sft]`).",
    )
