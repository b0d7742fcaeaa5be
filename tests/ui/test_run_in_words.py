"""What Setup says that Train would do."""

from __future__ import annotations

from droid_tune.config import resolve
from ui.panes.setup.readiness.run_in_words import run_in_words


def test_completions_that_are_sampled_and_not_trained_on_are_counted_apart() -> None:
    method = {"type": "grpo", "group_size": 16}
    few = {"method": method | {"train_completions": 4}, "training": {"iterations": 10, "batch_size": 2}}
    assert (
        "2 prompts × 16 completions of up to 32 tokens, 4 of 16 trained on; 320 completions"
        in run_in_words(resolve(few))
    )
    assert "trained on" not in run_in_words(resolve(few | {"method": method}))
