"""What `mlx_lm.generate` has to be told so that a model reads what its run read."""

from __future__ import annotations

import json

from droid_tune.config.model_and_data import DataConfig


def mlx_options(data: DataConfig) -> list[str]:
    """Options for the run's system prompt and its thinking switch; none where it had neither."""
    system = ["--system-prompt", data.system_prompt] if data.system_prompt else []
    if data.thinking == "template":
        return system
    return [*system, "--chat-template-config", json.dumps({"enable_thinking": data.thinking == "on"})]
