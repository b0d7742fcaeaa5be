"""The page as a file: written whole, and over nothing but an earlier page of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from droid_tune.errors import UserError
from droid_tune.paths import user_path
from droid_tune.report.page import GENERATOR, page
from droid_tune.report.story import Story
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error, write_text

#: characters in which a page of ours names what made it
HEAD = 600


def page_file(path: Path) -> Path:
    """Where the page may be written. Raises UserError where a folder or another file stands there."""
    file = user_path(path)
    if file.is_dir():
        raise UserError(f"{file} is a folder", place="--out", remedy="name a file, e.g. report.html")
    if file.exists():
        try:
            begins = file.read_bytes()[:HEAD].decode("utf-8", errors="replace")
        except OSError as error:
            raise disk_error(error, file) from error
        if GENERATOR not in begins:
            raise UserError(
                f"{file} exists and is no page of ours", place="--out", remedy="name another file"
            )
    return file


def write_page(file: Path, title: str, stories: Sequence[Story], faults: Sequence[str]) -> Path:
    """Write it; returns the file. Raises UserError where the disk refuses."""
    if not file.parent.is_dir():
        raise UserError(f"{file.parent} is no folder", place="--out", remedy="make it, or name another file")
    write_text(file, page(title, stories, faults), TRY_AGAIN)
    return file
