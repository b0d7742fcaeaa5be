"""Label Studio's JSON export: what was shown is under `data`, what people wrote or chose under `annotations`."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from droid_tune.data.formats.parts.answers import right_answers
from droid_tune.data.issues import RowFault

Annotation = dict[str, Any]


def check_annotations(name: str, value: Any) -> None:
    """Raise `RowFault` unless there is one answer that more annotators gave than any other."""
    if not isinstance(value, list):
        raise RowFault("wrong_type", f"`{name}` must be a list of annotations.", field=name, path=(name,))
    found = answers_given(cast("list[Any]", value))
    if not found:
        raise RowFault(
            "empty_required_field",
            f"`{name}` holds no text and no choice; let somebody answer, or remove the row.",
            field=name,
            path=(name,),
        )
    if agreed(found) is None:
        said = ", ".join(" or ".join(answer) for answer in found)
        raise RowFault(
            "ambiguous_fields",
            f"The annotators contradict each other ({said[:80]}); keep the right annotation.",
            field=name,
            path=(name,),
        )


def answers_given(annotations: list[Any]) -> list[tuple[str, ...]]:
    """What each annotation says, those that were cancelled or say nothing left out."""
    given = [
        _said(cast("Annotation", one))
        for one in annotations
        if isinstance(one, dict) and not cast("Annotation", one).get("was_cancelled")
    ]
    return [answers for answers in given if answers]


def _said(annotation: Annotation) -> tuple[str, ...]:
    results = annotation.get("result")
    values = (
        [cast("Annotation", one).get("value") for one in cast("list[Any]", results) if isinstance(one, dict)]
        if isinstance(results, list)
        else []
    )
    return tuple(
        answer for value in values if isinstance(value, dict) for answer in right_answers(value) or []
    )


def agreed(given: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The answer of more annotators than any other one; None where two are given equally often."""
    ranked = Counter(given).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
