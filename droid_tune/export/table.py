"""The targets by name: one file in `targets`, one line here and one in `config/exporting.py`."""

from __future__ import annotations

from droid_tune.export.base import Target
from droid_tune.export.targets.adapter_folder import AdapterFolder
from droid_tune.export.targets.fused_folder import FusedFolder
from droid_tune.export.targets.gguf_model import GgufModel
from droid_tune.export.targets.hub_repository import HubRepository
from droid_tune.export.targets.lmstudio_folder import LmStudioFolder
from droid_tune.export.targets.ollama_model import OllamaModel
from droid_tune.export.targets.peft_folder import PeftFolder
from droid_tune.names import ExportTarget

TARGET_WRITERS: dict[ExportTarget, Target] = {
    "adapter": AdapterFolder(),
    "fused": FusedFolder(),
    "gguf": GgufModel(),
    "peft": PeftFolder(),
    "ollama": OllamaModel(),
    "lmstudio": LmStudioFolder(),
    "hub": HubRepository(),
}
