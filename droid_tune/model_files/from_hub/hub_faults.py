"""Why the Hugging Face Hub did not give what was asked, in plain words."""

from __future__ import annotations

from droid_tune.errors import UserError

#: what the Hub answers with where it wants to know who asks, and where it is asked too often
_UNKNOWN_PERSON, _TOO_OFTEN = (401, 403), 429


def no_connection(error: BaseException) -> bool:
    """Whether the Hub could not be reached.

    By the names of the classes: the library changed its HTTP client twice (requests, httpx, httpx2), each with
    exceptions of its own that derive from one of these.
    """
    names = {one.__name__ for one in type(error).__mro__}
    return bool(
        names & {"TransportError", "ConnectionError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"}
    )


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
    if isinstance(error, HfHubHTTPError):
        return _by_status(getattr(error.response, "status_code", 0), type(error).__name__)
    if isinstance(error, (OSError, ValueError)):  # an answer that is no JSON, a cache that cannot be written
        return f"what the Hugging Face Hub says of it cannot be read ({error})", "try again later"
    raise error


def _by_status(status: int, kind: str) -> tuple[str, str]:
    if status in _UNKNOWN_PERSON:
        return "the Hugging Face Hub does not let you see it", "check your access token in Settings"
    if status == _TOO_OFTEN:
        return "the Hugging Face Hub was asked too often", "wait a minute and try again"
    return f"the Hugging Face Hub answered with an error ({status or kind})", "try again later"
