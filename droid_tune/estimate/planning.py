"""The plan that stays inside a budget: the engine and the estimate make this one choice.

More rows at once stop paying as soon as the device is busy; beyond that they cost memory only. So a choice aims at
that many tokens per micro-batch and gives way in this order when the budget is short: fewer rows, then long rows a
segment at a time, then one layer at a time (a quarter to a half slower), then both. Of a small model every pass costs
more than what it computes: there all rows go at once, and each reads its prompt again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from droid_tune.estimate.busy_tokens import OPERATIONS, PASS_SECONDS, UNMEASURED, Busy, operations_a_layer
from droid_tune.estimate.job import StepJob
from droid_tune.estimate.memory import Peak, peak_of
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import Sizes
from droid_tune.names import Backward

#: tokens per head chunk
HEAD_TOKENS = {"cpu": 64, "metal": 512}
LEAST_HEAD_TOKENS = 16
#: of a small vocabulary a chunk holds as many logits as `HEAD_TOKENS` of one of 8,192 do: fewer chunks, each with its graph
SMALL_VOCABULARY, MOST_HEAD_TOKENS = 8192, 1024
PREFILL_TOKENS = 512
#: held-out rows that are answered together at most: 500 of the starter's take 0.71 s of CPU 128 at a time, 0.61 s 256 at a
#: time, 0.49 s all together (`packaging/bench --trl`'s rows, 2026-12-01)
MOST_EVALUATED = 512
#: an estimate may be this much too low, so a choice aims below the budget by as much
AIM = 0.9


@dataclass(frozen=True)
class Choice:
    """A plan and the peak that it leads to; `fits` is False where even the smallest exceeds the budget."""

    plan: MemoryPlan
    peak: Peak
    fits: bool


def choose(
    sizes: Sizes,
    job: StepJob,
    budget_bytes: int,
    *,
    backend: str = "cpu",
    backward: Backward = "auto",
    decode_rows: int | None = None,
    train_rows: int | None = None,
    busy: Busy = UNMEASURED,
) -> Choice:
    """The fastest plan whose peak stays within `AIM` of the budget, else the smallest there is.

    `decode_rows` and `train_rows` are the user's own, where given; `busy` is what this machine was measured to like best.
    """
    smallest: Choice | None = None
    for plan in candidates(sizes, job, backend, backward, decode_rows, train_rows, busy):
        peak = peak_of(sizes, job, plan)
        if peak.bytes <= AIM * budget_bytes:
            wide = replace(plan, joined_tokens=_read_together(sizes, job, plan, peak))
            if not decode_rows:
                wide = replace(wide, evaluate_rows=_answered_together(sizes, job, wide, peak))
            return _chosen(_merged(sizes, job, wide, peak, backend), peak, fits=True)
        if smallest is None or peak.bytes < smallest.peak.bytes:
            smallest = _chosen(plan, peak, fits=peak.bytes <= budget_bytes)
    assert smallest is not None
    return smallest


def candidates(
    sizes: Sizes,
    job: StepJob,
    backend: str,
    backward: Backward,
    decode_rows: int | None = None,
    train_rows: int | None = None,
    busy: Busy = UNMEASURED,
) -> Iterator[MemoryPlan]:
    """Plans from the fastest to the smallest."""
    if backward == "auto" and _passes_cost_more(sizes, job, backend):
        at_once = train_rows or _all_or_measured(job, busy)
        yield from candidates(sizes, job, backend, "plain", decode_rows, at_once, busy)
    shared = sizes.shares_prompts and job.learnt_group > 1 and backward != "plain"
    tokens = job.longest_completion + (0 if shared else job.longest_prompt)
    most = job.learnt_group if shared else job.rows_per_slice
    wanted = busy.shared_tokens(backend) if shared else busy.whole_tokens(sizes, backend)
    trained = min(most, max(job.together, -(-wanted // max(1, tokens))))
    decoded = busy.wave_rows(max(job.rows if job.reinforcement else 1, 1))
    wide = _head_tokens(sizes, backend)
    longest = job.longest_completion if shared else job.longest_prompt + job.longest_completion
    segment = segment_of(sizes, max(longest, job.longest_prompt), backend, busy)
    for layer_wise, segmented in _ways(sizes, backward, segment):
        for rows in (train_rows,) if train_rows else _halved(1 if segmented else trained, 1):
            for head in _halved(wide, wide if rows > 1 else LEAST_HEAD_TOKENS):
                for decode in (decode_rows,) if decode_rows else _halved(decoded, decoded if rows > 1 else 1):
                    yield MemoryPlan(
                        decode_rows=decode,
                        train_rows=rows,
                        head_tokens=head,
                        layer_wise=layer_wise,
                        segment_tokens=segmented,
                        share_prompts=backward != "plain",
                        prefill_tokens=PREFILL_TOKENS,
                        busy_tokens=busy.whole_tokens(sizes, backend),
                        row_tokens=job.longest_prompt + job.longest_completion,
                    )


def _all_or_measured(job: StepJob, busy: Busy) -> int:
    """Rows of a slice that go at once where passes cost more than what they compute."""
    rows, tokens = job.rows_per_slice, job.longest_prompt + job.longest_completion
    return min(rows, -(-busy.whole // max(1, tokens))) if busy.whole else rows


def _head_tokens(sizes: Sizes, backend: str) -> int:
    """Tokens of a chunk of the head where memory is no question."""
    least = HEAD_TOKENS[backend]
    return max(least, min(MOST_HEAD_TOKENS, least * SMALL_VOCABULARY // max(1, sizes.vocabulary)))


def _passes_cost_more(sizes: Sizes, job: StepJob, backend: str) -> bool:
    """Whether the passes that sharing prompts takes cost more than half of computing all rows, each with its prompt again.

    A model whose passes are busy gains little from taking all rows at once, and pays for it in memory. Half: the starter's
    lie at 0.8 to 1 of that (all rows take 0.6 of the time), those of pairs of a middle size at 0.2.
    """
    if not sizes.shares_prompts or job.learnt_group == 1:
        return False
    batches = -(-job.learnt_group * job.longest_completion // UNMEASURED.shared_tokens(backend))
    passes = job.rows_per_slice // job.learnt_group * (1 + batches) - 1
    tokens = job.rows_per_slice * (job.longest_prompt + job.longest_completion)
    computed = tokens * operations_a_layer(sizes) / OPERATIONS[backend]
    return 2 * passes * PASS_SECONDS[backend] > computed


def smallest(sizes: Sizes, job: StepJob, backend: str = "cpu") -> Choice:
    """The least memory that this model and job can train with; as many rows are decoded as that leaves room for."""
    least = min(candidates(sizes, job, backend, "auto"), key=lambda one: _update(peak_of(sizes, job, one)))
    room = _update(peak_of(sizes, job, least))
    for rows in _halved(max(1, job.rows if job.reinforcement else 1), 1):
        plan = replace(least, decode_rows=rows)
        peak = peak_of(sizes, job, plan)
        if peak.bytes <= room or rows == 1:
            return _chosen(plan, peak, fits=True)
    raise AssertionError("one row is always tried")


def _merged(sizes: Sizes, job: StepJob, plan: MemoryPlan, peak: Peak, backend: str) -> MemoryPlan:
    """`plan` with merged adapters, and decoding by few operations, where they cost nothing: where the update's peak stays the
    higher one. On GPUs, where MLX has kernels of its own for a step, the latter was not measured."""
    if not sizes.mergeable or not job.reinforcement:
        return plan
    merged = replace(plan, merge=True)
    for wanted in (replace(merged, joins=True), merged) if backend == "cpu" else (merged,):
        if peak_of(sizes, job, wanted).bytes <= peak.bytes:
            return wanted
    return plan


def _read_together(sizes: Sizes, job: StepJob, plan: MemoryPlan, peak: Peak) -> int:
    """Tokens of short prompts in one pass: as many as leave the peak where it is."""
    tokens = plan.prefill_tokens
    while job.reinforcement and tokens >= 2 * job.longest_prompt:
        if peak_of(sizes, job, replace(plan, joined_tokens=tokens)).stages["rollout"] <= peak.bytes:
            return tokens
        tokens //= 2
    return 0


def _answered_together(sizes: Sizes, job: StepJob, plan: MemoryPlan, peak: Peak) -> int:
    """Held-out rows at a time, each with a prompt of its own: as many as leave the peak where it is."""
    rows = plan.decode_rows
    while job.reinforcement and 2 * rows <= MOST_EVALUATED:
        wider = replace(job, prompts=2 * rows, group_size=1)
        if peak_of(sizes, wider, replace(plan, decode_rows=2 * rows)).stages["rollout"] > peak.bytes:
            break
        rows *= 2
    return rows


def _chosen(plan: MemoryPlan, peak: Peak, *, fits: bool) -> Choice:
    return Choice(replace(plan, estimated_bytes=peak.bytes), peak, fits)


def _update(peak: Peak) -> int:
    return max(peak.stages["update"], peak.stages["apply"])


def segment_of(sizes: Sizes, longest: int, backend: str, busy: Busy = UNMEASURED) -> int:
    """Tokens of a segment of rows whose `longest` pass has so many; 0 where they are no more than two, or cannot be parted."""
    length = busy.shared_tokens(backend)
    return length if sizes.shares_prompts and longest > 2 * length else 0


def _ways(sizes: Sizes, backward: Backward, segment: int) -> list[tuple[bool, int]]:
    """Layer by layer or not, and the tokens of a segment: from the quickest to the smallest."""
    layered = sizes.layer_wise and backward not in ("two_stage", "plain")
    apart = segment and backward not in ("two_stage", "plain")
    ways = [(False, 0)] if not layered or backward != "layerwise" else []
    ways += [(False, segment)] if apart and backward != "layerwise" else []
    ways += [(True, 0)] if layered else []
    return ways + ([(True, segment)] if apart and layered else [])


def _halved(most: int, least: int) -> Iterator[int]:
    while most > least:
        yield most
        most = max(least, most // 2)
    yield least
