"""Pydantic's findings are said in words that a person who never heard of pydantic can act on."""

from __future__ import annotations

from typing import Any

import pytest

from droid_tune.config import build
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.errors import UserError


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": {"type": "grpo", "group_size": 0}}, "method.group_size: must be 2 or more (got 0)."),
        ({"method": {"type": "grpo", "group_size": "x"}}, "method.group_size: must be a whole number (got 'x')."),
        ({"optimizer": {"learning_rate": -1}}, "optimizer.learning_rate: must be more than 0 (got -1)."),
        ({"sampling": {"temperature": 99}}, "sampling.temperature: must be 5 or less (got 99)."),
        ({"optimizer": {"schedule": "cos"}}, "optimizer.schedule: must be 'constant', 'linear' or 'cosine' (got 'cos')."),
        ({"data": {"shuffle": "maybe"}}, "data.shuffle: must be true or false (got 'maybe')."),
        ({"training": 3}, "training: must hold settings (`name: value`) (got 3)."),
        ({"method": {"type": "gpro"}}, f"method: there is no `gpro`; choose one of {', '.join(METHOD_CONFIGS)}."),
        ({"rewards": [{"weight": 1}]}, "rewards[1]: `type` is missing."),
    ],
)  # fmt: skip
def test_a_fault_is_said_in_plain_words(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        build(values)
    assert str(caught.value) == sentence
