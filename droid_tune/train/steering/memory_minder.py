"""What a run does about the memory that its last update took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx

from droid_tune.events import Notice, PlanChosen
from droid_tune.train.steering.memory_guard import Judgement, MemoryGuard, Reading, smaller, strongest
from droid_tune.train.training_session import TrainingSession


@dataclass
class MemoryMinder:
    """Does what the guard judges; ranks do together what the one that is shortest of memory needs."""

    session: TrainingSession
    guard: MemoryGuard
    _clearing: bool = False

    def mind(self, step: int, reading: Reading, save: Callable[[], None]) -> None:
        """Act on what update `step` took: clear the cache, take smaller portions, or hold still.

        `save` puts the last boundary on disk: before the run is held, and before it goes on in other portions.
        """
        own = self.guard.judge(reading)
        every = self.session.world.everyones([own.action, own.why])
        judged = strongest([Judgement(*one) for one in every])
        if judged.action in ("shrink", "hold"):
            save()
        if judged.action != "none":
            mx.clear_cache()
        match judged.action:
            case "clear" if not self._clearing:
                self._tell(step, "info", "memory_cache_cleared", "Memory kept for reuse was given back.")
            case "shrink":
                self._shrink(step, judged.why)
            case "hold":
                self._hold(step, judged.why)
            case _:
                pass
        self._clearing = judged.action == "clear"

    def _shrink(self, step: int, why: str) -> None:
        """Go on with smaller portions, which change no number of the run but its pace."""
        session = self.session
        plan = smaller(session.plan, session.policy.architecture)
        if plan is None:
            self._tell(
                step,
                "warning",
                "memory_short",
                f"Memory is short and the portions are the smallest already: {why}.",
                "Shorten `max_completion_length` or choose a smaller model.",
            )
            return
        session.plan = plan
        session.emit(PlanChosen(step=step, sentence=plan.sentence, details={"path": plan.path}))
        said = f"The run goes on in smaller portions ({plan.sentence}): {why}."
        self._tell(step, "warning", "memory_replanned", said)

    def _hold(self, step: int, why: str) -> None:
        """The run is saved; it waits until someone says go on, and then takes smaller portions.

        Several computers that train together cannot wait for one: there the run stops, to be resumed.
        """
        self._shrink(step, why)
        alone, control = self.session.world.alone, self.session.control
        self._tell(
            step,
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

    def _tell(self, step: int, level: str, code: str, text: str, remedy: str = "") -> None:
        notice = {"level": level, "code": code, "text": text, "remedy": remedy, "step": step}
        self.session.emit(Notice.model_validate(notice))
