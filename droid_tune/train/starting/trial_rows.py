"""Rows as a run's steps have them, to time its passes by: prompts and examples of its data, completions of usual length."""

from __future__ import annotations

import numpy as np

from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.train.rows.examples import example_rows
from droid_tune.train.rows.row_reader import readable
from droid_tune.train.training_session import TrainingSession


def trial_prompts(session: TrainingSession, count: int) -> list[list[int]]:
    """Token ids of `count` prompts, the first ones of the data; fewer where it has no more that can be read."""
    places = range(min(len(session.train), count))
    return [row.tokens for row in readable(session.train, places, session.reader.prompt)]


def trial_rows(session: TrainingSession, count: int, completion: int) -> ScoringRows | None:
    """About `count` rows (whole groups) with completions of `completion` tokens, or examples of the data; None where none
    of the first rows can be read."""
    method = session.config.method
    if not isinstance(method, SamplingMethodConfig):
        places = range(min(len(session.train), count))
        found = readable(session.train, places, session.reader.examples)
        examples = [one for some in found for one in some][:count]
        return example_rows(examples) if examples else None
    group = method.learnt_group
    prompts = trial_prompts(session, -(-count // group))
    shape = (len(prompts) * group, completion)
    tokens = np.random.default_rng(0).integers(0, session.policy.embedding_rows, shape)
    return ScoringRows.of_groups(prompts, group, tokens, np.ones(shape)) if prompts else None
