"""A model folder is refused with one sentence before anything in it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from droid_tune.errors import UserError
from droid_tune.model.checks.rotary import bases_of, wrong_base
from droid_tune.model.loading import load_policy


@pytest.fixture
def folder(stories_model: Path, tmp_path: Path) -> Path:
    """A private copy of a good model, for tests that spoil it."""
    return Path(shutil.copytree(stories_model, tmp_path / "model"))


def change_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")


def remove_eos(folder: Path) -> None:
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        content.pop("eos_token_id", None)
        content.pop("eos_token", None)
        (folder / name).write_text(json.dumps(content))


def as_float8(folder: Path, kind: str) -> None:
    """The weights' bytes under another type, as a checkpoint in float8 without scales has them."""
    file = folder / "model.safetensors"
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    for name, entry in header.items():
        if name != "__metadata__":
            entry.update(dtype=kind, shape=[*entry["shape"][:-1], 4 * entry["shape"][-1]])
    new = json.dumps(header).encode()
    file.write_bytes(len(new).to_bytes(8, "little") + new + raw[8 + length :])


def no_numbers(folder: Path) -> None:
    """The last weight is NaN, whatever its type."""
    with (folder / "model.safetensors").open("rb+") as weights:
        weights.seek(-8, os.SEEK_END)
        weights.write(b"\xff" * 8)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no weights"),
    "cut-off weights": (cut_weights, "cut off"),
    "foreign bytes": (lambda f: (f / "model.safetensors").write_bytes(b"GGUF" * 40), "damaged or cut off"),
    "pickled weights": (pickle_weights, "pickle"),
    "unknown architecture": (
        lambda f: change_json(f / "config.json", model_type="bert"),
        "not supported by mlx-lm",
    ),
    "architecture that is a path": (
        lambda f: change_json(f / "config.json", model_type="../evil"),
        "`model_type` is missing",
    ),
    "own model file": (lambda f: change_json(f / "config.json", model_file="evil.py"), "own Python code"),
    "own classes": (
        lambda f: change_json(f / "config.json", auto_map={"AutoModel": "evil.Model"}),
        "own Python code",
    ),
    "own tokenizer": (
        lambda f: change_json(f / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]}),
        "own Python code",
    ),
    "no tokenizer": (
        lambda f: [(f / name).unlink() for name in ("tokenizer.json", "tokenizer_config.json")],
        "tokenizer is missing",
    ),
    "no end of sequence": (remove_eos, "no end-of-sequence token"),
    "float8 codes without scales": (lambda f: as_float8(f, "F8_E4M3"), "8-bit floating point"),
    "the wider kind of float8": (lambda f: as_float8(f, "F8_E5M2"), "8-bit floating point"),
    "a key that the architecture needs": (
        lambda f: change_json(f / "config.json", model_type="stablelm"),
        "config.json has no `use_qkv_bias`",
    ),
    "weights that are no numbers": (no_numbers, "are not all numbers; download the model again"),
    "weights of another shape": (
        lambda f: change_json(f / "config.json", intermediate_size=100),
        "cannot be loaded",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_folder_is_refused_in_one_sentence(name: str, folder: Path):
    spoil, said = SPOILED[name]
    spoil(folder)
    with pytest.raises(UserError, match=said) as caught:
        load_policy(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_code_of_the_folder_runs(folder: Path):
    change_json(folder / "config.json", model_file="model.py")
    (folder / "model.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(UserError):
        load_policy(folder)
    assert not (folder / "ran").exists()


def test_a_missing_chat_template_is_refused_only_where_it_is_needed(folder: Path):
    content = json.loads((folder / "tokenizer_config.json").read_text())
    content.pop("chat_template")
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    assert load_policy(folder).stop_tokens
    with pytest.raises(UserError, match=r"no chat template.*choose an instruct version"):
        load_policy(folder, needs_chat_template=True)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    with pytest.raises(UserError, match=r"no chat template.*copy .* into a file chat_template\.jinja"):
        load_policy(folder, needs_chat_template=True)


def test_a_name_that_is_neither_folder_nor_id_is_refused():
    with pytest.raises(UserError, match="no such model folder"):
        load_policy("/nowhere/at/all")


def test_a_folder_with_pattern_characters_in_its_name_loads(stories_model: Path, tmp_path: Path):
    odd = Path(shutil.copytree(stories_model, tmp_path / "my [best] model*"))
    assert load_policy(odd).path == odd


def test_the_limit_of_open_files_is_not_lowered(project_root: Path):
    code = (
        "import resource as r; before = r.getrlimit(r.RLIMIT_NOFILE); import droid_tune.model.loading; "
        "assert r.getrlimit(r.RLIMIT_NOFILE) == before, before"
    )
    subprocess.run([sys.executable, "-c", code], cwd=project_root, check=True)


def test_a_config_of_transformers_5_is_read_with_its_rotary_base(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.pop("rope_theta", None)
    (folder / "config.json").write_text(json.dumps(config))
    change_json(folder / "config.json", rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})

    policy = load_policy(folder)

    assert set(bases_of(policy.model)) == {500000.0}
    assert policy.config["rope_theta"] == 500000.0  # a fused model says it in both forms
    assert policy.notes == ("config.json has the form of transformers 5; read as rope_theta 500000.",)


def test_scaled_positions_are_checked_by_their_base_too(folder: Path) -> None:
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    change_json(
        folder / "config.json",
        rope_theta=None,
        rope_parameters={**llama3, "rope_theta": 500000.0, "original_max_position_embeddings": 8192},
    )
    assert wrong_base(load_policy(folder).model, {"rope_theta": 500000.0}) == ""


def test_a_model_that_was_built_with_another_base_is_refused(folder: Path) -> None:
    policy = load_policy(folder)
    assert wrong_base(policy.model, {"rope_theta": 500000.0}) == (
        "its layers use the rotary base 10,000, but its config says 500,000"
    )


def test_weights_that_the_disk_does_not_give_are_one_sentence(
    stories_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLX 0.32 tells of a block that it could not read, in the middle of a model."""

    def broken(*_: object) -> None:
        raise RuntimeError("[read] Unable to read 8 bytes from file.")

    monkeypatch.setattr("droid_tune.model.loading.read_weights", broken)
    with pytest.raises(UserError, match=r"the weights cannot be read \(Unable to read 8 bytes from file\)"):
        load_policy(stories_model)
