"""Seconds of a step from its arithmetic and its memory traffic, by phase."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from droid_tune.estimate.chips import Speed
from droid_tune.estimate.job import Job
from droid_tune.estimate.model_facts import ModelFacts
from droid_tune.estimate.sizes import Portions, Sizes

#: shares of the bounds that a good engine reaches (PERFORMANCE.md)
DECODING, TRAINING = 0.65, 0.55
#: building and sending one layer's operations, and one token's draw
LAYER_OVERHEAD_S, DRAW_OVERHEAD_S = 60e-6, 400e-6
#: the same in training, where a layer has several times the operations; and what a micro-batch costs by itself
TRAINED_LAYER_OVERHEAD_S, BATCH_OVERHEAD_S = 300e-6, 2e-3


@dataclass(frozen=True)
class Seconds:
    """One step on average, and one evaluation."""

    rollout: float
    update: float
    evaluation: float

    @property
    def step(self) -> float:
        return self.rollout + self.update


def seconds_of(
    facts: ModelFacts,
    sizes: Sizes,
    job: Job,
    portions: Portions,
    speed: Speed,
    *,
    rollout_factor: float = 1.0,
    update_factor: float = 1.0,
) -> Seconds:
    """What a step takes; the factors are what this machine was measured to need more or less."""
    rollout = evaluation = 0.0
    if job.reinforcement:
        rollout = (
            job.rollouts_per_step
            * rollout_factor
            * _rollout(
                facts,
                sizes,
                speed,
                portions,
                job.prompts,
                job.group_size,
                job.usual_prompt,
                job.usual_completion,
            )
        )
        evaluation = rollout_factor * _rollout(
            facts, sizes, speed, portions, job.evaluation_rows, 1, job.usual_prompt, job.usual_completion
        )
    else:
        forward = _forward(facts, job.usual_prompt + job.usual_completion, job.usual_completion)
        evaluation = update_factor * job.evaluation_rows * forward / (TRAINING * speed.arithmetic)
    return Seconds(rollout, update_factor * _update(facts, sizes, job, portions, speed), evaluation)


def _rollout(
    facts: ModelFacts,
    sizes: Sizes,
    speed: Speed,
    portions: Portions,
    prompts: int,
    group: int,
    prompt: int,
    completion: int,
) -> float:
    """Read every prompt once, then one pass per token over all rows of a wave, bound by traffic or by arithmetic."""
    rows = prompts * group
    if not rows:
        return 0.0
    reading = prompts * _forward(facts, prompt, 1) / (TRAINING * speed.arithmetic)
    waves = ceil(rows / portions.decode_rows)
    wave = min(rows, portions.decode_rows)
    kept = ceil(wave / group) * prompt + wave * completion / 2
    traffic = active_bytes(facts) + kept * sizes.key_values
    bound = max(traffic / speed.bandwidth, wave * 2 * facts.active_parameters / speed.arithmetic) / DECODING
    token = bound + facts.layers * LAYER_OVERHEAD_S + DRAW_OVERHEAD_S
    return reading + waves * completion * token


def active_bytes(facts: ModelFacts) -> float:
    """Weights that one token's pass reads: of experts only those that are asked."""
    return facts.weight_bytes * min(1.0, facts.active_parameters / max(1, facts.parameters))


def _update(facts: ModelFacts, sizes: Sizes, job: Job, portions: Portions, speed: Speed) -> float:
    """Forward, backward by the inputs (and, in full training, by the weights), what is run again, the head thrice."""
    shared = portions.share_prompts and sizes.shares_prompts and job.group_size > 1
    rows = job.rows_per_slice * job.slices_per_step
    prompts = rows / job.group_size if shared else rows
    body = _body(facts, job.usual_prompt) * prompts + _body(facts, job.usual_completion) * rows
    again = 1.0 if portions.layer_wise or not portions.hold else 0.0
    passes = 2.0 + again + (1.0 if sizes.full else 0.0)
    # The prompt's own backward pass runs its forward again unless it is held.
    if shared and not (portions.layer_wise or portions.hold_prompt):
        body += _body(facts, job.usual_prompt) * prompts / passes
    head = rows * job.usual_completion * 2 * facts.hidden * facts.vocabulary
    heads = 3.0 if job.entropy else 2.0
    scored = _body(facts, job.usual_prompt) * prompts + _body(facts, job.usual_completion) * rows + head
    work = passes * body + heads * head + job.score_passes * scored
    batches = (
        prompts * ceil(job.group_size / portions.train_rows) if shared else ceil(rows / portions.train_rows)
    )
    each = facts.layers * (passes + job.score_passes) * TRAINED_LAYER_OVERHEAD_S + BATCH_OVERHEAD_S
    return work / (TRAINING * speed.arithmetic) + batches * each


def _body(facts: ModelFacts, tokens: int) -> float:
    """Operations of one forward pass over a row of `tokens`, without the head."""
    inner = max(0, facts.active_parameters - facts.hidden * facts.vocabulary)
    return tokens * (2.0 * inner + 2.0 * facts.layers * facts.query_width * tokens)


def _forward(facts: ModelFacts, tokens: int, scored: int) -> float:
    return _body(facts, tokens) + scored * 2.0 * facts.hidden * facts.vocabulary
