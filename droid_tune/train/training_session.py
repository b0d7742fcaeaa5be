"""What a run works with, loaded once in the engine's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from droid_tune.config import RunConfig
from droid_tune.control import Control, Watch
from droid_tune.data.order.batches import PromptBatches
from droid_tune.data.order.seeds import derived_seed
from droid_tune.environments.episode import Environment
from droid_tune.errors import Stopped
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.events import Event, Phase, PhaseName
from droid_tune.model.policy import Policy
from droid_tune.rewards.combine import RewardSet
from droid_tune.train.distributed import World
from droid_tune.train.rows.kept_examples import MOST_KEPT_TOKENS
from droid_tune.train.rows.row_reader import Chosen, PromptRow, RowReader, readable

#: least seconds between two progress events of one phase
PROGRESS_INTERVAL_S = 0.1


@dataclass(frozen=True)
class Conduct:
    """How a run is led: who may stop it, who hears of it, which ranks it belongs to."""

    control: Control
    emit: Callable[[Event], None]
    world: World

    def stop_requested(self) -> bool:
        """Whether to stop in the middle of something: never where several ranks must agree."""
        return self.world.alone and self.control.stop_requested()


@dataclass
class TrainingSession:
    """Config, policy, data, rewards and the way out. Belongs to one thread."""

    config: RunConfig
    policy: Policy
    train: Chosen
    valid: Chosen
    batches: PromptBatches
    rewards: RewardSet
    plan: MemoryPlan
    control: Control
    emit: Callable[[Event], None]
    world: World
    reader: RowReader
    #: what answers the model's turns; None where a completion is all there is
    environment: Environment | None = None
    #: rows that could not be rendered when they came, in this session
    skipped: int = 0
    _held_out: tuple[int, list[PromptRow]] = (0, [])
    _last_phase: tuple[str, float] = field(default=("", 0.0))

    def seed(self, purpose: str, *numbers: int) -> int:
        """A seed (63 bits) that depends on the run's seed, the purpose and the numbers alone."""
        return derived_seed(self.config.training.seed, purpose, *numbers)

    def held_out_prompts(self, count: int) -> list[PromptRow]:
        """The first `count` held-out rows as prompts, without those that cannot be read: each evaluation asks for the same,
        so they are kept while they are no more than `MOST_KEPT_TOKENS`."""
        known, rows = self._held_out
        if known != count:
            rows = readable(self.valid, range(count), self.reader.prompt)
            small = sum(len(row.tokens) for row in rows) <= MOST_KEPT_TOKENS
            self._held_out = (count, rows) if small else (0, [])
        return rows

    def pause_point(self) -> None:
        """Where the work may be interrupted by a stop or a pause: anywhere, unless several ranks must agree."""
        if self.world.alone:
            self.control.pause_point()

    def stop_requested(self) -> bool:
        """Whether to stop in the middle of something: never where several ranks must agree."""
        return self.world.alone and self.control.stop_requested()

    def agree(self) -> None:
        """Between two updates all ranks stop together. Raises Stopped."""
        self.pause_point()
        if self.world.any(self.control.stop_requested()):
            raise Stopped

    @property
    def stopping(self) -> Watch:
        """Who may end work that tells nobody how far it is."""
        return Watch(should_stop=self.stop_requested)

    def watch(self, phase: PhaseName, step: int, unit: str) -> Watch:
        """Who looks on at work that counts `unit` in one phase of a step."""
        told = Phase(phase=phase, step=step, unit=unit)

        def progress(done: int, total: int, _what: str) -> None:
            nonlocal told
            told = told.model_copy(update={"done": done, "total": total})
            self._tell(told)

        def token(at: int, most: int) -> None:
            nonlocal told
            if self._is_soon(phase):
                return
            told = told.model_copy(update={"tokens": at, "most_tokens": most})
            self._tell(told)

        return Watch(progress, self.stop_requested, token)

    def phase(self, phase: PhaseName, step: int, done: int, total: int, unit: str) -> None:
        """Tell where the work is, at most ten times a second within a phase."""
        self._tell(Phase(phase=phase, step=step, done=done, total=total, unit=unit))

    def _tell(self, told: Phase) -> None:
        if told.done not in (0, told.total) and self._is_soon(told.phase):
            return
        self._last_phase = (told.phase, time.monotonic())
        self.emit(told)

    def _is_soon(self, phase: PhaseName) -> bool:
        """Whether something was told of this phase a moment ago."""
        name, told = self._last_phase
        return name == phase and time.monotonic() - told < PROGRESS_INTERVAL_S
