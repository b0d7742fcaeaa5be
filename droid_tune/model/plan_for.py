"""From one memory budget to a plan: the choice itself is `droid_tune.estimate.planning`, which the window asks too.

Here it is made for a loaded model, whose arrays and caches were counted and whose shortcuts were proved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import mlx.core as mx

from droid_tune import words
from droid_tune.config.run import RunConfig
from droid_tune.config.training_config import MemoryConfig
from droid_tune.errors import UserError
from droid_tune.estimate.busy_tokens import UNMEASURED, Busy
from droid_tune.estimate.job import DataLengths, StepJob, job_of
from droid_tune.estimate.memory import peak_of
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.planning import choose, smallest
from droid_tune.estimate.sizes import Sizes
from droid_tune.machine.budget import budget_of
from droid_tune.machine.host import read_host
from droid_tune.model.footprint import device_name, facts_of_policy, footprint
from droid_tune.model.policy import Policy
from droid_tune.names import Backward

#: bytes of freed buffers that are always kept for reuse
LEAST_KEPT = 32 * 2**20


@dataclass(frozen=True)
class Planner:
    """What the plan of a loaded model follows from."""

    policy: Policy
    memory: MemoryConfig
    sizes: Sizes
    job: StepJob

    def plan(self, busy: Busy = UNMEASURED) -> MemoryPlan:
        """The plan, where `busy` was measured to be best."""
        return best_plan(
            self.sizes,
            self.job,
            budget_of(self.memory, read_host()),
            self.policy,
            self.memory.backward,
            decode_rows=self.memory.rows_per_decode_batch,
            train_rows=self.memory.rows_per_micro_batch,
            busy=busy,
        )


def planner_for(config: RunConfig, policy: Policy, lengths: DataLengths | None = None) -> Planner:
    """For a run whose rows have these `lengths`; None: as long as the settings allow. Raises UserError where the settings
    ask for what this model cannot do."""
    if config.samples and config.sampling.cache_bits and not policy.architecture.decodes_shared:
        raise UserError(
            f"`kv_cache` {config.sampling.kv_cache} is not known for this model, whose caches are of another kind",
            remedy="use `kv_cache: as_is`",
        )
    most = config.training.max_seq_length
    job = job_of(config, facts_of_policy(policy), lengths or DataLengths(most, most, most, most))
    return Planner(policy, config.memory, footprint(policy, config), job)


def plan_for(config: RunConfig, policy: Policy, lengths: DataLengths | None = None) -> MemoryPlan:
    """The plan of a run for which nothing was measured. Raises UserError as `planner_for` does."""
    return planner_for(config, policy, lengths).plan()


def limit_memory(budget: int, peak: int | None = None) -> None:
    """Keep MLX inside the budget: a soft limit, and a small cache of freed buffers (ragged lengths would fill it).

    `peak` is the run's estimated one, where it is known: half as much again is enough to be kept for reuse.
    """
    mx.set_memory_limit(budget)
    kept = max(budget // 16, LEAST_KEPT)
    mx.set_cache_limit(kept if peak is None else min(kept, max(3 * peak // 2, LEAST_KEPT)))


def best_plan(
    size: Sizes,
    job: StepJob,
    budget: int,
    policy: Policy,
    backward: Backward = "auto",
    *,
    decode_rows: int | None = None,
    train_rows: int | None = None,
    busy: Busy = UNMEASURED,
) -> MemoryPlan:
    """The fastest plan that fits `budget`; the smallest where none does, and its note says so."""
    choice = choose(
        size,
        job,
        budget,
        backend=device_name(),
        backward=backward,
        decode_rows=decode_rows,
        train_rows=train_rows,
        busy=busy,
    )
    note = policy.architecture.why_not if choice.fits else f"more than the budget of {words.size(budget)}"
    plan = replace(choice.plan, note=note)
    if plan.merge and not plan.joins and _takes_few_operations(policy):
        plan = _beside(size, job, plan)
    return plan


def _takes_few_operations(policy: Policy) -> bool:
    """Whether a token takes few operations with adapters beside the weights, and merging them saves next to nothing (S, 8 rows:
    within 4 %, M within 4 % the other way, 2026-12-01)."""
    known = policy.architecture.decodes_joined and policy.architecture.decodes_shared
    return known and policy.adapter.type == "lora" and device_name() == "cpu"


def _beside(size: Sizes, job: StepJob, plan: MemoryPlan) -> MemoryPlan:
    """`plan` without copies of weights; with those of prompts where they leave the peak as it is."""
    joined = replace(plan, merge=False, joins=True)
    fits = peak_of(size, job, joined).bytes <= plan.estimated_bytes
    return joined if fits else replace(joined, joins=False)


def smallest_plan(size: Sizes, job: StepJob, policy: Policy) -> MemoryPlan:
    """The least memory that this model and job can train with; as many rows are decoded as that leaves room for."""
    choice = smallest(size, job, device_name())
    return replace(choice.plan, note=policy.architecture.why_not)
