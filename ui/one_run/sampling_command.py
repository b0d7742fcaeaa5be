"""The command that samples from a run's result outside of this application."""

from __future__ import annotations

import shlex
from pathlib import Path

from droid_tune.paths import bundled_model_dir


def generate_command(model: str, folder: Path) -> str:
    """Sample from the result with mlx-lm's own command."""
    path = str(bundled_model_dir(model) or model)
    parts = ["mlx_lm.generate", "--model", path, "--adapter-path", str(folder), "--prompt", "..."]
    return shlex.join(parts)
