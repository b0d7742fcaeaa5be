"""The one door to the engine: a thread that trains, and what the window asks of runs on disk.

Everything of `droid_tune.train` is imported inside functions, so that building the window reads no MLX; MLX itself
is first imported inside the engine's thread. `EngineDoor` is what the window knows; tests put a fake in its place.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.config import RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.events import Event, Phase, RunFinished
from droid_tune.machine.device_faults import FRESH, told
from droid_tune.names import LAST
from ui.frame.lingering import LINGERING

if TYPE_CHECKING:
    from droid_tune.config.exporting import ExportRequest
    from droid_tune.estimate.signal import CheckReport
    from droid_tune.runs.folder import RunSummary

log = logging.getLogger(__name__)

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
    """`droid_tune.playground.Playground`, as far as the window asks."""

    def reply(
        self,
        prompt: str,
        sampling: SamplingConfig,
        *,
        with_adapter: bool = True,
        on_text: Callable[[str], None] | None = None,
        watch: Watch = UNWATCHED,
    ) -> Any:
        """The whole answer; `on_text` gets it piece by piece. Raises `UserError`, and `Stopped` where `watch` ends it."""


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

    def export(self, folder: Path, request: ExportRequest, watch: Watch) -> Any:
        """Write a run's result and compare it; an `Exported`. Raises `UserError`, `Stopped`."""

    def upload(self, folder: Path, repository: str, public: bool, watch: Watch) -> str:
        """Upload an exported folder to the Hub; its address. Raises `UserError`, `Stopped`."""
        raise NotImplementedError

    def release(self) -> None:
        """Give back the memory of this thread's models."""


class Engine:
    """The real engine, in the calling thread or (`apart`) in a process of its own.

    After a fault of the device the memory that this process holds on it is in doubt: further runs get another process.
    """

    def __init__(self, apart: Callable[[], bool] = bool) -> None:
        self._apart = apart
        self._doubtful = False

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
        from droid_tune.runs.durable import write_text
        from droid_tune.runs.folder import read_config

        renamed = read_config(folder).model_copy(update={"name": name})
        write_text(RunPaths(folder).config, dump_yaml(renamed))

    def playground(self, folder: Path, checkpoint: str) -> Answerer:
        """What a run has learnt, to ask. Call it in the thread that asks."""
        from droid_tune.playground import Playground

        return Playground.of_run(folder, checkpoint)

    def check(
        self, config: RunConfig, prompts: int, control: Any, on_progress: Callable[[Phase], None]
    ) -> CheckReport:
        """Sample a few prompts with the starting model. Call it in a thread of its own."""
        from droid_tune.check import check_signal
        from droid_tune.config.trust import trust

        trust(config)  # the form's settings are the person's own
        return check_signal(config, prompts=prompts, control=control, on_progress=on_progress)

    def export(self, folder: Path, request: ExportRequest, watch: Watch) -> Any:
        """Write a run's result as other programs take it, and compare. Call it in a thread of its own."""
        from droid_tune.export.result import export_run

        return export_run(folder, request, watch)

    def upload(self, folder: Path, repository: str, public: bool, watch: Watch) -> str:
        """Upload what was exported for the Hub. Call it in a thread of its own."""
        from droid_tune.export.targets.hub_repository import upload

        return upload(folder, repository, public=public, watch=watch)

    def release(self) -> None:
        """Give the memory of this thread's models back."""
        from droid_tune.train.engine import release_memory

        release_memory()


#: held by the thread that uses MLX: a run waits for the playground's token or the check's, they wait for a run
_TURN = threading.Lock()
_LOOK_S = 0.1


@contextmanager
def taking_turns(gone: Callable[[], bool] = bool) -> Generator[bool]:
    """Inside, no other thread uses MLX; False where whoever asked went away while it waited for that."""
    while not (taken := _TURN.acquire(timeout=_LOOK_S)) and not gone():
        pass
    try:
        yield taken
    finally:
        if taken:
            _TURN.release()


