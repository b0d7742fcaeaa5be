"""A learner without its loop, and the plainest way to the gradient that it must find."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from droid_tune.config import RunConfig, merge, resolve
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.control import UNWATCHED, Control
from droid_tune.data.dataset import open_configured
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.policy import Policy
from droid_tune.train.assembly import build_session, learner_for, rewards_of
from droid_tune.train.distributed import World
from droid_tune.train.exploring.experience import Experience
from droid_tune.train.learners.policy_gradient import PolicyGradient
from droid_tune.train.starting.start import starting_policy
from droid_tune.train.training_session import Conduct, TrainingSession

#: two prompts with four completions of at most 10 tokens, judged by their length: every completion earns another reward
SMALL: dict[str, Any] = {
    "method": {"type": "grpo", "group_size": 4},
    "training": {"batch_size": 2, "max_grad_norm": 0},
    "sampling": {"max_completion_length": 10},
    "rewards": [{"type": "length", "target": 6}, {"type": "format", "pattern": "[0-9]"}],
    "adapter": {"rank": 2, "layers": 1},
    "optimizer": {"learning_rate": 1e-2},
}

Arrays = dict[str, mx.array]
TokenLoss = Callable[[int, mx.array, mx.array], mx.array]


def session_of(folder: Path, **changes: Any) -> TrainingSession:
    """SMALL with changes laid over it, loaded."""
    if "method" in changes and METHOD_CONFIGS[changes["method"].get("type", "grpo")].samples:
        changes["method"] = {"group_size": 4, **changes["method"]}  # another type would bring its own size
    return loaded(resolve(merge(SMALL, changes)), folder)


def loaded(config: RunConfig, folder: Path) -> TrainingSession:
    dataset = open_configured(config.data, config.method.type)
    policy = starting_policy(config, folder)
    stirred(policy)
    session = build_session(
        config, policy, dataset, rewards_of(config, UNWATCHED), Conduct(Control(), lambda _: None, World())
    )
    session.plan = replace(MemoryPlan(), train_rows=3)
    return session


def learner_of(folder: Path, **changes: Any) -> PolicyGradient:
    learner = learner_for(session_of(folder, **changes))
    assert isinstance(learner, PolicyGradient)
    return learner


def stirred(policy: Policy) -> None:
    """An adapter that does something: with B = 0 the policy is the reference and half of the gradient is 0."""
    rng = np.random.default_rng(3)
    moved = {
        name: array + mx.array(0.05 * rng.standard_normal(array.shape).astype(np.float32))
        for name, array in policy.trainable().items()
    }
    policy.model.update(tree_unflatten(list(moved.items())))


def flat(tree: Any) -> Arrays:
    return dict(tree_flatten(tree))


def moved(policy: Policy, gradients: Any, rate: float) -> None:
    """One step of plain gradient descent."""
    found = flat(gradients)
    stepped = {name: array - rate * found[name] for name, array in policy.trainable().items()}
    policy.model.update(tree_unflatten(list(stepped.items())))
    mx.eval(policy.model.parameters())


@contextmanager
def in_double_precision(policy: Policy) -> Generator[None]:
    """Inside, the model's weights and all that is computed of them are float64: against it a difference is the engine's own
    rounding, not that of the plain pass."""
    model, own = policy.model, flat(policy.model.parameters())
    with mx.stream(mx.cpu):  # Metal has none
        wide = [(name, array.astype(mx.float64)) for name, array in own.items()]
        model.update(tree_unflatten(wide))
        try:
            yield
        finally:
            model.update(tree_unflatten(list(own.items())))


def row_logprobs(policy: Policy, experience: Experience, row: int) -> tuple[mx.array, mx.array]:
    """Log-probabilities and entropies (n,) of a row's own tokens, by one forward pass over prompt and completion."""
    rows = experience
    length = int(rows.completion_mask[row].sum())
    prompt = list(rows.prompts[int(rows.prompt_index[row])])
    completion = rows.tokens[row, :length].tolist()
    logits = policy.model(mx.array([[*prompt, *completion]]))[0, len(prompt) - 1 : -1].astype(mx.float32)
    scores = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    chosen = mx.take_along_axis(scores, mx.array(completion)[:, None], axis=-1)[:, 0]
    return chosen, -(mx.exp(scores) * scores).sum(axis=-1)


def by_hand(
    policy: Policy, experience: Experience, rows: range, token_loss: TokenLoss
) -> tuple[float, Arrays]:
    """The sum over rows of `token_loss(row, logprobs, entropies)`, a scalar each, and its gradient, by MLX alone."""
    own = policy.trainable()

    def total(parameters: Arrays) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        return sum((token_loss(row, *row_logprobs(policy, experience, row)) for row in rows), mx.array(0.0))

    value, gradients = mx.value_and_grad(total)(own)
    policy.model.update(tree_unflatten(list(own.items())))
    mx.eval(value, gradients)
    return float(value.item()), gradients


def assert_same(found: Any, expected: Any, tolerance: float = 1e-3) -> None:
    """Equal gradients, measured against the largest number in them."""
    one, other = flat(found), flat(expected)
    assert one.keys() == other.keys()
    largest = max(float(mx.abs(array).max().item()) for array in other.values())
    assert largest > 0
    for name, array in other.items():
        np.testing.assert_allclose(one[name], array, rtol=0, atol=tolerance * largest, err_msg=name)


def assert_exact(found: Any, plainly: Callable[[], Any], policy: Policy) -> None:
    """`found` is the plain gradient to 1e-5 of its largest number, judged against float64.

    Where two nearly equal distributions are compared, float32 logits do not know their difference to five digits: there it
    must be about as near as the same plain pass comes in float32 (a third as near at the least), and to 2e-4 in any case.
    """
    rounded = flat(plainly())
    with in_double_precision(policy):
        exact = {name: np.array(array) for name, array in flat(plainly()).items()}
    largest = max(np.abs(array).max() for array in exact.values())
    own, plain = (_error(one, exact) / largest for one in (flat(found), rounded))
    assert own <= min(max(1e-5, 3 * plain), 2e-4), (own, plain)


def _error(found: Arrays, exact: dict[str, np.ndarray]) -> float:
    assert found.keys() == exact.keys()
    return max(
        float(np.abs(np.array(array).astype(np.float64) - exact[name]).max()) for name, array in found.items()
    )
