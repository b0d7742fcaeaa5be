"""The one door to the engine: what trains, samples and exports, and what the window asks of runs on disk.

Everything of `droid_tune.train` is imported inside functions, so that building the window reads no MLX; MLX itself
is first imported inside the engine's thread. `EngineDoor` is what the window knows; tests put a fake in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from droid_tune.config import RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.events import Event, Phase, RunFinished
from droid_tune.machine.device_faults import FRESH
from droid_tune.names import LAST

if TYPE_CHECKING:
    from droid_tune.config.exporting import ExportRequest
    from droid_tune.data.formats.base import Row
    from droid_tune.data.rendering.shapes import TemplateOptions
    from droid_tune.data.rendering.shown import ShownRow
    from droid_tune.estimate.signal import CheckReport
    from droid_tune.playground.seen_openings import SeenOpenings
    from droid_tune.runs.folder import RunSummary
    from droid_tune.trial_report import BenchQuestion, LookedAt, Rescored, RescoredStep, Trial


Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Resumption:
    """With which run to go on: from its newest checkpoint (`last`), its `best` or that of a step; to its planned end,
    or `further_steps` on. `accepted`: whatever changed since it was trained last."""

    folder: Path
    further_steps: int | None = None
    checkpoint: str = LAST
    accepted: bool = False


class Steering(Protocol):
    """`droid_tune.control.Control`, as far as the window steers."""

    attended: bool

    def request_stop(self) -> None:
        """Save and end, soon."""

    def stop_now(self) -> None:
        """The same, and end at once what the run has started beside itself."""

    def request_pause(self) -> None:
        """Hold before the next piece of work."""

    def resume(self) -> None:
        """Go on after a pause."""


class Answerer(Protocol):
    """`droid_tune.playground.playground.Playground`, as far as the window asks."""

    def reply(
        self,
        prompt: Any,
        sampling: SamplingConfig,
        *,
        with_adapter: bool = True,
        on_text: Callable[[str], None] | None = None,
        watch: Watch = UNWATCHED,
        seed: int = 0,
    ) -> Any:
        """The whole `Reply` to a prompt or a row; `on_text` gets it piece by piece.

        Raises `UserError`, and `Stopped` where `watch` ends it.
        """

    def turn_to(self, checkpoint: str) -> None:
        """Answer with the weights of another checkpoint of the same run. Raises `UserError`."""

    def verdicts(self, row: Any, answers: Sequence[Any], watch: Watch = UNWATCHED) -> list[Any]:
        """An `AnswerVerdict` for each `Reply` to a row. Raises `UserError`, `Stopped`."""
        raise NotImplementedError


class EngineDoor(Protocol):
    """What the window asks of the engine. `train` and `resume` block: they are called in the engine's thread."""

    def control(self) -> Steering:
        """What steers one run or check."""
        raise NotImplementedError

    def create(self, config: RunConfig) -> Path:
        """Make the folder of a new run. Raises `UserError` where it cannot be made."""
        raise NotImplementedError

    def train(self, config: RunConfig, folder: Path, control: Any, emit: Emit) -> object:
        """Train in a folder that `create` made, telling every event to `emit`. Raises `UserError`."""

    def resume(self, resumption: Resumption, control: Any, emit: Emit) -> object:
        """Go on to the planned end, or some steps on. Raises `UserError`."""

    def runs(self) -> list[RunSummary]:
        """The runs on disk, the newest first."""
        raise NotImplementedError

    def rename(self, folder: Path, name: str) -> None:
        """Give a run another name. Raises `UserError`."""

    def playground(self, folder: Path, checkpoint: str) -> Answerer:
        """The model of a run, before training and at a checkpoint of it. Raises `UserError`."""
        raise NotImplementedError

    def check(
        self, config: RunConfig, prompts: int, control: Any, on_progress: Callable[[Phase], None]
    ) -> Any:
        """Sample `prompts` prompts with the starting model; a `CheckReport`. Raises `UserError`, `Stopped`."""

    def tools(self, config: RunConfig) -> list[str]:
        """The tools that a run's environment offers, a line each. Raises `UserError` where it cannot be used."""
        raise NotImplementedError

    def row_options(self, config: RunConfig, tokenizer: Any, watch: Watch) -> TemplateOptions:
        """How rows are rendered for a run in its environment. Raises `UserError`, `Stopped`."""
        raise NotImplementedError

    def opening(self, config: RunConfig, tokenizer: Any, row: Row, number: int, watch: Watch) -> ShownRow:
        """Row `number` as a run in its environment puts it before the model. Raises `UserError`, `Stopped`."""
        raise NotImplementedError

    def end_openings(self) -> None:
        """End the environment that `row_options` and `opening` keep; it may wait for a question in hand."""

    def export(self, folder: Path, request: ExportRequest, watch: Watch) -> Any:
        """Write a run's result and compare it; an `Exported`. Raises `UserError`, `Stopped`."""

    def sampling_command(self, folder: Path) -> str:
        """The command by which mlx-lm samples from a run's result. Raises `UserError`."""
        raise NotImplementedError

    def upload(self, folder: Path, repository: str, public: bool, watch: Watch) -> str:
        """Upload an exported folder to the Hub; its address. Raises `UserError`, `Stopped`."""
        raise NotImplementedError

    def try_rewards(self, question: BenchQuestion, watch: Watch) -> Trial:
        """Rewards on a few rows. Raises `UserError`, `Stopped`."""
        raise NotImplementedError

    def rescore(
        self, question: BenchQuestion, watch: Watch, on_step: Callable[[RescoredStep], object]
    ) -> Rescored:
        """A past run's completions scored anew. Raises `UserError`, `Stopped`."""
        raise NotImplementedError

    def look_at_reward(self, path: str, text: str, function: str) -> LookedAt:
        """Whether the text of a Python file can be a reward."""
        raise NotImplementedError

    def release(self, *, going_on: bool = False) -> None:
        """Give back the memory of this thread's models; a thread that is not `going_on` uses MLX no more."""


