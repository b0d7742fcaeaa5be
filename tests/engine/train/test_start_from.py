"""Base -> SFT -> GRPO: what a run starts from, and what it is compared with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import RunConfig, merge, resolve
from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Control
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.events import Event, Notice, Step
from droid_tune.export.result import export_run
from droid_tune.model.gradients.scoring import score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.policy import Policy
from droid_tune.model.reference import ReferencePolicy
from droid_tune.playground.playground import Playground
from droid_tune.runs.best import completed_step
from droid_tune.train.engine import resume_training
from droid_tune.train.saving.weights import newest_weights
from droid_tune.train.starting.start import remark_on_start, starting_policy
from tests.engine.train.conftest import TINY, digest, resume, tiny, train
from tests.engine.train.stopping import stopped_after
from tests.engine.train.test_preference_learner import PAIRS

SFT: dict[str, Any] = {
    "method": "sft",
    "training": {"iterations": 3, "batch_size": 4},
    "adapter": {"rank": 3, "layers": 2},
    "optimizer": {"learning_rate": 5e-3},
    "evaluation": {"rows": 0},
}
#: sixteen tokens in two rows with one prompt
ROWS = ScoringRows.of_groups([[5, 6, 7, 8]], 2, np.arange(40, 56).reshape(2, 8), np.ones((2, 8), np.float32))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished SFT run."""
    folder = tmp_path_factory.mktemp("earlier") / "sft"
    finished, _ = train(resolve(SFT), folder)
    assert finished.outcome == "completed", finished.why
    return folder


def after(earlier: Path, mode: str, **changes: Any) -> RunConfig:
    start = {"model": {"start_from": str(earlier), "start_mode": mode}, "method": {"beta": 0.1}}
    return resolve(merge(merge(TINY, start), changes))


def logprobs(policy: Policy, *, reference: bool = False) -> np.ndarray:
    return score(policy, ROWS, temperature=1.0, plan=MemoryPlan(), reference=reference).logprobs


def of_result(folder: Path) -> np.ndarray:
    """What the model of a finished run thinks of ROWS."""
    from droid_tune.export.result import trained_policy

    return logprobs(trained_policy(folder))


def of_base() -> np.ndarray:
    return logprobs(starting_policy(resolve({}), Path("unused")))


def kl(record: list[Event]) -> list[float]:
    return [event.metrics["kl"] or 0.0 for event in record if event.type == "step"]


def said(record: list[Event]) -> str:
    """What the person is told about where the run starts."""
    return next(event.text for event in record if event.type == "notice" and event.code == "starts_from")


def test_what_sft_learnt_differs_from_the_base(earlier: Path) -> None:
    assert np.abs(of_result(earlier) - of_base()).max() > 0.05


def test_continue_begins_with_the_earlier_adapter_and_compares_with_the_base(
    earlier: Path, tmp_path: Path
) -> None:
    policy = starting_policy(after(earlier, "continue"), tmp_path)
    ReferencePolicy(policy)
    assert (policy.adapter.rank, policy.adapter.layers) == (3, 2)  # the earlier run's own
    np.testing.assert_allclose(logprobs(policy), of_result(earlier), atol=1e-5)
    np.testing.assert_allclose(logprobs(policy, reference=True), of_base(), atol=1e-5)


def test_fuse_begins_with_a_new_adapter_and_compares_with_what_sft_learnt(
    earlier: Path, tmp_path: Path
) -> None:
    policy = starting_policy(after(earlier, "fuse"), tmp_path)
    ReferencePolicy(policy)
    assert policy.adapter.rank == 8
    np.testing.assert_allclose(logprobs(policy), of_result(earlier), atol=1e-5)
    np.testing.assert_allclose(logprobs(policy, reference=True), of_result(earlier), atol=1e-5)


