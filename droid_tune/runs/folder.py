"""The runs on this computer: make a folder for one, list them, find one. Imports no MLX."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from droid_tune.config import RunConfig, build, dump_yaml
from droid_tune.config.asking.trust import trust
from droid_tune.config.files.yaml_text import yaml_value
from droid_tune.errors import DiskError, UserError
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import may_tell_the_date
from droid_tune.paths import RunPaths, private_folder, runs_dir, user_path
from droid_tune.runs.best import MEASURES, Best
from droid_tune.runs.disk.durable import disk_error, write_text
from droid_tune.runs.disk.lock import is_locked
from droid_tune.runs.log import last_end
from droid_tune.runs.run_annotations import Annotations, read_annotations
from droid_tune.runs.status import STATUS_FILE, State, Status, may_go_on, read_status

#: runs whose settings are kept in memory, so that a list of thousands is read again in no time
_MOST_KNOWN = 20_000
#: the fused model of a run that starts so: a folder of its own in the run's
FUSED_BASE = "base"
#: what a run goes on from: the earlier run's result, copied
STARTED_FROM = "start"


#: a folder with one of these has a run in it, whole or not: a new one would take the old one's for its own
_OF_A_RUN = ("config.yaml", STATUS_FILE, "checkpoints", "events.jsonl", "adapters.safetensors")


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs. `metrics` are the newest of reward, eval/accuracy, eval/loss ..."""

    id: str
    name: str
    folder: Path
    state: State
    step: int
    total_steps: int
    method: str
    model: str
    data: str
    created: float
    updated: float
    why: str = ""
    metrics: dict[str, float] | None = None
    best: Best | None = None
    joules: float | None = None
    seconds: float | None = None
    annotations: Annotations = field(default_factory=Annotations)
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def saved_step(self) -> int:
        """Where a resume would go on: at the newest checkpoint, which may be before the last step taken."""
        return max(RunPaths(self.folder).checkpoint_folders(), default=0)

    @property
    def held_out(self) -> tuple[str, float] | None:
        """The newest held-out value that the run is judged by: metric and value; None where it has none."""
        known = self.metrics or {}
        return next(((name, known[name]) for name in MEASURES if name in known), None)

    @property
    def resumable(self) -> bool:
        """Stopped, crashed or failed with steps left, or before its result was written."""
        return may_go_on(self.state, self.step, self.total_steps)


def create_run(config: RunConfig, folder: Path | None = None) -> Path:
    """Make a new run's folder with its resolved config; `folder` where the user names one. Raises UserError."""
    config, target = dated(config), folder or fresh_folder(config)
    try:
        if folder is None and target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        private_folder(target)
        if any(os.path.lexists(target / name) for name in _OF_A_RUN):
            raise UserError(f"{target} holds a run already; resume it, or choose another folder.")
        write_text(RunPaths(target).config, dump_yaml(config), "")
    except OSError as error:
        raise disk_error(error, target, "") from error
    except DiskError:
        if folder is None:
            with suppress(OSError):
                target.rmdir()
        raise
    with suppress(UserError):  # it would be asked again
        trust(config)
    return target


def dated(config: RunConfig) -> RunConfig:
    """With today's date where the model's template tells one: a run that goes on tomorrow shall show its model the same text."""
    model = config.model
    if config.data.template_date or not may_tell_the_date(local_model(model.path, model.revision)):
        return config
    data = config.data.model_copy(update={"template_date": time.strftime("%Y-%m-%d")})
    return config.model_copy(update={"data": data})


def fresh_folder(config: RunConfig) -> Path:
    """Where a new run goes that was given no folder; nothing is made yet."""
    base = runs_dir()
    return base / fresh_name(config, lambda name: os.path.lexists(base / name))


def fresh_name(config: RunConfig, taken: Callable[[str], bool]) -> str:
    """An id for a run: the moment and its name, with a number behind it where that is taken."""
    stem = time.strftime("%Y%m%d-%H%M%S-") + slug(run_name(config))
    candidate, number = stem, 2
    while taken(candidate):
        candidate, number = f"{stem}-{number}", number + 1
    return candidate


def run_name(config: RunConfig) -> str:
    """The user's name for a run, or one made from method and model."""
    if config.name:
        return config.name
    model = Path(config.model.path).name or config.model.path
    return f"{type(config.method).label} {model}"


