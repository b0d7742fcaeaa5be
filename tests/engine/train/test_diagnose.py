"""Streams of metrics, and the words they must and must not draw."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from droid_tune.config import resolve
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.events import Evaluation, Notice, Step
from droid_tune.runs.log import read_events
from droid_tune.train.diagnosis.diagnose import Diagnosis
from droid_tune.train.diagnosis.standing_still import StandingStill
from droid_tune.train.diagnosis.symptom_facts import Facts

RECORDED = Path(__file__).parent / "recorded"

Stream = Iterable[dict[str, float | None]]


def fed(stream: Stream, facts: Facts | None = None) -> list[Notice]:
    diagnosis = Diagnosis(facts or Facts())
    return [
        notice
        for step, metrics in enumerate(stream, start=1)
        for notice in diagnosis.observe_step(step, metrics)
    ]


def codes(notices: Sequence[Notice]) -> list[tuple[str, int | None]]:
    return [(notice.code, notice.step) for notice in notices]


def repeated(count: int, **metrics: float) -> Stream:
    return [dict(metrics) for _ in range(count)]


def test_groups_with_equal_rewards_are_told_once_and_again_after_they_cleared() -> None:
    stream = [*repeated(10, frac_reward_zero_std=0.9), *repeated(6, frac_reward_zero_std=0.2)]
    notices = fed([*stream, *repeated(6, frac_reward_zero_std=1.0)])
    assert codes(notices) == [
        ("no_learning_signal", 5),
        ("no_learning_signal", 20),
    ]  # (0.2 + 4 * 1.0) / 5 = 0.84
    assert (
        notices[0].text
        == "90% of the groups had equal rewards in the last 5 steps: equal rewards teach nothing."
    )


def test_trembling_about_the_threshold_is_said_once() -> None:
    shares = [0.82, 0.78] * 20
    assert len(fed({"frac_reward_zero_std": share} for share in shares)) == 1


def test_where_all_are_wrong_the_task_is_too_hard_and_where_all_are_right_it_is_learnt() -> None:
    (hard,) = fed(repeated(5, **{"frac_reward_zero_std": 1.0, "rewards/accuracy/mean": 0.02}))
    assert (hard.code, hard.level) == ("no_learning_signal", "warning")
    assert "because all are wrong" in hard.text
    assert "easier prompts" in hard.remedy
    (learnt,) = fed(repeated(5, **{"frac_reward_zero_std": 1.0, "rewards/accuracy/mean": 0.97}))
    assert (learnt.code, learnt.level) == ("task_learnt", "info")
    assert "97% of the completions were right" in learnt.text


def test_completions_cut_off_at_the_limit() -> None:
    (notice,) = fed(repeated(8, **{"completions/clipped_ratio": 0.75}), Facts(max_completion_length=32))
    assert notice.code == "completions_cut_off"
    assert notice.text == "75% of the completions were cut off at 32 tokens, before their answer."
    assert not fed(repeated(8, **{"completions/clipped_ratio": 0.4}))


def test_answers_of_which_all_is_left_out() -> None:
    config = resolve({"method": {"type": "sdft", "num_loss_tokens_to_skip": 8}})
    short = {"completions/mean_length": 5.0, "completions/max_length": 8.0}
    (nothing,) = fed(repeated(6, **short), Facts.of(config))
    assert (nothing.code, nothing.level, nothing.step) == ("answers_left_out", "warning", 5)
    assert nothing.text == (
        "The first 8 tokens of each answer are left out, and answers had 5 in the last 5 steps: nothing was learnt."
    )
    (most,) = fed(repeated(6, **{**short, "completions/max_length": 30.0}), Facts.of(config))
    assert "of most of them nothing was learnt" in most.text
    assert not fed(repeated(6, **{**short, "completions/mean_length": 9.0}), Facts.of(config))
    assert not fed(repeated(6, **short), Facts.of(resolve({"method": "sdft"})))


def test_calls_that_come_to_nothing() -> None:
    (notice,) = fed(
        [*repeated(8, **{"episodes/valid_calls": 0.3}), *repeated(3, **{"episodes/valid_calls": 0.6})]
    )
    assert (notice.code, notice.step) == ("calls_refused", 5)
    assert notice.text.startswith("70% of the tries to call a tool came to nothing in the last 5 steps")
    assert not fed(repeated(8, **{"episodes/valid_calls": 0.6}))
    assert not fed(repeated(8, reward=0.5))  # nobody called


def test_episodes_that_are_cut_are_told_by_what_cuts_them() -> None:
    cut = {"episodes/cut_turns": 0.6, "episodes/cut_tokens": 0.2, "completions/clipped_ratio": 0.8}
    (notice,) = fed(repeated(6, **cut), Facts(max_turns=3))
    assert notice.code == "episodes_cut"
    assert "60% of the episodes" in notice.text
    assert "the last of its 3 turns" in notice.text
    assert "max_turns" in notice.remedy
    cut |= {"episodes/cut_turns": 0.1, "episodes/cut_tokens": 0.7}
    (notice,) = fed(repeated(6, **cut), Facts(max_turn_tokens=24, max_completion_length=96))
    assert "a turn may have 24 tokens, the whole episode 96" in notice.text
    assert not fed(repeated(6, **{"episodes/cut_turns": 0.2, "episodes/cut_tokens": 0.2}))


def test_a_model_that_stands_still_for_its_tools_is_told_of_once_and_again_after_it_cleared() -> None:
    config = resolve({"environment": {"type": "tools", "path": "x.py", "waiting_share": 0.5, "at_once": 4}})
    watch = StandingStill(config)

    def told(stood: float, times: int = 5, rollout: float = 10.0) -> list[Notice]:
        seen = {"episodes/stood_seconds": stood}
        return [one for step in range(times) for one in watch.observe(step, seen, {"rollout": rollout})]

    (notice,) = told(4.0)
    assert notice.text.startswith(
        "40% of the time of sampling was spent waiting for the environment in the last 5 steps"
    )
    assert "(4 s in each)" in notice.text
    assert "`environment.at_once`, now 4" in notice.remedy
    assert "`environment.waiting_share`, now 0.5" in notice.remedy
    assert not told(4.0)  # said already
    assert not told(0.5)
    assert len(told(4.0)) == 1
    assert not told(0.0, 5)
    assert not told(0.3, 5, 0.5)  # a large share of nearly nothing
    assert not StandingStill(resolve({})).observe(1, {"reward": 1.0}, {"rollout": 1.0})


def test_kl_that_rises_while_the_reward_stays_flat() -> None:
    flat = [{"kl/k1": 0.04 * step, "kl": 9.0, "reward": 0.3 + 0.01 * (step % 3)} for step in range(30)]
    notices = fed(flat)
    assert [notice.code for notice in notices] == ["kl_without_reward"]
    assert notices[0].step is not None
    assert 18 <= notices[0].step <= 20  # the mean of ten steps passes 0.5
    gaining = [{"kl/k1": 0.04 * step, "kl": 9.0, "reward": 0.3 + 0.02 * step} for step in range(30)]
    assert fed(gaining) == []


def test_entropy_that_collapses() -> None:
    entropies = [1.0, 1.1, 0.9, 1.0, 1.0, 0.5, 0.2, *[0.02] * 6]
    (notice,) = fed({"entropy": value} for value in entropies)
    assert notice.code == "entropy_collapse"
    assert "at first 1.00 nats per token, now 0.020" in notice.text
    assert fed(repeated(20, entropy=0.03)) == []  # it was so from the start: nothing collapsed


def test_a_gradient_norm_that_jumps() -> None:
    (notice,) = fed([*repeated(20, grad_norm=0.5), *repeated(3, grad_norm=40.0)])
    assert (notice.code, notice.step) == ("gradient_explosion", 23)  # twenty usual ones, then three
    assert "from about 0.5 to 40; it is clipped at 1" in notice.text
    assert (
        fed([*repeated(20, grad_norm=0.5), {"grad_norm": 40.0}, *repeated(10, grad_norm=0.5)]) == []
    )  # one peak


def test_a_ratio_far_from_1_or_most_tokens_clipped() -> None:
    far = fed(repeated(5, **{"ratio/mean": 1.8, "clip_ratio/region_mean": 0.1}))
    assert "the ratio is 1.80 on average" in far[0].text
    clipped = fed(repeated(5, **{"ratio/mean": 1.0, "clip_ratio/region_mean": 0.9}))
    assert "90% of the tokens are clipped" in clipped[0].text
    sequence = repeated(5, **{"ratio/mean": 1.0, "clip_ratio/region_mean": 0.9})
    facts = Facts(sequence_level=True, clip_acts=True)
    assert fed(sequence, facts) == []  # GSPO clips whole completions as a matter of course


def test_a_pass_in_which_nearly_all_completions_are_clipped() -> None:
    gspo = Facts(method="gspo", sequence_level=True, clip_acts=True, epsilon=3e-4)
    told = fed(repeated(3, **{"clip_ratio/region_mean": 0.95}), gspo)
    assert codes(told) == [("sequences_all_clipped", 2)]
    assert "95% of the completions" in told[0].text
    assert fed(repeated(9, **{"clip_ratio/region_mean": 0.5}), gspo) == []


def test_nothing_but_cut_off_completions_that_are_left_out() -> None:
    masked = Facts(masks_cut_off=True, max_completion_length=64)
    (told,) = fed(repeated(6, **{"completions/clipped_ratio": 1.0}), masked)
    assert "nothing was learnt" in told.text


def test_an_entropy_filter_that_filters_nothing() -> None:
    told = fed(repeated(6, **{"entropy_filter/kept": 1.0}), Facts(entropy_share=0.2))
    assert codes(told) == [("entropy_filter_idle", 5)]
    assert fed(repeated(6, **{"entropy_filter/kept": 0.21}), Facts(entropy_share=0.2)) == []


def test_a_loss_near_0_is_explained_once() -> None:
    (notice,) = fed(repeated(50, loss=1e-4))
    assert (notice.code, notice.level) == ("loss_near_zero", "info")
    assert fed(repeated(10, loss=1e-4), Facts(reinforcement=False)) == []


def test_a_learning_rate_for_sft_is_named_unless_the_model_recommends_it() -> None:
    (notice,) = fed(repeated(5, reward=1.0), Facts(learning_rate=2e-4))
    assert (notice.code, notice.step) == ("sft_learning_rate", 1)
    for facts in (
        Facts(learning_rate=1e-5),
        Facts(learning_rate=2e-4, rate_is_recommended=True),
        Facts(learning_rate=2e-4, reinforcement=False),
    ):
        assert fed(repeated(5, reward=1.0), facts) == []


def test_a_clip_width_for_numerical_stability_is_warned_about() -> None:
    (notice,) = fed(repeated(3), Facts(epsilon=1e-4))
    assert (notice.code, notice.level) == ("epsilon_tiny", "warning")
    assert fed(repeated(3), Facts(epsilon=3e-4, sequence_level=True, clip_acts=True)) == []


def test_a_sequence_clip_that_cannot_act_is_said() -> None:
    assert [n.code for n in fed(repeated(3), Facts(sequence_level=True))] == ["sequence_clip_idle"]
    assert fed(repeated(3), Facts(sequence_level=True, clip_acts=True)) == []


@pytest.mark.parametrize(
    ("method", "accumulate", "idle"),
    [
        ({}, 1, True),
        ({"num_iterations": 2}, 1, False),
        ({"num_iterations": 2}, 2, True),  # both passes go into one update
        ({"steps_per_generation": 2}, 1, False),
        ({"steps_per_generation": 2}, 3, False),  # the second update begins in the middle of a rollout
    ],
)
def test_it_is_said_of_gspo_exactly_where_no_rollout_outlives_an_update(
    method: dict[str, int], accumulate: int, idle: bool
) -> None:
    config = resolve(
        {"method": {"type": "gspo", **method}, "training": {"gradient_accumulation_steps": accumulate}}
    )
    codes = [notice.code for notice in Diagnosis.of(config).observe_step(1, {"loss": 0.5})]
    assert ("sequence_clip_idle" in codes) is idle


def evaluated(accuracies: Sequence[float], rewards: Sequence[float], rows: int = 500) -> list[Notice]:
    """Five steps at each reward, an evaluation of so many rows before the first and after each five."""
    diagnosis = Diagnosis(Facts())
    notices = diagnosis.observe_evaluation(0, {"eval/accuracy": accuracies[0]}, rows)
    for number, (accuracy, reward) in enumerate(zip(accuracies[1:], rewards, strict=True), start=1):
        for step in range(5 * number - 4, 5 * number + 1):
            notices += diagnosis.observe_step(step, {"reward": reward})
        notices += diagnosis.observe_evaluation(5 * number, {"eval/accuracy": accuracy}, rows)
    return notices


def test_reward_up_while_held_out_accuracy_falls_is_reward_hacking() -> None:
    (notice,) = evaluated([0.4, 0.6, 0.5, 0.45], [0.5, 0.7, 0.8])
    assert (notice.code, notice.step) == ("reward_hacking", 10)
    assert "The reward in training has risen (0.5, now 0.7)" in notice.text
    assert "from 60% (step 5) to 50%" in notice.text


@pytest.mark.parametrize(
    ("accuracies", "rewards"),
    [
        ([0.4, 0.5, 0.6], [0.5, 0.7]),  # both rise
        ([0.4, 0.6, 0.5], [0.7, 0.5]),  # both fall
        ([0.4, 0.6, 0.57], [0.5, 0.7]),  # within the noise
    ],
)
def test_nothing_is_said_where_reward_and_accuracy_agree(
    accuracies: list[float], rewards: list[float]
) -> None:
    assert evaluated(accuracies, rewards) == []


@pytest.mark.parametrize(
    ("accuracies", "rows", "told"),
    [
        ([0.25, 1.0, 0.95], 20, False),  # one row of twenty
        ([0.25, 1.0, 0.75], 20, True),  # five: 0.25 against hypot(1 - 0.839, 0.888 - 0.75) = 0.212
        ([0.4, 0.6, 0.5], 100, False),  # 0.1 against hypot(0.6 - 0.502, 0.596 - 0.5) = 0.137
        ([0.4, 0.6, 0.45], 100, True),  # 0.15 against 0.138
    ],
)
def test_a_fall_that_chance_may_do_is_no_reward_hacking(
    accuracies: list[float], rows: int, told: bool
) -> None:
    assert bool(evaluated(accuracies, [0.5, 0.7], rows)) is told


def test_a_held_out_loss_that_rises_is_overfitting() -> None:
    diagnosis = Diagnosis(Facts(reinforcement=False))
    losses = [2.0, 1.0, 1.04, 1.2, 1.3]
    notices = [
        n
        for step, loss in enumerate(losses)
        for n in diagnosis.observe_evaluation(step, {"eval/loss": loss}, 100)
    ]
    assert codes(notices) == [("overfitting", 3)]


def test_missing_and_unknown_numbers_are_passed_over() -> None:
    assert fed([{}, {"reward": None, "kl": None}, {"something": math.pi}] * 10) == []


def test_a_resume_in_the_middle_says_the_same() -> None:
    stream = [
        {"frac_reward_zero_std": 0.9, "loss": 0.0, "grad_norm": 1.0 + 20 * (step > 30)} for step in range(40)
    ]
    whole = fed(stream)
    for cut in (3, 10, 32):
        first, second = Diagnosis(Facts()), Diagnosis(Facts())
        notices = [n for step in range(cut) for n in first.observe_step(step + 1, stream[step])]
        second.restore(json.loads(json.dumps(first.state())))
        notices += [n for step in range(cut, 40) for n in second.observe_step(step + 1, stream[step])]
        assert codes(notices) == codes(whole)


@pytest.mark.parametrize("method", METHOD_CONFIGS)
def test_every_method_s_defaults_draw_no_warning_at_the_start(method: str) -> None:
    diagnosis = Diagnosis.of(resolve({"method": method, "model": {"path": "elsewhere"}}))
    notices = diagnosis.observe_step(1, {})
    assert [notice.level for notice in notices] == (["info"] if method == "gspo" else [])


def test_a_recorded_run_that_learns_draws_no_warning() -> None:
    """GRPO on the starter model, 60 steps, held-out accuracy rising: metrics as the engine wrote them."""
    diagnosis = Diagnosis(Facts(learning_rate=1e-4, rate_is_recommended=True))
    notices: list[Notice] = []
    events = list(read_events(RECORDED / "starter_grpo.jsonl"))
    assert len(events) > 60
    for event in events:
        if isinstance(event, Step):
            notices += diagnosis.observe_step(event.step, event.metrics)
        elif isinstance(event, Evaluation):
            notices += diagnosis.observe_evaluation(event.step, event.metrics, event.rows)
    assert [notice.code for notice in notices] == ["loss_near_zero", "task_learnt"]


DPO = Facts(reinforcement=False, reference_beta=0.1)


def likelier(chosen: float, rejected: float, reference: float = -20.0) -> dict[str, float | None]:
    """A step of DPO whose answers are likelier than under the reference by so many nats."""
    rewards = {"rewards/chosen": 0.1 * chosen, "rewards/rejected": 0.1 * rejected}
    return {**rewards, "rewards/margins": 0.1 * (chosen - rejected), "logps/chosen": reference + chosen}


def test_a_margin_that_grows_while_both_answers_become_less_likely() -> None:
    (notice,) = fed([likelier(-3.0, -20.0)] * 10, DPO)  # 3 nats of 20 are more than a tenth
    assert notice.code == "both_answers_less_likely"
    assert notice.text.startswith(
        "The margin has grown by 17 nats, but the chosen answers have become less likely too (by 3 "
    )
    for harmless in (likelier(-1.0, -20.0), likelier(5.0, -20.0), likelier(-10.0, -2.0)):
        assert fed([harmless] * 10, DPO) == []


def test_longer_answers_are_no_less_likely_ones() -> None:
    """Each step has other pairs: those of the first may be short and those of the last long."""
    short, long = [likelier(0.0, 0.0, -20.0)] * 10, [likelier(0.2, 0.0, -60.0)] * 10
    assert fed([*short, *long], DPO) == []
    assert fed([*short, *long], Facts(reinforcement=False)) == []


def looked_at(chosen: float, rejected: float) -> dict[str, float | None]:
    return {"eval/logps/chosen": chosen, "eval/logps/rejected": rejected}


def test_held_out_answers_that_both_become_less_likely_are_told_without_a_reference_too() -> None:
    diagnosis = Diagnosis(Facts(reinforcement=False))
    assert diagnosis.observe_evaluation(0, looked_at(-20.0, -20.0), 100) == []
    assert diagnosis.observe_evaluation(5, looked_at(-21.0, -40.0), 100) == []  # a twentieth
    resumed = Diagnosis(Facts(reinforcement=False))
    resumed.restore(diagnosis.state())
    (notice,) = resumed.observe_evaluation(10, looked_at(-23.0, -40.0), 100)
    assert notice.code == "held_out_answers_less_likely"
    assert (
        "chosen answers have become less likely too (by 3 nats each, the rejected ones by 20)" in notice.text
    )
    assert resumed.observe_evaluation(15, looked_at(-23.5, -41.0), 100) == []  # said already


def test_a_critic_that_is_worse_than_a_constant_for_long_is_told() -> None:
    notices = fed(repeated(25, **{"critic/explained_variance": -0.4}))
    assert codes(notices) == [("critic_misleads", 20)]
    assert "explained variance -0.40 over 10 steps" in notices[0].text
    assert fed(repeated(25, **{"critic/explained_variance": 0.1})) == []
