"""Descriptions of settings are read from the sources, which the bundle ships without byte code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TELL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from droid_tune.config import rewards, run
from droid_tune.config.recipes.methods import METHOD_CONFIGS
models = [run.TrainingConfig, *METHOD_CONFIGS.values(), *rewards.REWARD_CONFIGS.values()]
print(json.dumps({
    "file": run.__file__,
    "silent": [f"{model.__name__}.{name}" for model in models for name, field in model.model_fields.items()
               if name != "type" and not field.description],
    "rank": run.AdapterConfig.model_fields["rank"].description,
}))
"""


@pytest.fixture
def site_packages(tmp_path: Path, project_root: Path) -> Path:
    """The engine as the bundle has it: sources, nothing else."""
    source, target = project_root / "droid_tune", tmp_path / "site-packages" / "droid_tune"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target.parent


@pytest.mark.parametrize("optimise", ["", "-OO"])
def test_settings_keep_their_words_where_byte_code_lies_elsewhere(
    site_packages: Path, tmp_path: Path, optimise: str
) -> None:
    cache = f"pycache_prefix={tmp_path / 'cache'}"
    for _ in ("written", "read from byte code"):
        command = [sys.executable, "-I", *optimise.split(), "-X", cache, "-c", TELL, str(site_packages)]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert Path(told["file"]).is_relative_to(site_packages)
        assert told["silent"] == []
        assert told["rank"] == "Size of the added matrices: more can learn more and takes more memory."
