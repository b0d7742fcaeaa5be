"""Checks of everything that is no Mach-O file: what must be there, and what must not."""

from __future__ import annotations

import json
import plistlib
import re
from collections.abc import Iterator
from pathlib import Path

from icnsutil import IcnsFile

from appbundle.distributions import installed, metadata_folder, required
from appbundle.examined import UNREADABLE, Bundle, Fault
from appbundle.icon import SIZES
from appbundle.info_plist import info_plist
from appbundle.manifest import entries, tree_size

LARGEST_BUNDLE = 420_000_000
PROJECT_NAME = "droid-tune"


def packages(bundle: Bundle) -> Iterator[Fault]:
    """Every requirement of the project is installed, with metadata, and RECORD lists only what is there."""
    site_packages = bundle.layout.site_packages
    present = installed(site_packages)
    if PROJECT_NAME not in present:
        yield Fault(bundle.name(site_packages), f"{PROJECT_NAME} is not installed")
    for name, distribution in present.items():
        if not distribution.version:
            yield Fault(bundle.name(site_packages), f"{name} has no version")
        for file in distribution.files or ():
            if not (site_packages / str(file)).exists():
                yield Fault(
                    bundle.name(metadata_folder(distribution)), f"RECORD names {file}, which does not exist"
                )
    needed = required(site_packages, PROJECT_NAME, "macos")
    for name in sorted(set(present) - set(needed)):
        yield Fault(bundle.name(site_packages), f"{name} is installed but nothing needs it")
    for name in sorted(set(needed) - set(present)):
        yield Fault(bundle.name(site_packages), f"{needed[name]} needs {name}, which is not installed")


def byte_code(bundle: Bundle) -> Iterator[Fault]:
    """No .pyc file: those of another build or Python would be stale, and the launcher keeps its own elsewhere."""
    for path in entries(bundle.root):
        if path.suffix == ".pyc":
            yield Fault(bundle.name(path), "byte code does not belong into the bundle")


def properties(bundle: Bundle) -> Iterator[Fault]:
    """Info.plist has every key that it should, and what it names exists."""
    name = bundle.name(bundle.layout.info_plist)
    try:
        found = plistlib.loads(bundle.layout.info_plist.read_bytes())
    except UNREADABLE as error:
        yield Fault(name, f"it cannot be read ({error})")
        return
    for key, value in info_plist(str(found.get("CFBundleShortVersionString", ""))).items():
        if found.get(key) != value:
            yield Fault(name, f"{key} is {found.get(key)!r}, not {value!r}")
    if not re.fullmatch(r"\d+(\.\d+){1,2}", str(found.get("CFBundleVersion", ""))):
        yield Fault(name, f"CFBundleVersion is {found.get('CFBundleVersion')!r}, not numbers and dots")
    executable = bundle.layout.contents / "MacOS" / str(found.get("CFBundleExecutable", "?"))
    if not executable.is_file() or not executable.stat().st_mode & 0o100:
        yield Fault(bundle.name(executable), "the executable is missing or may not be executed")


def icon(bundle: Bundle) -> Iterator[Fault]:
    """The icon exists in every size."""
    path = bundle.layout.icon
    if not path.is_file():
        yield Fault(bundle.name(path), "the icon is missing")
        return
    sizes = set(IcnsFile(str(path)).media)
    absent = sorted(set(SIZES) - sizes)
    if absent:
        yield Fault(bundle.name(path), f"the icon lacks {', '.join(absent)}")


def resources(bundle: Bundle) -> Iterator[Fault]:
    """The starter models, the sample data and the licences are there."""
    folder = bundle.layout.project_resources
    for needed in (
        folder / "starter" / "config.json",
        folder / "tools-starter" / "config.json",
        folder / "sample-data",
        folder / "icons",
        bundle.layout.third_party,
    ):
        if not needed.exists() or (needed.is_dir() and not any(needed.iterdir())):
            yield Fault(bundle.name(needed), "it is missing")
    try:
        listed = {part["name"] for part in json.loads(bundle.layout.components.read_text())["components"]}
    except (OSError, ValueError, KeyError) as error:
        yield Fault(bundle.name(bundle.layout.components), f"it cannot be read ({error})")
        return
    for name in sorted(set(installed(bundle.layout.site_packages)) - listed):
        yield Fault(
            bundle.name(bundle.layout.components), f"{name} is in the bundle but not listed with its licence"
        )


