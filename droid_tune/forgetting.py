"""Has a run forgotten what it was not trained on? The likelihood of general answers before and after it, with its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from droid_tune.config import RunConfig
from droid_tune.config.recipes.methods import SFTConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.templates import TemplateOptions, render_examples
from droid_tune.errors import UserError
from droid_tune.model.adapter_files import load_arrays, read_arrays
from droid_tune.model.gradients.scoring import score
from droid_tune.model.plan_for import plan_for
from droid_tune.model.policy import Policy
from droid_tune.report.general import (
    General,
    GeneralAnswer,
    GeneralRow,
    general_rows,
    read_general,
    write_general,
)
from droid_tune.runs.folder import read_config
from droid_tune.train.rows.examples import TrainingExample, example_rows
from droid_tune.train.saving.weights import newest_weights
from droid_tune.train.starting.start import starting_policy

#: nats a token of every answer
Likelihoods = list[float]


def measure_general(run_dir: Path, watch: Watch = UNWATCHED) -> General:
    """The run's model before it was trained and as it is now, on the general set; kept in the run's folder.

    What was measured of the same weights is not measured again. Raises UserError where there are no weights yet or the
    model is gone, and `Stopped`.
    """
    weights = newest_weights(run_dir)
    known = read_general(run_dir)
    if known is not None and known.step == weights.step and weights.step is not None:
        return known
    config = read_config(run_dir)
    policy = starting_policy(config, run_dir)
    rows, examples = _rendered(policy, config)
    before = likelihoods(policy, config, examples, watch)
    load_arrays(policy, read_arrays(weights.file), place=str(weights.file))
    after = likelihoods(policy, config, examples, watch)
    found = General(
        step=weights.step,
        answers=tuple(
            GeneralAnswer(kind=row.kind, prompt=row.prompt, tokens=example.learnt, before=then, after=now)
            for row, example, then, now in zip(rows, examples, before, after, strict=True)
        ),
    )
    write_general(run_dir, found)
    return found


def likelihoods(
    policy: Policy, config: RunConfig, examples: Sequence[TrainingExample], watch: Watch
) -> Likelihoods:
    """Negative log-likelihood of each example's answer, in nats a token."""
    supervised = config.model_copy(update={"method": SFTConfig()})
    rows = example_rows(list(examples))
    plan = replace(plan_for(supervised, policy))
    found = score(policy, rows, temperature=1.0, plan=plan, watch=watch).logprobs
    tokens = rows.completion_mask.sum(axis=1)
    sums: list[float] = (-found.sum(axis=1, dtype=np.float64) / np.maximum(tokens, 1)).tolist()
    return sums


def _rendered(policy: Policy, config: RunConfig) -> tuple[list[GeneralRow], list[TrainingExample]]:
    """The set as the model's own template shows it; what the template refuses is left out."""
    options = replace(TemplateOptions.of(config.data), system_prompt="")
    rows: list[GeneralRow] = []
    examples: list[TrainingExample] = []
    for number, row in enumerate(general_rows()):
        fields = {"prompt": row.prompt, "answer": row.completion}
        try:
            rendered = render_examples(policy.tokenizer, fields, options, answers_only=True)
        except UserError:
            continue
        for one in rendered[:1]:
            rows.append(row)
            examples.append(TrainingExample(number, one.tokens, one.answer_mask))
    if not examples:
        raise UserError("The model's chat template shows none of the general prompts")
    return rows, examples
