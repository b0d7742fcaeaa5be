"""Whether a file is still the one that a run began with: size, time of change, content."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.issues import FileFault
from droid_tune.data.reading.opening import open_regular

#: a file that changed just now may change again within the same tick of the clock
SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class Fingerprint:
    """What is remembered of one file."""

    path: str
    size: int
    modified_ns: int
    sha256: str
    changed_ns: int = 0  # of the file's entry (st_ctime), which nobody can set back; 0 where it is not known

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint keeps of a data file."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> Fingerprint:
        """Reads what `to_json` wrote. Raises KeyError where a part is missing."""
        return Fingerprint(
            value["path"], value["size"], value["modified_ns"], value["sha256"], value.get("changed_ns", 0)
        )


def fingerprint(path: Path, watch: Watch = UNWATCHED) -> Fingerprint:
    """Read the file once and remember it. Raises `FileFault` when it cannot be read, and `Stopped`."""
    with open_regular(path) as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
            watch.pause_point()
    status = path.stat()
    return Fingerprint(str(path), status.st_size, status.st_mtime_ns, digest.hexdigest(), status.st_ctime_ns)


def change_of(known: Fingerprint) -> str | None:
    """A sentence when the file is no longer the same, None when it is.

    The content is read only when a time of change differs: a copy or a touch alone is no change.
    """
    path = Path(known.path)
    try:
        status = path.stat()
        if status.st_size != known.size:
            return f"{path} changed since the run began: it had {known.size:,} bytes and now has {status.st_size:,}."
        touched = status.st_mtime_ns != known.modified_ns or known.changed_ns not in (0, status.st_ctime_ns)
        if touched and fingerprint(path).sha256 != known.sha256:
            return f"{path} changed since the run began: the size is the same, the content is not."
    except (OSError, FileFault):
        return f"{path} cannot be read any more; put it back where it was."
    return None
