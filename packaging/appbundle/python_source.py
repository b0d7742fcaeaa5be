"""The pure-Python standard library and the C headers of exactly one CPython version.

The macOS runtime comes from a wheel without them. They are the same on every platform, so they may come from a source
archive (Debian's mirror has it) or from an installed Python of exactly that version.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from appbundle import debian
from appbundle.cache import cache_dir
from appbundle.problem import BundleError
from appbundle.shell import run
from appbundle.tools import find_python

# The archives known to be good. One named with --python-source is the user's own choice and is not held to it.
KNOWN_ARCHIVES = {"3.13.15": "1e66a7945a48390ee4c2a4268a0e4185884059a13c4aab6d148aa208deea4a76"}


@dataclass(frozen=True)
class PythonSource:
    """Folders `library` (Lib) and `headers` (Include, without pyconfig.h), the licence, and where they came from."""

    version: str
    library: Path
    headers: Path
    licence: Path
    origin: str


def python_source(version: str, chosen: Path | None, interpreter: Path | None) -> PythonSource:
    """The source of `version`, for example "3.13.15": `chosen`, else the cache, else Debian, else `interpreter`.

    `chosen` is a source archive or the prefix of an installed Python. Raises BundleError when nothing fits.
    """
    if chosen is not None:
        return from_prefix(version, chosen) if chosen.is_dir() else from_archive(version, chosen)
    archive = _cached_archive(version) or _archive_from_debian(version)
    if archive is not None:
        return from_archive(version, archive)
    installed = interpreter or _installed_python(version)
    if installed is not None and _installed_version(installed) == version:
        return from_prefix(version, installed.parent.parent)
    raise BundleError(
        f"the standard library of Python {version} was found neither in Debian's sources nor on this machine; "
        f"please install Python {version}, or name its source archive or its prefix with --python-source."
    )


def from_archive(version: str, archive: Path) -> PythonSource:
    """Unpacks what is needed of a CPython source archive into the cache."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = cache_dir() / f"cpython-{version}-{digest[:12]}"
    if not folder.is_dir():
        _unpack(archive, folder)
    source = PythonSource(
        version,
        folder / "Lib",
        folder / "Include",
        folder / "LICENSE",
        f"CPython source archive, sha256 {digest}",
    )
    return _checked(source, str(archive))


def from_prefix(version: str, prefix: Path) -> PythonSource:
    """Takes library and headers of an installed Python; its pyconfig.h describes another platform and stays out."""
    minor = f"python{version.rpartition('.')[0]}"
    headers = cache_dir() / f"headers-{version}"
    shutil.rmtree(headers, ignore_errors=True)
    found = prefix / "include" / minor
    if not found.is_dir():
        raise BundleError(
            f"{found} does not exist; please name the prefix of a Python {version} with its headers."
        )
    shutil.copytree(found, headers, ignore=shutil.ignore_patterns("pyconfig.h"))
    library = prefix / "lib" / minor
    source = PythonSource(version, library, headers, library / "LICENSE.txt", f"installed CPython {version}")
    return _checked(source, str(prefix))


def header_version(headers: Path) -> str:
    """What `patchlevel.h` calls PY_VERSION."""
    found = re.search(
        r'^#define PY_VERSION\s+"([^"]+)"', (headers / "patchlevel.h").read_text(), re.MULTILINE
    )
    return found[1] if found else ""


def _checked(source: PythonSource, where: str) -> PythonSource:
    found = header_version(source.headers)
    if found != source.version:
        raise BundleError(
            f"{where} is Python {found}, but the runtime is {source.version}; please name that version."
        )
    return source


def _unpack(archive: Path, folder: Path) -> None:
    fresh = folder.with_suffix(".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, inner = member.name.partition("/")
            if inner == "LICENSE" or inner.split("/")[0] in ("Lib", "Include"):
                member.name = inner
                tar.extract(member, fresh, filter="data")
    fresh.rename(folder)


def _archive_path(version: str) -> Path:
    return cache_dir() / f"cpython-{version}.tar.xz"


def _cached_archive(version: str) -> Path | None:
    path = _archive_path(version)
    return path if path.exists() and _is_known(version, path) else None


def _archive_from_debian(version: str) -> Path | None:
    folder = cache_dir() / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    fetched = debian.source_archive(f"python{version.rpartition('.')[0]}", version, folder)
    if fetched is None:
        return None
    if not _is_known(version, fetched):
        raise BundleError(
            f"the source archive {fetched} has another sha256 than the one this project knows; delete it."
        )
    return fetched.replace(_archive_path(version))


def _is_known(version: str, archive: Path) -> bool:
    known = KNOWN_ARCHIVES.get(version)
    return known is None or hashlib.sha256(archive.read_bytes()).hexdigest() == known


def _installed_python(version: str) -> Path | None:
    try:
        return find_python(version.rpartition(".")[0])
    except BundleError:
        return None


def _installed_version(interpreter: Path) -> str:
    return run([interpreter, "-I", "-c", "import platform; print(platform.python_version())"]).strip()
