"""A checkpoint is whole or not there, and a damaged one is named."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import pytest

from droid_tune.errors import UserError
from droid_tune.train.saving.checkpoint import BadCheckpointError, CheckpointStore, verify


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", keep=2)


def save(store: CheckpointStore, step: int) -> Path:
    return store.save(
        step, {"note": f"step {step}"}, {"adapters": {"a": mx.array([float(step)])}, "empty": {}}
    ).folder


def test_what_is_saved_comes_back(store: CheckpointStore) -> None:
    save(store, 5)
    checkpoint, bad = store.newest_good()
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.state["note"], bad) == (5, "step 5", [])
    assert checkpoint.tensors("adapters")["a"].tolist() == [5.0]
    assert checkpoint.tensors("empty") == {}


def test_only_the_newest_are_kept_and_only_after_the_new_one_is_whole(store: CheckpointStore) -> None:
    for step in (1, 2, 3):
        save(store, step)
    assert [folder.name for folder in store.newest_first()] == ["step-000003", "step-000002"]


def test_a_flipped_bit_is_found_named_and_passed_over(store: CheckpointStore) -> None:
    save(store, 1)
    newest = save(store, 2)
    weights = newest / "adapters.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    checkpoint, bad = store.newest_good()
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert [str(error) for error in bad] == [
        "step-000002: adapters.safetensors is damaged (its checksum differs)"
    ]


@pytest.mark.parametrize("name", ["adapters.safetensors", "state.json"])
def test_a_missing_file_is_found(store: CheckpointStore, name: str) -> None:
    folder = save(store, 1)
    (folder / name).unlink()
    with pytest.raises(BadCheckpointError, match=f"{name} is missing"):
        verify(folder)


def test_an_unreadable_manifest_is_a_bad_checkpoint(store: CheckpointStore) -> None:
    folder = save(store, 1)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BadCheckpointError, match="manifest cannot be read"):
        verify(folder)


def test_a_newer_format_is_refused(store: CheckpointStore) -> None:
    folder = save(store, 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(BadCheckpointError, match="format 99"):
        verify(folder)


def test_a_half_written_folder_is_never_taken_for_a_checkpoint(store: CheckpointStore) -> None:
    save(store, 1)
    (store.folder / ".step-000002.77.tmp").mkdir()
    checkpoint, _ = store.newest_good()
    assert checkpoint is not None
    assert checkpoint.step == 1
    save(store, 3)
    assert not (store.folder / ".step-000002.77.tmp").exists()


def test_saving_the_same_step_again_replaces_it(store: CheckpointStore) -> None:
    save(store, 1)
    store.save(1, {"note": "again"}, {})
    checkpoint, _ = store.newest_good()
    assert checkpoint is not None
    assert checkpoint.state["note"] == "again"


def test_a_full_disk_is_one_sentence_and_leaves_the_old_checkpoint(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from droid_tune.train.saving import checkpoint as module

    save(store, 1)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "sync_file", full)
    with pytest.raises(UserError, match="No space is left"):
        save(store, 2)
    monkeypatch.undo()
    assert [folder.name for folder in store.newest_first()] == ["step-000001"]
    assert not list(store.folder.glob(".step*"))


@pytest.mark.parametrize(
    ("free_bytes", "sentence"), [(0, "No space is left on the disk"), (10**9, "Writing ")]
)
def test_a_write_that_mlx_reports_as_failed_is_told_with_its_cause(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, free_bytes: int, sentence: str
) -> None:
    save(store, 1)

    def refuse(*_arguments: object, **_settings: object) -> None:
        raise RuntimeError("[write] Unable to write 1651 bytes to file.")

    def usage(_folder: object) -> SimpleNamespace:
        return SimpleNamespace(free=free_bytes)

    monkeypatch.setattr(mx, "save_safetensors", refuse)
    monkeypatch.setattr("droid_tune.runs.disk.durable.shutil.disk_usage", usage)
    with pytest.raises(UserError, match=sentence):
        save(store, 2)
    assert [folder.name for folder in store.newest_first()] == ["step-000001"]


def test_a_number_that_is_not_finite_is_saved_as_null(store: CheckpointStore) -> None:
    state = {"entropy": {"coef": float("nan")}, "recent": [1.0, float("inf"), (2, float("-inf"))]}
    saved = store.save(1, state, {})
    assert saved.state["entropy"] == {"coef": None}
    assert saved.state["recent"] == [1.0, None, [2, None]]


def test_the_same_content_is_the_same_bytes_in_whatever_order_it_came(tmp_path: Path) -> None:
    tensors = {f"layers.{number}.lora_a": mx.array([float(number)]) for number in range(40)}
    state = {"b": 1, "a": {"d": 2, "c": 3}}
    backwards = {"a": {"c": 3, "d": 2}, "b": 1}
    one = CheckpointStore(tmp_path / "one").save(3, state, {"adapters": tensors})
    other = CheckpointStore(tmp_path / "other").save(
        3, backwards, {"adapters": dict(reversed(tensors.items()))}
    )
    for file in one.folder.iterdir():
        assert file.read_bytes() == (other.folder / file.name).read_bytes(), file.name
