"""Columns as well-known data sets name them: what is proposed for them, and what is told of what the model does not see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.data.validate import validate

SETS: list[tuple[str, dict[str, Any], dict[str, str], Any]] = [
    (
        "grpo",
        {
            "context": "Ada wrote.",
            "question": "Who?",
            "answers": {"text": ["Ada", "Ada L."], "answer_start": [0, 0]},
        },
        {"answer": "answers.text"},
        ["Ada", "Ada L."],
    ),
    (
        "grpo",
        {"question": "Which?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
        {"answer": "answerKey"},
        "B",
    ),
    ("grpo", {"question": "Which?", "options": ["A)21", "B)2"], "correct": "B"}, {"answer": "correct"}, "B"),
    (
        "sft",
        {"dialogue": "A: Hi", "summary": "A greets."},
        {"prompt": "dialogue", "completion": "summary"},
        "A greets.",
    ),
    (
        "sft",
        {"article": "Long.", "highlights": "Short."},
        {"prompt": "article", "completion": "highlights"},
        "Short.",
    ),
]


@pytest.mark.parametrize(("method", "row", "mapping", "answer"), SETS)
def test_a_mapping_that_finds_the_answer_is_proposed(
    method: str, row: dict[str, Any], mapping: dict[str, str], answer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert validate(path, method).files[0].proposed_mapping == mapping
    data = open_dataset(path, method, mapping)
    assert data.splits["train"][0]["answer"] == answer
    unseen = [name for name in ("context", "choices", "options") if name in row]
    for name in unseen:
        assert any(f"The model does not see `{name}`" in note for note in data.report.notes)
