"""The installed distributions: which of them the project needs, and their lists of files."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from appbundle.layout import PYTHON, Platform

MARKERS: dict[Platform, dict[str, str]] = {
    "macos": {
        "sys_platform": "darwin",
        "platform_system": "Darwin",
        "platform_machine": "arm64",
        "os_name": "posix",
    },
    "linux": {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    },
}


def installed(site_packages: Path) -> dict[str, metadata.Distribution]:
    """Every distribution below `site_packages`, by its normalised name."""
    found = metadata.distributions(path=[str(site_packages)])
    return {canonicalize_name(distribution.name): distribution for distribution in found}


def required(site_packages: Path, project: str, platform: Platform) -> dict[str, str]:
    """The names of `project` and of all that it needs on `platform`, directly or not, each with who needs it first."""
    distributions = installed(site_packages)
    needed: dict[str, str] = {}
    waiting = [(canonicalize_name(project), frozenset[str](), "the bundle")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras, wanted_by = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        needed.setdefault(name, wanted_by)
        if name in distributions:
            waiting += [(*found, name) for found in _requirements(distributions[name], extras, platform)]
    return needed


def remove_unneeded(site_packages: Path, project: str, platform: Platform) -> list[str]:
    """Removes the distributions that `project` does not need (build tools); returns their names."""
    needed = required(site_packages, project, platform)
    removed = sorted(set(installed(site_packages)) - set(needed))
    for name, distribution in installed(site_packages).items():
        if name in removed:
            _uninstall(distribution, site_packages)
    for folder in sorted((path for path in site_packages.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return removed


def rewrite_records(site_packages: Path) -> None:
    """Makes every RECORD tell the truth again after files were thinned or trimmed."""
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        rows = sorted({row[0] for row in csv.reader(io.StringIO(record.read_text())) if row})
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for name in rows:
            path = site_packages / name
            if path == record:
                writer.writerow([name, "", ""])
            elif path.is_file() and not name.startswith("..") and "__pycache__" not in name:
                writer.writerow([name, *_digest_and_size(path)])
        record.write_text(text.getvalue())


def _requirements(
    distribution: metadata.Distribution, extras: frozenset[str], platform: Platform
) -> Iterator[tuple[str, frozenset[str]]]:
    environment = {**MARKERS[platform], "python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    for text in distribution.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def metadata_folder(distribution: metadata.Distribution) -> Path:
    """The `.dist-info` folder of an installed distribution."""
    files = distribution.files or ()
    name = next(file.parts[0] for file in files if file.parts[0].endswith(".dist-info"))
    return Path(str(distribution.locate_file(name)))


def _uninstall(distribution: metadata.Distribution, site_packages: Path) -> None:
    own_metadata = metadata_folder(distribution)
    for name in distribution.files or ():
        path = site_packages / str(name)
        if path.is_file() and path.resolve().is_relative_to(site_packages.resolve()):
            path.unlink()
    shutil.rmtree(own_metadata, ignore_errors=True)


def _digest_and_size(path: Path) -> tuple[str, str]:
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(content))
