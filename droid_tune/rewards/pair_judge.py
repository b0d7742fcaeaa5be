"""A judge that compares two answers: asked in both orders, so that its taste for the first or the second cancels."""

from __future__ import annotations

import re

from droid_tune.rewards.endpoint import Endpoint

QUESTION = (
    "Two answers to one question follow. Say which is better: more correct, more helpful, clearer. Reply with a single "
    "letter, A or B.\n\nQuestion:\n{prompt}\n\nAnswer A:\n{first}\n\nAnswer B:\n{second}\n\nThe better answer is"
)
_LETTER = re.compile(r"\b([AB])\b")


class PairJudge:
    """Compares answers by a chat server. Raises EndpointError where it does not answer."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def prefers_first(self, prompt: str, first: str, second: str) -> float:
        """1 where the first is better, 0 where the second is, 1/2 where the judge contradicts itself or names none."""
        forth = self._asked(prompt, first, second)
        back = self._asked(prompt, second, first)
        return (forth + 1.0 - back) / 2

    def _asked(self, prompt: str, first: str, second: str) -> float:
        question = QUESTION.replace("{prompt}", prompt).replace("{first}", first).replace("{second}", second)
        letters = _LETTER.findall(self._endpoint.reply(question))
        return 0.5 if not letters else float(letters[-1] == "A")
