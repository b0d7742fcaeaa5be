"""An update of the learner is the formula of its method, whatever the slices, passes and micro-batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.estimate.plan import MemoryPlan
from droid_tune.metrics import CATALOGUE
from droid_tune.model.gradients import head_loss
from droid_tune.model.gradients.head import TokenScores
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.exploring.batch import Batch
from droid_tune.train.exploring.experience import Experience
from droid_tune.train.learners.policy_gradient import PolicyGradient
from droid_tune.train.rows.row_reader import PromptRow
from tests.engine.train.learning import assert_same, by_hand, flat, learner_of, moved, row_logprobs


def experience_of(learner: PolicyGradient) -> Experience:
    assert learner.experience is not None
    return learner.experience


def lengths(experience: Experience) -> list[int]:
    return [int(n) for n in experience.completion_mask.sum(axis=1)]


def logprobs_now(learner: PolicyGradient, experience: Experience) -> list[np.ndarray]:
    return [
        np.array(row_logprobs(learner.session.policy, experience, row)[0]) for row in range(len(experience))
    ]


# -- one update of one rollout ---------------------------------------------------------------------------------------------


def test_a_rollout_tells_completions_apart(tmp_path: Path) -> None:
    learner = learner_of(tmp_path)
    learner.gather(0)
    experience = experience_of(learner)
    assert len(set(lengths(experience))) > 1
    assert np.abs(experience.advantages).max() > 0.5


def test_grpo_is_the_mean_over_completions_of_the_mean_over_tokens_plus_kl(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.04})
    gathered = learner.gather(0)
    experience, policy = experience_of(learner), learner.session.policy
    reference = experience.reference_logprobs
    assert reference is not None

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        ratio = mx.exp(logprobs - mx.stop_gradient(logprobs))
        gap = mx.array(reference[row][: logprobs.size]) - logprobs
        kl = (mx.exp(gap) - gap - 1) * ratio  # with the bias correction
        return (-ratio * float(experience.advantages[row]) + 0.04 * kl).mean() / 8

    value, gradients = by_hand(policy, experience, range(8), loss)
    assert gathered.loss == pytest.approx(value, abs=1e-5)
    assert_same(gathered.gradients, gradients)
    assert gathered.metrics["kl"] > 0


@pytest.mark.parametrize(
    ("method", "weight"),
    [
        ({"type": "bnpo"}, lambda n, total: 1 / total),
        ({"type": "dapo", "dynamic_sampling": False, "mask_truncated_completions": False}, lambda n, total: 1 / total),
        ({"type": "dr_grpo"}, lambda n, total: 1 / (8 * 10)),  # rows x longest completion
        ({"type": "grpo", "beta": 0.0, "loss_type": "luspo"}, lambda n, total: 1 / 8),
        ({"type": "grpo", "beta": 0.0, "loss_type": "reinforce"}, lambda n, total: 1 / total),
        ({"type": "grpo", "beta": 0.0, "importance_sampling_level": "none"}, lambda n, total: 1 / (8 * n)),
        ({"type": "gspo"}, lambda n, total: 1 / (8 * n)),  # on the policy's own rollout as GRPO
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_each_loss_weighs_tokens_its_own_way(tmp_path: Path, method: dict[str, Any], weight: Any) -> None:
    learner = learner_of(tmp_path, method={"group_size": 4, **method})
    gathered = learner.gather(0)
    experience = experience_of(learner)
    counts = lengths(experience)

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        # On-policy every surrogate has the gradient of -A log pi.
        return -float(experience.advantages[row]) * logprobs.sum() * weight(counts[row], sum(counts))

    _, gradients = by_hand(learner.session.policy, experience, range(8), loss)
    assert_same(gathered.gradients, gradients)


# -- slices, accumulation, passes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
def test_slices_of_one_rollout_gathered_into_one_update_are_averaged(tmp_path: Path, loss_type: str) -> None:
    learner = learner_of(
        tmp_path,
        method={"beta": 0.0, "loss_type": loss_type, "steps_per_generation": 2},
        training={"gradient_accumulation_steps": 2},
    )
    gathered = learner.gather(0)
    experience = experience_of(learner)
    assert experience.old_logprobs is None  # no update falls between sampling and learning
    counts = lengths(experience)
    halves = [sum(counts[:4]), sum(counts[4:])]

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        weight = {
            "grpo": 1 / (4 * counts[row]) / 2,
            "bnpo": 1 / halves[row // 4] / 2,  # the mean over the tokens of the slice
            "dr_grpo": 1 / (4 * 10) / 2,
            "dapo": 1 / sum(counts),  # the mean over the tokens of the whole rollout
        }[loss_type]
        return -float(experience.advantages[row]) * logprobs.sum() * weight

    _, gradients = by_hand(learner.session.policy, experience, range(8), loss)
    assert_same(gathered.gradients, gradients)
    assert learner.cursor.exhausted


def test_a_second_slice_is_compared_with_the_policy_that_sampled_it(tmp_path: Path) -> None:
    learner = learner_of(
        tmp_path,
        training={"batch_size": 4},
        method={"type": "dapo", "steps_per_generation": 2, "dynamic_sampling": False, "mask_truncated_completions": False,
                "epsilon": 0.02, "epsilon_high": 0.03},
    )  # fmt: skip
    first = learner.gather(0)
    experience, policy = experience_of(learner), learner.session.policy
    assert np.abs(experience.advantages[8:]).max() > 0.5
    before = logprobs_now(learner, experience)
    total = sum(lengths(experience))
    moved(policy, first.gradients, rate=0.02)
    learner.after_update(1)
    second = learner.gather(1)
    assert experience_of(learner) is experience

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        advantage = float(experience.advantages[row])
        ratio = mx.exp(logprobs - mx.array(before[row]))
        clipped = mx.clip(ratio, 1 - 0.02, 1 + 0.03)
        # Two slices and one per update: half of the rollout's tokens is what an update is divided by.
        return -mx.minimum(ratio * advantage, clipped * advantage).sum() / (total / 2)

    value, gradients = by_hand(policy, experience, range(8, 16), loss)
    assert second.loss == pytest.approx(value, abs=1e-5)
    assert_same(second.gradients, gradients)
    assert second.metrics["clip_ratio/region_mean"] > 0


@pytest.mark.parametrize("level", ["token", "sequence", "sequence_token"])
def test_a_second_pass_keeps_the_log_probabilities_of_the_first(tmp_path: Path, level: str) -> None:
    method = {"beta": 0.0, "num_iterations": 2, "importance_sampling_level": level, "epsilon": 0.9}
    learner = learner_of(tmp_path, method=method)
    first = learner.gather(0)
    experience, policy = experience_of(learner), learner.session.policy
    before = logprobs_now(learner, experience)
    moved(policy, first.gradients, rate=0.1)
    learner.after_update(1)
    second = learner.gather(1)

    def ratio_of(row: int, logprobs: mx.array) -> mx.array:
        gap = logprobs - mx.array(before[row])
        if level == "token":
            return mx.exp(gap)
        if level == "sequence":
            return mx.broadcast_to(mx.exp(gap.mean()), gap.shape)
        return mx.exp(logprobs - mx.stop_gradient(logprobs) + mx.stop_gradient(gap.mean()))

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        advantage, ratio = float(experience.advantages[row]), ratio_of(row, logprobs)
        return -mx.minimum(ratio * advantage, mx.clip(ratio, 0.1, 1.9) * advantage).mean() / 8

    value, gradients = by_hand(policy, experience, range(8), loss)
    assert second.loss == pytest.approx(value, abs=1e-5)
    assert_same(second.gradients, gradients)
    assert second.metrics["ratio/max"] > 1.0001
    learner.after_update(2)
    learner.gather(2)
    assert experience_of(learner) is not experience  # used twice, then sampled anew


def test_two_passes_in_one_update_are_twice_the_gradient(tmp_path: Path) -> None:
    once = learner_of(tmp_path, method={"beta": 0.0}).gather(0)
    twice = learner_of(
        tmp_path, method={"beta": 0.0, "num_iterations": 2}, training={"gradient_accumulation_steps": 2}
    ).gather(0)
    # Each pass is divided by the two slices of the update, so together they are the same mean.
    assert_same(twice.gradients, once.gradients)


# -- every setting reaches the loss ----------------------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Any]] = {
    "delta": {"delta": 1.01},
    "cispo": {"loss_type": "cispo", "epsilon_high": 1.01},
    "sapo": {"loss_type": "sapo", "sapo_temperature_pos": 2.0, "sapo_temperature_neg": 3.0},
    "vespo": {"loss_type": "vespo"},
    "off-policy mask": {"off_policy_mask_threshold": 0.002},
    "KL without bias correction": {"beta": 0.5, "use_bias_correction_kl": False},
    "KL with bias correction": {"beta": 0.5},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_changes_the_loss_of_the_second_pass_as_its_formula_says(tmp_path: Path, case: str) -> None:
    """After a step the ratio is not 1 any more, and the formulas differ."""
    learner = learner_of(tmp_path, method={"beta": 0.0, "num_iterations": 2, **SETTINGS[case]})
    first = learner.gather(0)
    experience, policy = experience_of(learner), learner.session.policy
    before = logprobs_now(learner, experience)
    moved(policy, first.gradients, rate=0.1)
    learner.after_update(1)
    second = learner.gather(1)
    total, reference = sum(lengths(experience)), experience.reference_logprobs
    left_out: list[int] = []

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        advantage, old = float(experience.advantages[row]), mx.array(before[row])
        ratio = mx.exp(logprobs - old)
        surrogate = -mx.minimum(ratio * advantage, mx.clip(ratio, 0.8, 1.2) * advantage)
        if case == "delta":
            capped = mx.minimum(ratio, 1.01) * advantage
            return -mx.minimum(capped, mx.clip(ratio, 0.8, 1.2) * advantage).mean() / 8
        if case == "cispo":
            return -(mx.stop_gradient(mx.minimum(ratio, 1.01)) * advantage * logprobs).sum() / total
        if case == "sapo":
            steep = 2.0 if advantage > 0 else 3.0
            return -(advantage * 4 / steep * mx.sigmoid(steep * (ratio - 1))).mean() / 8
        if case == "vespo":
            power, decay = (2.0, 3.0) if advantage >= 0 else (3.0, 2.0)
            log_weight = (logprobs - old).sum()
            phi = mx.exp(decay + power * log_weight - decay * mx.exp(log_weight))
            return -(mx.stop_gradient(phi) * advantage * logprobs).sum() / total
        if case == "off-policy mask":
            sampled = mx.array(experience.sampled_logprobs[row][: logprobs.size])
            if advantage < 0 and (sampled - logprobs).mean().item() > 0.002:
                left_out.append(row)
                return mx.array(0.0)
            return surrogate.mean() / 8
        assert reference is not None
        gap = mx.array(reference[row][: logprobs.size]) - logprobs
        kl = mx.exp(gap) - gap - 1
        return (surrogate + 0.5 * (kl if case == "KL without bias correction" else kl * ratio)).mean() / 8

    value, gradients = by_hand(policy, experience, range(8), loss)
    assert second.loss == pytest.approx(value, abs=1e-5)
    assert_same(second.gradients, gradients)
    assert bool(left_out) is (case == "off-policy mask")


# -- portions and masks ----------------------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "beta": 0.04,
    "entropy_coef": 0.01,
    "top_entropy_quantile": 0.6,
    "off_policy_mask_threshold": 0.5,
    "sampler_correction": "token_truncate",
    "num_iterations": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    "loss_type", ["grpo", "bnpo", "dr_grpo", "dapo", "sapo", "luspo", "vespo", "reinforce"]
)
def test_portions_never_change_a_gradient_or_a_metric(tmp_path: Path, loss_type: str) -> None:
    found: list[Any] = []
    for plan in (
        MemoryPlan(train_rows=8),
        MemoryPlan(train_rows=1, hold=False),
        MemoryPlan(train_rows=3, share_prompts=False),
    ):
        learner = learner_of(tmp_path, method={**EVERYTHING, "loss_type": loss_type})
        learner.session.plan = replace(plan, decode_rows=8)
        found.append(learner.gather(0))
    whole, *others = found
    for other in others:
        assert other.loss == pytest.approx(whole.loss, abs=1e-5)
        assert_same(other.gradients, whole.gradients)
        assert other.metrics.keys() == whole.metrics.keys()
        for name, value in whole.metrics.items():
            assert other.metrics[name] == pytest.approx(value, abs=1e-4, nan_ok=True), name


def test_groups_of_equal_rewards_teach_nothing_and_are_counted(tmp_path: Path) -> None:
    rewards = [{"type": "format", "pattern": "never found"}]
    gathered = learner_of(tmp_path, method={"beta": 0.0}, rewards=rewards).gather(0)
    assert not gathered.signal
    assert gathered.metrics["frac_reward_zero_std"] == 1.0
    assert gathered.loss == 0.0
    assert all(float(mx.abs(array).max().item()) == 0.0 for array in flat(gathered.gradients).values())


@pytest.mark.parametrize(("method", "signal"), [({"beta": 0.5}, False), ({"entropy_coef": 0.1}, True)])
def test_without_a_reward_only_a_bonus_on_entropy_pulls(
    tmp_path: Path, method: dict[str, Any], signal: bool
) -> None:
    rewards = [{"type": "format", "pattern": "never found"}]
    assert learner_of(tmp_path, method=method, rewards=rewards).gather(0).signal is signal


def test_the_shown_kl_is_the_mean_of_the_log_ratio(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.1})
    gathered = learner.gather(0)
    experience = experience_of(learner)
    assert experience.reference_logprobs is not None
    gaps = [
        np.array(row_logprobs(learner.session.policy, experience, row)[0])
        - experience.reference_logprobs[row, : int(experience.mask[row].sum())]
        for row in range(len(experience))
    ]
    assert gathered.metrics["kl/k1"] == pytest.approx(np.concatenate(gaps).mean(), abs=1e-5)


def test_cut_off_completions_set_the_baseline_and_are_not_learnt(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"type": "bnpo", "mask_truncated_completions": True})
    gathered = learner.gather(0)
    experience = experience_of(learner)
    cut = experience.mask.sum(axis=1) == 0
    assert 0 < cut.sum() < 8
    assert gathered.metrics["completions/clipped_ratio"] == cut.mean()
    counts = lengths(experience)
    tokens = sum(count for count, out in zip(counts, cut, strict=True) if not out)

    def loss(row: int, logprobs: mx.array, _: mx.array) -> mx.array:
        return -float(experience.advantages[row]) * logprobs.sum() * (0.0 if cut[row] else 1 / tokens)

    _, gradients = by_hand(learner.session.policy, experience, range(8), loss)
    assert_same(gathered.gradients, gradients)
    assert abs(float(experience.advantages.sum())) < 1e-5  # of all eight, so the cut ones counted


@pytest.mark.parametrize(
    "method", [{}, {"beta": 0.1, "num_iterations": 2}, {"top_entropy_quantile": 0.2}, {"entropy_coef": 0.1}]
)
def test_a_rollout_of_nothing_but_cut_off_completions_changes_nothing(
    tmp_path: Path, method: dict[str, Any]
) -> None:
    learner = learner_of(
        tmp_path,
        method={"beta": 0.0, "mask_truncated_completions": True, **method},
        sampling={"max_completion_length": 2},
        rewards=[{"type": "length", "target": 2}],
    )
    gathered = learner.gather(0)
    assert experience_of(learner).mask.sum() == 0
    assert gathered.metrics["completions/clipped_ratio"] == 1.0
    assert gathered.signal is bool(method.get("entropy_coef"))
    assert gathered.loss == 0.0
    assert all(not float(mx.abs(array).max().item()) for array in flat(gathered.gradients).values())
    learner.after_update(1)


def test_the_entropy_quantile_is_taken_over_the_whole_slice(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.0, "top_entropy_quantile": 0.25})
    gathered = learner.gather(0)
    experience, policy = experience_of(learner), learner.session.policy
    entropies = [np.array(row_logprobs(policy, experience, row)[1]) for row in range(8)]
    threshold = np.quantile(np.concatenate(entropies).astype(np.float64), 0.75) - 1e-5

    def loss(row: int, logprobs: mx.array, entropy: mx.array) -> mx.array:
        kept = mx.stop_gradient(entropy >= float(threshold)).astype(mx.float32)
        return (-float(experience.advantages[row]) * logprobs * kept).mean() / 8

    _, gradients = by_hand(policy, experience, range(8), loss)
    assert_same(gathered.gradients, gradients)


def test_the_entropy_bonus_makes_the_model_less_certain(tmp_path: Path) -> None:
    rewards = [{"type": "format", "pattern": "never found"}]  # nothing but the bonus moves it
    learner = learner_of(tmp_path, method={"beta": 0.0, "entropy_coef": 0.5}, rewards=rewards)
    gathered = learner.gather(0)
    experience, policy = experience_of(learner), learner.session.policy
    tokens = sum(lengths(experience))

    def loss(row: int, _: mx.array, entropy: mx.array) -> mx.array:
        return -0.5 * entropy.sum() / tokens

    value, gradients = by_hand(policy, experience, range(8), loss)
    assert gathered.loss == pytest.approx(value, abs=1e-5)
    assert_same(gathered.gradients, gradients)


def test_the_adaptive_bonus_begins_after_the_first_update_and_moves_by_its_step(tmp_path: Path) -> None:
    method = {
        "entropy_coef": 0.1,
        "entropy_target": 100.0,
        "entropy_coef_delta": 0.02,
        "entropy_coef_max": 0.13,
    }
    learner = learner_of(tmp_path, method=method)
    coefficients: list[float | None] = []
    for step in range(4):
        coefficients.append(learner.gather(step).metrics.get("entropy_coef"))
        learner.after_update(step + 1)
    # The entropy is below the target all the time: up by 0.02 after each update, to the bound of 0.13.
    assert coefficients == [None, pytest.approx(0.12), pytest.approx(0.13), pytest.approx(0.13)]


# -- the sampler and the scorer --------------------------------------------------------------------------------------------


def test_the_samplers_difference_is_always_measured(tmp_path: Path) -> None:
    for method in ({}, {"num_iterations": 2}, {"beta": 0.0, "type": "gspo"}):
        metrics = learner_of(tmp_path, method=method).gather(0).metrics
        assert 0 <= metrics["sampling/logp_difference/mean"] <= metrics["sampling/logp_difference/max"] < 1e-4


def test_every_metric_of_a_run_is_in_the_catalogue(tmp_path: Path) -> None:
    names: set[str] = set()
    for method in (
        {**EVERYTHING, "entropy_coef": 0.1},
        {"type": "dapo"},
        {"beta": 0.0, "loss_type": "cispo", "epsilon_high": 5.0},
        {"beta": 0.0, "loss_type": "vespo"},
    ):
        names |= set(learner_of(tmp_path, method=method).gather(0).metrics)
    unknown = {name for name in names if name not in CATALOGUE and not name.startswith("rewards/")}
    assert unknown == {"sampled_tokens"}  # the loop makes tokens_per_second of it


def test_the_samplers_difference_is_that_of_the_log_probabilities(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.0})
    learner.gather(0)
    experience = experience_of(learner)
    shifted = replace(experience, sampled_logprobs=experience.sampled_logprobs - 0.25 * experience.mask)
    learner.experience, learner.cursor.next = shifted, 0
    metrics = learner.gather(0).metrics
    assert metrics["sampling/logp_difference/mean"] == pytest.approx(0.25, abs=1e-4)
    assert metrics["sampling/logp_difference/max"] == pytest.approx(0.25, abs=1e-4)


def test_the_correction_weighs_by_what_the_sampler_thought(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"beta": 0.0, "sampler_correction": "token_truncate"})
    metrics = learner.gather(0).metrics
    assert metrics["sampling/importance_sampling_ratio/mean"] == pytest.approx(1.0, abs=1e-3)
    experience = experience_of(learner)
    assert experience.sampler_ratio is not None
    assert experience.old_logprobs is not None
    expected = np.exp((experience.old_logprobs - experience.sampled_logprobs) * experience.mask)
    np.testing.assert_allclose(experience.sampler_ratio, np.minimum(expected, 3.0), atol=1e-6)


# -- dynamic sampling ------------------------------------------------------------------------------------------------------


def test_the_correction_divides_by_the_probability_after_the_filters(tmp_path: Path) -> None:
    """The model's probability over the filtered one: at most 1, for a filter only makes what is left likelier."""
    learner = learner_of(
        tmp_path,
        method={"num_iterations": 2, "sampler_correction": "token_truncate"},
        sampling={"top_p": 0.7},
    )
    learner.gather(0)
    experience = experience_of(learner)
    assert experience.old_logprobs is not None
    assert experience.sampler_ratio is not None
    weights = experience.sampler_ratio[experience.mask > 0]
    assert weights.max() <= 1 + 1e-4
    assert weights.min() < 0.99


