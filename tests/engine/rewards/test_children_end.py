"""What a reward's code starts ends with the call, with the run and with the trainer, however it hides."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from droid_tune.config.rewards import CodeReward, UserFileReward
from droid_tune.control import Allowance, Watch
from droid_tune.errors import Stopped
from droid_tune.rewards.answers.mathematics import Mathematician
from droid_tune.rewards.base import Failed, Reward, Sample
from droid_tune.rewards.code import Code
from droid_tune.rewards.user_file import UserFile

#: ways to start a process that does not want to be found
HIDING = {
    "fifty": "[subprocess.Popen(['sleep', N]) for _ in range(50)]",
    "own session": "subprocess.Popen(['sleep', N], start_new_session=True)",
    "double fork": "os.fork() or (os.setsid(), os.fork() or os.execvp('sleep', ['sleep', N]), os._exit(0))",
    "shell": "os.system(f'(setsid sleep {N} &) ; nohup sleep {N} >/dev/null 2>&1 &')",
}


def sleepers(seconds: str) -> list[str]:
    """The processes that sleep for so long, by their state."""
    found: list[str] = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["cmdline"] == ["sleep", seconds]:
            found.append(process.info["status"])
    return [one for one in found if one != psutil.STATUS_ZOMBIE]


def a_while() -> str:
    """Seconds that no other test's sleeper sleeps for."""
    return str(random.SystemRandom().randrange(10**6, 10**7))


def within_seconds(look: Callable[[], Any], most: float = 10.0) -> Any:
    end = time.monotonic() + most
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def reward_file(tmp_path: Path, seconds: str, hiding: str, then: str) -> UserFileReward:
    (tmp_path / "hides.py").write_text(
        f"import os, signal, subprocess, time\nN = '{seconds}'\n"
        f"def f(completion, row):\n    {hiding}\n    time.sleep(0.1)\n    {then}\n"
    )
    return UserFileReward(path="hides.py", timeout_seconds=5)


@pytest.mark.parametrize("hiding", HIDING.values(), ids=HIDING)
def test_what_a_call_leaves_behind_ends_with_it(tmp_path: Path, hiding: str) -> None:
    seconds = a_while()
    reward = UserFile(reward_file(tmp_path, seconds, hiding, "return 1"), tmp_path)
    try:
        assert reward.score([Sample("", "")]) == [1.0]
        assert within_seconds(lambda: not sleepers(seconds))
        assert reward.score([Sample("", "")]) == [1.0]  # the process itself goes on
    finally:
        reward.close()


def test_helpers_that_the_file_starts_as_it_loads_stay_until_the_end(tmp_path: Path) -> None:
    seconds = a_while()
    (tmp_path / "helped.py").write_text(
        f"import subprocess\nHELPER = subprocess.Popen(['sleep', '{seconds}'])\n"
        "def f(completion, row):\n    return HELPER.poll() is None\n"
    )
    reward = UserFile(UserFileReward(path="helped.py"), tmp_path)
    assert reward.score([Sample("", "")]) == reward.score([Sample("", "")]) == [1.0]
    reward.close()
    assert not sleepers(seconds)


@pytest.mark.parametrize(
    "then",
    [
        "os._exit(3)",
        "os.kill(os.getpid(), 9)",
        "os.kill(os.getppid(), 9)",
        "os.kill(os.getppid(), signal.SIGSTOP)",
    ],
)
def test_a_child_that_ends_itself_or_its_keeper_leaves_nothing(tmp_path: Path, then: str) -> None:
    seconds = a_while()
    config = reward_file(tmp_path, seconds, HIDING["double fork"], f"{then}; time.sleep(60)")
    reward = UserFile(config.model_copy(update={"timeout_seconds": 1.0}), tmp_path)
    try:
        (outcome,) = reward.score(
            [Sample("", "")]
        )  # where the system shuts the child in, it cannot signal its keeper
        assert isinstance(outcome, Failed)
        assert within_seconds(lambda: not sleepers(seconds))
    finally:
        reward.close()


TRAINER = """
import sys
from pathlib import Path
from droid_tune.config.rewards import UserFileReward
from droid_tune.rewards.base import Sample
from droid_tune.rewards.user_file import UserFile
reward = UserFile(UserFileReward(path="hides.py", timeout_seconds=60), Path(sys.argv[1]))
reward.score([Sample("", "")])
"""


