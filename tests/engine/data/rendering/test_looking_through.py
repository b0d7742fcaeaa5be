"""All rows behind a template before a run, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.control import Watch
from droid_tune.data.dataset import open_dataset
from droid_tune.data.lens import Lens
from droid_tune.data.rendering import looking_through
from droid_tune.data.rendering.looking_through import findings_of
from droid_tune.data.templates import TemplateOptions
from droid_tune.errors import Stopped
from tests.engine.data.rendering.tokenizers import tokenizer


def rows(folder: Path, *written: dict[str, Any]) -> Any:
    (folder / "train.jsonl").write_text("".join(json.dumps(one) + "\n" for one in written))
    return open_dataset(folder, "sft")


def row(answer: str, *, refused: bool = False) -> dict[str, Any]:
    """A chat; with a tool, which the starter's template cannot show."""
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": answer}]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    return {"messages": turns, **({"tools": [tool]} if refused else {})}


def lens(limit: int | None = None, **options: Any) -> Lens:
    return Lens(tokenizer("starter"), TemplateOptions(**options), imitated=True, limit=limit)


def test_each_row_is_used_refused_or_too_long_and_notes_are_counted(tmp_path: Path) -> None:
    dataset = rows(tmp_path, row("4"), row("5", refused=True), row("4 " * 40), row("4<|end|>"))
    found = findings_of(dataset, "train", dataset.train, lens(limit=30), "sft")
    assert found is not None
    assert [number for number, _ in found.refused] == [1]
    assert [number for number, _ in found.too_long] == [2]
    assert found.usable == [0, 3]
    assert found.told_notes() == [
        (
            "end_in_answer",
            "25% of the rows: `<|end|>` at the end of an answer is left out: the template writes it.",
        )
    ]


def test_findings_are_kept_for_the_same_files_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_through, "LEAST_KEPT", 1)
    looked: list[int] = []
    look = looking_through.look_through
    monkeypatch.setattr(
        looking_through,
        "look_through",
        lambda found, *rest: (looked.append(len(found)), look(found, *rest))[1],
    )
    dataset = rows(tmp_path, row("4"), row("5", refused=True))
    first = findings_of(dataset, "train", dataset.train, lens(), "sft")
    again = findings_of(dataset, "train", dataset.train, lens(), "sft")
    assert first == again
    assert looked == [2]
    findings_of(dataset, "train", dataset.train, lens(system_prompt="Be brief."), "sft")
    changed = rows(tmp_path, row("4"), row("6"))
    findings_of(changed, "train", changed.train, lens(), "sft")
    assert looked == [2, 2, 2]


def test_looking_through_can_be_stopped(tmp_path: Path) -> None:
    dataset = rows(tmp_path, row("4"))
    with pytest.raises(Stopped):
        findings_of(dataset, "train", dataset.train, lens(), "sft", Watch(should_stop=lambda: True))
