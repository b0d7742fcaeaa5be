"""A whole model with a card, made ready for the Hub; uploading it is a step of its own, that a person confirms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.export.base import ExportSource
from droid_tune.export.targets.fused_folder import FusedFolder
from droid_tune.export.targets.model_card import model_card
from droid_tune.model_files.from_hub.hub_faults import no_connection
from droid_tune.model_files.hub import is_hub_id
from droid_tune.rewards.endpoint import find_key

HUB_HOST = "huggingface.co"


class HubRepository(FusedFolder):
    """The fused folder with a card. Nothing leaves the machine by writing it."""

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """A fused folder whose README.md is the card."""
        notes = super().write(source, request, folder, watch)
        (folder / "README.md").write_text(model_card(source), encoding="utf-8")
        return notes

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """Once it is uploaded."""
        return "mlx_lm.generate --model OWNER/NAME --prompt '...', once it is uploaded"


@dataclass(frozen=True)
class UploadFile:
    """A file that would be uploaded: its name in the repository, and its size in bytes."""

    name: str
    bytes: int


def files_to_upload(folder: Path) -> list[UploadFile]:
    """What a person is asked to confirm; hidden files stay."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [(path.relative_to(folder), path.stat().st_size) for path in found]
    return [
        UploadFile(name.as_posix(), size)
        for name, size in names
        if not any(part.startswith(".") for part in name.parts)
    ]


def upload(
    folder: Path,
    repository: str,
    *,
    public: bool = False,
    watch: Watch = UNWATCHED,
    api: Any = None,
) -> str:
    """Upload a folder's files to a repository of the user's, private unless said; returns its address.

    The token is that of HF_TOKEN or the keychain (account `huggingface.co`), else the one that `hf auth login` keeps.
    Large files go first, one by one, and one commit makes all of them seen: an upload that was ended goes on where it
    stood, and nobody sees half a model. `api` stands for `huggingface_hub.HfApi`. Raises UserError, and `Stopped`.
    """
    if not is_hub_id(repository):
        raise UserError(
            "the Hub's repositories are called owner/name", value=repository, place="--repository"
        )
    from huggingface_hub import CommitOperationAdd, HfApi

    hub: Any = api or HfApi(token=find_key("HF_TOKEN", HUB_HOST) or None)
    files = files_to_upload(folder)
    try:
        address = hub.create_repo(repository, private=not public, exist_ok=True)
        operations: list[CommitOperationAdd] = []
        for number, file in enumerate(files):
            watch.tell(number, len(files), f"uploading {file.name}")
            one = CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(folder / file.name))
            hub.preupload_lfs_files(repository, [one])
            operations.append(one)
        watch.tell(len(files), len(files))
        hub.create_commit(repository, operations, commit_message="Upload a model trained with Droid Tune")
    except Stopped:
        raise
    except Exception as error:  # the library's client raises classes of its own, by version
        raise _refused(error, repository) from error
    return str(address)


def _refused(error: Exception, repository: str) -> Exception:
    """The sentence for what the Hub said; what is no word of the Hub's stays what it is."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    if no_connection(error):
        return UserError(
            "the Hugging Face Hub cannot be reached",
            place=repository,
            remedy="the folder is kept; upload it later",
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, LocalTokenNotFoundError) or status in (401, 403):
        return UserError(
            "the Hugging Face Hub refused the token",
            place=repository,
            remedy="`hf auth login` with a token that may write; the folder is kept",
        )
    if isinstance(error, HfHubHTTPError):
        return UserError(
            f"the Hugging Face Hub refused the upload ({status or type(error).__name__})",
            place=repository,
            remedy="the folder is kept; upload it again",
        )
    return error
