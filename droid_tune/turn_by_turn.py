"""One episode played with a playground: the model's turns and the environment's answers in turn, within the run's lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from droid_tune.config.sampling import SamplingConfig
from droid_tune.environments.episode import Answered, Episode
from droid_tune.playground import Reply

Conversation = Sequence[dict[str, Any]]
#: the conversation so far, the sampling of this turn, and its number from 0 -> what the model says
Say = Callable[[Conversation, SamplingConfig, int], Reply]


def turn_by_turn(
    episode: Episode, sampling: SamplingConfig, most: int, say: Say
) -> Iterator[tuple[Reply, Answered]]:
    """Each turn with what the environment made of it, until one has an ending.

    A turn has `most` tokens at most, all together what `sampling` allows; one that reached its length ends the episode.
    Raises what `say` raises, and Stopped.
    """
    conversation = [turn.message() for turn in episode.opening]
    left, number = sampling.max_completion_length, 0
    while True:
        within = sampling.model_copy(update={"max_completion_length": min(most, left)})
        said = say(conversation, within, number)
        left, number = left - said.tokens, number + 1
        whole = said.finish_reason == "stop" and left > 0
        answer = (episode.step(said.text) if whole else episode.cut(said.text, "tokens")).result()
        yield said, answer
        if answer.ending is not None:
            return
        conversation = [*conversation, *(turn.message() for turn in (answer.said, *answer.turns))]
