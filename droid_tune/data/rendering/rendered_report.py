"""A validation's report with what a model's template makes of the rows."""

from __future__ import annotations

from typing import Any

from droid_tune.control import Watch
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.issues import EXCERPT_LENGTH, Issue, IssueRun
from droid_tune.data.lens import Lens
from droid_tune.data.rendering.looking_through import Findings, findings_of
from droid_tune.data.splits import SPLITS
from droid_tune.data.templates import prompt_text


def add_unrendered(dataset: Dataset, tokenizer: Any, method: str | None, watch: Watch) -> None:
    """Count the rows that the template cannot show as rejected in `dataset.report`, an issue each; tell of what it
    reads otherwise in the notes of the split's first file. Raises `Stopped`."""
    for split in SPLITS:
        rows = dataset.splits[split]
        if not len(rows):
            continue
        lens = Lens.for_method(method or _likeliest(rows), tokenizer)
        found = findings_of(dataset, split, rows, lens, method or "", watch)
        if found is not None:
            _add(dataset, split, rows, found)


def _likeliest(rows: Rows) -> str:
    """A method that takes such rows, where none is named: what they hold says whether they are imitated."""
    needs = frozenset[str]() if rows.layout is None else rows.layout.format.needs
    return next((method for need, method in _BY_NEED if need in needs), "grpo")


#: which method rows are looked at for, by the first need that they serve
_BY_NEED = (("demonstration", "sft"), ("preference", "dpo"), ("verdict", "kto"))


def _add(dataset: Dataset, split: str, rows: Rows, found: Findings) -> None:
    files = [file for file in dataset.report.files if file.split == split]
    if files:
        files[0].notes += [sentence for _, sentence in found.told_notes()]
    by_path = {file.path: file for file in files}
    runs: dict[str, IssueRun] = {}
    for number, why in found.refused:
        path, place = rows.origin(number)
        file = by_path[str(path)]
        file.accepted, file.rejected = file.accepted - 1, file.rejected + 1
        if file.path not in runs:
            runs[file.path] = IssueRun()
            dataset.report.issues.open_file().append(runs[file.path])
        excerpt = prompt_text(rows.row(number))[:EXCERPT_LENGTH]
        line, index = (place, None) if rows.has_lines(number) else (None, place)
        runs[file.path].append(
            Issue(file.path, line, index, None, None, "not_rendered", "error", why, excerpt)
        )
