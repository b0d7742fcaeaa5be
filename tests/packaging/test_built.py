"""The real bundle: assembled twice for a Mac and examined; assembled for Linux and started, without the project.

These need the package registries and minutes: `packaging/test -m slow tests/packaging`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from appbundle.layout import PYTHON, Layout
from appbundle.manifest import manifest
from appbundle.tools import find_python

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BLAS = "/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0"
DISPLAY = ":87"


def build(project: Path, dist: Path, *arguments: str) -> None:
    """Runs build-app with the user's own cache."""
    environment = {name: value for name, value in os.environ.items() if name != "DROID_TUNE_BUILD_CACHE"}
    command = [sys.executable, project / "packaging" / "build-app", "--dist", dist, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


# --- for a Mac -----------------------------------------------------------------------------------------------------


def test_the_mac_bundle_has_no_fault_keeps_its_size_and_comes_out_the_same_twice(
    tmp_path: Path, project_root: Path
) -> None:
    from appbundle.checks import check

    digests: list[str] = []
    source = project_root
    for name in (
        "first",
        "second",
    ):  # from two folders, and from the same files even if somebody works on them now
        copy = tmp_path / name / "project"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".*", "dist", "build", "__pycache__"))
        build(copy, tmp_path / name)
        listing = json.loads((tmp_path / name / "Droid Tune.app.manifest.json").read_text())
        digests.append(listing["digest"])
        source = copy
    app = tmp_path / "first" / "Droid Tune.app"
    assert check(app) == []  # its size is among the checks
    assert (tmp_path / "first" / "Droid-Tune-macos-arm64.zip").stat().st_size < 120_000_000
    assert digests[0] == digests[1]
    zips = [(tmp_path / name / "Droid-Tune-macos-arm64.zip").read_bytes() for name in ("first", "second")]
    assert zips[0] == zips[1]


