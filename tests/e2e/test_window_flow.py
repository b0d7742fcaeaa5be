"""The real window on a real screen: the loop of a new user by mouse and keys; train, crash, go on, be asked, stop, quit."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_loop import SECOND_STEPS
from ui.settings import Settings, save_settings

PROGRAMS = ("Xvfb", "openbox", "xdotool")
#: the starter's settings save so often
SAVED_AT = 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A screen of its own, whatever number is free: another one's windows would lie over these."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    told, tells = os.pipe()
    server = ["Xvfb", "-displayfd", str(tells), "-screen", "0", "1600x1000x24"]
    with running(server, pass_fds=(tells,)), os.fdopen(told) as number:
        os.close(tells)
        monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
        with running(["openbox"]):
            yield


@contextlib.contextmanager
def running(
    command: list[str], *, pass_fds: tuple[int, ...] = (), **more: str
) -> Generator[subprocess.Popen[bytes]]:
    """A program on that screen for as long as the block lasts."""
    quiet = subprocess.DEVNULL
    environment = {**os.environ, **more}
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, pass_fds=pass_fds)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=600)


def application() -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    return running([sys.executable, "-m", "droid_tune"], QT_QPA_PLATFORM="xcb")


def press(keys: str, *, certain: bool = True) -> None:
    """A window that goes away meanwhile, a sheet's or the last one, is a failure to xdotool: no key was pressed then."""
    find = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "Droid Tune"]
    subprocess.run([*find, "windowactivate", "key", keys], check=certain, timeout=60)


def quit_by_key(window: subprocess.Popen[bytes]) -> int:
    """The exit code; the key is pressed again where a sheet that was closing took it."""
    for _ in range(40):
        with contextlib.suppress(subprocess.TimeoutExpired):
            press("ctrl+q", certain=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return window.wait(timeout=15)
    pytest.fail("the window stays")


def press_until(keys: str, what: Callable[[], bool]) -> None:
    """A window that is not ready yet loses keys; one that has begun takes no further notice of them."""
    for _ in range(100):
        press(keys)
        for _ in range(20):
            if what():
                return
            time.sleep(0.5)
    pytest.fail(f"{keys} did nothing")


def eventually(what: Callable[[], bool], seconds: int = 2000) -> None:
    for _ in range(2 * seconds):
        if what():
            return
        time.sleep(0.5)
    pytest.fail(f"did not happen within {seconds} s")


def told(home: Path) -> list[dict[str, Any]]:
    """The events of the only run, without a line that is still being written."""
    lines = [line for file in home.glob("runs/*/events.jsonl") for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


def steps(home: Path) -> list[int]:
    return [event["step"] for event in told(home) if event["type"] == "step"]


def starts(home: Path) -> int:
    return sum(event["type"] == "run_started" for event in told(home))


@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize("apart", [False, True], ids=["thread", "process"])
def test_a_crash_loses_nothing_that_was_saved_and_closing_asks(data_home: Path, apart: bool) -> None:
    save_settings(Settings(separate_process=apart))
    with application() as window:
        press_until("ctrl+r", lambda: bool(told(data_home)))
        eventually(lambda: SAVED_AT + 2 in steps(data_home))
        window.send_signal(signal.SIGKILL)
        window.wait()
    before = max(steps(data_home))  # an engine apart still tells that it saves and ends
    with application() as window:
        press_until("ctrl+shift+r", lambda: starts(data_home) > 1)
        eventually(lambda: steps(data_home)[-1] > before)
        press("ctrl+q")  # a run is training: the window asks and stays
        seen = steps(data_home)[-1]
        eventually(lambda: steps(data_home)[-1] > seen)
        assert window.poll() is None
        press("Escape")  # while the window asks, keys are the sheet's
        press_until("ctrl+period", lambda: told(data_home)[-1]["type"] == "run_finished")
        assert quit_by_key(window) == 0
    assert told(data_home)[-1]["outcome"] == "stopped"
    # An engine apart hears that its window is gone, and saves what it has.
    assert assert_one_curve(told(data_home)) != apart


@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize("apart", [False, True], ids=["thread", "process"])
def test_a_log_out_while_a_run_trains_saves_it_and_tells_by_its_exit_code(
    data_home: Path, apart: bool
) -> None:
    """SIGTERM and SIGHUP at once; the second was taken for the wish to quit without saving."""
    save_settings(Settings(separate_process=apart))
    with application() as window:
        press_until("ctrl+r", lambda: bool(told(data_home)))
        eventually(lambda: 2 in steps(data_home))
        window.send_signal(signal.SIGTERM)
        window.send_signal(signal.SIGHUP)
        assert window.wait(600) == 130
    assert told(data_home)[-1]["outcome"] == "stopped"
    saved = [event["step"] for event in told(data_home) if event["type"] == "checkpoint"]
    assert saved[-1] == steps(data_home)[-1]


def assert_one_curve(events: list[dict[str, Any]]) -> bool:
    """Every step is there, and those that were taken twice gave the same numbers both times; whether there are such."""
    found: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        if event["type"] == "step":
            metrics = event["metrics"]
            kept = {name: metrics[name] for name in ("loss", "reward", "kl", "completions/mean_length")}
            found.setdefault(event["step"], []).append(kept)
    assert list(found) == list(range(1, max(found) + 1))
    twice = [versions for versions in found.values() if len(versions) > 1]
    assert all(first == second for first, second in twice)
    return bool(twice)


@pytest.mark.usefixtures("screen")
def test_a_new_user_goes_the_whole_loop_by_mouse_and_keys(data_home: Path, tmp_path: Path) -> None:
    """A dropped folder, a reward of one's own, charts, completions, steering, results compared, asked and exported."""
    environment = {"QT_QPA_PLATFORM": "xcb", "HOME": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-m", "tests.e2e.whole_loop", str(tmp_path)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert [json.loads(line)["done"] for line in told.stdout.splitlines() if line.startswith("{")] == [
        "before",
        "during",
        "after",
    ]
    first, second = sorted((data_home / "runs").iterdir())
    assert "steer" in (first / "events.jsonl").read_text()
    assert json.loads((second / "status.json").read_text())["total_steps"] == SECOND_STEPS
    assert list((tmp_path / "exported").glob("*.safetensors"))
