"""How much of a signal check this machine does in about a minute: fewer prompts, then shorter completions, said so."""

from __future__ import annotations

from dataclasses import dataclass

from droid_tune import words

#: shares of the minute: for sampling with its backward passes, for the largest step
SAMPLING, LARGEST = 0.6, 0.3
#: fewer tokens than these show nothing of a completion
LEAST_TOKENS = 16


@dataclass(frozen=True)
class Pace:
    """What a few tokens of `rows` completions took: seconds to the first token, and for each one after it.

    `backward` is the update's time as a share of the rollout's (an estimate).
    """

    rows: int
    first_s: float
    token_s: float
    backward: float = 0.0

    def seconds(self, rows: int, tokens: int) -> float:
        """A rollout of `rows` completions with its backward pass; a slow machine is one whose time goes with the rows."""
        return (self.first_s + self.token_s * tokens) * rows / self.rows * (1 + self.backward)

    def affordable_rows(self, rows: int, tokens: int, seconds: float) -> int:
        """How many of `rows` completions of `tokens` fit into `seconds`; may be 0."""
        whole = self.seconds(rows, tokens)
        return rows if whole <= seconds else int(rows * seconds / whole)

    def affordable_tokens(self, rows: int, tokens: int, seconds: float) -> int:
        """How many of `tokens` of each of `rows` completions fit into `seconds`, `LEAST_TOKENS` at least."""
        first = self.seconds(rows, 0)
        each = max(1e-9, self.seconds(rows, 1) - first)
        return max(min(tokens, LEAST_TOKENS), min(tokens, int((seconds - first) / each)))


@dataclass(frozen=True)
class Shortened:
    """What a check left out to stay within its time: prompts, and tokens of their completions and of the largest step."""

    prompts: int
    of_prompts: int
    tokens: int = 0
    of_tokens: int = 0
    largest_tokens: int = 0

    @property
    def largest(self) -> bool:
        """Whether the largest step was measured with less than it can have."""
        return self.largest_tokens < self.of_tokens

    def sentences(self) -> list[str]:
        """What is said of it; nothing where nothing was left out."""
        said: list[str] = []
        if self.prompts < self.of_prompts:
            said.append(f"{self.prompts} of {words.count(self.of_prompts, 'prompt')} were sampled")
        if self.tokens < self.of_tokens:
            said.append(f"completions were cut at {self.tokens:,} of {self.of_tokens:,} tokens")
        if self.largest:
            said.append(
                f"memory was measured with {self.largest_tokens:,} of {self.of_tokens:,} tokens, and estimated for all"
            )
        return said
