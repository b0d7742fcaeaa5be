"""Updates that give no numbers, three in a row, in a real terminal: the run waits, says why, and Enter goes on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.train.conftest import TINY

PLANTED = """
import sys
from droid_tune.cli import main
from droid_tune.train import loop

real, calls = loop.why_not, 0

def no_number(*given):
    global calls
    calls += 1
    return "non_finite" if 2 <= calls <= 4 else real(*given)

loop.why_not = no_number
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_enter_goes_on_after_three_steps_without_numbers(tmp_path: Path, project_root: Path) -> None:
    config = tmp_path / "run.json"
    config.write_text(json.dumps({**TINY, "training": {"iterations": 6, "batch_size": 2}}))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PLANTED, "train", "--config", str(config), "--out", str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": str(project_root)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = answered(ours, "press Enter to continue")
    os.close(ours)
    assert process.wait() == 0, said
    told = " ".join(said.split())
    assert "was not a number in 3 steps in a row (steps 2 to 4)" in told
    assert "lower the learning rate" in told
    assert "droid-tune steer" in told


def answered(terminal: int, question: str) -> str:
    """All that a terminal shows to the program's end; Enter is pressed once it asks."""
    shown, asked = b"", False
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux's word for the end of a terminal
            piece = b""
        if not piece:
            return shown.decode(errors="replace")
        shown += piece
        if not asked and question.encode() in shown:
            asked = True
            os.write(terminal, b"\n")
