"""The rows that a past run's completions answered, and how their prompts ended, as its rewards saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset, open_configured
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import TemplateOptions, prompt_text, render_prompt
from droid_tune.errors import UserError
from droid_tune.events import RolloutGroup
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import load_tokenizer, speaking_texts
from droid_tune.rewards.thoughts import TAGS


@dataclass
class PastRows:
    """Finds the row of each group, as long as the data is what it was; else the group's own prompt and answer serve."""

    config: RunConfig
    dataset: Dataset | None
    fault: str = ""  # why there is no data
    changed: set[tuple[bool, int | None]] = field(default_factory=set[tuple[bool, "int | None"]])
    _tokenizer: Any = None
    _ends: dict[tuple[bool, int], str] = field(default_factory=dict[tuple[bool, int], str])

    @classmethod
    def of(cls, config: RunConfig, watch: Watch = UNWATCHED) -> PastRows:
        """Of a run's settings. Raises `Stopped`; data that is gone is told by `notes`."""
        try:
            found = cls(config, open_configured(config.data, config.method.type, watch))
        except UserError as error:
            found = cls(config, None, str(error))
        found._tokenizer = _tokenizer_that_thinks(config)
        return found

    def row_of(self, group: RolloutGroup) -> Row:
        """The whole row where the data still has it under its number."""
        rows = () if self.dataset is None else (self.dataset.valid if group.held_out else self.dataset.train)
        if group.row is not None and group.row < len(rows):
            row: Row = rows[group.row]
            if prompt_text(row) == group.prompt:
                return row
        self.changed.add((group.held_out, group.row))
        return {"prompt": group.prompt} | ({} if group.answer is None else {"answer": group.answer})

    def end_of(self, group: RolloutGroup) -> str:
        """How the group's rendered prompt ended; empty where its model opens no thoughts there, or is not here."""
        if self._tokenizer is None or group.row is None:
            return ""
        key = (group.held_out, group.row)
        if key not in self._ends:
            self._ends[key] = self._rendered_end(self.row_of(group))
        return self._ends[key]

    def _rendered_end(self, row: Row) -> str:
        options = TemplateOptions.of(self.config.data)
        try:
            return render_prompt(self._tokenizer, row, options).ends
        except UserError:
            return ""

    def notes(self) -> Sequence[str]:
        """On what the rewards had to do without."""
        if self.fault:
            return [f"Its data cannot be read, so rewards saw the prompt and the answer alone: {self.fault}"]
        if not self.changed:
            return []
        rows = words.count(len(self.changed), "prompt")
        return [f"The data is not as it was at {rows}: there rewards saw the prompt and the answer alone."]


def _tokenizer_that_thinks(config: RunConfig) -> Any:
    """The tokenizer of a model on this computer whose template may open thoughts; None for any other."""
    folder = local_model(config.model.path, config.model.revision)
    if folder is None or not any(tag in text for text in speaking_texts(folder) for tag in TAGS):
        return None
    try:
        return load_tokenizer(folder)
    except UserError:
        return None
