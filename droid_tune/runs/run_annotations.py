"""What a person writes on a run: tags and a note, kept in a file of the run's folder. Nothing of it decides the training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from droid_tune.errors import UserError
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error, write_text

ANNOTATIONS_FILE = "annotations.json"
MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 20, 40, 4_000


@dataclass(frozen=True)
class Annotations:
    """`tags` in a person's order, each once."""

    tags: tuple[str, ...] = ()
    note: str = ""


def tags_of(text: str) -> tuple[str, ...]:
    """The tags of `sweep, keep`, separated by commas; the same one twice counts once. Raises UserError."""
    found = tuple(dict.fromkeys(tag for one in text.split(",") if (tag := " ".join(one.split()))))
    if len(found) > MOST_TAGS:
        raise UserError(
            f"These are {len(found)} tags; a run has {MOST_TAGS} at most", remedy="leave some out"
        )
    if long := next((tag for tag in found if len(tag) > LONGEST_TAG), ""):
        raise UserError(
            f"The tag `{long[:LONGEST_TAG]}…` has {len(long)} characters; {LONGEST_TAG} are allowed",
            remedy="separate tags by commas, and put longer words into the note",
        )
    return found


def read_annotations(folder: Path) -> Annotations:
    """What is written on a run; nothing where there is none or the file is damaged."""
    try:
        known = _kept(folder)
    except (OSError, ValueError, RecursionError):
        return Annotations()
    tags: Any = known.get("tags", [])
    note: Any = known.get("note", "")
    kept = (
        [str(one)[:LONGEST_TAG] for one in cast("list[Any]", tags) if isinstance(one, str)]
        if isinstance(tags, list)
        else []
    )
    return Annotations(
        tuple(dict.fromkeys(kept))[:MOST_TAGS], note[:LONGEST_NOTE] if isinstance(note, str) else ""
    )


def _kept(folder: Path) -> dict[str, Any]:
    """What the file says. Raises OSError where it cannot be read (or there is none), ValueError where it is damaged."""
    values: Any = json.loads((folder / ANNOTATIONS_FILE).read_text(encoding="utf-8-sig"))
    if not isinstance(values, dict):
        raise ValueError("no annotations")
    return cast("dict[str, Any]", values)


def write_annotations(folder: Path, found: Annotations) -> None:
    """Keep them with the run; a file that could not be read is set aside as `.bak`, never written over.

    Raises UserError where the note is too long or the disk refuses.
    """
    if len(found.note) > LONGEST_NOTE:
        raise UserError(
            f"The note has {len(found.note):,} characters; {LONGEST_NOTE:,} are allowed", remedy="shorten it"
        )
    _set_aside_unreadable(folder)
    write_text(folder / ANNOTATIONS_FILE, json.dumps(asdict(found), ensure_ascii=False, indent=1), TRY_AGAIN)


def _set_aside_unreadable(folder: Path) -> None:
    file = folder / ANNOTATIONS_FILE
    try:
        _kept(folder)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RecursionError):
        try:
            file.replace(file.with_name(f"{file.name}.bak"))
        except OSError as error:
            raise disk_error(error, file, TRY_AGAIN) from error