def trainer(tmp_path: Path) -> subprocess.Popen[bytes]:
    """Another process that has a reward judge something, with this checkout's code."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    return subprocess.Popen([sys.executable, "-c", TRAINER, str(tmp_path)], env=environment)


def test_nothing_survives_a_trainer_that_is_killed(tmp_path: Path) -> None:
    seconds = a_while()
    reward_file(tmp_path, seconds, HIDING["double fork"], "time.sleep(60)")
    with trainer(tmp_path) as process:
        assert within_seconds(lambda: sleepers(seconds))
        process.send_signal(signal.SIGKILL)
    assert within_seconds(lambda: not sleepers(seconds))


def test_the_code_a_child_runs_is_that_of_its_parent(tmp_path: Path) -> None:
    import droid_tune

    (tmp_path / "where.py").write_text(
        "import droid_tune\ndef f(completion, row):\n    return float(droid_tune.__file__ == completion)\n"
    )
    reward = UserFile(UserFileReward(path="where.py"), tmp_path)
    assert reward.score([Sample("", str(droid_tune.__file__))]) == [1.0]
    reward.close()


# --- a stop ---


class Stop:
    """Says stop once it is asked after `after_s`."""

    def __init__(self, after_s: float) -> None:
        self._stopping = threading.Event()
        threading.Timer(after_s, self._stopping.set).start()

    @property
    def watch(self) -> Watch:
        return Watch(should_stop=self._stopping.is_set)


def endless_code(watch: Watch) -> Reward:
    return Code(CodeReward(allow_running_code=True, timeout_seconds=60), watch)


def test_a_stop_reaches_a_reward_file_that_computes(tmp_path: Path) -> None:
    seconds = a_while()
    config = reward_file(tmp_path, seconds, HIDING["fifty"], "time.sleep(60)")
    reward = UserFile(config.model_copy(update={"timeout_seconds": 60.0}), tmp_path, Stop(0.4).watch)
    with pytest.raises(Stopped):
        reward.score([Sample("", "")])
    assert not sleepers(seconds)


def test_a_stop_reaches_programs_that_run_side_by_side() -> None:
    sample = Sample("", "```python\nwhile True: pass\n```", {"tests": ["assert True"]})
    with pytest.raises(Stopped):
        endless_code(Stop(0.3).watch).score([sample] * 8)


def test_a_stop_reaches_computer_algebra() -> None:
    mathematician = Mathematician(seconds=60.0, watch=Stop(0.0).watch)
    with pytest.raises(Stopped):
        mathematician.equal([("9^{9^{9^{9}}}", "2")])


# --- a suspended machine ---


def test_time_in_which_the_machine_slept_is_not_counted() -> None:
    clock = iter([0.0, 0.5, 3600.0, 3600.5, 3602.0, 3602.9]).__next__
    allowance = Allowance(3.0, clock)
    assert [allowance.used_up() for _ in range(5)] == [False, False, False, True, True]
    # 0.5 s + 1 s of the hour + 0.5 s + 1 s are three


def test_a_trainer_that_was_suspended_goes_on_waiting_for_its_reward(tmp_path: Path) -> None:
    (tmp_path / "hides.py").write_text(
        "import time\nfrom pathlib import Path\ndef f(completion, row):\n"
        "    Path('asked').touch()\n"
        "    while not Path('woken').exists():\n        time.sleep(0.02)\n"
        "    return 1\n"
    )
    program = (
        TRAINER.replace("timeout_seconds=60", "timeout_seconds=4.0")
        .replace("reward.score", "print(reward.score")
        .rstrip()
        + ")\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        family = psutil.Process(process.pid).children
        asked: list[Path] = []

        def was_asked() -> bool:
            asked.extend(
                Path(one.cwd()) for one in family(recursive=True) if Path(one.cwd(), "asked").exists()
            )
            return bool(asked)

        assert within_seconds(was_asked)
        for other in (process, *psutil.Process(process.pid).children(recursive=True)):
            other.send_signal(signal.SIGSTOP)
        time.sleep(4.5)
        (asked[0] / "woken").touch()
        for other in (*psutil.Process(process.pid).children(recursive=True), process):
            other.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=30)
    assert said.strip() == "[1.0]"


# --- dice ---


@pytest.mark.parametrize("dice", ["random.random()", "numpy.random.random()", "hash(completion) % 1000"])
def test_a_random_reward_says_the_same_of_the_same_seed_in_every_process(tmp_path: Path, dice: str) -> None:
    (tmp_path / "dice.py").write_text(
        f"import random\ndef f(completion, row):\n    import numpy\n    return {dice}\n"
    )
    samples = [Sample("", text, seed=seed) for text, seed in (("a", 1), ("b", 2), ("a", 1))]
    said: list[Any] = []
    for _ in range(2):
        reward = UserFile(UserFileReward(path="dice.py"), tmp_path)
        said.append(reward.score(samples))
        reward.close()
    assert said[0] == said[1]
    assert said[0][0] == said[0][2] != said[0][1]
