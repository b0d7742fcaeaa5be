"""The thread that answers the playground: one model is held, one question asked after another."""

from __future__ import annotations

import logging
import threading
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue

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