class Engine:
    """The real engine, in the calling thread or (`apart`) in a process of its own.

    After a fault of the device the memory that this process holds on it is in doubt: further runs get another process.
    """

    def __init__(self, apart: Callable[[], bool] = bool) -> None:
        self._apart = apart
        self._doubtful = False
        self._openings: SeenOpenings | None = None

    def control(self) -> Steering:
        """A control that nobody has touched yet; who sits at the window can mend what a run meets."""
        from droid_tune.control import Control

        return Control(attended=True)

    def create(self, config: RunConfig) -> Path:
        """A new folder under the runs' folder, with the config in it. Raises `UserError`."""
        from droid_tune.runs.folder import create_run

        return create_run(config)

    def train(self, config: RunConfig, folder: Path, control: Any, emit: Emit) -> object:
        """Train to the end or to a stop; blocks. Raises `UserError`."""
        if self._apart() or self._doubtful:
            return self._train_apart(Resumption(folder), control, emit)
        from droid_tune.train.engine import run_training

        return run_training(config, folder, control, self._doubting(emit))

    def resume(self, resumption: Resumption, control: Any, emit: Emit) -> object:
        """Go on from a checkpoint; blocks. Raises `UserError`."""
        if self._apart() or self._doubtful:
            return self._train_apart(resumption, control, emit)
        from droid_tune.train.engine import resume_training

        return resume_training(
            resumption.folder,
            control,
            self._doubting(emit),
            resumption.further_steps,
            resumption.checkpoint,
        )

    def _train_apart(self, resumption: Resumption, control: Any, emit: Emit) -> object:
        from droid_tune.train.engine_child import train_apart

        return train_apart(resumption.folder, control, emit, resumption.further_steps, resumption.checkpoint)

    def _doubting(self, emit: Emit) -> Emit:
        """`emit`, which notes that a run ended by a fault of the device."""

        def noting(event: Event) -> None:
            if isinstance(event, RunFinished) and FRESH in event.why:
                self._doubtful = True
            emit(event)

        return noting

    def runs(self) -> list[RunSummary]:
        """Read from the runs' folder; call it in the background."""
        from droid_tune.runs.folder import list_runs

        return list_runs()

    def rename(self, folder: Path, name: str) -> None:
        """Change the name in the run's config; nothing that decides the training."""
        from droid_tune.config import dump_yaml
        from droid_tune.paths import RunPaths
        from droid_tune.runs.disk.durable import TRY_AGAIN, write_text
        from droid_tune.runs.folder import read_config

        renamed = read_config(folder).model_copy(update={"name": name})
        write_text(RunPaths(folder).config, dump_yaml(renamed), TRY_AGAIN)

    def playground(self, folder: Path, checkpoint: str) -> Answerer:
        """What a run has learnt, to ask. Call it in the thread that asks."""
        from droid_tune.playground.acting_playground import ActingPlayground

        return ActingPlayground.of_run(folder, checkpoint)

    def check(
        self, config: RunConfig, prompts: int, control: Any, on_progress: Callable[[Phase], None]
    ) -> CheckReport:
        """Sample a few prompts with the starting model. Call it in a thread of its own."""
        from droid_tune.check.signal_check import check_signal
        from droid_tune.config.asking.trust import trust

        trust(config)  # the form's settings are the person's own
        return check_signal(config, prompts=prompts, control=control, on_progress=on_progress)

    def tools(self, config: RunConfig) -> list[str]:
        """Starts the environment for a moment; call it in the background."""
        from droid_tune.playground.offered_tools import tools_offered

        return tools_offered(config)

    def row_options(self, config: RunConfig, tokenizer: Any, watch: Watch) -> TemplateOptions:
        """Starts the environment, which stays for further questions; call it in the background."""
        return self._seen_openings().options(config, tokenizer, watch)

    def opening(self, config: RunConfig, tokenizer: Any, row: Row, number: int, watch: Watch) -> ShownRow:
        """Starts the environment, which stays for further questions; call it in the background."""
        return self._seen_openings().opening(config, tokenizer, row, number, watch)

    def end_openings(self) -> None:
        """Call it in the background, behind the questions."""
        if self._openings is not None:
            self._openings.close()

    def _seen_openings(self) -> SeenOpenings:
        if self._openings is None:
            from droid_tune.playground.seen_openings import SeenOpenings

            self._openings = SeenOpenings()
        return self._openings

    def export(self, folder: Path, request: ExportRequest, watch: Watch) -> Any:
        """Write a run's result as other programs take it, and compare. Call it in a thread of its own."""
        from droid_tune.export.result import export_run

        return export_run(folder, request, watch)

    def sampling_command(self, folder: Path) -> str:
        """Reads the model's tokenizer, which ends answers. Raises `UserError`."""
        from droid_tune.export.targets.adapter_folder import sampling_command

        return sampling_command(folder)

    def upload(self, folder: Path, repository: str, public: bool, watch: Watch) -> str:
        """Upload what was exported for the Hub. Call it in a thread of its own."""
        from droid_tune.export.targets.hub_repository import upload

        return upload(folder, repository, public=public, watch=watch)

    def try_rewards(self, question: BenchQuestion, watch: Watch) -> Trial:
        """In a process of its own. Call it in a thread that can wait."""
        from droid_tune.workbench.bench_child import try_in_child

        return try_in_child(question, watch)

    def rescore(
        self, question: BenchQuestion, watch: Watch, on_step: Callable[[RescoredStep], object]
    ) -> Rescored:
        """In a process of its own. Call it in a thread that can wait."""
        from droid_tune.workbench.bench_child import rescore_in_child

        return rescore_in_child(question, watch, on_step)

    def look_at_reward(self, path: str, text: str, function: str) -> LookedAt:
        """The text is loaded in a child, shut in. Call it in a thread that can wait."""
        from droid_tune.workbench.bench_child import look_at_text

        return look_at_text(path, text, function)

    def release(self, *, going_on: bool = False) -> None:
        """Give the memory of this thread's models back."""
        from droid_tune.train.engine import release_memory

        release_memory(going_on=going_on)