def test_dynamic_sampling_is_bounded_and_counted(tmp_path: Path) -> None:
    method = {"type": "dapo", "dynamic_sampling_rounds": 2}
    rewards = [{"type": "format", "pattern": "never found"}]
    learner = learner_of(tmp_path, method=method, rewards=rewards)
    metrics = learner.gather(0).metrics
    assert metrics["dynamic_sampling/rounds"] == 2
    assert metrics["dynamic_sampling/dropped_groups"] == 4  # two of the first round, two of the second
    assert learner.explorer.rollouts == 3
    assert learner.session.batches.state()["drawn"] == 6
    assert metrics["frac_reward_zero_std"] == 1.0


def test_dynamic_sampling_keeps_the_groups_that_teach_and_replaces_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of(tmp_path, method={"type": "dapo", "mask_truncated_completions": False})
    flat_group, telling_group = [0.5] * 4, [0.0, 1.0, 0.0, 1.0]
    said = [[*flat_group, *telling_group], [*telling_group, *flat_group]]
    seen: list[Rollout] = []

    def judged(step: int, rows: list[PromptRow], rollout: Rollout) -> Batch:
        seen.append(rollout)
        table = np.array(said[len(seen) - 1])[:, None]
        return Batch(rows, rollout, table, ("told",), (1.0,), {"told": table[:, 0]})

    monkeypatch.setattr(learner.scorer, "score", judged)
    metrics = learner.gather(0).metrics
    assert (metrics["dynamic_sampling/rounds"], metrics["dynamic_sampling/dropped_groups"]) == (1, 2)
    assert metrics["frac_reward_zero_std"] == 0
    prompts = [list(prompt) for prompt in experience_of(learner).prompts]
    assert prompts == [seen[0].prompt_tokens[1], seen[1].prompt_tokens[0]]


