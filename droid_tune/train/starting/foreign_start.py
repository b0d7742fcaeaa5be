"""A run that starts from an adapter which no run of ours made: mlx-lm's own, or PEFT's."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.model.adapter_files import SETTINGS, WEIGHTS
from droid_tune.model.arrays import write_arrays
from droid_tune.model.peft_files import is_peft, read_peft
from droid_tune.model_files.hub import resolve_model
from droid_tune.model_files.model_folder import read_json
from droid_tune.model_files.read_facts import read_model
from droid_tune.paths import RunPaths, user_path

PLACE = "model.start_from"


def peft_start(config: RunConfig) -> Path | None:
    """The folder that the run starts from where it is an adapter of PEFT's."""
    folder = user_path(config.model.start_from)
    return folder if folder.is_dir() and is_peft(folder) else None


def write_as_mlx(config: RunConfig, peft: Path, folder: Path) -> None:
    """The PEFT adapter `peft` in mlx-lm's layout. Raises UserError where mlx-lm has no such, or the model has not such
    layers, and OSError."""
    adapter, facts = read_peft(peft), read_model(resolve_model(config.model.path, config.model.revision))
    settings = adapter.settings(facts.layers, facts.tied, str(peft))
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    write_arrays(folder / WEIGHTS, adapter.arrays)


@contextmanager
def named_where_unfit(config: RunConfig) -> Generator[None]:
    """Inside, an adapter that does not fit is named as what it is, with the reason."""
    folder = user_path(config.model.start_from)
    try:
        yield
    except UserError as error:
        if not folder.is_dir() or RunPaths(folder).config.exists() or not (folder / SETTINGS).is_file():
            raise
        raise UserError(
            f"`{config.model.start_from}` is {kind_of(folder)} and cannot be put on `{config.model.path}`: "
            f"{error.message}",
            value=error.value,
            place=PLACE,
            remedy=error.remedy or "choose the model that it was trained on",
        ) from error


def kind_of(folder: Path) -> str:
    """What a folder with an adapter_config.json is, and what it was made for, in words."""
    settings = read_json(folder / SETTINGS)
    base = settings.get("base_model_name_or_path") or settings.get("model")
    of = f" of `{base}`" if base else ""
    if is_peft(folder):
        return f"an adapter of PEFT's ({settings['peft_type']}){of}"
    return f"an adapter of mlx-lm's{of}"


def no_start(folder: Path) -> UserError:
    """Why nothing can start from a folder that holds no adapter's two files."""
    if RunPaths(folder).config.exists():
        return UserError(
            f"The run {folder.name} has no result to start from yet",
            place=PLACE,
            remedy="let it finish, or export it first",
        )
    if (folder / SETTINGS).exists():
        return UserError(f"`{folder}` is {kind_of(folder)}, but its {WEIGHTS} is missing", place=PLACE)
    if (folder / "config.json").exists():
        return UserError(
            f"`{folder}` is a whole model, and a run starts from an adapter or from another run",
            place=PLACE,
            remedy="choose it as the model itself (`model.path`)",
        )
    return UserError(
        f"`{folder}` is no run and no adapter: it has no {SETTINGS}",
        place=PLACE,
        remedy="give a run, or a folder with an adapter of mlx-lm or PEFT",
    )
