"""Completions taken out of a run: the chosen ones as JSONL, the right ones as data to imitate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset
from droid_tune.data.editing.convert import new_folder, write_rows
from droid_tune.data.report import Report
from droid_tune.data.validate import validate
from droid_tune.errors import UserError
from droid_tune.events import RolloutGroup
from droid_tune.paths import user_path
from droid_tune.runs.completions.asking import CompletionLine, Wanted, find, group_at, lines_of
from droid_tune.runs.completions.completion_index import CompletionIndex
from droid_tune.runs.completions.preference_pairs import require_one_turn

#: completions read at a time
PAGE = 200


def export(index: CompletionIndex, ids: Sequence[int], out: Path, watch: Watch = UNWATCHED) -> int:
    """Write completions as JSONL, one object each, and return how many. Raises UserError, Stopped."""
    return write_rows(out, (record_of(index, line) for line in _pages(index, ids, watch)))


def record_of(index: CompletionIndex, line: CompletionLine) -> dict[str, Any]:
    """A completion with everything that is known of it, for programs. Raises UserError where the run's file no longer has it."""
    group = _group_of(index, line)
    told = group.completions[line.member]
    turns = [turn.model_dump(mode="json") for turn in told.turns]
    return {
        "step": line.step,
        "group": line.group,
        "row": line.row,
        "held_out": bool(line.held_out),
        "prompt": line.prompt,
        "answer": group.answer,
        "completion": line.text,
        "reward": line.reward,
        "rewards": dict(line.parts),
        "reasons": told.reasons,
        "advantage": line.advantage,
        "length": line.length,
        "finish_reason": "length" if line.cut else "stop",
        "right": bool(line.right),
        **({"turns": turns} if turns else {}),
    }


def _group_of(index: CompletionIndex, line: CompletionLine) -> RolloutGroup:
    """The group of a completion, in full. Raises UserError where it is not to be had: a part of it would pass for the whole."""
    group = group_at(index.rollouts, line.offset)
    if group is None or line.member >= len(group.completions):
        raise UserError(
            f"The completions of step {line.step:,} are no longer in the run's file",
            place=str(index.rollouts),
            remedy="see that the run's folder is whole, and try again",
        )
    return group


def save_winners(
    index: CompletionIndex, out: str | Path, dataset: Dataset | None = None, watch: Watch = UNWATCHED
) -> Report:
    """Write the newest right completion of each prompt as SFT data in a new folder; returns our validator's report on it.

    Prompts are those of the run's data where it is given, so that turns stay turns. Raises UserError where nothing was
    right, the completions are episodes of several turns, or the folder is not empty.
    """
    wanted = Wanted(bounds={"right": (1, 1), "cut": (0, 0)}, sort="step", descending=True)
    ids = find(index, wanted)
    if not ids:
        raise UserError("No completion of this run is right", remedy="train further, or lower what counts")
    winners = list(_winners(_pages(index, ids, watch)))
    for line in winners:
        watch.pause_point()
        require_one_turn(_group_of(index, line))
    with new_folder(out) as folder:
        write_rows(folder / "train.jsonl", (_example(line, dataset) for line in winners))
    return validate(user_path(out), "sft")


def _winners(lines: Iterator[CompletionLine]) -> Iterator[CompletionLine]:
    """The first of each prompt that says something."""
    seen: set[object] = set()
    for line in lines:
        key = line.prompt if line.row is None else line.row
        if key not in seen and line.text.strip():
            seen.add(key)
            yield line


def _example(line: CompletionLine, dataset: Dataset | None) -> dict[str, Any]:
    """One row to imitate."""
    known = None if dataset is None or line.row is None else dataset.train.row(line.row)
    prompt = line.prompt if known is None else known.get("prompt") or line.prompt
    row: dict[str, Any] = {"prompt": prompt, "completion": line.text}
    if known is not None and known.get("system"):
        row["system"] = known["system"]
    return row


def _pages(index: CompletionIndex, ids: Sequence[int], watch: Watch) -> Iterator[CompletionLine]:
    for start in range(0, len(ids), PAGE):
        watch.tell(start, len(ids))
        yield from lines_of(index, ids[start : start + PAGE])
