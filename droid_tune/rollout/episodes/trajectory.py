"""One episode as it went: its turns for people and rewards, its tokens, what it earned and what ended it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.rendering.thinking import block
from droid_tune.environments.episode import Answered, CallRecord, Ending, Turn
from droid_tune.events import PlayedCall, PlayedTurn
from droid_tune.names import EpisodeCut
from droid_tune.rewards.base import EpisodeMessages

#: bytes of text that an event keeps of a turn and of all turns of a completion
TURN_BYTES, EPISODE_BYTES = 8 * 1024, 64 * 1024
#: endings that are no end
_CUTS: dict[Ending, EpisodeCut] = {"turns": "turns", "tokens": "tokens", "time": "time", "failed": "failed"}


@dataclass(frozen=True)
class Trajectory:
    """An episode that is over.

    `answer` is the model's last turn as it wrote it, thoughts included, where that is one.
    `messages` are all its turns with its prompt's; `spans` (K) say which of the completion's tokens [start, end) the
    model wrote in each of its K turns, `turn_rewards` (K) what each earned (None: nothing is given by the turn) and
    `states` (K) what each was written in: equal texts are equal states. `reward` is what the environment gives in all;
    None where it gives nothing. `seconds` is the environment's time.
    """

    turns: tuple[PlayedTurn, ...] = ()
    messages: tuple[Message, ...] = ()
    opening: int = 0  # so many of the messages are the prompt's
    answer: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    turn_rewards: tuple[float | None, ...] = ()
    states: tuple[str, ...] = ()
    reward: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    cut: EpisodeCut = ""
    failed: str = ""
    seconds: float = 0.0
    #: all tries to call a tool, in order
    records: tuple[CallRecord, ...] = ()
    #: how it ended; None where it could not begin
    ending: Ending | None = None

    @property
    def calls(self) -> Mapping[str, int]:
        """How many calls by what became of them."""
        return Counter(one.state for one in self.records)

    @property
    def conversation(self) -> EpisodeMessages:
        """As rewards see it."""
        return EpisodeMessages(self.messages[: self.opening], self.messages[self.opening :])

    @property
    def told(self) -> list[PlayedTurn]:
        """Its turns for an event: texts bounded in bytes, the last turns rather than the first where all are too many."""
        room, kept = EPISODE_BYTES, list[PlayedTurn]()
        for turn in reversed(self.turns):
            text = _bounded(turn.text, min(TURN_BYTES, room))
            room -= len(text.encode())
            kept.append(
                turn if text == turn.text else turn.model_copy(update={"text": text, "shortened": True})
            )
        return kept[::-1]


def _bounded(text: str, most: int) -> str:
    """The beginning of a text that takes at most so many bytes."""
    whole = text.encode()
    return text if len(whole) <= most else whole[: max(0, most)].decode(errors="ignore")


def beside_calls(text: str, said: Turn) -> str:
    """What a turn says beside the calls that were read from it, thoughts included; the text itself where none was."""
    if not said.calls:
        return text
    return (block(said.thinking) if said.thinking else "") + said.content


class Recorder:
    """Gathers a trajectory turn by turn."""

    def __init__(self, opening: Sequence[Turn]) -> None:
        self.messages: list[Message] = [turn.message() for turn in opening]
        self._opening = len(opening)
        self._played: list[PlayedTurn] = []
        self._spans: list[tuple[int, int]] = []
        self._rewards: list[float | None] = []
        self._states: list[str] = []
        self._next_state = "\n".join(turn.content for turn in opening)
        self._records: list[CallRecord] = []
        self._seconds, self._last, self._said = 0.0, Answered(Turn("assistant", "")), ""

    def wrote(self, start: int, end: int) -> None:
        """The model wrote a turn: the completion's tokens from `start` to `end`."""
        self._spans.append((start, end))
        self._states.append(self._next_state)
        self._rewards.append(None)

    def answered(self, text: str, answer: Answered, seconds: float) -> None:
        """What the environment made of that turn, whose text was `text`."""
        self._last, self._seconds = answer, self._seconds + seconds
        self._rewards[-1] = answer.reward
        self._said = beside_calls(text, answer.said)
        self.messages.append(answer.said.message())
        start, end = self._spans[-1]
        self._played.append(
            PlayedTurn(
                role="assistant",
                text=self._said,
                calls=[PlayedCall(name=one.name, arguments=dict(one.arguments)) for one in answer.said.calls],
                reward=answer.reward,
                tokens=end - start,
            )
        )
        self._records += answer.calls

    def follows(self, answer: Answered, tokens: int, seconds: float) -> None:
        """The environment's turns are read by the model: `tokens` of them in all."""
        self.messages += [turn.message() for turn in answer.turns]
        self._next_state = answer.state or "\n".join(f"{turn.role}: {turn.content}" for turn in answer.turns)
        for place, turn in enumerate(answer.turns):
            record = answer.calls[place] if place < len(answer.calls) else None
            wrong = record is not None and record.state != "done"
            self._played.append(
                PlayedTurn(
                    role=turn.role,
                    text=turn.content,
                    name=turn.name or "",
                    seconds=seconds if record is None else record.seconds,
                    failed=record.result if record is not None and wrong else "",
                    tokens=tokens if place == 0 else 0,
                )
            )

    def finished(self, ending: Ending, last: Answered | None = None, failed: str = "") -> Trajectory:
        """The whole episode; `last` is what ended it where that was no turn of the model's.

        What was said beside a call is no answer where the episode was cut there: the model had not answered yet.
        """
        answered = last is None and not self._last.calling
        last = last or self._last
        given = [one for one in (*self._rewards, last.episode_reward) if one is not None]
        broken = ending == "failed"
        return Trajectory(
            turns=tuple(self._played),
            messages=tuple(self.messages),
            opening=self._opening,
            answer=self._said if answered else "",
            spans=tuple(self._spans),
            turn_rewards=tuple(self._rewards),
            states=tuple(self._states),
            reward=None if broken or not given else float(sum(given)),
            parts={} if broken else dict(last.parts),
            cut=_CUTS.get(ending, ""),
            failed=failed or last.failed if broken else "",
            seconds=self._seconds,
            records=tuple(self._records),
            ending=ending,
        )