class EngineThread(QThread):
    """Runs one training to its end. `finished` always comes; `failed` before it where the engine could not say so itself."""

    told = Signal(object)  # an Event
    failed = Signal(str)

    def __init__(self, work: Callable[[Emit], object], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("engine")
        self._work = work

    def run(self) -> None:
        try:
            with taking_turns():
                self._work(self.told.emit)
        except UserError as error:
            self.failed.emit(str(error))
        except BaseException as error:  # a thread that dies silently would leave the window waiting
            log.error("the engine failed\n%s", traceback.format_exc())
            self.failed.emit(f"The engine met an unexpected error: {type(error).__name__}: {error}")


class CheckThread(QThread):
    """Runs one signal check: `done` with its report, or `failed` with a sentence; a stop ends it in silence.

    Nobody waits for it: `let_go` asks it to end, and it goes when it has.
    """

    progressed = Signal(object)  # Phase
    done = Signal(object)  # CheckReport
    failed = Signal(str)

    def __init__(
        self, engine: EngineDoor, config: RunConfig, prompts: int, control: Steering, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.setObjectName("check")
        self._engine, self._config, self._prompts, self._control = engine, config, prompts, control
        self._closing = threading.Event()

    def let_go(self) -> None:
        """Whoever asked goes away: the thread ends within a token or a slice, and is deleted then."""
        self._closing.set()
        self._control.request_stop()
        LINGERING.keep(self)

    def run(self) -> None:
        with taking_turns(self._closing.is_set) as taken:
            if taken:
                self._check()

    def _check(self) -> None:
        try:
            self.done.emit(
                self._engine.check(self._config, self._prompts, self._control, self.progressed.emit)
            )
        except Stopped:
            pass
        except UserError as error:
            self.failed.emit(str(error))
        except Exception as error:
            log.error("the check failed\n%s", traceback.format_exc())
            self.failed.emit(told(error) or f"The check failed: {type(error).__name__}: {error}")
        finally:
            self._engine.release()


@dataclass(frozen=True)
class PlaygroundQuestion:
    """What the playground asks: a run, a prompt, and how to sample."""

    run: Path
    prompt: str
    temperature: float
    max_tokens: int
    checkpoint: str = LAST


#: which weights a model has, and the model
Held = tuple[tuple[Path, str], Answerer]


class PlaygroundThread(QThread):
    """Keeps the model of one run and answers one question after another: as it was, then as it is."""

    piece = Signal(str, str)  # side, the next piece of text
    replied = Signal(str, str)  # side, the whole answer
    failed = Signal(str)
    answered = Signal()  # a question is done, well or not

    def __init__(self, engine: EngineDoor, parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("playground")
        self._engine = engine
        self._questions: Queue[PlaygroundQuestion | None] = Queue()
        self._closing = threading.Event()

    def ask(self, question: PlaygroundQuestion) -> None:
        """Answered after the questions before it, by signals."""
        self._questions.put(question)

    def let_go(self) -> None:
        """Whoever asked goes away: the thread ends within a token or so, and is deleted then."""
        self._closing.set()
        self._questions.put(None)
        LINGERING.keep(self)

    def run(self) -> None:
        try:
            self._serve()
        except Exception as error:  # loading a library may fail as well
            log.error("the playground failed\n%s", traceback.format_exc())
            self.failed.emit(told(error) or f"The playground ended: {type(error).__name__}: {error}")

    def _serve(self) -> None:
        held: Held | None = None
        while (question := self._questions.get()) is not None:
            with taking_turns(self._closing.is_set) as taken:
                if taken:
                    held = self._turn(question, held)
                if self._closing.is_set():
                    break
        held = None
        self._engine.release()

    def _turn(self, question: PlaygroundQuestion, held: Held | None) -> Held | None:
        """Answer one question; the model that is held after it."""
        wanted = (question.run, question.checkpoint)
        try:
            if held is None or held[0] != wanted:
                held = None  # lets go of one model before it loads another
                held = (wanted, self._engine.playground(*wanted))
            self._answer(held[1], question)
        except Stopped:
            log.info("the answer was ended: the playground closes")
        except UserError as error:
            self.failed.emit(str(error))
        except Exception as error:
            log.error("the playground failed\n%s", traceback.format_exc())
            self.failed.emit(told(error) or f"The model could not answer: {type(error).__name__}: {error}")
        self.answered.emit()
        return held

    def _answer(self, model: Answerer, question: PlaygroundQuestion) -> None:
        sampling = SamplingConfig(temperature=question.temperature, max_completion_length=question.max_tokens)
        for side, trained in (("base", False), ("trained", True)):
            said = model.reply(
                question.prompt,
                sampling,
                with_adapter=trained,
                on_text=partial(self.piece.emit, side),
                watch=Watch(should_stop=self._closing.is_set),
            )
            self.replied.emit(side, said.text)
