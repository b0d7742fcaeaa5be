"""Thoughts that were never closed are no answer, whoever opened them: every reward that reads thoughts knows."""

import pytest

from droid_tune.config.rewards import (
    AccuracyReward,
    FormatReward,
    MathHeuristicReward,
    PartialFormatReward,
    SimilarityReward,
)
from droid_tune.rewards.base import Sample
from droid_tune.rewards.table import build_rewards
from droid_tune.rewards.thoughts import after_thinking, opened_thoughts

OPENED = "<|im_start|>assistant\n<think>\n"
CLOSED = "<|im_start|>assistant\n<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    ("text", "opened", "said"),
    [
        ("<think>a</think>b<think>c</think>d", "", "d"),
        ("a</think>b", "", "b"),
        ("a</think>b", "<think>", "b"),
        ("plain", "", "plain"),
        ("plain", "<think>", None),
        ("<think>a", "", None),
        ("<think>a</think>b<think>c", "", None),
        ("a</think>b<think>c", "<think>", None),
        ("[THINK]a[/THINK]b", "", "b"),
        ("◁think▷a", "", None),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "", "b"),
        ("", "<think>", None),
        ("a<think>b</think>\n", "", "a"),
        ("a<think>b</think>", "<think>", ""),
        ("a</think>", "", ""),
        ("<|channel>thought\na<channel|>b", "", "b"),
        ("<|channel>thought\na", "", None),
        ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b<|end_of_solution|>", "", "b"),
    ],
)
def test_only_what_follows_the_last_thought_is_said(text: str, opened: str, said: str | None) -> None:
    assert after_thinking(text, opened) == said


@pytest.mark.parametrize(
    ("prompt_ends", "opened"),
    [
        ("", ""),
        (OPENED, "<think>"),
        (CLOSED, ""),
        ("<think>\nOkay, so first", "<think>"),  # a beginning that is prefilled
        ("<｜Assistant｜><think>Let me", "<think>"),
        ("A conversation. Assistant: <think>", "<think>"),
        ("Put thoughts into <think> tags.<|im_end|>\n<|im_start|>assistant\n", ""),
        ("Write <think> first, then the answer.\nAnswer:", ""),
        ("<|im_start|>assistant\n[THINK]", "[THINK]"),
        ("<|turn>model\n<|channel>thought\n", "<|channel>thought"),
        ("<|turn>model\n<|channel>thought\n\n<channel|>", ""),
    ],
)
def test_a_prompt_leaves_thoughts_open_where_its_last_tag_is_not_closed(
    prompt_ends: str, opened: str
) -> None:
    assert opened_thoughts(prompt_ends) == opened


def scores(completion: str, prompt_ends: str) -> dict[str, float]:
    kinds = [
        AccuracyReward(),
        FormatReward(),
        PartialFormatReward(),
        SimilarityReward(),
        MathHeuristicReward(),
    ]
    with build_rewards(kinds, max_completion_length=100) as rewards:
        found = rewards.score(
            ["2 + 2?"], [completion], [{"answer": "4"}], [9], ["stop"], prompt_ends=[prompt_ends]
        )
    return {name: float(part[0]) for name, part in found.parts.items()}


def test_behind_an_opened_tag_all_is_thought_until_it_closes() -> None:
    never_closed = scores("Two and two, <answer>4</answer>", OPENED)
    assert never_closed["accuracy"] == never_closed["similarity"] == never_closed["math_heuristic"] == 0
    assert never_closed["format"] == 0
    assert never_closed["partial_format"] == 0.75  # <think>, <answer> and </answer> of four marks


def test_every_format_can_be_reached_behind_an_opened_tag() -> None:
    closed = scores("Two and two.\n</think>\n\n<answer>4</answer>", OPENED)
    assert closed["accuracy"] == closed["format"] == closed["partial_format"] == 1


def test_a_tag_written_again_behind_the_opened_one_is_not_counted_twice() -> None:
    assert scores("<think>x</think><answer>4</answer>", OPENED)["partial_format"] == 1


def test_a_prompt_that_opens_nothing_leaves_the_tag_to_the_completion() -> None:
    unopened = scores("Two and two.</think><answer>4</answer>", CLOSED)
    assert unopened["format"] == 0
    assert unopened["partial_format"] == 0.75


def test_a_pattern_may_name_the_opened_tag_or_leave_it_out() -> None:
    for pattern in ("^<think>.*</think>.*", "^[^<]*</think>.*"):
        with build_rewards([FormatReward(pattern=pattern)], max_completion_length=9) as rewards:
            found = rewards.score([""], ["a</think>b"], [{}], [1], ["stop"], prompt_ends=[OPENED])
        assert found.totals[0] == 1, pattern


def test_a_sample_knows_what_was_said() -> None:
    assert Sample("", "a</think>b", prompt_ends=OPENED).spoken == "b"
    assert Sample("", "a", prompt_ends=OPENED).spoken is None
