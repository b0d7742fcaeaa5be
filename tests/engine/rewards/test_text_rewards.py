"""Length, partial format, similarity, repetition, language: numbers to check in the margin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from droid_tune.config.rewards import (
    LanguageReward,
    LengthReward,
    PartialFormatReward,
    RepetitionReward,
    SimilarityReward,
)
from droid_tune.errors import UserError
from droid_tune.rewards.base import Graded, Outcome, Reward, Sample, number_of
from droid_tune.rewards.language import language_reward
from droid_tune.rewards.length import length_reward
from droid_tune.rewards.partial_format import partial_format_reward
from droid_tune.rewards.repetition import repetition_reward
from droid_tune.rewards.similarity import similarity_reward
from droid_tune.word_split import repeated_share, words


def score(reward: Reward, completion: str = "", answer: str | None = None, length: int = 0) -> Outcome:
    row = {} if answer is None else {"answer": answer}
    found = reward.score([Sample("", completion, row, length)])[0]
    return found.value if isinstance(found, Graded) and found.why else found


@pytest.mark.parametrize(("length", "value"), [(0, 0), (50, 0.5), (100, 1), (150, 0.5), (200, 0), (999, 0)])
def test_a_length_is_worth_its_closeness_to_the_target(length: int, value: float) -> None:
    reward = length_reward(LengthReward(target=100), max_completion_length=1000)
    assert score(reward, length=length) == value


@pytest.mark.parametrize(("length", "value"), [(1, 0), (80, 0), (85, -0.25), (100, -1), (101, -1)])
def test_the_last_tokens_before_the_limit_cost_more_and_more(length: int, value: float) -> None:
    reward = length_reward(LengthReward(overlong_cache=20), max_completion_length=100)
    assert score(reward, length=length) == value


def test_target_and_overlong_add_up_and_are_told_apart() -> None:
    reward = length_reward(LengthReward(target=100, overlong_cache=20), max_completion_length=100)
    assert score(reward, length=90) == Graded(0.9 - 0.5, {"target": 0.9, "overlong": -0.5})


@pytest.mark.parametrize("settings", [{}, {"overlong_cache": 101}])
def test_a_length_reward_that_says_nothing_or_too_much_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(UserError, match="The reward `length` has"):
        length_reward(LengthReward.model_validate(settings), max_completion_length=100)


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ("<think>a</think><answer>b</answer>", 1.0),
        ("<think>a</think> b", 0.5),
        ("a</think><answer>b</answer>", 0.75),
        ("<answer>b</answer><think>a</think>", 0.5),  # the answer came too early
        ("<think>a</think><answer>b</answer><answer>c</answer>", 0.5),  # twice is not once
        ("b", 0.0),
    ],
)
def test_each_tag_in_its_place_earns_its_share(completion: str, value: float) -> None:
    assert score(partial_format_reward(PartialFormatReward()), completion) == value


def test_no_tags_are_refused() -> None:
    with pytest.raises(UserError, match="no tags"):
        partial_format_reward(PartialFormatReward(tags=()))


@pytest.mark.parametrize(
    ("completion", "answer", "rouge_l", "token_f1"),
    [
        ("the cat sat", "the cat sat", 1.0, 1.0),
        ("The cat, sat!", "the cat sat", 1.0, 1.0),
        ("sat cat the", "the cat sat", 1 / 3, 1.0),  # order counts in ROUGE-L only
        ("the cat", "the cat sat down", 2 / 3, 2 / 3),  # 2*2 / (2+4)
        ("a b", "c d", 0.0, 0.0),
        ("", "c d", 0.0, 0.0),
        ("春眠不觉晓", "春眠不知晓", 0.8, 0.8),  # four letters of five
        ("<think>the cat sat</think>no", "the cat sat", 0.0, 0.0),
    ],
)
def test_similarity_counts_what_is_common(
    completion: str, answer: str, rouge_l: float, token_f1: float
) -> None:
    assert score(similarity_reward(SimilarityReward()), completion, answer) == pytest.approx(rouge_l)
    assert score(
        similarity_reward(SimilarityReward(measure="token_f1")), completion, answer
    ) == pytest.approx(token_f1)


def test_of_several_right_answers_the_nearest_counts() -> None:
    reward = similarity_reward(SimilarityReward())
    [found] = reward.score([Sample("", "b c", {"answer": ["x y", "b c"]})])
    assert number_of(found) == 1


def test_similarity_to_nothing_does_not_apply() -> None:
    assert score(similarity_reward(SimilarityReward()), "a") is None


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [
        ("a b c d", 2, 0.0),
        ("a a a a", 1, 0.75),
        ("a b a b a", 2, 0.5),
        ("a", 3, 0.0),
        ("", 1, 0.0),
        ("好好好", 1, 2 / 3),
    ],
)
def test_repetition_is_the_share_of_sequences_said_before(text: str, n: int, share: float) -> None:
    assert repeated_share(text, n) == pytest.approx(share)
    assert score(repetition_reward(RepetitionReward(ngram=n)), text) == pytest.approx(-share)


@given(st.text(), st.integers(1, 5))
def test_repetition_stays_within_its_bounds(text: str, n: int) -> None:
    assert 0 <= repeated_share(text, n) < 1


@pytest.mark.parametrize(
    ("script", "completion", "value"),
    [
        ("LATIN", "Grüße, 12!", 1.0),
        ("LATIN", "ab 好好", 0.5),
        ("HAN", "好 ab c", 0.25),
        ("JAPANESE", "ひらカタ漢字", 1.0),
        ("JAPANESE", "コーヒーと人々", 1.0),
        ("HAN", "人々", 1.0),
        ("CYRILLIC", "памʼять", 1.0),
        ("KOREAN", "안녕", 1.0),
        ("CYRILLIC", "да no", 0.5),
        ("HAN", "<think>好</think>\n<answer>人</answer>", 1.0),
        ("LATIN", "<think>好</think>\n<answer>人</answer>", 0.0),
        ("HAN", "答案是 \\frac{1}{2}，见 https://x.org/a", 1.0),
        ("HAN", "好\n```python\nprint(1)\n```\n人 `x`", 1.0),
        ("HAN", "```\nall in a fence\n```", 0.0),
        ("LATIN", "123 !?", None),
        ("LATIN", "", None),
    ],
)
def test_the_share_of_letters_in_a_script(script: str, completion: str, value: float | None) -> None:
    assert score(language_reward(LanguageReward.model_validate({"script": script})), completion) == value


def test_an_unknown_script_is_refused() -> None:
    with pytest.raises(ValidationError):
        LanguageReward.model_validate({"script": "KLINGON"})


def test_words_of_scripts_without_spaces_are_letters() -> None:
    assert words("Don't PANIC: 3 好的 สวย") == ["don't", "panic", "3", "好", "的", *"สวย"]


def test_vowels_that_are_written_as_marks_belong_to_their_words() -> None:
    """`की` and `के` were the same word, and each word of Hindi several."""
    assert words("नमस्ते दुनिया, بِسْمِ வணக்கம்") == ["नमस्ते", "दुनिया", "بِسْمِ", "வணக்கம்"]
    assert repeated_share("वह घर की ओर गया और वह घर के अंदर आया", 3) == 0  # "वह घर की", "वह घर के"


@pytest.mark.parametrize(
    ("reward", "completion", "why"),
    [
        (similarity_reward(SimilarityReward()), "a b", "ROUGE-L 0.50"),  # 2 x 1 / (2 + 2)
        (length_reward(LengthReward(target=100), max_completion_length=1000), "a", "50 of 100 tokens"),
        (
            repetition_reward(RepetitionReward(ngram=1)),
            "a a a a",
            "75% of the sequences of 1 words come again",
        ),
        (partial_format_reward(PartialFormatReward(tags=("x",))), "<x>", "1 of 2 marks in order"),
        (
            language_reward(LanguageReward.model_validate({"script": "LATIN"})),
            "ab中中",
            "50% of the letters are Latin",
        ),
    ],
)
def test_a_reward_says_where_its_number_comes_from(reward: Reward, completion: str, why: str) -> None:
    found = reward.score([Sample("", completion, {"answer": "a c"}, 50)])[0]
    assert isinstance(found, Graded)
    assert found.why == why
