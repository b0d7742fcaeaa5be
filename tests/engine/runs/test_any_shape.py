"""Whatever JSON stands in a run's small files: the list lists, the older checkpoint is found, nothing raises."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from droid_tune.cli.commands.runs_command import described, row
from droid_tune.config import resolve
from droid_tune.paths import RunPaths
from droid_tune.runs.folder import create_run, list_runs
from droid_tune.runs.origin.identity import doubts_of
from droid_tune.train.saving.checkpoint import CheckpointStore

KEYS = [
    *(
        "state",
        "step",
        "total_steps",
        "created",
        "updated",
        "why",
        "metrics",
        "best",
        "pid",
        "joules",
        "seconds",
    ),
    *("format", "files", "state.json", "adapters.safetensors", "bytes", "sha256", "../out", "/etc/passwd"),
    *("settings", "model", "template", "rewards", "data", "path", "size", "modified_ns", "changed_ns"),
    *("metric", "value", "reward", "loss", ""),
]
WORDS = [
    "running",
    "completed",
    "stopped",
    "failed",
    "interrupted",
    "created",
    "nan",
    "eval/accuracy",
    "\0",
    "é",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=6)
    ),
    max_leaves=12,
)
#: the folder serves all examples of a test
shared = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def run(data_home: Path) -> Path:
    """A run with checkpoints of steps 3 and 4, and one beside it."""
    create_run(resolve({"name": "other"}))
    folder = create_run(resolve({"training": {"iterations": 60}}))
    store = CheckpointStore(RunPaths(folder).checkpoints)
    for step in (3, 4):
        store.save(step, {}, {"adapters": {"a": mx.array([1.0])}})
    return folder


def written(file: Path, shape: Any) -> None:
    file.write_text(json.dumps(shape), encoding="utf-8")


@shared
@given(shape=SHAPES)
def test_a_status_hides_nothing(run: Path, shape: Any) -> None:
    written(run / "status.json", shape)
    found = list_runs()
    assert {one.folder for one in found} >= {run}
    assert len(found) == 2
    for one in found:
        json.dumps(described(one), allow_nan=False)
        row(one)


@shared
@given(shape=SHAPES)
def test_a_manifest_leaves_the_older_checkpoint(run: Path, shape: Any) -> None:
    newest = run / "checkpoints" / "step-000004"
    kept = run / "kept"
    shutil.copyfile(newest / "manifest.json", kept)
    written(newest / "manifest.json", shape)
    found, bad = CheckpointStore(RunPaths(run).checkpoints).newest_good()
    assert (found is not None and found.step, len(bad)) == (3, 1)
    said, _ = doubts_of(run)  # and that nobody wrote down what the run began with
    assert "step-000004 is damaged" in said
    shutil.copyfile(kept, newest / "manifest.json")


@shared
@given(shape=SHAPES)
@example(shape={"step": 4})
@example(shape={"step": 7})
@example(shape={"step": True})
def test_a_state_that_its_manifest_knows_is_one_or_the_checkpoint_is_bad(run: Path, shape: Any) -> None:
    newest = run / "checkpoints" / "step-000004"
    written(newest / "state.json", shape)
    manifest = json.loads((newest / "manifest.json").read_text())
    data = (newest / "state.json").read_bytes()
    manifest["files"]["state.json"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    written(newest / "manifest.json", manifest)
    found, bad = CheckpointStore(RunPaths(run).checkpoints).newest_good()
    assert found is not None
    step = shape.get("step") if isinstance(shape, dict) else None
    assert len(bad) == (0 if isinstance(step, int) and not isinstance(step, bool) and step == 4 else 1)


@shared
@given(shape=SHAPES)
def test_what_a_run_began_with_may_have_any_shape(run: Path, shape: Any) -> None:
    written(RunPaths(run).identity, shape)
    assert all(isinstance(said, str) for said in doubts_of(run))
