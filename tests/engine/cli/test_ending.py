"""Every command ends as it was asked to, by a signal or by a pipe that closes: swept, in one sentence, with code 130."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from droid_tune.cli import main
from droid_tune.cli.ending import unwinding
from droid_tune.data.rendering.templates.template_child import CHILDREN
from droid_tune.runs.disk.lock import is_locked
from tests.engine.train.conftest import tiny, train

pytestmark = pytest.mark.usefixtures("signals_heeded")

#: settings of a run of seconds
SMALL = (
    *("--set", "training.iterations=2", "--set", "batch_size=1", "--set", "group_size=2"),
    *("--set", "max_completion_length=4", "--set", "evaluation.rows=2"),
)
REWARD = "def reward(completion, **columns):\n    return float(len(completion))\n"
#: a command, and the function in which the signal comes
MOMENTS = {
    "validate": ("validate {data}", "droid_tune.data.validate:scan_stream"),
    "validate, a template's child": (
        "validate {data} --method grpo --model starter",
        "droid_tune.data.rendering.templates.template_child:TemplateChild._line",
    ),
    "show": ("show --model starter --data {data} --method grpo", "droid_tune.data.validate:scan_stream"),
    "estimate": ("estimate --data {data}", "droid_tune.estimate.estimate:estimate"),
    "convert": ("convert {data} --to messages --out {out}", "droid_tune.data.editing.convert:_tick"),
    "sample-data": ("sample-data --out {out}", "droid_tune.data.editing.convert:_move"),
    "test-reward, its child": (
        "test-reward {reward}",
        "droid_tune.rewards.children.process:Child._converse",
    ),
    "generate": ("generate --prompt hello", "droid_tune.playground.playground:Playground._answer"),
    "check, behind its last look": (
        "check --prompts 1 --data {data}",
        "droid_tune.check.signal_check:_Check._learn",
    ),
    "check": ("check --prompts 1 --data {data}", "droid_tune.check.sampled_passes:SampledPasses._one"),
    "play": (
        "play --trust --config resources/tools-starter/run.yaml --rows 1",
        "droid_tune.playground.playing:Player.play",
    ),
    "rollouts": ("rollouts {run}", "droid_tune.runs.completions.asking:find"),
    "rollouts to a file": ("rollouts {run} --out {out}", "droid_tune.runs.completions.taking_out:record_of"),
    "pairs": ("pairs {run} --out {out}", "droid_tune.data.editing.convert:_move"),
    "report, measuring": ("report {run} --out {out}", "droid_tune.forgetting:likelihoods"),
    "report, writing": ("report {run} --no-model --out {out}", "droid_tune.runs.disk.durable:sync_file"),
    "export": ("export {run} --out {out}", "droid_tune.export.result:_written"),
    "train, before the run": ("train --out {out}", "droid_tune.cli.preparation:check_model"),
    "resume, before the run": ("resume {run} --steps 1", "droid_tune.runs.origin.identity:doubts_of"),
    "queue add": ("queue add", "droid_tune.cli.preparation:check_model"),
    "race, before it begins": (
        "race --vary learning_rate=1e-4,3e-4 --rungs 1",
        "droid_tune.cli.preparation:check_model",
    ),
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ended") / "run"
    assert train(tiny(), folder)[0].outcome == "completed"
    return folder


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that only this test uses."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def asked_at(place: str, number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """The signal comes as the function begins; whether it came."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *parts, name = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    was, came = getattr(owner, name), [False]

    def asked(*given: Any, **named: Any) -> Any:
        if not came[0]:
            came[0] = True
            os.kill(os.getpid(), number)
        return was(*given, **named)

    monkeypatch.setattr(owner, name, asked)
    return lambda: came[0]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def gone(before: list[psutil.Process]) -> bool:
    """Whether the children that were not there before have ended, or do soon."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if {one.pid for one in children() if one.status() != "zombie"} <= {one.pid for one in before}:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_ends_a_command_swept_and_in_one_sentence(
    moment: str,
    run_folder: Path,
    scratch: Path,
    tmp_path: Path,
    project_root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, reward, out = tmp_path / "data", tmp_path / "reward.py", tmp_path / "out"
    data.mkdir()
    (data / "train.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2", "completion": "2"}\n' * 9)
    reward.write_text(REWARD)
    monkeypatch.chdir(project_root)
    command, place = MOMENTS[moment]
    given = command.format(data=data, reward=reward, run=run_folder, out=out).split()
    number = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)[list(MOMENTS).index(moment) % 3]
    before, came = children(), asked_at(place, number, monkeypatch)
    assert main([*given, *(SMALL if given[0] in ("train", "queue", "race") else ())]) == 130
    assert came()
    said = capsys.readouterr().err
    assert "stopp" in said
    assert ("Traceback" in said, "Exception" in said) == (False, False)
    CHILDREN.close()  # those that render the next conversation of this process, whichever test's
    assert gone(before)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left - {"out"} == {"data", "data/train.jsonl", "reward.py", "scratch"}  # an empty folder may stay
    assert not is_locked(run_folder / "lock")
    assert list(run_folder.rglob(".*.tmp")) == []


def test_a_signal_that_comes_while_an_object_is_thrown_away_is_heard() -> None:
    """Python drops what is raised there."""

    class Thrown:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def throw_away_and_wait() -> None:
        thrown = Thrown()
        del thrown
        time.sleep(600)  # longer than any test may take

    with pytest.raises(KeyboardInterrupt), unwinding():
        throw_away_and_wait()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    "sent",
    [(signal.SIGHUP, signal.SIGHUP), (signal.SIGTERM, signal.SIGHUP), (signal.SIGHUP, signal.SIGTERM)],
    ids=["terminal", "log-out", "log-out, the other way"],
)
def test_a_closed_terminal_and_a_log_out_tell_twice_and_are_one_wish(
    sent: tuple[signal.Signals, signal.Signals],
) -> None:
    """Shell and kernel each send SIGHUP, a log-out SIGTERM and SIGHUP: the second one ended the process at once."""
    ended: list[str] = []

    def command() -> None:
        try:
            os.kill(os.getpid(), sent[0])
        finally:
            os.kill(os.getpid(), sent[1])
            ended.append("saved")

    with pytest.raises(KeyboardInterrupt), unwinding():
        command()
    assert ended == ["saved"]


def printed_into_nothing(words: list[str], *, both: bool) -> tuple[int, str]:
    """The exit code, and what was said, of a command whose reader has left before it began."""
    read, write = os.pipe()
    os.close(read)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", "droid_tune", *words],
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=write if both else subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(write)
    return done.returncode, (done.stderr or b"").decode()


@pytest.mark.parametrize(
    "words",
    [["methods"], ["--help"], ["--version"], ["runs", "--json"], ["validate", "resources/sample-data"]],
    ids=" ".join,
)
def test_a_closed_pipe_ends_a_command_quietly(
    words: list[str], project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_root)
    assert printed_into_nothing(words, both=False) == (130, "")


def test_where_the_readers_of_both_streams_left_a_mistake_still_has_its_code() -> None:
    assert printed_into_nothing(["no-such-command"], both=True)[0] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="a disk that is always full is Linux's")
def test_a_full_disk_behind_the_output_is_said_once(project_root: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m droid_tune methods > /dev/full"],
        capture_output=True,
        text=True,
        cwd=project_root,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_closed_streams_lead_nowhere(project_root: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m droid_tune methods <&- >&- 2>&-"],
        cwd=project_root,
        check=False,
    )
    assert done.returncode == 0
