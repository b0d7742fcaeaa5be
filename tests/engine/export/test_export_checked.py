"""What was written is opened again and compared: planted faults are found, and nothing half-written stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Watch
from droid_tune.errors import Stopped, UsageError, UserError
from droid_tune.export.checking.comparison import Compared, CountedShare, Judged, compare
from droid_tune.export.checking.exam import Exam, ExamQuestion, Sitting
from droid_tune.export.result import export_run
from droid_tune.export.targets.fused_folder import FusedFolder
from droid_tune.model.adapter_files import read_arrays
from droid_tune.model_files.base_digest import change_since, keep_digests

Plant = Callable[[Path, Path], None]


def fused(out: Path, **changes: Any) -> ExportRequest:
    return ExportRequest("fused", out, **{"check": 4, **changes})


@pytest.mark.usefixtures("opened_here")
@pytest.mark.parametrize("target", ["adapter", "fused"])
def test_what_is_written_answers_as_the_run_does(target: Any, learnt_run: Path, tmp_path: Path) -> None:
    exported = export_run(learnt_run, ExportRequest(target, tmp_path / "out", check=6))
    compared = exported.compared
    assert compared is not None
    assert (compared.rows, compared.held_out, compared.faults) == (6, True, ())
    assert compared.equal_share == 1.0
    assert compared.tokens > 40
    assert compared.nll_difference == pytest.approx(0, abs=1e-5)
    assert compared.accuracy.here == compared.accuracy.there is not None


def test_a_fresh_process_opens_what_was_written(learnt_run: Path, tmp_path: Path) -> None:
    exported = export_run(learnt_run, fused(tmp_path / "out", check=2))
    assert exported.compared is not None
    assert exported.compared.equal_share == 1.0
    assert exported.step == 3


# --- planted faults -------------------------------------------------------------------------------------------------


def change_weights(folder: Path, change: Callable[[dict[str, mx.array]], dict[str, mx.array]]) -> None:
    file = folder / "model.safetensors"
    mx.save_safetensors(str(file), change(read_arrays(file)), metadata={"format": "mlx"})


def change_json(file: Path, **values: Any) -> None:
    settings = json.loads(file.read_text()) | values
    file.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def swapped_query_rows(folder: Path, run: Path) -> None:
    """llama.cpp's order of a head's rows, where mlx-lm wants Hugging Face's."""

    def swap(arrays: dict[str, mx.array]) -> dict[str, mx.array]:
        for name, array in arrays.items():
            if "q_proj" in name or "k_proj" in name:
                heads = array.shape[0] // 24
                rows = array.reshape(heads, 2, 12, array.shape[1]).swapaxes(1, 2)
                arrays[name] = rows.reshape(array.shape)
        return arrays

    change_weights(folder, swap)


def missing_scale(folder: Path, run: Path) -> None:
    """What was learnt counts once, not `scale` times."""
    learnt = read_arrays(run / "adapters.safetensors")
    scale = json.loads((run / "adapter_config.json").read_text())["lora_parameters"]["scale"]

    def weaken(arrays: dict[str, mx.array]) -> dict[str, mx.array]:
        for name, a in learnt.items():
            if name.endswith(".lora_a"):
                module = name.removesuffix(".lora_a")
                change = (a @ learnt[f"{module}.lora_b"]).T
                arrays[f"{module}.weight"] = arrays[f"{module}.weight"] - (scale - 1) * change
        return arrays

    change_weights(folder, weaken)


def wrong_rope_base(folder: Path, run: Path) -> None:
    change_json(folder / "config.json", rope_theta=500.0)


def wrong_end(folder: Path, run: Path) -> None:
    change_json(folder / "generation_config.json", eos_token_id=[7])


def lost_end(folder: Path, run: Path) -> None:
    change_json(folder / "generation_config.json", eos_token_id=[7])
    change_json(folder / "tokenizer_config.json", eos_token="<|user|>")


