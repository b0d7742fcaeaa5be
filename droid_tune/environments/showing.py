"""How a model is shown tools: by its template, or in words for one whose template shows none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune.environments.calls.table import format_of, shows_tools
from droid_tune.environments.calls.tagged import HERMES
from droid_tune.environments.episode import Message, Turn
from droid_tune.environments.openings import tools_in_words, with_system
from droid_tune.environments.turn_reader import ReadTurn, TurnReader
from droid_tune.errors import UserError

_REMEDY = (
    "choose a model that knows tools (Qwen3, Qwen2.5, Llama 3.1 or later, Mistral Nemo, Gemma 4), or set `tool_prompt` to "
    "system, which tells them in words"
)


@dataclass(frozen=True)
class Showing:
    """What is known of a model: its chat template's source, and whether tools are told in words."""

    template: str
    in_words: bool = False

    def of(self, tools: Sequence[Message]) -> ShownTools:
        """Tools as this model is shown them. Raises UserError for a template that knows none."""
        found = format_of(self.template)
        if tools and not self.in_words:
            if not shows_tools(self.template):
                raise UserError(
                    "The model's chat template shows no tools", place="environment", remedy=_REMEDY
                )
            if found is None:
                raise UserError(
                    "The model's chat template writes calls in a way that is not known here",
                    place="environment",
                    remedy=_REMEDY,
                )
        return ShownTools(TurnReader(found or HERMES, tools), tools, bool(tools) and self.in_words)


@dataclass(frozen=True)
class ShownTools:
    """The tools of an environment before one model."""

    reader: TurnReader
    tools: Sequence[Message]
    in_words: bool

    def opening(self, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """The prompt's turns, with the tools where the template does not write them."""
        if not self.in_words:
            return tuple(turns)
        return tuple(with_system(turns, tools_in_words(self.tools, self.reader.form)))

    def read(self, text: str) -> ReadTurn:
        """A turn of the model's, as templates write it into the history: in words the calls stay in its text."""
        got = self.reader.read(text)
        if not self.in_words and not got.faults:
            return got
        said = TurnReader(self.reader.form, ()).read(text).turn
        return ReadTurn(said, got.order)
