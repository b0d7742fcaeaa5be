"""Which tools an environment offers to a model, in words: for who sets a run up."""

from __future__ import annotations

from droid_tune.config.environments import EnvironmentConfig
from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.environments.episode import Message
from droid_tune.environments.lane_environment import LaneEnvironment
from droid_tune.environments.of_verifiers import OfVerifiers
from droid_tune.environments.table import open_environment
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import load_tokenizer

NO_TOOLS = "It was found and can be used. It offers no tools: the model answers in words."


def tools_offered(config: RunConfig, watch: Watch = UNWATCHED) -> list[str]:
    """`price(item): The price of an item in cents.`, a line for each tool, or a sentence that there are none.

    The environment is started and ended for it, which takes seconds for one of a package.

    Raises UserError for what cannot be used, a model whose template knows no tools included where the model is here.
    """
    folder = local_model(config.model.path, config.model.revision)
    template = "" if folder is None else ChatTemplate.of(load_tokenizer(folder)).source
    environment = open_environment(config if template else _in_words(config), template=template, watch=watch)
    try:
        own = isinstance(environment, LaneEnvironment | OfVerifiers)
        tools = environment.all_tools if own else environment.tools
        return [tool_in_words(tool) for tool in tools] or [NO_TOOLS]
    finally:
        environment.close()


def _in_words(config: RunConfig) -> RunConfig:
    """The same without a question to the model's template, which is not here."""
    section = config.environment
    assert isinstance(section, EnvironmentConfig)
    return config.model_copy(update={"environment": section.model_copy(update={"tool_prompt": "system"})})


def tool_in_words(tool: Message) -> str:
    """A tool's name, its parameters and the first line of what it does."""
    told: Message = tool["function"]
    named = ", ".join((told.get("parameters") or {}).get("properties") or {})
    does = str(told.get("description") or "").partition("\n")[0]
    return f"{told['name']}({named}): {does}" if does else f"{told['name']}({named})"
