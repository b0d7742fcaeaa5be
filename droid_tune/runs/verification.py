"""Whether a checkpoint on disk is whole: each file's size and sha256 against its manifest. Imports no MLX."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from droid_tune.events import CheckpointSaved
from droid_tune.paths import RunPaths
from droid_tune.runs.disk.durable import sha256_of
from droid_tune.runs.log import read_events

MANIFEST = "manifest.json"
STATE = "state.json"
FORMAT = 1
_NAMED = re.compile("step-([0-9]+)")


class BadCheckpointError(Exception):
    """A checkpoint that must not be used, and why."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder.name}: {why}")
        self.folder = folder
        self.why = why

    @property
    def step(self) -> int:
        """The step that its folder is named by; 0 where it is named otherwise."""
        named = _NAMED.fullmatch(self.folder.name)
        return int(named[1]) if named else 0


def verified(folder: Path) -> tuple[dict[str, Any], int]:
    """The checkpoint's state and its size in bytes. Raises BadCheckpointError where a file is not as it was written."""
    total = sum(_checked(folder, name, entry) for name, entry in _entries(folder).items())
    try:
        state: Any = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadCheckpointError(folder, f"{STATE} cannot be read ({error})") from None
    step: Any = cast("dict[str, Any]", state).get("step") if isinstance(state, dict) else None
    if not isinstance(step, int) or isinstance(step, bool):
        raise BadCheckpointError(folder, f"{STATE} does not say after which step it was saved")
    named = _NAMED.fullmatch(folder.name)
    if named and int(named[1]) != step:
        raise BadCheckpointError(folder, f"{STATE} is of step {step:,}")
    return cast("dict[str, Any]", state), total


def doubts_about_checkpoints(run_dir: Path) -> list[str]:
    """A sentence where a resume would not go on from the newest checkpoint, because that is damaged or all are gone."""
    folders = RunPaths(run_dir).checkpoint_folders()
    if not folders:
        return lost_checkpoints(run_dir)
    bad: list[BadCheckpointError] = []
    for step in sorted(folders, reverse=True):
        try:
            verified(folders[step])
        except BadCheckpointError as error:
            bad.append(error)
            continue
        going_on = f"the run would go on from the older one of step {step:,}."
        return [f"The checkpoint {bad[0].folder.name} is damaged ({bad[0].why}); {going_on}"] if bad else []
    return []  # that none is good is said by the resume itself


def lost_checkpoints(run_dir: Path) -> list[str]:
    """A sentence where a run without a checkpoint once had one, or has a result: going on, it would begin anew.

    Raises UserError where its log cannot be read.
    """
    paths = RunPaths(run_dir)
    saved = max(
        (one.step for one in read_events(paths.events) if isinstance(one, CheckpointSaved)), default=0
    )
    result = " and to replace its result" if paths.adapter_weights.is_file() else ""
    if not (saved or result):
        return []
    newest = f" (the newest was of step {saved:,})" if saved else ""
    return [f"The checkpoints of the run are gone{newest}; to go on is to begin again at step 0{result}."]


def _entries(folder: Path) -> dict[str, Any]:
    """What the manifest says of each file. Raises BadCheckpointError where it has another form or format."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadCheckpointError(folder, f"its manifest cannot be read ({error})") from None
    if not isinstance(manifest, dict):
        raise BadCheckpointError(folder, "its manifest cannot be read (it names no files)")
    values = cast("dict[str, Any]", manifest)
    if values.get("format") != FORMAT:
        raise BadCheckpointError(
            folder, f"it is of format {values.get('format')}; this version reads {FORMAT}"
        )
    entries = values.get("files")
    if not isinstance(entries, dict) or STATE not in entries:
        raise BadCheckpointError(folder, f"its manifest cannot be read (it does not name {STATE})")
    return cast("dict[str, Any]", entries)


def _checked(folder: Path, name: str, entry: Any) -> int:
    """The size in bytes of a file that is as its manifest says. Raises BadCheckpointError."""
    if not isinstance(entry, dict) or Path(name).name != name:
        raise BadCheckpointError(folder, f"its manifest cannot be read (its entry {name!r} has another form)")
    known, path = cast("dict[str, Any]", entry), folder / name
    try:
        if not path.is_file():
            raise BadCheckpointError(folder, f"{name} is missing")
        size = path.stat().st_size
        if size != known.get("bytes") or sha256_of(path) != known.get("sha256"):
            raise BadCheckpointError(folder, f"{name} is damaged (its checksum differs)")
    except OSError as error:
        raise BadCheckpointError(folder, f"{name} cannot be read ({error.strerror})") from None
    return size
