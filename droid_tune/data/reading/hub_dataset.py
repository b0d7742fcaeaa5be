"""A data set of the Hugging Face Hub by its id: the files of its splits, through the Hub's own cache.

Files in our formats are taken as they are; for a data set of other types the Hub's own conversion to Parquet is used.
What can go wrong on the way (not there, gated, offline, busy) comes back as one plain sentence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.splits import (
    SPLIT_NAMES,
    SPLITS,
    DataFile,
    Split,
    split_of_word,
    suffix_of,
    whole_name,
    words_beside,
)
from droid_tune.errors import UserError
from droid_tune.model_files.from_hub.hub_faults import no_connection

CONVERTED = "refs/convert/parquet"
_ADDRESS = re.compile(r"^(?:https?://[^/]+/datasets/|datasets/|hub:)")
_USUAL_CONFIGS = ("default", "main", "")
#: begins a path that is in truth an id of the Hugging Face Hub
HUB_PREFIX = "hub:"


@dataclass(frozen=True)
class HubReference:
    """`org/name`, and where said a configuration (`org/name:main`) and a revision (`org/name@v1`)."""

    id: str
    config: str | None = None
    revision: str | None = None

    @staticmethod
    def of(text: str) -> HubReference:
        """From `hub:org/name:config@revision`, or the address of its page."""
        plain = _ADDRESS.sub("", text.strip()).strip("/")
        plain, _, revision = plain.partition("@")
        name, _, config = plain.partition(":")
        return HubReference(name, config or None, revision or None)


def fetch(
    reference: HubReference,
    *,
    endpoint: str | None = None,
    cache_dir: Path | None = None,
    watch: Watch = UNWATCHED,
) -> list[DataFile]:
    """The data files of a data set on the Hub, downloaded where they are not in the cache yet.

    Without a connection the cache answers alone. `watch` is told (bytes done, bytes in all, file).
    Raises `UserError` in plain words, and `Stopped`.
    """
    with _plain_words(reference):
        try:
            revision, files = _listed(reference, endpoint)
        except Exception as error:
            if no_connection(error):
                return _cached(reference, cache_dir)
            raise
        chosen = choose(files, reference)
        return [
            DataFile(_download(reference.id, name, revision, endpoint, cache_dir, watch), split)
            for name, split in chosen
        ]


def _listed(reference: HubReference, endpoint: str | None) -> tuple[str | None, list[str]]:
    """`(revision, file names)`: of the data set as it is, or of the Hub's conversion when we can read none of it."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    api = HfApi(endpoint=endpoint)
    revision, files = _files_of(api, reference.id, reference.revision)
    if reference.revision is None and not _placed(files):
        try:
            return _files_of(api, reference.id, CONVERTED)
        except RevisionNotFoundError:
            pass
    return revision, files


def _files_of(api: Any, name: str, revision: str | None) -> tuple[str | None, list[str]]:
    info = api.dataset_info(name, revision=revision, timeout=20)
    # The name of the revision, not its commit: only then does the cache know what to answer offline.
    return revision, [one.rfilename for one in info.siblings or []]


def choose(files: Iterable[str], reference: HubReference) -> list[tuple[str, Split]]:
    """The files of one configuration with their splits. Raises `UserError` when there is none, or no clear one."""
    configs: dict[str, list[tuple[str, Split]]] = defaultdict(list)
    for name, (split, config) in _placed(files).items():
        configs[config].append((name, split))
    if not configs:
        raise UserError(
            f"The data set {reference.id} has no files that we read",
            place="Hugging Face Hub",
            remedy="download it and convert it to JSONL",
        )
    found = configs[_chosen_config(list(configs), reference)]
    return sorted(found, key=lambda pair: (SPLITS.index(pair[1]), pair[0]))


def _chosen_config(names: Sequence[str], reference: HubReference) -> str:
    if reference.config is not None:
        if reference.config in names:
            return reference.config
        raise _which_config(f"{reference.id} has no configuration `{reference.config}`", names, reference)
    usual = [name for name in _USUAL_CONFIGS if name in names]
    if usual or len(names) == 1:
        return usual[0] if usual else names[0]
    raise _which_config(f"{reference.id} has {len(names)} configurations", names, reference)


def _which_config(said: str, names: Sequence[str], reference: HubReference) -> UserError:
    shown = ", ".join(sorted(names)[:10])
    return UserError(
        said, place="Hugging Face Hub", remedy=f"choose one as {HUB_PREFIX}{reference.id}:NAME of {shown}"
    )


