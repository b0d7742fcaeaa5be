"""Accuracy over pairs of an answer and a completion, by kind, each judged by hand (`pairs.jsonl`).

`math_verify` is what math-verify says by itself, `verify(parse("$answer$"), parse(completion))`; where that is not what we
hold to be right, `why` says the reason.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.rewards import AccuracyReward
from droid_tune.rewards.accuracy import Accuracy
from droid_tune.rewards.base import Sample, number_of

PAIRS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "pairs.jsonl").read_text("utf-8").splitlines()
]
KINDS = list(dict.fromkeys(pair["kind"] for pair in PAIRS))


@pytest.fixture(scope="module")
def accuracy() -> Iterator[Accuracy]:
    reward = Accuracy(AccuracyReward())
    yield reward
    reward.close()


def sample(pair: dict[str, Any]) -> Sample:
    facts = {name: pair[name] for name in ("finish_reason", "prompt_ends") if name in pair}
    return Sample("", pair["completion"], {"answer": pair["answer"]}, 9, **facts)


@pytest.mark.parametrize("kind", KINDS)
def test_each_pair_is_judged_as_it_is(kind: str, accuracy: Accuracy) -> None:
    pairs = [pair for pair in PAIRS if pair["kind"] == kind]
    outcomes = accuracy.score([sample(pair) for pair in pairs])
    wrong = [
        (pair, outcome)
        for pair, outcome in zip(pairs, outcomes, strict=True)
        if number_of(outcome) != pair["right"]
    ]
    assert wrong == []


def test_the_table_is_large_and_has_both_verdicts_of_each_kind() -> None:
    assert len(PAIRS) >= 400
    assert {(pair["kind"], pair["right"]) for pair in PAIRS} == {
        (kind, right) for kind in KINDS for right in (False, True)
    }


def test_where_math_verify_differs_the_reason_stands_beside() -> None:
    assert [
        pair
        for pair in PAIRS
        if "math_verify" in pair and (pair["math_verify"] != pair["right"]) != ("why" in pair)
    ] == []


@pytest.mark.slow
def test_math_verify_says_what_the_table_says_it_does() -> None:
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    try:
        changed = [
            pair
            for pair in PAIRS
            if "math_verify" in pair
            and verify(
                parse(f"${pair['answer']}$", parsing_timeout=0),
                parse(pair["completion"], parsing_timeout=0),
                timeout_seconds=None,
            )
            != pair["math_verify"]
        ]
    finally:
        logging.disable(logging.NOTSET)
    assert changed == []
