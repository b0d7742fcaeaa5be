"""Columns of other names: a mapping to ours is proposed from a sample of rows, and the user confirms or edits it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from droid_tune.data.formats.base import Field, Layout, RowFormat
from droid_tune.data.formats.parts.columns import has, names_in, value_at
from droid_tune.data.formats.parts.field_checks import check_value
from droid_tune.data.formats.table import need_of, usable_formats
from droid_tune.data.issues import RowFault
from droid_tune.names import Need

#: What other data sets call our fields, the likeliest first.
KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "prompt": (
        "query",
        "question",
        "problem",
        "input",
        "inputs",
        "prompt_text",
        "user",
        "request",
        "task",
        "context",
        "article",
        "dialogue",
        "input.messages",
        "extra_info.question",
        "data.text",
    ),
    "answer": (
        "solution",
        "ideal",
        "target",
        "final_answer",
        "label",
        "ground_truth",
        "expected",
        "expected_answer",
        "reference",
        "reference_answer",
        "reward_model.ground_truth",
        "extra_info.answer",
        "output",
        "response",
        "result",
        "targets",
        "correct_answer",
        "correct",
        "answerkey",
        "answers.text",
        "answers",
        "answer.value",
    ),
    "completion": (
        "response",
        "output",
        "answer",
        "reply",
        "generation",
        "target",
        "assistant",
        "solution",
        "summary",
        "highlights",
    ),
    "system": ("system_prompt", "system_message", "instructions"),
    "messages": ("conversation", "dialogue", "dialog", "chat", "turns", "history", "prompt", "input"),
    "conversations": ("conversation", "dialogue", "dialog", "chat", "turns"),
    "chosen": (
        "chosen_response",
        "preferred",
        "preferred_output",
        "accepted",
        "better",
        "positive",
        "response_chosen",
        "win",
        "output_1",
    ),
    "rejected": (
        "rejected_response",
        "dispreferred",
        "non_preferred_output",
        "refused",
        "worse",
        "negative",
        "response_rejected",
        "lose",
        "output_2",
    ),
    "instruction": ("task", "command"),
    "output": ("completion", "answer", "reply"),
    "text": ("content", "body", "document", "passage", "sentence", "story"),
}
#: For SFT the whole solution goes before the bare result that a reward checks.
_IMITATED = (
    "generated_solution",
    "solution",
    "response",
    "output",
    "completion",
    "targets",
    "target",
    "ideal",
)
#: What is mapped as well where the rows have it: without it the model would be asked something else.
_BESIDE = ("system",)
#: Share of sampled values that must be right for a column to be proposed.
_RIGHT_SHARE = 0.9
_LOOKED_AT = 200


@dataclass(frozen=True)
class Proposal:
    """A format and the mapping by which the rows would fit it (empty where they fit already)."""

    format: RowFormat
    mapping: dict[str, str]

    @property
    def said(self) -> str:
        """For a person: `query as prompt, solution as answer`."""
        pairs = [f"{column} as {name}" for name, column in self.mapping.items()]
        return ", ".join(pairs) or f"as they are, {self.format.title.lower()}"


def propose(rows: Sequence[Mapping[str, Any]], method: str | None = None) -> list[Proposal]:
    """The ways in which rows could be read, the best first: most fields found, fewest columns renamed, likeliest names."""
    sample = list(islice(rows, _LOOKED_AT))
    if not sample:
        return []
    need = None if method is None else need_of(method)
    found = [
        (proposal, rank)
        for order, one in enumerate(usable_formats(need))
        if (proposal := _proposal(one, sample, need)) is not None
        for rank in [(-len(one.required), len(proposal.mapping), _unlikeliness(proposal, need), order)]
    ]
    return [
        _with_instructions(proposal, sample) for proposal, _rank in sorted(found, key=lambda pair: pair[1])
    ]


def _with_instructions(proposal: Proposal, sample: Sequence[Mapping[str, Any]]) -> Proposal:
    """With the columns that say under another name what goes before the prompt."""
    columns = _columns_by_name(sample)
    mapping = dict(proposal.mapping)
    for one in proposal.format.fields:
        if one.name in _BESIDE and not any(name in columns for name in one.names):
            column = next((columns[name] for name in KNOWN_NAMES[one.name] if name in columns), None)
            if column not in (None, *mapping.values()) and _is_text(column, sample):
                mapping[one.name] = column
    return Proposal(proposal.format, mapping)


def _is_text(column: str, sample: Sequence[Mapping[str, Any]]) -> bool:
    values = [row.get(column) for row in sample]
    return any(values) and all(value is None or isinstance(value, str) for value in values)


def _proposal(
    row_format: RowFormat, sample: Sequence[Mapping[str, Any]], need: Need | None
) -> Proposal | None:
    """The mapping that makes a sample fit a format; None when a required field finds no column."""
    mapping: dict[str, str] = {}
    columns = _columns_by_name(sample)
    for one in row_format.required:
        found = next(
            (columns[name] for name in _candidates(one, need) if _suits(one, columns.get(name), sample)), None
        )
        if found is None or found in mapping.values():
            return None
        if found not in one.names:
            mapping[one.name] = found
    return Proposal(row_format, mapping) if _not_two_in_one(row_format, mapping) else None


def _columns_by_name(sample: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Columns by their names without capitals, spaces around, or hyphens: `Final-Answer ` is final_answer."""
    present = dict.fromkeys(name for row in sample for name in names_in(row))
    return {name.strip().lower().replace("-", "_").replace(" ", "_"): name for name in present} | {
        n: n for n in present
    }


def _not_two_in_one(row_format: RowFormat, mapping: Mapping[str, str]) -> bool:
    """A mapping must not take a column away that another field of the format needs under its own name."""
    names = {one.name for one in row_format.required} - set(mapping)
    return not names & set(mapping.values())


def _candidates(one: Field, need: Need | None) -> Iterable[str]:
    return (*one.names, *_known(one.name, need))


def _known(name: str, need: Need | None) -> tuple[str, ...]:
    """Other names of a field, the likeliest for a need first."""
    known = KNOWN_NAMES.get(name, ())
    return (
        known if name != "answer" or need != "demonstration" else tuple(dict.fromkeys((*_IMITATED, *known)))
    )


def _suits(one: Field, column: str | None, sample: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nearly all sampled rows have the column with a value that the field takes."""
    if column is None:
        return False
    right = 0
    for row in sample:
        if has(row, column):
            try:
                check_value(column, value_at(row, column), one.kind, required=one.required)
            except RowFault:
                continue
            right += 1
    return right >= _RIGHT_SHARE * len(sample)


def _unlikeliness(proposal: Proposal, need: Need | None) -> int:
    ranks = ((_known(name, need), column) for name, column in proposal.mapping.items())
    return sum(names.index(column) if column in names else 0 for names, column in ranks)


def mapped(mapping: Mapping[str, str]) -> str:
    """A mapping as the command line takes it, quoted for a shell where a column's name asks for that."""
    return " ".join(f"--map {shlex.quote(f'{name}={column}')}" for name, column in mapping.items())


def fits(rows: Sequence[Mapping[str, Any]], proposal: Proposal) -> bool:
    """Whether the rows are right under a proposal, checked as validation would."""
    layout = Layout(proposal.format, proposal.mapping)
    try:
        for row in islice(rows, _LOOKED_AT):
            layout.check(dict(row))
    except RowFault:
        return False
    return True
