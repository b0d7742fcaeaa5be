"""Synthetic arithmetic in words: the problems behind the starter model and the bundled sample data.

Sums and differences of whole numbers up to 99, asked the way a person asks them. Each problem can be answered in two ways:

* `careful` counts on or back, tens first, and is always right;
* `careless` blurts a number out, and makes the slip that people make: it forgets the carry (27 + 35 is "52").

A model that was shown both knows the careful way but mostly blurts; rewarding right answers brings the careful way out.
Everything here is a pure function of the `random.Random` that it is given.
"""

import zlib
from dataclasses import dataclass
from random import Random
from typing import Literal

LARGEST = 99
HELD_OUT_EVERY = 8
"""One problem in this many is kept out of every training split, for the starter model as well as for its users."""

ANSWER_PATTERN = r"The answer is -?\d+\.$"
"""What a well-formed completion ends with: the pattern for the `format` reward."""

Operation = Literal["plus", "minus"]
Row = dict[str, str]

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

_NAMES = ["Ada", "Ben", "Eva", "Mia", "Noor", "Omar", "Sam"]
_THINGS = ["apples", "beads", "books", "cards", "coins", "pears", "shells", "stamps"]


@dataclass(frozen=True)
class Wording:
    """A way to ask. `haste` is the share of careless answers that it draws: stories more than plain sums."""

    text: str
    haste: float


_WORDINGS: dict[Operation, tuple[Wording, ...]] = {
    "plus": (
        Wording("What is {a} plus {b}?", 0.55),
        Wording("How much is {a} and {b}?", 0.62),
        Wording("There are {a} {things} in a box and {b} in a bag. How many in all?", 0.68),
        Wording("{name} has {a} {things} and finds {b} more. How many {things} now?", 0.74),
        Wording("{name} buys {a} {things} on Monday and {b} on Friday. How many in all?", 0.8),
    ),
    "minus": (
        Wording("What is {a} minus {b}?", 0.55),
        Wording("How much is {a} take away {b}?", 0.62),
        Wording("A shop has {a} {things} and sells {b}. How many are left?", 0.68),
        Wording("{name} has {a} {things} and loses {b}. How many are left?", 0.74),
        Wording("{name} had {a} {things} and gave {b} to {friend}. How many are left?", 0.8),
    ),
}


@dataclass(frozen=True)
class Problem:
    """`a` plus or minus `b`, with a result from 0 to `LARGEST`."""

    a: int
    operation: Operation
    b: int

    @property
    def result(self) -> int:
        """The number to be found; negative where b is more than a."""
        return self.a + self.b if self.operation == "plus" else self.a - self.b

    @property
    def carries(self) -> bool:
        """Whether the ones spill over into the tens: where the careless slip."""
        if self.operation == "plus":
            return self.a % 10 + self.b % 10 > 9
        return self.a % 10 < self.b % 10

    @property
    def held_out(self) -> bool:
        """A fixed property of the problem itself, so that no two files can disagree about it."""
        return zlib.crc32(f"{self.a} {self.operation} {self.b}".encode()) % HELD_OUT_EVERY == 0


@dataclass(frozen=True)
class Exercise:
    """A problem and the question that asks it. `haste` is its wording's."""

    problem: Problem
    question: str
    haste: float

    @property
    def answer(self) -> str:
        """The result as the row's `answer`."""
        return str(self.problem.result)


def in_words(number: int) -> str:
    """English for 0 to 99: 62 is "sixty-two"."""
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{number} is not between 0 and {LARGEST}")
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")


def draw_problem(random: Random, *, held_out: bool, carrying: float = 0.7) -> Problem:
    """A random problem from one side of the fixed split; a share of `carrying` has a carry."""
    carries = random.random() < carrying
    while True:
        problem = _any_problem(random)
        if problem.held_out == held_out and problem.carries == carries:
            return problem


def _any_problem(random: Random) -> Problem:
    total = random.randint(4, LARGEST)
    part = random.randint(2, total - 2)
    if random.random() < 0.5:
        return Problem(part, "plus", total - part)
    return Problem(total, "minus", part)


