"""Why the Hugging Face Hub did not give what was asked, in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from droid_tune.errors import UserError

#: what the Hub answers with where it wants to know who asks, and where it is asked too often
UNKNOWN_PERSON, TOO_OFTEN = (401, 403), 429


#: how the library's part for large files (hf_xet 1.8) tells a refusal, which it raises as Python's own ConnectionError
_XET_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})")


def no_connection(error: BaseException) -> bool:
    """Whether the Hub could not be reached.

    By the names of the classes: the library changed its HTTP client twice (requests, httpx, httpx2), each with
    exceptions of its own that derive from one of these.
    """
    names = {one.__name__ for link in _chain(error) for one in type(link).__mro__}
    told = {"TransportError", "ConnectionError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"}
    return bool(names & told) and not status_of(error)


def status_of(error: BaseException) -> int:
    """The HTTP status with which the Hub refused; 0 where it did not answer at all."""
    for link in _chain(error):
        if status := getattr(getattr(link, "response", None), "status_code", 0):
            return int(status)
        if found := _XET_STATUS.search(str(link)):
            return int(found[1])
    return 0


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it: the library raises a plain RuntimeError from what happened to a large file."""
    while error is not None:
        yield error
        error = error.__cause__


def hub_fault(name: str, error: Exception, then: str = "") -> UserError:
    """The sentence for what the Hub's library raised when it was asked for a model; `then` is what follows from it.

    Raises the error itself where it is none of the Hub's.
    """
    said, remedy = _words(name, error)
    return UserError(f"{said}{then}", place=name, remedy=remedy)


def _words(name: str, error: Exception) -> tuple[str, str]:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if no_connection(error):
        return (
            "the model is not on this computer and the Hugging Face Hub cannot be reached",
            "check the internet connection, or give a local folder",
        )
    if isinstance(error, GatedRepoError):
        return (
            "it is gated: its owner wants you to agree to terms first",
            f"agree on huggingface.co/{name}, then put your access token into Settings (or `hf auth login`)",
        )
    if isinstance(error, HFValidationError):
        return "this is no id of the Hugging Face Hub", "write owner/name"
    if isinstance(error, RevisionNotFoundError):
        return "the Hugging Face Hub has no such revision of it", "check the revision"
    if isinstance(error, RepositoryNotFoundError):
        return (
            "the Hugging Face Hub has no such model, or it is private",
            "check the spelling; a private one needs your access token in Settings",
        )
    if (status := status_of(error)) or isinstance(error, HfHubHTTPError):
        return _by_status(status, type(error).__name__)
    if isinstance(error, (OSError, ValueError)):  # an answer that is no JSON, a cache that cannot be written
        return f"what the Hugging Face Hub says of it cannot be read ({error})", "try again later"
    raise error


def _by_status(status: int, kind: str) -> tuple[str, str]:
    if status in UNKNOWN_PERSON:
        return "the Hugging Face Hub does not let you see it", "check your access token in Settings"
    if status == TOO_OFTEN:
        return "the Hugging Face Hub was asked too often", "wait a minute and try again"
    return f"the Hugging Face Hub answered with an error ({status or kind})", "try again later"
