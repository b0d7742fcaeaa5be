"""Every loss and its gradient against a second computation by hand (NumPy, float64), on inputs that are got wrong.

The hand's numbers are first held against the golden vectors; then it goes where these are silent: combinations of settings,
one token, nothing at all, sides alike, far from the reference. By default some combinations of each method are tried, many
among the slow tests.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.methods.distillation.divergence import Divergence
from tests.engine import golden2_adapter
from tests.engine.by_hand import distillation, odd_inputs, online
from tests.engine.by_hand.comparing import BY_HAND, apart, differences, numbers_of, settings
from tests.engine.by_hand.preference import Case, Floats

#: as near as float32 comes: losses and metrics, gradients; the same where sums are of hundreds of nats
NEAR, FAR = (1e-5, 5e-5), (5e-5, 3e-4)
#: combinations that are tried by default, and the most among the slow tests
SOME, MANY = 8, 600

DPO: Case = {
    "loss_weights": None,
    "beta": 0.1,
    "label_smoothing": 0.0,
    "f_divergence_type": "reverse_kl",
    "f_alpha_divergence_coef": 0.5,
    "ld_alpha": None,
    "use_weighting": False,
    "discopop_tau": 0.05,
}
#: losses that go with other divergences, and those that do not
SCORING = ("sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft")
ANCHORED = ("nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down")
ALPHAS = (0.0, 0.5, 1.0, 1.5, -1.0)
SEVERAL = (
    (("sigmoid", "bco_pair", "sft"), (0.8, 0.2, 1.0)),
    (("hinge", "aot", "apo_down", "nca_pair"), (0.1, 2.0, 0.0, 1.0)),
    (("sigmoid", "sft"), None),
)


def dpo_settings(name: str) -> Iterator[Case]:
    wrong = (0.1, 0.3) if name == "exo_pair" else (0.0, 0.2)
    for basis in settings(loss_type=[(name,)], label_smoothing=wrong, beta=(0.1, 0.7)):
        yield from ({**DPO, **basis, "ld_alpha": alpha} for alpha in (None, 0.0, 0.3, 1.0, 1.5))
        if name not in ("aot", "aot_unpaired", "sft"):
            yield from ({**DPO, **basis, "use_weighting": True, "ld_alpha": alpha} for alpha in (None, 0.3))
        if name in SCORING:
            for kind, alpha in settings_of_divergences():
                yield {**DPO, **basis, "f_divergence_type": kind, "f_alpha_divergence_coef": alpha}


def settings_of_divergences() -> list[tuple[str, float]]:
    return [("forward_kl", 0.5), ("js_divergence", 0.5), *(("alpha_divergence", alpha) for alpha in ALPHAS)]


def several() -> Iterator[Case]:
    for (names, weights), more in chain(
        ((one, {}) for one in SEVERAL), ((SEVERAL[1], {"beta": 0.5, "ld_alpha": 0.3}),)
    ):
        yield {**DPO, **more, "loss_type": names, "loss_weights": weights}


TAUGHT = {"temperature": (1.0, 0.7), "distillation_is_clip": (2.0, None), "old": (True, False)}
BY_TOKEN = settings(
    distillation_mode=["sampled_token"],
    distillation_alpha=[1.0],
    distillation_topk=[None],
    distillation_add_tail=[False],
)
BY_LOGITS = settings(
    distillation_mode=["full_logits"],
    distillation_alpha=(0.0, 0.3, 0.5, 1.0),
    distillation_topk=[None],
    distillation_add_tail=[False],
)
BY_BEST = settings(
    distillation_mode=["topk_logits"],
    distillation_alpha=(0.0, 0.5, 1.0),
    distillation_topk=(1, 2, 100),
    distillation_add_tail=(True, False),
)
MODES = [*BY_TOKEN, *BY_LOGITS, *BY_BEST]


def crossed(one: Iterator[Case], other: list[Case]) -> Iterator[Case]:
    return ({**first, **second} for first in one for second in other)


#: method -> its settings, and the inputs that it is tried on
TRIED: dict[str, tuple[list[Case], Callable[[], dict[str, Case]]]] = {
    **{f"dpo {name}": (list(dpo_settings(name)), odd_inputs.odd_pairs) for name in (*SCORING, *ANCHORED)},
    "dpo several": (list(several()), odd_inputs.odd_pairs),
    "cpo": (
        list(
            settings(
                loss_type=("sigmoid", "hinge", "ipo", "simpo"),
                beta=(0.1, 2.0),
                label_smoothing=(0.0, 0.2),
                cpo_alpha=(1.0, 0.0, 0.5),
                simpo_gamma=(0.5, 1.6),
                alpha=(0.0, 0.25, -0.2),
            )
        ),
        odd_inputs.odd_pairs,
    ),
    "tpo": (
        list(
            settings(
                loss_type=("sigmoid", "hinge", "ipo", "tpo-l"),
                beta=(0.01, 1.0),
                label_smoothing=(0.0, 0.2),
                tpo_alpha=(1.0, 0.0, 0.5),
                tpo_l_gamma=(0.5, 1.3),
            )
        ),
        odd_inputs.odd_pairs,
    ),
    "orpo": (list(settings(beta=(0.1, 1.0))), odd_inputs.odd_pairs),
    "kto": (
        list(
            settings(
                loss_type=("kto", "apo_zero_unpaired"),
                beta=(0.1, 0.5),
                desirable_weight=(1.0, 0.5),
                undesirable_weight=(1.0, 1.33),
            )
        ),
        odd_inputs.odd_verdicts,
    ),
    "bco": (
        list(settings(beta=(0.1, 0.5), running_mean=(0.0, 0.35), running_count=(1e-24, 17.0))),
        odd_inputs.odd_verdicts,
    ),
    "rloo": (list(settings(epsilon=(0.2, 0.05), epsilon_high=(None, 0.28))), odd_inputs.odd_samples),
    "gmpo": (
        list(
            settings(
                epsilon=(0.4, 0.2),
                epsilon_high=(None, 0.28),
                beta=(0.0, 0.04),
                top_entropy_quantile=(1.0, 0.5, 0.2, 0.0),
                gradient_accumulation_steps=(1, 4),
                mode=("train", "eval"),
                old=(True, False),
                tool_mask=(False, True),
            )
        ),
        odd_inputs.odd_samples,
    ),
    "online_dpo": (
        list(
            settings(
                loss_type=("sigmoid", "ipo"),
                beta=(0.1, 0.5),
                missing_eos_penalty=(None, 0.25, 1.0),
                gradient_accumulation_steps=[1],
            )
        ),
        odd_inputs.odd_two_samples,
    ),
    "xpo": (
        list(settings(loss_type=("sigmoid", "ipo"), beta=(0.1, 0.5), alpha=(1e-5, 0.1, 0.0))),
        odd_inputs.odd_explored,
    ),
    "nash_md": (list(settings(beta=(0.1, 0.5))), odd_inputs.odd_explored),
    "gkd": (
        list(
            settings(
                beta=(0.0, 0.1, 0.5, 0.9, 1.0), temperature=(1.0, 0.7, 2.0), num_items_in_batch=(None, 30)
            )
        ),
        odd_inputs.odd_lessons,
    ),
    "topk_jsd": (
        list(
            settings(
                beta=(0.0, 0.3, 0.5, 1.0),
                temperature=(1.0, 0.7),
                loss_top_k=(1, 2, 3, 5, 50),
                loss_add_tail=(True, False),
                num_items_in_batch=(None, 20),
            )
        ),
        odd_inputs.odd_lessons,
    ),
    "server_distillation": (
        list(
            settings(
                beta=(0.0, 0.5, 1.0), temperature=(1.0, 0.7), loss_top_k=(1, 3), loss_add_tail=(True, False)
            )
        ),
        odd_inputs.odd_lessons,
    ),
    "iw_opd": (
        list(
            settings(
                temperature=(1.0, 0.7),
                iw_opd_gamma=(0.5, 2.0, 0.0),
                rollout=(True, False),
                num_items_in_batch=(None, 30),
            )
        ),
        odd_inputs.odd_lessons,
    ),
    "sdft": (
        list(
            crossed(
                settings(**TAUGHT, gradient_accumulation_steps=(1, 4), num_loss_tokens_to_skip=(0, 1, 3, 99)),
                MODES,
            )
        ),
        odd_inputs.odd_lessons,
    ),
    "sdpo": (
        list(
            crossed(
                settings(
                    **TAUGHT,
                    gradient_accumulation_steps=(1, 4),
                    distillation_weight=(1.0, 0.0, 0.5),
                    use_self_distillation_mask=(True, False),
                    importance_sampling_level=("token", "sequence"),
                    loss_type=("grpo", "bnpo", "dr_grpo", "dapo"),
                    max_completion_length=[8],
                ),
                [MODES[0], MODES[3], MODES[9]],
            )
        ),
        odd_inputs.odd_lessons,
    ),
    "gold_uld": (
        list(
            settings(
                crossentropy_weight=(0.0, 0.5),
                distillation_weight=(1.0, 0.3),
                student_temperature=(1.0, 0.8),
                teacher_temperature=(1.0, 1.5),
                skip_student_eos=(True, False),
                skip_teacher_eos=(True, False),
                use_extended_uld=(True, False),
                token_merge_strategy=("observed", "bayesian"),
                beta=(0.0, 0.5, 1.0),
                hybrid=(False, True),
                hybrid_matched_weight=(None, 0.7),
                hybrid_unmatched_weight=[0.4],
                matched=[[], [[0, 1], [2, 5], [3, 0], [8, 6]]],
            )
        ),
        odd_inputs.odd_texts,
    ),
    "minillm_single_step": ([{}], odd_inputs.odd_lessons),
}
#: (1 - p) of an answer without a token is 0, and its odds are no number: ours are bounded instead
UNDEFINED = {("orpo", "nothing was answered"), ("orpo", "nothing at all")}


def off(name: str, inputs: Case, config: Case) -> dict[str, float]:
    method = name.split()[0]
    given = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in inputs.items()}
    config = config | {"loss_type": list(config["loss_type"])} if method == "dpo" else config
    found = golden2_adapter.loss(method, given, config)
    return differences(method, inputs, config, found)


def assert_right(name: str, combinations: list[Case]) -> None:
    for kind, inputs in TRIED[name][1]().items():
        if (name, kind) in UNDEFINED:
            continue
        near = FAR if "far" in kind or "longer" in kind else NEAR
        for config in combinations:
            for what, by in off(name, inputs, config).items():
                assert by <= near["gradient" in what], (kind, config, what, by)


@pytest.mark.parametrize("name", TRIED)
def test_some_combinations_of_settings(name: str) -> None:
    known = TRIED[name][0]
    assert_right(name, random.Random(name).sample(known, min(SOME, len(known))))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", TRIED)
def test_many_combinations_of_settings(name: str) -> None:
    known = TRIED[name][0]
    assert_right(name, random.Random(1).sample(known, min(MANY, len(known))))


def test_the_hand_says_what_the_golden_vectors_say(shared_dir: Path) -> None:
    golden = json.loads((shared_dir / "golden2" / "golden.json").read_text())
    known = {name: numbers_of(one) for name, one in golden["inputs"].items()}
    for case in golden["loss_cases"]:
        inputs = known[case["input"]]
        loss, metrics = BY_HAND[case["method"]](inputs, inputs, case["config"])
        assert apart(loss, case["loss"]) < 1e-7, case["id"]
        told = {name: value for name, value in metrics.items() if name in case["metrics"]}
        assert told == pytest.approx({name: case["metrics"][name] for name in told}, abs=1e-6), case["id"]
        grads = {name: np.array(one, float) for name, one in case["grads"].items()}
        by_hand = differences(
            case["method"], inputs, case["config"], {"loss": loss, "metrics": metrics, "grads": grads}
        )
        assert max(by_hand.values()) < 2e-5, (case["id"], by_hand)


@pytest.mark.parametrize("kind", ["nothing was answered", "nothing at all"])
def test_odds_of_an_empty_answer_are_bounded(kind: str) -> None:
    found = golden2_adapter.loss("orpo", odd_inputs.odd_pairs()[kind], {"beta": 0.1})
    assert np.isfinite([found["loss"], *found["metrics"].values()]).all()
    assert all(np.isfinite(one).all() for one in found["grads"].values())


def test_a_lost_pair_far_from_the_reference_leaves_discopop_a_number() -> None:
    """exp(-z) alone would be more than float32 holds, where its share in the loss is 0."""
    inputs = odd_inputs.pairs(4, [6, 3, 8], [7, 5, 2], drift=40.0)
    config: Case = {**DPO, "loss_type": ["discopop"], "beta": 3.0}
    for what, by in off("dpo", inputs, config).items():
        assert by <= FAR["gradient" in what], (what, by)


# --- what comes before a loss ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_rloo_s_advantages(size: int) -> None:
    draw = np.random.default_rng(size)
    for choices in settings(
        beta=(0.0, 0.05),
        normalize_advantages=(False, True),
        reward_clip_range=(None, (-0.25, 0.75)),
        reward_weights=(None, [1.0, 0.5]),
    ):
        rewards = odd_rewards(draw, 12, size)
        mask = (np.arange(5)[None] < draw.integers(0, 6, 12)[:, None]).astype(float)
        old, reference = -draw.exponential(1, (12, 5)), -draw.exponential(1, (12, 5))
        case = (rewards, mask, old, reference, {**choices, "num_generations": size})
        found, right = golden2_adapter.rloo_advantages(*case), online.rloo_advantages(*case)
        assert np.abs(found - right).max() <= 2e-5 * max(1.0, np.abs(right).max()), choices


def odd_rewards(draw: np.random.Generator, rows: int, size: int) -> Floats:
    """Of two functions: some say nothing, one group has a single judged row, one none, one is all alike."""
    rewards = np.round(draw.normal(0, 1, (rows, 2)) * 4) / 4
    rewards[draw.random((rows, 2)) < 0.2] = np.nan
    rewards[1:size] = np.nan
    rewards[size : 2 * size] = 0.5
    rewards[2 * size : 3 * size] = np.nan
    return rewards


@pytest.mark.parametrize("beta1", [0.05, 0.5, 2.0])
def test_the_value_of_the_best_policy(beta1: float) -> None:
    rewards = np.random.default_rng(0).integers(0, 2, (6, 5)).astype(float)
    rewards[0], rewards[1] = 0.0, 1.0
    found = golden2_adapter.a2po_values(rewards, beta1)
    assert np.allclose(found, online.optimal_values(rewards, beta1), atol=1e-6)


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 1.0])
def test_minillm_s_advantages(gamma: float, by_length: bool) -> None:
    for kind, inputs in odd_inputs.odd_lessons().items():
        found = golden2_adapter.minillm_advantages(inputs, gamma, by_length)
        right = distillation.minillm_advantages(inputs, gamma, by_length=by_length)
        assert np.abs(found - right).max() <= 1e-5 * max(1.0, np.abs(right).max()), kind


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_teacher_that_follows(every: int) -> None:
    students = np.random.default_rng(2).normal(0, 1, (7, 4))
    teacher, right = np.zeros(4), []
    for step, student in enumerate(students, start=1):
        teacher = 0.3 * student + 0.7 * teacher if step % every == 0 else teacher
        right.append(teacher)
    assert np.allclose(golden2_adapter.teacher_sync(np.zeros(4), students, 0.3, every), right, atol=1e-6)


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (4, 2), (5, 2), (7, 3), (3, 8), (6, 6)])
def test_whose_answer_stands_behind_a_prompt_for_ktos_divergence(rows: int, size: int) -> None:
    right: list[Any] = []
    for start in range(0, rows, size):
        batch = list(range(start, min(start + size, rows)))
        right += [batch[-1], *batch[:-1]]
    assert golden2_adapter.kto_kl_pairs(rows, size).tolist() == right


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_sdpo_s_advantages(scale: str) -> None:
    draw = np.random.default_rng(3)
    for size in (2, 3, 6):
        rewards = odd_rewards(draw, 12, size)[:, :1]
        judged = np.nan_to_num(rewards[:, 0])
        groups = judged.reshape(-1, size)
        centred = (groups - groups.mean(axis=1, keepdims=True)).ravel()
        spread = {
            "group": np.repeat(groups.std(axis=1, ddof=1), size),
            "batch": judged.std(ddof=1),
            "none": 1.0,
        }[scale]
        found = golden2_adapter.sdpo_advantages(rewards, size, scale)
        assert np.allclose(found, centred / (spread + 1e-4), atol=2e-5), size


# --- a support that holds everything -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "top_k"), [(0.3, 5), (0.0, 9), (0.3, 9), (1.0, 9), (0.5, 50)])
def test_likeliest_tokens_that_are_all_tokens_leave_no_tail(beta: float, top_k: int) -> None:
    """What float32 makes of 1 - 1 is no category; each token's gradient is that of the whole vocabulary."""
    draw = np.random.default_rng(8)
    logits = odd_inputs.exact(draw.normal(0, 4, (2, 40, 9)))
    # the teacher's likeliest are the student's unlikeliest: with k = 5 both sets together are all nine
    student, teacher = (mx.array(one.astype(np.float32)) for one in (logits[0], -logits[0]))
    found = Divergence(beta, top_k, tail=True).measured(student, teacher)
    right = Divergence(beta).measured(student, teacher)
    for one, other in zip(found, right, strict=True):
        off_by = np.abs(np.array(one) - np.array(other))
        assert off_by.max() <= 1e-6 * float(mx.abs(other).max()) + 1e-7
