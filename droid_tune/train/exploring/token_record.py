"""What an update did to single tokens: of some groups of some steps, kept with the run's completions.

After the update the tokens of a group are scored once more; beside the log-probabilities with which they were sampled that
shows which tokens became likelier. It is one forward pass over a few hundred tokens at every n-th step, draws nothing at
random, and changes no number of the run. Left out on purpose: all groups of all steps, which would be most of a run's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from droid_tune.events import TokenDetails, TokenTrace
from droid_tune.methods.advantages import Advantages
from droid_tune.model.gradients.scoring import score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.rollout.decoding import TextStream
from droid_tune.rollout.rollout import Rollout, rows_of_groups
from droid_tune.train.training_session import TrainingSession

#: tokens of a step that are recorded (the first completions of one group), and about how many steps of a run
MOST_TOKENS, MOST_STEPS = 384, 50
#: digits behind the point: a tint needs no more
DIGITS = 3


@dataclass(frozen=True)
class _Chosen:
    """Completions of one group that wait for the update to be made."""

    step: int
    group: int
    rows: ScoringRows
    sampled: NDArray[np.float32]


class TokenRecorder:
    """Chooses a group when a rollout is made, and tells of its tokens after the next update."""

    def __init__(self, session: TrainingSession) -> None:
        self._session = session
        self._every = max(2, session.config.training.iterations // MOST_STEPS)
        self._waiting: _Chosen | None = None

    def choose(self, step: int, rollout: Rollout, advantages: Advantages) -> None:
        """Keep the group that teaches most, where the step is one to record; `step` is the first that learns from it."""
        self._waiting = None
        if step % self._every or not self._session.world.leads:
            return
        spread = np.abs(advantages.of_completions).reshape(-1, rollout.group_size).sum(axis=1)
        group = int(spread.argmax())
        members = rows_of_groups([group], rollout.group_size)
        fits = np.cumsum(rollout.lengths[members]) <= MOST_TOKENS
        if not spread[group] or not fits[0]:
            return
        own = members[fits]
        rows = ScoringRows.of_groups(
            rollout.prompt_tokens, rollout.group_size, rollout.tokens, rollout.completion_mask
        )
        self._waiting = _Chosen(step, group, rows.take(own), rollout.sampled_logprobs[own])

    def tell(self) -> None:
        """Score the chosen completions under the updated policy, and tell of them."""
        chosen, self._waiting = self._waiting, None
        if chosen is None:
            return
        session = self._session
        now = score(
            session.policy,
            chosen.rows,
            temperature=session.config.sampling.temperature,
            plan=session.plan,
            with_entropy=True,
        )
        assert now.entropies is not None
        traces = [
            self._trace(tokens[mask > 0], (after - before)[mask > 0], entropy[mask > 0])
            for tokens, mask, after, before, entropy in zip(
                chosen.rows.tokens,
                chosen.rows.completion_mask,
                now.logprobs,
                chosen.sampled,
                now.entropies,
                strict=True,
            )
        ]
        session.emit(TokenDetails(step=chosen.step, group=chosen.group, completions=traces))

    def _trace(
        self, tokens: NDArray[np.int32], change: NDArray[np.float32], entropy: NDArray[np.float32]
    ) -> TokenTrace:
        stream = TextStream(self._session.policy)
        return TokenTrace(
            pieces=[stream.add(int(token)) for token in tokens],
            log_ratio=_rounded(change),
            entropy=_rounded(entropy),
        )


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
