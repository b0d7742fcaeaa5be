"""What a stopped and resumed run of every method learns, as digests: run it on two states of the code and compare.

usage: resume_digests.py OUT.json [METHOD ...]      (the code is the one that PYTHONPATH names)

Each method trains the starter for four steps of a few tokens, is stopped after the first two (or, with several
updates a rollout, in the middle of a rollout) and goes on in a new process. Digested are the bytes of
`adapters.safetensors` and, of the events, everything but clocks, memory and places.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

POLICY = ["group_size=4", "max_completion_length=12"]
EVERY = [
    "iterations=4",
    "batch_size=2",
    "learning_rate=1e-3",
    "schedule=constant",
    "steps_per_eval=2",
    "evaluation.rows=3",
]
REWARDS = (
    'rewards=[{"type":"accuracy"},{"type":"format","pattern":"The answer"},{"type":"length","target":8}]'
)
#: settings of runs besides one of each method: a rollout that is still in use at the stop, and the rare branches
VARIANTS: dict[str, tuple[str, list[str]]] = {
    "grpo, open rollout": (
        "grpo",
        ["steps_per_generation=2", "num_iterations=2", "iterations=5", "beta=0.04"],
    ),
    "grpo, all branches": (
        "grpo",
        [
            "dynamic_sampling=true",
            "top_entropy_quantile=0.5",
            "sampler_correction=token_truncate",
            "num_iterations=2",
        ],
    ),
}
#: differs from run to run: clocks, memory, places
VOLATILE = ("step_time", "tokens_per_second", "memory/")


def main(out: Path, chosen: list[str]) -> None:
    methods = [one["method"] for one in json.loads(command("methods", "--json"))]
    runs = {name: (name, list[str]()) for name in methods} | VARIANTS
    found = {
        name: digests(method, extra) for name, (method, extra) in runs.items() if not chosen or name in chosen
    }
    out.write_text(json.dumps(found, indent=1) + "\n")


def digests(method: str, extra: list[str]) -> dict[str, str]:
    """One run's digests: what was learnt, its events, its rollouts."""
    settings = [*EVERY, *([] if method == "sft" else [*POLICY, REWARDS]), *extra]
    stop = "1" if extra else "2"
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        sets = [word for setting in settings for word in ("--set", setting)]
        command("train", "--method", method, *sets, "--out", str(run), "--stop-after", stop)
        command("resume", str(run))
        found = {
            "adapter": hashlib.sha256((run / "adapters.safetensors").read_bytes()).hexdigest(),
            "events": digest_of_lines(run / "events.jsonl"),
            "rollouts": digest_of_lines(run / "rollouts.jsonl"),
        }
    print(method, *extra, {name: value[:12] for name, value in found.items()}, flush=True)
    return found


def digest_of_lines(file: Path) -> str:
    """Of the steps, evaluations, checkpoints, notices and rollouts in a log."""
    kept = ("step", "evaluation", "rollout", "notice", "run_finished")
    lines = file.read_text().splitlines() if file.is_file() else []
    events = [event for event in map(json.loads, lines) if event["type"] in kept]
    said = "\n".join(json.dumps(steady(event), sort_keys=True) for event in events)
    return hashlib.sha256(said.encode()).hexdigest()


def steady(event: dict[str, Any]) -> dict[str, Any]:
    """The event without what differs from run to run."""
    kept = {name: value for name, value in event.items() if name not in ("seq", "time", "run_id", "seconds")}
    if "metrics" in kept:
        kept["metrics"] = {
            name: value for name, value in kept["metrics"].items() if not name.startswith(VOLATILE)
        }
    return kept


def command(*words: str) -> str:
    """The command line's output. Ends the script where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "droid_tune", *words], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}: {done.stderr[-1500:]}")
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
