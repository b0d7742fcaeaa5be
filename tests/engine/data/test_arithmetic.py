"""The synthetic problems: what they ask, how they are answered, and that the held-out ones stay held out."""

from __future__ import annotations

import re
from random import Random

import pytest

from droid_tune.data.synthetic.arithmetic import (
    ANSWER_PATTERN,
    LARGEST,
    Problem,
    ask,
    careful,
    careless,
    demonstration_rows,
    draw_problem,
    exercises,
    in_words,
    mixed_rows,
    preference_rows,
    reward_rows,
)

CARRYING = Problem(27, "plus", 35)
BORROWING = Problem(62, "minus", 35)
CAREFUL_OPENINGS = ("Start", "Step")


def last_number(text: str) -> int:
    return int(re.findall(r"\d+", text)[-1])


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (13, "thirteen"), (20, "twenty"), (62, "sixty-two"), (99, "ninety-nine")],
)
def test_numbers_are_spelled_in_english(number: int, words: str) -> None:
    assert in_words(number) == words


def test_no_two_numbers_share_a_name() -> None:
    assert len({in_words(number) for number in range(LARGEST + 1)}) == 100


def test_a_number_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="100 is not between 0 and 99"):
        in_words(100)


def test_careful_answers_count_tens_then_ones() -> None:
    answers = {careful(CARRYING, Random(seed)) for seed in range(20)}
    assert answers == {
        "Start at twenty-seven. Add thirty: fifty-seven. Add five: sixty-two. The answer is 62.",
        "Step by step: twenty-seven, plus thirty is fifty-seven, plus five is sixty-two. The answer is 62.",
    }


def test_careful_answers_take_away_step_by_step() -> None:
    answers = {careful(BORROWING, Random(seed)) for seed in range(20)}
    assert (
        "Start at sixty-two. Take thirty: thirty-two. Take five: twenty-seven. The answer is 27." in answers
    )


def test_careful_answers_are_always_right_and_well_formed() -> None:
    random = Random(1)
    for _ in range(500):
        problem = draw_problem(random, held_out=False)
        answer = careful(problem, random)
        assert last_number(answer) == problem.result
        assert re.search(ANSWER_PATTERN, answer)


def test_the_careless_forget_the_carry() -> None:
    guesses = [last_number(careless(CARRYING, Random(seed))) for seed in range(200)]
    assert max(set(guesses), key=guesses.count) == 52
    guesses = [last_number(careless(BORROWING, Random(seed))) for seed in range(200)]
    assert max(set(guesses), key=guesses.count) == 37


def test_the_careless_are_right_only_where_nothing_carries() -> None:
    random = Random(2)
    problems = [draw_problem(random, held_out=False) for _ in range(1000)]
    right = {problem for problem in problems if last_number(careless(problem, random)) == problem.result}
    assert not any(problem.carries for problem in right)
    assert len(right) > 150


def test_held_out_problems_never_reach_a_training_split() -> None:
    train = {one.problem for one in exercises(2000, seed=1, held_out=False)}
    valid = {one.problem for one in exercises(500, seed=1, held_out=True)}
    assert not train & valid


def test_problems_stay_within_the_numbers_that_have_names() -> None:
    random = Random(3)
    for _ in range(1000):
        problem = draw_problem(random, held_out=False)
        assert 0 <= problem.result <= LARGEST
        assert min(problem.a, problem.b) >= 2


def test_the_share_of_carrying_problems_is_what_was_asked_for() -> None:
    random = Random(4)
    assert all(draw_problem(random, held_out=False, carrying=1.0).carries for _ in range(50))
    assert not any(draw_problem(random, held_out=False, carrying=0.0).carries for _ in range(50))


def test_questions_are_asked_in_words_or_in_digits() -> None:
    assert not re.search(r"\d", ask(CARRYING, Random(0)).question)
    assert {"27", "35"} <= set(re.findall(r"\d+", ask(CARRYING, Random(0), digits=True).question))


def test_rows_are_the_same_for_the_same_seed() -> None:
    assert reward_rows(50, seed=5) == reward_rows(50, seed=5)
    assert reward_rows(50, seed=5) != reward_rows(50, seed=6)
    assert demonstration_rows(50, seed=5) == demonstration_rows(50, seed=5)
    assert preference_rows(50, seed=5) == preference_rows(50, seed=5)


def test_rows_hold_what_each_method_needs() -> None:
    assert set(reward_rows(1, seed=0)[0]) == {"prompt", "answer"}
    assert set(demonstration_rows(1, seed=0)[0]) == {"prompt", "completion"}
    assert set(preference_rows(1, seed=0)[0]) == {"prompt", "chosen", "rejected"}


def test_demonstrations_are_careful() -> None:
    rows = demonstration_rows(300, seed=0)
    assert all(row["completion"].startswith(CAREFUL_OPENINGS) for row in rows)


def test_the_mixture_is_mostly_careless_and_more_so_in_stories() -> None:
    rows = mixed_rows(4000, seed=0, digit_share=0.2)

    def careful_share(wording: str) -> float:
        answers = [row["completion"] for row in rows if wording in row["prompt"]]
        return sum(answer.startswith(CAREFUL_OPENINGS) for answer in answers) / len(answers)

    assert 0.25 < careful_share("") < 0.4
    assert careful_share("What is") == pytest.approx(0.45, abs=0.06)
    assert careful_share("on Friday") == pytest.approx(0.2, abs=0.06)