def test_the_kl_of_the_first_step_tells_the_two_apart(earlier: Path, tmp_path: Path) -> None:
    went_on, first = train(after(earlier, "continue"), tmp_path / "continue")
    fused, second = train(after(earlier, "fuse"), tmp_path / "fuse")
    assert (went_on.outcome, fused.outcome) == ("completed", "completed")
    assert [said(record) for record in (first, second)] == [
        "The run goes on from `sft` (step 3). Its adapter (lora, rank 3) is trained further; the reference stays the "
        "model before it.",
        "What `sft` (step 3) learnt is part of the model now and its reference; a new adapter begins.",
    ]
    assert kl(first)[0] > 1e-3  # the policy has left the base already
    assert kl(second)[0] == pytest.approx(0, abs=1e-6)  # the policy is its reference
    assert kl(second)[1] > 0


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_pairs_are_compared_with_what_sft_learnt_in_both_ways(tmp_path: Path, kind: str) -> None:
    """DPO's reference is the model as it begins; a stop and a resume change nothing."""
    assert train(resolve(merge(SFT, {"adapter": {"type": kind}})), tmp_path / "sft")[0].outcome == "completed"
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    changes: dict[str, Any] = {
        "model": {"start_from": str(tmp_path / "sft")},
        "method": {"type": "dpo", "beta": 0.5},
        "data": {"path": str(tmp_path)},
        "optimizer": {"learning_rate": 1e-3},
    }
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finished, record = train(tiny(**changes), whole)
    assert finished.outcome == "completed", finished.why
    assert said(record).endswith("is trained further; the reference is what it begins with.")
    first, *_, last = [event.metrics for event in record if event.type == "step"]
    assert first["loss"] == pytest.approx(np.log(2), abs=1e-5)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert abs(last["rewards/margins"] or 0.0) > 1e-3
    stopped_after(parts, 1, **changes)
    assert resume(parts)[0].outcome == "completed"
    assert digest(parts) == digest(whole)


@pytest.mark.parametrize("mode", ["continue", "fuse"])
def test_a_run_goes_on_exactly_although_the_earlier_one_was_deleted(
    earlier: Path, tmp_path: Path, mode: str
) -> None:
    copy = shutil.copytree(earlier, tmp_path / "copy")
    config = after(copy, mode, checkpoint={"save_every": 1})
    train(config, tmp_path / "run")
    whole = digest(tmp_path / "run")
    shutil.rmtree(copy)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-000002")
    finished, record = resume(tmp_path / "run")
    assert (finished.outcome, finished.why) == ("completed", "")
    assert [event.step for event in record if event.type == "step"] == [2]
    assert digest(tmp_path / "run") == whole


def test_a_third_run_goes_on_from_a_fused_one_on_the_fused_model(earlier: Path, tmp_path: Path) -> None:
    train(after(earlier, "fuse"), tmp_path / "second")
    policy = starting_policy(after(tmp_path / "second", "continue"), tmp_path / "third")
    np.testing.assert_allclose(logprobs(policy), of_result(tmp_path / "second"), atol=1e-5)
    np.testing.assert_allclose(logprobs(policy, reference=True), of_result(earlier), atol=1e-5)


def test_in_full_too_the_reference_stays_the_base(tmp_path: Path) -> None:
    config = resolve(merge(SFT, {"adapter": {"type": "full"}, "optimizer": {"learning_rate": 1e-4}}))
    train(config, tmp_path / "sft")
    policy = starting_policy(after(tmp_path / "sft", "continue"), tmp_path / "grpo")
    ReferencePolicy(policy)
    assert policy.adapter.type == "full"
    np.testing.assert_allclose(logprobs(policy), of_result(tmp_path / "sft"), atol=1e-5)
    np.testing.assert_allclose(logprobs(policy, reference=True), of_base(), atol=1e-5)


