"""Settings from elsewhere that reach for code, a judge or a key: shown and asked about once, at a terminal."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.cli.output import say
from droid_tune.errors import UserError

if TYPE_CHECKING:
    from droid_tune.config import RunConfig

TRUST_FLAG = "--trust"


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """`--trust`, for every command that runs what a file of settings brings."""
    parser.add_argument(
        TRUST_FLAG,
        action="store_true",
        help="allow the reward files, judges and keys that the settings bring; else asked once for each file",
    )


def ask_about_file(
    file: Path | None, config: RunConfig, *, trusted: bool, brought: list[str] | None = None
) -> None:
    """Ask about a config file. Raises UserError where the person refuses or nobody can be asked.

    `brought`: what the file itself reaches for; what the person added to it is not asked about. None: all of it.
    """
    from droid_tune.config.asking.trust import digest_of_file

    if file is not None:
        digest = digest_of_file(file, config)
        _ask(f"The settings in {file}", digest, config, trusted=trusted, brought=brought)


def ask_about_run(folder: Path, config: RunConfig, *, trusted: bool) -> None:
    """Ask about a run's folder that came from elsewhere. Raises UserError as `ask_about_file` does."""
    from droid_tune.config.asking.trust import digest_of_run

    _ask(f"The run {folder}", digest_of_run(config), config, trusted=trusted)


def _ask(
    what: str, digest: str, config: RunConfig, *, trusted: bool, brought: list[str] | None = None
) -> None:
    from droid_tune.config.asking.reaching_out import reaches
    from droid_tune.config.asking.trust import is_trusted, trust

    found = [clause for clause in reaches(config) if brought is None or clause in brought]
    if not found or is_trusted(digest) or int(os.environ.get("MLX_RANK", "0")) > 0:
        return
    if not trusted and not _is_allowed(what, found):
        raise UserError(
            f"{what} reach for more than model and data: {'; '.join(found)}",
            remedy=f"look at it, then allow it with {TRUST_FLAG}",
        )
    trust(config, digest)


def _is_allowed(what: str, found: list[str]) -> bool:
    """The person's answer; no where there is no terminal to ask at."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(f"{what} reach for more than model and data:")
    for clause in found:
        say(f"  - {clause}")
    sys.stderr.write("Allow this, now and later? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
