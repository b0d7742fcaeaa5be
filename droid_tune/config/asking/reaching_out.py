"""What a run's settings reach for beyond its model and data: a reward file, an environment, a judge's address, a key."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from droid_tune.config.asking.reward_modules import modules_beside
from droid_tune.config.environments import OpenEnvEnvironment, OwnCodeConfig, VerifiersEnvironment
from droid_tune.config.recipes.online_methods import OnlinePairConfig
from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.config.rewards import CodeReward, ModelReward, UserFileReward
from droid_tune.config.run import RunConfig
from droid_tune.paths import BUNDLED_TOOLS, user_path

#: environment variables in which keys of judges are known to stand
KNOWN_KEYS = frozenset(
    f"{owner}_API_KEY"
    for owner in (
        *(
            "ANTHROPIC",
            "ANYSCALE",
            "AZURE_OPENAI",
            "CEREBRAS",
            "COHERE",
            "DASHSCOPE",
            "DEEPINFRA",
            "DEEPSEEK",
        ),
        *("DROID_TUNE", "FIREWORKS", "GEMINI", "GOOGLE", "GROQ", "JUDGE", "LITELLM", "LM_STUDIO", "MISTRAL"),
        *("MOONSHOT", "NEBIUS", "NVIDIA", "OLLAMA", "OPENAI", "OPENROUTER", "PERPLEXITY", "SAMBANOVA"),
        *("SILICONFLOW", "TOGETHER", "VLLM", "XAI", "ZAI"),
    )
)


def reaches(config: RunConfig) -> list[str]:
    """What running with these settings would do, a clause each; none for settings that stay by themselves."""
    if not config.samples:
        return []
    found: list[str] = [*_of_teachers(config), *_of_pair_judge(config)]
    found += _of_environment(config)
    for reward in config.rewards:
        match reward:
            case UserFileReward():
                found += _of_file(reward)
            case ModelReward(base_url=url) if url:
                found += _sent_to(url, reward.api_key_variable)
            case CodeReward(allow_running_code=True):
                found.append("runs Python that the model writes")
            case _:
                pass
    return found


def _of_file(brought: UserFileReward | OwnCodeConfig) -> list[str]:
    also = [f"lets that file read {one}" for one in brought.readable]
    if brought.network:
        also.append("lets that file use the network")
    ours = isinstance(brought, OwnCodeConfig) and brought.path == BUNDLED_TOOLS
    return also if ours else [f"runs the Python file {brought.path}", *also]


def _of_environment(config: RunConfig) -> list[str]:
    """The user's code, or an installed package's, that plays with the model."""
    match config.environment:
        case OwnCodeConfig() as own:
            return _of_file(own)
        case VerifiersEnvironment(id=name, network=network):
            also = ["lets that environment use the network"] if network else []
            return [f"runs the installed environment {name}", *also]
        case OpenEnvEnvironment() as served:
            return _of_server(served)
        case _:
            return []


def _of_server(served: OpenEnvEnvironment) -> list[str]:
    if served.is_address:
        return [f"plays with the server {served.server}"]
    also = [f"lets that environment read {one}" for one in served.readable]
    if served.network:
        also.append("lets that environment use the network")
    named = f"the code in {served.folder}" if served.folder else f"the installed environment {served.server}"
    return [f"runs {named}", *also]


def _of_pair_judge(config: RunConfig) -> list[str]:
    """A server that compares answers."""
    method = config.method
    if not isinstance(method, OnlinePairConfig) or not method.judge_url:
        return []
    return _sent_to(method.judge_url, method.judge_key_variable)


def _of_teachers(config: RunConfig) -> list[str]:
    """Servers that grade tokens."""
    names = config.method.teachers if isinstance(config.method, TeacherConfig) else ()
    servers = [name for name in names if name.startswith(("http://", "https://"))]
    return [clause for one in servers for clause in _sent_to(one)]


def _sent_to(url: str, key_variable: str = "") -> list[str]:
    """What goes to a server: prompts and completions, and perhaps a key."""
    parts = urlsplit(url)
    key = f" with the key in ${key_variable}" if key_variable else ""
    said = f"sends prompts and completions to {parts.scheme}://{parts.hostname or ''}{key}"
    return [said, *filter(None, (plain_http(url),))]


def plain_http(url: str) -> str:
    """A clause about an address whose traffic others could read; empty for https, this computer and private networks."""
    parts = urlsplit(url)
    if parts.scheme != "http" or is_private(parts.hostname or ""):
        return ""
    return f"uses plain http to {parts.hostname}: on the way everyone could read prompts, completions and the key"


def is_private(host: str) -> bool:
    """Whether a host is this computer or one of a network that is not the public one; names are not looked up."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith((".localhost", ".local", ".lan", ".internal", ".home.arpa")):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and "." not in name  # a name of the own network
    return address.is_loopback or address.is_private or address.is_link_local


def code_files(config: RunConfig) -> list[Path]:
    """The Python files that the settings run, and those beside them that they import."""
    files = [user_path(one.path) for one in config.rewards if isinstance(one, UserFileReward)]
    if isinstance(config.environment, OwnCodeConfig):
        files.append(config.environment.file)
    return [*files, *(module for file in files for module in modules_beside(file)), *served_files(config)]


def served_files(config: RunConfig) -> list[Path]:
    """The code of an environment that is served from a folder; none for every other one."""
    folder = config.environment.folder if isinstance(config.environment, OpenEnvEnvironment) else None
    return [] if folder is None else _of_folder(folder)


def _of_folder(folder: Path) -> list[Path]:
    """The settings and the Python files of a server's folder, what is installed inside it not counted."""
    found = sorted(one for one in folder.rglob("*.py") if one.is_file())
    inside = [one.relative_to(folder).parts for one in found]
    own = [one for one, parts in zip(found, inside, strict=True) if not any(part[0] == "." for part in parts)]
    settings = folder / "openenv.yaml"
    return [*([settings] if settings.is_file() else []), *own]


def key_names(config: RunConfig) -> set[str]:
    """The environment variables that hold keys for the judges of the settings."""
    judges = (one for one in config.rewards if isinstance(one, ModelReward) and one.base_url)
    named = {judge.api_key_variable for judge in judges}
    method = config.method
    if isinstance(method, OnlinePairConfig) and method.judge_url:
        named.add(method.judge_key_variable)
    return named - {""}
