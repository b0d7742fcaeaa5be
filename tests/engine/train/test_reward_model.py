"""Reward models in the loop: pairs become numbers, with the gradient of the plain computation."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from droid_tune.config import resolve
from droid_tune.errors import UserError
from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.methods.losses.pairs.pair_metrics import finish_pair_metrics
from droid_tune.methods.losses.pairs.reward_loss import reward_loss
from droid_tune.model.adapter_files import read_arrays
from droid_tune.model.heads.value_head import HEAD_WEIGHTS, add_reward_head, reward_head
from droid_tune.model.policy import Policy
from droid_tune.train.learners.pairs.judged_rows import JudgedUnit
from droid_tune.train.learners.pairs.preference_learner import PreferenceLearner
from tests.engine.train.conftest import digest, resume, train
from tests.engine.train.learning import assert_same, flat, stirred
from tests.engine.train.test_preference_learner import PAIRS, PLANS, learner_on, planned, quantised
from tests.engine.train.test_preference_resume import DEMANDING, stopped_within_step_four

REWARD: dict[str, Any] = {"type": "reward", "centering": 0.01}
ROWS = [{**row, "margin": margin} for row, margin in zip(PAIRS, (0.5, 0, 2), strict=True)]


def softplus(number: float) -> float:
    return log(1 + exp(number))


def test_the_loss_in_numbers() -> None:
    """Two pairs: rewards 2 and 1 with a margin of 0.5, 0 and 3 with none."""
    chosen, rejected = mx.array([2.0, 0.0]), mx.array([1.0, 3.0])
    loss, sums = reward_loss(PairBatch(2.0), chosen, rejected, mx.array([0.5, 0.0]), centering=0.1)
    expected = (softplus(-0.5) + 0.1 * 9 + softplus(3.0) + 0.1 * 9) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert finish_pair_metrics([sums]) == pytest.approx(
        {
            "rewards/chosen": 1.0,
            "rewards/rejected": 2.0,
            "rewards/accuracies": 0.5,
            "rewards/margins": -1.0,
            "rewards/mean": 1.5,
            "rewards/min": 0.0,
            "rewards/max": 3.0,
        }
    )


def test_the_extremes_of_micro_batches_are_those_of_the_batch() -> None:
    parts = [
        reward_loss(PairBatch(2.0), mx.array([one]), mx.array([other]), mx.zeros(1))[1]
        for one, other in ((2.0, -4.0), (5.0, 1.0))
    ]
    found = finish_pair_metrics(parts)
    assert (found["rewards/min"], found["rewards/max"], found["rewards/mean"]) == (-4.0, 5.0, 1.0)


# -- the plain computation ---------------------------------------------------------------------------------------------


def plain_rewards(policy: Policy, units: list[JudgedUnit], head: mx.array) -> mx.array:
    """(n, 2): of each answer by itself the last hidden state times the head."""
    body: Any = policy.model["model"]
    numbers = [
        (body(mx.array([one.tokens]))[0, -1] * head[0]).sum() for unit in units for one in unit.answers
    ]
    return mx.stack(numbers).reshape(-1, 2)


def plainly(learner: PreferenceLearner) -> tuple[float, dict[str, mx.array]]:
    policy, units = learner.session.policy, learner._take()
    learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
    margins = mx.array([unit.margin for unit in units])
    own = policy.learnt()

    def total(parameters: dict[str, mx.array]) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        chosen, rejected = plain_rewards(policy, units, parameters["score.weight"]).T
        gap = chosen - rejected - margins
        return (mx.logaddexp(mx.zeros_like(gap), -gap) + 0.01 * mx.square(chosen + rejected)).mean()

    value, gradient = mx.value_and_grad(total)(own)
    policy.model.update(tree_unflatten(list(own.items())))
    mx.eval(value, gradient)
    return float(value.item()), gradient


def assert_plain(learner: PreferenceLearner, plans: tuple[str, ...]) -> None:
    value, gradient = plainly(learner)
    for plan in plans:
        learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
        found = planned(learner, PLANS[plan]).gather(0)
        assert found.loss == pytest.approx(value, rel=1e-5, abs=1e-5)
        assert_same(found.gradients, gradient, 1e-5)


def test_the_gradient_is_the_plain_one_in_portions_of_any_size(tmp_path: Path) -> None:
    assert_plain(learner_on(tmp_path, ROWS, REWARD), tuple(PLANS))


@pytest.mark.parametrize("adapter", ["dora", "full"])
def test_whatever_is_trained_has_the_plain_gradient(tmp_path: Path, adapter: str) -> None:
    learner = learner_on(tmp_path, ROWS, REWARD, adapter={"type": adapter, "layers": 1})
    assert_plain(learner, ("one pair at a time", "layer by layer", "scored first"))


def test_a_quantised_model_has_the_plain_gradient(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, ROWS, REWARD)
    learner.session.policy = quantised()
    add_reward_head(learner.session.policy, seed=0)
    stirred(learner.session.policy)
    assert_plain(learner, ("one pair at a time", "layer by layer", "scored first"))


def test_packing_and_order_change_nothing(tmp_path: Path) -> None:
    one = learner_on(tmp_path, ROWS, REWARD).gather(0)
    for rows, method in ((ROWS[::-1], REWARD), (ROWS, REWARD | {"packing": True})):
        other = learner_on(tmp_path, rows, method).gather(0)
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert_same(one.gradients, flat(other.gradients), 1e-5)


# -- rows, evaluation, what is kept --------------------------------------------------------------------------------------


def test_margins_come_from_their_column_and_must_be_numbers(tmp_path: Path) -> None:
    assert [unit.margin for unit in learner_on(tmp_path, ROWS, REWARD)._take()] == [0.5, 0.0, 2.0]
    text = [{**row, "margin": " 0.5"} for row in PAIRS]  # as a table of text has it
    assert [unit.margin for unit in learner_on(tmp_path, text, REWARD)._take()] == [0.5] * 3
    named = [{**row, "better_by": 3} for row in PAIRS]
    taken = learner_on(tmp_path, named, REWARD | {"margin_field": "better_by"})._take()
    assert [unit.margin for unit in taken] == [3.0] * 3
    learner = learner_on(tmp_path, [{**row, "margin": "much"} for row in PAIRS], REWARD)
    with pytest.raises(UserError, match="Row 1 has `margin` 'much', which is not a number"):
        learner.session.reader.judged(0, learner.session.train.row(0))


def test_held_out_pairs_are_ordered_by_their_numbers(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, PAIRS, REWARD, evaluation={"rows": 3})
    found = learner.evaluate(0)
    assert found is not None
    policy = learner.session.policy
    chosen, rejected = np.array(plain_rewards(policy, learner._take(), reward_head(policy).weight)).T
    assert found.metrics["eval/preference_accuracy"] == pytest.approx(np.mean(chosen > rejected))
    assert found.metrics["eval/rewards/margins"] == pytest.approx(np.mean(chosen - rejected), rel=1e-4)
    assert found.metrics["eval/rewards/max"] == pytest.approx(max(*chosen, *rejected), rel=1e-4)


def config_on(folder: Path, **changes: Any) -> Any:
    for split in ("train", "valid"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return resolve({**DEMANDING, "method": REWARD, "data": {"path": str(folder)}, **changes})


def test_a_stopped_run_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    """The head's bytes too, which have a file of their own: any program reads the adapter beside it."""
    config = config_on(tmp_path)
    assert train(config, tmp_path / "whole")[0].outcome == "completed"
    assert stopped_within_step_four(config, tmp_path / "run") == "stopped"
    assert resume(tmp_path / "run")[0].outcome == "completed"
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")
    heads = [(tmp_path / name / HEAD_WEIGHTS).read_bytes() for name in ("run", "whole")]
    assert heads[0] == heads[1]
    assert all("score" not in name for name in read_arrays(tmp_path / "whole" / "adapters.safetensors"))
    _goes_on(tmp_path)


def _goes_on(folder: Path) -> None:
    """A run that starts from the reward model has its head."""
    from droid_tune.train.starting.start import starting_policy

    config = config_on(folder, model={"start_from": str(folder / "whole")})
    policy = starting_policy(config, folder / "further")
    earlier = read_arrays(folder / "whole" / HEAD_WEIGHTS)
    assert mx.array_equal(reward_head(policy).weight, earlier["score.weight"])


def test_three_pairs_are_soon_told_apart(tmp_path: Path) -> None:
    config = config_on(
        tmp_path,
        training={"iterations": 12, "batch_size": 3},
        optimizer={"learning_rate": 3e-3},
        evaluation={"rows": 3, "steps_per_eval": 0},
        adapter={"rank": 4},
    )
    end, record = train(config, tmp_path / "run")
    assert end.outcome == "completed", end.why
    held_out = [event.metrics for event in record if event.type == "evaluation"]
    assert held_out[-1]["eval/preference_accuracy"] == 1.0
    before, after = held_out[0]["eval/loss"], held_out[-1]["eval/loss"]
    assert before is not None
    assert after is not None
    assert after < before / 2