def slug(text: str) -> str:
    """A text as part of a folder's name: a-z, 0-9 and hyphens, 48 at most."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48] or "run"


def read_config(folder: Path) -> RunConfig:
    """The resolved config of a run. Raises UserError where there is none or it is of a newer version."""
    path = RunPaths(folder).config
    try:
        values: Any = yaml_value(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _without_settings(folder) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    if not isinstance(values, dict):
        raise UserError("holds no settings of a run", place=str(path))
    return build(values, str(path))  # pyright: ignore[reportUnknownArgumentType]


def _without_settings(folder: Path) -> UserError:
    if not _has_begun(folder):
        return UserError(f"{folder} is not a run: it has no config.yaml.")
    kept = RunPaths(folder).identity
    remedy = f"those that it began with stand under `settings` in {kept}" if kept.is_file() else "put it back"
    return UserError("The run has lost its settings, config.yaml", place=str(folder), remedy=remedy)


def _has_begun(folder: Path) -> bool:
    """Whether a run was trained in a folder, even where its settings are gone; a branch that is being made has no status yet."""
    return os.path.lexists(folder / STATUS_FILE)


def begun(folder: Path) -> float:
    """When the run was first trained: now, where it is new."""
    created = read_status(folder).created
    return time.time() if created is None else created


def summarise(folder: Path) -> RunSummary:
    """One run's line. Raises UserError where the folder is no run."""
    path = RunPaths(folder).config
    try:
        file = path.stat()
    except OSError:
        raise _without_settings(folder) from None
    config = _known_settings(folder, file.st_mtime_ns, file.st_size, file.st_ino)
    status, runs_now = read_status(folder), is_locked(RunPaths(folder).lock)
    if status.state == "running" and not runs_now:
        status = _as_it_ended(folder, status)
    created = file.st_mtime if status.created is None else status.created
    total_steps = config.steps if status.total_steps is None else status.total_steps
    untold = status.fault or status.step is None
    saved = max(RunPaths(folder).checkpoint_folders(), default=0) if untold else 0
    if saved and not status.fault:
        status = replace(status, fault=f"Its {STATUS_FILE} is gone, or tells no step.")
    step = saved if status.step is None else status.step
    return RunSummary(
        id=folder.name,
        name=config.name,
        folder=folder,
        state="running" if runs_now else _state(folder, status, is_done=step >= total_steps),
        step=step,
        total_steps=total_steps,
        method=config.method,
        model=config.model,
        data=config.data,
        created=created,
        updated=created if status.updated is None else status.updated,
        why=" ".join(filter(None, (status.why, status.fault))),
        metrics=status.metrics,
        best=status.best,
        joules=status.joules,
        seconds=status.seconds,
        annotations=read_annotations(folder),
        settings=config.settings,
    )


@dataclass(frozen=True)
class _Known:
    """What the list tells of a run's settings."""

    name: str
    steps: int
    method: str
    model: str
    data: str
    settings: Mapping[str, Any]


@lru_cache(maxsize=_MOST_KNOWN)
def _known_settings(folder: Path, _changed_ns: int, _size: int, _inode: int) -> _Known:
    """Of a config that was not written since it was read last. Raises UserError."""
    config = read_config(folder)
    return _Known(
        run_name(config),
        config.training.iterations,
        config.method.type,
        config.model.path,
        config.data.path,
        config.model_dump(mode="json"),
    )


def _as_it_ended(folder: Path, status: Status) -> Status:
    """Of a run that nobody holds and that is said to run: as its log tells the end, where the disk took that alone."""
    end = last_end(RunPaths(folder).events)
    if end is None or end.time < (status.updated or 0.0):  # it was taken up again since, and cut off
        return status
    return replace(status, state=end.outcome, step=end.step, why=end.why, updated=end.time)


def _state(folder: Path, status: Status, *, is_done: bool) -> State:
    """The state that can be true of a run that nobody holds: it does not run; a damaged status may have said anything."""
    if status.fault and status.state == "created":
        return "completed" if is_done and RunPaths(folder).adapter_weights.is_file() else "interrupted"
    return "interrupted" if status.state == "running" else status.state


def list_runs(folder: Path | None = None) -> list[RunSummary]:
    """All runs, newest first. A folder that cannot be read is listed as failed, with the reason. Raises UserError where
    the runs' own folder cannot."""
    found = (run for run in map(_listed, children_of(folder or runs_dir())) if run is not None)
    return sorted(found, key=lambda run: run.created, reverse=True)


def children_of(folder: Path) -> list[Path]:
    """What lies in a folder of ours; nothing where there is none. Raises UserError where it cannot be read."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read ({error.strerror or error})") from error


def _holds_a_run(folder: Path) -> bool:
    try:
        return (folder / "config.yaml").exists() or _has_begun(folder)
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read ({error.strerror or error})") from error


def _listed(child: Path) -> RunSummary | None:
    """The line of what lies among the runs; None of what is none, or was thrown away meanwhile."""
    try:
        return summarise(child) if _holds_a_run(child) else None
    except UserError as error:
        return _unreadable(child, str(error))


def _unreadable(folder: Path, why: str) -> RunSummary | None:
    try:
        changed = folder.stat().st_mtime
    except OSError:
        return None
    return RunSummary(folder.name, folder.name, folder, "failed", 0, 0, "", "", "", changed, changed, why)


def fused_base(run: Path) -> Path | None:
    """The model that a run was trained on, where that is one of its own: an earlier run's, fused."""
    places = (run / FUSED_BASE, run / STARTED_FROM / FUSED_BASE)
    return next((place for place in places if place.is_dir()), None)


def find_run(name: str) -> Path:
    """A run by folder path, id, or a beginning of its id that fits one only. Raises UserError."""
    as_path = user_path(name)
    if _holds_a_run(as_path):
        return as_path
    children = [child for child in children_of(runs_dir()) if child.name.startswith(name)]
    matches = sorted(child for child in children if _holds_a_run(child))
    if len(matches) == 1:
        return matches[0]
    exact = [match for match in matches if match.name == name]
    if exact:
        return exact[0]
    if matches:
        raise UserError(
            f"`{name}` fits {len(matches)} runs: {', '.join(m.name for m in matches[:5])}; write more of it."
        )
    if as_path.suffix == ".gguf" and as_path.is_file():
        raise UserError(
            "this is a model in GGUF and no run",
            place=str(as_path),
            remedy="ask it with llama.cpp or Ollama, or give the run that it was exported from",
        )
    raise UserError(f"There is no run `{name}`; `droid-tune runs` lists them.")
