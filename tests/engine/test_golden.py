"""The reference implementations' numbers (../shared/golden), all of them, by the engine's own functions.

`check_engine.py` there checks five sections; the sections and columns it leaves out are checked here.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config.recipes.methods import GRPOConfig
from droid_tune.methods.advantages import compute_advantages
from droid_tune.methods.completions import length_metrics, loss_mask
from droid_tune.methods.correction import sampling_metrics
from droid_tune.methods.entropy_bonus import EntropySettings, applied_coef, close_window, observe, start
from droid_tune.methods.losses import LossRows, LossSpec, policy_loss, slice_context
from droid_tune.methods.overlong import soft_overlong_reward
from droid_tune.methods.reference_sync import mixed, policy_share
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.numerics import token_entropies, token_logprobs
from droid_tune.train.exploring.experience import Experience, SliceCursor

ADAPTER = Path(__file__).with_name("golden_adapter.py")
TOLERANCE = 1e-5
Case = dict[str, Any]


@pytest.fixture(scope="module")
def golden(shared_dir: Path) -> Case:
    return json.loads((shared_dir / "golden" / "golden.json").read_text())


@pytest.fixture(scope="module")
def adapter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_adapter", ADAPTER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(values: Any) -> np.ndarray:
    """JSON to float64, null as NaN."""
    return np.array(values, dtype=np.float64)


def inputs_of(golden: Case, name: str) -> Case:
    return {
        key: value if isinstance(value, str | int) else numbers(value)
        for key, value in golden["inputs"][name].items()
    }


def same(got: Any, want: Any, tolerance: float = TOLERANCE) -> bool:
    """Equal within `tolerance` of max(1, |want|), NaN where and only where NaN is wanted."""
    found, wanted = numbers(got), numbers(want)
    if found.shape != wanted.shape or (np.isnan(found) != np.isnan(wanted)).any():
        return False
    return bool(np.all(np.nan_to_num(np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))) <= tolerance))


def same_gradient(got: Any, want: Any, tolerance: float = TOLERANCE) -> bool:
    """Equal within `tolerance` of the case's largest gradient; 0 exactly where 0 is wanted everywhere."""
    found, wanted = numbers(got), numbers(want)
    size = float(np.abs(wanted).max())
    return bool(np.isfinite(found).all()) and float(np.abs(found - wanted).max()) <= tolerance * size + 1e-7


def wrong_metrics(got: dict[str, float], want: dict[str, float | None], tolerance: float) -> list[str]:
    return [name for name, value in want.items() if name not in got or not same(got[name], value, tolerance)]


