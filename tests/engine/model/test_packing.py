"""Rows that share a sequence do not see each other: packing changes no number."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.methods.losses import supervised_loss
from droid_tune.model.caches.packing import first_fit, require_packing, segment_caches, why_not
from droid_tune.model.gradients.passes import whole_rows
from droid_tune.model.gradients.scoring import loss_and_gradients, score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.policy import Policy
from tests.engine.model.tiny import VOCABULARY, flat, tiny_policy

PACKABLE = ["llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "gemma3_text", "phi3", "granite"]
STATEFUL = ["mamba2", "lfm2", "qwen3_next"]


def lessons() -> ScoringRows:
    """Seven examples of 4 to 15 tokens; of the last only two tokens in the middle are learnt."""
    rng = np.random.default_rng(0)
    prompts = [rng.integers(2, VOCABULARY, size).tolist() for size in (3, 1, 7, 2, 5, 1, 4)]
    lengths = np.array([5, 3, 8, 2, 1, 12, 6])
    mask = (np.arange(12)[None] < lengths[:, None]).astype(np.float32)
    mask[6] = 0
    mask[6, 2:4] = 1
    tokens = rng.integers(2, VOCABULARY, (7, 12)).astype(np.int32)
    return ScoringRows(prompts, np.arange(7), tokens, mask)


def learnt(policy: Policy, rows: ScoringRows, plan: MemoryPlan) -> tuple[float, dict[str, mx.array]]:
    def loss(index: Any, logprobs: mx.array, _: Any) -> Any:
        return supervised_loss(logprobs, mx.array(rows.completion_mask[index]), 29.0)

    value, gradients, _ = loss_and_gradients(policy, rows, loss, temperature=1.0, plan=plan)
    return value, flat(gradients)


def test_the_fullest_sequences_are_filled_first() -> None:
    # 9 alone; 6 + 3; 4 + 4 + 1
    assert first_fit([4, 9, 3, 6, 1, 4], 9) == [[1], [3, 2], [0, 5, 4]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_every_row_is_packed_once_and_no_sequence_is_too_long(lengths: list[int]) -> None:
    bins = first_fit(lengths, max(lengths))
    assert sorted(row for members in bins for row in members) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in members) <= max(lengths) for members in bins)


def test_a_position_sees_earlier_ones_of_its_own_row_only() -> None:
    policy = tiny_policy("llama")
    caches = segment_caches(policy.model, mx.array([[0, 0, 1, 1, -1]]))
    assert caches[0].make_mask(5)[0, 0].astype(mx.int32).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]


def test_packing_runs_fewer_and_no_longer_sequences() -> None:
    alone = next(iter(whole_rows(lessons(), 100)))
    packed = next(iter(whole_rows(lessons(), 100, pack=True)))
    assert packed.tokens.shape[0] < alone.tokens.shape[0]
    assert packed.tokens.shape[1] <= alone.tokens.shape[1]
    assert sorted(packed.row_index.tolist()) == sorted(alone.row_index.tolist())


@pytest.mark.parametrize("architecture", PACKABLE)
def test_packed_rows_give_the_log_probabilities_and_gradients_of_rows_on_their_own(architecture: str) -> None:
    policy, rows = tiny_policy(architecture), lessons()
    assert why_not(policy) == ""
    packed, alone = MemoryPlan(pack_rows=True, train_rows=2), MemoryPlan(train_rows=1)
    expected = score(policy, rows, temperature=1.0, plan=alone, with_entropy=True)
    found = score(policy, rows, temperature=1.0, plan=packed, with_entropy=True)
    np.testing.assert_allclose(found.logprobs, expected.logprobs, atol=1e-5)
    np.testing.assert_allclose(found.entropies, expected.entropies, atol=1e-5)
    loss, gradients = learnt(policy, rows, alone)
    packed_loss, packed_gradients = learnt(policy, rows, packed)
    assert packed_loss == pytest.approx(loss, abs=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(packed_gradients[name], gradient, atol=2e-5, err_msg=name)


def test_packed_rows_may_go_back_layer_by_layer() -> None:
    policy, rows = tiny_policy("gemma3_text", AdapterConfig(type="full"), stir=False), lessons()
    loss, gradients = learnt(policy, rows, MemoryPlan(train_rows=1))
    packed_loss, packed = learnt(policy, rows, MemoryPlan(pack_rows=True, layer_wise=True, train_rows=2))
    assert packed_loss == pytest.approx(loss, abs=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(packed[name], gradient, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("architecture", STATEFUL)
def test_a_model_with_a_running_state_is_refused(architecture: str) -> None:
    with pytest.raises(UserError, match=rf"{architecture}\) cannot pack rows: its layers carry a state"):
        require_packing(tiny_policy(architecture))


def test_a_model_with_learned_positions_is_refused() -> None:
    from pathlib import Path

    from mlx_lm.utils import _get_classes

    from droid_tune.model.loading import make_policy
    from tests.engine.model.tiny import IdTokenizer

    model_class, arguments = _get_classes({"model_type": "gpt2"})
    sizes = {"n_ctx": 512, "n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 512}
    config = {"model_type": "gpt2", "layer_norm_epsilon": 1e-5, "vocab_size": VOCABULARY, **sizes}
    model = model_class(arguments.from_dict(config))
    policy = make_policy(model, IdTokenizer(), config, Path("tiny"))
    with pytest.raises(UserError, match="depend on where in the sequence a row stands"):
        require_packing(policy)
