"""SmolLM2 in 4 bits, trained for one step: what is exported answers as the run does, whatever becomes of its bits. Minutes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.config.exporting import ExportRequest
from droid_tune.export.result import export_run
from tests.engine.train.conftest import train

pytestmark = pytest.mark.slow

ROWS = [
    {"prompt": f"What is {word} backwards?", "completion": word[::-1]}
    for word in ("tar", "pot", "net", "saw")
]


@pytest.fixture(scope="module")
def run(smol_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    data = folder / "data"
    data.mkdir()
    for split in ("train", "valid"):
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    settings: dict[str, Any] = {
        "method": "sft",
        "model": {"path": str(smol_model)},
        "data": {"path": str(data)},
        "training": {"iterations": 1, "batch_size": 1},
        "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
        "evaluation": {"rows": 0},
        "sampling": {"max_completion_length": 8},
    }
    finished, _ = train(resolve(settings), folder / "run")
    assert finished.outcome == "completed", finished.why
    return folder / "run"


@pytest.mark.parametrize(
    ("target", "weights"), [("fused", "keep"), ("fused", "none"), ("fused", "mlx-8bit"), ("gguf", "q8_0")]
)
def test_what_becomes_of_four_bits_answers_as_the_run_does(
    target: Any, weights: Any, run: Path, tmp_path: Path
) -> None:
    if target == "gguf":
        pytest.importorskip("gguf")
    request = ExportRequest(target, tmp_path / "out", check=2, weights=weights)
    compared = export_run(run, request).compared
    assert compared is not None
    print(compared)
    assert compared.faults == ()
    assert compared.tokens >= 8
    assert compared.equal_share >= (0.99 if weights in ("keep", "none") else 0.8)
