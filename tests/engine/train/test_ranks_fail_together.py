"""What goes wrong on one of two ranks ends both, each by itself, with one sentence: nobody waits for who is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.train.test_distributed import BATCH

pytestmark = pytest.mark.timeout(300)

TINY = [*BATCH, "--set", "group_size=2", "--set", "max_completion_length=4", "--set", "evaluation.rows=0"]

#: every second row has an answer that the reward cannot judge: all those of rank 1
HALF_BROKEN = """
def told(completion, row):
    if row["answer"] == "broken":
        raise ValueError("this answer is broken")
    return float(len(completion))
"""


def ended(folder: Path, root: Path, arguments: list[str]) -> tuple[dict[str, object], list[int]]:
    """Rank 0's last event, and both ranks' exit codes.

    Started without mlx.launch, which ends the other ranks itself as soon as one of them has failed.
    """
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in free_ports(2)]))
    words = [sys.executable, "-m", "droid_tune", "train", *TINY, *arguments, "--events", "--out", "run"]
    path = f"{root}{os.pathsep}{folder}"
    ranks: list[subprocess.Popen[str]] = []
    for rank in ("0", "1"):
        environment = os.environ | {"PYTHONPATH": path, "MLX_RANK": rank, "MLX_HOSTFILE": str(hosts)}
        ranks.append(
            subprocess.Popen(words, env=environment, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )  # fmt: skip
    try:
        (told, failure), _ = (rank.communicate(timeout=200) for rank in ranks)
    finally:
        for rank in ranks:
            rank.kill()
    events = [json.loads(line) for line in told.splitlines() if line.startswith('{"version"')]
    assert events, failure[-1500:]
    return events[-1], [rank.returncode for rank in ranks]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def on_rank(folder: Path, rank: int, patch: str) -> None:
    """Break something in one rank's process alone."""
    body = "".join(f"    {line}\n" for line in patch.splitlines())
    folder.joinpath("sitecustomize.py").write_text(
        f"import os\n\nif os.environ.get('MLX_RANK') == '{rank}':\n{body}"
    )


def test_too_many_failures_on_one_rank_stop_both(project_root: Path, tmp_path: Path) -> None:
    data, reward = tmp_path / "data", tmp_path / "rewards.py"
    data.mkdir()
    rows = [{"prompt": f"What is {n}?", "answer": "broken" if n % 2 else "good"} for n in range(8)]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reward.write_text(HALF_BROKEN)
    rewards = json.dumps([{"type": "user_file", "path": str(reward)}])
    last, codes = ended(
        tmp_path, project_root, ["--data", str(data), "--set", "shuffle=false", "--set", f"rewards={rewards}"]
    )
    assert (last["type"], last["outcome"]) == ("run_finished", "failed")
    assert "The reward `user_file` failed on 4 of 4 completions" in str(last["why"])
    assert str(last["why"]).startswith("process 2 of 2: ")
    assert codes == [1, 1]


NO_ROW = """
from droid_tune.errors import UserError
from droid_tune.train.rows.row_reader import RowReader
def prompt(self, number, row):
    raise UserError("Row 3 cannot be read")
RowReader.prompt = prompt
"""
NO_GRADIENT = """
import droid_tune.train.learners.policy_gradient as learner
def broken(*_, **__):
    raise RuntimeError("no gradient here")
learner.loss_and_gradients = broken
"""
NO_DISK = """
from droid_tune.errors import UserError
from droid_tune.train.saving.checkpoint import CheckpointStore
def save(self, *_):
    raise UserError("No space is left")
CheckpointStore.save = save
"""


@pytest.mark.parametrize(
    ("rank", "patch", "sentence"),
    [
        (1, NO_ROW, "process 2 of 2: Row 3 cannot be read."),
        (1, NO_GRADIENT, "RuntimeError: no gradient here"),
        (0, NO_DISK, "No space is left."),
    ],
    ids=["a row", "an unforeseen error", "saving, when the other has nothing left to do"],
)
def test_whatever_fails_on_one_rank_ends_both(
    project_root: Path, tmp_path: Path, rank: int, patch: str, sentence: str
) -> None:
    on_rank(tmp_path, rank, patch)
    last, codes = ended(tmp_path, project_root, [])
    assert (last["type"], last["outcome"]) == ("run_finished", "failed")
    assert sentence in str(last["why"])
    assert codes == [1, 1]


STOPPED_WHILE_LOADING = """
from droid_tune.errors import Stopped
import droid_tune.train.execution as run
def starting_policy(*_):
    raise Stopped
run.starting_policy = starting_policy
"""


def test_a_stop_that_one_rank_heard_alone_stops_both(project_root: Path, tmp_path: Path) -> None:
    on_rank(tmp_path, 1, STOPPED_WHILE_LOADING)
    last, codes = ended(tmp_path, project_root, [])
    assert (last["type"], last["outcome"]) == ("run_finished", "stopped")
    assert codes == [130, 130]
