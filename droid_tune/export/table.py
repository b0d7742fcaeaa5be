"""The targets by name: one file in `targets`, one line here and one in `config/exporting.py`."""

from __future__ import annotations

from droid_tune.config import RunConfig
from droid_tune.errors import UserError
from droid_tune.export.base import Target
from droid_tune.export.targets.adapter_folder import AdapterFolder
from droid_tune.export.targets.fused_folder import FusedFolder
from droid_tune.export.targets.gguf_model import GgufModel
from droid_tune.export.targets.hub_repository import HubRepository
from droid_tune.export.targets.lmstudio_folder import LmStudioFolder
from droid_tune.export.targets.ollama_model import OllamaModel
from droid_tune.export.targets.peft_folder import PeftFolder
from droid_tune.export.targets.reward_folders import ClassifierFolder, RewardAdapterFolder
from droid_tune.names import ExportTarget

#: how a reward model is written, which answers nothing
REWARD_WRITERS: dict[ExportTarget, Target] = {"adapter": RewardAdapterFolder(), "fused": ClassifierFolder()}
TARGET_WRITERS: dict[ExportTarget, Target] = {
    "adapter": AdapterFolder(),
    "fused": FusedFolder(),
    "gguf": GgufModel(),
    "peft": PeftFolder(),
    "ollama": OllamaModel(),
    "lmstudio": LmStudioFolder(),
    "hub": HubRepository(),
}


def writer_for(config: RunConfig, target: ExportTarget) -> Target:
    """How a run's result is written. Raises UserError for a target that cannot hold what the run made."""
    if config.method.type != "reward":
        return TARGET_WRITERS[target]
    if target not in REWARD_WRITERS:
        raise UserError(
            f"A reward model gives numbers, and `{target}` holds models that answer",
            remedy=f"choose {' or '.join(REWARD_WRITERS)}",
        )
    return REWARD_WRITERS[target]
