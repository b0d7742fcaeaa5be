"""Training on episodes: the model's tokens carry the loss, the environment's are only read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.control import Control
from droid_tune.data.dataset import open_configured
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.events import Event, RolloutGroup
from droid_tune.metrics import CATALOGUE
from droid_tune.rewards.combine import TooManyFailures
from droid_tune.train.assembly import build_session
from droid_tune.train.distributed import World
from droid_tune.train.exploring.experience import Experience
from droid_tune.train.learners.policy_gradient import PolicyGradient
from droid_tune.train.training_session import Conduct
from tests.engine.rollout.episodes.scripted import Scripted
from tests.engine.train.learning import assert_exact, by_hand, flat, learner_of, moved

ENVIRONMENT: dict[str, Any] = {
    "type": "class",
    "path": "room.py",
    "max_turn_tokens": 24,
    "failure_share": 0.25,
}
LONG: dict[str, Any] = {"max_completion_length": 110, "temperature": 1.5}


def test_turns_are_not_credited_in_losses_of_whole_completions() -> None:
    for method in ({"type": "rloo"}, {"type": "grpo", "loss_type": "vespo"}):
        with pytest.raises(UserError, match="`credit` turn"):
            resolve({"method": method, "environment": {**ENVIRONMENT, "credit": "turn"}})


def acting(folder: Path, scripted: Scripted | None = None, **changes: Any) -> PolicyGradient:
    """A learner whose model acts in a scripted environment; the plan makes micro-batches of three rows."""
    environment = {**ENVIRONMENT, **changes.pop("environment", {})}
    learner = learner_of(
        folder, environment=environment, sampling={**LONG, **changes.pop("sampling", {})}, **changes
    )
    learner.session.environment = scripted or Scripted(turns=2)
    return learner


def experience_of(learner: PolicyGradient) -> Experience:
    assert learner.experience is not None
    return learner.experience


def whole_logprobs(learner: PolicyGradient, row: int) -> tuple[mx.array, np.ndarray]:
    """Log-probabilities of the model's own tokens of a row, by one forward pass over all of it, and their places."""
    rows = experience_of(learner)
    own = np.flatnonzero(rows.completion_mask[row])
    prompt = list(rows.prompts[int(rows.prompt_index[row])])
    tokens = rows.tokens[row, : own.max() + 1]
    logits = learner.session.policy.model(mx.array([[*prompt, *tokens.tolist()]]))[0, len(prompt) - 1 : -1]
    scaled = logits.astype(mx.float32) / LONG["temperature"]
    scores = scaled - mx.logsumexp(scaled, axis=-1, keepdims=True)
    chosen = mx.take_along_axis(scores, mx.array(tokens)[:, None], axis=-1)[:, 0]
    return chosen[mx.array(own)], own


def assert_gradients(
    learner: PolicyGradient, gathered: Any, weight: Any, level: Literal["ratio", "log"] = "ratio"
) -> None:
    """The update's gradient is that of the plain sum over the model's tokens, to 1e-5 of its largest number.

    `level`: what an advantage is multiplied by, a ratio that is 1 or the log-probability itself.
    """
    experience, policy = experience_of(learner), learner.session.policy
    total = float(experience.mask.sum())

    def loss(row: int, *_: mx.array) -> mx.array:
        logprobs, own = whole_logprobs(learner, row)
        advantages = experience.advantages[row]
        told = advantages[own] if advantages.ndim else np.full(len(own), advantages)
        ratio = mx.exp(logprobs - mx.stop_gradient(logprobs))
        pulled = ratio if level == "ratio" else logprobs
        return -(pulled * mx.array(told.astype(np.float32))).sum() * weight(len(own), total)

    value, gradients = by_hand(policy, experience, range(len(experience)), loss)
    assert gathered.loss == pytest.approx(value, abs=1e-5)
    largest = max(float(mx.abs(array).max().item()) for array in gradients.values())
    assert largest > 0
    for name, array in flat(gathered.gradients).items():
        np.testing.assert_allclose(
            array, gradients[name], rtol=0, atol=1e-5 * max(largest, 1.0), err_msg=name
        )


def plainly(learner: PolicyGradient, weight: Any) -> Callable[[], Any]:
    """The gradient of -sum(weight x A x log-probability), computed anew in the precision of the model's weights."""

    def gradient() -> Any:
        experience, total = experience_of(learner), float(experience_of(learner).mask.sum())

        def loss(row: int, *_: mx.array) -> mx.array:
            logprobs, own = whole_logprobs(learner, row)
            return -logprobs.sum() * float(experience.advantages[row]) * weight(len(own), total)

        return by_hand(learner.session.policy, experience, range(len(experience)), loss)[1]

    return gradient