# Built from pieces, so that this file does not find itself.
SECRETS = re.compile(
    rb"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}|\bhf_[A-Za-z0-9]{34}\b|\bghp_[A-Za-z0-9]{36}\b|"
    rb"\bAKIA[0-9A-Z]{16}\b|https?://[^/\s:@\"']+:(?!password@)[^/\s:@\"'{}<$%]{6,}@"
)
TEXT_SUFFIXES = (
    ".py",
    ".json",
    ".txt",
    ".toml",
    ".yaml",
    ".yml",
    ".cfg",
    ".ini",
    ".plist",
    ".pth",
    ".sh",
    "",
)
MACHINE_PATHS = re.compile(rb"(?:/root/|/work/|/tmp/)(?:[\w.+-]+/)+[\w.+-]+")


def machine_paths(bundle: Bundle) -> Iterator[Fault]:
    """No file names this project's folder, and nothing that we made names any folder of a building machine.

    Third-party binaries may name the folders of their authors' machines.
    """
    here = f"{Path(__file__).resolve().parents[2]}/".encode()
    ours = [bundle.layout.executable, bundle.layout.info_plist, bundle.layout.components]
    ours += sorted(bundle.layout.stdlib.glob("_sysconfigdata*.py"))
    ours += sorted(bundle.layout.site_packages.glob("*.dist-info/*"))
    ours += sorted(bundle.layout.site_packages.glob("*.pth"))
    for path in entries(bundle.root):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found = MACHINE_PATHS.search(content) if path in ours else None
            if found or here in content:
                yield Fault(bundle.name(path), f"it names {(found[0] if found else here).decode()}")


def secrets(bundle: Bundle) -> Iterator[Fault]:
    """No private key, token or password."""
    for path in entries(bundle.root):
        if path.is_file() and not path.is_symlink() and path.suffix in TEXT_SUFFIXES:
            found = SECRETS.search(path.read_bytes())
            if found:
                yield Fault(
                    bundle.name(path), f"it holds what looks like a secret ({found[0][:12].decode()}...)"
                )


def test_data(bundle: Bundle) -> Iterator[Fault]:
    """No tests, and nothing of a developer's folder."""
    site_packages = bundle.layout.site_packages
    for path in entries(bundle.root):
        if path.is_dir() and path.name in ("tests", ".git", "__pycache__", ".pytest_cache", "node_modules"):
            yield Fault(bundle.name(path), "it does not belong into the bundle")
        if path.name in (".DS_Store", "conftest.py"):
            yield Fault(bundle.name(path), "it does not belong into the bundle")
    for name in ("pytest", "_pytest", "pip", "setuptools"):
        if (site_packages / name).exists():
            yield Fault(
                bundle.name(site_packages / name), "a developer's tool does not belong into the bundle"
            )


def links(bundle: Bundle) -> Iterator[Fault]:
    """Every symbolic link is relative, stays inside and leads somewhere."""
    inside = bundle.root.resolve()
    for path in entries(bundle.root):
        if path.is_symlink():
            target = path.readlink()
            if target.is_absolute() or not path.resolve().is_relative_to(inside) or not path.exists():
                yield Fault(bundle.name(path), f"it is a link to {target}")


def size(bundle: Bundle) -> Iterator[Fault]:
    """The bundle is not larger than it may be."""
    found = tree_size(bundle.root)
    if found > LARGEST_BUNDLE:
        yield Fault("Contents", f"it has {found / 1e6:.1f} MB, more than {LARGEST_BUNDLE / 1e6:.0f}")
