"""Runs the programs that do the heavy work: uv, zig, apt."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from appbundle.problem import BundleError


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Runs `command` with `env` added to the environment; returns its output.

    Raises BundleError with the program's last words when it fails or does not exist.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **(env or {})}
        )
    except FileNotFoundError as error:
        raise BundleError(
            f"{words[0]} is needed to build the bundle and was not found; please install it."
        ) from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BundleError(f"`{' '.join(words[:4])} ...` failed with exit code {done.returncode}:\n{said}")
    return done.stdout
