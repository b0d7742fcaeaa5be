"""A row to imitate: its tokens, and which of them are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from droid_tune.data.rendering.shapes import learning_start
from droid_tune.model.gradients.scoring_rows import ScoringRows


@dataclass(frozen=True)
class TrainingExample:
    """`tokens` of the whole row; `learn` says of each whether it is imitated (the first never is)."""

    number: int
    tokens: list[int]
    learn: list[bool]

    @property
    def start(self) -> int:
        """Where the part to be scored begins: everything before the first learnt token is only read."""
        return learning_start(self.learn)

    @property
    def learnt(self) -> int:
        """Tokens with a share in the loss."""
        return sum(self.learn[self.start :])


def example_rows(examples: Sequence[TrainingExample]) -> ScoringRows:
    """Examples as rows to score: the read part as prompt, the rest as completion with the learnt tokens marked."""
    width = max(len(example.tokens) - example.start for example in examples)
    tokens = np.zeros((len(examples), width), np.int32)
    mask = np.zeros((len(examples), width), np.float32)
    for row, example in enumerate(examples):
        rest = example.tokens[example.start :]
        tokens[row, : len(rest)] = rest
        mask[row, : len(rest)] = example.learn[example.start :]
    prompts = [example.tokens[: example.start] for example in examples]
    return ScoringRows(prompts, np.arange(len(examples)), tokens, mask)