@pytest.mark.parametrize(
    ("method", "weight"),
    [
        ({"type": "grpo", "loss_type": "cispo", "epsilon_high": 5.0}, lambda n, total: 1 / total),
        # a cap below the ratio of 1 scales every token
        ({"type": "grpo", "loss_type": "cispo", "epsilon_high": 0.5}, lambda n, total: 0.5 / total),
        ({"type": "grpo", "loss_type": "reinforce"}, lambda n, total: 1 / total),
        ({"type": "grpo", "loss_type": "vespo"}, lambda n, total: 1 / total),
        ({"type": "grpo", "loss_type": "sapo"}, lambda n, total: 1 / (8 * n)),
        ({"type": "grpo", "loss_type": "luspo"}, lambda n, total: 1 / 8),
        ({"type": "gmpo"}, lambda n, total: 1 / (8 * n)),
        ({"type": "maxrl"}, lambda n, total: 1 / total),
        ({"type": "rloo"}, lambda n, total: 1 / 8),
    ],
)
@pytest.mark.slow
def test_every_loss_has_the_gradient_of_a_pass_in_double_precision(
    tmp_path: Path, method: dict[str, Any], weight: Any
) -> None:
    """All of them pull alike where the policy is the sampler's; how a row or a token weighs tells them apart."""
    given = {"beta": 0.0, "mask_truncated_completions": False}
    learner = acting(tmp_path, method={**given, **method})
    gathered = learner.gather(0)
    assert_exact(gathered.gradients, plainly(learner, weight), learner.session.policy)


@pytest.mark.parametrize(
    ("method", "weight"),
    [
        ({"type": "grpo", "beta": 0.0}, lambda n, total: 1 / (8 * n)),
        ({"type": "dapo", "dynamic_sampling": False}, lambda n, total: 1 / total),
        ({"type": "dr_grpo"}, lambda n, total: 1 / (8 * 110)),
        ({"type": "grpo", "beta": 0.0, "loss_type": "bnpo"}, lambda n, total: 1 / total),
        ({"type": "gspo"}, lambda n, total: 1 / (8 * n)),
    ],
)
def test_the_update_is_that_of_whole_forward_passes_over_the_conversations(
    tmp_path: Path, method: dict[str, Any], weight: Any
) -> None:
    learner = acting(tmp_path, method={**method, "mask_truncated_completions": False})
    gathered = learner.gather(0)
    experience = experience_of(learner)
    assert (experience.tokens[experience.completion_mask == 0] > 0).any()  # the environment spoke
    assert_gradients(learner, gathered, weight)


def test_a_loss_of_log_probabilities_is_told_and_learnt_as_one_over_the_conversations(tmp_path: Path) -> None:
    method = {"type": "grpo", "beta": 0.0, "loss_type": "cispo", "epsilon_high": 5.0}
    learner = acting(tmp_path, method={**method, "mask_truncated_completions": False})
    assert_gradients(learner, learner.gather(0), lambda n, total: 1 / total, "log")


@pytest.mark.parametrize("plan", [MemoryPlan(train_rows=2), MemoryPlan(share_prompts=False, pack_rows=True)])
def test_portions_and_packing_change_no_number(tmp_path: Path, plan: MemoryPlan) -> None:
    learner = acting(tmp_path, method={"type": "grpo", "beta": 0.0})
    learner.session.plan = plan
    assert_gradients(learner, learner.gather(0), lambda n, total: 1 / (8 * n))


OTHERS = [
    {"type": "rloo"},
    {"type": "reinforce_pp"},
    {"type": "a2po", "value_samples": 2, "filter_all_incorrect": False},
    *(
        pytest.param(method, marks=pytest.mark.slow)
        for method in (
            {"type": "gmpo"},
            {"type": "maxrl"},
            *(
                {"type": "grpo", "loss_type": loss} | ({"epsilon_high": 5.0} if loss == "cispo" else {})
                for loss in ("cispo", "sapo", "vespo", "luspo", "reinforce")
            ),
        )
    ),
]


@pytest.mark.parametrize("method", OTHERS)
def test_every_method_that_compares_groups_learns_from_episodes(
    tmp_path: Path, method: dict[str, Any]
) -> None:
    learner = acting(tmp_path, method=method)
    gathered = learner.gather(0)
    assert gathered.signal
    assert any(float(mx.abs(array).max().item()) > 0 for array in flat(gathered.gradients).values())
    unknown = set(gathered.metrics) - set(CATALOGUE) - {"sampled_tokens"}
    assert not {one for one in unknown if not one.startswith("rewards/")}


