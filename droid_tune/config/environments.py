"""What a model acts in while it learns: tools, a class of the user's, or a package's environment; one closed config each."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from droid_tune.config.base import Closed, configs_by_type, setting
from droid_tune.config.rewards import FailureShare
from droid_tune.names import RewrittenHistory, TurnCredit
from droid_tune.paths import tools_file, user_path

#: what its column of rewards is called beside those of the run
ENVIRONMENT = "environment"


class EnvironmentConfig(Closed):
    """What every environment has."""

    label: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    #: whether it gives rewards of its own
    judges: ClassVar[bool] = True
    reward_weight: float = setting(1.0, "Weight of its reward", advanced=True, ge=-1000, le=1000)
    """How much what the environment gives counts beside the rewards of this run."""
    max_turns: int = setting(6, "Most turns", ge=1, le=1000)
    """The model speaks at most so often in an episode; one that then still calls a tool is cut."""
    max_turn_tokens: int = setting(256, "Longest turn", unit="tokens", ge=1, le=1_048_576)
    """A turn that reaches this length ends its episode: a call cut in the middle is none."""
    timeout_seconds: float = setting(10.0, "Time limit", unit="s", gt=0, le=3600)
    """Per call of a tool, and per start or judgement of an episode; what takes longer failed."""
    episode_seconds: float = setting(0.0, "Time limit of an episode", unit="s", advanced=True, ge=0)
    """The environment's own time in one episode; what takes longer is cut. 0: no limit."""
    tool_prompt: Literal["template", "system"] = setting("template", "Where tools are shown", advanced=True)
    """template: as the model's chat template shows them. system: in words at the end of the system text, for a model
    whose template shows none; their results are then turns of the user's.
    """
    at_once: int = setting(8, "Episodes at once", advanced=True, ge=1, le=256)
    """Child processes that run tools or environments side by side."""
    memory_mb: int = setting(1024, "Memory limit", unit="MB", advanced=True, ge=64)
    """Of each child process."""
    result_characters: int = setting(4000, "Longest result", advanced=True, unit="characters", ge=16)
    """What a tool gives beyond this is left out, with a sentence that says so."""
    network: bool = setting(False, "May use the network", advanced=True)
    """Off by default: tools and environments run shut in, without network and without your files."""
    failure_share: FailureShare = 0.5
    waiting_share: float = setting(0.5, "Share that may wait", advanced=True, ge=0, le=0.9)
    """Of the episodes in hand so many may wait for their tools while the others are written: 0 for tools that answer
    at once, more for slow ones. What is sampled depends on this number, never on how soon a tool answers.
    """
    rewritten_history: RewrittenHistory = setting("keep", "Rewritten history", advanced=True)
    """Some templates show earlier turns otherwise once others follow (thoughts are taken out). keep: the model goes
    on behind what it wrote. refuse: the run ends with a sentence.
    """
    credit: TurnCredit = setting("episode", "Credit", advanced=True)
    """episode: all turns share the episode's advantage. turn: each turn also that of its own return among turns in
    equal states (GiGPO, arXiv 2505.10978).
    """
    turn_weight: float = setting(1.0, "Weight of turns", advanced=True, ge=0, le=100)
    """With `credit: turn`: how much the turns' advantages count beside the episode's."""
    turn_discount: float = setting(0.95, "Discount of turns", advanced=True, ge=0, le=1)
    """With `credit: turn`: how much a later turn's reward counts for the turn before it."""


class OwnCodeConfig(EnvironmentConfig):
    """An environment from a Python file of the user's."""

    path: str = setting(title="File")
    """A Python file."""
    readable: tuple[str, ...] = setting((), "May read", advanced=True)
    """Files and folders that it may read besides its own folder."""

    @property
    def file(self) -> Path:
        """Where the code is: the user's, or the bundled example's."""
        return tools_file(self.path)


class ToolsEnvironment(OwnCodeConfig):
    """Plain Python functions that the model may call; an answer without a call ends the episode."""

    label: ClassVar[str] = "Functions as tools"
    summary: ClassVar[str] = "Functions of a Python file: docstring and type hints are what the model reads."
    judges: ClassVar[bool] = False
    type: Literal["tools"] = "tools"
    functions: tuple[str, ...] = setting((), "Functions")
    """Their names; empty takes every public function of the file."""


class ClassEnvironment(OwnCodeConfig):
    """A class whose public methods are tools, as TRL's `environment_factory` has it."""

    label: ClassVar[str] = "Environment class"
    summary: ClassVar[str] = (
        "A class with `reset` and tools as methods, as TRL's `environment_factory` takes it."
    )
    type: Literal["class"] = "class"
    name: str = setting("", "Class")
    """Its name; empty takes the only class of the file that has a `reset`."""
    reward: str = setting("", "Reward function", advanced=True)
    """A function of the file that takes `environments`, as TRL's reward functions do; empty: the class' own
    `get_reward`, else its attribute `reward`.
    """


