"""The Hub token in the user's keychain (macOS): never in a file of ours, never on a command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence

from droid_tune.errors import UserError

SECURITY = "/usr/bin/security"
#: where huggingface_hub looks for the token
VARIABLE = "HF_TOKEN"
SERVICE, ACCOUNT = "Droid Tune", "huggingface.co"

#: (command, its input) -> (exit status, what it printed)
Ask = Callable[[Sequence[str], str], tuple[int, str]]


def has_keychain() -> bool:
    """Whether this computer keeps secrets for us."""
    return sys.platform == "darwin"


def keep_token(token: str, ask: Ask | None = None) -> None:
    """Put the token into the keychain, in the place of the one before. Raises UserError."""
    if not re.fullmatch(r"[A-Za-z0-9_\-]{8,200}", token):
        raise UserError(
            "A token has letters, digits and _ only",
            remedy="copy it again from huggingface.co/settings/tokens",
        )
    # By security's own prompt: an argument would be seen in the list of processes.
    words = f'add-generic-password -U -s "{SERVICE}" -a "{ACCOUNT}" -w "{token}"\n'
    status, _ = (ask or _asked)([SECURITY, "-i"], words)
    if status:
        raise UserError("The keychain did not take the token", remedy="unlock it and try again")


def kept_token(ask: Ask | None = None) -> str:
    """The token; empty where there is none, or the keychain says no."""
    status, said = (ask or _asked)(
        [SECURITY, "find-generic-password", "-s", SERVICE, "-a", ACCOUNT, "-w"], ""
    )
    return "" if status else said.strip()


def use_kept_token(ask: Ask | None = None) -> None:
    """For this process's downloads, where its environment names none."""
    if VARIABLE not in os.environ and (token := kept_token(ask)):
        os.environ[VARIABLE] = token


def forget_token(ask: Ask | None = None) -> None:
    """Take it out again; nothing where there is none."""
    (ask or _asked)([SECURITY, "delete-generic-password", "-s", SERVICE, "-a", ACCOUNT], "")


def _asked(command: Sequence[str], words: str) -> tuple[int, str]:
    try:
        done = subprocess.run(command, input=words, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout
