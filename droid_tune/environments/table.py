"""The environment that a run's settings name."""

from __future__ import annotations

from droid_tune.config.environments import OpenEnvEnvironment, OwnCodeConfig, VerifiersEnvironment
from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.environments.episode import Environment
from droid_tune.environments.of_openenv import OfOpenEnv
from droid_tune.environments.of_reasoning_gym import OfReasoningGym
from droid_tune.environments.of_verifiers import OfVerifiers
from droid_tune.environments.own_code import OwnCode
from droid_tune.environments.showing import Showing
from droid_tune.errors import UserError


def open_environment(config: RunConfig, *, template: str, watch: Watch = UNWATCHED) -> Environment:
    """Ready to open episodes; its children run until `close`. Raises UserError for what cannot be used.

    `template` is the source of the model's chat template.
    """
    section = config.environment
    if section is None:
        raise UserError("The settings name no environment", remedy="add a section `environment`")
    showing = Showing(template, section.tool_prompt == "system")
    if isinstance(section, OwnCodeConfig):
        path = section.file.resolve()
        environment = OwnCode(section, path, config.data.system_prompt, showing, watch)
        if section.judges and not environment.judge and not config.rewards:
            environment.close()
            raise UserError(
                "The environment's class gives no reward",
                place=str(path),
                remedy="write `def get_reward(self)`, or name `rewards` beside it",
            )
        return environment
    if isinstance(section, VerifiersEnvironment):
        return OfVerifiers(section, showing, watch)
    if isinstance(section, OpenEnvEnvironment):
        return OfOpenEnv(section, config.data.system_prompt, showing, watch)
    return OfReasoningGym(section, config.data.system_prompt, showing, watch)
