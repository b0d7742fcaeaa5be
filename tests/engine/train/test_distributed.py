"""Two processes on one machine learn what one process learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.errors import UserError
from droid_tune.train.distributed import World, check_share

#: two processes that load MLX, on two cores which may be busy with something else
pytestmark = pytest.mark.timeout(300)

BATCH = [
    "--set",
    "batch_size=4",
    "--set",
    "iterations=2",
    "--set",
    "learning_rate=2e-4",
    "--set",
    "steps_per_eval=0",
]
GRPO = [
    *BATCH,
    "--set",
    "group_size=4",
    "--set",
    "max_completion_length=12",
    "--set",
    "rows=4",
    "--set",
    "num_iterations=2",
]
SFT = ["--method", "sft", *BATCH, "--set", "rows=4"]
SAMPLED = [*BATCH, "--set", "group_size=2", "--set", "max_completion_length=12", "--set", "rows=0"]
#: a learner of each kind besides: what they learn is shared out by the prompts too
OTHERS = {
    "ppo": [*SAMPLED, "--set", "num_iterations=2"],
    "reward": [*BATCH, "--set", "rows=4"],
    "dpo": [*BATCH, "--set", "rows=4"],
    "kto": [*BATCH, "--set", "rows=4"],
    "online_dpo": [*SAMPLED, "--set", "skip_ties=false"],
    "xpo": [*SAMPLED, "--set", "skip_ties=false"],
    "self_distillation": SAMPLED,
    "sdpo": [*SAMPLED, "--set", "success_reward_threshold=0.1"],
}
#: of a teacher that is no longer what the student is: of one that is, the gradient is rounding, and Adam makes steps of that
TEACHER = ["--method", "sft", *BATCH, "--set", "rows=0", "--set", "learning_rate=1e-2"]


def train(
    root: Path, out: Path, arguments: list[str], ranks: int, command: str = "train"
) -> list[dict[str, object]]:
    """Run the command line in one process, or in several under mlx.launch; rank 0's events."""
    words = [sys.executable, "-m", "droid_tune", command, *arguments, "--events"]
    if command == "train":
        words += ["--out", str(out)]
    if ranks > 1:
        launch = Path(sys.executable).with_name("mlx.launch")
        words = [sys.executable, str(launch), "-n", str(ranks), "--backend", "ring", *words]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{out.parent}"}
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=280, check=False, cwd=root
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"version"')]
    assert events, done.stderr[-1500:]
    return events


def losses(events: list[dict[str, object]]) -> list[float]:
    return [event["metrics"]["loss"] for event in events if event["type"] == "step"]  # type: ignore[index,misc]


def largest_difference(one: Path, two: Path) -> float:
    first, second = (mx.load(str(folder / "adapters.safetensors")) for folder in (one, two))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first.keys() == second.keys()
    return max(float(np.abs(np.array(first[name] - second[name])).max()) for name in first)


@pytest.mark.parametrize("arguments", [GRPO, pytest.param(SFT, marks=pytest.mark.slow)], ids=["grpo", "sft"])
def test_two_ranks_end_with_the_losses_and_weights_of_one_process(
    project_root: Path, tmp_path: Path, arguments: list[str]
) -> None:
    one = train(project_root, tmp_path / "one", arguments, ranks=1)
    two = train(project_root, tmp_path / "two", arguments, ranks=2)
    assert len(losses(one)) == 2
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    # Rank 0 alone told and wrote: the same number of lines as of one process, each once.
    assert [event["type"] for event in two if event["type"] != "phase"] == [
        event["type"] for event in one if event["type"] != "phase"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("method", OTHERS)
def test_every_kind_of_learner_is_shared_out(project_root: Path, tmp_path: Path, method: str) -> None:
    assert_shared_out(project_root, tmp_path, ["--method", method, *OTHERS[method]])


def assert_shared_out(root: Path, folder: Path, arguments: list[str]) -> list[float]:
    """Two ranks learn what one process learns; the losses."""
    one = train(root, folder / "one", arguments, ranks=1)
    two = train(root, folder / "two", arguments, ranks=2)
    assert len(losses(one)) == 2
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    assert largest_difference(folder / "one", folder / "two") < 1e-5
    return losses(one)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["distillation", "gkd"])
