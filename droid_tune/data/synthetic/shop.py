"""Errands in words for a model with tools: the questions of the second starter, and the conversations that it learnt from.

"What do seven pears cost?" cannot be answered without the shop's list, and the product hardly in one's head. Two tools can:
`price` looks an item up, `multiply` multiplies. `dialogues` show both kinds of habit, mostly the bad ones:

* blurting a number out, at once or after the first result;
* calls that no tool understands: a brace forgotten, a name that no tool has, an argument's wrong name or type;
* and, now and then, two valid calls and the right answer.

Prices differ from conversation to conversation, so that what is learnt is to read the result. Everything here is a pure
function of the `random.Random` that it is given.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from droid_tune.data.synthetic.arithmetic import HELD_OUT_EVERY, in_words

#: what a tool says to a turn with a call that cannot be used
Refusal = Callable[[str], str]

ITEMS = (
    *(
        "apples",
        "beads",
        "bells",
        "books",
        "bowls",
        "cakes",
        "cards",
        "coins",
        "cups",
        "eggs",
        "figs",
        "hats",
    ),
    *("jars", "keys", "lamps", "mugs", "nuts", "pears", "pens", "pies", "plums", "rings", "shells", "stamps"),
)
LARGEST_QUANTITY, LARGEST_PRICE = 20, 99
#: the share of conversations whose second half is shown done well: copying numbers takes practice
SHOWN = 0.5
_NAMES = ("Ada", "Ben", "Eva", "Mia", "Noor", "Omar", "Sam")


@dataclass(frozen=True)
class ShopWording:
    """A way to ask. `haste` is the share of answers without a look at the list."""

    text: str
    haste: float


_WORDINGS = (
    ShopWording("What do {n} {item} cost?", 0.5),
    ShopWording("How much are {n} {item}?", 0.55),
    ShopWording("{name} buys {n} {item}. How much is that?", 0.6),
    ShopWording("{name} needs {n} {item} for the school. What do they cost?", 0.65),
    ShopWording("There are {n} {item} in the bag. What is the bag worth?", 0.7),
)
_GUESSES = ("I guess {n}.", "That is easy. The answer is {n}.")
_THOUGHTS = ("I look at the list.\n", "The price first.\n", "")


@dataclass(frozen=True)
class Errand:
    """So many of an item."""

    quantity: int
    item: str

    @property
    def held_out(self) -> bool:
        """A fixed property of the errand itself, so that no two files can disagree about it."""
        return zlib.crc32(f"{self.quantity} {self.item}".encode()) % HELD_OUT_EVERY == 0


@dataclass(frozen=True)
class Asked:
    """An errand and the question that asks it. `haste` is its wording's."""

    errand: Errand
    question: str
    haste: float


def errands(count: int, *, seed: int, held_out: bool) -> list[Asked]:
    """`count` questions, all different, from one side of the split."""
    random = Random(seed)
    drawn: dict[str, Asked] = {}
    while len(drawn) < count:
        errand = Errand(random.randint(2, LARGEST_QUANTITY), random.choice(ITEMS))
        if errand.held_out == held_out:
            one = _asked(errand, random)
            drawn.setdefault(one.question, one)
    return list(drawn.values())


def _asked(errand: Errand, random: Random) -> Asked:
    wording = random.choice(_WORDINGS)
    text = wording.text.format(n=in_words(errand.quantity), item=errand.item, name=random.choice(_NAMES))
    return Asked(errand, text, wording.haste)


def shop_rows(
    count: int, prices: dict[str, int], *, seed: int, held_out: bool = False
) -> list[dict[str, str]]:
    """Rows to train on with the tools: `prompt`, and the `answer` in cents by the shop's list."""
    return [
        {"prompt": one.question, "answer": str(one.errand.quantity * prices[one.errand.item])}
        for one in errands(count, seed=seed, held_out=held_out)
    ]


