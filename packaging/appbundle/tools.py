"""The builder's tools (zig, lief, resvg, icnsutil), in an environment of their own in the cache.

`packaging/build-app` may be started by any Python 3.11 or later; `enter()` makes the environment once and starts the
same command again inside it. Only the standard library is imported here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from appbundle.cache import cache_dir
from appbundle.problem import BundleError
from appbundle.shell import run

REQUIREMENTS = Path(__file__).with_name("tools.txt")
INSIDE_VARIABLE = "DROID_TUNE_BUNDLE_TOOLS"


def enter() -> None:
    """Goes on inside the tools' environment; returns only there."""
    environment = tools_environment()
    if os.environ.get(INSIDE_VARIABLE) == str(environment):
        return
    prepare(environment)
    os.environ[INSIDE_VARIABLE] = str(environment)
    python = environment / "bin" / "python"
    os.execv(python, [str(python), *sys.argv])


def tools_environment() -> Path:
    """The environment's folder; its name changes with the pins and with the Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return cache_dir() / f"tools-{version}-{pins}"


def prepare(environment: Path) -> None:
    """Makes the environment unless it is there. A half-made one is never taken for a whole one."""
    if environment.is_dir():
        return
    environment.parent.mkdir(parents=True, exist_ok=True)
    print("build-app: installing the tools (once)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=environment.parent) as temporary:
        fresh = Path(temporary) / "tools"
        uv = find_uv()
        run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, fresh])
        python = fresh / "bin" / "python"
        run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "--require-hashes",
                "--no-deps",
                "-r",
                REQUIREMENTS,
            ]
        )
        try:
            fresh.rename(environment)
        except OSError:  # another build was quicker
            if not environment.is_dir():
                raise


def find_uv() -> str:
    """uv from PATH, or fetched into the cache by pip."""
    found = shutil.which("uv")
    if found:
        return found
    folder = cache_dir() / "uv"
    fetched = folder / "bin" / "uv"
    if not fetched.exists():
        run([sys.executable, "-m", "venv", "--clear", folder])
        run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"])
    return str(fetched)


def find_python(version: str) -> Path:
    """The base interpreter (not a virtual environment's) of exactly this minor version, for example "3.13".

    Raises BundleError when there is none.
    """
    for candidate in _candidates(version):
        base = _base_interpreter(candidate, version)
        if base:
            return base
    raise BundleError(
        f"Python {version} is needed and was not found; please install it "
        f"(`uv python install {version}`, or the installer of python.org), or name it with --python."
    )


def _candidates(version: str) -> list[str]:
    found = [shutil.which(f"python{version}")]
    asked = subprocess.run(
        [find_uv(), "python", "find", "--no-project", "--system", version],
        capture_output=True,
        text=True,
        check=False,
    )
    found.append(asked.stdout.strip() or None)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found.extend(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python")))
    return [sys.executable, *(path for path in found if path)]


def _base_interpreter(python: str, version: str) -> Path | None:
    question = (
        "import sys, pathlib; v = '.'.join(map(str, sys.version_info[:2]));"
        "print(v, pathlib.Path(sys.base_prefix, 'bin', 'python' + v))"
    )
    asked = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=False)
    found, _, base = asked.stdout.strip().partition(" ")
    return Path(base) if asked.returncode == 0 and found == version and Path(base).exists() else None