def _placed(files: Iterable[str]) -> dict[str, tuple[Split, str]]:
    """The split and the configuration of each file of a split: by names that are a split's own, or, where no file has
    one, by a split among other words (`data/train_sft-00000-of-00003.parquet`), which are the configuration then."""
    names = [name for name in files if suffix_of(Path(name))]
    exact: dict[str, tuple[Split, str]] = {
        name: (SPLIT_NAMES[own], _folder(name)) for name in names if (own := _own_name(name))
    }
    if exact:
        return exact
    found: dict[str, tuple[Split, str]] = {}
    for name in names:
        saying = next((one for one in _names(name) if split_of_word(one)), "")
        split = split_of_word(saying)
        if split is not None:
            found[name] = split, words_beside(saying)
    return found


def _names(file: str) -> list[str]:
    """What may name a file's split: its own name, then its folders, the nearest first."""
    path = PurePosixPath(file)
    return [whole_name(Path(path.name)), *reversed(path.parts[:-1])]


def _own_name(file: str) -> str:
    return next((name for name in _names(file) if name in SPLIT_NAMES), "")


def _folder(file: str) -> str:
    """The folder that stands for a configuration; `data` is none."""
    parts = [part for part in PurePosixPath(file).parts[:-1] if part not in SPLIT_NAMES and part != "data"]
    return parts[0] if parts else ""


def _download(
    repo: str,
    name: str,
    revision: str | None,
    endpoint: str | None,
    cache_dir: Path | None,
    watch: Watch,
) -> Path:
    from huggingface_hub import hf_hub_download

    watch.pause_point()
    return Path(
        hf_hub_download(
            repo,
            name,
            repo_type="dataset",
            revision=revision,
            endpoint=endpoint,
            cache_dir=cache_dir,
            tqdm_class=_reporter(name, watch),
        )
    )


def _reporter(name: str, watch: Watch) -> Any:
    """A silent progress bar that tells us instead, and ends a download that is no longer wanted."""
    from tqdm import tqdm

    class Reporter(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})
            self.done = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            self.done += int(n or 0)
            watch.tell(self.done, int(self.total or 0), name)
            return None

    return Reporter


def _cached(reference: HubReference, cache_dir: Path | None) -> list[DataFile]:
    """The files of an earlier download. Raises `UserError` when there was none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for revision in (reference.revision, CONVERTED):
        try:
            folder = Path(
                snapshot_download(
                    reference.id,
                    repo_type="dataset",
                    revision=revision,
                    cache_dir=cache_dir,
                    local_files_only=True,
                )
            )
        except LocalEntryNotFoundError:
            continue
        names = [one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()]
        if _placed(names):
            return [DataFile(folder / name, split) for name, split in choose(names, reference)]
    raise UserError(
        f"There is no connection to the Hugging Face Hub, and {reference.id} was not downloaded before",
        place="Hugging Face Hub",
        remedy="connect to the internet, or choose a file",
    )


@contextmanager
def _plain_words(reference: HubReference) -> Generator[None]:
    """Turn the library's exceptions into one sentence each."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError:
        raise _said(f"`{reference.id}` is no id of a data set", "write it as owner/name") from None
    except errors.GatedRepoError:
        raise _said(
            f"The data set {reference.id} is shared only with those who accept its terms",
            "open its page on huggingface.co, accept them, and log in with `hf auth login`",
        ) from None
    except errors.DisabledRepoError:
        raise _said(f"The data set {reference.id} was disabled by the Hub", "choose another one") from None
    except errors.RevisionNotFoundError:
        raise _said(
            f"{reference.id} has no revision `{reference.revision}`", "check the name after @"
        ) from None
    except errors.RepositoryNotFoundError:
        raise _said(
            f"There is no data set {reference.id}, or it is private",
            "check the spelling, or log in with `hf auth login`",
        ) from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status == 429:
            raise _said(
                "The Hub gets too many requests from here", "wait a few minutes and try again"
            ) from None
        raise _said(f"The Hub answered with an error ({status})", "try again later") from None
    except OSError as error:
        if no_connection(error):
            raise _broken_off(reference) from None
        raise _said(f"The download could not be stored ({error.strerror})", "make room on the disk") from None
    except Exception as error:
        if no_connection(error):
            raise _broken_off(reference) from None
        raise


def _broken_off(reference: HubReference) -> UserError:
    return _said(
        f"The connection broke while {reference.id} was downloaded",
        "try again; what is there already is kept",
    )


def _said(message: str, remedy: str) -> UserError:
    return UserError(message, place="Hugging Face Hub", remedy=remedy)
