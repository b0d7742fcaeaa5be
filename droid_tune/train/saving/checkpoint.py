"""Checkpoints that are whole or not there (DESIGN.md section 5).

Written to a temporary folder, flushed, renamed; a manifest holds each file's size and sha256, which is checked
before a checkpoint is used, because a flipped bit in a safetensors file loads without complaint. Equal runs write
equal bytes: nothing in a checkpoint tells of the clock or of the process that wrote it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx

from droid_tune.errors import UserError
from droid_tune.events import finite_values
from droid_tune.model.arrays import reading_weights, write_arrays
from droid_tune.paths import REPLACED_CHECKPOINT, RunPaths, private_file, private_folder
from droid_tune.runs.disk.durable import (
    cause_of,
    disk_error,
    require_space,
    sha256_of,
    sync_file,
    sync_folder,
)
from droid_tune.runs.verification import FORMAT, MANIFEST, STATE, BadCheckpointError, verified

Tensors = dict[str, mx.array]


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk. `tensors(name)` reads one of its files into memory."""

    folder: Path
    state: dict[str, Any]
    bytes: int

    @property
    def step(self) -> int:
        """The optimizer step after which it was saved."""
        return int(self.state["step"])

    @property
    def place(self) -> str:
        """Its folder, for sentences."""
        return str(self.folder)

    def tensors(self, name: str) -> Tensors:
        """The arrays of `<name>.safetensors`, evaluated (mx.load is lazy and the file may go); {} where absent.

        Raises DiskError where the disk does not give them.
        """
        path = self.folder / f"{name}.safetensors"
        if not path.exists():
            return {}
        with reading_weights(path):
            loaded = mx.load(str(path))
            assert isinstance(loaded, dict)
            mx.eval(loaded)
        return loaded


def bytes_of(files: Mapping[str, Tensors]) -> int:
    """How much room the arrays of a checkpoint take."""
    return sum(array.nbytes for tensors in files.values() for array in tensors.values())


class CheckpointStore:
    """The `checkpoints/` folder of a run."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep
        #: of the checkpoint that stays besides the newest, the best one; None where there is none yet
        self.kept_step: int | None = None

    def save(self, step: int, state: Mapping[str, Any], files: Mapping[str, Tensors]) -> Checkpoint:
        """Write, flush, rename and re-read the checkpoint of `step`; then let old ones go.

        Raises UserError when the disk refuses; what was there before stays.
        """
        final = self.folder / f"step-{step:06d}"
        temporary = self.folder / f".step-{step:06d}.{os.getpid()}.tmp"
        try:
            # Never what is above it: a run's folder that is gone is not made anew.
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._bring_back()
            require_space(self.folder, bytes_of(files), "the next checkpoint")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(mode=0o700)
            self._write(temporary, {**state, "step": step}, files)
            if final.exists():
                # Only a repeated save of the same step comes here: the older one is set aside, never half replaced.
                aside = self.folder / f".step-{step:06d}.{os.getpid()}.old"
                final.replace(aside)
                try:
                    temporary.replace(final)
                except OSError:
                    self._bring_back()
                    raise
                shutil.rmtree(aside, ignore_errors=True)
            else:
                temporary.replace(final)
            sync_folder(self.folder)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise disk_error(error, final) from error
        except RuntimeError as error:  # MLX reports a failed write so
            cause = cause_of(error, self.folder)  # before the room comes back
            shutil.rmtree(temporary, ignore_errors=True)
            raise disk_error(cause, final) from error
        saved = verify(final)
        self._prune()
        return saved

    def _write(self, folder: Path, state: Mapping[str, Any], files: Mapping[str, Tensors]) -> None:
        for name, tensors in files.items():
            if tensors:
                write_arrays(folder / f"{name}.safetensors", tensors)
        text = json.dumps(finite_values(state), allow_nan=False, sort_keys=True)
        (folder / STATE).write_text(text, encoding="utf-8")
        entries = {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in sorted(folder.iterdir())
        }
        (folder / MANIFEST).write_text(
            json.dumps({"format": FORMAT, "files": entries}, indent=1), encoding="utf-8"
        )
        for path in folder.iterdir():
            private_file(path)
            sync_file(path)
        sync_folder(folder)

    def newest_first(self) -> list[Path]:
        """Finished checkpoint folders, newest first, not yet verified."""
        folders = RunPaths(self.folder.parent).checkpoint_folders()
        return [folders[step] for step in sorted(folders, reverse=True)]

    def newest_good(self) -> tuple[Checkpoint | None, list[BadCheckpointError]]:
        """The newest checkpoint that verifies, and the bad ones passed over on the way, to be named."""
        bad: list[BadCheckpointError] = []
        for folder in self.newest_first():
            try:
                return verify(folder), bad
            except BadCheckpointError as error:
                bad.append(error)
        return None, bad

    def good(self, step: int) -> Checkpoint:
        """The checkpoint of `step`, verified. Raises UserError where it is not there or must not be used."""
        try:
            return verify(RunPaths(self.folder.parent).checkpoint_folders()[step])
        except KeyError:
            raise UserError(f"There is no checkpoint of step {step:,}", place=str(self.folder)) from None
        except BadCheckpointError as error:
            raise UserError(
                f"The checkpoint cannot be used ({error})", place=str(self.folder), remedy="choose another"
            ) from None

    def set_aside(self, step: int) -> Path | None:
        """Move what came after `step` (checkpoints, the run's result) out of the way of a run that goes on from there.

        Returns the folder that holds it now, None where nothing did. Raises OSError.
        """
        paths = RunPaths(self.folder.parent)
        self._bring_back()
        later = [folder for at, folder in paths.checkpoint_folders().items() if at > step]
        if not later:
            return None
        number = sum(1 for _ in self.folder.glob("aside-*")) + 1
        aside = self.folder / f"aside-{number}"
        private_folder(aside)
        results = [file for file in (paths.adapter_weights, paths.adapter_config) if file.is_file()]
        # The result first: without it a move that is cut off leaves nothing older than the newest checkpoint.
        for path in (*results, *later):
            path.replace(aside / path.name)
        sync_folder(self.folder)
        return aside

    def _bring_back(self) -> None:
        """Put a checkpoint into its place from which it was taken for one that never came. Raises OSError.

        For the run's trainer alone.
        """
        for step, folder in RunPaths(self.folder.parent).checkpoint_folders().items():
            if REPLACED_CHECKPOINT.fullmatch(folder.name):
                folder.replace(self.folder / f"step-{step:06d}")

    def _prune(self) -> None:
        if self.keep:
            newest = sorted(RunPaths(self.folder.parent).checkpoint_folders().items(), reverse=True)
            for step, folder in newest[self.keep :]:
                if step != self.kept_step:
                    shutil.rmtree(folder, ignore_errors=True)
        for leftover in self._leftovers():
            shutil.rmtree(leftover, ignore_errors=True)

    def _leftovers(self) -> Iterator[Path]:
        """Temporary folders of processes that died while writing (the run is locked: none is in use)."""
        yield from (path for path in self.folder.iterdir() if path.name.startswith(".step-"))


def verify(folder: Path) -> Checkpoint:
    """Check every file's size and sha256 against the manifest. Raises BadCheckpointError."""
    return Checkpoint(folder, *verified(folder))
