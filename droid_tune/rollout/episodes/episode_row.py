"""What an episode is while it is played: its bounds, its chances, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from droid_tune.config.environments import EnvironmentConfig
from droid_tune.data.rendering.templates.added_turns import TurnAdder
from droid_tune.environments.episode import Answered, Ending, Episode, Handle, Seeds
from droid_tune.names import RewrittenHistory
from droid_tune.rollout.episodes.trajectory import Recorder, Trajectory


@dataclass(frozen=True)
class EpisodeLimits:
    """What bounds an episode besides its environment and `max_completion_length`, which counts all tokens behind the
    prompt: tokens of a turn, tokens of prompt and episode together (None: no bound), and how many rows may wait."""

    max_turn_tokens: int
    longest: int | None = None
    waiting_share: float = 0.5
    history: RewrittenHistory = "keep"

    @classmethod
    def of(cls, config: EnvironmentConfig, longest: int | None) -> EpisodeLimits:
        return cls(config.max_turn_tokens, longest, config.waiting_share, config.rewritten_history)


@dataclass(frozen=True)
class Seeding:
    """What a rollout's randomness derives from: the run's seed, the number of the rollout, and the numbers of its rows."""

    tokens: int  # of the draws of tokens
    run: int = 0
    rollout: int = 0
    rows: Sequence[int] = ()


@dataclass
class EpisodeRow:
    """One episode while it goes on."""

    index: int
    prompt: int
    seeds: Seeds
    opening: Handle[Episode] | None = None
    episode: Episode | None = None
    recorder: Recorder | None = None
    adder: TurnAdder | None = None
    history: list[int] = field(default_factory=list[int])  # the prompt that it shares with its group
    tokens: list[int] = field(default_factory=list[int])
    mine: list[int] = field(default_factory=list[int])  # 1 for each token that the model wrote
    logprobs: list[float] = field(default_factory=list[float])
    drawn: list[float] = field(default_factory=list[float])
    fed: int = 0  # tokens behind the prompt that the decoder has read
    begun: int = 0  # where the turn begins
    opens: str = ""  # the mark of a thought that the turn's prompt has left open
    text: str = ""
    asked: Handle[Answered] | None = None
    asked_at: float = 0.0
    seconds: float = 0.0  # that the answer took; 0: it has not come
    ending: Ending | None = None  # of its own accord: the turn was cut
    trajectory: Trajectory | None = None

    def read(self, tokens: Sequence[int]) -> None:
        """Tokens that are not the model's stand behind its own; its next turn begins behind them."""
        self.tokens += tokens
        self.mine += [0] * len(tokens)
        self.logprobs += [0.0] * len(tokens)
        self.drawn += [0.0] * len(tokens)
        self.begun = len(self.tokens)

    def write(self, token: int, logprob: float, drawn: float) -> None:
        """The model has written a token."""
        self.tokens.append(token)
        self.mine.append(1)
        self.logprobs.append(logprob)
        self.drawn.append(drawn)
