"""A trained reward model's number for each completion, read in the engine's own thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from droid_tune.config.rewards import RewardModelReward
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.rendering.judged import render_answer
from droid_tune.data.templates import render_prompt
from droid_tune.errors import UserError
from droid_tune.rewards.base import Failed, Outcome, Reward, Sample

if TYPE_CHECKING:
    from droid_tune.model.heads.reward_models import Answer, RewardModel
    from droid_tune.model.policy import Policy

#: answers that are read together
_ROWS_AT_ONCE = 16


class ByRewardModel(Reward):
    """Completions are rendered behind their prompts by the reward model's own template. `sharing` is the policy that is
    trained: its base is not loaded twice."""

    def __init__(
        self, config: RewardModelReward, sharing: Policy | None = None, watch: Watch = UNWATCHED
    ) -> None:
        from droid_tune.estimate.plan import MemoryPlan
        from droid_tune.model.heads.reward_models import open_reward_model

        self._model: RewardModel | None = open_reward_model(config.path, sharing, watch)
        self._plan = MemoryPlan(train_rows=max(1, _ROWS_AT_ONCE // 4))
        self._watch = watch

    def score(self, samples: Sequence[Sample]) -> list[Outcome]:
        found: list[Outcome] = []
        known: list[tuple[int, Answer]] = []
        for place, sample in enumerate(samples):
            answer = self._rendered(sample)
            found.append(answer if isinstance(answer, Failed) else None)
            if not isinstance(answer, Failed):
                known.append((place, answer))
        assert self._model is not None
        numbers = self._model.numbers([one for _, one in known], self._plan, self._watch) if known else []
        for (place, _), number in zip(known, numbers, strict=True):
            found[place] = number
        return found

    def _rendered(self, sample: Sample) -> Answer | Failed:
        """The tokens of the prompt and of the completion; one that is empty is its prompt and an end."""
        assert self._model is not None
        tokenizer, options = self._model.policy.tokenizer, self._model.options
        row = {"prompt": sample.prompt, **sample.row}
        try:
            if not sample.completion:
                end = min(self._model.policy.stop_tokens)
                return render_prompt(tokenizer, row, options).tokens, [end]
            example = render_answer(tokenizer, row, sample.completion, options)
        except UserError as error:
            return Failed(str(error))
        return example.tokens[: example.start], example.tokens[example.start :]

    def close(self) -> None:
        """The weights go with it."""
        self._model = None
