"""Small realistic sample data for a method: arithmetic, answers in a given form, and questions of fact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from droid_tune.data.editing.convert import Written, new_folder, write_rows
from droid_tune.data.formats.base import Need, Row
from droid_tune.data.formats.table import need_of
from droid_tune.data.synthetic.arithmetic import demonstration_rows, preference_rows, reward_rows
from droid_tune.paths import user_path

TRAIN_ROWS, VALID_ROWS = 160, 32

#: Countries and capitals: facts that a small model may know.
_FACTS = (
    ("France", "Paris"),
    ("Japan", "Tokyo"),
    ("Egypt", "Cairo"),
    ("Italy", "Rome"),
    ("Spain", "Madrid"),
    ("Greece", "Athens"),
    ("Norway", "Oslo"),
    ("Kenya", "Nairobi"),
    ("Peru", "Lima"),
    ("Cuba", "Havana"),
    ("Poland", "Warsaw"),
    ("Austria", "Vienna"),
    ("Portugal", "Lisbon"),
    ("Hungary", "Budapest"),
    ("Ireland", "Dublin"),
    ("Finland", "Helsinki"),
)
_ASKED = (
    "What is the capital of {}?",
    "Name the capital of {}.",
    "Which city is the capital of {}?",
    "Tell me the capital of {}.",
)
_WORDS = (
    "apple",
    "river",
    "stone",
    "cloud",
    "lamp",
    "bread",
    "tiger",
    "paper",
    "green",
    "seven",
    "music",
    "window",
)
_FORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("Write the word {} in capital letters, inside <answer> tags.", str.upper),
    ("How many letters has the word {}? Put the number inside <answer> tags.", lambda word: str(len(word))),
    ("Give the first letter of the word {} inside <answer> tags.", lambda word: word[0]),
    ("Spell the word {} backwards, inside <answer> tags.", lambda word: word[::-1]),
)


def sample_rows(need: Need, count: int, seed: int, *, held_out: bool = False) -> list[Row]:
    """About half arithmetic, the rest formats and facts; held-out rows share no prompt with the others."""
    others = [*_format_rows(need), *_fact_rows(need)]
    Random(0).shuffle(others)
    mine = others[: len(others) // 5] if held_out else others[len(others) // 5 :]
    mine = mine[: count // 2]
    rows = [*_arithmetic(need, count - len(mine), seed, held_out=held_out), *mine]
    Random(seed).shuffle(rows)
    return rows


def _arithmetic(need: Need, count: int, seed: int, *, held_out: bool) -> list[Row]:
    if need == "demonstration":
        return [dict(row) for row in demonstration_rows(count, seed=seed, held_out=held_out)]
    if need in ("preference", "verdict"):
        pairs = preference_rows(count, seed=seed, held_out=held_out)
        return [dict(row) if need == "preference" else _judged(place, row) for place, row in enumerate(pairs)]
    return [dict(row) for row in reward_rows(count, seed=seed, held_out=held_out)]


def _format_rows(need: Need) -> list[Row]:
    return [
        _row(need, ask.format(word), answer(word), f"<answer>{answer(word)}</answer>", answer(word))
        for word in _WORDS
        for ask, answer in _FORMS
    ]


def _fact_rows(need: Need) -> list[Row]:
    return [
        _row(need, ask.format(country), capital, f"The capital of {country} is {capital}.", "I do not know.")
        for country, capital in _FACTS
        for ask in _ASKED
    ]


def _row(need: Need, prompt: str, answer: str, completion: str, worse: str) -> Row:
    if need == "demonstration":
        return {"prompt": prompt, "completion": completion}
    if need == "preference":
        return {"prompt": prompt, "chosen": completion, "rejected": worse}
    if need == "verdict":
        return _judged(len(prompt), {"prompt": prompt, "chosen": completion, "rejected": worse})
    return {"prompt": prompt, "answer": answer}


def _judged(place: int, pair: Row) -> Row:
    """One answer of a pair with its verdict: the good one at even places."""
    good = place % 2 == 0
    return {"prompt": pair["prompt"], "completion": pair["chosen" if good else "rejected"], "label": good}


def write_sample(method: str, out: str | Path, seed: int = 0) -> Written:
    """Write train.jsonl and valid.jsonl for a method into a new folder. Raises `UserError` when it is not empty."""
    need = need_of(method)
    written = Written(user_path(out))
    with new_folder(out) as folder:
        for split, count, held_out in (("train", TRAIN_ROWS, False), ("valid", VALID_ROWS, True)):
            rows = sample_rows(need, count, seed, held_out=held_out)
            written.rows[split] = write_rows(folder / f"{split}.jsonl", rows)
    return written
