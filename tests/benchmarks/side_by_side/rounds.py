"""Rounds in which the sides take turns, each in a fresh process, and the medians of what they measured."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.side_by_side.cases import Case

ENGINE = "engine"
Medians = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Suite:
    """What is measured: the cases, the commands of the sides (ours is `engine`), and the figures that are kept."""

    cases: dict[str, Case]
    sides: dict[str, list[str]]
    figures: tuple[str, ...]
    #: of the figures, the one that memory is compared by
    memory: str = "peak_mb"


def measured(suite: Suite, case: Case, rounds: int, environment: dict[str, str]) -> dict[str, object]:
    """Medians of every side over interleaved rounds."""
    workload, options, _, _ = case
    found: dict[str, list[dict[str, float]]] = {side: [] for side in suite.sides}
    plan = ""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        for turn in range(rounds):
            for side, command in list(suite.sides.items())[:: 1 if turn % 2 == 0 else -1]:
                tail = [json.dumps(options)] if side == ENGINE and options else []
                run = subprocess.run(
                    [*command, json.dumps(workload), str(out), *tail],
                    env=environment,
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if run.returncode:
                    sys.exit(f"bench: {side} failed on {workload}:\n{run.stderr[-2000:]}")
                result = json.loads(out.read_text(encoding="utf-8"))
                plan = result.get("plan", plan)
                found[side].append({figure: result[figure] for figure in suite.figures if figure in result})
    medians = {
        side: {figure: _median([run.get(figure) for run in runs]) for figure in suite.figures}
        for side, runs in found.items()
    }
    return {
        "workload": workload,
        "options": options,
        "rounds": rounds,
        "plan": plan,
        "medians": medians,
        "runs": found,
    }


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


HEAD = f"{'workload':30} {'':16} {'time':>7} {'goal':>6}  {'memory':>7} {'goal':>6}  {'peer':>17} {'engine':>17}  plan"


def lines(suite: Suite, name: str, case: Case, result: dict[str, object]) -> str:
    """A row of the table for each peer: CPU seconds, which other work on the machine disturbs least, and memory."""
    medians: Medians = result["medians"]  # type: ignore[assignment]
    own, plan = medians[ENGINE], result["plan"]
    ours = f"{own['step_cpu']:8.3f}s {own[suite.memory]:4.0f} MB"
    rows = [
        f"{name:30} {side:16} {peer['step_cpu'] / own['step_cpu']:6.2f}x {case[2]:5.1f}x  "
        f"{own[suite.memory] / peer[suite.memory]:6.2f}x {case[3]:5.2f}x  "
        f"{peer['step_cpu']:8.3f}s {peer[suite.memory]:4.0f} MB {ours:>17}  {plan}"
        for side, peer in medians.items()
        if side != ENGINE
    ]
    return "\n".join(
        rows or [f"{name:30} {'':16} {'':>7} {'':>6}  {'':>7} {'':>6}  {'':>17} {ours:>17}  {plan}"]
    )
