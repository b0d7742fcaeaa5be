"""What pressing Train would do, in a sentence."""

from __future__ import annotations

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig


def run_in_words(config: RunConfig) -> str:
    """The method, the steps and what each of them takes."""
    steps = words.count(config.training.iterations, "step")
    if isinstance(config.method, SamplingMethodConfig):
        prompts, group = config.training.batch_size, config.method.group_size
        total = config.training.iterations * prompts * group
        acted = config.environment
        each = "completion" if acted is None else "episode"
        learnt = config.method.learnt_group
        trained = "" if learnt == group else f", {learnt} of {group} trained on"
        turns = "" if acted is None else f"{words.count(acted.max_turns, 'turn')} and "
        return (
            f"{type(config.method).label}: {steps}, each {words.count(prompts, 'prompt')} × {words.count(group, each)} "
            f"of up to {turns}{words.count(config.sampling.max_completion_length, 'token')}{trained}; "
            f"{words.count(total, each)} in all."
        )
    return f"{type(config.method).label}: {steps} of {words.count(config.training.batch_size, 'row')}."
