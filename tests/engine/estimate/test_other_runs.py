"""Another instance's run counts at its peak in the memory and the verdict of the next one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from droid_tune.estimate.forecast import verdict_of
from droid_tune.estimate.other_runs import OtherRun, beside, other_runs
from droid_tune.machine.host import Host

GIB = 2**30
HOLDER = """
import sys, time
from pathlib import Path
from droid_tune.runs.disk.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_of_another_process_is_found_while_it_trains(tmp_path: Path, project_root: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ended").mkdir()
    (tmp_path / "ended" / "lock").write_text("1")
    started = {"type": "run_started", "memory": {"budget_bytes": 9, "estimated_peak_bytes": 3 * GIB}}
    (tmp_path / "theirs" / "events.jsonl").write_text(f"nonsense\n{json.dumps(started)}\n")
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "theirs" / "lock")]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(project_root)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        (found,) = other_runs(tmp_path)
        holder.communicate()
    assert (found.name, found.peak_bytes) == ("theirs", 3 * GIB)
    assert 0 < found.now_bytes < GIB
    assert other_runs(tmp_path) == []


def test_what_it_will_still_take_counts_in_the_verdict() -> None:
    host = Host(memory_bytes=16 * GIB, gpu_limit_bytes=12 * GIB, chip="chip", used_by_others_bytes=2 * GIB)
    assert verdict_of(9 * GIB, 12 * GIB, host) == "fits"
    later = beside(host, [OtherRun("theirs", 6 * GIB, 1 * GIB), OtherRun("unsaid", 0, GIB)])
    assert later.used_by_others_bytes == 7 * GIB  # 2 + (6 - 1)
    assert verdict_of(9 * GIB, 12 * GIB, later) == "tight"
