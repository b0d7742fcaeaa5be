"""What goes wrong by the user's doing, said in one sentence (floor 0)."""

import errno
from typing import Literal


class UserError(Exception):
    """A mistake or circumstance that the user can mend: never shown with a traceback.

    `message` says what is wrong and gives the value; `place` names where (file:line, folder, setting);
    `remedy` says what to do. `str(error)` joins them: "PLACE: MESSAGE; REMEDY.".
    """

    def __init__(self, message: str, *, value: object = None, place: str = "", remedy: str = "") -> None:
        self.message = message.strip().rstrip(".")
        self.value = value
        self.place = place
        self.remedy = remedy.strip().rstrip(".")
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """The whole sentence on one line, as the terminal and the window show it."""
        said = self.message
        if self.value is not None:
            said = f"{said} (found {abbreviated(self.value)})"
        if self.place:
            said = f"{self.place}: {said}"
        if self.remedy:
            said = f"{said}; {self.remedy}"
        sentence = " ".join(said.split())
        return sentence if sentence.endswith(("?", "!")) else sentence + "."


class UsageError(UserError):
    """The command or the config asks for something that does not exist: exit code 2 on the command line."""


class AbsentTeacherError(UserError):
    """A teacher that is named but cannot be had now: its model is not here, or its server does not answer."""


class MendableError(UserError):
    """Something beside the run that its user can put right while the run waits, which then tries again.

    `kind` is the word for it in a `paused` event.
    """

    kind: Literal["reward", "disk", "data", "folder", "numbers"] = "disk"


class DiskError(MendableError):
    """The disk refuses: it is full, gone, or may not be written to."""


class FolderGoneError(MendableError):
    """The run's folder is not there any more."""

    kind = "folder"


class DataChangedError(MendableError):
    """A data file is no longer the one that the run reads."""

    kind = "data"


class NotFiniteError(MendableError):
    """Several updates in a row gave no number; with other settings the next ones may."""

    kind = "numbers"


class Stopped(Exception):  # noqa: N818  (an outcome, not an error)
    """The run is to stop: the loop unwinds, saves and ends. Its text says why, where nobody pressed Stop just now."""


def missing_package(error: BaseException) -> str:
    """What to say of a package of others that is missing or broken; empty where something else is the matter."""
    if not isinstance(error, ImportError):
        return ""
    package = str(error.name or "").partition(".")[0]
    if package in ("", "droid_tune", "ui"):  # a mistake of ours: whoever looks for it needs the traceback
        return ""
    return str(
        UserError(
            f"The package `{package}`, which this needs, cannot be loaded ({error})",
            remedy=f"install Droid Tune anew, or that package alone with pip install {package}",
        )
    )


#: what a system refuses for reasons that lie with the computer, with what stands where a file should, or with whose it is
_REFUSALS = frozenset(
    getattr(errno, name)
    for name in [
        "EACCES",
        "EPERM",
        "EROFS",
        "ENOSPC",
        "EDQUOT",
        "EIO",
        "ENAMETOOLONG",
        "EISDIR",
        "ENOTDIR",
        "ELOOP",
        "ENODEV",
        "ESTALE",
        "EBUSY",
        "ETIMEDOUT",
        "EMFILE",
        "ENFILE",
        "EAGAIN",
        "ENOMEM",
    ]
)


def refused_by_system(error: BaseException) -> str:
    """What to say where the system gives no file, no room or no process; empty where something else is the matter."""
    if not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return ""
    what = str(error.filename) if error.filename else "a file or a process"
    return str(UserError(f"The system refuses {what} ({error.strerror})"))


def abbreviated(value: object, longest: int = 80) -> str:
    """`repr` of a value, cut in the middle so that a long one cannot drown the sentence."""
    text = repr(value)
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[-half:]}"