def test_a_teacher_is_shared_out(project_root: Path, tmp_path: Path, method: str) -> None:
    train(project_root, tmp_path / "teacher", TEACHER, ranks=1)
    arguments = ["--method", method, *SAMPLED, "--set", f"teachers={tmp_path / 'teacher'}"]
    assert min(assert_shared_out(project_root, tmp_path, arguments)) > 1e-3


class Judge(BaseHTTPRequestHandler):
    """A judge of pairs that takes the answer whose letters come later in the alphabet, and counts what it is asked."""

    asked = 0

    def do_POST(self) -> None:
        Judge.asked += 1
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = asked["messages"][-1]["content"]
        first, second = text.partition("Answer A:\n")[2].split("\n\nAnswer B:\n")
        letter = "A" if first > second.partition("\n\nThe better answer is")[0] else "B"
        body = json.dumps({"choices": [{"message": {"content": letter}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def judge() -> Iterator[str]:
    Judge.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["online_dpo", "nash_md"])
def test_a_judge_of_pairs_is_asked_once_for_all_ranks(
    project_root: Path, tmp_path: Path, judge: str, method: str
) -> None:
    arguments = ["--method", method, *SAMPLED, "--set", f"judge_url={judge}", "--trust"]
    assert_shared_out(project_root, tmp_path, arguments)
    assert Judge.asked == 2 * 2 * 4 * 2  # two runs of two steps with four pairs, in both orders


@pytest.mark.slow
def test_two_ranks_stop_together_and_resume(project_root: Path, tmp_path: Path) -> None:
    train(project_root, tmp_path / "one", GRPO, ranks=1)
    stopped = train(project_root, tmp_path / "two", [*GRPO, "--stop-after", "1"], ranks=2)
    assert (stopped[-1]["type"], stopped[-1]["outcome"]) == ("run_finished", "stopped")
    finished = train(project_root, tmp_path / "two", [str(tmp_path / "two")], ranks=2, command="resume")
    assert finished[-1]["outcome"] == "completed"
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5


def test_what_one_rank_is_short_of_stops_all_of_them_saved(project_root: Path, tmp_path: Path) -> None:
    """Only rank 1 sees a system that is critically short of memory; rank 0 tells, saves and stops too."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('MLX_RANK') == '1':\n"
        "    import droid_tune.machine.pressure as pressure\n"
        "    pressure.read_pressure = lambda: 'critical'\n"
    )
    events = train(project_root, tmp_path / "two", GRPO, ranks=2)
    assert (events[-1]["type"], events[-1]["outcome"]) == ("run_finished", "stopped")
    held = next(event for event in events if event.get("code") == "memory_hold")
    assert "saved and stopped: the system is critically short of memory" in str(held["text"])
    assert (held["step"], len(losses(events))) == (1, 1)
    assert any(event["type"] == "checkpoint" and event["step"] == 1 for event in events)


def test_prompts_that_cannot_be_shared_out_are_refused() -> None:
    class Three:
        def rank(self) -> int:
            return 0

        def size(self) -> int:
            return 3

    with pytest.raises(UserError, match="`batch_size` 4 cannot be shared by 3 processes"):
        check_share(World(Three()), 4)


def test_alone_everything_stays_as_it_is() -> None:
    world = World()
    rows = np.arange(6.0).reshape(3, 2)
    assert world.merge(rows, np.arange(3), 3) is rows
    assert world.gather_sums({"a": 1.0}) == [{"a": 1.0}]
    assert world.own_groups(3).tolist() == [0, 1, 2]
    assert world.from_lead({"x": 1}) == {"x": 1}
