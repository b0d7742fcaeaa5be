"""Episodes played without training, one after the other, to see what a model does in an environment and what it gets.

They are those of a run: the sampler, the settings and the tokens are its own, and what is shown is what it would learn from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from droid_tune.config.run import RunConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.templates import TemplateOptions, render_prompt
from droid_tune.environments.episode import Environment
from droid_tune.environments.opening_prompt import as_read
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, Seeding
from droid_tune.rollout.episodes.play import play
from droid_tune.rollout.episodes.trajectory import Trajectory
from droid_tune.train.exploring.acting import acted_in


@dataclass(frozen=True)
class Stage:
    """A model before its environment, and the settings of the run that they are of."""

    policy: Policy
    environment: Environment
    config: RunConfig

    def play(
        self,
        row: Mapping[str, Any],
        sampling: SamplingConfig,
        seeding: Seeding,
        watch: Watch = UNWATCHED,
        on_token: Callable[[int, int], None] | None = None,
    ) -> PlayedOut:
        """One episode of a row; `on_token` hears of each token that is written. Raises UserError and Stopped."""
        config, section = self.config, self.config.environment
        assert section is not None
        options = TemplateOptions.of(config.data)
        rollout = play(
            self.policy,
            self.environment,
            [dict(row)],
            group_size=1,
            sampling=sampling,
            limits=EpisodeLimits.of(section, self.longest),
            seeding=seeding,
            plan=MemoryPlan(),
            options=options,
            watch=watch,
            on_token=on_token,
        )
        assert rollout.trajectories is not None
        path = rollout.trajectories[0]
        if path.ending is None:
            return PlayedOut(path)
        shown = as_read(self.environment, row, path.messages[: path.opening])
        prompt, mine = rollout.prompt_tokens[0], rollout.completion_mask[0] > 0
        count = path.spans[-1][1]  # nothing follows the last turn of the model's
        return PlayedOut(
            path,
            [*prompt, *rollout.tokens[0, :count].tolist()],
            [*([False] * len(prompt)), *mine[:count].tolist()],
            render_prompt(self.policy.tokenizer, shown, options).ends,
        )

    @property
    def longest(self) -> int:
        """Tokens that prompt and episode may have together, as in the run."""
        longest = self.config.training.max_seq_length
        return min(longest, self.policy.context_length or longest)


@dataclass(frozen=True)
class PlayedOut:
    """An episode that is over."""

    path: Trajectory
    #: all tokens as the model has read and written them, its prompt's first; of each whether a run learns from it
    tokens: Sequence[int] = ()
    learnt: Sequence[bool] = ()
    #: how its prompt ended, as the model saw it
    prompt_ends: str = ""

    @property
    def opening(self) -> Sequence[Message]:
        """The prompt's turns."""
        return self.path.messages[: self.path.opening]

    @property
    def turns(self) -> Sequence[Message]:
        """All of them behind the opening, in order."""
        return self.path.messages[self.path.opening :]

    @property
    def ending(self) -> str:
        """Empty where it could not begin; `failed` says why then."""
        return self.path.ending or ""

    @property
    def failed(self) -> str:
        """What went wrong, a sentence; empty where nothing did."""
        why = self.path.failed
        return why[:1].upper() + why[1:].removesuffix(".") + "." if why else ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "opening": list(self.opening),
            "turns": list(self.turns),
            "calls": [
                {
                    "name": one.name,
                    "arguments": dict(one.arguments),
                    "state": one.state,
                    "result": one.result,
                    "seconds": round(one.seconds, 4),
                }
                for one in self.path.records
            ],
            "ending": self.ending,
            "failed": self.failed,
            "reward": self.path.reward,
            "turn_rewards": list(self.path.turn_rewards),
            "tokens": list(self.tokens),
            "learnt": list(self.learnt),
        }


class Player:
    """A run's model as it is before training. Belongs to the thread that makes it; `close` ends the environment."""

    def __init__(self, config: RunConfig, watch: Watch = UNWATCHED) -> None:
        """Raises UserError where the environment or its tools cannot be used with this model."""
        if config.environment is None:
            raise UserError("The settings name no environment", remedy="add a section `environment`")
        self._config, self._watch, self._opened = config, watch, ExitStack()
        policy = load_policy(config.model.path)
        environment = self._opened.enter_context(acted_in(config, policy, watch))
        assert environment is not None
        self.environment, self.tokenizer = environment, policy.tokenizer
        self._stage = Stage(policy, environment, config)

    def play(self, row: Mapping[str, Any], number: int) -> PlayedOut:
        """One episode of a row. Raises Stopped, and UserError where the template cannot show its turns."""
        seed = self._config.training.seed
        seeding = Seeding(seed + number, seed, 0, [number])
        return self._stage.play(row, self._config.sampling, seeding, self._watch)

    def close(self) -> None:
        """End the environment's children."""
        self._opened.close()
