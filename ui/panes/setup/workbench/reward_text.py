"""The text of a reward's file while it is edited: what is on the disk is never overwritten unseen. No widget in here."""

from __future__ import annotations

import shutil
from pathlib import Path

from droid_tune.errors import UserError
from droid_tune.paths import cache_dir, resources_dir
from droid_tune.runs.disk.durable import disk_error

#: a reward is a page or two; a file beyond this is none
MOST_BYTES = 1_000_000


class ChangedElsewhere(Exception):  # noqa: N818 - it says what was found
    """The file on the disk is not what was read from it or written to it last."""


class RewardText:
    """One file. `path` is None for a text that has no file yet; `saved` is what the disk holds, as far as is known."""

    def __init__(self, path: Path | None, saved: str) -> None:
        self.path = path
        self.saved = saved

    @classmethod
    def from_template(cls) -> RewardText:
        """A new reward: the template, which has no file of its own yet."""
        return cls(None, read_reward(resources_dir() / "reward_template.py"))

    @classmethod
    def opened(cls, path: Path) -> RewardText:
        """A file that is there. Raises UserError."""
        return cls(path, read_reward(path))

    @property
    def place(self) -> str:
        """The path that its code is told to have; one without a file lies in a folder of its own with nothing beside it."""
        return str(self.path or cache_dir() / "new-reward" / "reward.py")

    @property
    def name(self) -> str:
        """As the window calls it."""
        return self.path.name if self.path is not None else "New reward"

    def save(self, text: str, *, over: bool = False) -> None:
        """Write to its file. Raises ChangedElsewhere where that is not what was read, unless `over`; UserError, DiskError."""
        assert self.path is not None
        if not over and self.path.exists() and read_reward(self.path) != self.saved:
            raise ChangedElsewhere
        replace_file(self.path, text)
        self.saved = text

    def save_as(self, path: Path, text: str) -> None:
        """Write to another file from now on; who chose it has said yes to replacing one that is there."""
        replace_file(path, text)
        self.path, self.saved = path, text


def read_reward(path: Path) -> str:
    """The file's text. Raises UserError where it is missing, too long, or no UTF-8."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError("This is too long for a reward", place=str(path), remedy="choose a Python file")
        with path.open(encoding="utf-8", newline="") as file:  # its line ends stay as they are
            return file.read()
    except FileNotFoundError:
        raise UserError("The reward file does not exist", place=str(path), remedy="choose it again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The reward file cannot be read: {error}", place=str(path)) from None


def replace_file(path: Path, text: str) -> None:
    """Old or new as a whole, and with the permissions that it had. Raises DiskError."""
    target = path.resolve()  # a link stays a link
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise disk_error(error, path, "save again") from error
