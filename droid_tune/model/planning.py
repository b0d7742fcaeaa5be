"""From one memory budget to a plan: how many rows run together, and how gradients flow.

More rows at once stop paying as soon as the device is busy; beyond that they cost memory only. So a plan aims at that
many tokens per micro-batch, and gives way in this order when the budget is short: fewer rows, then one layer at a time
(a quarter to a half slower), then fewer rows again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import mlx.core as mx
import psutil

from droid_tune.config.methods import PolicyMethodConfig
from droid_tune.config.run import MemoryConfig, RunConfig
from droid_tune.model.footprint import TRANSIENT, Footprint, footprint
from droid_tune.model.plan import Plan, readable
from droid_tune.model.policy import Policy

#: tokens per micro-batch from which a device is busy, and tokens per head chunk
BUSY_TOKENS = {"cpu": 128, "gpu": 2048}
HEAD_TOKENS = {"cpu": 64, "gpu": 512}
LEAST_HEAD_TOKENS = 16
PREFILL_TOKENS = 512


@dataclass(frozen=True)
class Job:
    """The sizes of one training step."""

    prompts: int
    group_size: int
    prompt_length: int
    completion_length: int
    generates: bool = True


def plan_for(config: RunConfig, policy: Policy, *, prompt_length: int | None = None) -> Plan:
    """The plan of a run. `prompt_length` is the longest prompt where known."""
    method, memory = config.method, config.memory
    if isinstance(method, PolicyMethodConfig):
        completion = config.sampling.max_completion_length
        prompt = prompt_length or max(1, config.training.max_seq_length - completion)
        job = Job(config.training.batch_size, method.group_size, prompt, completion)
    else:
        job = Job(config.training.batch_size, 1, 1, config.training.max_seq_length, generates=False)
    plan = best_plan(footprint(policy), job, memory_budget(memory), policy, memory.backward)
    if memory.rows_per_decode_batch:
        plan = replace(plan, decode_rows=memory.rows_per_decode_batch)
    if memory.rows_per_micro_batch:
        plan = replace(plan, train_rows=memory.rows_per_micro_batch)
    return plan


def memory_budget(memory: MemoryConfig) -> int:
    """Bytes that a run may use: a share of what the GPU is recommended to hold, or of the machine's memory."""
    if memory.budget_mb:
        return memory.budget_mb * 2**20
    limit = mx.device_info().get("max_recommended_working_set_size") or psutil.virtual_memory().total
    return int(memory.budget_fraction * int(limit))


def limit_memory(budget: int) -> None:
    """Keep MLX inside the budget: a soft limit, and a small cache of freed buffers (ragged lengths would fill it)."""
    mx.set_memory_limit(budget)
    mx.set_cache_limit(max(budget // 16, 32 * 2**20))


def best_plan(size: Footprint, job: Job, budget: int, policy: Policy, backward: str = "auto") -> Plan:
    """The first candidate that fits `budget`; the smallest where none does, and its note says so."""
    smallest: Plan | None = None
    for candidate in candidates(job, policy, backward):
        plan = replace(candidate, estimated_bytes=estimate(size, job, candidate))
        if plan.estimated_bytes <= budget:
            return _explained(plan, policy)
        if smallest is None or plan.estimated_bytes < smallest.estimated_bytes:
            smallest = plan
    assert smallest is not None
    note = f"more than the budget of {readable(budget)}"
    return replace(smallest, note=note)


def smallest_plan(size: Footprint, job: Job, policy: Policy) -> Plan:
    """The least memory that this model and job can train with; as many rows are decoded as that leaves room for."""
    least = min(candidates(job, policy), key=lambda plan: _training(size, job, plan))
    room = _training(size, job, least)
    fitting = [
        rows
        for rows in _halved(job.prompts * job.group_size, 1)
        if _rollout(size, job, replace(least, decode_rows=rows)) <= room
    ]
    plan = replace(least, decode_rows=fitting[0] if fitting else 1)
    return _explained(replace(plan, estimated_bytes=estimate(size, job, plan)), policy)


def candidates(job: Job, policy: Policy, backward: str = "auto") -> Iterator[Plan]:
    """From the fastest plan to the smallest."""
    device = "gpu" if mx.default_device() == mx.gpu else "cpu"
    rows = job.prompts * job.group_size
    tokens = (
        job.completion_length if _shares(job, policy, backward) else job.prompt_length + job.completion_length
    )
    most = job.group_size if _shares(job, policy, backward) else rows
    busy = min(most, max(1, -(-BUSY_TOKENS[device] // tokens)))
    ways = {"auto": (False, True), "layerwise": (True,)}.get(backward, (False,))
    for layer_wise in (way for way in ways if not way or policy.architecture.layer_wise):
        for train_rows in _halved(busy, 1):
            for head_tokens in _halved(
                HEAD_TOKENS[device], HEAD_TOKENS[device] if train_rows > 1 else LEAST_HEAD_TOKENS
            ):
                for decode_rows in _halved(rows, rows if train_rows > 1 else 1):
                    yield Plan(
                        decode_rows=decode_rows,
                        train_rows=train_rows,
                        head_tokens=head_tokens,
                        layer_wise=layer_wise,
                        share_prompts=backward != "plain",
                        prefill_tokens=PREFILL_TOKENS,
                    )


def _halved(most: int, least: int) -> Iterator[int]:
    while most > least:
        yield most
        most = max(least, most // 2)
    yield least


def _shares(job: Job, policy: Policy, backward: str = "auto") -> bool:
    return policy.architecture.shares_prompts and job.group_size > 1 and backward != "plain"


def estimate(size: Footprint, job: Job, plan: Plan) -> int:
    """Peak bytes of a step under `plan`: the larger of rollout and training, on top of what is always there."""
    return size.steady + max(_rollout(size, job, plan) if job.generates else 0, _training(size, job, plan))


def _rollout(size: Footprint, job: Job, plan: Plan) -> int:
    rows = min(plan.decode_rows, job.prompts * job.group_size)
    prompts = min(job.prompts, -(-rows // job.group_size))
    cached = size.kv_per_token * (prompts * job.prompt_length + rows * job.completion_length)
    logits = 4 * 4 * rows * size.vocabulary
    prefill = int(TRANSIENT * size.held * min(plan.prefill_tokens, job.prompt_length))
    return cached + rows * size.state_per_row + logits + max(prefill, cached // size.layers)


def _training(size: Footprint, job: Job, plan: Plan) -> int:
    tokens = plan.train_rows * job.completion_length
    if not plan.share_prompts or job.group_size == 1:
        tokens += plan.train_rows * job.prompt_length
    prompt_leaves = 3 * size.kv_per_token * job.prompt_length
    head = 4 * 4 * plan.head_tokens * size.vocabulary
    states = 4 * tokens * size.hidden
    prompt = int(TRANSIENT * size.held * job.prompt_length) + size.layers * size.hidden * job.prompt_length
    if plan.layer_wise:
        body = int(TRANSIENT * size.held * tokens) + size.layers * size.hidden * tokens
    else:
        body = int((size.layers + TRANSIENT) * size.held * tokens)
    return prompt_leaves + states + max(body, body // 2 + head, prompt)


def _explained(plan: Plan, policy: Policy) -> Plan:
    """The plan with the reason why a faster way is not open to this model, if it is not."""
    return replace(plan, note=policy.architecture.why_not)