# --- for Linux, started --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """The bundle for Linux and a home that knows nothing of the project."""

    layout: Layout
    home: Path
    hide: tuple[str, ...]

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.hide, str(self.layout.executable), *map(str, arguments)]

    def environment(self, **more: str) -> dict[str, str]:
        fast = {"LD_PRELOAD": BLAS} if Path(BLAS).exists() else {}
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **fast, **more}

    def run(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Layout:
    dist = tmp_path_factory.mktemp("dist")
    build(project_root, dist, "--platform", "linux")
    return Layout(dist / "Droid Tune for Linux", "linux")


@pytest.fixture(scope="module")
def trial(layout: Layout, tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Iterator[Trial]:
    """At the end the bundle must be what it was: nothing is written into it."""
    before = manifest(layout.root)["digest"]
    hide = hiding([project_root, Path(sys.base_prefix), find_python(PYTHON).parent.parent])
    yield Trial(layout, tmp_path_factory.mktemp("home"), hide)
    assert manifest(layout.root)["digest"] == before


def hiding(folders: Sequence[Path]) -> tuple[str, ...]:
    """A prefix that starts a program where these folders look empty; nothing where that is not allowed."""
    hidden = sorted({str(folder) for folder in folders if folder != Path("/usr")})
    mounts = " && ".join(f'mount -t tmpfs none "${{{number}}}"' for number in range(1, len(hidden) + 1))
    prefix = (
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'{mounts} && shift {len(hidden)} && exec "$@"',
        "sh",
        *hidden,
    )
    if shutil.which("unshare") is None:
        return ()
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if allowed else ()


def test_the_bundle_uses_nothing_but_itself(trial: Trial) -> None:
    paths = json.loads(
        trial.run("-c", "import sys, json; print(json.dumps([sys.prefix, sys.executable, *sys.path]))")
    )
    assert [path for path in paths if not path.startswith(str(trial.layout.root))] == []


def test_everything_that_was_trimmed_is_missed_by_nobody(trial: Trial) -> None:
    trial.run(
        "-c",
        "import mlx.core, mlx_lm, transformers, sympy, math_verify, numpy.testing, pyqtgraph, rapidfuzz.distance\n"
        "import rich.markdown, rich.syntax, rich.traceback, sentencepiece, tokenizers, hf_xet, yaml, orjson, regex\n"
        "from huggingface_hub import HfApi, snapshot_download\n"
        "from transformers import AutoConfig, AutoTokenizer\n"
        "from PySide6 import QtSvg, QtWidgets\n"
        "assert math_verify.verify(math_verify.parse('$0.5$'), math_verify.parse(r'$\\frac{1}{2}$'))\n"
        "assert sympy.simplify('sin(x)**2 + cos(x)**2') == 1",
    )


def test_the_settings_are_explained(trial: Trial) -> None:
    """Their words are read from the sources, and there is no byte code beside them."""
    methods = json.loads(trial.run("methods", "--json"))
    settings = {name: words for one in methods for name, words in one["settings"].items() if name != "type"}
    assert len(settings) > 30
    assert [name for name, words in settings.items() if not words.get("description")] == []


def test_children_come_from_inside_the_bundle(trial: Trial, tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "def where(_):\n    return sys.executable\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(where, [0]))\n"
    )
    assert trial.run(script).strip() == f"['{trial.layout.executable}']"


def test_the_starter_trains_stops_and_resumes_to_the_same_bytes(trial: Trial, tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    trial.run("train", "--set", "iterations=4", "--out", whole)
    trial.run("train", "--set", "iterations=4", "--out", halves, "--stop-after", "2")
    trial.run("resume", halves)
    assert (whole / "adapters.safetensors").read_bytes() == (halves / "adapters.safetensors").read_bytes()


def test_runs_go_where_the_platform_keeps_data(trial: Trial) -> None:
    trial.run("train", "--set", "iterations=1")
    assert len(list((trial.home / ".local" / "share" / "Droid Tune" / "runs").iterdir())) == 1
    assert (trial.home / ".cache" / "Droid Tune" / "bytecode").is_dir()


def test_the_rewards_child_runs_a_users_file_inside_the_bundle(trial: Trial, tmp_path: Path) -> None:
    reward = tmp_path / "my_reward.py"
    reward.write_text("def reward(completion, **row):\n    return float(len(completion) % 2)\n")
    run = tmp_path / "run"
    trial.run(
        "train", "--out", run, "--set", "iterations=1",
        "--set", f'rewards=[{{"type": "user_file", "path": "{reward}"}}]',
    )  # fmt: skip
    assert (run / "adapters.safetensors").exists()


PROGRAMS = ("Xvfb", "openbox", "xdotool", "import", "identify")


@pytest.fixture
def screen() -> Iterator[None]:
    """A screen of its own with a window manager: keys go to the window that is in front."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    with quiet("Xvfb", DISPLAY, "-screen", "0", "1280x860x24"):
        time.sleep(1)
        with quiet("openbox"):
            yield


@contextlib.contextmanager
def quiet(*command: str) -> Iterator[None]:
    """Runs a program on the screen of the test for as long as the block lasts."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DISPLAY": DISPLAY},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def window(trial: Trial, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The application with its window; at the end it must not have told of an unforeseen error."""
    command = trial.command(*arguments)
    process = subprocess.Popen(
        command, env=trial.environment(DISPLAY=DISPLAY), stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said


def press(keys: str) -> None:
    """Types into the window of the application."""
    find = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "Droid Tune"]
    subprocess.run([*find, "windowactivate", "key", keys], check=True, env={**os.environ, "DISPLAY": DISPLAY})


def eventually(what: Callable[[], bool], seconds: int = 90) -> None:
    """Waits for something that must come; the machine may be busy."""
    for _ in range(seconds):
        if what():
            return
        time.sleep(1)
    pytest.fail(f"did not happen within {seconds} s")


def colours(picture: Path) -> int:
    """The number of colours on the screen now; a blank screen has one."""
    subprocess.run(["import", "-display", DISPLAY, "-window", "root", picture], check=True)
    counted = subprocess.run(
        ["identify", "-format", "%k", picture], capture_output=True, text=True, check=True
    )
    return int(counted.stdout)


@pytest.mark.usefixtures("screen")
def test_the_window_opens_with_a_folder(trial: Trial, tmp_path: Path) -> None:
    data = tmp_path / "my data"
    trial.run("sample-data", "--method", "grpo", "--out", data)
    with window(trial, data) as process:
        eventually(lambda: colours(tmp_path / "window.png") > 200)
        assert process.poll() is None
    assert (trial.home / ".local" / "state" / "Droid Tune").is_dir()  # the log


@pytest.mark.usefixtures("screen")
def test_the_window_trains_stops_and_resumes(trial: Trial) -> None:
    runs = trial.home / ".local" / "share" / "Droid Tune" / "runs"
    before = set(runs.glob("*"))

    def told() -> list[str]:
        """The types of the new run's events so far."""
        files = [folder / "events.jsonl" for folder in set(runs.glob("*")) - before]
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        return [json.loads(line)["type"] for line in lines if line.endswith("}")]

    with window(trial):
        press("ctrl+r")
        eventually(lambda: told().count("step") >= 2)
        press("ctrl+period")
        eventually(lambda: told()[-1] == "run_finished")
        steps = told().count("step")

        def resumed() -> bool:
            """The command is there as soon as the engine's thread has ended, a moment after its last event."""
            press("ctrl+shift+r")
            return told().count("step") > steps

        eventually(resumed)
        assert told().count("run_started") == 2
