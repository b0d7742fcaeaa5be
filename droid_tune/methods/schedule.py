"""When things happen: which slices a rollout is cut into, and what has to be computed again for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def old_logprobs_needed(
    gradient_accumulation_steps: int,
    steps_per_generation: int = 1,
    num_iterations: int = 1,
    *,
    sampler_corrected: bool = False,
) -> bool:
    """Whether the log-probabilities at rollout time must be computed before training on it.

    They need not where every slice is used before the weights change; then the current ones, without
    gradient, are the same numbers. A sampler correction compares with them and always needs them.
    """
    slices = steps_per_generation * num_iterations
    return sampler_corrected or gradient_accumulation_steps % slices != 0


def slice_bounds(rows: int, steps_per_generation: int) -> list[tuple[int, int]]:
    """`rows` consecutive rows cut into equal slices: [(start, stop), ...]. ValueError where they do not divide."""
    if steps_per_generation < 1 or rows % steps_per_generation:
        raise ValueError(f"{rows} completions cannot be cut into {steps_per_generation} equal slices")
    size = rows // steps_per_generation
    return [(start, start + size) for start in range(0, rows, size)]


def prompt_order(
    prompts: Sequence[int], group_size: int, prompts_per_rollout: int, repeats: int = 1
) -> Iterator[int]:
    """The prompt of every row that is trained on, in order, as TRL's RepeatSampler gives it.

    Each prompt stands `group_size` times in a row; each rollout's rows come `repeats` times over
    (num_iterations x steps_per_generation). A last rollout that would be ragged is dropped.
    """
    for start in range(0, len(prompts) - prompts_per_rollout + 1, prompts_per_rollout):
        for _ in range(repeats):
            for prompt in prompts[start : start + prompts_per_rollout]:
                yield from [prompt] * group_size