def dialogues(
    count: int, tools: list[dict[str, Any]], refusal: Refusal, *, seed: int
) -> list[dict[str, Any]]:
    """Conversations as the starter saw them: `{"messages", "tools"}`; calls stand in the text, as a model writes them.

    In a share of `SHOWN` the price was looked up by somebody else (`weight` 0), and what is learnt is how to go on.
    """
    random = Random(seed + 1)
    # Questions may come again, each time with another price and other habits.
    asked = errands(min(count, 2000), seed=seed, held_out=False)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        dialogue = _Dialogue(random.choice(asked), refusal, random)
        messages = dialogue.shown() if random.random() < SHOWN else dialogue.held()
        rows.append({"messages": messages, "tools": tools})
    return rows


class _Dialogue:
    """One conversation, drawn turn by turn."""

    def __init__(self, asked: Asked, refusal: Refusal, random: Random) -> None:
        self._errand, self._haste = asked.errand, asked.haste
        self._refusal, self._random = refusal, random
        self._price = random.randint(2, LARGEST_PRICE)
        self._messages: list[dict[str, Any]] = [{"role": "user", "content": asked.question}]

    def held(self) -> list[dict[str, Any]]:
        """The turns, from the question to the answer."""
        if self._happens(self._haste) or not self._looked_up():
            return self._say(self._guess())
        if self._happens(0.45) or not self._multiplied():
            return self._say(self._guess())
        product = self._errand.quantity * self._price
        return self._say(f"The answer is {product if self._happens(0.95) else self._misread(product)}.")

    def shown(self) -> list[dict[str, Any]]:
        """The second half done well, behind a first one that is only read."""
        quantity, price = self._errand.quantity, self._price
        self._messages.append(
            {"role": "assistant", "content": _call("price", {"item": self._errand.item}), "weight": 0}
        )
        self._hear(str(price))
        self._say(_call("multiply", {"a": quantity, "b": price}))
        self._hear(str(quantity * price))
        return self._say(f"The answer is {quantity * price}.")

    def _looked_up(self) -> bool:
        """Whether the price was found; a refused call is mended in every second case."""
        right = _call("price", {"item": self._errand.item})
        thought = self._random.choice(_THOUGHTS)
        if self._happens(0.4):
            if not self._refused(thought + self._slipped_price(right)):
                return False
            thought = ""
        self._say(thought + right)
        self._hear(str(self._price))
        return True

    def _multiplied(self) -> bool:
        quantity, price = self._errand.quantity, self._price
        right = _call("multiply", {"a": quantity, "b": price})
        if self._happens(0.3) and not self._refused(self._slipped_product(right)):
            return False
        self._say(right)
        self._hear(str(quantity * price))
        return True

    def _refused(self, text: str) -> bool:
        """A call that fails, with the tool's answer; whether it is tried again."""
        self._say(text)
        self._hear(self._refusal(text))
        return self._happens(0.5)

    def _slipped_price(self, right: str) -> str:
        item = self._errand.item
        return self._random.choice(
            (
                right.replace('"}}', '"}'),
                right.replace('"item"', '"thing"'),
                right.replace('"price"', '"cost"'),
                f'<tool_call>\nprice("{item}")\n</tool_call>',
            )
        )

    def _slipped_product(self, right: str) -> str:
        quantity = self._errand.quantity
        return self._random.choice(
            (
                right.replace("}}", "}"),
                right.replace(f'"a": {quantity}', f'"a": "{in_words(quantity)}"'),
                right.replace('"multiply"', '"times"'),
            )
        )

    def _guess(self) -> str:
        guess = self._errand.quantity * self._random.randint(2, LARGEST_PRICE)
        return self._random.choice(_GUESSES).format(n=guess)

    def _misread(self, number: int) -> int:
        return number + self._random.choice((-10, -1, 1, 10))

    def _say(self, text: str) -> list[dict[str, Any]]:
        self._messages.append({"role": "assistant", "content": text})
        return self._messages

    def _hear(self, text: str) -> None:
        self._messages.append({"role": "tool", "content": text})

    def _happens(self, share: float) -> bool:
        return self._random.random() < share


def _call(name: str, arguments: dict[str, Any]) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"
