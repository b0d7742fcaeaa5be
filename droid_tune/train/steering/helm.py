"""A run is steered between two updates: settings change, something is done now, and it may end before its last step.

What was changed belongs to the state of a checkpoint, so that a resume goes on with it; a change since the checkpoint is
made again at its step (`runs/steering.py` keeps which), so that a crash alters nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from droid_tune.errors import Stopped, UserError
from droid_tune.events import Notice, Steered
from droid_tune.paths import RunPaths
from droid_tune.runs.steering import OF_A_ROLLOUT, Wish, WishFile, current, mark_followed, steered
from droid_tune.train.learners.learner import Learner, State
from droid_tune.train.steering.patience import Patience
from droid_tune.train.training_session import TrainingSession


@dataclass
class Helm:
    """Follows the wishes that are due, and says when the run is to end early."""

    session: TrainingSession
    learner: Learner
    paths: RunPaths
    patience: Patience = field(default_factory=Patience)
    #: what was changed so far, by the names of `STEERABLE`
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    _followed: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._file = WishFile(self.paths.folder)

    def due(self, step: int) -> list[Wish]:
        """What is to be followed now that `step` updates are done; every rank gets the same."""
        self._file.move_to(self.paths.folder)
        found = [one for one in self._file.wishes() if self._is_due(one, step)] if self._leads else []
        if self.session.world.alone:
            return found
        return [
            Wish.model_validate(one)
            for one in self.session.world.from_lead([one.model_dump() for one in found])
        ]

    @property
    def _leads(self) -> bool:
        return self.session.world.leads

    def _is_due(self, one: Wish, step: int) -> bool:
        if one.id in self._followed or (one.step is not None and one.step > step):
            return False
        return not (self.learner.mid_rollout and OF_A_ROLLOUT & one.settings.keys())

    def follow(self, one: Wish, step: int) -> bool:
        """Change what a wish names and tell of it; False where it is refused, which is told too."""
        before = {name: current(self.session.config, name) for name in one.settings}
        self._followed.append(one.id)
        if self._leads:
            mark_followed(self.paths.folder, one, step)
        try:
            self._change(one.settings)
        except UserError as error:
            self._refuse(error, step)
            return False
        self.session.emit(
            Steered(step=step, settings=one.settings, before=before, action=one.action or "", wish=one.id)
        )
        return True

    def _refuse(self, error: UserError, step: int) -> None:
        text = f"The change was not made: {error}"
        self.session.emit(Notice(level="warning", code="steering_refused", text=text, step=step))

    def _change(self, settings: Mapping[str, Any]) -> None:
        """Raises UserError, and changes nothing, where the settings are impossible."""
        config = steered(self.session.config, settings)
        if settings.get("beta") and not current(self.session.config, "beta"):
            self._require_reference()
        self.session.config = config
        self.settings |= settings
        self.learner.settings_changed()

    def _require_reference(self) -> None:
        """A penalty can begin where the reference is there: with the adapter off."""
        if self.session.policy.adapter.type == "full":
            raise UserError(
                "`beta` was 0 as the run began, and training in full kept no reference to compare with",
                remedy="start a new run with `beta`",
            )

    def end_early(self, step: int) -> str:
        """Why the run is to stop after this update; empty where it goes on."""
        if step == self.session.config.training.stop_at:
            return stop_sentence(step)
        return self.patience.verdict(self.session.config.evaluation.patience)

    def end_at_once(self, one: Wish, step: int) -> None:
        """Raises Stopped where a wish asks for a stop at a step that is already there."""
        if 0 < int(one.settings.get("stop_at", 0)) <= step:
            raise Stopped(stop_sentence(step))

    def state(self) -> State:
        """For a checkpoint."""
        return {
            "settings": dict(self.settings),
            "followed": list(self._followed),
            "patience": self.patience.state(),
        }

    def restore(self, state: State) -> None:
        """The settings as they were steered when the checkpoint was taken."""
        self._followed = list(state["followed"])
        self.patience.restore(state["patience"])
        if state["settings"]:
            self._change(state["settings"])


def stop_sentence(step: int) -> str:
    """Why a run ends where `stop_at` says."""
    return f"Stopped after step {step:,}, as asked for; it can go on from here."