def test_the_overlong_punishment_counts_as_one_more_reward(tmp_path: Path) -> None:
    rewards = [{"type": "format", "pattern": "never found"}]
    learner = learner_of(tmp_path, method={"overlong_cache": 5}, rewards=rewards)
    metrics = learner.gather(0).metrics
    counts = lengths(experience_of(learner))
    # 0 up to 5 tokens, -1 at the limit of 10
    expected = np.mean([-max(0, count - 5) / 5 for count in counts])
    assert metrics["rewards/overlong/mean"] == pytest.approx(expected)
    assert metrics["reward"] == pytest.approx(expected)


def test_gdpo_normalises_each_reward_before_adding(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, method={"multi_objective_aggregation": "normalize_then_sum"})
    sampled: list[Batch] = []
    score = learner.scorer.score
    learner.scorer.score = lambda *given, **named: sampled.append(score(*given, **named)) or sampled[-1]  # type: ignore[method-assign]
    learner.gather(0)
    table = sampled[0].table.reshape(2, 4, 2)
    spread = table.std(axis=1, ddof=1, keepdims=True)
    summed = ((table - table.mean(axis=1, keepdims=True)) / (spread + 1e-4)).sum(axis=2).ravel()
    expected = (summed - summed.mean()) / (summed.std(ddof=1) + 1e-4)
    np.testing.assert_allclose(experience_of(learner).advantages, expected, atol=1e-5)


@pytest.mark.parametrize(("coef", "differentiated"), [(0.0, False), (0.01, True)])
def test_entropies_that_are_only_reported_are_not_differentiated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coef: float, differentiated: bool
) -> None:
    """Their derivative would cost one more pass back through the head."""
    learner = learner_of(tmp_path, method={"group_size": 4, "beta": 0.0, "entropy_coef": coef})
    seen: list[TokenScores] = []
    heads = head_loss.score_tokens

    def noted(*arguments: Any, **named: Any) -> TokenScores:
        seen.append(heads(*arguments, **named))
        return seen[-1]

    monkeypatch.setattr(head_loss, "score_tokens", noted)
    gathered = learner.gather(0)
    assert seen
    assert all(scores.entropies is not None for scores in seen)
    assert all((scores.entropy_gradients is not None) == differentiated for scores in seen)
    assert gathered.metrics["entropy"] > 0
