"""How soon self-distillation reaches GRPO's held-out accuracy, and what memory either takes.

usage: python -m tests.benchmarks.self_teaching [--seeds 0 1 2] [--tasks sample carry borrow] [--json FILE]

The bundled starter cannot read a solution that stands in its prompt (0 to 11 % of held-out sums right, 22 % without one), so
it has nothing to teach itself. It is shown first how, by SFT on rows whose prompt holds the worked solution, beside rows
without one that it answers as before; that model, fused, is where GRPO and self-distillation both start. Tasks: the
starter's own, and two harder ones (every sum with a carry; differences with a borrow alone). CPU seconds are those of the
steps, evaluations left out; a machine that others use is measured one run after another, the two methods in turn. No pass
or fail.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from droid_tune.config import merge, resolve
from droid_tune.control import Control
from droid_tune.data.synthetic.arithmetic import Exercise, ask, careful, careless, draw_problem
from droid_tune.events import Event
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training

#: what the teacher reads
TEMPLATE = "{context} {prompt}"
TRAIN_ROWS, HELD_OUT_ROWS, HABITS = 512, 100, 0.75
METHODS: dict[str, dict[str, Any]] = {
    "grpo": {"method": {"type": "grpo"}, "training": {"iterations": 60, "batch_size": 4}},
    "self_distillation": {
        "method": {
            "type": "self_distillation",
            "context_field": "solution",
            "teacher_template": TEMPLATE,
        },
        "training": {"iterations": 40, "batch_size": 16},
    },
}


@dataclass
class Watched:
    """CPU seconds of a run's steps, and the accuracies with the seconds that they took."""

    cpu: float = 0.0
    peak: float = 0.0
    accuracies: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    _since: float = field(default_factory=time.process_time)

    def __call__(self, event: Event) -> None:
        now = time.process_time()
        if event.type == "step":
            self.cpu += now - self._since
            self.peak = max(self.peak, event.metrics["memory/peak_bytes"] or 0.0)
        elif event.type == "evaluation":
            self.accuracies.append((self.cpu, event.metrics.get("eval/accuracy") or 0.0))
        if event.type in ("run_started", "step", "evaluation"):
            self._since = now


def exercises(task: str, count: int, seed: int, *, held_out: bool) -> list[Exercise]:
    """Problems of one task."""
    random, found = Random(seed), []
    while len(found) < count:
        problem = draw_problem(random, held_out=held_out, carrying=0.7 if task == "sample" else 1.0)
        if task != "borrow" or problem.operation == "minus":
            found.append(ask(problem, random))
    return found


def write_rows(folder: Path, task: str, seed: int) -> Path:
    """The task's data: question, answer, and a worked solution for the teacher."""
    folder.mkdir(parents=True)
    for name, count, held_out in (("train", TRAIN_ROWS, False), ("valid", HELD_OUT_ROWS, True)):
        random = Random(seed + held_out)
        rows = [
            {"prompt": one.question, "answer": one.answer, "solution": careful(one.problem, random)}
            for one in exercises(task, count, seed + 7, held_out=held_out)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def trained(folder: Path, values: dict[str, Any]) -> Watched:
    """One run, watched."""
    config, watched = resolve(values), Watched()
    create_run(config, folder)
    finished = run_training(config, folder, Control(), watched)
    if finished.outcome != "completed":
        raise SystemExit(finished.why)
    return watched


def reader(folder: Path) -> Path:
    """A run that taught the starter to read a solution in its prompt, and kept its habits without one."""
    random, rows = Random(1), []
    for one in exercises("sample", 2_000, 1, held_out=False):
        solution = careful(one.problem, random)
        shown = TEMPLATE.replace("{context}", solution).replace("{prompt}", one.question)
        usual = careless(one.problem, random) if random.random() < HABITS else careful(one.problem, random)
        rows += [{"prompt": shown, "completion": solution}, {"prompt": one.question, "completion": usual}]
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps = {"iterations": 250, "batch_size": 16}
    values = {"method": {"type": "sft"}, "data": {"path": str(data)}, "training": steps}
    trained(folder / "run", merge(values, {"adapter": {"rank": 32}, "evaluation": {"rows": 0}}))
    return folder / "run"


def compared(folder: Path, task: str, seed: int, start: Path) -> dict[str, Any]:
    """Both methods on one task with one seed."""
    data = write_rows(folder / "data", task, seed)
    common = {
        "model": {"start_from": str(start), "start_mode": "fuse"},
        "data": {"path": str(data)},
        "training": {"seed": seed},
        "evaluation": {"rows": HELD_OUT_ROWS, "steps_per_eval": 5},
    }
    found = {name: trained(folder / name, merge(common, own)) for name, own in METHODS.items()}
    goal = found["grpo"].accuracies[-1][1]
    reached = next((cpu for cpu, right in found["self_distillation"].accuracies if right >= goal), None)
    return {
        "task": task,
        "seed": seed,
        "start": found["grpo"].accuracies[0][1],
        "grpo": {"accuracy": goal, "cpu_s": found["grpo"].cpu, "peak_mb": found["grpo"].peak / 1e6},
        "self": {
            "accuracy": found["self_distillation"].accuracies[-1][1],
            "cpu_s": found["self_distillation"].cpu,
            "peak_mb": found["self_distillation"].peak / 1e6,
            "cpu_s_to_grpo": reached,
            "curve": found["self_distillation"].accuracies,
        },
        "grpo_curve": found["grpo"].accuracies,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", default=["sample", "carry", "borrow"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        start = reader(Path(name) / "reader")
        for task in arguments.tasks:
            for seed in arguments.seeds:
                results.append(compared(Path(name) / f"{task}-{seed}", task, seed, start))
                shown = {key: value for key, value in results[-1].items() if key != "grpo_curve"}
                print(json.dumps(shown), flush=True)
                if arguments.json:
                    arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
