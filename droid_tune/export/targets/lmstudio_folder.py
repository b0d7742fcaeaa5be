"""A whole model where LM Studio looks for models: `models/publisher/name`."""

from __future__ import annotations

from pathlib import Path

from droid_tune.export.base import ExportSource
from droid_tune.export.targets.fused_folder import FusedFolder


class LmStudioFolder(FusedFolder):
    """The same files as a fused folder; the place is the request's (`config/exporting.py` knows the usual one)."""

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """LM Studio lists it by itself."""
        folder = out.absolute()
        return f"LM Studio lists it as {folder.parent.name}/{folder.name}, under My Models"
