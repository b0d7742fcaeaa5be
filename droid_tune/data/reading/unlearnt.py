"""Columns that look as if they were what the model should learn, and are not: the rows alone do not tell which is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

#: an answer that is worked out, beside the bare one
WORKED = frozenset(
    (
        "solution",
        "worked_solution",
        "rationale",
        "reasoning",
        "explanation",
        "thinking",
        "cot",
        "chain_of_thought",
    )
)
#: who says a text that is a turn of a conversation
SPEAKERS = frozenset(("role", "speaker", "from"))
#: what a text is said to be
LABELS = frozenset(("label", "labels", "sentiment", "class", "intent", "target", "emotion"))


def unlearnt(
    unread: Counter[str],
    by: str,
    shares: Callable[[Counter[str]], str],
    *,
    imitated: str | None,
    texts: bool,
) -> Iterator[str]:
    """Sentences on columns that the method `by` does not read, and in how many rows (`shares`). `imitated` is the field that is
    learnt, where one is; `texts`: rows are texts and nothing else."""
    worked = _among(unread, WORKED)
    if worked and imitated is not None:
        [(name, _)] = worked.most_common(1)
        yield (
            f"{by} learns `{imitated}`, not {shares(worked)}: add --map {imitated}={name} where that is what the model should "
            "write."
        )
    speakers, labels = _among(unread, SPEAKERS), _among(unread, LABELS)
    if texts and speakers:
        yield (
            f"Each row seems to be one turn of a conversation ({shares(speakers)}), and its text is learnt by itself, questions "
            "too: put the turns of a conversation into one row of `messages`."
        )
    elif texts and labels:
        [(name, _)] = labels.most_common(1)
        yield (
            f"{by} learns the texts alone, not {shares(labels)}: add --map prompt=text --map completion={name} where it is the "
            "answer."
        )


def _among(unread: Counter[str], names: frozenset[str]) -> Counter[str]:
    return Counter({name: times for name, times in unread.items() if name.lower() in names})
