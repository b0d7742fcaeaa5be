"""The loop: gather a gradient, apply it, tell of it, look at held-out rows, save. The same for every method.

It knows no thread, no window and no file but its checkpoints; a stop may come anywhere and costs nothing but
the update that was being gathered.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import mlx.core as mx
import numpy as np

from droid_tune.errors import Stopped, UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.events import CheckpointSaved, Evaluation, Notice, PlanChosen, Step, finite
from droid_tune.machine.pressure import LEVELS
from droid_tune.model.adapter_files import load_arrays
from droid_tune.model.reference import ReferencePolicy
from droid_tune.train.assignment import Span
from droid_tune.train.checkpoint import CheckpointStore
from droid_tune.train.evaluate import Evaluated
from droid_tune.train.journal import Journal
from droid_tune.train.learner import Gathered, Learner, State, Tensors
from droid_tune.train.memory_guard import Judgement, MemoryGuard, Reading, read_memory, smaller, strongest
from droid_tune.train.optimizer import (
    clip_to_norm,
    gradient_norm,
    learning_rate_at,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)
from droid_tune.train.run_record import RunRecord
from droid_tune.train.shared_checkpoint import SavedState
from droid_tune.train.training_session import TrainingSession

log = logging.getLogger(__name__)

#: updates in a row with a loss or gradient that is no number, after which a run ends
NON_FINITE_LIMIT = 3


WhyNot = Literal["", "no_signal", "non_finite"]


class Watcher(Protocol):
    """Reads the metrics as they come and says in words what they mean (`train.diagnose`)."""

    def observe_step(self, step: int, metrics: Mapping[str, float | None]) -> list[Notice]: ...
    def observe_evaluation(self, step: int, metrics: Mapping[str, float | None]) -> list[Notice]: ...
    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


@dataclass(frozen=True)
class Boundary:
    """Everything a resume needs besides weights and optimizer, as it was when `step` updates were done."""

    step: int
    state: State
    tensors: Tensors


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
    saved_step: int = -1
    non_finite: int = 0
    diagnosis: Watcher | None = None
    guard: MemoryGuard | None = None
    record: RunRecord | None = None
    _boundary: Boundary = field(init=False)
    _reading: Reading = field(init=False)
    _clearing: bool = False
    _saved_at: float = field(default_factory=time.monotonic)  # by the monotonic clock
    _between: bool = False  # the weights may not be those of the boundary

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
                self.advance()
                self.mind_memory()
                self.evaluate_if_due()
                self.save_if_due()
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

    # -- one update --------------------------------------------------------------------------------

    def advance(self) -> None:
        """Gather and apply one update, then tell of it."""
        mx.reset_peak_memory()
        start = time.perf_counter()
        gathered = self.learner.gather(self.step)
        norm = gradient_norm(gathered.gradients)
        rate = learning_rate_at(self.session.config.optimizer, self.step, self.span.total_steps)
        size = float(np.asarray(norm))
        why = _why_not(gathered, size)
        self._between = True
        if not why:
            self._apply(gathered, norm, rate)
        self.non_finite = self.non_finite + 1 if why == "non_finite" else 0
        self.step += 1
        self.learner.after_update(self.step)
        metrics = self._metrics(gathered, size, rate, time.perf_counter() - start)
        if self.record is not None:
            self.record.add(metrics, gathered.seconds)
        notices = self.diagnosis.observe_step(self.step, metrics) if self.diagnosis else []
        self._boundary, self._between = self._at_boundary(), False
        self._tell(metrics, gathered.seconds, why, notices)
        if self.non_finite >= NON_FINITE_LIMIT:
            raise UserError(
                f"The loss or its gradient was not a number in {NON_FINITE_LIMIT} steps in a row (steps "
                f"{self.step - NON_FINITE_LIMIT + 1} to {self.step}); none of these was applied. Lower the learning "
                f"rate ({rate:g}) and resume, or start from an earlier run."
            )

    def _apply(self, gathered: Gathered, norm: mx.array, rate: float) -> None:
        """Clip, update, evaluate once: after this the update is whole, and the gradients are used up.

        No name holds them meanwhile, so that each is freed as soon as its weight has moved.
        """
        model = self.session.policy.model
        gradients, gathered.gradients = gathered.gradients, {}
        gradients = clip_to_norm(gradients, norm, self.session.config.training.max_grad_norm)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.update(model, gradients)
        del gradients
        moved = {**self.session.policy.trainable(), **optimizer_tensors(self.optimizer)}
        mx.eval([array for _, array in sorted(moved.items())])  # by name: each weight beside its moments
        self.reference.after_step(self.step + 1)

    def _metrics(
        self, gathered: Gathered, norm: float, rate: float, seconds: float
    ) -> dict[str, float | None]:
        tokens = gathered.metrics.get("sampled_tokens", 0.0)
        sampling = gathered.seconds.get("rollout", 0.0)
        metrics: dict[str, float | None] = {
            "loss": finite(gathered.loss),
            **{name: finite(value) for name, value in gathered.metrics.items() if name != "sampled_tokens"},
            "grad_norm": finite(norm),
            "learning_rate": rate,
            "step_time": seconds,
            **self._memory_metrics(),
        }
        if tokens and sampling:
            metrics["tokens_per_second"] = tokens / sampling
        return metrics

    def _memory_metrics(self) -> dict[str, float]:
        self._reading = reading = self.guard.read() if self.guard else read_memory()
        return {
            "memory/active_bytes": float(reading.active),
            "memory/peak_bytes": float(reading.peak),
            "memory/cache_bytes": float(reading.cache),
            "memory/process_bytes": float(reading.process),
            "memory/pressure": float(LEVELS[reading.pressure]),
        }

    def _tell(
        self,
        metrics: dict[str, float | None],
        seconds: dict[str, float],
        why: WhyNot,
        notices: list[Notice],
    ) -> None:
        if (
            self.step % self.session.config.training.steps_per_report == 0
            or self.step == self.span.total_steps
        ):
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

    # -- memory ------------------------------------------------------------------------------------

    def mind_memory(self) -> None:
        """Act on what the last update took: clear the cache, take smaller portions, or save and hold still."""
        if self.guard is None:
            return
        own = self.guard.judge(self._reading)
        every = self.session.world.everyones([own.action, own.why])
        judged = strongest([Judgement(*one) for one in every])
        if judged.action in ("shrink", "hold"):
            self.save()
        if judged.action != "none":
            mx.clear_cache()
        match judged.action:
            case "clear" if not self._clearing:
                self._tell_memory("info", "memory_cache_cleared", "Memory kept for reuse was given back.")
            case "shrink":
                self._shrink(judged.why)
            case "hold":
                self._hold(judged.why)
            case _:
                pass
        self._clearing = judged.action == "clear"

    def _shrink(self, why: str) -> bool:
        """Go on with smaller portions, which change no number of the run but its pace."""
        session = self.session
        plan = smaller(session.plan, layer_wise=session.policy.architecture.layer_wise)
        if plan is None:
            self._tell_memory(
                "warning",
                "memory_short",
                f"Memory is short and the portions are the smallest already: {why}.",
                "Shorten `max_completion_length` or choose a smaller model.",
            )
            return False
        session.plan = plan
        session.emit(PlanChosen(step=self.step, sentence=plan.sentence, details={"path": plan.path}))
        self._tell_memory(
            "warning", "memory_replanned", f"The run goes on in smaller portions ({plan.sentence}): {why}."
        )
        return True

    def _hold(self, why: str) -> None:
        """The run is saved; it waits until someone says go on, and then takes smaller portions.

        Several computers that train together cannot wait for one: there the run stops, to be resumed.
        """
        self._shrink(why)
        alone, control = self.session.world.alone, self.session.control
        self._tell_memory(
            "error",
            "memory_hold",
            f"The run is saved and {'paused' if alone else 'stopped'}: {why}.",
            "Close other programs, then let it go on; or stop it and resume later."
            if alone
            else "Close other programs, then resume it.",
        )
        if alone:
            control.request_pause()
        else:
            control.request_stop()

    def _tell_memory(self, level: str, code: str, text: str, remedy: str = "") -> None:
        notice = {"level": level, "code": code, "text": text, "remedy": remedy, "step": self.step}
        self.session.emit(Notice.model_validate(notice))

    # -- held-out rows -----------------------------------------------------------------------------

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
        notices = self.diagnosis.observe_evaluation(self.step, metrics) if self.diagnosis else []
        self._boundary = self._at_boundary()
        if found is None:
            return
        self.session.emit(Evaluation(step=self.step, metrics=metrics, rows=found.rows, seconds=found.seconds))
        for notice in notices:
            self.session.emit(notice)
        self.journal.progressed(self.step, metrics)

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

    # -- checkpoints -------------------------------------------------------------------------------

    def save_if_due(self) -> None:
        """Saves where the step is one to save after, or the last save is long ago."""
        settings = self.session.config.checkpoint
        waited_s = time.monotonic() - self._saved_at
        if self.step % settings.save_every == 0 or 0 < settings.save_minutes * 60 <= waited_s:
            self.save()
            self._saved_at = time.monotonic()

    def save(self) -> None:
        """Save the last boundary, if it is not on disk yet."""
        boundary = self._boundary
        if self.saved_step == boundary.step or not self.session.world.leads:
            return
        self.session.phase("save", boundary.step, 0, 1, "checkpoint")
        saved = self.store.save(
            boundary.step,
            boundary.state,
            {
                "adapters": self.session.policy.trainable(),
                "optimizer": optimizer_tensors(self.optimizer),
                "reference": self.reference.arrays or {},
                "rollout": boundary.tensors,
            },
        )
        self.saved_step = boundary.step
        self.session.emit(
            CheckpointSaved(step=boundary.step, path=f"checkpoints/{saved.folder.name}", bytes=saved.bytes)
        )
        self.journal.saved(boundary.step)

    def _save_finished_steps(self, error: Exception) -> None:
        """After a failure: the last boundary, where memory surely holds it. What ended the run stays what is told.

        MLX raises RuntimeError where the GPU failed; what it computed is then in doubt.
        """
        if self._between or isinstance(error, (RuntimeError, MemoryError)):
            return
        try:
            self.save()
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
        }
        return Boundary(self.step, state, self.learner.tensors())

    def restore(self, checkpoint: SavedState) -> None:
        """Continue exactly where the checkpoint was taken. Comes before the first update."""
        state = checkpoint.state
        load_arrays(self.session.policy, checkpoint.tensors("adapters"), place=checkpoint.place)
        restore_optimizer(self.optimizer, checkpoint.tensors("optimizer"))
        if self.reference.arrays is not None:
            self.reference.restore(checkpoint.tensors("reference"))
        self.learner.restore(state["learner"], checkpoint.tensors("rollout"))
        if self.session.world.alone:
            # Other portions would round otherwise: the run goes on with those that it was stopped with.
            self.session.plan = MemoryPlan(**state["plan"])
        self.step = self.saved_step = checkpoint.step
        self.evaluated_step = int(state["evaluated_step"])
        self.non_finite = int(state["non_finite"])
        if self.diagnosis is not None and state.get("diagnosis") is not None:
            self.diagnosis.restore(state["diagnosis"])


def _why_not(gathered: Gathered, norm: float) -> WhyNot:
    """Why an update must not be applied; empty where it is to be."""
    if not (math.isfinite(gathered.loss) and math.isfinite(norm)):
        return "non_finite"
    return "" if gathered.signal else "no_signal"
