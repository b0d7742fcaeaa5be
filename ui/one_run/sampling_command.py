"""The command that samples from a run's result outside of this application."""

from __future__ import annotations

import shlex
from pathlib import Path

from droid_tune.config.prompt_options import mlx_options
from droid_tune.errors import UserError
from droid_tune.paths import bundled_model_dir
from droid_tune.runs.folder import read_config


def generate_command(model: str, folder: Path) -> str:
    """Sample from the result with mlx-lm's own command, behind the system prompt and by the thinking switch of the run."""
    path = str(bundled_model_dir(model) or model)
    try:
        options = mlx_options(read_config(folder).data)
    except UserError:
        options = []
    parts = ["mlx_lm.generate", "--model", path, "--adapter-path", str(folder), *options, "--prompt", "..."]
    return shlex.join(parts)
