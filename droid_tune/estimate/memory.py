"""Peak memory of a step from a few sizes: what is always there, the rollout's share and the update's.

The shape of the formulas follows the engine's passes (model/gradients, rollout/decoders.py): what a
layer keeps for its backward pass, what it needs besides while it runs, the head in chunks, keys and values. The
factors were fitted to measured peaks of random Llama models under GRPO and SFT, and tried on reward models and PPO
(tests/benchmarks/estimate_accuracy.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from droid_tune.estimate.job import StepJob
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import Sizes

#: keys and values of a prompt that is not shared are allocated in blocks of so many tokens (mlx-lm), those of completions in
#: others, but for no more than a completion may have
PROMPT_BLOCK, COMPLETION_BLOCK = 256, 64
#: attention weights that exist at a time in training, all heads and rows together (2**19 are as quick on processors as 2**22
#: for 2,048 tokens and a third quicker for 512, 2026-12-01; on a GPU, not measured, each block is some launches), and the
#: fewest queries of a block
READ_WEIGHTS = 2**22
BLOCK_WEIGHTS = {"cpu": 2**19, "metal": READ_WEIGHTS}
LEAST_BLOCK = 64
#: keys and values of a layer, in numbers, that copies of shared prompts may add where rows are decoded by few operations: up
#: to there that is quicker (the starter and S, 8 to 32 rows on 1 to 4 prompts of 128 to 512 tokens, 2026-12-01: 0.47 to 0.86
#: of the CPU time below it, 1.0 to 1.3 above)
MOST_COPIED = 2**19


@dataclass(frozen=True)
class Factors:
    """How many arrays of each width a layer holds per token, and what its worst moment needs besides."""

    held_intermediate: float = 4.3
    #: of experts, whose inputs and outputs are counted below; behind GELU, and behind gpt-oss's clipped gate (2026-12-01)
    held_experts: float = 3.3
    held_gelu: float = 7.0
    held_clipped: float = 8.0
    #: further ones of a token's own width: for each expert that it asks, for the choice of them, of Gemma's further norms
    held_routed: float = 2.8
    held_choice: float = 3.4
    held_norms: float = 6.0
    held_hidden: float = 1.5
    held_query: float = 1.6
    held_key: float = 1.0
    #: attention weights that MLX keeps: capped ones, and those beside a sink (2026-12-01)
    held_scores: float = 2.0
    held_sinks: float = 1.05
    #: float32 arrays of layers that hold states (Qwen 3.5's gated delta rule and Mamba-2, 2026-12-01)
    held_states: float = 9.0
    #: those of a span of chunks, and its tokens
    span: float = 10.0
    span_tokens: int = 256
    #: copies of a shared prompt's keys and values for each row
    held_prefix: float = 0.15
    #: multiples of one layer's held bytes while it is differentiated
    transient: float = 1.4
    transient_scores: float = 2.9
    #: more of it where experts are asked
    transient_routed: float = 0.6
    #: as `transient`, for rows that share no prompt
    transient_whole: float = 0.9
    #: where a group shares its prompt
    transient_shared: float = 5.1
    #: one layer run and differentiated by itself
    layered_scores: float = 2.5
    #: the same of kept weights, and while the last layer is differentiated
    layered_kept: float = 3.3
    transient_kept: float = 2.0
    transient_sinks: float = 3.8
    #: the same without a gradient
    forward: float = 0.5
    forward_scores: float = 1.95
    #: float32 arrays of a head chunk (tokens x vocabulary): with an entropy bonus, with entropies that are only reported,
    #: and in supervised training (a teacher's are the job's `teacher_arrays`)
    head_entropy: float = 6.5
    head_reported: float = 4.5
    head_plain: float = 3.3
    #: the same, of the student's or half of the teacher's vocabulary, while distributions are sorted to be compared
    head_other_tokens: float = 16.0
    #: the same where the head itself is trained
    trained_head_entropy: float = 9.5
    trained_head_reported: float = 5.0
    trained_head_plain: float = 2.2
    #: float32 arrays (rows x vocabulary) while a token is drawn, without filters and with
    draw: float = 1.95
    draw_filtered: float = 6.0
    #: as `transient_whole`, more of it where the matrices themselves are trained
    transient_full: float = 1.1
    #: arrays of the trained size while the optimizer applies them
    applied: float = 0.85
    #: the same for the largest array alone: an optimizer's temporaries are of one array at a time
    applied_largest: float = 4.25
    #: copies of the weights that DoRA makes anew, while a layer is differentiated
    rebuilt: float = 1.65
    #: keys and values of a prompt beside the leaves themselves: their gradients, and the sum of those
    leaf_gradients: float = 3.0
    #: float32 arrays of the scored tokens' last states and their gradients
    held_last: float = 6.0
    #: keys and values of long rows that go in segments: themselves, and their gradients so far
    segment_cache: float = 3.0
    #: what the framework itself holds
    framework: int = 250_000


FACTORS = Factors()


@dataclass(frozen=True)
class Peak:
    """`bytes` is the largest of the stages; `stages` their totals, `parts` what each of them is made of."""

    bytes: int
    stages: dict[str, int] = field(default_factory=dict[str, int])
    parts: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])

    @property
    def worst(self) -> str:
        """The stage that needs the most."""
        return max(self.stages, key=lambda name: self.stages[name])


def peak_of(sizes: Sizes, job: StepJob, plan: MemoryPlan, factors: Factors = FACTORS) -> Peak:
    """Peak bytes of a run's steps, by stage: rollout, update, and the optimizer's own moment."""
    always = {
        "weights": sizes.weights,
        "adapters": sizes.adapters,
        "optimizer": sizes.optimizer,
        "reference": sizes.reference,
        "teacher": sizes.teacher.facts.weight_bytes if sizes.teacher else 0,
        "reward models": sizes.judges,
        "framework": factors.framework,
    }
    stages = {"update": update_parts(sizes, job, plan, factors)}
    stages["apply"] = {"gradients": apply_bytes(sizes, factors)}
    if job.reinforcement:
        stages["rollout"] = rollout_parts(sizes, job, plan, factors)
        if plan.merge or plan.joins:
            stages["rollout"]["merged"] = plan.merge * sizes.mergeable + plan.joins * _joined(sizes)
    parts = {name: {**always, **own} for name, own in stages.items()}
    totals = {name: sum(own.values()) for name, own in parts.items()}
    return Peak(max(totals.values()), totals, parts)


def apply_bytes(sizes: Sizes, factors: Factors = FACTORS) -> int:
    """Gradients, clipped ones, and what the optimizer makes anew while it applies them."""
    return int(factors.applied * sizes.trained + factors.applied_largest * sizes.largest_trained)


def rollout_parts(sizes: Sizes, job: StepJob, plan: MemoryPlan, factors: Factors = FACTORS) -> dict[str, int]:
    """Keys and values, and the busiest moment: reading the prompts, or a step of all rows with its draw."""
    rows = min(plan.decode_rows, job.rows)
    prompts = min(job.prompts, ceil(rows / job.group_size))
    prompt, completion = job.longest_prompt, job.longest_completion
    copied = plan.joins and (rows - prompts) * prompt * 2 * sizes.key_width <= MOST_COPIED
    copies = prompts * prompt if sizes.shares_prompts and not copied else rows * prompt
    own = rows * (completion if sizes.shares_prompts else _whole(completion, COMPLETION_BLOCK))
    chunk = min(plan.prefill_tokens, prompt)
    read = prompts * (prompt if sizes.shares_prompts else _whole(prompt, PROMPT_BLOCK)) * sizes.key_values
    reading = {
        "kv_cache": read,
        "activations": _forward(sizes, max(1, plan.joined_tokens // max(1, prompt)), chunk, prompt, factors),
    }
    draws = factors.draw_filtered if job.filters else factors.draw
    logits = int(draws * 4 * rows * sizes.vocabulary)
    starting = {"kv_cache": read + copies * sizes.kept_key_values, "activations": 0, "logits": logits}
    held = (copies + own) * sizes.kept_key_values + rows * sizes.state_per_row
    decoding = {
        "kv_cache": held,
        "activations": _forward(sizes, rows, 1, prompt + completion, factors) + held // sizes.layers,
        "logits": logits,
    }
    return max((reading, starting, decoding), key=lambda moment: sum(moment.values()))


def _joined(sizes: Sizes) -> int:
    """Bytes of the matrices that make queries, keys and values at once, beside the merged ones."""
    return 4 * sizes.layers * sizes.hidden * (sizes.query_width + 2 * sizes.key_width)


def update_parts(sizes: Sizes, job: StepJob, plan: MemoryPlan, factors: Factors = FACTORS) -> dict[str, int]:
    """Gradients, the chosen backward's activations, the head's chunk: the worst of prompt, body and head."""
    shared = plan.share_prompts and sizes.shares_prompts and job.learnt_group > 1
    together = 1 if _speaks_otherwise(sizes) else plan.train_rows
    if not shared:
        rows = _whole_units(min(together, job.rows_per_slice), job.together)
        tokens = job.longest_prompt + job.longest_completion
        return _passes(sizes, job, plan, rows, tokens, 0, factors)
    rows = min(together, job.learnt_group)
    prompt = job.longest_prompt
    leaves = int((1 + factors.leaf_gradients) * (prompt * sizes.key_values + sizes.state_per_row))
    inputs = sizes.layers * prompt * sizes.hidden * sizes.item
    body = _passes(sizes, job, plan, rows, job.longest_completion, prompt, factors)
    part = _segment(sizes, plan, prompt)
    back = _layered(sizes, 1, part, prompt, factors)
    if plan.hold_prompt or not sizes.layer_wise or part < prompt:
        back += (sizes.layers - 1) * _layer(sizes, 1, part, prompt, factors)
    read = {"gradients": _gradients(sizes).summed, "activations": back, "head": 0}
    return {"prompt_kv": leaves + inputs, **max((body, read), key=lambda moment: sum(moment.values()))}


@dataclass(frozen=True)
class _Gradients:
    """Bytes of gradients: of the micro-batches so far while another is run, the same while a layer is differentiated, and
    when a micro-batch's are all there and added to them."""

    before: int
    during: int
    summed: int


