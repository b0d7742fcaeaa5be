"""Seconds of a step from its arithmetic and its memory traffic, by phase."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from droid_tune.estimate.job import StepJob
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import Sizes
from droid_tune.machine.chips import Speed
from droid_tune.model_files.facts import ModelFacts

#: shares of the bounds that a good engine reaches (PERFORMANCE.md)
DECODING, TRAINING = 0.65, 0.55
#: one token's draw, and what a micro-batch costs by itself
DRAW_OVERHEAD_S, BATCH_OVERHEAD_S = 400e-6, 2e-3
#: how often a number that is scored, and then differentiated, goes through memory for one that is drawn
SCORED, ACTIVATED = 2.2, 1.6
#: of a pass with its derivative a score without one is this much; entropies add as much, a trained head's gradient more
SCORED_ONLY, WITH_ENTROPY, TRAINED_HEAD = 0.4, 0.6, 1.5
#: reads and writes of what is trained: by the optimizer, by each addition to the gradients so far
OPTIMIZER_TRAFFIC, ADDED_TRAFFIC = 12, 3


@dataclass(frozen=True)
class Seconds:
    """One step on average, and one evaluation."""

    rollout: float
    update: float
    evaluation: float

    @property
    def step(self) -> float:
        """Rollout and update together, in seconds."""
        return self.rollout + self.update


def seconds_of(
    facts: ModelFacts,
    sizes: Sizes,
    job: StepJob,
    plan: MemoryPlan,
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
                plan,
                job.prompts,
                job.group_size,
                job.usual_prompt,
                job.usual_completion,
            )
        )
        evaluation = rollout_factor * _rollout(
            facts,
            sizes,
            speed,
            plan.evaluating,
            job.evaluation_rows,
            1,
            job.usual_prompt,
            job.usual_completion,
        )
    else:
        forward = _forward(facts, job.usual_prompt + job.usual_completion, job.usual_completion)
        evaluation = update_factor * job.evaluation_rows * forward / (TRAINING * _arithmetic(facts, speed))
    return Seconds(rollout, update_factor * _update(facts, sizes, job, plan, speed), evaluation)


def _rollout(
    facts: ModelFacts,
    sizes: Sizes,
    speed: Speed,
    plan: MemoryPlan,
    prompts: int,
    group: int,
    prompt: int,
    completion: int,
) -> float:
    """Read every prompt once, then one pass per token over all rows of a wave, bound by traffic or by arithmetic."""
    rows = prompts * group
    if not rows:
        return 0.0
    arithmetic = _arithmetic(facts, speed)
    waves = ceil(rows / plan.decode_rows)
    wave = min(rows, plan.decode_rows)
    steps = waves * completion
    kept = ceil(wave / group) * prompt + wave * completion / 2
    traffic = active_bytes(facts) + kept * sizes.kept_key_values
    bound = max(traffic / speed.bandwidth, wave * 2 * facts.active_parameters / arithmetic) / DECODING
    numbers = (
        steps * wave * facts.vocabulary
        + _activations(sizes, rows * completion + prompts * prompt)
        + _attention(facts, prompts, rows, prompt, completion)
    )
    return (
        prompts * _forward(facts, prompt, 1) / (TRAINING * arithmetic)
        + steps * (bound + DRAW_OVERHEAD_S)
        + 4 * numbers / speed.elementwise
        + (steps + prompts) * facts.layers * speed.layer_s
    )


def active_bytes(facts: ModelFacts) -> float:
    """Weights that one token's pass reads: of experts only those that are asked."""
    return facts.weight_bytes * min(1.0, facts.active_parameters / max(1, facts.parameters))


