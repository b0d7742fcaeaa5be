"""Tasks of Reasoning Gym: one turn each, judged by the task's own scorer in a child."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from droid_tune.config.environments import ReasoningGymEnvironment
from droid_tune.control import Allowance, Watch
from droid_tune.environments.episode import Answered, Ending, Episode, EpisodeError, Message, Seeds, Turn
from droid_tune.environments.lanes import Coming, Lanes, ReadyAnswer, failing
from droid_tune.environments.openings import prompt_turns
from droid_tune.environments.showing import Showing, ShownTools
from droid_tune.errors import UserError
from droid_tune.rewards.children.process import Child, ChildError
from droid_tune.rewards.children.sandbox import Rules
from droid_tune.rewards.reasoning_gym import source_of

_WORKER = "droid_tune.environments.workers.reasoning_gym_worker"
_LOADING_SECONDS = 120.0
_GRACE_S = 2.0
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


class OfReasoningGym:
    """Loads the library at once. Raises UserError where it is missing, or has no such task or setting."""

    def __init__(
        self, config: ReasoningGymEnvironment, system_prompt: str, showing: Showing, watch: Watch
    ) -> None:
        self.config, self.watch = config, Watch(should_stop=watch.should_stop)
        self.shown: ShownTools = showing.of([])
        self.system_prompt = system_prompt
        self.lanes = Lanes(self._child, config.at_once)
        self._first = self.lanes.pick()
        self._checked(self._asked(lambda child: child.start() or {}))

    @property
    def tools(self) -> Sequence[Message]:
        """None: a puzzle is answered."""
        return ()

    @property
    def caution(self) -> str:
        """Nothing of the user's runs."""
        return ""

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Refuse data of which no row says its task. Raises UserError."""
        if not any(source_of(row) for row in rows):
            raise UserError(
                "The environment needs the column `metadata` with `source_dataset`, which no row has",
                place="environment",
                remedy="make its rows with `droid-tune sample-data --config RUN.yaml --out FOLDER`",
            )

    def own_rows(self, split: str, count: int, seed: int = 0) -> list[Message]:
        """Rows of the tasks; of another split from another seed. Raises UserError."""
        if not self.config.tasks:
            raise UserError(
                "`tasks` names no task", place="environment", remedy="write such as tasks: {chain_sum: {}}"
            )
        request = {
            "do": "rows",
            "tasks": self.config.tasks,
            "level": self.config.level,
            "levels": self.config.levels,
            "count": min(count, self.config.rows),
            "seed": 2 * seed + (split != "train"),
        }
        reply = self._asked(lambda child: child.ask(request, Allowance(_LOADING_SECONDS)))
        return self._checked(reply)["rows"]

    def _asked(self, job: Callable[[Child], Message]) -> Message:
        try:
            return Coming(self._first.put(job), self.watch).result()
        except ChildError as error:
            self.close()
            raise UserError(f"Reasoning Gym could not be loaded: it {error}", place="environment") from None
        except BaseException:
            self.close()
            raise

    def _checked(self, reply: Message) -> Message:
        if not {"missing", "unknown", "error"} & reply.keys():
            return reply
        self.close()
        if "missing" in reply:
            raise UserError(
                "The package `reasoning-gym` is not installed",
                place="environment",
                remedy="install it with `pip install 'droid-tune[reasoning-gym]'`",
            )
        if "unknown" in reply:
            raise UserError(
                f"Reasoning Gym has no task `{reply['unknown']}`",
                place="environment",
                remedy=f"choose from {', '.join(reply['known'])}",
            )
        raise UserError(f"Reasoning Gym refuses the tasks: {reply['error']}", place="environment")

    def _child(self) -> Child:
        setup = {"do": "set_up", "tasks": self.config.tasks, "level": self.config.level}
        return Child(
            _WORKER,
            memory_mb=self.config.memory_mb,
            setup=setup,
            setup_seconds=max(self.config.timeout_seconds, _LOADING_SECONDS),
            rules=Rules((), self.config.network),
            watch=self.watch,
        )

    def prepare(self, episodes: int) -> None:
        """Start the children that judge so many answers at once, and wait for them. Raises Stopped."""
        self.lanes.start(episodes, self.watch)

    def open(self, row: Mapping[str, Any], seeds: Seeds) -> ReadyAnswer[Episode] | Coming[Episode]:
        """An episode of a row: its question, and one answer. The handle's `result` raises EpisodeError."""
        try:
            if not source_of(row):
                raise EpisodeError("has no `metadata` that names its task")
            opening = tuple(prompt_turns(row, self.system_prompt))
        except EpisodeError as error:
            return failing(error)
        return ReadyAnswer(Puzzle(self, opening, row))

    def score(self, child: Child, row: Mapping[str, Any], answer: str) -> Message:
        """A child's judgement. Raises ChildError."""
        seconds = Allowance(self.config.timeout_seconds + _GRACE_S)
        return child.ask({"do": "score", "row": dict(row), "answer": answer}, seconds)

    def close(self) -> None:
        """End the children."""
        self.lanes.close()


class Puzzle:
    """One question and its answer."""

    def __init__(self, owner: OfReasoningGym, opening: tuple[Turn, ...], row: Mapping[str, Any]) -> None:
        self.opening = opening
        self._owner, self._row = owner, row

    def step(self, text: str) -> Coming[Answered]:
        """Judge the answer: what stands in <answer> tags, else all that is said after the thoughts."""
        return self._judged(text, "answered")

    def cut(self, text: str, ending: Literal["tokens", "time", "turns"]) -> Coming[Answered]:
        """Judge what there is."""
        return self._judged(text, ending)

    def close(self) -> None:
        """It holds nothing."""

    def _judged(self, text: str, ending: Ending) -> Coming[Answered]:
        said = self._owner.shown.read(text).turn
        return Coming(
            self._owner.lanes.pick().put(lambda child: self._scored(child, said, ending)), self._owner.watch
        )

    def _scored(self, child: Child, said: Turn, ending: Ending) -> Answered:
        began = time.perf_counter()
        tagged: list[str] = _TAGGED.findall(said.content)
        try:
            reply = self._owner.score(child, self._row, (tagged[-1] if tagged else said.content).strip())
        except ChildError as error:
            reply: Message = {"error": f"the scorer {error}"}
        took = time.perf_counter() - began
        if "error" in reply:
            return Answered(
                said,
                ending="failed",
                failed=f"The answer could not be judged: {reply['error']}.",
                seconds=took,
            )
        return Answered(said, ending=ending, episode_reward=reply["value"], seconds=took)
