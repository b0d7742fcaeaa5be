"""What a person installs: the scripts, the pins and the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

SCRIPTS = ("environment.sh", "run", "test", "update-constraints", "debian-packages")
PINS = ("constraints.txt", "constraints-test.txt")


@pytest.fixture(scope="module")
def packaging(project_root: Path) -> Path:
    return project_root / "packaging"


@pytest.fixture(scope="module")
def pinned(packaging: Path) -> dict[str, set[str]]:
    """Name -> pinned versions, of both files together."""
    found: dict[str, set[str]] = {}
    for name in PINS:
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", (packaging / name).read_text(), re.M):
            found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_plain_posix_shell(packaging: Path, name: str) -> None:
    subprocess.run(["sh", "-n", str(packaging / name)], check=True)
    assert "[[" not in (packaging / name).read_text(), "a habit of bash that dash does not know"


@pytest.mark.parametrize("name", PINS)
def test_pins_name_no_address(packaging: Path, name: str) -> None:
    assert "://" not in (packaging / name).read_text()


@pytest.mark.parametrize("name", PINS)
def test_every_pin_has_a_hash(packaging: Path, name: str) -> None:
    entries = re.split(r"\n(?=\S)", (packaging / name).read_text().strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_dependency_is_pinned(project_root: Path, pinned: dict[str, set[str]]) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    # What the user may add by hand is only bounded from below: neither the application nor its tests install it.
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["build"], *extras["dev"]]
    names = {re.split(r"[\[<>=; ]", one)[0].lower() for one in wanted}
    assert names - set(pinned) == set(), "run packaging/update-constraints"


def test_both_backends_of_mlx_are_pinned_alike(pinned: dict[str, set[str]]) -> None:
    assert pinned["mlx"] == pinned["mlx-metal"] == pinned["mlx-cpu"] == {"0.32.4"}


def test_the_wheel_holds_packages_and_resources_and_no_tests(project_root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=project_root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"droid_tune", "ui", "resources"}
    assert {"droid_tune/__main__.py", "resources/icons/app-icon.svg", "ui/__init__.py"} <= set(names)
    assert [name for name in names if "__pycache__" in name] == []