def _update(facts: ModelFacts, sizes: Sizes, job: StepJob, plan: MemoryPlan, speed: Speed) -> float:
    """Forward, backward by the inputs (and, in full training, by the weights), what is run again, the head thrice;
    the softmaxes and activations between them; gradients added up and applied."""
    shared = plan.share_prompts and sizes.shares_prompts and job.learnt_group > 1
    rows = job.rows_per_slice * job.slices_per_step
    prompt, completion = job.usual_prompt, job.usual_completion
    prompts = rows / job.learnt_group if shared else rows
    if shared:
        body = _body(facts, prompt) * prompts + _body(facts, completion) * rows
    else:
        body = _body(facts, prompt + completion) * rows
    again = 1.0 if plan.layer_wise or plan.segment_tokens or not plan.hold else 0.0
    again += float(plan.layer_wise and plan.segment_tokens > 0)
    passes = 2.0 + again + (1.0 if sizes.full else 0.0)
    # The prompt's own backward pass runs its forward again unless it is held.
    if shared and not (plan.layer_wise or plan.segment_tokens or plan.hold_prompt):
        body += _body(facts, prompt) * prompts / passes
    head = 0 if job.numbers else rows * completion * 2 * facts.hidden * facts.vocabulary
    heads = 2.0 + (1.0 if job.entropy else 0.0) + (2.0 if sizes.full else 0.0)
    work = passes * body + heads * head + job.score_passes * (body + head)
    if job.critic:  # it learns of every slice and reads every rollout, without the head
        work += (passes + job.rollouts_per_step * job.rows / max(rows, 1)) * body
    batches = prompts * ceil(job.learnt_group / plan.train_rows) if shared else ceil(rows / plan.train_rows)
    parts = _segments(plan, completion if shared else prompt + completion)
    calls = (batches * parts + (prompts * _segments(plan, prompt) if shared else 0)) * facts.layers
    calls *= passes + job.score_passes
    numbers = _scored(facts, sizes, job, rows) + ACTIVATED * (
        _activations(sizes, prompts * prompt + rows * completion) * passes / 2
        + _attention(facts, prompts, rows, prompt, completion) * (passes / 2 + SCORED_ONLY * job.score_passes)
    )
    return (
        work / (TRAINING * _arithmetic(facts, speed))
        + 4 * numbers / speed.elementwise
        + _applied(facts, sizes, plan, batches, rows * completion) / speed.bandwidth
        + batches * BATCH_OVERHEAD_S
        + calls * speed.trained_layer_s
    )


def _segments(plan: MemoryPlan, tokens: int) -> int:
    """Into how many passes a row of so many tokens is parted."""
    return max(1, ceil(tokens / plan.segment_tokens)) if plan.segment_tokens else 1


def _scored(facts: ModelFacts, sizes: Sizes, job: StepJob, rows: int) -> float:
    """Logits that are turned into log-probabilities and their gradients, as so many that are drawn from."""
    share = 1 + SCORED_ONLY * job.score_passes
    share += WITH_ENTROPY if job.entropy else 0.0
    share += TRAINED_HEAD if sizes.full else 0.0
    return 0.0 if job.numbers else SCORED * share * rows * job.usual_completion * facts.vocabulary


def _applied(facts: ModelFacts, sizes: Sizes, plan: MemoryPlan, batches: float, scored: int) -> float:
    """Bytes that go through memory for the gradients: added up after each micro-batch (the head's, where it is
    trained, after each of its chunks), and applied once."""
    of_head = 4 * facts.hidden * facts.vocabulary * ceil(scored / plan.head_tokens) if sizes.full else 0
    return OPTIMIZER_TRAFFIC * sizes.trained + ADDED_TRAFFIC * (batches * sizes.trained + of_head)


def _arithmetic(facts: ModelFacts, speed: Speed) -> float:
    """Operations per second of the matrix products with this model's weights."""
    return speed.narrow if facts.quantised or facts.compute_bytes < 4 else speed.arithmetic


def _activations(sizes: Sizes, tokens: float) -> float:
    """Numbers that norms, rotations and the gate make for `tokens` in all layers."""
    return tokens * sizes.layers * (3.0 * sizes.intermediate + 6.0 * sizes.hidden)


def _attention(facts: ModelFacts, prompts: float, rows: float, prompt: int, completion: int) -> float:
    """Attention weights of all layers: prompts by themselves, and every completion with what it has before it."""
    pairs = prompts * prompt**2 / 2 + rows * completion * (prompt + completion / 2)
    return facts.layers * facts.heads * pairs


def _body(facts: ModelFacts, tokens: int) -> float:
    """Operations of one forward pass over a row of `tokens`, without the head."""
    inner = max(0, facts.active_parameters - facts.hidden * facts.vocabulary)
    return tokens * (2.0 * inner + 2.0 * facts.layers * facts.query_width * tokens)


def _forward(facts: ModelFacts, tokens: int, scored: int) -> float:
    return _body(facts, tokens) + scored * 2.0 * facts.hidden * facts.vocabulary
