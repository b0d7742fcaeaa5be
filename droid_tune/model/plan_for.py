"""From one memory budget to a plan: the choice itself is `droid_tune.estimate.planning`, which the window asks too.

Here it is made for a loaded model, whose arrays and caches were counted and whose shortcuts were proved.
"""

from __future__ import annotations

from dataclasses import replace

import mlx.core as mx

from droid_tune import words
from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.run import RunConfig
from droid_tune.errors import UserError
from droid_tune.estimate.job import StepJob, asks_teacher, has_entropy_bonus, reads_numbers
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.planning import choose, smallest
from droid_tune.estimate.sizes import Sizes
from droid_tune.machine.budget import budget_of
from droid_tune.machine.host import read_host
from droid_tune.model.footprint import device_name, footprint
from droid_tune.model.policy import Policy
from droid_tune.names import Backward


def plan_for(
    config: RunConfig, policy: Policy, *, prompt_length: int | None = None, answer_length: int | None = None
) -> MemoryPlan:
    """The plan of a run. `prompt_length` is the longest prompt where known, `answer_length` the longest of answers that
    are compared. Raises UserError where the settings ask for what this model cannot do."""
    if config.samples and config.sampling.cache_bits and not policy.architecture.decodes_shared:
        raise UserError(
            f"`kv_cache` {config.sampling.kv_cache} is not known for this model, whose caches are of another kind",
            remedy="use `kv_cache: as_is`",
        )
    memory = config.memory
    return best_plan(
        footprint(policy, config),
        job_for(config, prompt_length, answer_length),
        budget_of(memory, read_host()),
        policy,
        memory.backward,
        decode_rows=memory.rows_per_decode_batch,
        train_rows=memory.rows_per_micro_batch,
    )


def job_for(config: RunConfig, prompt_length: int | None = None, answer_length: int | None = None) -> StepJob:
    """The sizes of one step; lengths that are not known are as long as the settings allow."""
    method, training = config.method, config.training
    if isinstance(method, SamplingMethodConfig):
        completion = config.sampling.max_completion_length
        prompt = prompt_length or max(1, training.max_seq_length - completion)
        job = step_job(training.batch_size, method.group_size, prompt, completion)
        return replace(
            job,
            trained=method.learnt_group,
            rows_per_slice=training.batch_size * method.learnt_group,
            entropy=has_entropy_bonus(method),
            teacher=asks_teacher(method),
        )
    if isinstance(method, PreferenceConfig):
        prompt, answer = prompt_length or 0, answer_length or training.max_seq_length
        shared = 1 if method.learns_prompt else method.answers
        job = step_job(training.batch_size * method.answers // shared, shared, prompt, answer)
        return replace(job, reinforcement=False, together=method.answers, **_read_out(method))
    return replace(step_job(training.batch_size, 1, 0, training.max_seq_length), reinforcement=False)


def _read_out(method: PreferenceConfig) -> dict[str, bool]:
    numbers = reads_numbers(method)
    return {"numbers": numbers, "reports_entropy": not numbers}


def step_job(prompts: int, group_size: int, prompt_length: int, completion_length: int) -> StepJob:
    """A reinforcement step of these sizes."""
    return StepJob(
        reinforcement=True,
        prompts=prompts,
        group_size=group_size,
        longest_prompt=prompt_length,
        longest_completion=completion_length,
        usual_prompt=prompt_length,
        usual_completion=completion_length,
        steps=1,
        rows_per_slice=prompts * group_size,
    )


def limit_memory(budget: int) -> None:
    """Keep MLX inside the budget: a soft limit, and a small cache of freed buffers (ragged lengths would fill it)."""
    mx.set_memory_limit(budget)
    mx.set_cache_limit(max(budget // 16, 32 * 2**20))


def best_plan(
    size: Sizes,
    job: StepJob,
    budget: int,
    policy: Policy,
    backward: Backward = "auto",
    *,
    decode_rows: int | None = None,
    train_rows: int | None = None,
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
    )
    note = policy.architecture.why_not if choice.fits else f"more than the budget of {words.size(budget)}"
    return replace(choice.plan, note=note)


def smallest_plan(size: Sizes, job: StepJob, policy: Policy) -> MemoryPlan:
    """The least memory that this model and job can train with; as many rows are decoded as that leaves room for."""
    choice = smallest(size, job, device_name())
    return replace(choice.plan, note=policy.architecture.why_not)
