"""Knowing the data: how long it is in tokens, how often it repeats, what it is written in, what its answers are like."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.editing.changes import prompt_keys
from droid_tune.data.formats.parts.answers import right_answers
from droid_tune.data.formats.prompt_completion import answer_of
from droid_tune.data.lens import prompt_length
from droid_tune.data.order.batches import permutation
from droid_tune.data.templates import DEFAULT, TemplateOptions, prompt_text

SAMPLED_ROWS = 20_000
BINS = 40

AnswerType = Literal["number", "marked", "expression", "choice", "short_text", "long_text", "none"]

_NUMBER = re.compile(r"[-+]?[$€£]?\s?[-+]?\d[\d,. ]*(?:/\d+)?\s?%?\Z")
_EXPRESSION = re.compile(r"[\d\s+\-*/^().,=\\{}a-zA-Z|<>]*[+*/^=\\][\d\s+\-*/^().,=\\{}a-zA-Z|<>]*\Z")
_CHOICE = re.compile(r"\(?[A-Ea-e]\)?[.)]?\Z|(?:yes|no|true|false)\Z", re.IGNORECASE)
#: The final answer behind a mark that the accuracy reward looks for.
_MARKED = re.compile(r"####\s*\S+\s*\Z|\\boxed\{|<answer>.*</answer>", re.DOTALL)
_SHORT = 60
#: Which reward checks an answer of this kind.
SUGGESTED_REWARD: dict[AnswerType, str | None] = {
    "number": "accuracy",
    "marked": "accuracy",
    "expression": "accuracy",
    "choice": "accuracy",
    "short_text": "accuracy",
    "long_text": "similarity",
    "none": "format",
}


@dataclass(frozen=True)
class Lengths:
    """Lengths of one kind: counts of `BINS` equal bins up to the longest, and the numbers people ask for."""

    counted: int
    median: int
    p95: int
    longest: int
    bin_width: float
    counts: list[int]

    @staticmethod
    def of(values: NDArray[np.int64]) -> Lengths:
        """Quantiles and histogram of lengths (N,) in tokens; all 0 where there is none."""
        if not len(values):
            return Lengths(0, 0, 0, 0, 1.0, [])
        longest = int(values.max())
        width = max(1.0, (longest + 1) / BINS)
        counts = np.bincount((values / width).astype(np.int64), minlength=1).tolist()
        median, p95 = np.percentile(values, [50, 95], method="higher")
        return Lengths(len(values), int(median), int(p95), longest, width, counts)


@dataclass(frozen=True)
class SplitStatistics:
    """What one split is like. Lengths, scripts and answers are of a sample of rows unless `exact`."""

    rows: int
    sampled: int
    exact: bool
    duplicates: int
    repeated_prompts: int
    prompt_tokens: Lengths
    answer_tokens: Lengths
    too_long: int
    cut_answers: int
    empty_systems: int
    scripts: dict[str, float]
    answers: dict[str, int]
    suggested_reward: str | None


@dataclass(frozen=True)
class Statistics:
    """All splits, and how many held-out rows have a prompt that train has too."""

    splits: dict[str, SplitStatistics]
    overlap: dict[str, int] = field(default_factory=dict[str, int])

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """Lengths in tokens beyond which a prompt is dropped or an answer is cut; None is no limit."""

    max_prompt: int | None = None
    max_answer: int | None = None


def statistics(
    dataset: Dataset,
    tokenizer: Any,
    *,
    options: TemplateOptions = DEFAULT,
    limits: Limits | None = None,
    exact: bool = False,
    seed: int = 0,
    watch: Watch = UNWATCHED,
) -> Statistics:
    """Measure a data set with the tokenizer of the chosen model. Raises `Stopped`.

    Duplicates and overlap are counted over all rows; what needs tokens over `SAMPLED_ROWS` of each split, drawn by
    `seed`, or over all rows with `exact`.
    """
    meter = _Meter(watch)
    splits = {split: rows for split, rows in dataset.splits.items() if len(rows)}
    keys = {split: prompt_keys(rows, meter.tick) for split, rows in splits.items()}
    duplicates = _duplicates(dataset)
    measured = {
        split: _of_split(
            rows, keys[split], duplicates[split], tokenizer, options, limits or Limits(), exact, seed, meter
        )
        for split, rows in splits.items()
    }
    overlap = {split: int(np.isin(keys[split], keys["train"]).sum()) for split in splits if split != "train"}
    return Statistics(
        {str(split): one for split, one in measured.items()}, {str(k): v for k, v in overlap.items()}
    )


class _Meter:
    """Reports progress and asks whether to stop, every hundredth row."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def tick(self, done: int, total: int) -> None:
        if done % 100 == 0:
            self._watch.tell(done, total)


