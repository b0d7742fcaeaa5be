"""A model brought from the Hugging Face Hub into its cache: with progress, and to be paused at any byte.

huggingface_hub from 1.18 on lets go of a file that is half here, so the files are written here, beside where they will
stand, and handed to the library whole: it links them as if it had fetched them itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.model_files.from_hub.hub_faults import hub_fault, no_connection
from droid_tune.paths import hub_cache_dir
from droid_tune.runs.disk.durable import disk_error, require_space

#: what is downloaded of a model: nothing that holds code or a pickle
HUB_FILES = ["*.json", "model*.safetensors", "tokenizer.model", "*.tiktoken", "*.txt", "*.jinja"]
#: read at once: between two reads it may be paused
_BLOCK_BYTES = 1 << 18
#: seconds that the Hub has for an answer, and for the next bytes of a file
_PATIENCE = 10
_PART = ".droid-tune.part"
_SHA256 = re.compile(r"[0-9a-f]{64}")
AGAIN = "download it again: it goes on where it was"


@dataclass(frozen=True)
class MissingFile:
    """A file of a model that is not here yet, as a whole."""

    name: str
    size: int


@dataclass(frozen=True)
class MissingFiles:
    """What is to be fetched: the revision's commit, its files that are not here, and the bytes of all of them."""

    commit: str
    missing: Sequence[MissingFile]
    total_bytes: int

    @property
    def here_bytes(self) -> int:
        """What is here already, as whole files."""
        return self.total_bytes - sum(file.size for file in self.missing)


def download_model(name: str, revision: str = "", watch: Watch = UNWATCHED) -> Path:
    """Fetch what is missing of a model and return its folder in the cache. `watch` hears of bytes, and may pause it:
    what is here stays, and the next call goes on behind it.

    Raises UserError where the Hub refuses or cannot be reached, DiskError where there is no room; `Stopped`.
    """
    from huggingface_hub import snapshot_download

    try:
        wanted = _wanted(name, revision or None)
        blobs = _blobs_of(name)
        done = wanted.here_bytes
        parts = sum(file.stat().st_size for file in blobs.glob(f"*{_PART}"))
        require_space(_existing(blobs), wanted.total_bytes - done - parts, f"the model {name}", AGAIN)
        for file in wanted.missing:
            _fetch(name, file, wanted, done, watch)
            done += file.size
        watch.tell(wanted.total_bytes, wanted.total_bytes, "")
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=HUB_FILES))
    except (Stopped, UserError):
        raise
    except Exception as error:
        if no_connection(error):
            raise UserError(
                "The Hugging Face Hub cannot be reached",
                place=name,
                remedy=f"once you are connected, {AGAIN}",
            ) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise disk_error(error, hub_cache_dir(), AGAIN) from error
        raise hub_fault(name, error) from error


def forget_parts(name: str) -> None:
    """Let go of what is half here of a model's files. Raises OSError."""
    for part in _blobs_of(name).glob(f"*{_PART}"):
        part.unlink(missing_ok=True)


def _wanted(name: str, revision: str | None) -> MissingFiles:
    from huggingface_hub import HfApi, try_to_load_from_cache

    told = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=_PATIENCE)
    commit = str(told.sha)
    files = [
        MissingFile(one.rfilename, one.size or 0)
        for one in told.siblings or []
        if any(fnmatch(one.rfilename, pattern) for pattern in HUB_FILES)
    ]
    missing = [
        file
        for file in files
        if not isinstance(try_to_load_from_cache(name, file.name, revision=commit), str)
    ]
    return MissingFiles(commit, missing, sum(file.size for file in files))


def _fetch(name: str, file: MissingFile, wanted: MissingFiles, done: int, watch: Watch) -> None:
    """One file, from where its part ends; whole, checked and linked at the end."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    about = get_hf_file_metadata(hf_hub_url(name, file.name, revision=wanted.commit), timeout=_PATIENCE)
    blob = _blobs_of(name) / str(about.etag)
    if not blob.exists():
        blob.parent.mkdir(parents=True, exist_ok=True)
        part = blob.with_name(blob.name + _PART)
        _write(about.location, part, partial(_tell, watch, done, wanted.total_bytes, file.name))
        _check(part, about.size, blob.name, file.name)
        part.replace(blob)
    hf_hub_download(name, file.name, revision=wanted.commit, etag_timeout=_PATIENCE)


def _tell(watch: Watch, done: int, total: int, name: str, size: int) -> None:
    watch.tell(done + size, total, name)


def _write(address: str, part: Path, tell: Callable[[int], object]) -> None:
    """The rest of a file behind what is here of it. A server that knows no ranges begins anew."""
    from huggingface_hub.utils import get_session, hf_raise_for_status

    have = part.stat().st_size if part.exists() else 0
    headers = {**_headers(address), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    # a client of its own: the library closes its common one, whoever reads from it, where another question fails
    with (
        type(get_session())(follow_redirects=True, timeout=_PATIENCE) as client,
        client.stream("GET", address, headers=headers) as response,
    ):
        if response.status_code == 416:  # it is whole already
            return
        hf_raise_for_status(response)
        resumed = have and response.status_code == 206
        with part.open("ab" if resumed else "wb") as file:
            tell(file.tell())
            for block in response.iter_bytes(_BLOCK_BYTES):
                file.write(block)
                tell(file.tell())


def _headers(address: str) -> dict[str, str]:
    """Who asks; the token is for the Hub alone, and not for the place that it sends us to."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers

    own = address.startswith(constants.ENDPOINT.rstrip("/") + "/")
    return {key: str(value) for key, value in build_hf_headers(token=None if own else False).items()}


def _check(part: Path, size: int | None, etag: str, name: str) -> None:
    """Raises UserError, and lets go of the part, where it is not what the Hub said."""
    said = f"{name} came with other bytes than the Hugging Face Hub says"
    have = part.stat().st_size
    if size is not None and have < size:
        raise UserError(f"{name} ended after {have:,} of {size:,} bytes", remedy=AGAIN)
    if size is not None and have > size:
        part.unlink()
        raise UserError(said, remedy="download it again")
    if _SHA256.fullmatch(etag):
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != etag:
            part.unlink()
            raise UserError(said, remedy="download it again")


def _blobs_of(name: str) -> Path:
    """Where the cache keeps the bytes of a model's files."""
    return hub_cache_dir() / f"models--{name.replace('/', '--')}" / "blobs"


def _existing(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())
