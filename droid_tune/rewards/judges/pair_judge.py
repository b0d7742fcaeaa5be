"""A judge that compares two answers: asked in both orders, so that its taste for the first or the second cancels."""

from __future__ import annotations

from droid_tune.control import UNWATCHED, Watch
from droid_tune.rewards.judges.endpoint import Endpoint
from droid_tune.rewards.judges.in_flight import answers
from droid_tune.rewards.judges.judging import pair_question, read_preference


class PairJudge:
    """Compares answers by a chat server. Raises EndpointError where it does not answer; `watch` may end it with Stopped."""

    def __init__(self, endpoint: Endpoint, watch: Watch = UNWATCHED) -> None:
        self._endpoint, self._watch = endpoint, watch

    def prefers_first(self, prompt: str, first: str, second: str) -> float:
        """1 where the first is better, 0 where the second is, 1/2 where the judge contradicts itself or names none."""
        forth, back = answers(
            [(prompt, first, second), (prompt, second, first)],
            self._asked,
            at_once=1,
            watch=self._watch,
            suspended=self._endpoint.awake_again,
        )
        return (forth + 1.0 - back) / 2

    def _asked(self, texts: tuple[str, str, str]) -> float:
        return read_preference(self._endpoint.reply(pair_question(*texts)))