def _of_split(
    rows: Rows,
    keys: NDArray[np.int64],
    duplicates: int,
    tokenizer: Any,
    options: TemplateOptions,
    limits: Limits,
    exact: bool,
    seed: int,
    meter: _Meter,
) -> SplitStatistics:
    whole = exact or len(rows) <= SAMPLED_ROWS
    chosen = np.arange(len(rows)) if whole else np.sort(permutation(len(rows), seed, 0)[:SAMPLED_ROWS])
    prompts: list[int] = []
    answers: list[int] = []
    kinds: Counter[AnswerType] = Counter()
    scripts: Counter[str] = Counter()
    empty_systems = 0
    for done, index in enumerate(chosen):
        meter.tick(done, len(chosen))
        row = rows.row(int(index))
        prompts.append(prompt_length(tokenizer, row, options))
        answer = next(iter(right_answers(row.get("answer")) or ()), None)
        kinds[answer_type(answer)] += 1
        if answer is not None:
            answers.append(len(tokenizer.encode(answer, add_special_tokens=False)))
        if (worse := answer_of(row["rejected"]) if "rejected" in row else None) is not None:
            answers.append(len(tokenizer.encode(worse, add_special_tokens=False)))
        scripts.update(scripts_of(prompt_text(row)[:2000]))
        empty_systems += (system := row.get("system")) is not None and not system.strip()
    prompt_array, answer_array = np.array(prompts, np.int64), np.array(answers, np.int64)
    return SplitStatistics(
        rows=len(rows),
        sampled=len(chosen),
        exact=whole,
        duplicates=duplicates,
        repeated_prompts=_repeated(keys),
        prompt_tokens=Lengths.of(prompt_array),
        answer_tokens=Lengths.of(answer_array),
        too_long=_beyond(prompt_array, limits.max_prompt),
        cut_answers=_beyond(answer_array, limits.max_answer),
        empty_systems=empty_systems,
        scripts=shares(scripts),
        answers={str(kind): count for kind, count in kinds.most_common()},
        suggested_reward=SUGGESTED_REWARD[kinds.most_common(1)[0][0]],
    )


def answer_type(answer: object) -> AnswerType:
    """What kind of thing an answer is, by its look."""
    if not isinstance(answer, str) or not answer.strip():
        return "none"
    text = answer.strip()
    if _NUMBER.match(text):
        return "number"
    if _MARKED.search(text):
        return "marked"
    if _CHOICE.match(text):
        return "choice"
    if len(text) <= _SHORT:
        return "expression" if _EXPRESSION.match(text) and any(map(str.isdigit, text)) else "short_text"
    return "long_text"


def scripts_of(text: str) -> Iterable[str]:
    """The script of each letter, by its Unicode name: LATIN, CJK, CYRILLIC, ..."""
    for letter, count in Counter(text).items():
        if letter.isalpha():
            script = unicodedata.name(letter, "UNKNOWN").split(maxsplit=1)[0]
            yield from [script.title() if script != "CJK" else script] * count


def shares(counts: Counter[str], least: float = 0.005) -> dict[str, float]:
    """Shares of the whole, the largest first; what is rarer than `least` is left out."""
    total = counts.total()
    return (
        {name: count / total for name, count in counts.most_common() if count >= least * total}
        if total
        else {}
    )


def _duplicates(dataset: Dataset) -> Counter[str]:
    """Rows per split that equal an earlier one of their file, as validation found them."""
    split_of = {file.path: file.split for file in reversed(dataset.report.files)}  # the first part's
    found: Counter[str] = Counter()
    for one in dataset.report.issues:
        if one.reason == "duplicate_row":
            found[split_of[one.file]] += 1
    return found


def _repeated(keys: NDArray[np.int64]) -> int:
    return len(keys) - len(np.unique(keys))


def _beyond(lengths: NDArray[np.int64], limit: int | None) -> int:
    return 0 if limit is None else int((lengths > limit).sum())


def visible(tokens: Sequence[int], tokenizer: Any) -> list[str]:
    """Tokens one by one as text, for showing a prompt with its special tokens and its cuts."""
    return [tokenizer.decode([token]) for token in tokens]
