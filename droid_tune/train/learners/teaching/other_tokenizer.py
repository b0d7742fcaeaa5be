"""A teacher with another tokenizer: it reads the same text in its own tokens, and both are compared where they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from droid_tune.config.recipes.teaching_methods import TeacherConfig
from droid_tune.methods.distillation.across_tokenizers import Uld, aligned_groups, merged
from droid_tune.model.gradients.head import Measure
from droid_tune.model.gradients.passes import head_for
from droid_tune.model.gradients.scoring import states_of
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.gradients.uld_measure import OtherTokens, UldMeasure
from droid_tune.model.policy import Policy
from droid_tune.train.training_session import TrainingSession

Floats = NDArray[np.floating[Any]]


def same_tokens(one: Any, other: Any) -> bool:
    """Whether two tokenizers give the same ids to the same tokens."""
    return one.get_vocab() == other.get_vocab()


@dataclass(frozen=True)
class OtherTokenizer:
    """A model in memory whose tokens are not the student's."""

    session: TrainingSession
    method: TeacherConfig
    policy: Policy

    def logprobs(self, rows: ScoringRows) -> Floats:
        """There are none: `Teachers` refuses objectives that ask for them."""
        raise NotImplementedError("a teacher with another tokenizer has no word on the student's tokens")

    def measure(self, rows: ScoringRows) -> Measure:
        """Each row's text is read once more in the teacher's tokens."""
        uld = Uld(self.method.token_merge_strategy, self.method.distillation_alpha)
        return UldMeasure(
            uld, [self._row(rows, row, uld) for row in range(len(rows))], rows.tokens.astype(np.int64)
        )

    def _row(self, rows: ScoringRows, row: int, uld: Uld) -> OtherTokens | None:
        """What the teacher says of a row; the token that ends the answer is left out on both sides."""
        student, teacher = self.session.policy.tokenizer, self.policy.tokenizer
        scored = rows.tokens[row, : int(rows.completion_mask[row].sum())].tolist()
        ids = [token for token in scored if token not in self.session.policy.stop_tokens]
        own, text = byte_ends(student, ids)
        other_ids = list(teacher.encode(text, add_special_tokens=False))
        other, _ = byte_ends(teacher, other_ids)
        groups = aligned_groups(own, other)
        if not groups:
            return None
        prompt = student.decode(list(rows.prompts[int(rows.prompt_index[row])]))
        logits = self._logits(list(teacher.encode(prompt, add_special_tokens=False)), other_ids)
        probabilities = mx.softmax(logits, axis=-1)
        found = merged(probabilities, [group for _, group in groups], mx.array(other_ids), uld.strategy)
        mx.eval(found)
        return OtherTokens(found, groups)

    def _logits(self, prompt: list[int], answer: list[int]) -> mx.array:
        one = ScoringRows.of_groups([prompt], 1, [answer], np.ones((1, len(answer))))
        known = states_of(self.policy, one, self.session.plan, reference=False, watch=self.session.stopping)
        temperature = self.session.config.sampling.temperature or 1.0
        return (
            head_for(self.policy.model, self.policy.architecture)(known.states).astype(mx.float32)
            / temperature
        )


def byte_ends(tokenizer: Any, ids: Sequence[int]) -> tuple[list[tuple[int, int]], str]:
    """The bytes (start, end) of each token in the text that all of them make, and that text."""
    spans: list[tuple[int, int]] = []
    start = 0
    for count in range(1, len(ids) + 1):
        end = max(start, len(tokenizer.decode(list(ids[:count])).rstrip("�").encode()))
        spans.append((start, end))
        start = end
    return spans, tokenizer.decode(list(ids)) if ids else ""
