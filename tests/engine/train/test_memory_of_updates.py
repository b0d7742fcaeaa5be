"""Applying a gradient takes little memory beside what is there already."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import mlx.core as mx
import pytest
from mlx.utils import tree_map

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.training_config import OptimizerConfig
from droid_tune.model.policy import Policy
from droid_tune.train.learners.learner import Gathered
from droid_tune.train.updating.accumulator import Accumulator
from droid_tune.train.updating.optimizer import build_optimizer, gradient_norm
from droid_tune.train.updating.update import Updater
from tests.engine.model.tiny import tiny_policy

#: 14 MB in 74 arrays, the largest a 27th of it
SIZES = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 8, "vocab_size": 512}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return tiny_policy("llama", AdapterConfig(type="full"), stir=False, **SIZES)


def updater_of(policy: Policy, name: str, max_grad_norm: float) -> Updater:
    training = SimpleNamespace(max_grad_norm=max_grad_norm)
    session: Any = SimpleNamespace(policy=policy, config=SimpleNamespace(training=training))
    optimizer = build_optimizer(
        OptimizerConfig(name=cast("Any", name), learning_rate=1e-4), policy.trainable()
    )
    return Updater(session, optimizer, cast("Any", SimpleNamespace(after_step=lambda _: None)))


def applied(updater: Updater, policy: Policy) -> tuple[int, int]:
    """Bytes that one update takes at its peak beyond what was there, and bytes in use after it less those before."""
    gathered = Gathered(tree_map(mx.ones_like, policy.model.trainable_parameters()), 1.0)
    norm = gradient_norm(gathered.gradients)
    mx.eval(gathered.gradients, norm)
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    updater.apply(gathered, norm, 1e-4, step=1)
    return mx.get_peak_memory() - before, mx.get_active_memory() - before


@pytest.mark.parametrize("max_grad_norm", [0.0, 1.0], ids=["as it is", "clipped"])
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "lion"])
def test_gradients_are_freed_while_they_are_applied(
    policy: Policy, optimizer: str, max_grad_norm: float
) -> None:
    updater = updater_of(policy, optimizer, max_grad_norm)
    applied(updater, policy)  # the first makes the optimizer's moments
    peak, left = applied(updater, policy)
    assert peak < 0.5 * policy.trainable_bytes  # clipped gradients beside the others would be all of it
    assert left < -0.95 * policy.trainable_bytes  # the gradients are gone


def test_slices_are_summed_without_a_third_copy_of_the_gradients(policy: Policy) -> None:
    accumulator = Accumulator()
    first = tree_map(mx.ones_like, policy.model.trainable_parameters())
    second = tree_map(mx.ones_like, policy.model.trainable_parameters())
    mx.eval(first, second)
    accumulator.add(1.0, first)
    del first
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    accumulator.add(1.0, second)
    assert mx.get_peak_memory() - before < 0.2 * policy.trainable_bytes
    assert float(accumulator.gradients["model"]["norm"]["weight"][0]) == 2
