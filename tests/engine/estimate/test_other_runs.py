"""Another instance's run counts at its peak in the memory and the verdict of the next one, wherever its folder is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from droid_tune.estimate.forecast import verdict_of
from droid_tune.estimate.other_runs import OtherRun, beside, other_runs
from droid_tune.events import MemoryFacts, RunStarted
from droid_tune.machine.host import Host
from droid_tune.paths import live_runs_dir
from droid_tune.runs.disk.live_runs import LiveListener, live_runs, trains_for_us

GIB = 2**30
HOLDER = """
import sys
from pathlib import Path
from droid_tune.events import MemoryFacts, RunStarted
from droid_tune.runs.disk.live_runs import LiveListener
with LiveListener(Path("/nowhere/theirs"), lambda event: print(event.type)) as live:
    memory = MemoryFacts(total_bytes=9, gpu_limit_bytes=9, budget_bytes=9, estimated_peak_bytes=3 * 2**30)
    live(RunStarted(config={}, total_steps=1, memory=memory))
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_a_run_of_another_process_is_found_until_that_process_is_gone(project_root: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    environment = {"PYTHONPATH": str(project_root), "DROID_TUNE_HOME": os.environ["DROID_TUNE_HOME"]}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "run_started\n"
        (found,) = other_runs()
        with trains_for_us(holder.pid):
            (ours,) = other_runs()
        holder.kill()
    assert (found.name, found.peak_bytes) == ("theirs", 3 * GIB)
    assert 0 < found.now_bytes < GIB
    assert found.still_to_come > 0
    assert ours.still_to_come == -ours.now_bytes  # it ends before the next one begins
    assert len(list(live_runs_dir().glob("*.json"))) == 1  # nobody removed it yet
    assert other_runs() == []
    assert list(live_runs_dir().glob("*.json")) == []


def test_files_of_any_shape_and_of_other_computers_are_passed_over() -> None:
    live_runs_dir().mkdir(parents=True)
    (live_runs_dir() / "odd.json").write_text("[1]")
    began = psutil.Process().create_time()
    (live_runs_dir() / "far.json").write_text(f'{{"host": "far", "pid": {os.getpid()}, "began": {began}}}')
    told: list[object] = []
    memory = MemoryFacts(total_bytes=9, gpu_limit_bytes=9, budget_bytes=9, estimated_peak_bytes=7)
    with LiveListener(Path("own"), told.append) as live:
        live(RunStarted(config={}, total_steps=1, memory=memory))
        assert [(run.name, run.process, run.peak_bytes) for run in live_runs()] == [("own", os.getpid(), 7)]
    assert live_runs() == []
    assert len(told) == 1


def test_what_it_will_still_take_counts_in_the_verdict() -> None:
    host = Host(memory_bytes=16 * GIB, gpu_limit_bytes=12 * GIB, chip="chip", used_by_others_bytes=2 * GIB)
    assert verdict_of(9 * GIB, 12 * GIB, host) == "fits"
    later = beside(host, [OtherRun("theirs", 6 * GIB, 1 * GIB), OtherRun("unsaid", 0, GIB)])
    assert later.used_by_others_bytes == 7 * GIB  # 2 + (6 - 1)
    assert verdict_of(9 * GIB, 12 * GIB, later) == "tight"
