"""How an episode's opening is put before the model: the row that its template reads, with the environment's tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.data.templates import Prompt, TemplateOptions, render_prompt
from droid_tune.environments.episode import Environment, EpisodeError, Message, Seeds
from droid_tune.environments.table import open_environment
from droid_tune.errors import UserError


def environment_for(config: RunConfig, tokenizer: Any, watch: Watch = UNWATCHED) -> Environment:
    """The environment of a run, for the model of that tokenizer. Raises UserError for what cannot be used."""
    return open_environment(config, template=ChatTemplate.of(tokenizer).source, watch=watch)


def as_read(environment: Environment, row: Mapping[str, Any], opening: Sequence[Message]) -> Row:
    """The row as a template reads it: the opening's turns in place of its prompt, and the environment's tools."""
    shown: dict[str, Any] = {"prompt": list(opening)}
    if environment.tools:
        shown["tools"] = list(environment.tools)
    if row.get("chat_template_kwargs"):
        shown["chat_template_kwargs"] = row["chat_template_kwargs"]
    return shown


def opening_prompt(
    environment: Environment, tokenizer: Any, row: Row, seeds: Seeds, options: TemplateOptions
) -> Prompt:
    """What the model reads before its first turn. Raises UserError where the episode cannot begin, and Stopped."""
    try:
        episode = environment.open(row, seeds).result()
    except EpisodeError as error:
        raise UserError(f"The episode {error}", place="environment") from None
    with closing(episode):
        opening = [turn.message() for turn in episode.opening]
        return render_prompt(tokenizer, as_read(environment, row, opening), options)
