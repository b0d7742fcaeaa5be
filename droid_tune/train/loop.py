"""The loop: gather a gradient, apply it, tell of it, look at held-out rows, save. The same for every method.

It knows no thread, no window and no file but its checkpoints; a stop may come anywhere and costs nothing but
the update that was being gathered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import mlx.core as mx
import numpy as np

from droid_tune.errors import DiskError, NotFiniteError, Stopped, UserError
from droid_tune.events import Evaluation, Notice, Step, finite
from droid_tune.model.reference import ReferencePolicy
from droid_tune.runs.best import Best, better
from droid_tune.runs.origin.identity import keep_rewards_anew
from droid_tune.train.assignment import Span
from droid_tune.train.diagnosis.diagnose import Diagnosis
from droid_tune.train.diagnosis.standing_still import StandingStill
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.learners.learner import Learner, State
from droid_tune.train.saving.boundary import Boundary, BoundaryKeeper
from droid_tune.train.saving.checkpoint import CheckpointStore
from droid_tune.train.saving.journal import Journal
from droid_tune.train.saving.run_record import RunRecord
from droid_tune.train.saving.shared_checkpoint import SavedState
from droid_tune.train.steering.helm import Helm
from droid_tune.train.steering.memory_guard import MemoryGuard, Reading, read_memory
from droid_tune.train.steering.memory_minder import MemoryMinder
from droid_tune.train.steering.mending import Mender
from droid_tune.train.steering.no_numbers import NON_FINITE_LIMIT, trouble_with_numbers
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.optimizer import gradient_norm, learning_rate_at
from droid_tune.train.updating.update import Updater, WhyNot, update_metrics, why_not

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Loop:
    """One run from its first (or next) update to its last."""

    session: TrainingSession
    learner: Learner
    optimizer: Any
    reference: ReferencePolicy
    store: CheckpointStore
    journal: Journal
    span: Span
    fixed_state: State  # what the checkpoints keep of the run itself: data fingerprint, ...
    step: int = 0
    evaluated_step: int = -1
    non_finite: int = 0
    diagnosis: Diagnosis | None = None
    guard: MemoryGuard | None = None
    record: RunRecord | None = None
    best: Best | None = None  # of the held-out evaluations so far
    _boundary: Boundary = field(init=False)
    _saved_at: float = field(default_factory=time.monotonic)  # by the monotonic clock
    _between: bool = False  # the weights may not be those of the boundary

    def __post_init__(self) -> None:
        self._updater = Updater(self.session, self.optimizer, self.reference)
        self._keeper = BoundaryKeeper(
            self.session, self.learner, self.optimizer, self.reference, self.store, self.journal
        )
        self.helm = Helm(self.session, self.learner, self.journal.paths)
        self._mender = Mender(self.session, self._take_back, self._save_boundary, self._keep_rewards)
        self._standing_still = StandingStill(self.session.config)
        self._minder = None if self.guard is None else MemoryMinder(self.session, self.guard)

    def run(self) -> None:
        """Train to the end. Raises Stopped when asked to stop, UserError when it cannot go on: finished steps are saved."""
        self._boundary = self._at_boundary()
        try:
            if self.step:
                self.evaluate_if_due()  # the stop may have come before it
            elif self.session.config.evaluation.at_start:
                self.evaluate()
            while self.step < self.span.until:
                self.session.agree()
                self.mended(self.journal.follow)
                self.steer()
                self.mind_memory(self.mended(self.advance))
                self.require_numbers()
                self.evaluate_if_due()
                self.save_if_due()
                self.mended(self.journal.catch_up)
                self.end_early()
            if self.step < self.span.total_steps:
                raise Stopped
            self.save()
            self.evaluate()
        except Stopped:
            self.save()
            raise
        except Exception as error:
            self._save_finished_steps(error)
            raise

    def steer(self) -> None:
        """Follow what a person wishes changed before the next update. Raises Stopped where that is to stop here."""
        for wish in self.helm.due(self.step):
            if not self.helm.follow(wish, self.step):
                continue
            self._boundary_changed()
            match wish.action:
                case "save":
                    self.save()
                case "evaluate":
                    self.evaluate()
                case None:
                    self.helm.end_at_once(wish, self.step)

    def end_early(self) -> None:
        """Raises Stopped, with the reason, where the settings end the run after this update."""
        why = self.helm.end_early(self.step) if self.step < self.span.until else ""
        if why:
            self.helm.patience.begin_again()
            self._boundary_changed()
            raise Stopped(why)

    def _boundary_changed(self) -> None:
        """What a checkpoint of this very step holds is no longer all."""
        self._boundary = self._at_boundary()
        self._keeper.reopen()

    def advance(self) -> Reading:
        """Gather and apply one update, tell of it, and say what memory it took."""
        mx.reset_peak_memory()
        start = time.perf_counter()
        gathered = self.learner.gather(self.step)
        norm = gradient_norm(gathered.gradients)
        rate = learning_rate_at(self.session.config.optimizer, self.step, self.span.total_steps)
        size = float(np.asarray(norm))
        why = why_not(gathered, size)
        self._between = True
        if not why:
            self._updater.apply(gathered, norm, rate, self.step + 1)
        self.non_finite = self.non_finite + 1 if why == "non_finite" else 0
        self.step += 1
        self.learner.after_update(self.step)
        seconds = time.perf_counter() - start
        reading = self.guard.read() if self.guard else read_memory()
        metrics = update_metrics(gathered, size, rate, seconds, reading)
        if self.record is not None:
            self.record.add(metrics, gathered.seconds)
        notices = self.diagnosis.observe_step(self.step, metrics) if self.diagnosis else []
        notices += self._standing_still.observe(self.step, metrics, gathered.seconds)
        self._boundary, self._between = self._at_boundary(), False
        self._tell(metrics, gathered.seconds, why, notices)
        return reading

    def require_numbers(self) -> None:
        """Wait for a lower learning rate after several updates in a row that could not be applied. Raises UserError where
        nobody can give one, and where none would help: what is then in the weights is not saved."""
        if self.non_finite < NON_FINITE_LIMIT:
            return
        error = trouble_with_numbers(
            self.journal.paths.id,
            self.step,
            self.session.config.learning_rate,
            self.session.policy.trainable(),
        )
        if not isinstance(error, NotFiniteError):
            self._between = True
            raise error
        self.non_finite = 0  # whoever goes on from here has as many tries again
        self._boundary_changed()
        self._mender.wait(self.step, error)

    def mind_memory(self, reading: Reading) -> None:
        """Act on what the last update took."""
        if self._minder is not None:
            self._minder.mind(self.step, reading, self.save)

    def _tell(
        self,
        metrics: dict[str, float | None],
        seconds: dict[str, float],
        why: WhyNot,
        notices: list[Notice],
    ) -> None:
        every = self.session.config.training.steps_per_report
        if self.step % every == 0 or self.step == self.span.total_steps:
            self.session.emit(
                Step(step=self.step, metrics=metrics, seconds=seconds, applied=not why, why=why)
            )
        if why == "non_finite":
            self._tell_not_applied()
        for notice in notices:
            self.session.emit(notice)
        self.journal.progressed(self.step, metrics)

    def _tell_not_applied(self) -> None:
        self.session.emit(
            Notice(
                level="warning",
                code="non_finite",
                text=f"Step {self.step}: the loss or its gradient was not a number, so the step was not applied.",
                remedy="If it happens again, lower the learning rate.",
                step=self.step,
            )
        )

    def evaluate_if_due(self) -> None:
        """Evaluates where the step is one to evaluate after."""
        every = self.session.config.evaluation.steps_per_eval
        if every and self.step % every == 0 and self.step < self.span.total_steps:
            self.evaluate()

    def evaluate(self) -> None:
        """Once for each number of updates done."""
        if self.evaluated_step == self.step:
            return
        found = self._look_at_held_out()
        self.evaluated_step = self.step
        metrics = {name: finite(value) for name, value in found.metrics.items()} if found else {}
        rows = found.rows if found else 0
        notices = self.diagnosis.observe_evaluation(self.step, metrics, rows) if self.diagnosis else []
        self.helm.patience.observe(self.step, metrics)
        self._boundary = self._at_boundary()
        if found is None:
            return
        self.session.emit(Evaluation(step=self.step, metrics=metrics, rows=found.rows, seconds=found.seconds))
        for notice in notices:
            self.session.emit(notice)
        self._keep_best(metrics)
        self.journal.progressed(self.step, metrics)

    def _keep_best(self, metrics: dict[str, float | None]) -> None:
        """The best held-out checkpoint is saved as soon as it is known to be, and stays however many follow."""
        best = better(self.best, self.step, metrics)
        if best is None or best.step != self.step:
            return
        self.know_best(best)
        if self.journal.saved_step != self.step:
            self.save()

    def know_best(self, best: Best | None) -> None:
        """What was best before this session of the run; its checkpoint stays."""
        self.best = self.journal.best = best
        self.store.kept_step = None if best is None else best.step

    def _look_at_held_out(self) -> Evaluated | None:
        """A failed evaluation is told and loses nothing; ranks that share one must fail together."""
        try:
            return self.learner.evaluate(self.step)
        except UserError as error:
            if not self.session.world.alone:
                raise
            self.session.emit(
                Notice(
                    level="warning",
                    code="evaluation_failed",
                    text=f"The held-out rows could not be evaluated: {error}",
                    step=self.step,
                )
            )
            return None

    def save_if_due(self) -> None:
        """Saves where the step is one to save after, or the last save is long ago."""
        settings = self.session.config.checkpoint
        waited_s = time.monotonic() - self._saved_at
        if self.step % settings.save_every == 0 or 0 < settings.save_minutes * 60 <= waited_s:
            self.save()
            self._saved_at = time.monotonic()

    def save(self) -> None:
        """Save the last boundary, if it is not on disk yet. Raises DiskError."""
        self.mended(self._save_boundary)

    def _save_boundary(self) -> None:
        self.journal.follow()
        try:
            self._write_boundary()
        except DiskError:
            if not self.journal.follow():
                raise
            self._write_boundary()  # the folder was moved while it was written

    def _write_boundary(self) -> None:
        self.store.folder = self.journal.paths.checkpoints
        self._keeper.save(self._boundary)

    def mended(self, work: Callable[[], T]) -> T:
        """What `work` gives; where it meets what the user can mend, the run waits for him and tries again."""
        return self._mender.mended(self.step, work)

    def _keep_rewards(self) -> None:
        keep_rewards_anew(self.journal.paths.folder, self.session.config)

    def _take_back(self) -> None:
        """The learner as it was when the last update was done: what it had begun since will be begun again."""
        self.learner.restore(self._boundary.state["learner"], self._boundary.tensors)

    def _save_finished_steps(self, error: Exception) -> None:
        """After a failure: the last boundary, where memory surely holds it. What ended the run stays what is told.

        MLX raises RuntimeError where the GPU failed; what it computed is then in doubt.
        """
        if self._between or isinstance(error, (RuntimeError, MemoryError)):
            return
        try:
            self._save_boundary()
        except (UserError, OSError) as further:
            log.warning("the finished steps could not be saved: %s", further)

    def _at_boundary(self) -> Boundary:
        state: State = {
            **self.fixed_state,
            "total_steps": self.span.total_steps,
            "evaluated_step": self.evaluated_step,
            "non_finite": self.non_finite,
            "plan": asdict(self.session.plan),
            "learner": self.learner.state(),
            "diagnosis": None if self.diagnosis is None else self.diagnosis.state(),
            "steering": self.helm.state(),
        }
        return Boundary(self.step, state, self.learner.tensors())

    def restore(self, checkpoint: SavedState) -> None:
        """Continue exactly where the checkpoint was taken. Comes before the first update."""
        self._keeper.restore(checkpoint)
        state = checkpoint.state
        self.step = checkpoint.step
        self.evaluated_step = int(state["evaluated_step"])
        self.non_finite = int(state["non_finite"])
        if self.diagnosis is not None and state.get("diagnosis") is not None:
            self.diagnosis.restore(state["diagnosis"])
        if (steering := state.get("steering")) is not None:  # runs of older versions have none
            self.helm.restore(steering)
