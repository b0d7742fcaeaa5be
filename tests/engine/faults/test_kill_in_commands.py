"""Commands that write files are killed behind any of their writes: the next one has the whole, or says that it is there."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from droid_tune.cli import main
from tests.engine.train.conftest import tiny, train

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

#: the command line, which ends as a kill ends it behind its `number`-th call by which files come to be
KILLER = """
import os, signal, sys
from pytest import MonkeyPatch
from droid_tune.cli import main
from tests.engine.faults.saboteur import CALLS, reads

number, seen = int(sys.argv[1]), 0

def killing(call):
    def wrapped(*given, **options):
        global seen
        if reads(call, given, options):
            return call(*given, **options)
        seen += 1
        own = seen
        found = call(*given, **options)
        if own == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return wrapped

with MonkeyPatch.context() as patched:
    for where, name in CALLS:
        patched.setattr(where, name, killing(getattr(where, name)))
    code = main(sys.argv[2:])
raise SystemExit(code)
"""
#: the words, and what of them is written
COMMANDS = {
    "sample data": ("sample-data --method sft --out {out}", {"train.jsonl", "valid.jsonl"}),
    "convert": ("convert {data} --to messages --out {out}", {"train.jsonl", "valid.jsonl"}),
    "pairs": ("pairs {run} --valid 0 --out {out}", {"train.jsonl"}),
    "winners": ("rollouts {run} --winners --to {out}", {"train.jsonl"}),
    "rollouts": ("rollouts {run} --out {out}", {""}),
    "report": ("report {run} --no-model --out {out}", {""}),
    "adapter": (
        "export {run} --to adapter --check 0 --out {out}",
        {"adapters.safetensors", "adapter_config.json"},
    ),
    "peft": (
        "export {run} --to peft --check 0 --out {out}",
        {"adapter_model.safetensors", "adapter_config.json"},
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    rewards = [{"type": "accuracy"}, {"type": "length", "target": 8}]
    train(
        tiny(
            training={"iterations": 3, "batch_size": 4},
            rewards=rewards,
            sampling={"max_completion_length": 24},
        ),
        folder,
    )
    return folder


def seen(out: Path) -> dict[str, bytes]:
    """What a person finds there: by name within `out`, which may be a file itself."""
    if out.is_file():
        return {"": out.read_bytes()}
    return {one.name: one.read_bytes() for one in out.glob("[!.]*")}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_killed_at_any_write_it_leaves_the_whole_or_nothing(
    command: tuple[str, set[str]], run: Path, tmp_path: Path, project_root: Path
) -> None:
    text, files = command
    out, whole = tmp_path / "out", tmp_path / "whole"
    data = project_root / "resources" / "sample-data"
    words, wanted = ([one.format(run=run, out=to, data=data) for one in text.split()] for to in (out, whole))
    assert main(wanted) == 0
    written = seen(whole)
    assert written.keys() >= files
    for number in itertools.count(1):
        code = subprocess.run(
            [sys.executable, "-c", KILLER, str(number), *words],
            env=os.environ | {"PYTHONPATH": str(project_root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=240,
            check=False,
        ).returncode
        found = seen(out)
        if code == 0:
            break
        assert code == -9
        # valid.jsonl alone is no data
        assert found in (written, {}) or found == {"valid.jsonl": written.get("valid.jsonl")}, number
        assert main(words) == (1 if out.is_dir() and found == written else 0), number
        assert seen(out) == written, number
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    assert found == written
    assert number > 5
    assert [one.name for one in tmp_path.iterdir() if one.name not in ("out", "whole")] == []
