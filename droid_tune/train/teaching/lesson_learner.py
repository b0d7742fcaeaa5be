"""The next prompts of a run, completed and judged, for learners that a teacher grades."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from droid_tune.train.batch import Batch
from droid_tune.train.drawing import draw
from droid_tune.train.sampler import Sampler
from droid_tune.train.score import Scorer
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


class Prompted:
    """Samples rollouts; `rollouts` counts them, and the random state of each derives from its number."""

    def __init__(self, session: TrainingSession, scorer: Scorer) -> None:
        self._session, self._scorer = session, scorer
        self.rollouts = 0

    def sample(self, step: int, watch: Stopwatch, group_size: int) -> Batch:
        """The next batch of prompts, completed `group_size` times each and judged."""
        session = self._session
        with watch("rollout"):
            session.pause_point()
            rows = draw(session, session.reader.prompt)
            sampler = Sampler(session, group_size, session.config.sampling)
            rollout = sampler.complete(step, rows, session.seed("rollout", self.rollouts))
        self.rollouts += 1
        with watch("reward"):
            return self._scorer.score(step, rows, rollout)
