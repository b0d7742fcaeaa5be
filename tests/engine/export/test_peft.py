"""PEFT adapters out and in: the same numbers transposed; what PEFT or mlx-lm cannot hold is refused by name."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.config.exporting import ExportRequest
from droid_tune.control import UNWATCHED
from droid_tune.errors import UserError
from droid_tune.export.result import export_run, trained_policy
from droid_tune.export.targets import peft_folder
from droid_tune.model.adapter_files import read_arrays
from droid_tune.train.starting.start import starting_policy
from tests.engine.export.conftest import SFT
from tests.engine.export.tiny_families import tiny_family
from tests.engine.train.conftest import train

TOKENS = mx.array([[5, 6, 7, 8, 40, 41]])


def peft_of(run: Path, out: Path) -> Path:
    return export_run(run, ExportRequest("peft", out, check=0)).folder


def starting(start: Path, **changes: Any) -> RunConfig:
    return resolve({**SFT, "model": {"start_from": str(start)}, **changes})


def test_factors_are_transposed_and_alpha_is_scale_times_rank(learnt_run: Path, tmp_path: Path) -> None:
    out = peft_of(learnt_run, tmp_path / "out")
    settings = json.loads((out / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"]) == (8, 160.0)  # scale 20
    ours = read_arrays(learnt_run / "adapters.safetensors")
    theirs = read_arrays(out / "adapter_model.safetensors")
    assert len(theirs) == len(ours)
    name = "model.layers.0.mlp.up_proj"  # from 96 to 256
    a, b = (theirs[f"base_model.model.{name}.lora_{letter}.weight"] for letter in "AB")
    assert (a.shape, b.shape) == ((8, 96), (256, 8))
    assert mx.array_equal(a.T, ours[f"{name}.lora_a"])
    assert mx.array_equal(b.T, ours[f"{name}.lora_b"])
    assert settings["target_modules"] == sorted({name.rpartition(".")[0] for name in ours})


def test_transformers_is_to_be_told_of_an_end_that_the_base_does_not_name(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = sorted(trained_policy(learnt_run).stop_tokens)
    for named, told in ((ends, False), ([], True)):
        monkeypatch.setattr(peft_folder, "ends_in_files", lambda _, named=named: named)
        result = export_run(learnt_run, ExportRequest("peft", tmp_path / f"out{told}", check=0))
        assert any(f"`eos_token_id={ends}`" in note for note in result.notes) is told


@pytest.mark.parametrize(("case", "told"), [("phi3 with longrope", True), ("phi3", False), ("llama", False)])
def test_transformers_is_said_to_read_positions_otherwise_where_it_does(
    case: str, told: bool, stories_model: Path, tmp_path: Path
) -> None:
    """torch and PEFT, 40 tokens, a tiny phi3 with longrope: logits up to 1.0 of 3.2 apart, and nothing said so."""
    policy = tiny_family(tmp_path / "base", case, stories_model)
    source: Any = SimpleNamespace(policy=policy, config=resolve({**SFT, "model": {"path": "base"}}))
    (tmp_path / "out").mkdir()
    notes = peft_folder.PeftFolder().write(
        source, ExportRequest("peft", tmp_path), tmp_path / "out", UNWATCHED
    )
    assert any("512 tokens" in note and "`long_factor`" in note for note in notes) is told


@pytest.mark.parametrize("mode", ["continue", "fuse"])
def test_a_run_starts_from_a_peft_folder_as_from_the_run_that_it_was_made_of(
    mode: str, learnt_run: Path, tmp_path: Path
) -> None:
    out = peft_of(learnt_run, tmp_path / "out")
    config = resolve({**SFT, "model": {"start_from": str(out), "start_mode": mode}})
    (tmp_path / "run").mkdir()
    logits = starting_policy(config, tmp_path / "run").model(TOKENS)
    np.testing.assert_allclose(
        np.array(logits), np.array(trained_policy(learnt_run).model(TOKENS)), atol=1e-3
    )


def test_a_run_starts_from_an_adapter_of_mlx_lm(learnt_run: Path, tmp_path: Path) -> None:
    out = export_run(learnt_run, ExportRequest("adapter", tmp_path / "out", check=0)).folder
    finished, _ = train(starting(out, training={"iterations": 1, "batch_size": 2}), tmp_path / "run")
    assert finished.outcome == "completed", finished.why


def change_settings(folder: Path, **values: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"peft_type": "PREFIX_TUNING"},
            r"PEFT's \(PREFIX_TUNING\) of `starter` .* of a kind that mlx-lm has not",
        ),
        ({"bias": "all"}, "uses `bias`, which mlx-lm has not"),
        ({"rank_pattern": {"q_proj": 4}}, "uses `rank_pattern`"),
        ({"modules_to_save": ["lm_head"]}, "uses `modules_to_save`"),
        ({"use_qalora": True}, "uses `use_qalora`"),
        ({"init_lora_weights": "pissa_niter_4"}, "a base whose weights its `init_lora_weights` changed"),
        ({"r": 4}, "the adapter does not fit: .* has shape"),
        ({"r": "eight"}, r"`r` must be a whole number \(found 'eight'\)"),
        ({"r": None}, "`r` must be a whole number"),
        ({"r": 8.5}, "`r` must be a whole number"),
        ({"r": 0}, "`r` must be 1 or more"),
        ({"lora_alpha": "x"}, "`lora_alpha` must be a number"),
        ({"lora_alpha": None}, "`lora_alpha` must be a number"),
        ({"lora_dropout": [0]}, "`lora_dropout` must be a number"),
        (
            {"use_rslora": "false"},
            "`use_rslora` must be true or false",
        ),  # it was taken for true: another scale
    ],
)
def test_a_peft_folder_that_cannot_be_put_on_the_model_is_named(
    values: dict[str, Any], said: str, learnt_run: Path, tmp_path: Path
) -> None:
    out = peft_of(learnt_run, tmp_path / "out")
    change_settings(out, **values)
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match=rf"model.start_from: .*is an adapter of .*{said}"):
        starting_policy(starting(out), tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) in ([], [tmp_path / "run" / "start"])


def _twice(arrays: dict[str, mx.array]) -> None:
    name = next(iter(arrays))
    arrays[name.removeprefix("base_model.model.")] = arrays[name] * 0


def _not_finite(arrays: dict[str, mx.array]) -> None:
    name = next(iter(arrays))
    arrays[name] = arrays[name] * float("nan")


def _whole_numbers(arrays: dict[str, mx.array]) -> None:
    arrays.update({name: array.astype(mx.int8) for name, array in arrays.items()})


@pytest.mark.parametrize("target", ["peft", "adapter"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_twice, "holds an array twice|is not part of this adapter"),
        (_not_finite, "are not all finite numbers"),
        (_whole_numbers, "are int8, no floating-point numbers"),
    ],
)
def test_an_adapter_whose_numbers_are_odd_is_refused_before_it_is_trained(
    change: Callable[[dict[str, mx.array]], None], said: str, target: Any, learnt_run: Path, tmp_path: Path
) -> None:
    """Of two arrays of one name one was lost, whole numbers were taken, and what is no number failed at the first update."""
    out = export_run(learnt_run, ExportRequest(target, tmp_path / "out", check=0)).folder
    file = next(out.glob("*.safetensors"))
    arrays = read_arrays(file)
    change(arrays)
    if change is _twice and target == "adapter":
        arrays["base_model.model." + next(iter(arrays))] = next(iter(arrays.values()))
    mx.save_safetensors(str(file), arrays)
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match=said):
        starting_policy(starting(out), tmp_path / "run")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lora_parameters": ["rank"]}, r"`lora_parameters` must hold settings \(found \['rank'\]\)"),
        ({"lora_parameters": {"rank": 8, "keys": "q_proj"}}, "`keys` must be a list of modules"),
        ({"lora_parameters": {"rank": 0}}, "`rank` must be 1 or more"),
        ({"fine_tune_type": "lokr"}, "`fine_tune_type` must be 'lora', 'dora' or 'full'"),
        ({"num_layers": "all"}, "`num_layers` must be a whole number"),
    ],
)
def test_an_adapter_of_mlx_lm_with_odd_settings_is_named(
    values: dict[str, Any], said: str, learnt_run: Path, tmp_path: Path
) -> None:
    out = export_run(learnt_run, ExportRequest("adapter", tmp_path / "out", check=0)).folder
    change_settings(out, **values)
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match=f"model.start_from: .*an adapter of mlx-lm's of .*{said}"):
        starting_policy(starting(out), tmp_path / "run")


def test_layers_that_are_not_the_last_ones_are_refused(learnt_run: Path, tmp_path: Path) -> None:
    out = peft_of(learnt_run, tmp_path / "out")
    arrays = read_arrays(out / "adapter_model.safetensors")
    kept = {name: array for name, array in arrays.items() if ".layers.2." not in name}
    mx.save_safetensors(str(out / "adapter_model.safetensors"), kept)
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match="it adapts the layers 0, 1 of 3, and mlx-lm adapts the last so many"):
        starting_policy(starting(out), tmp_path / "run")


def test_what_is_no_adapter_is_named_as_what_it_is(project_root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match="is a whole model, and a run starts from an adapter"):
        starting_policy(starting(project_root / "resources" / "starter"), tmp_path / "run")
    with pytest.raises(UserError, match=r"is no run and no adapter: it has no adapter_config.json"):
        starting_policy(starting(tmp_path), tmp_path / "run")


def test_full_training_has_no_adapter_to_write(tmp_path: Path) -> None:
    training = {"iterations": 1, "batch_size": 2}
    train(resolve({**SFT, "training": training, "adapter": {"type": "full"}}), tmp_path / "run")
    with pytest.raises(UserError, match="all weights were trained: there is no adapter to write"):
        peft_of(tmp_path / "run", tmp_path / "out")


@pytest.mark.usefixtures("opened_here")
def test_a_missing_scale_is_found(learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = peft_folder.write_peft

    def unscaled(arrays: Any, adapter: Any, *rest: Any, **named: Any) -> None:
        write(arrays, adapter.model_copy(update={"scale": 1.0}), *rest, **named)

    monkeypatch.setattr(peft_folder, "write_peft", unscaled)
    with pytest.raises(UserError, match="greedy tokens are the run's own"):
        export_run(learnt_run, ExportRequest("peft", tmp_path / "out", check=3))


# --- PEFT itself ----------------------------------------------------------------------------------------------------

PACKAGES = ("peft==0.21.0", "transformers==5.18.0", "torch")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "adapter",
    [{"type": "lora"}, {"type": "dora", "layers": 2}, {"target_modules": ["*embed*", "self_attn.q_proj"]}],
    ids=["lora", "dora of two layers", "embedding"],
)
def test_transformers_with_peft_answers_as_the_run(
    adapter: dict[str, Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, project_root: Path
) -> None:
    python = _environment(tmp_path_factory)
    finished, _ = train(resolve({**SFT, "adapter": adapter}), tmp_path / "run")
    assert finished.outcome == "completed", finished.why
    from droid_tune.control import UNWATCHED
    from droid_tune.export.checking.check_written import Checking
    from droid_tune.export.checking.comparison import Compared, Judged, compare
    from droid_tune.export.checking.exam import Sitting
    from droid_tune.export.result import _source

    request = ExportRequest("peft", tmp_path / "out", check=0)
    checking = Checking.of(_source(tmp_path / "run", request), 4, UNWATCHED)
    out = export_run(tmp_path / "run", request).folder
    exam, answers = tmp_path / "exam.json", tmp_path / "answers.json"
    exam.write_text(json.dumps(checking.exam.to_json()))
    command = [python, "-m", "droid_tune.export.checking.sitting_peft"]
    base = project_root / "resources" / "starter"
    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    environment.pop("LD_PRELOAD", None)
    subprocess.run([*command, base, out, exam, answers], check=True, env=environment)
    there = Sitting.from_json(json.loads(answers.read_text()))
    blank = Compared("PEFT", 4, True, True, 0, 0, Judged(None, None), None, None)
    compared = compare(checking.exam, checking.here, there, blank)
    assert compared.faults == ()
    assert compared.equal_share == 1.0
    assert abs(compared.nll_difference or 0) < 1e-4


def _environment(factory: pytest.TempPathFactory) -> Path:
    """A Python of its own with Transformers, PEFT and torch, made once."""
    folder = factory.getbasetemp() / "peft-environment"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python
