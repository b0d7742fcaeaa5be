"""Where things live: the user's data folder, the bundled resources, one run's files."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path

import platformdirs

from droid_tune.errors import UserError, abbreviated

APP_NAME = "Droid Tune"
HOME_VARIABLE = "DROID_TUNE_HOME"


def user_path(name: str | Path) -> Path:
    """A path that a user wrote, `~` for the home folder; of somebody who is not there it stays as it is, as in a shell.

    What it names need not exist. Raises UserError where the system cannot even look: too long a name, a folder above it that
    may not be entered.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's own raises for somebody who is not there
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(f"The path {abbreviated(str(path))} cannot be used ({why})") from None
    return path


def data_dir() -> Path:
    """The user's own folder (runs, settings, logs); `DROID_TUNE_HOME` overrides it."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser()
    return Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))


def runs_dir() -> Path:
    """Where runs are kept that were given no folder of their own: what the settings say, else below the data folder."""
    file = settings_file()
    try:
        chosen = _chosen_runs(file, file.stat().st_mtime_ns)
    except OSError:
        chosen = ""
    return Path(chosen) if chosen else data_dir() / "runs"


@lru_cache(maxsize=8)
def _chosen_runs(file: Path, _changed_ns: int) -> str:
    """The absolute folder under `runs_folder` in the settings; empty where none is chosen or they are damaged."""
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return ""
    chosen = values.get("runs_folder") if isinstance(values, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return chosen if isinstance(chosen, str) and Path(chosen).is_absolute() else ""


def queue_dir() -> Path:
    """Where runs are kept that wait for their turn."""
    return data_dir() / "queue"


def races_dir() -> Path:
    """Where the plans of races between settings are kept."""
    return data_dir() / "races"


def live_runs_dir() -> Path:
    """Where a process says which run it trains now."""
    return data_dir() / "training"


def cache_dir() -> Path:
    """What can be made again: indexes, calibrations, statistics."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser() / "cache"
    return Path(platformdirs.user_cache_dir(APP_NAME, appauthor=False))


def log_dir() -> Path:
    """Where the window's log goes; below DROID_TUNE_HOME where that is set."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser() / "logs"
    return Path(platformdirs.user_log_dir(APP_NAME, appauthor=False))


def settings_file() -> Path:
    """The window's own settings, none of a run's."""
    return data_dir() / "settings.json"


def resources_dir() -> Path:
    """Icons, starter model, sample data, help texts: beside the packages, in a checkout and in a wheel."""
    return Path(__file__).resolve().parent.parent / "resources"


#: what settings call the models and the data that come with the application; none of them is a path
BUNDLED_MODELS = ("starter", "tools-starter")
BUNDLED_DATA = ("sample", "tools-sample")
#: and the file of tools
BUNDLED_TOOLS = "shop"


def bundled_model_dir(name: str) -> Path | None:
    """The folder of a model that comes with the application; None for every other name."""
    return resources_dir() / name if name in BUNDLED_MODELS else None


def starter_model_dir() -> Path:
    """The bundled model that a newcomer sees first."""
    return resources_dir() / "starter"


def tools_starter_dir() -> Path:
    """The bundled model that can learn to use tools, with its tools and data."""
    return resources_dir() / "tools-starter"


def tools_file(name: str) -> Path:
    """What `environment.path` means: `shop` is the bundled example's file of tools, `~` the user's folder."""
    return tools_starter_dir() / "shop.py" if name == BUNDLED_TOOLS else user_path(name)


def sample_data_dir() -> Path:
    """The bundled data, train.jsonl and valid.jsonl."""
    return resources_dir() / "sample-data"


def data_path(name: str) -> Path:
    """What `data.path` means: `sample` and `tools-sample` are bundled, `~` is the user's folder."""
    match name:
        case "sample":
            return sample_data_dir()
        case "tools-sample":
            return tools_starter_dir() / "data"
        case _:
            return user_path(name)


def hub_cache_dir() -> Path:
    """The Hugging Face cache, by its own environment variables (read without importing the library)."""
    explicit = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if explicit:
        return Path(explicit).expanduser()
    home = os.environ.get("HF_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "huggingface") / "hub"


def private_folder(folder: Path) -> None:
    """Make a folder, and what is missing above it, for its owner alone, whatever the umask. One that exists stays.

    Raises OSError.
    """
    if folder.is_dir():
        return
    private_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)


def private_file(file: Path) -> None:
    """Make a file, or take one that exists, for its owner alone, whatever the umask. Raises OSError."""
    file.touch(mode=0o600)
    file.chmod(0o600)


#: the head of a reward model, beside the adapter's file
REWARD_HEAD = "reward_head.safetensors"


_CHECKPOINT = re.compile("step-([0-9]{1,12})")
#: a checkpoint while another of its step comes into its place
REPLACED_CHECKPOINT = re.compile(r"\.step-([0-9]{1,12})\.[0-9]+\.old")


class RunPaths:
    """The files of one run folder (DESIGN.md section 5)."""

    def __init__(self, folder: Path) -> None:
        self.move_to(folder)

    def move_to(self, folder: Path) -> None:
        """The same files in another folder."""
        self.folder = folder
        self.config = folder / "config.yaml"
        self.events = folder / "events.jsonl"
        self.rollouts = folder / "rollouts.jsonl"
        #: which completions a person preferred, a line each
        self.choices = folder / "choices.jsonl"
        self.checkpoints = folder / "checkpoints"
        self.lock = folder / "lock"
        self.identity = folder / "identity.json"
        self.rewards = folder / "rewards"
        self.base_digests = folder / "base.json"
        self.adapter_weights = folder / "adapters.safetensors"
        self.adapter_config = folder / "adapter_config.json"
        self.reward_head = folder / REWARD_HEAD

    def checkpoint_folders(self) -> dict[int, Path]:
        """The folders of finished checkpoints by their step, not yet looked into; a person's copy of one is none.

        Where a kill met the replacement of one by another of the same step, the earlier one counts, which was set aside.
        """
        if not self.checkpoints.is_dir():
            return {}
        folders = [one for one in self.checkpoints.iterdir() if one.is_dir()]
        replaced = {int(name[1]): one for one in folders if (name := REPLACED_CHECKPOINT.fullmatch(one.name))}
        finished = {int(name[1]): one for one in folders if (name := _CHECKPOINT.fullmatch(one.name))}
        return replaced | finished

    @property
    def id(self) -> str:
        """The run's name in lists and on the command line."""
        return self.folder.name
