"""What every test shares: no display needed, no user folder touched, no network used."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No clock decides: a busy machine is slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Before the first Qt import: windows are drawn off screen unless the caller chose a platform.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Tests use local files only; a forgotten download must fail, not wait.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

PROJECT_ROOT = Path(__file__).resolve().parent.parent
SHARED = PROJECT_ROOT.parent / "shared"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure's name stands in the output at once: a session that is cut short prints no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nfailed: {report.nodeid} ({report.when})", file=sys.stderr)


@pytest.fixture(autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The application's data folder, fresh for each test, so that no run of the user's is seen or changed."""
    home = tmp_path_factory.mktemp("droid-tune-home")
    monkeypatch.setenv("DROID_TUNE_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def qapp_cls() -> type:
    """pytest-qt makes the application's own class, whichever test is the first to need one."""
    from ui.app import Application

    return Application


@pytest.fixture
def signals_heeded() -> Iterator[None]:
    """The signals that end a program do so, as in a person's terminal; what starts the tests may ignore them (nohup, a
    shell's `&`), and children would inherit that."""
    ours = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in ours.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def project_root() -> Path:
    return PROJECT_ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real models, tokenizers and data sets, beside the project; a test that needs them skips without."""
    return _present(SHARED, "the shared assets (../shared) are not on this machine")


@pytest.fixture(scope="session")
def stories_model(shared_dir: Path) -> Path:
    """260,032 parameters, vocabulary 512, float32: fast enough for every code path."""
    return _present(shared_dir / "models" / "stories260K", "stories260K is not in ../shared/models")


@pytest.fixture(scope="session")
def smol_model(shared_dir: Path) -> Path:
    """SmolLM2-135M-Instruct, 4 bits: a real chat model, slow on a CPU."""
    return _present(
        shared_dir / "models" / "SmolLM2-135M-Instruct-4bit", "SmolLM2-135M is not in ../shared/models"
    )


def _present(folder: Path, otherwise: str) -> Path:
    if not folder.is_dir():
        pytest.skip(otherwise)
    return folder
