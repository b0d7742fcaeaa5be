"""The models and files that a run leans on beside its own model: what judges, teaches or compares, and what code may read.

None is copied into the run, so a resume asks whether they are what they were. Of a run of ours its settings count, what it
learnt and the model under that; of a model's folder what a model is made of. A server is known by its settings alone. Imports
no MLX.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.config.environments import OwnCodeConfig
from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.config.rewards import ModelReward, RewardConfig, RewardModelReward, UserFileReward
from droid_tune.errors import UserError
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.model_folder import read_json
from droid_tune.model_files.tokenizer import SPEAKING_FILES
from droid_tune.paths import RunPaths, user_path
from droid_tune.runs.best import completed_step, result_is_newest
from droid_tune.runs.folder import find_run, fused_base, read_config

#: files of a model folder that decide what it computes
COMPUTING = ("*.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model")


def companions_of(config: RunConfig, run: Path | None = None) -> dict[str, list[Path]]:
    """The files of each, by what a sentence calls it; `run` is the folder of the run itself, where it has one."""
    named = [*_judging(config), *_teaching(config)]
    base = None if run is None else fused_base(run)
    if base is not None:
        named.append(("The model that the run started from", model_parts(base)))
    own = {str(file) for file in _of_folder(local_model(config.model.path, config.model.revision))}
    return {name: [file for file in files if str(file) not in own] for name, files in named}


def judging_companions(config: RunConfig) -> set[str]:
    """The names of those that a mended reward opens anew."""
    return {name for name, _ in _judging(config)}


def model_parts(folder: Path | None, patterns: tuple[str, ...] = COMPUTING) -> list[Path]:
    """The files of a model folder that decide what it computes, in order; none where there is no folder."""
    return [] if folder is None else sorted({one for pattern in patterns for one in folder.glob(pattern)})


def _judging(config: RunConfig) -> Iterator[tuple[str, list[Path]]]:
    for reward in config.rewards if config.samples else ():
        yield from _of_reward(reward)
    if isinstance(config.environment, OwnCodeConfig):
        yield from _readable("the environment", config.environment.readable)


def _of_reward(reward: RewardConfig) -> Iterator[tuple[str, list[Path]]]:
    match reward:
        case RewardModelReward(path=name):
            yield f"The reward model `{name}`", _of_reward_model(name)
        case ModelReward(base_url="", model=name):
            yield f"The judge `{name}`", _of_model(name)
        case UserFileReward(readable=files):
            yield from _readable(f"the reward `{reward.name or reward.type}`", files)
        case _:
            pass


def _readable(whose: str, names: tuple[str, ...]) -> Iterator[tuple[str, list[Path]]]:
    """Single files; a folder may be of any size, and is not read through."""
    files = [file for file in map(user_path, names) if file.is_file()]
    if files:
        yield f"What {whose} may read", files


def _teaching(config: RunConfig) -> Iterator[tuple[str, list[Path]]]:
    for name in config.method.teachers if isinstance(config.method, TeacherConfig) else ():
        if not name.startswith(("http://", "https://")):
            yield f"The teacher `{name}`", _of_teacher(name)


def _of_teacher(name: str) -> list[Path]:
    """A run is its newest weights."""
    run = _run_named(name)
    return _of_model(name) if run is None else [*_newest(run), *_under(run)]


def _of_reward_model(name: str) -> list[Path]:
    """A run is its result; an adapter's folder names the model under it."""
    run = _run_named(name)
    if run is not None:
        return [*_result(run), *_under(run)]
    folder = user_path(name)
    paths = RunPaths(folder)
    if not paths.reward_head.is_file():
        return _of_model(name)
    base = ""
    with suppress(UserError):
        base = str(read_json(paths.adapter_config).get("model") or "")
    return [*_result(folder), *_of_model(base)]


def _run_named(name: str) -> Path | None:
    with suppress(UserError):
        return find_run(name)
    return None


def _result(folder: Path) -> list[Path]:
    paths = RunPaths(folder)
    parts = (paths.adapter_weights, paths.adapter_config, paths.reward_head, paths.config)
    return [file for file in parts if file.is_file()]


def _newest(run: Path) -> list[Path]:
    """The result, or the newest checkpoint where that is further on."""
    paths = RunPaths(run)
    folders = paths.checkpoint_folders()
    step = max(folders, default=None)
    if step is None or result_is_newest(run, completed_step(run), step):
        return _result(run)
    return [folders[step] / "adapters.safetensors", paths.config]


def _under(run: Path) -> list[Path]:
    """The model that a run trained on."""
    try:
        config = read_config(run)
    except UserError:
        return []
    return _of_folder(fused_base(run) or local_model(config.model.path, config.model.revision))


def _of_model(name: str) -> list[Path]:
    return _of_folder(local_model(name) if name else None)


def _of_folder(folder: Path | None) -> list[Path]:
    return model_parts(folder, (*COMPUTING, *SPEAKING_FILES))
