"""A run that goes its own way from where another one stands; the other stays as it was."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from droid_tune.config import dump_yaml
from droid_tune.config.asking.trust import trust
from droid_tune.errors import DiskError, UserError
from droid_tune.paths import REPLACED_CHECKPOINT, RunPaths, private_file, private_folder
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error, linked, write_text
from droid_tune.runs.folder import fresh_folder, read_config, run_name
from droid_tune.runs.status import read_status, write_status

#: what a branch has of the run it comes from: how it went so far, what it began with, and the checkpoints
_LOGS = ("events.jsonl", "rollouts.jsonl", "identity.json")
_FOLDERS = ("checkpoints", "base", "start")


def branch_off(folder: Path) -> Path:
    """A new run with another run's checkpoints and curves and the settings that now stand in its folder.

    Its name tells where it comes from. Raises UserError where it cannot be made; nothing is left then.
    """
    config, saved = read_config(folder), RunPaths(folder).checkpoint_folders()
    if not saved:
        raise UserError(f"The run {folder.name} has no checkpoint to branch off from")
    named = config.model_copy(update={"name": f"{run_name(config)} (branch)"[:120]})
    target = fresh_folder(named)
    try:
        private_folder(target)
        for name in _LOGS:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, target / name)
                private_file(target / name)
        for name in _FOLDERS:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, target / name, copy_function=linked, ignore=_unfinished)
                private_folder(target / name)
        # by its config it is one of the runs, and whole
        write_text(RunPaths(target).config, dump_yaml(named), TRY_AGAIN)
        total_steps = read_status(folder).total_steps or config.training.iterations
        write_status(target, state="stopped", step=max(saved), total_steps=total_steps)
    except DiskError:
        shutil.rmtree(target, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise disk_error(error, target, "branch off again") from error
    with suppress(UserError):  # it would be asked again
        trust(named)
    return target


def _unfinished(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(".") and not REPLACED_CHECKPOINT.fullmatch(name)]