def lost_template(folder: Path, run: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    change_json(folder / "tokenizer_config.json", chat_template=None)


def other_template(folder: Path, run: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    change_json(folder / "tokenizer_config.json", chat_template="{{ messages[0]['content'] }}")


FAULTS: list[tuple[Plant, str]] = [
    (swapped_query_rows, "greedy tokens are the run's own"),
    (missing_scale, "greedy tokens are the run's own"),
    (wrong_rope_base, "greedy tokens are the run's own"),
    (wrong_end, "it ends at token 7, where the run's model goes on"),
    (lost_end, "it goes on behind token 1"),
    (lost_template, "its chat template is lost"),
    (other_template, "its chat template renders turns otherwise"),
]


@pytest.mark.usefixtures("opened_here")
@pytest.mark.parametrize(("plant", "said"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_fault_is_found(
    plant: Plant, said: str, learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, plant, learnt_run)
    with pytest.raises(UserError, match=said):
        export_run(learnt_run, fused(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("opened_here")
def test_what_is_refused_is_kept_by_force(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, wrong_end, learnt_run)
    forced = export_run(learnt_run, fused(tmp_path / "out", force=True))
    assert forced.compared is not None
    assert forced.compared.faults == ("it ends at token 7, where the run's model goes on",)
    assert (tmp_path / "out" / "model.safetensors").is_file()


def spoil(monkeypatch: pytest.MonkeyPatch, plant: Plant, run: Path) -> None:
    """The fault is planted behind each write."""
    write = FusedFolder.write

    def faulty(self: FusedFolder, source: Any, request: Any, folder: Path, watch: Any) -> list[str]:
        notes = write(self, source, request, folder, watch)
        plant(folder, run)
        return notes

    monkeypatch.setattr(FusedFolder, "write", faulty)


def judged(right: float, rows: int, equal: int, *, same_precision: bool = True) -> tuple[str, ...]:
    """The faults of a model that says `equal` of 200 tokens and answers `right` rows; here 90 % are right."""
    exam = Exam((ExamQuestion("", [1], [7] * 200),), (), (), 200)
    here = Sitting([[7] * 200], [[None] * 200], [""], [False], None, None, None)
    there = replace(here, likeliest=[[7] * equal + [8] * (200 - equal)])
    accuracy = Judged(CountedShare(0.9 * rows, rows), CountedShare(right, rows))
    blank = Compared("mlx-lm", rows, True, same_precision, 0, 0, accuracy, None, None)
    return compare(exam, here, there, blank).faults


def test_so_much_may_differ_at_the_same_precision_and_no_more() -> None:
    assert judged(90, 100, 198) == ()
    (said,) = judged(90, 100, 197)
    assert said.startswith("only 98.5% of 200 greedy tokens")
    assert judged(89, 100, 200) == judged(91, 100, 200) == ()
    for right in (88, 92):
        (said,) = judged(right, 100, 200)
        assert said.startswith(f"held-out accuracy is {right}%")
    assert judged(8, 10, 200) == ()  # one answer of few: a tie that fell the other way
    assert len(judged(7, 10, 200)) == 1
    assert judged(10, 100, 20, same_precision=False) == ()  # fewer bits are told, not refused


# --- types of weights -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("opened_here")
def test_fewer_bits_are_told_with_what_they_cost(learnt_run: Path, tmp_path: Path) -> None:
    exported = export_run(learnt_run, fused(tmp_path / "out", weights="mlx-4bit"))
    assert exported.notes[0].startswith("22 layers were quantised to 4 bits")  # 3 x 7 and the embedding
    assert exported.compared is not None
    assert exported.compared.faults == ()
    assert (exported.compared.nll_difference or 0) > 1e-3
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["quantization"] == {"group_size": 32, "bits": 4}


# --- the model that the run was trained on --------------------------------------------------------------------------


def test_a_changed_file_of_the_model_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    weights = bytearray(3_000_000)
    (folder / "model.safetensors").write_bytes(weights)
    keep_digests(folder, tmp_path / "base.json")
    assert change_since(tmp_path / "base.json", folder) == ""
    weights[-1] = 1
    (folder / "model.safetensors").write_bytes(weights)
    assert change_since(tmp_path / "base.json", folder) == "model.safetensors is another file"
    (folder / "model.safetensors").unlink()
    assert change_since(tmp_path / "base.json", folder) == "model.safetensors is gone"
    assert change_since(tmp_path / "none.json", folder) == ""  # a run of an earlier version
    for odd in ("", "[]", "7", "{}", "[" * 20_000):
        (tmp_path / "base.json").write_text(odd)
        with pytest.raises(UserError, match=r"base\.json: .*is not known"):
            change_since(tmp_path / "base.json", folder)


def test_an_export_says_that_the_model_has_changed(learnt_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(learnt_run, tmp_path / "run")
    change_json(run / "base.json", **{"config.json": "another"})
    with pytest.raises(UserError, match=r"has changed since: config.json is another file; put it back"):
        export_run(run, fused(tmp_path / "out", check=0))
    assert export_run(run, fused(tmp_path / "out", check=0, force=True)).folder.is_dir()


def test_a_model_that_is_gone_is_one_sentence(learnt_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(learnt_run, tmp_path / "run")
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("path: starter", f"path: {tmp_path}/gone", 1))
    with pytest.raises(UserError, match=r"gone: there is no such model folder"):
        export_run(run, fused(tmp_path / "out"))


# --- what cannot be -------------------------------------------------------------------------------------------------


def test_a_type_that_the_target_has_not_is_named(learnt_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found 'q8_0'.*it can be keep, none, mlx-4bit, mlx-8bit"):
        export_run(learnt_run, fused(tmp_path / "out", weights="q8_0"))


def test_a_full_disk_is_said_beforehand_with_the_size(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(
        UserError, match=r"the export takes 1\.\d MB, and 1 KB are free; free some and export again"
    ):
        export_run(learnt_run, fused(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", range(4))
def test_a_cancelled_export_leaves_nothing(stage: int, learnt_run: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    watch = Watch(lambda done, total, what: seen.append(what), lambda: len(seen) > stage)
    with pytest.raises(Stopped):
        export_run(learnt_run, fused(tmp_path / "out"), watch)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_one_sentence(learnt_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Writing .* failed: Not a directory"):
        export_run(learnt_run, fused(tmp_path / "file" / "out"))
