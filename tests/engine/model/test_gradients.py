"""Every way to the gradient gives the gradient of the plain computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.scoring import ScoringRows, loss_and_gradients, score
from droid_tune.model.policy import Policy
from tests.engine.model.tiny import VOCABULARY, flat, one_row_logprobs, tiny_policy

TEMPERATURE = 0.7
PLANS = {
    "two-stage": MemoryPlan(head_tokens=7),
    "two-stage, three rows at a time": MemoryPlan(train_rows=3),
    "two-stage, prompt held": MemoryPlan(hold_prompt=True),
    "two-stage, forward run again": MemoryPlan(hold=False),
    "layer by layer": MemoryPlan(layer_wise=True, train_rows=3, head_tokens=16),
    "whole rows": MemoryPlan(share_prompts=False, train_rows=5),
    "whole rows, layer by layer": MemoryPlan(share_prompts=False, layer_wise=True, train_rows=3),
    "two-stage, four tokens at a time": MemoryPlan(segment_tokens=4, train_rows=3),
    "layer by layer, four tokens at a time": MemoryPlan(layer_wise=True, segment_tokens=4, train_rows=1),
    "whole rows, five tokens at a time": MemoryPlan(share_prompts=False, segment_tokens=5, train_rows=3),
    "whole rows, layer by layer, five tokens at a time": MemoryPlan(
        share_prompts=False, layer_wise=True, segment_tokens=5, train_rows=2
    ),
}

#: of every kind one: what families whose layers hold states are tried with
BY_HAND = (
    "two-stage, three rows at a time",
    "layer by layer",
    "whole rows",
    "two-stage, four tokens at a time",
    "layer by layer, four tokens at a time",
    "whole rows, five tokens at a time",
)


@dataclass
class Case:
    rows: ScoringRows
    advantages: mx.array
    reference: mx.array
    with_entropy: bool = False
    beta: float = 0.0

    def loss(
        self, row_index: Any, logprobs: mx.array, entropies: mx.array | None
    ) -> tuple[mx.array, dict[str, mx.array]]:
        """A GRPO-like loss: additive over rows, with KL against a reference, and an entropy bonus."""
        chosen = mx.array(row_index)
        mask = mx.array(self.rows.completion_mask)[chosen]
        ratio = mx.exp(logprobs - mx.stop_gradient(logprobs))
        token = -ratio * self.advantages[chosen][:, None]
        if self.beta:
            gap = self.reference[chosen] - logprobs
            token = token + self.beta * (mx.exp(gap) - gap - 1)
        if entropies is not None:
            token = token - 0.1 * entropies
        return (token * mask).sum() / 50, {"tokens": mask.sum()}


def made_case(policy: Policy, *, beta: float = 0.0, with_entropy: bool = False) -> Case:
    """Two prompts of different length, four ragged rows each; one row scores a part in its middle only."""
    rng = np.random.default_rng(0)
    lengths = np.array([1, 9, 12, 5, 12, 3, 7, 12])
    tokens = rng.integers(2, VOCABULARY, (8, 12)).astype(np.int32)
    mask = (np.arange(12)[None] < lengths[:, None]).astype(np.float32)
    mask[1, :4] = 0
    prompts = [rng.integers(2, VOCABULARY, size).tolist() for size in (3, 9)]
    rows = ScoringRows.of_groups(prompts, 4, tokens, mask)
    reference = score(policy, rows, temperature=TEMPERATURE, plan=MemoryPlan(), reference=True).logprobs
    advantages = mx.array(rng.standard_normal(8).astype(np.float32))
    return Case(rows, advantages, mx.array(reference), with_entropy, beta)


def plain_gradient(policy: Policy, case: Case) -> tuple[float, dict[str, mx.array]]:
    """Row by row through the whole model, differentiated by MLX alone."""
    rows = case.rows

    def total(parameters: dict[str, mx.array]) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        value = mx.array(0.0)
        for row in range(len(rows)):
            prompt = rows.prompts[rows.prompt_index[row]]
            logprobs = one_row_logprobs(policy, prompt, rows.tokens[row].tolist(), TEMPERATURE)
            entropies = (
                row_entropies(policy, prompt, rows.tokens[row].tolist()) if case.with_entropy else None
            )
            value = value + case.loss([row], logprobs[None], entropies)[0]
        return value

    own = policy.trainable()
    policy.model.train()
    value, gradient = mx.value_and_grad(total)(own)
    mx.eval(value, gradient)
    policy.model.eval()
    policy.model.update(tree_unflatten(list(own.items())))
    return value.item(), gradient


def row_entropies(policy: Policy, prompt: list[int], completion: list[int]) -> mx.array:
    tokens = mx.array([[*prompt, *completion]])
    logits = policy.model(tokens)[:, len(prompt) - 1 : -1].astype(mx.float32) / TEMPERATURE
    chances = mx.softmax(logits, axis=-1)
    return -(chances * mx.log(chances)).sum(axis=-1)


def relative_error(found: dict[str, mx.array], expected: dict[str, mx.array]) -> float:
    assert found.keys() == expected.keys()
    difference = sum(((found[name] - expected[name]) ** 2).sum() for name in expected)
    return mx.sqrt(difference / sum((array**2).sum() for array in expected.values())).item()


def agrees(policy: Policy, case: Case, plan: MemoryPlan, expected: tuple[float, dict[str, mx.array]]) -> None:
    value, gradient, reports = loss_and_gradients(
        policy, case.rows, case.loss, temperature=TEMPERATURE, plan=plan, with_entropy=case.with_entropy
    )
    assert value == pytest.approx(expected[0], rel=1e-5, abs=1e-5)
    assert relative_error(flat(gradient), expected[1]) < 1e-5
    assert sum(report["tokens"].item() for report in reports) == case.rows.completion_mask.sum()


SETUPS: dict[str, Callable[[], Policy]] = {
    "LoRA": lambda: tiny_policy("llama"),
    "LoRA on an untied head and the embeddings": lambda: tiny_policy(
        "mistral", AdapterConfig(rank=4, scale=2.0, target_modules=("*_proj", "*embed_tokens", "lm_head"))
    ),
    "LoRA on two layers": lambda: tiny_policy("qwen3", AdapterConfig(rank=4, scale=2.0, layers=2)),
    "DoRA": lambda: tiny_policy("llama", AdapterConfig(type="dora", rank=4, scale=2.0)),
    "LoRA on 4 bits": lambda: tiny_policy(
        "llama", quantise=4, hidden_size=64, intermediate_size=64, head_dim=16
    ),
    "LoRA on 8 bits, soft-capped head": lambda: tiny_policy(
        "gemma2", quantise=8, hidden_size=64, intermediate_size=64, head_dim=16
    ),
    "full, tied embeddings": lambda: tiny_policy("qwen2", AdapterConfig(type="full"), stir=False),
    "full, untied": lambda: tiny_policy("phi3", AdapterConfig(type="full"), stir=False),
}


@pytest.mark.parametrize("setup", SETUPS)
def test_every_path_gives_the_plain_gradient(setup: str):
    policy = SETUPS[setup]()
    case = made_case(policy, beta=0.1)
    expected = plain_gradient(policy, case)
    for plan in PLANS.values():
        agrees(policy, case, plan, expected)


@pytest.mark.parametrize("name", PLANS)
def test_the_entropy_has_its_gradient_too(name: str):
    policy = tiny_policy("llama")
    case = made_case(policy, with_entropy=True)
    agrees(policy, case, PLANS[name], plain_gradient(policy, case))


@pytest.mark.parametrize(
    "architecture", ["gemma3_text", "qwen3_moe", "mamba2", "gpt_oss", "lfm2", "qwen3_next"]
)
def test_windows_experts_and_states_keep_the_plain_gradient(architecture: str):
    # Keys of 8 numbers, brought to length 1, multiply float32's rounding fivefold: 1e-5 with some BLAS, in either gradient.
    wider: dict[str, Any] = {"linear_key_head_dim": 16} if architecture == "qwen3_next" else {}
    policy = tiny_policy(architecture, **wider)
    case = made_case(policy)
    expected = plain_gradient(policy, case)
    for name in BY_HAND:
        agrees(policy, case, PLANS[name], expected)


def test_weights_are_the_same_after_the_gradient_as_before():
    policy = tiny_policy("llama")
    before = policy.trainable()
    case = made_case(policy)
    loss_and_gradients(
        policy, case.rows, case.loss, temperature=TEMPERATURE, plan=MemoryPlan(layer_wise=True)
    )
    assert all(mx.array_equal(array, before[name]) for name, array in policy.trainable().items())


def test_dropout_masks_follow_the_seed_and_nothing_else():
    policy = tiny_policy("llama", AdapterConfig(rank=4, scale=2.0, dropout=0.5))
    case = made_case(policy)

    def gradient(seed: int, plan: MemoryPlan) -> dict[str, mx.array]:
        mx.random.uniform(shape=(seed + 1,))
        return flat(
            loss_and_gradients(
                policy, case.rows, case.loss, temperature=TEMPERATURE, plan=plan, dropout_seed=seed
            )[1]
        )

    held, again = gradient(5, MemoryPlan(hold_prompt=True)), gradient(5, MemoryPlan(hold_prompt=True))
    assert relative_error(held, again) == 0
    assert relative_error(gradient(6, MemoryPlan(hold_prompt=True)), held) > 1e-3
    run_again = gradient(
        5, MemoryPlan(hold=False, hold_prompt=True)
    )  # the second forward draws the first one's masks
    assert relative_error(run_again, held) < 1e-5


def test_rows_without_scored_tokens_cost_and_change_nothing():
    policy = tiny_policy("llama")
    case = made_case(policy)
    mask = case.rows.completion_mask.copy()
    mask[4:] = 0  # the second group is masked out altogether
    rows = ScoringRows.of_groups(case.rows.prompts, 4, case.rows.tokens, mask)
    masked = Case(rows, case.advantages, case.reference)
    agrees(policy, masked, MemoryPlan(), plain_gradient(policy, masked))


def test_segments_take_little_more_memory_for_longer_rows() -> None:
    """Twice the tokens of a row: everything twice as much where it is whole; in segments the cache and its gradient alone."""
    policy = tiny_policy("llama", num_key_value_heads=1, intermediate_size=384)
    rng = np.random.default_rng(0)

    def peak(length: int, segment: int) -> int:
        tokens = rng.integers(2, VOCABULARY, (2, length)).astype(np.int32)
        rows = ScoringRows.of_groups([[3, 4, 5]], 2, tokens, np.ones((2, length), np.float32))
        plan = MemoryPlan(train_rows=1, head_tokens=16, segment_tokens=segment)
        mx.clear_cache()
        held = mx.get_active_memory()
        mx.reset_peak_memory()
        mx.eval(
            loss_and_gradients(
                policy, rows, lambda _, values, __: (-values.sum(), {}), temperature=1.0, plan=plan
            )[1]
        )
        return mx.get_peak_memory() - held

    whole, parted = peak(480, 0), peak(480, 32)
    assert parted < whole / 3
    assert peak(960, 32) - parted < (peak(960, 0) - whole) / 5
