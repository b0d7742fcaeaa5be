"""The whole answer: verdict, suggestions that keep their word, time, calibration, JSON."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.estimate.calibration import (
    VERSION,
    Calibration,
    calibration_file,
    environment_key,
    read_calibration,
    write_calibration,
)
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.forecast import Suggestion, calibration_for, verdict_of
from droid_tune.estimate.job import DataLengths, job_of
from droid_tune.estimate.lengths import measure_data
from droid_tune.machine.host import Host
from droid_tune.model_files.read_facts import facts_of, read_model
from droid_tune.paths import starter_model_dir
from droid_tune.train.saving.run_record import RunRecord
from tests.engine.estimate.conftest import CONFIG

GB = 10**9
NOTHING = Calibration()
#: the sizes of a 7B model
LARGE = {
    **CONFIG,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
}


def run(**values: object) -> RunConfig:
    return resolve(dict(values))


def test_the_starter_fits_a_small_mac(mac: Host) -> None:
    found = estimate(run(), host=mac, calibration=NOTHING)
    assert found.verdict == "fits"
    assert found.suggestions == ()


def test_a_large_model_in_bfloat16_does_not_fit_sixteen_gigabytes(mac: Host) -> None:
    found = estimate(run(), host=mac, calibration=NOTHING, facts=facts_of(LARGE, ()))
    assert found.verdict == "too_large"
    assert found.peak_bytes > 14 * GB


def taken(config: RunConfig, suggestion: Suggestion) -> RunConfig:
    """The config with a suggestion's values in it, as the window's form puts them there."""
    tree = config.model_dump()
    for path, value in suggestion.values.items():
        section, name = path.split(".")
        tree[section][name] = value
    return RunConfig.model_validate(tree)


def test_every_suggestion_keeps_its_word(mac: Host) -> None:
    config = run(
        memory={"budget_mb": 4},
        sampling={"max_completion_length": 128},
        training={"max_seq_length": 512},
        method={"type": "grpo", "group_size": 16},
    )
    now = estimate(config, host=mac, calibration=NOTHING)
    assert now.verdict == "too_large"
    assert now.suggestions
    for suggestion in now.suggestions:
        then = estimate(taken(config, suggestion), host=mac, calibration=NOTHING, suggesting=False)
        assert then.peak_bytes == suggestion.peak_bytes
        assert then.peak_bytes < now.peak_bytes or then.budget_bytes > now.budget_bytes
        assert "->" in suggestion.why
        assert suggestion.change.partition("=")[0] in suggestion.values


@pytest.mark.parametrize(
    ("peak", "budget", "others", "verdict"),
    [
        (5 * GB, 10 * GB, 0, "fits"),
        (9 * GB, 10 * GB, 0, "fits"),
        (9.1 * GB, 10 * GB, 0, "tight"),
        (10.1 * GB, 10 * GB, 0, "too_large"),
        (5 * GB, 10 * GB, 12 * GB, "tight"),  # 16 - 12 leaves no 5
    ],
)
def test_the_verdict_is_against_the_budget_and_what_is_free(
    peak: float, budget: float, others: float, verdict: str
) -> None:
    host = Host(16 * GB, 12 * GB, "Apple M2", int(others), "metal")
    assert verdict_of(int(peak), int(budget), host) == verdict


def test_the_json_is_the_documented_object(mac: Host) -> None:
    found = json.loads(
        json.dumps(estimate(run(memory={"budget_mb": 1}), host=mac, calibration=NOTHING).to_json())
    )
    assert list(found) == ["host", "memory", "time", "verdict", "suggestions"]
    assert list(found["host"]) == ["memory_bytes", "gpu_limit_bytes", "chip"]
    assert list(found["memory"]) == ["peak_bytes", "parts"]
    assert sum(found["memory"]["parts"].values()) == found["memory"]["peak_bytes"]
    assert list(found["time"]) == ["seconds_per_step", "basis"]
    assert all(list(one) == ["change", "peak_bytes", "why"] for one in found["suggestions"])


def test_it_is_instant(mac: Host) -> None:
    """Fifty answers in the time that one may take many times over: no file is read twice."""
    config = run()
    estimate(config, host=mac, calibration=NOTHING)
    start = time.thread_time()
    for _ in range(50):
        estimate(config, host=mac, calibration=NOTHING)
    assert time.thread_time() - start < 5


def test_what_was_learnt_corrects_the_next_answer(mac: Host) -> None:
    first = estimate(run(), host=mac, calibration=NOTHING)
    twice = estimate(run(), host=mac, calibration=NOTHING.learnt(rollout=2.0, update=2.0))
    assert twice.duration.per_step == pytest.approx(2 * first.duration.per_step)
    assert (first.duration.basis, twice.duration.basis) == ("first guess", "earlier runs")
    assert twice.duration.most / twice.duration.least < first.duration.most / first.duration.least


@pytest.mark.parametrize(("earlier", "factor"), [((0.6,), 1.0), ((1.2,), 1.2), ((0.6, 1.2, 1.2), 1.17)])
def test_earlier_runs_raise_the_peak_and_never_lower_it(
    mac: Host, earlier: tuple[float, ...], factor: float
) -> None:
    """A run of SFT that drew only short rows took 55 MB of 84; the next, which drew the long ones, was told 71 and took 84."""
    known = NOTHING
    for ratio in earlier:
        known = known.learnt(memory=ratio)
    first = estimate(run(), host=mac, calibration=NOTHING).peak_bytes
    assert estimate(run(), host=mac, calibration=known).peak_bytes == pytest.approx(factor * first, rel=0.04)


def test_shorter_completions_than_allowed_shorten_the_time(mac: Host) -> None:
    whole = estimate(run(), host=mac, calibration=NOTHING.learnt(rollout=1.0, update=1.0))
    half = estimate(
        run(), host=mac, calibration=NOTHING.learnt(rollout=1.0, update=1.0, completion_share=0.5)
    )
    assert half.duration.rollout == pytest.approx(whole.duration.rollout / 2, rel=0.1)
    assert half.duration.update < whole.duration.update
    assert half.peak_bytes == whole.peak_bytes


def test_the_last_runs_error_is_told(mac: Host) -> None:
    known = replace(NOTHING, predicted_peak_bytes=8_000_000, observed_peak_bytes=7_000_000)
    notes = estimate(run(), host=mac, calibration=known).notes
    assert "The last run with this model took 7.0 MB; 8.0 MB were estimated." in notes


def test_the_time_of_an_environment_is_said_to_be_unknown_and_added_once_it_is_known(mac: Host) -> None:
    acting = {"type": "tools", "path": "shop"}
    config = run(environment=acting)
    unknown = estimate(config, host=mac, calibration=NOTHING)
    assert any("is not known before a first run in it" in note for note in unknown.notes)
    assert config.environment is not None
    known = NOTHING.with_standing(environment_key(config.environment), 30.0)
    found = estimate(config, host=mac, calibration=known)
    added = found.duration.rollout - unknown.duration.rollout
    assert added == pytest.approx(30.0 * found.job.rollouts_per_step)
    assert any(note.startswith("30 s of each rollout are waited") for note in found.notes)
    other = estimate(run(environment={**acting, "path": "other.py"}), host=mac, calibration=known)
    assert other.duration.rollout == pytest.approx(unknown.duration.rollout)


def test_a_run_in_an_environment_teaches_the_machines_pace_without_the_waiting(
    mac: Host, data_home: Path
) -> None:
    config = run(environment={"type": "tools", "path": "shop"})
    taught: list[float] = []
    for stood in (0.0, 5.0):
        record = RunRecord(estimate(config, host=mac, calibration=NOTHING))
        for _ in range(3):
            metrics = {
                "episodes/stood_seconds": stood,
                "completions/mean_length": 20.0,
                "memory/peak_bytes": 1e8,
            }
            record.add(metrics, {"rollout": 2.0 + stood, "update": 1.0})
        file, _ = calibration_for(config)
        file.unlink(missing_ok=True)
        record.keep(config)
        known = read_calibration(file)
        assert known is not None
        assert list(known.standing.values()) == [stood]
        taught.append(known.rollout)
    assert taught[0] == pytest.approx(taught[1])


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        # the same pace, 2 s of sampling and 3 s of standing still in each rollout: one in each step, one in two steps,
        # two in each step (told together)
        ({}, [(5.0, 3.0)] * 4),
        ({"method": {"steps_per_generation": 2}}, [(5.0, 3.0), None] * 2),
        ({"training": {"gradient_accumulation_steps": 2}}, [(10.0, 6.0)] * 4),
    ],
)
def test_a_rollouts_time_is_the_same_however_many_a_step_has(
    mac: Host, data_home: Path, settings: dict[str, Any], steps: list[tuple[float, float] | None]
) -> None:
    config = run(environment={"type": "tools", "path": "shop"}, **settings)
    record = RunRecord(estimate(config, host=mac, calibration=NOTHING))
    for seen in steps:
        metrics = {"completions/mean_length": 20.0, "memory/peak_bytes": 1e8}
        seconds = {"update": 1.0}
        if seen is not None:
            seconds["rollout"], metrics["episodes/stood_seconds"] = seen
        record.add(metrics, seconds)
    found = record._ratios(config, record.estimated)
    plain = RunRecord(estimate(run(), host=mac, calibration=NOTHING))
    for _ in steps:
        plain.add(
            {"completions/mean_length": 20.0, "memory/peak_bytes": 1e8}, {"rollout": 2.0, "update": 1.0}
        )
    assert found.rollout == pytest.approx(plain._ratios(run(), plain.estimated).rollout)
    file, _ = calibration_for(config)
    file.unlink(missing_ok=True)
    record.keep(config)
    known = read_calibration(file)
    assert known is not None
    assert list(known.standing.values()) == [3.0]


def test_a_calibration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    known = NOTHING.learnt(rollout=1.5, update=0.5, memory=1.1)
    file = calibration_file(read_model(starter_model_dir()), "Apple M2")
    write_calibration(file, known)
    assert read_calibration(file) == known


ODD: list[dict[str, Any]] = [
    *({"rollout": -1}, {"rollout": 10**400}, {"memory": "a"}, {"standing": {"x": 10**400}}, {"standing": []})
]
ODD += [
    {name: odd}
    for name in ("predicted_peak_bytes", "observed_peak_bytes", "observed_seconds", "runs")
    for odd in (None, "x", [], {}, -5, 10**400, math.nan)
]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 99}',
        '{"version": 1, "rollout": -1}',
        '{"version": 1, "x": 1}',
        '{"version": 1, "rollout": "a"}',
        "[" * 100_000,
        *(json.dumps({"version": VERSION} | odd) for odd in ODD),
    ],
)
def test_a_damaged_calibration_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(text)
    assert read_calibration(file) is None


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_an_absurd_measurement_teaches_nothing(factor: float) -> None:
    assert NOTHING.learnt(rollout=factor).rollout == 0.0


def test_newer_runs_weigh_more() -> None:
    assert 2.0 < NOTHING.learnt(rollout=1.0).learnt(rollout=4.0).rollout < 4.0


def test_without_data_the_assumption_is_said(mac: Host) -> None:
    assert any("assumed" in note for note in estimate(run(), host=mac, calibration=NOTHING).notes)
    known = DataLengths(30, 36, rows=400, held_out_rows=100)
    assert not any("assumed" in note for note in estimate(run(), known, mac, NOTHING).notes)


def test_the_sample_data_is_measured_in_the_models_own_tokens() -> None:
    lengths = measure_data(run())
    assert lengths is not None
    assert 0 < lengths.median_prompt <= lengths.longest_prompt < 256
    assert lengths.rows == 400


def test_a_prompt_leaves_room_for_its_answer() -> None:
    config = run(training={"max_seq_length": 100}, sampling={"max_completion_length": 60})
    assert job_of(config, facts_of(CONFIG, ()), DataLengths(500, 5000)).longest_prompt == 40


@pytest.mark.parametrize("method", ["sft", "simpo"])
def test_rows_are_as_long_as_they_are_padded(method: str) -> None:
    """Of 42 tokens each: SimPO with 32 pairs of the starter took 82.7 MB where 71.0 were told, and 81.4 with 48."""
    job = job_of(resolve({"method": method}), facts_of(CONFIG, ()), DataLengths(17, 23, 19, 19))
    assert (job.longest_prompt + job.longest_completion, job.longest_completion) == (48, 19)


def test_a_group_that_is_used_twice_needs_half_the_rollouts() -> None:
    config = run(method={"type": "grpo", "num_iterations": 2})
    assert job_of(config, facts_of(CONFIG, ()), None).rollouts_per_step == 0.5


def test_a_model_that_is_not_here_is_answered_with_a_note(mac: Host) -> None:
    config = run(model={"path": "nobody/no-such-model"})
    found = estimate(config, host=mac, calibration=NOTHING)
    assert found.peak_bytes > 0
    assert any("not on this computer" in note for note in found.notes)
