"""What SDPO's teacher is shown beside the prompt: a sibling that succeeded, and what the environment said.

SDPO: Self-Distillation Policy Optimization (arXiv 2601.20802). Shapes: N completions, groups of G consecutive rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: what a sum of weighted rewards may lack
ROUNDING = 1e-6


@dataclass(frozen=True)
class Shown:
    """What one row's teacher sees: `demonstration`, the row whose completion is shown, and `feedback`, a text."""

    demonstration: int | None = None
    feedback: str | None = None

    @property
    def teaches(self) -> bool:
        """Whether the teacher knows more than the student."""
        return self.demonstration is not None or self.feedback is not None


@dataclass(frozen=True)
class ShowingRules:
    """When what is shown. A completion succeeds from `success_reward_threshold` on.

    `dont_reprompt_on_self_success`: a row never sees its own completion. Feedback is shown where it is included, and with
    `environment_feedback_only_without_solution` only where there is no demonstration.
    """

    success_reward_threshold: float = 1.0
    dont_reprompt_on_self_success: bool = True
    include_environment_feedback: bool = False
    environment_feedback_only_without_solution: bool = True


def shown_to_teachers(
    rewards: Sequence[float], group_size: int, feedbacks: Sequence[str | None], rules: ShowingRules
) -> list[Shown]:
    """What each row's teacher is shown. `rewards` (N,), NaN where none judged it; `feedbacks` (N,), blank ones are none."""
    found: list[Shown] = []
    for row, feedback in enumerate(feedbacks):
        start = row - row % group_size
        demonstration = next(
            (
                other
                for other in range(start, start + group_size)
                if succeeds(rewards[other], rules.success_reward_threshold)
                and not (rules.dont_reprompt_on_self_success and other == row)
            ),
            None,
        )
        found.append(Shown(demonstration, _told(feedback, demonstration, rules)))
    return found


def succeeds(reward: float, threshold: float) -> bool:
    """Whether a reward reaches the threshold; weights that add up to it (0.6, 0.3, 0.1) do so but for their rounding."""
    return reward >= threshold - ROUNDING


def _told(feedback: str | None, demonstration: int | None, rules: ShowingRules) -> str | None:
    if not rules.include_environment_feedback or feedback is None or not feedback.strip():
        return None
    if demonstration is not None and rules.environment_feedback_only_without_solution:
        return None
    return feedback