def _gradients(sizes: Sizes, *, several: bool = True) -> _Gradients:
    """Those of the layers come one by one; the table of embeddings, where it is trained, gets one of its own from the head.
    `several`: there are micro-batches before."""
    before, table = several * sizes.trained, sizes.trained_table
    during = min(sizes.trained, table + (sizes.trained - table) // max(1, sizes.trained_layers))
    return _Gradients(
        before + table, before + during, before + sizes.trained + max(2 * table, sizes.largest_trained)
    )


def _whole_units(rows: int, together: int) -> int:
    """Rows of which those that are compared are not parted, as the passes cut them, unless fewer are asked for."""
    return rows - rows % together if rows > together else rows


def _passes(
    sizes: Sizes, job: StepJob, plan: MemoryPlan, rows: int, tokens: int, prefix: int, factors: Factors
) -> dict[str, int]:
    """A micro-batch of `rows` x `tokens` after `prefix` shared ones: activations and head at their worst moment."""
    part = _segment(sizes, plan, tokens)
    segmented = part < tokens
    one = _layer(sizes, rows, part, prefix + tokens, factors)
    worst = _transient(sizes, rows, part, prefix + tokens, factors)
    scored = rows if job.numbers else rows * job.longest_completion
    states = int(factors.held_last * 4 * scored * sizes.hidden) + _told(sizes, job)
    head = _head(sizes, job, min(plan.head_tokens, scored), factors)
    layers = sizes.layers if prefix or segmented else sizes.trained_layers
    several = bool(prefix) or segmented or rows < job.rows_per_slice or job.slices_per_step > 1
    gradients = _gradients(sizes, several=several)
    during = gradients.during
    if plan.layer_wise and sizes.layer_wise:
        held = sizes.layers * rows * part * sizes.hidden * sizes.item
        worst, layers = _layered(sizes, rows, part, prefix + tokens, factors) + held, 0
        during = gradients.summed  # those of all layers are gathered before they are added to those so far
    else:
        held = layers * one if plan.hold else 0
    cache = 0
    if segmented:
        held = 0
        cache = rows * (tokens + (prefix if rows > 1 else 0)) * sizes.key_values
        cache += rows * sizes.state_per_row * ceil(tokens / part)
    backward = {
        "gradients": during,
        "activations": layers * one + worst + states + int(factors.segment_cache * cache),
        "head": 0,
    }
    scoring = {
        "gradients": gradients.before,
        "activations": held + states + cache,
        "head": head + sizes.trained_table,
    }
    summing = {"gradients": gradients.summed, "activations": states, "head": 0}
    moments = [backward, scoring, summing]
    if job.score_passes and not sizes.teacher:
        looked = min(plan.score_rows, job.learnt_group if prefix else job.rows_per_slice)
        read = _forward(sizes, looked, tokens, prefix + tokens, factors)
        states = looked * job.longest_completion * sizes.hidden * 4
        moments.append({"gradients": 0, "activations": read + 2 * states, "head": head})
    if sizes.teacher:
        graded = 1 if _speaks_otherwise(sizes) else max(rows, min(plan.score_rows, job.rows_per_slice))
        read = _forward(sizes.of_teacher, graded, tokens, prefix + tokens, factors)
        moments.append({"gradients": gradients.before, "activations": read + _told(sizes, job), "head": 0})
    return max(moments, key=lambda moment: sum(moment.values()))


def _segment(sizes: Sizes, plan: MemoryPlan, tokens: int) -> int:
    """How many of `tokens` go at a time."""
    parted = plan.segment_tokens and sizes.shares_prompts
    return min(tokens, plan.segment_tokens) if parted else tokens


def _told(sizes: Sizes, job: StepJob) -> int:
    """What a teacher says of a slice's tokens: hidden states, or distributions where its tokens are others."""
    if not job.teacher_arrays:
        return 0
    tokens, teacher = job.rows_per_slice * job.longest_completion, sizes.of_teacher
    return tokens * (4 * teacher.vocabulary if _speaks_otherwise(sizes) else teacher.hidden * teacher.item)


def _speaks_otherwise(sizes: Sizes) -> bool:
    return sizes.teacher is not None and sizes.teacher.other_tokens


def _head(sizes: Sizes, job: StepJob, tokens: int, factors: Factors) -> int:
    """A chunk of `tokens` at the head; a teacher of other tokens is compared over whole rows."""
    if job.numbers:
        return 0
    if job.teacher_arrays and _speaks_otherwise(sizes):
        widest = max(sizes.vocabulary, sizes.of_teacher.vocabulary // 2)
        return int(factors.head_other_tokens * 4 * job.longest_completion * widest)
    more = max(0, sizes.of_teacher.vocabulary - sizes.vocabulary) if job.teacher_arrays else 0
    return int(4 * tokens * (_head_copies(sizes, job, factors) * sizes.vocabulary + more))


def _head_copies(sizes: Sizes, job: StepJob, factors: Factors) -> float:
    if job.teacher_arrays:
        return job.teacher_arrays
    if job.entropy:
        return factors.trained_head_entropy if sizes.full else factors.head_entropy
    if job.reinforcement or job.reports_entropy:
        return factors.trained_head_reported if sizes.full else factors.head_reported
    return factors.trained_head_plain if sizes.full else factors.head_plain


def _layer(sizes: Sizes, rows: int, tokens: int, seen: int, factors: Factors) -> int:
    """What one layer keeps of `rows` x `tokens` for its backward pass; each token sees up to `seen`."""
    linear = _linear(sizes, rows, tokens, seen, factors, mean=True) + 4 * sizes.unpacked
    if not sizes.keeps_attention:
        return int(linear)
    kept = factors.held_sinks if sizes.gate == "clipped" else factors.held_scores
    return int(linear + kept * sizes.item * rows * sizes.heads * tokens * seen)


def _transient(sizes: Sizes, rows: int, tokens: int, seen: int, factors: Factors) -> int:
    """What the layer that is just being differentiated needs besides."""
    copies = factors.transient_shared if seen > tokens else factors.transient_scores
    if sizes.keeps_attention and seen == tokens:
        copies = (
            factors.transient_sinks if sizes.gate == "clipped" else factors.transient_kept * sizes.item / 4
        )
    multiple = factors.transient if seen > tokens else factors.transient_whole
    if sizes.full:
        multiple += factors.transient_full
    linear = multiple * _linear(sizes, rows, tokens, seen, factors) + factors.rebuilt * 4 * sizes.rebuilt
    spans = _spans(sizes, rows, tokens, factors) + (seen == tokens) * _widening(sizes, rows, tokens)
    return int(linear + spans + copies * _weights(sizes, rows, tokens, seen))


def _layered(sizes: Sizes, rows: int, tokens: int, seen: int, factors: Factors) -> int:
    """One layer that is run again and differentiated by itself (model/gradients/layers.py)."""
    multiple = (
        1 + factors.transient + (factors.transient_routed if sizes.routed and sizes.gate == "silu" else 0)
    )
    linear = multiple * _linear(sizes, rows, tokens, seen, factors)
    linear += 4 * (sizes.unpacked + factors.rebuilt * sizes.rebuilt)
    copies = factors.layered_scores
    if sizes.keeps_attention:
        copies = factors.transient_sinks if sizes.gate == "clipped" else factors.layered_kept * sizes.item / 4
    spans = _spans(sizes, rows, tokens, factors) + _widening(sizes, rows, tokens)
    return int(linear + spans + copies * _weights(sizes, rows, tokens, seen))


def _spans(sizes: Sizes, rows: int, tokens: int, factors: Factors) -> float:
    """What a recurrence needs while a span of its chunks is differentiated."""
    return 4 * factors.span * sizes.span_width * rows * min(tokens, factors.span_tokens)


def _forward(sizes: Sizes, rows: int, tokens: int, seen: int, factors: Factors) -> int:
    """One layer's needs without a gradient."""
    linear = factors.forward * _linear(sizes, rows, tokens, seen, factors)
    linear += 4 * (sizes.unpacked + sizes.rebuilt)
    fused = sizes.fused_attention and tokens > 1
    weights = 0 if fused else 4 * rows * sizes.heads * tokens * seen
    if tokens > 1 and not sizes.keeps_attention:
        weights = min(weights, 4 * max(READ_WEIGHTS, LEAST_BLOCK * rows * sizes.heads * seen))
    return int(linear + factors.forward_scores * weights)


def _linear(
    sizes: Sizes, rows: int, tokens: int, seen: int, factors: Factors, *, mean: bool = False
) -> float:
    """What a layer keeps besides attention weights: inputs of its matrices, their outputs, keys and values. Of layers that
    differ the widest, or a `mean` of them."""
    feeds = sizes.item * _gate(sizes, factors) * sizes.intermediate
    attends = sizes.item * (factors.held_query * sizes.query_width + factors.held_key * sizes.key_width)
    # Recurrences are float32 inside, what goes into them is of the model's own type.
    states = (2 + sizes.item / 2) * factors.held_states * (sizes.state_width if mean else sizes.widest_state)
    if mean:
        parts = sizes.feed_share * feeds + sizes.attention_share * attends + states
    else:
        parts = _widest(sizes, feeds, attends, states)
    kept = rows * tokens * (sizes.item * _of_hidden(sizes, factors) * sizes.hidden + parts)
    # DoRA's middles are kept.
    kept += rows * tokens * (4 * sizes.ranks + sizes.item * sizes.scaled)
    kept += _widened(sizes, rows, tokens)
    if seen > tokens:
        kept += factors.held_prefix * rows * seen * 2 * sizes.key_width * sizes.item
    return kept


def _widened(sizes: Sizes, rows: int, tokens: int) -> int:
    """Inputs of adapters, which are float32 whatever the model is."""
    return 4 * rows * tokens * sizes.adapted_inputs if sizes.item < 4 and not sizes.full else 0


def _widening(sizes: Sizes, rows: int, tokens: int) -> int:
    """Their gradients, of the layer that is being differentiated; beside GELU's own steps there is room for them."""
    return 0 if sizes.gate == "gelu" else _widened(sizes, rows, tokens)


def _widest(sizes: Sizes, feeds: float, attends: float, states: float) -> float:
    """Of the layers' parts those that one layer has: a state or attention, unless every layer attends."""
    attends = attends if sizes.attention_share else 0.0
    mixes = attends + states if sizes.attention_share == 1 else max(attends, states)
    return mixes + feeds if sizes.feed_share == 1 else max(mixes, feeds if sizes.feed_share else 0.0)


def _gate(sizes: Sizes, factors: Factors) -> float:
    if sizes.gate == "clipped":
        return factors.held_clipped
    if sizes.gate == "gelu":
        return factors.held_gelu
    return factors.held_experts if sizes.routed else factors.held_intermediate


def _of_hidden(sizes: Sizes, factors: Factors) -> float:
    of_experts = factors.held_choice + factors.held_routed * sizes.routed if sizes.routed else 0
    return factors.held_hidden + of_experts + (factors.held_norms if sizes.gate == "gelu" else 0)


def _weights(sizes: Sizes, rows: int, tokens: int, seen: int) -> int:
    """Bytes of the attention weights that exist at a time while a layer is differentiated: all of them, or those of
    one block (model/kernels: of rows in shared attention, of queries in lean attention and where rows are long)."""
    whole = rows * sizes.heads * tokens * seen
    if not sizes.keeps_attention:
        most = BLOCK_WEIGHTS["metal" if sizes.fused_attention else "cpu"]
        of_row, of_query = whole // rows, rows * sizes.heads * seen
        by_rows = seen > tokens and rows > 1 and of_row <= most
        block = most // of_row * of_row if by_rows else max(LEAST_BLOCK, most // of_query) * of_query
        whole = min(whole, block)
    return 4 * whole


def _whole(tokens: int, block: int) -> int:
    return ceil(tokens / block) * block
