"""Episodes played without training, one after the other, to see what a model does in an environment and what it gets.

Each turn is sampled behind the conversation as the template renders it, with the run's own settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from droid_tune.config.run import RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.rendering.chat_template import ChatTemplate
from droid_tune.data.templates import TemplateOptions, render_prompt
from droid_tune.environments.episode import Answered, Environment, Episode, EpisodeError, Seeds, Turn
from droid_tune.environments.openings import prompt_turns
from droid_tune.environments.table import open_environment
from droid_tune.errors import UserError
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.playground import Playground, Reply
from droid_tune.rewards.thoughts import opened_thoughts
from droid_tune.turn_by_turn import Conversation, turn_by_turn


@dataclass
class PlayedOut:
    """An episode that is over. `ending` is empty where it could not begin, `failed` says why then."""

    opening: Sequence[Turn]
    answers: list[Answered] = field(default_factory=list[Answered])
    ending: str = ""
    failed: str = ""
    reward: float | None = None

    def turns(self) -> Iterator[Turn]:
        """All of them behind the opening, in order."""
        for answer in self.answers:
            yield answer.said
            yield from answer.turns

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "opening": [one.message() for one in self.opening],
            "turns": [one.message() for one in self.turns()],
            "calls": [
                {
                    "name": one.name,
                    "arguments": dict(one.arguments),
                    "state": one.state,
                    "result": one.result,
                    "seconds": round(one.seconds, 4),
                }
                for answer in self.answers
                for one in answer.calls
            ],
            "ending": self.ending,
            "failed": self.failed,
            "reward": self.reward,
            "turn_rewards": [answer.reward for answer in self.answers],
        }


class Player:
    """A model before its environment. Belongs to the thread that makes it; `close` ends the environment."""

    def __init__(self, config: RunConfig, sample: Mapping[str, Any], watch: Watch = UNWATCHED) -> None:
        """Raises UserError where the environment or its tools cannot be used with this model."""
        if config.environment is None:
            raise UserError("The settings name no environment", remedy="add a section `environment`")
        self._config, self._watch = config, watch
        self._options = replace(TemplateOptions.of(config.data), system_prompt="")
        policy = load_policy(config.model.path)
        self._playground = Playground(policy, self._options)
        self.environment: Environment = open_environment(
            config,
            template=ChatTemplate.of(policy.tokenizer).source,
            opened_thought=self._opened(policy, sample),
            watch=watch,
        )

    def _opened(self, policy: Policy, sample: Mapping[str, Any]) -> str:
        """The mark of a thought that the template leaves open behind a prompt."""
        turns = prompt_turns(sample, self._config.data.system_prompt)
        row = {"prompt": [one.message() for one in turns]}
        return opened_thoughts(render_prompt(policy.tokenizer, row, self._options).ends)

    def play(self, row: Mapping[str, Any], number: int) -> PlayedOut:
        """One episode of a row. Raises Stopped."""
        try:
            episode = self.environment.open(row, Seeds(self._config.training.seed, 0, number)).result()
        except EpisodeError as error:
            return PlayedOut((), failed=f"The episode {error}.")
        try:
            return self._played(episode, number)
        finally:
            episode.close()

    def _played(self, episode: Episode, number: int) -> PlayedOut:
        section = self._config.environment
        assert section is not None
        seeds, played = Seeds(self._config.training.seed, 0, number), PlayedOut(episode.opening)

        def say(asked: Conversation, within: SamplingConfig, turn: int) -> Reply:
            return self._playground.reply(
                asked, within, watch=self._watch, seed=seeds.turn(turn), tools=self.environment.tools
            )

        for _, answer in turn_by_turn(episode, self._config.sampling, section.max_turn_tokens, say):
            played.answers.append(answer)
            played.ending, played.failed = answer.ending or "", answer.failed
            played.reward = answer.episode_reward
        return played

    def close(self) -> None:
        """End the environment's children."""
        self.environment.close()