class VerifiersEnvironment(EnvironmentConfig):
    """An installed environment of the `verifiers` library, judged by its own rubric."""

    label: ClassVar[str] = "verifiers"
    summary: ClassVar[str] = "An installed environment of the `verifiers` library, by its id."
    type: Literal["verifiers"] = "verifiers"
    id: str = setting(title="Environment")
    """The id that `load_environment` takes, or a class of the library's own: verifiers.ReasoningGymEnv."""
    args: dict[str, Any] = setting(title="Arguments", default_factory=dict, advanced=True)
    """What `load_environment` takes besides."""
    at_once: int = setting(2, "Child processes", advanced=True, ge=1, le=64)
    """Each plays eight episodes and more at a time; the library takes seconds to load."""
    memory_mb: int = setting(4096, "Memory limit", unit="MB", advanced=True, ge=64)
    """Of each child process."""


class ReasoningGymEnvironment(EnvironmentConfig):
    """Tasks of Reasoning Gym by name and difficulty, judged by their own scorers."""

    label: ClassVar[str] = "Reasoning Gym"
    summary: ClassVar[str] = "Generated puzzles with scorers of their own, harder as the model gets better."
    type: Literal["reasoning_gym"] = "reasoning_gym"
    max_turns: int = setting(1, "Most turns", ge=1, le=1)
    """A puzzle is answered in one turn."""
    tasks: dict[str, dict[str, Any]] = setting(title="Tasks", default_factory=dict)
    """Names of tasks, each with its settings, such as chain_sum: {max_terms: 3}; empty takes those of the rows."""
    level: int = setting(0, "Difficulty", ge=0, le=20)
    """The level of each task's curriculum at which the rows begin, where it has one."""
    levels: int = setting(1, "Levels", ge=1, le=20)
    """So many levels, the easiest first; with `data.shuffle` off they are met in this order."""
    rows: int = setting(500, "Rows of a task", ge=1, le=1_000_000)
    """So many of each task and level are generated from the run's seed."""


class OpenEnvEnvironment(EnvironmentConfig):
    """An OpenEnv environment, played over its server's own protocol."""

    label: ClassVar[str] = "OpenEnv"
    summary: ClassVar[str] = (
        "An OpenEnv environment of yours or of a package: its actions are a tool, its rewards count by the turn."
    )
    type: Literal["openenv"] = "openenv"
    server: str = setting(title="Server")
    """A folder with `openenv.yaml`; an installed package (echo_env, or echo_env.server.app:app); or the address of a
    server that runs on this computer: http://127.0.0.1:8000. Folders and packages need no port and run shut in.
    """
    shown: str = setting("", "Shown of an observation", advanced=True)
    """The field that the model reads; empty takes all fields, as JSON where there are several."""
    reset: dict[str, Any] = setting(title="Reset", default_factory=dict, advanced=True)
    """What `reset` is given besides the row's columns and the seed."""
    readable: tuple[str, ...] = setting((), "May read", advanced=True)
    """Files and folders that a server in a folder may read besides its own."""
    at_once: int = setting(4, "Child processes", advanced=True, ge=1, le=64)
    """Episodes are spread over so many servers; one that keeps no sessions apart plays one episode each."""
    memory_mb: int = setting(4096, "Memory limit", unit="MB", advanced=True, ge=64)
    """Of each child process."""

    @field_validator("server")
    @classmethod
    def _is_here(cls, server: str) -> str:
        """A server elsewhere would be sent what the model writes."""
        if "://" in server and not _is_of_this_computer(server):
            raise ValueError(f"is no http address of this computer: {server}")
        return server

    @property
    def is_address(self) -> bool:
        """Whether the server runs already."""
        return "://" in self.server

    @property
    def folder(self) -> Path | None:
        """The folder that holds the server's code; None for a package and an address."""
        if self.is_address:
            return None
        named = user_path(self.server)
        is_path = any(mark in self.server for mark in ("/", "\\")) or self.server.startswith((".", "~"))
        return named.resolve() if is_path or (named / "openenv.yaml").is_file() else None


def _is_of_this_computer(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


AnyEnvironment = Annotated[
    ToolsEnvironment | ClassEnvironment | VerifiersEnvironment | ReasoningGymEnvironment | OpenEnvEnvironment,
    Field(discriminator="type"),
]
ENVIRONMENT_CONFIGS: dict[str, type[EnvironmentConfig]] = configs_by_type(AnyEnvironment)


def judges_by_itself(values: Mapping[str, Any]) -> bool:
    """Whether the settings name an environment with a reward of its own, so that no other one is put beside it unasked."""
    given: Any = values.get("environment")
    kind = given.get("type") if isinstance(given, Mapping) else getattr(given, "type", None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    config = ENVIRONMENT_CONFIGS.get(str(kind))
    return config is not None and config.judges
