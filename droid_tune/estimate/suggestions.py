"""What would make a run fit: each change is tried on the estimate itself, none is promised by rule of thumb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from droid_tune import words
from droid_tune.config import RunConfig, merge
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.estimate.forecast import Estimate, Suggestion

#: a change that saves less than this share is not worth a line
LEAST_SAVING = 0.04
MOST_SUGGESTIONS = 6
RANK = {"fits": 0, "tight": 1, "too_large": 2}

Values = dict[str, Any]


def suggestions_for(
    config: RunConfig, now: Estimate, again: Callable[[RunConfig], Estimate]
) -> tuple[Suggestion, ...]:
    """Changes that lower the peak (or raise the budget), those first that make the run fit with the least loss."""
    found: list[Suggestion] = []
    for path, value, what in _changes(config, now):
        changed = _changed(config, {path: value})
        if changed is None:
            continue
        then = again(changed)
        saves = then.peak_bytes < (1 - LEAST_SAVING) * now.peak_bytes
        if saves or RANK[then.verdict] < RANK[now.verdict]:
            why = f"{what}: {words.size(now.peak_bytes)} -> {words.size(then.peak_bytes)}"
            if then.budget_bytes != now.budget_bytes:
                why = f"{what}: {words.size(now.budget_bytes)} -> {words.size(then.budget_bytes)} may be used"
            found.append(Suggestion(f"{path}={value}", then.peak_bytes, why, {path: value}, then.verdict))
    best: dict[str, Suggestion] = {}
    for suggestion in found:  # of two changes of one setting, the gentler that fits best
        path = suggestion.change.partition("=")[0]
        if path not in best or RANK[suggestion.verdict] < RANK[best[path].verdict]:
            best[path] = suggestion
    return tuple(sorted(best.values(), key=lambda one: RANK[one.verdict])[:MOST_SUGGESTIONS])


def _changes(config: RunConfig, now: Estimate) -> Iterator[tuple[str, Any, str]]:
    """Settings and gentler values for them, the least painful first."""
    adapter, training, memory, method = config.adapter, config.training, config.memory, config.method
    if memory.rows_per_micro_batch and memory.rows_per_micro_batch > 1:
        yield "memory.rows_per_micro_batch", 1, f"rows trained together {memory.rows_per_micro_batch} -> 1"
    if memory.backward not in ("auto", "layerwise"):
        yield "memory.backward", "auto", f"backward pass {memory.backward} -> auto"
    if adapter.type == "full":
        yield "adapter.type", "lora", "LoRA instead of full training"
    if adapter.type == "dora":
        yield "adapter.type", "lora", "LoRA instead of DoRA"
    if isinstance(method, SamplingMethodConfig):
        length = config.sampling.max_completion_length
        for shorter in (length // 2, length // 4):
            if shorter >= 16:
                yield "sampling.max_completion_length", shorter, f"completions {length} -> {shorter}"
        for fewer in (method.group_size // 2, method.group_size // 4):
            if fewer >= 2:
                yield "method.group_size", fewer, f"group {method.group_size} -> {fewer}"
        if isinstance(method, PolicyMethodConfig) and method.reference_mode != "static":
            yield "method.reference_mode", "static", f"reference {method.reference_mode} -> static"
    for fewer in (training.batch_size // 2, 1):
        if 1 <= fewer < training.batch_size:
            yield "training.batch_size", fewer, f"rows per step {training.batch_size} -> {fewer}"
    total = now.job.longest_prompt + now.job.longest_completion
    for shorter in (total * 3 // 4, total // 2):
        if shorter >= 64:
            yield (
                "training.max_seq_length",
                shorter,
                f"longest sequence {training.max_seq_length} -> {shorter}",
            )
    if adapter.type != "full" and adapter.rank > 8:
        yield "adapter.rank", adapter.rank // 2, f"adapter rank {adapter.rank} -> {adapter.rank // 2}"
    if config.optimizer.name in ("adamw", "adam"):
        yield "optimizer.name", "lion", f"optimizer {config.optimizer.name} -> lion"
    if memory.budget_mb is None and memory.budget_fraction < 0.9:
        yield "memory.budget_fraction", 0.9, "memory budget raised to 90 % of what the GPU may hold"


def _changed(config: RunConfig, values: Values) -> RunConfig | None:
    """The config with dotted settings replaced; None where that is no valid run."""
    tree: Values = config.model_dump(mode="json")
    for path, value in values.items():
        section, _, name = path.partition(".")
        tree = dict(merge(tree, {section: {name: value}}))
    try:
        return RunConfig.model_validate(tree)
    except ValidationError:
        return None
