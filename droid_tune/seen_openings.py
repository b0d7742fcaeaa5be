"""A row as a run in an environment puts it before its model: with the tools, and the first turns of the episode."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.base import Row
from droid_tune.data.order.seeds import rollout_seed
from droid_tune.data.rendering.shown import ShownRow, of_prompt
from droid_tune.data.templates import TemplateOptions
from droid_tune.environments.episode import Seeds
from droid_tune.environments.opening_prompt import environment_for, opening_prompt


def row_options(config: RunConfig, tokenizer: Any, watch: Watch = UNWATCHED) -> TemplateOptions:
    """How a run measures its rows, whose environment is started and ended for it. Raises as `opening_seen`."""
    with closing(environment_for(config, tokenizer, watch)) as environment:
        return TemplateOptions.of(config.data, environment.tools)


def opening_seen(
    config: RunConfig, tokenizer: Any, row: Row, number: int, watch: Watch = UNWATCHED
) -> ShownRow:
    """What the model reads before its first turn of row `number` (from 0), as in the run's first rollout: an environment
    that begins by chance begins otherwise in later ones.

    The environment is started and ended for it, which takes seconds for one of a package. Raises UserError for what
    cannot be used, and Stopped.
    """
    with closing(environment_for(config, tokenizer, watch)) as environment:
        seed = config.training.seed
        seeds = Seeds(seed, rollout_seed(seed, 0), number)
        options = TemplateOptions.of(config.data, environment.tools)
        return of_prompt(opening_prompt(environment, tokenizer, row, seeds, options))