def test_every_case_the_checker_knows_passes_and_none_is_skipped(
    shared_dir: Path, project_root: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(shared_dir / "golden" / "check_engine.py"), str(ADAPTER)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(project_root)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert "not provided" not in done.stdout
    assert "sampling probs_temperature_last" in done.stdout


def test_every_loss_metric_is_reported(golden: Case, adapter: ModuleType) -> None:
    """The checker does not miss a metric that an engine leaves out; this does."""
    wrong = []
    for case in golden["loss_cases"]:
        found = adapter.loss(inputs_of(golden, case["input"]), case["config"])
        wrong += [
            f"{case['id']} {name}" for name in wrong_metrics(found["metrics"], case["metrics"], TOLERANCE)
        ]
    assert wrong == []


def test_micro_batches_of_any_size_give_the_same_slice(golden: Case, adapter: ModuleType) -> None:
    wrong = []
    for case in golden["loss_cases"]:
        for rows in (1, 3):
            found = adapter.loss(inputs_of(golden, case["input"]), case["config"], rows_at_once=rows)
            good = same(found["loss"], case["loss"]) and same_gradient(
                found["grad_logps"], case["grad_logps"]
            )
            if not good or wrong_metrics(found["metrics"], case["metrics"], TOLERANCE):
                wrong.append((case["id"], rows))
    assert wrong == []


def test_the_entropy_bonus_reaches_the_entropies(golden: Case, adapter: ModuleType) -> None:
    cases = [case for case in golden["loss_cases"] if "grad_entropies" in case]
    assert cases
    for case in golden["loss_cases"]:
        found = adapter.loss(inputs_of(golden, case["input"]), case["config"])
        want = case.get("grad_entropies", np.zeros_like(found["grad_entropies"]))
        assert same_gradient(found["grad_entropies"], want), case["id"]


def test_gradients_at_padding_are_exactly_zero(golden: Case, adapter: ModuleType) -> None:
    for case in golden["loss_cases"]:
        inputs = inputs_of(golden, case["input"])
        mask = inputs["mask"] * inputs["tool_mask"] if case["config"]["tool_mask"] else inputs["mask"]
        found = adapter.loss(inputs, case["config"])
        assert not found["grad_logps"][mask == 0].any(), case["id"]
        assert not found["grad_entropies"][mask == 0].any(), case["id"]


def test_accumulated_slices_match_one_by_one_and_in_their_gradients(
    golden: Case, adapter: ModuleType
) -> None:
    for case in golden["accumulation_cases"]:
        inputs, size = inputs_of(golden, case["input"]), case["micro_batch_size"]
        found = []
        for first in range(0, inputs["B"], size):
            part = {k: v[first : first + size] if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
            found.append(adapter.loss({**part, "B": size}, case["config"]))
        assert same([one["loss"] for one in found], case["micro_losses"]), case["id"]
        gradients = np.concatenate([one["grad_logps"] for one in found])
        assert same_gradient(gradients, case["grad_logps"]), case["id"]


def test_the_loss_of_logits_and_its_gradient(golden: Case) -> None:
    for case in golden["logprob_cases"]:
        mask, targets = numbers(case["mask"]), mx.array(case["targets"])
        context = slice_context(mask, max_completion_length=mask.shape[1])
        rows = LossRows.of(mask=mask, advantages=numbers(case["advantages"]))

        def dapo(
            logits: mx.array,
            case: Case = case,
            context: Any = context,
            rows: Any = rows,
            targets: mx.array = targets,
        ) -> mx.array:
            flat, chosen = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
            logprobs = token_logprobs(flat, chosen, case["temperature"]).reshape(targets.shape)
            entropies = token_entropies(flat, case["temperature"]).reshape(targets.shape)
            return policy_loss(LossSpec(loss_type="dapo"), context, rows, logprobs, entropies)[0]

        logits = mx.array(numbers(case["logits"]).astype(np.float32))
        value, gradient = mx.value_and_grad(dapo)(logits)
        assert same(value.item(), case["dapo_loss"]), case["id"]
        assert same_gradient(np.array(gradient), case["grad_logits"]), case["id"]


def test_reward_metrics(golden: Case) -> None:
    for case in golden["advantage_cases"]:
        found = compute_advantages(
            case["rewards"],
            case["num_generations"],
            weights=case["reward_weights"],
            scale_rewards=case["scale_rewards"],
            aggregation=case["multi_objective_aggregation"],
        )
        assert wrong_metrics(found.metrics, case["metrics"], 2 * TOLERANCE) == [], case["id"]


def test_truncated_completions(golden: Case) -> None:
    for case in golden["truncation_cases"]:
        lengths = [len(ids) for ids in case["completion_ids"]]
        final = {*case["eos_token_ids"], case["pad_token_id"]}
        # What the sampler says of each completion; its last token tells as much.
        cut = np.array([not ids or ids[-1] not in final for ids in case["completion_ids"]])
        mask = loss_mask(lengths, cut if case["mask_truncated_completions"] else None)
        assert mask.tolist() == case["completion_mask"], case["id"]
        assert mask.sum() == case["num_items_in_batch"], case["id"]
        metrics = length_metrics(lengths, cut, case["prompt_lengths"])
        assert wrong_metrics(metrics, case["metrics"], TOLERANCE) == [], case["id"]


def test_when_old_logprobs_are_needed(golden: Case) -> None:
    for case in golden["old_logps_needed"]:
        method = GRPOConfig(
            steps_per_generation=case["steps_per_generation"], num_iterations=case["num_iterations"]
        )
        needed = method.needs_old_logprobs(case["gradient_accumulation_steps"])
        assert needed is case["old_logps_recomputed"], case


def test_sampling_metrics(golden: Case, adapter: ModuleType) -> None:
    for case in golden["is_ratio_cases"]:
        old, mask = numbers(case["old_logps"]), numbers(case["mask"])
        ratio = adapter.is_ratio(
            old, case["sampling_logps"], mask, case["mode"], case["clip_max"], case["clip_min"]
        )
        found = sampling_metrics(old, adapter.padded(case["sampling_logps"], mask.shape[1]), mask, ratio)
        metrics = {
            name.replace("sampling/logp", "sampling/sampling_logp"): value for name, value in found.items()
        }
        assert wrong_metrics(metrics, case["metrics"], TOLERANCE) == [], case["id"]


def test_soft_overlong_reward(golden: Case) -> None:
    for case in golden["misc"]["overlong_reward"]:
        limit, margin = case["max_completion_len"], case["soft_punish_cache"]
        assert same([soft_overlong_reward(n, limit, margin) for n in case["lengths"]], case["rewards"])


def test_reference_synchronisation(golden: Case) -> None:
    for case in golden["misc"]["ref_sync"]:
        reference = mx.array(case["ref_initial"])
        steps = zip(case["policy_after_step"], case["ref_after_step"], strict=True)
        for step, (policy, wanted) in enumerate(steps, start=1):
            if policy_share("periodic", step, ema_alpha=0.0, every=case["ref_model_sync_steps"]):
                reference = mixed(mx.array(policy), reference, case["ref_model_mixup_alpha"])
            assert same(np.array(reference), wanted), step


def test_prompt_order(golden: Case) -> None:
    """Whole rollouts only: TRL drops the prompts that would make a ragged one, we fill it up from the next epoch."""
    for case in golden["misc"]["repeat_sampler"]:
        per_rollout = case["prompts_per_generation_batch"]
        found: list[int] = []
        for first in range(0, case["num_prompts"] - per_rollout + 1, per_rollout):
            rollout = experience_of(per_rollout, case["num_generations"])
            cursor = SliceCursor(len(rollout), slices=1, passes=case["repeat_count"])
            while not cursor.exhausted:
                found += (first + rollout.take(cursor.take()).prompt_index).tolist()
        assert found == case["order"]


def experience_of(prompts: int, group_size: int) -> Experience:
    """A rollout of one-token completions."""
    ones = np.ones((prompts * group_size, 1))
    rows = ScoringRows.of_groups([[prompt] for prompt in range(prompts)], group_size, ones, ones)
    return Experience(**vars(rows), mask=ones, advantages=ones[:, 0], sampled_logprobs=ones)


def test_adaptive_entropy_bonus_step_by_step(golden: Case, adapter: ModuleType) -> None:
    case = golden["misc"]["adaptive_entropy"]
    inputs, accumulation = inputs_of(golden, case["input"]), case["gradient_accumulation_steps"]
    config = base_config(golden, case["loss_type"]) | {
        "gradient_accumulation_steps": accumulation,
        "steps_per_generation": accumulation,  # TRL's default
        "num_items_in_batch": case["num_items_in_batch"],
    }
    settings = EntropySettings(
        entropy_coef=case["entropy_coef_initial"],
        entropy_target=case["entropy_target"],
        entropy_coef_delta=case["entropy_coef_delta"],
        entropy_coef_min=case["entropy_coef_min"],
        entropy_coef_max=case["entropy_coef_max"],
    )
    state = start(settings)
    for number, step in enumerate(case["micro_steps"], start=1):
        coef = applied_coef(settings, state)
        assert same(coef, step["coef_applied"]), number
        scaled = {**inputs, "entropies": inputs["entropies"] * step["entropy_scale"]}
        found = adapter.loss(scaled, {**config, "entropy_coef": coef})
        assert same(found["loss"], step["loss"]), number
        (sums,) = found["sums"]
        state = observe(state, float(sums["bonus_entropy"]), float(sums["bonus_tokens"]))
        if number % accumulation == 0:
            state = close_window(settings, state)
        assert same(state.coef, step["coef_after"]), number
        last = math.inf if state.last_entropy is None else state.last_entropy
        assert last == pytest.approx(float(step["last_world_entropy"]), rel=TOLERANCE), number


def base_config(golden: Case, loss_type: str) -> Case:
    """The plainest config of a loss type in the golden set."""
    cases = (case["config"] for case in golden["loss_cases"])
    found = next(config for config in cases if config["loss_type"] == loss_type and config["old"])
    return {
        **found,
        "importance_sampling_level": "token",
        "epsilon_high": None,
        "delta": None,
        "beta": 0.0,
        "top_entropy_quantile": 1.0,
        "steps_per_generation": 1,
        "mode": "train",
        "tool_mask": False,
        "is_ratio": None,
        "sampling": False,
        "off_policy_mask_threshold": None,
    }
