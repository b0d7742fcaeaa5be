"""Fetches a source archive from Debian's mirror with apt, from whatever mirror this machine is set up with.

apt works in a folder of its own: the machine's package lists and sources stay as they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from appbundle.problem import BundleError
from appbundle.shell import run

# Where the sources of recent CPythons are.
SUITES = ("trixie", "sid")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def source_archive(package: str, upstream_version: str, folder: Path) -> Path | None:
    """The `.orig.tar.*` of `package` at exactly `upstream_version`, fetched into `folder`.

    None when this is no Debian machine or no suite has that version.
    """
    mirror = _mirror()
    if mirror is None:
        return None
    options = _private_apt(mirror, folder / "apt")
    run(["apt-get", *options, "--quiet", "update"])
    version = _matching_version(package, upstream_version, options)
    if version is None:
        return None
    run(["apt-get", *options, "--quiet", "source", "--download-only", f"{package}={version}"], cwd=folder)
    archives = sorted(folder.glob(f"{package}_{upstream_version}.orig.tar.*"))
    archive = next((path for path in archives if path.suffix != ".asc"), None)
    if archive is None:
        raise BundleError(f"apt fetched {package} {version}, but no source archive came with it.")
    return archive


def _mirror() -> str | None:
    if shutil.which("apt-get") is None or not KEYRING.exists():
        return None
    targets = run(["apt-get", "indextargets", "--format", "$(LABEL) $(SITE)", "Created-By: Packages"])
    sites = [line.split(" ", 1)[1] for line in targets.splitlines() if line.startswith("Debian ")]
    return sites[0] if sites else None


def _private_apt(mirror: str, folder: Path) -> list[str]:
    """The apt options that keep this search apart from the machine's own lists."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    lines = [f"deb-src [signed-by={KEYRING}] {mirror} {suite} main" for suite in SUITES]
    sources.write_text("\n".join(lines) + "\n")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _matching_version(package: str, upstream_version: str, options: list[str]) -> str | None:
    """madison prints `package | version | where`."""
    for line in run(["apt-cache", *options, "madison", package]).splitlines():
        version = line.split("|")[1].strip()
        if version.split("-")[0] == upstream_version:
            return version
    return None