def test_the_environments_reward_stands_beside_ours(tmp_path: Path) -> None:
    told: list[Event] = []
    learner = acting(tmp_path, environment={"reward_weight": 2.0})
    learner.session.emit = told.append
    gathered = learner.gather(0)
    groups = [event for event in told if isinstance(event, RolloutGroup)]
    one = next(found for group in groups for found in group.completions if not found.cut)
    assert set(one.rewards) == {"length", "format", "environment"}
    given = [found or 0.0 for found in one.rewards.values()]
    assert one.reward == pytest.approx(given[0] + given[1] + 2 * given[2])
    assert [turn.role for turn in one.turns] == ["assistant", "user", "assistant", "user", "assistant"]
    assert one.text == one.turns[-1].text
    assert one.length == sum(turn.tokens for turn in one.turns if turn.role == "assistant")
    assert gathered.metrics["rewards/environment/mean"] > 0
    assert 1 < gathered.metrics["episodes/turns"] <= 3


def test_a_failed_episode_is_left_out_of_its_group_and_too_many_end_the_step(tmp_path: Path) -> None:
    learner = acting(tmp_path, Scripted(turns=1, failing=(2,)))
    learner.gather(0)
    advantages = experience_of(learner).advantages
    assert not advantages[[2, 6]].any()
    assert np.abs(advantages).max() > 0
    learner.session.environment = Scripted(failing=(0, 1, 2))
    learner.experience = None
    with pytest.raises(TooManyFailures, match="6 of 8 episodes failed"):
        learner.gather(1)


def test_turns_are_credited_by_their_own_returns_where_asked(tmp_path: Path) -> None:
    settings = {"credit": "turn", "turn_weight": 0.5, "turn_discount": 1.0}
    learner = acting(tmp_path, Scripted(turns=2), environment=settings, method={"type": "grpo", "beta": 0.0})
    gathered = learner.gather(0)
    experience = experience_of(learner)
    assert experience.advantages.shape == experience.mask.shape
    assert any(
        len(set(row[mask > 0])) > 1 for row, mask in zip(experience.advantages, experience.mask, strict=True)
    )
    assert_gradients(learner, gathered, lambda n, total: 1 / (8 * n))


def test_slices_of_a_rollout_and_a_second_pass_learn_from_the_same_tokens(tmp_path: Path) -> None:
    learner = acting(
        tmp_path, method={"type": "grpo", "num_iterations": 2, "steps_per_generation": 2, "beta": 0.0}
    )
    for step in range(4):
        gathered = learner.gather(step)
        moved(learner.session.policy, gathered.gradients, 1e-3)
        revived = Experience.from_tensors(experience_of(learner).to_tensors())
        np.testing.assert_array_equal(revived.completion_mask, experience_of(learner).completion_mask)
    assert learner.explorer.rollouts == 1


def test_the_environment_is_started_for_all_episodes_of_a_rollout_before_the_first(tmp_path: Path) -> None:
    session, environment = acting(tmp_path).session, Scripted()
    dataset = open_configured(session.config.data, "grpo")
    conduct = Conduct(Control(), lambda event: None, World())
    build_session(session.config, session.policy, dataset, session.rewards, conduct, environment)
    assert (environment.prepared, environment.opened) == (8, 0)


def test_what_a_step_has_read_and_waited_for_is_that_of_all_its_rollouts(tmp_path: Path) -> None:
    alone = acting(tmp_path / "alone")
    first, second = (alone.gather(step).metrics for step in (0, 0))
    both = acting(tmp_path / "both", training={"gradient_accumulation_steps": 2}).gather(0).metrics
    read, turns = "episodes/read_tokens", "episodes/turns"
    assert both[read] == first[read] + second[read]
    assert both[turns] == (first[turns] + second[turns]) / 2
    assert both["episodes/stood_seconds"] >= 0.0


def test_held_out_episodes_are_played_and_told(tmp_path: Path) -> None:
    learner = acting(tmp_path, Scripted(turns=1), evaluation={"rows": 3})
    found = learner.evaluate(0)
    assert found is not None
    assert found.metrics["eval/episodes/turns"] >= 1
    assert "eval/rewards/environment/mean" in found.metrics
    assert set(found.metrics) - {name for name in found.metrics if name.startswith("eval/rewards/")} <= set(
        CATALOGUE
    )


def test_a_table_of_the_environment_alone(tmp_path: Path) -> None:
    learner = acting(tmp_path, rewards=[])
    learner.gather(0)
    assert np.abs(experience_of(learner).advantages).max() > 0
