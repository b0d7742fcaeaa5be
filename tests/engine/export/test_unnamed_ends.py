"""A token that ends answers and that the base's files do not name: an adapter cannot say so, its command does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.config.exporting import ExportRequest
from droid_tune.errors import UserError
from droid_tune.export.result import export_run
from droid_tune.export.targets.adapter_folder import sampling_command
from droid_tune.runs.folder import create_run
from tests.engine.export.conftest import SFT
from tests.engine.train.conftest import train


def change_json(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_an_adapter_tells_the_end_that_its_base_does_not_name(project_root: Path, tmp_path: Path) -> None:
    """As of a base model that learnt chats: `<|end|>` (1) stands in its template alone."""
    base = Path(shutil.copytree(project_root / "resources" / "starter", tmp_path / "base"))
    for name in ("generation_config.json", "config.json"):
        change_json(base / name, eos_token_id=0)
    change_json(base / "tokenizer_config.json", eos_token="<|pad|>")
    train(resolve({**SFT, "model": {"path": str(base)}}), tmp_path / "run")
    exported = export_run(tmp_path / "run", ExportRequest("adapter", tmp_path / "out", check=2))
    assert exported.compared is not None
    assert exported.compared.faults == ()
    assert "--extra-eos-token '<|end|>' --prompt" in exported.use
    own = sampling_command(tmp_path / "run")
    assert (
        own
        == f"mlx_lm.generate --model {base} --adapter-path {tmp_path / 'run'} --extra-eos-token '<|end|>' --prompt '...'"
    )
    assert any("do not name `<|end|>`" in note for note in exported.notes)


def test_the_command_of_a_run_whose_model_is_gone_asks_for_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: Any) -> Path:
        raise AssertionError("a download was begun")

    monkeypatch.setattr("droid_tune.model_files.hub._from_hub", download)
    folder = create_run(resolve({**SFT, "model": {"path": "someone/a-model-of-the-hub"}}), tmp_path / "run")
    with pytest.raises(UserError, match="someone/a-model-of-the-hub is not on this computer"):
        sampling_command(folder)
