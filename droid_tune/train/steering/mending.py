"""What a run does when it meets something that its user can mend: wait for him, then try again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from droid_tune.errors import MendableError, UserError
from droid_tune.events import Continued, Paused
from droid_tune.rewards.combine import RewardTroubleError
from droid_tune.train.training_session import TrainingSession

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Mender:
    """Pauses a run that somebody attends to; where nobody does, and where several ranks train, errors stay errors.

    `take_back` undoes what was begun since the last update; `save` puts that on disk; `renewed` hears that the rewards are
    others than before.
    """

    session: TrainingSession
    take_back: Callable[[], None]
    save: Callable[[], None]
    renewed: Callable[[], None]

    def mended(self, step: int, work: Callable[[], T]) -> T:
        """What `work` gives, tried as often as the user says go on. Raises Stopped, and what cannot be mended here."""
        while True:
            try:
                return work()
            except MendableError as error:
                self.wait(step, error)

    def wait(self, step: int, error: MendableError) -> None:
        """Returns once it may be tried again. Raises the error itself where nobody can mend it now, and Stopped."""
        control = self.session.control
        if not (control.attended and self.session.world.alone) or control.stop_requested():
            raise error
        self.take_back()
        log.warning("the run waits: %s", error)
        if error.kind != "disk":
            with suppress(UserError):  # the first trouble is told first; this one comes up again
                self.save()
        control.request_pause()
        place = f"{error.place}: " if error.place else ""
        self.session.emit(
            Paused(
                step=step, reason=error.kind, text=f"{place}{error.message}.", remedy=_sentence(error.remedy)
            )
        )
        control.pause_point()
        self.session.emit(Continued(step=step))
        if error.kind == "reward":
            self._renew(step)

    def _renew(self, step: int) -> None:
        """Rewards as they are now; what keeps them from loading is to be mended as well."""
        try:
            self.session.rewards.renew()
        except UserError as error:
            self.wait(step, RewardTroubleError(error.message, place=error.place, remedy=error.remedy))
        else:
            with suppress(UserError):  # a resume would ask once more
                self.renewed()


def _sentence(text: str) -> str:
    """A remedy as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
