"""The environment of a run, opened for its model's template and closed with the run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager

from droid_tune.config import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.environments.episode import Environment
from droid_tune.environments.opening_prompt import environment_for
from droid_tune.errors import UserError
from droid_tune.model.policy import Policy
from droid_tune.train.distributed import World


@contextmanager
def acted_in(config: RunConfig, policy: Policy, watch: Watch = UNWATCHED) -> Generator[Environment | None]:
    """What the model acts in, None where the settings name nothing. Raises UserError for what cannot be used."""
    if config.environment is None:
        yield None
        return
    with closing(environment_for(config, policy.tokenizer, watch)) as environment:
        yield environment


def check_alone(config: RunConfig, world: World) -> None:
    """Raise UserError where several ranks would have to play episodes: each would wait for the others' tools."""
    if config.environment is not None and not world.alone:
        raise UserError(
            f"A run with an `environment` trains on one computer, not on {world.size}",
            place="environment",
            remedy="start it without mlx.launch, or leave `environment` out",
        )
