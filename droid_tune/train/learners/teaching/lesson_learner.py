"""What every learner of lessons shares: its rollouts are counted, and an open one comes back from a checkpoint."""

from __future__ import annotations

from droid_tune.data.order.seeds import rollout_seed
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.sampler import Sampler
from droid_tune.train.learners.learner import State, Tensors
from droid_tune.train.learners.rollout_learner import RolloutLearner
from droid_tune.train.learners.teaching.lessons import Lessons
from droid_tune.train.rows.drawing import draw
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.training_session import TrainingSession


class LessonLearner(RolloutLearner[Lessons]):
    """`rollouts` counts those sampled so far: the random state of each derives from its number."""

    def __init__(self, session: TrainingSession) -> None:
        super().__init__(session)
        self.settings_changed()
        self.rollouts = 0

    def sample(self, step: int, watch: Stopwatch, group_size: int) -> Batch:
        """The next batch of prompts, completed `group_size` times each and judged."""
        session = self.session
        with watch("rollout"):
            session.pause_point()
            rows = draw(session, session.reader.prompt)
            sampler = Sampler(session, group_size, session.config.sampling)
            rollout = sampler.complete(step, rows, rollout_seed(session.config.training.seed, self.rollouts))
        self.rollouts += 1
        with watch("reward"):
            return self.scorer.score(step, rows, rollout)

    def state(self) -> State:
        """JSON values."""
        return super().state() | {"rollouts": self.rollouts}

    def restore(self, state: State, tensors: Tensors) -> None:
        """Takes back `state`, and an open rollout from its arrays."""
        super().restore(state, tensors)
        self.rollouts = int(state["rollouts"])

    def revived(self, tensors: Tensors) -> Lessons:
        """A rollout from the arrays of a checkpoint."""
        return Lessons.from_tensors(tensors)