def test_training_in_full_keeps_no_second_copy_that_nothing_is_compared_with(tmp_path: Path) -> None:
    config = resolve(merge(SFT, {"adapter": {"type": "full"}, "optimizer": {"learning_rate": 1e-4}}))
    train(config, tmp_path / "sft")
    assert not list((tmp_path / "sft").glob("checkpoints/*/reference.safetensors"))


def test_a_run_without_a_result_is_no_start(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    finished, _ = train(after(tmp_path / "empty", "continue"), tmp_path / "run")
    assert finished.outcome == "failed"
    assert "is no run and no adapter" in finished.why
    unknown, _ = train(after(Path("no-such-run"), "continue"), tmp_path / "other")
    assert "There is no run `no-such-run`" in unknown.why


def test_an_adapter_of_another_model_is_refused(earlier: Path, tmp_path: Path) -> None:
    foreign = shutil.copytree(earlier, tmp_path / "foreign")
    shutil.rmtree(foreign / "checkpoints")  # its result would be seen not to be theirs
    arrays = mx.load(str(foreign / "adapters.safetensors"))
    assert isinstance(arrays, dict)
    mx.eval(arrays)  # they are read lazily, from the file that is written next
    name = next(iter(arrays))
    mx.save_safetensors(str(foreign / "adapters.safetensors"), {**arrays, name: mx.zeros((2, 2))})
    finished, _ = train(after(foreign, "continue"), tmp_path / "run")
    assert finished.outcome == "failed"
    assert "the adapter does not fit" in finished.why


# --- a run that was trained further after its end ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Completed at step 2, trained further, stopped behind step 3: its result is older than its checkpoint."""
    folder = tmp_path_factory.mktemp("extended") / "run"
    finished, _ = train(tiny(training={"iterations": 2}, checkpoint={"save_every": 1}), folder)
    assert finished.outcome == "completed", finished.why
    control = Control()

    def stop(event: Event) -> None:
        if isinstance(event, Step):
            control.request_stop()

    assert resume_training(folder, control, stop, 4).outcome == "stopped"
    return folder


def adapter_of(folder: Path) -> dict[str, bytes]:
    loaded = mx.load(str(folder / "adapters.safetensors"))
    assert isinstance(loaded, dict)
    return {name: np.asarray(array).tobytes() for name, array in loaded.items()}


def test_the_newest_weights_are_those_of_the_checkpoint_that_is_further_on(extended: Path) -> None:
    found = newest_weights(extended)
    assert (found.step, found.is_result) == (3, False)
    assert adapter_of(found.file.parent) != adapter_of(extended)


def test_every_use_of_an_extended_run_takes_its_newest_weights(extended: Path, tmp_path: Path) -> None:
    newest = adapter_of(extended / "checkpoints" / "step-000003")

    exported = export_run(extended, ExportRequest("adapter", tmp_path / "out", check=0))
    assert exported.step == 3
    assert adapter_of(exported.folder) == newest

    assert Playground.of_run(extended).step == 3
    run = tmp_path / "next"
    finished, record = train(after(extended, "continue"), run)
    assert finished.outcome == "completed", finished.why
    assert adapter_of(run / "start") == newest
    said = [event.text for event in record if isinstance(event, Notice) and event.code == "starts_from"]
    assert "`run` (step 3)" in said[0]


def test_a_completed_run_gives_its_result(earlier: Path) -> None:
    found = newest_weights(earlier)
    assert found.is_result
    assert found.step == completed_step(earlier)


def test_a_start_that_was_copied_goes_on_though_the_earlier_run_is_gone(
    earlier: Path, tmp_path: Path
) -> None:
    gone = shutil.copytree(earlier, tmp_path / "gone")
    config = after(gone, "continue")
    policy = starting_policy(config, tmp_path / "run")
    shutil.rmtree(gone)
    told: list[str] = []
    remark_on_start(config, policy, lambda _code, text, *_, **__: told.append(text))
    assert told[0].startswith("The run goes on from `gone`. Its adapter")
