"""The site-packages of the bundle: the project's wheel and the pinned wheels of everything it needs, untouched."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from appbundle.layout import MINIMUM_MACOS, PYTHON
from appbundle.shell import run
from appbundle.tools import find_uv

# Without it uv assumes macOS 13, for which MLX has no wheel; pip's --platform leaves mlx-metal out without a word.
MACOS_TARGET = {"MACOSX_DEPLOYMENT_TARGET": MINIMUM_MACOS}
# Not hard links: what is thinned or trimmed must not change in uv's cache.
COMMON = ["--quiet", "--no-deps", "--link-mode", "copy"]
# What an installer leaves of its own: the address or path of a wheel, and who asked for it.
INSTALLER_TRACES = ("direct_url.json", "uv_cache.json", "REQUESTED", "INSTALLER", "uv_build.json")


def install_for_macos(requirements: Sequence[str | Path], target: Path) -> None:
    """Installs the arm64 macOS wheels of `requirements` into the folder `target`."""
    platform = [
        "--python-platform",
        "aarch64-apple-darwin",
        "--python-version",
        PYTHON,
        "--only-binary",
        ":all:",
    ]
    run(
        [find_uv(), "pip", "install", *COMMON, *platform, "--target", target, *requirements], env=MACOS_TARGET
    )


def install_for_linux(requirements: Sequence[str | Path], target: Path, interpreter: Path) -> None:
    """Installs this machine's wheels of `requirements` into the folder `target`."""
    run([find_uv(), "pip", "install", *COMMON, "--python", interpreter, "--target", target, *requirements])


def build_project_wheel(project: Path, folder: Path) -> Path:
    """The wheel of the project itself; hatchling writes the same bytes for the same files."""
    pins = ["--build-constraints", project / "packaging" / "constraints.txt", "--require-hashes"]
    run([find_uv(), "build", "--quiet", "--wheel", *pins, "--out-dir", folder, project])
    return next(folder.glob("*.whl"))


def remove_installer_traces(site_packages: Path) -> None:
    """Deletes what only the installer needed: it differs between machines."""
    for name in INSTALLER_TRACES:
        for path in site_packages.glob(f"*.dist-info/{name}"):
            path.unlink()
    (site_packages / ".lock").unlink(missing_ok=True)
    # Console scripts name the building machine's interpreter; `share` holds manual pages.
    for folder in ("bin", "share"):
        shutil.rmtree(site_packages / folder, ignore_errors=True)
