"""The thread that answers the playground: one model is held, one question asked after another."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.machine.device_faults import told
from droid_tune.names import LAST
from ui.engine_worker import Answerer, EngineDoor
from ui.frame.lingering import LINGERING
from ui.work.taking_turns import taking_turns

log = logging.getLogger(__name__)


#: which weights: a run and a checkpoint of it
Weights = tuple[Path, str]


@dataclass(frozen=True)
class PlaygroundQuestion:
    """What the playground asks: a run's model before training and at a checkpoint, and `others` beside it.

    `row` is the row of data that the prompt is of, where it is one; each of the `samples` has a seed of its own,
    counted from `seed`, the same for every model.
    """

    run: Path
    prompt: str
    temperature: float
    max_tokens: int
    checkpoint: str = LAST
    others: tuple[Weights, ...] = ()
    row: Mapping[str, Any] | None = None
    samples: int = 1
    seed: int = 0

    @property
    def asked(self) -> Any:
        """What the model gets."""
        return self.prompt if self.row is None else dict(self.row)

    @property
    def judged(self) -> dict[str, Any]:
        """The row that rewards see."""
        return {"prompt": self.prompt} if self.row is None else dict(self.row)


@dataclass
class HeldModel:
    """The one model in memory, and whose weights it has."""

    weights: Weights
    answerer: Answerer


class PlaygroundThread(QThread):
    """Keeps the model of one run and answers one question after another: as it was, as it is, and as others are.

    A voice is a column of answers: 0 the model before training, 1 the run's checkpoint, then the others.
    """

    piece = Signal(int, int, str)  # voice, sample, the next piece of text
    replied = Signal(int, int, object)  # voice, sample, the whole Reply
    judged = Signal(int, list)  # voice, an AnswerVerdict for each of its samples
    failed = Signal(str)
    waits = Signal()  # for whatever else uses the model's chip now
    taken = Signal()  # it waits no longer
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
        held: HeldModel | None = None
        while (question := self._questions.get()) is not None:
            with taking_turns(self._closing.is_set, self.waits.emit) as taken:
                if taken:
                    self.taken.emit()
                    held = self._turn(question, held)
                if self._closing.is_set():
                    break
        held = None
        self._engine.release()

    def _turn(self, question: PlaygroundQuestion, held: HeldModel | None) -> HeldModel | None:
        """Answer one question; the model that is held after it."""
        try:
            own = (question.run, question.checkpoint)
            for voice, weights in enumerate((own, own, *question.others)):
                held = self._held(weights, held)
                self._answer(held.answerer, question, voice)
        except Stopped:
            log.info("the answer was ended: the playground closes")
        except UserError as error:
            held = None
            self.failed.emit(str(error))
        except Exception as error:
            held = None
            log.error("the playground failed\n%s", traceback.format_exc())
            self.failed.emit(told(error) or f"The model could not answer: {type(error).__name__}: {error}")
        self.answered.emit()
        return held

    def _held(self, weights: Weights, held: HeldModel | None) -> HeldModel:
        """The model with these weights: a run's other checkpoint is put into the same model, another run's is loaded."""
        if held is not None and held.weights == weights:
            return held
        if held is not None and held.weights[0] == weights[0]:
            held.answerer.turn_to(weights[1])
            return HeldModel(weights, held.answerer)
        if held is not None:
            del held  # lets go of one model before it loads another
            self._engine.release(going_on=True)
        return HeldModel(weights, self._engine.playground(*weights))

    def _answer(self, model: Answerer, question: PlaygroundQuestion, voice: int) -> None:
        sampling = SamplingConfig(temperature=question.temperature, max_completion_length=question.max_tokens)
        watch = Watch(should_stop=self._closing.is_set)
        said: list[Any] = []
        for sample in range(question.samples):
            reply = model.reply(
                question.asked,
                sampling,
                with_adapter=voice > 0,
                on_text=partial(self.piece.emit, voice, sample),
                watch=watch,
                seed=question.seed + sample,
            )
            said.append(reply)
            self.replied.emit(voice, sample, reply)
        self._judge(model, question, voice, said, watch)

    def _judge(
        self, model: Answerer, question: PlaygroundQuestion, voice: int, said: list[Any], watch: Watch
    ) -> None:
        """A reward that cannot judge takes no answer away."""
        try:
            self.judged.emit(voice, model.verdicts(question.judged, said, watch))
        except UserError as error:
            self.failed.emit(str(error))
