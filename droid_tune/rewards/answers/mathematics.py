"""Mathematical equality by math-verify, asked of a child process: an expression may keep computer algebra busy for ever."""

from __future__ import annotations

from collections.abc import Sequence

from droid_tune.control import UNWATCHED, Allowance, Watch
from droid_tune.rewards.base import Failed, Outcome
from droid_tune.rewards.children.process import Child, ChildEndedError, ChildHungError, ChildTooBigError

#: of the processor's time for a comparison, and how many times that by the clock
_SECONDS = 5.0
_PATIENCE = 4
_WORKER = "droid_tune.rewards.workers.mathematics_worker"
_MEMORY_MB = 1024
_MOST_REMEMBERED = 10_000


class Mathematician:
    """Compares expressions, and remembers its verdicts: the same ones come again in every group."""

    def __init__(self, seconds: float = _SECONDS, watch: Watch = UNWATCHED) -> None:
        self._seconds = seconds
        self._child = Child(
            "droid_tune.rewards.workers.mathematics_worker",
            memory_mb=_MEMORY_MB,
            setup={"warm_up": True},
            watch=watch,
        )
        self._known: dict[tuple[str, str], float] = {}

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
        """1 or 0 for each (answer, reference)."""
        return [self._verdict(pair) for pair in pairs]

    def _verdict(self, pair: tuple[str, str]) -> Outcome:
        if pair not in self._known:
            try:
                verdict = float(self._ask(pair))
            except ChildEndedError as error:
                return Failed(f"the comparison of {pair[0]!r} with {pair[1]!r} {error}")
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[pair] = verdict
        return self._known[pair]

    def _ask(self, pair: tuple[str, str]) -> bool:
        """An expression that cannot be evaluated in time (9^9^9^9) is not shown to be right, so it is wrong."""
        try:
            request = {"answer": pair[0], "reference": pair[1], "seconds": self._seconds}
            reply = self._child.ask(request, Allowance(_PATIENCE * self._seconds))
        except (ChildHungError, ChildTooBigError):
            return False
        return bool(reply["equal"])

    def end_now(self) -> None:
        """End the process at once, from another thread."""
        self._child.end_now()

    def close(self) -> None:
        self._child.close()
