"""The launcher, compiled with this machine's compiler and run with this machine's Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

LIBRARY = Path(sysconfig.get_config_var("LIBDIR") or "") / str(
    sysconfig.get_config_var("INSTSONAME") or "none"
)
COMPILER = shutil.which("cc")

pytestmark = pytest.mark.skipif(
    COMPILER is None or not LIBRARY.is_file() or sys.platform != "linux",
    reason="needs a C compiler and a Python with a shared library",
)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """A bundle in small: the launcher, links to this Python's library, and a `droid_tune` that tells what it saw."""
    contents = tmp_path_factory.mktemp("bundle") / "Contents"
    library = contents / "Resources" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = library / "site-packages" / "droid_tune"
    packages.mkdir(parents=True)
    (contents / "MacOS").mkdir()
    (contents / "Frameworks").mkdir()
    (contents / "Frameworks" / "libpython.so").symlink_to(LIBRARY)
    for entry in Path(sysconfig.get_path("stdlib")).iterdir():
        if entry.name != "site-packages":
            (library / entry.name).symlink_to(entry)
    (packages / "__init__.py").touch()
    (packages / "__main__.py").write_text("import sys\nprint(sys.argv[1:], sys.executable, sep='|')\n")
    executable = contents / "MacOS" / "droid-tune"
    subprocess.run(
        [
            *(str(COMPILER), "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"),
            *("-isystem", sysconfig.get_path("include")),
            *('-DPYTHON_LIBRARY="Frameworks/libpython.so"', '-DPYTHON_HOME="Resources"'),
            *(project_root / "packaging" / "appbundle" / "launcher.c", "-o", executable, "-ldl"),
        ],
        check=True,
    )
    return executable


def start(launcher: Path, *arguments: str, **environment: str) -> str:
    """What the launcher prints, in an environment of nothing but `environment`."""
    done = subprocess.run(
        [launcher, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    return done.stdout.strip()


def test_arguments_go_to_the_application(launcher: Path, tmp_path: Path) -> None:
    home = str(tmp_path)
    assert start(launcher, HOME=home) == f"[]|{launcher}"
    assert start(launcher, "train", "--events", "-x", HOME=home).startswith("['train', '--events', '-x']|")
    assert start(launcher, "/a folder/with spaces", HOME=home).startswith("['/a folder/with spaces']|")
    assert start(launcher, "--version", HOME=home).startswith("['--version']|")
    assert start(launcher, "-h", HOME=home).startswith("['-h']|")


def test_what_old_finders_add_is_left_out(launcher: Path, tmp_path: Path) -> None:
    assert start(launcher, "-psn_0_12345", HOME=str(tmp_path)) == f"[]|{launcher}"


def test_pythons_own_options_and_scripts_go_to_python(launcher: Path, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("import sys; print('script', sys.argv[1:])")
    home = str(tmp_path)
    assert start(launcher, "-c", "print(6 * 7)", HOME=home) == "42"
    assert start(launcher, "-I", "-B", "-c", "print('isolated')", HOME=home) == "isolated"
    assert start(launcher, "-u", str(script), "x", HOME=home) == "script ['x']"
    assert start(launcher, str(script), "y", HOME=home) == "script ['y']"


def test_spawned_children_come_back_through_the_launcher(launcher: Path, tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(abs, [-1, -2]))\n"
    )
    assert start(launcher, str(script), HOME=str(tmp_path)) == "[1, 2]"


def test_no_variable_of_the_user_changes_the_interpreter(launcher: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    question = "import json, sys; print(sys.flags.isolated, sys.flags.utf8_mode, sys.flags.no_user_site)"
    hostile = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": "/nowhere",
        "PYTHONSTARTUP": "/nowhere",
        "LC_ALL": "C",
    }
    assert start(launcher, "-c", question, HOME=str(tmp_path), **hostile) == "1 1 1"


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "{}"}, ".cache/Droid Tune/bytecode"),
        ({"HOME": "/nowhere", "XDG_CACHE_HOME": "{}/xdg"}, "xdg/Droid Tune/bytecode"),
        ({"HOME": "/nowhere", "DROID_TUNE_HOME": "{}/own"}, "own/cache/bytecode"),
    ],
)
def test_byte_code_goes_to_the_users_cache_and_never_into_the_bundle(
    launcher: Path, tmp_path: Path, environment: dict[str, str], folder: str
) -> None:
    filled = {name: value.format(tmp_path) for name, value in environment.items()}
    assert start(launcher, **filled).startswith("[]|")
    written = [path for path in (tmp_path / folder).rglob("__init__*.pyc") if "droid_tune" in path.parts]
    assert len(written) == 1
    assert not list((launcher.parents[1] / "Resources").rglob("droid_tune/**/*.pyc"))


def test_an_exit_code_comes_through(launcher: Path, tmp_path: Path) -> None:
    done = subprocess.run([launcher, "-c", "raise SystemExit(130)"], check=False, env={"HOME": str(tmp_path)})
    assert done.returncode == 130


def test_a_missing_library_is_one_sentence(launcher: Path, tmp_path: Path) -> None:
    alone = tmp_path / "Contents" / "MacOS" / "droid-tune"
    alone.parent.mkdir(parents=True)
    shutil.copy2(launcher, alone)
    done = subprocess.run([alone], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "please install the application again" in done.stderr
