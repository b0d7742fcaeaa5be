"""A file in which most rows have no answer: those that have one keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.dataset import open_dataset


@pytest.mark.parametrize("column", ["answer", "solution", "ground_truth"])
@pytest.mark.parametrize("first", [0, 2])
def test_an_answer_among_rows_without_one_is_kept(column: str, first: int, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"prompt": f"{place}?"} for place in range(3)]
    rows[first][column] = "7"
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = open_dataset(tmp_path, "grpo")
    assert [row["answer"] for row in data.splits["train"]] == [
        "7" if place == first else None for place in range(3)
    ]
    assert (
        "There is no answer in 67% of the rows: rewards that compare with one cannot score them."
        in data.report.notes
    )
