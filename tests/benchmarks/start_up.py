"""How long the window takes to its first paint, and `droid-tune --help` to its last line.

usage: python tests/benchmarks/start_up.py [--runs N] [--pane PANE] [--json FILE]

Starts each N times (12 unless told) and prints the least and the median, in seconds of the wall and of the CPU; where
other work shares the machine, the CPU's tell more. No pass or fail. The first paint is the moment at which Qt has
flushed the main window's first paint event; `forecast` is when memory and time stand below the form (where the window
opens on the Setup pane, as it does the first time). Without a display an Xvfb is started. Settings, runs and logs are
those of a fresh user in a temporary folder. One start that is not counted warms the disk. Python's bytecode is used as
it is found: run `packaging/run` once to have it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: generous: a cold disk, a busy machine
PATIENCE_S = 60

Times = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--pane", default="setup", help="the pane that was open last time")
    parser.add_argument("--json", type=Path, help="write every single time there")
    given = parser.parse_args()
    with display() as environment, tempfile.TemporaryDirectory() as home:
        environment["DROID_TUNE_HOME"] = home
        (Path(home) / "settings.json").write_text(json.dumps({"pane": given.pane}), encoding="utf-8")
        window = [start_window(environment) for _ in range(given.runs + 1)][1:]
        words = [start_help(environment) for _ in range(given.runs + 1)][1:]
    told = {
        "first paint": [one["painted"] for one in window],
        "forecast": [one["forecast"] for one in window if "forecast" in one],
        "--help": words,
    }
    for what, times in told.items():
        if times:
            print(f"{what:12} {in_words(times)}")
    if given.json:
        given.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


def start_window(environment: dict[str, str]) -> dict[str, Times]:
    """Seconds to the first paint and to the forecast."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.first_paint"],
        cwd=ROOT,
        env={**environment, "STARTED": str(time.monotonic())},
        stdout=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=True,
    )
    return json.loads(done.stdout)


def start_help(environment: dict[str, str]) -> Times:
    before, start = children_cpu(), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "droid_tune", "--help"],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=True,
    )
    return {"wall": time.monotonic() - start, "cpu": children_cpu() - before}


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def display() -> Iterator[dict[str, str]]:
    """The environment with a display in it: the present one, else an Xvfb of our own."""
    environment = dict(os.environ)
    if sys.platform == "darwin" or environment.get("DISPLAY"):
        yield environment
        return
    server = shutil.which("Xvfb")
    if server is None:
        raise SystemExit("There is no display; install Xvfb (the package xvfb).")
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [server, "-displayfd", str(writing), "-screen", "0", "1280x800x24"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            environment["DISPLAY"] = f":{told.readline().strip()}"
        yield environment
    finally:
        child.terminate()
        child.wait()


def in_words(times: list[Times]) -> str:
    """`0.52 s wall at least, 0.55 s median; CPU 0.50 s, 0.53 s`."""
    wall, cpu = ([one[clock] for one in times] for clock in ("wall", "cpu"))
    return (
        f"wall {min(wall):.3f} s at least, {statistics.median(wall):.3f} s median; "
        f"CPU {min(cpu):.3f} s at least, {statistics.median(cpu):.3f} s median"
    )


if __name__ == "__main__":
    main()
