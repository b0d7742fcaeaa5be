"""A reward function of the user's own, in a child process that may hang, crash or print without harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from droid_tune.config.rewards import UserFileReward
from droid_tune.control import UNWATCHED, Allowance, Watch
from droid_tune.errors import UserError
from droid_tune.paths import user_path
from droid_tune.rewards.base import Failed, Graded, Outcome, Reward, Sample
from droid_tune.rewards.children.process import Child, ChildEndedError, ChildError
from droid_tune.rewards.children.sandbox import Rules, beside, offers

_LOADING_SECONDS = 60.0


class UserFile(Reward):
    """Loads the file at once, so that its mistakes are said before the training starts.

    The source is read once: an edit while the run goes on counts from the next run. `text` stands for the file's where
    it is not saved yet. Raises UserError.
    """

    def __init__(
        self, config: UserFileReward, folder: Path, watch: Watch = UNWATCHED, text: str | None = None
    ) -> None:
        self._config, self._watch, self._text = config, watch, text
        self._path = (folder / user_path(config.path)).resolve()
        self._begin()

    def _begin(self) -> None:
        """Read the source and load it."""
        self.source = read_source(self._path) if self._text is None else self._text
        setup = {"source": self.source, "path": str(self._path), "function": self._config.function}
        self._child = Child(
            "droid_tune.rewards.workers.user_file_worker",
            memory_mb=self._config.memory_mb,
            setup=setup,
            setup_seconds=max(self._config.timeout_seconds, _LOADING_SECONDS),
            rules=rules_of(self._path, self._config.readable, network=self._config.network),
            watch=self._watch,
        )
        self.caution = caution_of(self._path, network=self._config.network)
        loaded = self._load()
        self.function: str = loaded["function"]
        self.style: str = loaded["style"]
        self.needs = tuple(loaded["columns"])
        self._place = f"{self._path}:{loaded['line']}"

    def _load(self) -> Mapping[str, Any]:
        try:
            reply = self._child.start() or {}
        except ChildError as error:
            raise UserError(f"{NOT_LOADED}: it {error}", place=str(self._path), remedy=_REMEDY) from None
        if "error" in reply:
            self._child.close()
            raise UserError(f"{NOT_LOADED}: {reply['error']}", place=reply["place"], remedy=_REMEDY)
        return reply

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        """Processes that the function leaves behind are ended with the call."""
        try:
            return self._scored(samples)
        finally:
            self._child.end_what_it_started()

    def _scored(self, samples: Sequence[Sample]) -> list[Outcome]:
        messages = [self._message(sample) for sample in samples]
        if self.style == "batch":
            return self._outcomes(
                {"samples": messages, "seed": samples[0].seed if samples else 0}, len(samples)
            )
        outcomes: list[Outcome] = []
        failures = 0
        for sample, message in zip(samples, messages, strict=True):
            if failures > self._config.failure_share * len(samples):
                outcomes.append(Failed("it was not run, because too many failed before it", self._place))
                continue
            outcomes += self._outcomes({"sample": message, "seed": sample.seed}, 1)
            failures += isinstance(outcomes[-1], Failed)
        return outcomes

    def _message(self, sample: Sample) -> dict[str, Any]:
        prompt, completion = sample.prompt, sample.completion
        chat, talk = self._config.chat_messages, sample.conversation
        opening: list[Any] = as_messages(sample) if talk is None else list(talk.opening)
        rest: list[Any] = [{"role": "assistant", "content": completion}] if talk is None else list(talk.rest)
        return {
            "prompt": opening if chat else prompt,
            "completion": rest if chat else completion,
            "messages": [*opening, *rest],
            "row": dict(sample.row),
            "length": sample.length,
            "finish_reason": sample.finish_reason,
            "prompt_ends": sample.prompt_ends,
        }

    def _outcomes(self, request: dict[str, Any], count: int) -> list[Outcome]:
        """`count` outcomes; where the call as a whole went wrong it did so for each of them."""
        try:
            reply = self._ask(request)
        except ChildError as error:
            return [Failed(f"the function `{self.function}` {error}", self._place)] * count
        if "error" in reply:
            return [Failed(str(reply["error"]), str(reply.get("place", self._place)))] * count
        if reply.get("parts"):
            return [with_parts(reply, self._place)]
        values: Any = reply.get("values", [reply.get("value")])
        if not isinstance(values, list) or len(values) != count:  # pyright: ignore[reportUnknownArgumentType]
            return [Failed(f"the child process gave {values!r} for {count} completions", self._place)] * count
        return [as_outcome(value, self._place) for value in values]  # pyright: ignore[reportUnknownVariableType]

    def _ask(self, request: dict[str, Any]) -> Mapping[str, Any]:
        """The child's answer; one that died is started again and asked once more. Raises ChildError."""
        try:
            return self._child.ask(request, Allowance(self._config.timeout_seconds))
        except ChildEndedError:
            return self._child.ask(request, Allowance(self._config.timeout_seconds))

    def printed(self) -> str:
        """What the function printed in its last call."""
        return self._child.printed()

    def renew(self) -> None:
        """The file as it stands now. Raises UserError where it cannot be loaded."""
        self._child.close()
        self._begin()

    def end_now(self) -> None:
        self._child.end_now()

    def close(self) -> None:
        self._child.close()


NOT_LOADED = "The reward file could not be loaded"
_REMEDY = "mend it and try it with `droid-tune test-reward`"


def caution_of(file: Path, *, network: bool) -> str:
    """What a person should know of what a file's code can reach; empty where it is shut in on all sides."""
    offer = offers()
    if offer.files and offer.network and not network:
        return ""
    return f"Code of {file.name} runs on this computer. {offer.sentence(network=network)}"


def rules_of(file: Path, readable: Sequence[str], *, network: bool) -> Rules:
    """What a file's code may reach: what lies beside it, and what its settings allow."""
    allowed = [str(user_path(one).resolve()) for one in readable]
    return Rules((*beside(file), *allowed), network, listed=(str(file.parent),))


def read_source(path: Path) -> str:
    """The file's text. Raises UserError where it is missing or no UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            "The Python file does not exist", place=str(path), remedy="give the path of a Python file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The Python file cannot be read: {error}", place=str(path)) from None


def as_messages(sample: Sample) -> Any:
    """The prompt as TRL's chat form has it: the row's own messages where it has some."""
    own = sample.row.get("prompt")
    return own if isinstance(own, list) else [{"role": "user", "content": sample.prompt}]  # pyright: ignore[reportUnknownVariableType]


def with_parts(reply: Mapping[str, Any], place: str) -> Outcome:
    """A number with the parts that its function gave beside it."""
    outcome = as_outcome(reply.get("value"), place)
    parts: Any = reply["parts"]
    if outcome is None or isinstance(outcome, (Failed, Graded)) or not isinstance(parts, dict):
        return outcome
    numbers: dict[Any, Any] = parts
    return Graded(outcome, {str(name): value for name, value in numbers.items() if isinstance(value, float)})


def as_outcome(value: object, place: str) -> Outcome:
    """The parent trusts nothing that comes out of the child."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return Failed(f"the child process gave {value!r}, not a number", place)