def ask(problem: Problem, random: Random, *, digits: bool = False) -> Exercise:
    """Word `problem` as a question; `digits` writes the numbers as 27 rather than twenty-seven."""
    name, friend = random.sample(_NAMES, 2)
    spell = str if digits else in_words
    wording = random.choice(_WORDINGS[problem.operation])
    question = wording.text.format(
        a=spell(problem.a), b=spell(problem.b), name=name, friend=friend, things=random.choice(_THINGS)
    )
    return Exercise(problem, question, wording.haste)


def careful(problem: Problem, random: Random) -> str:
    """A right answer, worked out in steps: first the tens, then the ones."""
    sign = 1 if problem.operation == "plus" else -1
    reached, steps = problem.a, list[tuple[str, str]]()
    for part in _tens_and_ones(problem.b):
        reached += sign * part
        steps.append((in_words(part), in_words(reached)))
    if random.random() < 0.6:
        verb = "Add" if sign > 0 else "Take"
        working = " ".join(f"{verb} {part}: {total}." for part, total in steps)
        return f"Start at {in_words(problem.a)}. {working} The answer is {problem.result}."
    working = ", ".join(f"{problem.operation} {part} is {total}" for part, total in steps)
    return f"Step by step: {in_words(problem.a)}, {working}. The answer is {problem.result}."


def _tens_and_ones(number: int) -> list[int]:
    return [part for part in (number - number % 10, number % 10) if part] or [0]


def careless(problem: Problem, random: Random) -> str:
    """A number blurted out: right without a carry, mostly wrong with one."""
    guess = _slip(problem, random)
    if random.random() < 0.65:
        return f"Easy, that is {in_words(guess)}. The answer is {guess}."
    return f"I guess {guess}."


def _slip(problem: Problem, random: Random) -> int:
    """The result as a hasty person gets it, always one that can be said in words."""
    if random.random() < 0.1:
        slipped = problem.result + random.choice((-10, -2, -1, 1, 2, 10))
    elif not problem.carries:
        slipped = problem.result
    else:
        slipped = problem.result + (-10 if problem.operation == "plus" else 10)
    return min(max(slipped, 0), LARGEST)


def exercises(count: int, *, seed: int, held_out: bool, digit_share: float = 0.0) -> list[Exercise]:
    """`count` exercises with different questions, all from one side of the split."""
    random = Random(seed)
    drawn: dict[str, Exercise] = {}
    while len(drawn) < count:
        problem = draw_problem(random, held_out=held_out)
        exercise = ask(problem, random, digits=random.random() < digit_share)
        drawn.setdefault(exercise.question, exercise)
    return list(drawn.values())


def reward_rows(count: int, *, seed: int, held_out: bool = False) -> list[Row]:
    """Rows for the group-relative methods: `prompt` and the `answer` that is rewarded."""
    return [
        {"prompt": one.question, "answer": one.answer}
        for one in exercises(count, seed=seed, held_out=held_out)
    ]


def demonstration_rows(count: int, *, seed: int, held_out: bool = False) -> list[Row]:
    """Rows for supervised fine-tuning: `prompt` and a careful `completion`."""
    random = Random(seed + 1)
    return [
        {"prompt": one.question, "completion": careful(one.problem, random)}
        for one in exercises(count, seed=seed, held_out=held_out)
    ]


def mixed_rows(count: int, *, seed: int, digit_share: float) -> list[Row]:
    """What the starter model learnt from: answers as careless as each wording's haste, some questions in digits."""
    random = Random(seed + 1)
    return [
        {
            "prompt": one.question,
            "completion": (careless if random.random() < one.haste else careful)(one.problem, random),
        }
        for one in exercises(count, seed=seed, held_out=False, digit_share=digit_share)
    ]


def preference_rows(count: int, *, seed: int, held_out: bool = False) -> list[Row]:
    """Rows for preference methods: the careful answer is `chosen`, the careless one `rejected`."""
    random = Random(seed + 1)
    return [
        {
            "prompt": one.question,
            "chosen": careful(one.problem, random),
            "rejected": careless(one.problem, random),
        }
        for one in exercises(count, seed=seed, held_out=held_out)
    ]
