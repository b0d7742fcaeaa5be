"""A whole model with a card, made ready for the Hub; uploading it is a step of its own, that a person confirms."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import UNWATCHED, Watch, waited_for
from droid_tune.errors import Stopped, UserError
from droid_tune.export.base import ExportSource
from droid_tune.export.targets.fused_folder import FusedFolder
from droid_tune.export.targets.model_card import model_card
from droid_tune.model_files.from_hub.hub_faults import TOO_OFTEN, UNKNOWN_PERSON, no_connection, status_of
from droid_tune.model_files.hub import is_hub_id
from droid_tune.model_files.ready_folder import files_to_upload, has_origin, write_origin
from droid_tune.rewards.judges.endpoint import find_key

log = logging.getLogger(__name__)

HUB_HOST = "huggingface.co"
_KEPT = "the folder is kept"


class HubRepository(FusedFolder):
    """The fused folder with a card. Nothing leaves the machine by writing it."""

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """A fused folder whose README.md is the card."""
        notes = super().write(source, request, folder, watch)
        (folder / "README.md").write_text(model_card(source), encoding="utf-8")
        write_origin(folder, _origin(source.run, request, source.weights.step))
        return notes

    def was_written(self, run: Path, request: ExportRequest, step: int | None) -> bool:
        """So that an upload that was refused or ended can go on with the folder that was kept."""
        return has_origin(request.out, _origin(run, request, step))

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """Once it is uploaded."""
        return "mlx_lm.generate --model OWNER/NAME --prompt '...', once it is uploaded"


def _origin(run: Path, request: ExportRequest, step: int | None) -> dict[str, Any]:
    """What decides what is written, and how it was looked at."""
    asked = {
        "type": request.type,
        "requantise": request.requantise,
        "check": request.check,
        "force": request.force,
    }
    return {"run": str(run.absolute()), "step": step, **asked}


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
    stood, and nobody sees half a model. Stop is heard at once; a file that is on its way may still arrive, unseen.
    `api` stands for `huggingface_hub.HfApi`. Raises UserError, and `Stopped`.
    """
    if not is_hub_id(repository):
        raise UserError(
            "the Hub's repositories are called owner/name", value=repository, place="--repository"
        )
    from huggingface_hub import CommitOperationAdd, HfApi

    hub: Any = api or HfApi(token=find_key("HF_TOKEN", HUB_HOST) or None)
    files = files_to_upload(folder)
    try:
        create = partial(hub.create_repo, repository, private=not public, exist_ok=True)
        address = waited_for(create, watch)
        operations: list[CommitOperationAdd] = []
        for number, file in enumerate(files):
            watch.tell(number, len(files), f"uploading {file.name}")
            one = CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(folder / file.name))
            waited_for(partial(hub.preupload_lfs_files, repository, [one]), watch)
            operations.append(one)
        watch.tell(len(files), len(files))
        message = "Upload a model trained with Droid Tune"
        waited_for(partial(hub.create_commit, repository, operations, commit_message=message), watch)
    except Stopped:
        raise
    except Exception as error:  # the library's client raises classes of its own, by version
        raise _refused(error, repository) from error
    return str(address)


def _refused(error: Exception, repository: str) -> UserError:
    """The sentence for what the Hub, or the disk, said; what is neither is logged."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    status = status_of(error)
    if no_connection(error):
        said, remedy = "the Hugging Face Hub cannot be reached", f"{_KEPT}; upload it later"
    elif isinstance(error, LocalTokenNotFoundError) or status in UNKNOWN_PERSON:
        said = "the Hugging Face Hub refused the token"
        remedy = f"`hf auth login` with a token that may write; {_KEPT}"
    elif status == TOO_OFTEN:
        said, remedy = "the Hugging Face Hub was asked too often", f"{_KEPT}; upload it again in some minutes"
    elif status or isinstance(error, HfHubHTTPError):
        said = f"the Hugging Face Hub refused the upload ({status or type(error).__name__})"
        remedy = f"{_KEPT}; upload it again"
    elif isinstance(error, OSError):
        said = f"the upload failed: {error.strerror or error}"
        remedy = "look whether the folder is whole and the disk has room, then upload it again"
    else:
        log.info("the upload to %s failed", repository, exc_info=error)
        said = f"the Hugging Face Hub answered what cannot be read ({type(error).__name__}: {error})"
        remedy = f"{_KEPT}; upload it again"
    return UserError(said, place=repository, remedy=remedy)
