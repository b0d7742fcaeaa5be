"""No row ends a run: what the template cannot show is left out, counted and told, before the run or when it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.rendering import looking_through
from droid_tune.errors import UserError
from droid_tune.events import Notice, Phase
from droid_tune.train.rows.drawing import TOLD_ROWS, draw
from droid_tune.train.training_session import TrainingSession
from tests.engine.train.conftest import tiny, train
from tests.engine.train.learning import session_of

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {}}}


def chat(number: int, *, refused: bool = False) -> dict[str, Any]:
    """`n+n?`, with a tool that the starter's template cannot show where the row is to be refused."""
    turns = [
        {"role": "user", "content": f"{number}+{number}?"},
        {"role": "assistant", "content": str(2 * number)},
    ]
    return {"messages": turns, **({"tools": [TOOL]} if refused else {})}


def session(folder: Path, refused: set[int], rows: int = 6, method: str = "sft") -> TrainingSession:
    """Rows 0 to `rows` - 1 in order, some of them refused by the template."""
    file = folder / "train.jsonl"
    file.write_text("".join(json.dumps(chat(n, refused=n in refused)) + "\n" for n in range(rows)))
    changes = {"method": {"type": method}, "data": {"path": str(folder), "shuffle": False}}
    return session_of(folder / "run", **changes)


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_refused_rows_are_found_before_the_first_step(tmp_path: Path, method: str) -> None:
    found = session(tmp_path, {1, 3}, method=method)
    assert [found.train.number(place) for place in range(len(found.train))] == [0, 2, 4, 5]
    assert found.train.found is not None
    assert [number for number, _ in found.train.found.refused] == [1, 3]
    assert "leaves out the tool `weather`" in found.train.found.refused[0][1]
    assert found.train.place(1) == "train.jsonl:2"


def test_looking_through_the_rows_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("droid_tune.data.rendering.looking_through.TOLD_EVERY", 100)
    monkeypatch.setattr("droid_tune.train.assembly.LONG_LOOK", 400)
    _, record = train(tiny(training={"iterations": 1}), tmp_path)
    seen = [event for event in record if isinstance(event, Phase) and event.phase == "prepare"]
    assert [(event.done, event.total) for event in seen[:4]] == [(0, 400), (100, 400), (200, 400), (300, 400)]


def test_a_row_that_comes_too_late_is_replaced_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_through, "LOOKED_THROUGH", 3)
    late = session(tmp_path, {1, 2})
    told: list[Notice] = []
    late.emit = lambda event: told.append(event) if isinstance(event, Notice) else None
    drawn = [draw(late, late.reader.examples) for _ in range(2)]
    assert [example.number for batch in drawn for examples in batch for example in examples] == [0, 3, 4, 5]
    assert [notice.code for notice in told] == ["row_skipped", "row_skipped"]
    assert told[0].text.startswith("Row 2 (train.jsonl:2) is left out and replaced: ")
    assert late.batches.state()["drawn"] == 6  # the cursor stands behind what was replaced: a resume is exact


def test_of_many_late_rows_the_first_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_through, "LOOKED_THROUGH", 3)
    late = session(tmp_path, set(range(1, 15)), rows=16)
    told: list[Any] = []
    late.emit = told.append
    draw(late, late.reader.examples)
    assert (len(told), late.skipped) == (TOLD_ROWS, 14)


def test_data_without_any_usable_row_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"No row can be used; row 1: .*leaves out the tool"):
        session(tmp_path, set(range(6)))
    monkeypatch.setattr(looking_through, "LOOKED_THROUGH", 3)
    late = session(tmp_path, set(range(6)))
    with pytest.raises(UserError, match="leaves out the tool"):
        draw(late, late.reader.examples)
