"""The first steps of a run with nothing applied: what is sampled, its loss and its gradient."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from droid_tune.config import RunConfig
from droid_tune.errors import AbsentTeacherError
from droid_tune.train.assembly import learner_for
from droid_tune.train.learners.learner import Learner
from droid_tune.train.learners.teaching.lesson_learner import LessonLearner
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.bare_gradients import bare_gradients
from droid_tune.train.updating.optimizer import gradient_norm


@dataclass(frozen=True)
class SampledPass:
    """One backward pass over sampled rows."""

    loss: float
    norm: float
    seconds: dict[str, float]


@dataclass
class SampledPasses:
    """`untaught`: why the teacher could not be asked, empty where it was or where there is none."""

    session: TrainingSession
    config: RunConfig
    untaught: str = ""
    made: list[SampledPass] = field(default_factory=list[SampledPass])

    def make(self, prompts: int, seconds: float) -> None:
        """Rollouts (or batches of rows) until `prompts` were seen or `seconds` are over, one at least. Raises Stopped."""
        learner = learner_for(self.session)
        batch = self.session.config.training.batch_size
        end = time.perf_counter() + seconds
        for number in range(math.ceil(prompts / batch)):
            if self.made and time.perf_counter() > end:
                break
            self.session.pause_point()
            self.made.append(self._one(learner, number))

    def sentences(self) -> list[str]:
        """What could not be looked at."""
        if not self.untaught:
            return []
        return [
            "What the teacher would say was not looked at, only what the student answers and what a step takes: "
            f"{self.untaught}"
        ]

    def _one(self, learner: Learner, number: int) -> SampledPass:
        """A rollout with its gradient; of a teacher that is not there what can be had without it."""
        if not self.untaught:
            try:
                gathered = learner.gather(number)
            except AbsentTeacherError as error:
                self.untaught = str(error)
            else:
                norm = float(np.asarray(gradient_norm(gathered.gradients)))
                return SampledPass(gathered.loss, norm, gathered.seconds)
        assert isinstance(learner, LessonLearner)
        watch = Stopwatch()
        lessons = learner.experience or learner.explore(number, watch)[0]
        learner.experience = None
        with watch("update"):
            rows = lessons.scored(lessons.taught)
            tell = partial(self.session.phase, "update", 0, 0, 0, "rows")
            bare_gradients(self.session, self.config, self.session.plan, rows, with_entropy=True, tell=tell)
        return SampledPass(0.0, 0.0, watch.seconds)
