"""The chosen model's tokenizer, loaded and used in one thread of its own: it is slow to load and not thread-safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThreadPool

from droid_tune.control import Watch
from droid_tune.errors import UserError
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import load_tokenizer
from ui.frame.lingering import LINGERING
from ui.panes.data.data_job import DataJob

Work = Callable[[Any, Watch], Any]


class TokenizerDesk(QObject):
    """`job(model, work)`, once started, calls `work(tokenizer, watch)` when its turn comes."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        # Only the desk's thread touches it.
        self._loaded: tuple[str, Any] | None = None

    def job(
        self,
        model: str,
        work: Work,
        *,
        done: Callable[[Any], object],
        failed: Callable[[str], object],
    ) -> DataJob:
        """It fails with a sentence where there is no tokenizer."""

        def with_tokenizer(watch: Watch) -> Any:
            return work(self._tokenizer(model), watch)

        return DataJob(with_tokenizer, self, done=done, failed=failed, pool=self._pool)

    def later(self, work: Callable[[], object]) -> None:
        """Calls `work` when its turn comes; nobody hears of it."""
        self._pool.start(work)

    def close(self, last: Callable[[], object]) -> None:
        """The window closes: what waits is dropped but `last`, and nobody waits for what runs."""
        LINGERING.keep_pool(self._pool)
        self.later(last)

    def _tokenizer(self, model: str) -> Any:
        if self._loaded is None or self._loaded[0] != model:
            self._loaded = None
            self._loaded = (model, tokenizer_of(model))
        return self._loaded[1]


def tokenizer_of(model: str) -> Any:
    """Raises `UserError` where the model is not on this computer."""
    folder = local_model(model)
    if folder is None:
        raise UserError(
            f"The model {model} is not on this computer yet, so its tokenizer cannot be asked",
            remedy="choose one that is there, or train once: it is downloaded then",
        )
    return load_tokenizer(folder)
