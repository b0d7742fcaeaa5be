"""What the person allowed: settings from a file that reach for code, a judge or a key, each asked about once.

Kept in the settings folder, by the digest of the file and of the code that it brings; a changed file is another one.
Settings that a person chose in the window or on the command line are the person's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from droid_tune.config.asking.reaching_out import KNOWN_KEYS, code_files, key_names, reaches
from droid_tune.config.presets import resolve
from droid_tune.config.run import RunConfig
from droid_tune.errors import UserError
from droid_tune.paths import data_dir, private_file, private_folder

#: the newest ones are kept
MOST_KEPT = 2000


def trust_file() -> Path:
    """Where it is kept."""
    return data_dir() / "trusted.json"


def digest_of_file(file: Path, config: RunConfig) -> str:
    """Of a file of settings and of the code that it brings, as they are now. Raises UserError for one that is gone."""
    return _digest([_bytes(file), *map(_bytes, code_files(config))])


def digest_of_run(config: RunConfig) -> str:
    """Of what a run's settings reach for; its other settings may change."""
    return _digest([clause.encode() for clause in reaches(config)])


def _digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"The file cannot be read: {error.strerror or error}", place=str(file)) from None


def unallowed_reach(file: Path, values: Mapping[str, Any]) -> list[str]:
    """What the settings in a file reach for that nobody here allowed, a clause each. Raises UserError.

    Where the settings as a whole are at fault, their rewards are looked at alone.
    """
    config = _readable(values)
    if config is None or not (found := reaches(config)):
        return []
    return [] if is_trusted(digest_of_file(file, config)) else found


def allow_file(file: Path, values: Mapping[str, Any]) -> None:
    """The person allowed what the settings in a file reach for. Raises UserError."""
    config = _readable(values)
    if config is not None:
        trust(config, digest_of_file(file, config))


def _readable(values: Mapping[str, Any]) -> RunConfig | None:
    for some in (values, {key: values[key] for key in ("method", "rewards", "environment") if key in values}):
        with suppress(UserError):
            return resolve(some)
    return None


def is_trusted(digest: str) -> bool:
    """Whether the person allowed it before."""
    return digest in _kept("digests")


def unallowed(config: RunConfig) -> list[str]:
    """What a run's settings reach for that nobody here allowed, a clause each."""
    return [] if is_trusted(digest_of_run(config)) else reaches(config)


def is_key_known(name: str) -> bool:
    """Whether an environment variable may be read for a judge's key."""
    return name in KNOWN_KEYS or name in _kept("keys")


def trust(config: RunConfig, *digests: str) -> None:
    """Remember that the person allowed what these settings reach for. Raises UserError where it cannot be kept."""
    if not reaches(config):
        return
    kept = {
        "digests": [*dict.fromkeys([*_kept("digests"), *digests, digest_of_run(config)])][-MOST_KEPT:],
        "keys": sorted({*_kept("keys"), *key_names(config)} - KNOWN_KEYS),
    }
    file = trust_file()
    partial = file.with_suffix(".partial")
    try:
        private_folder(file.parent)
        private_file(partial)
        partial.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise UserError(
            f"What you allowed cannot be kept: {error.strerror or error}", place=str(file)
        ) from None


def _kept(name: str) -> list[str]:
    """A list of the file's; a damaged file allows nothing."""
    try:
        value: Any = json.loads(trust_file().read_text(encoding="utf-8"))
        return [str(one) for one in value[name]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
