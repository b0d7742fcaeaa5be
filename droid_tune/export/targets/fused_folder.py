"""A whole model with the adapter merged in, in the layout that mlx-lm loads."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from droid_tune.config.exporting import ExportRequest
from droid_tune.config.prompt_options import mlx_options
from droid_tune.control import Watch
from droid_tune.errors import UserError
from droid_tune.export.base import ExportSource, Target
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.export.checking.fresh_process import sit_in_fresh_process
from droid_tune.export.repacking import bytes_at, pack, unpack
from droid_tune.export.targets.adapter_folder import MLX_SITTING
from droid_tune.model.fusing import fuse_adapter, save_model
from droid_tune.model.policy import Policy

BITS = {"mlx-4bit": 4, "mlx-8bit": 8}


class FusedFolder(Target):
    """Weights, config, tokenizer and chat template, which end an answer where the run's model ends it."""

    def refuse(self, source: ExportSource, request: ExportRequest) -> None:
        """Quantising again is a choice of its own, for a quantised base."""
        if request.requantise and request.type != "keep":
            raise UserError(
                "`--requantise` keeps the base's bits, so it cannot go with another type of weights",
                value=request.type,
                remedy="leave one of the two",
            )

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """All weights in their type; unpacked ones may be all of them."""
        return bytes_at(source.policy.model, BITS.get(request.type))

    def is_lossless(self, source: ExportSource, request: ExportRequest) -> bool:
        """Whether nothing is quantised that the run had not quantised."""
        return request.type not in BITS and not request.requantise

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """Merge, bring to the type, save."""
        policy = source.policy
        notes = [fuse_adapter(policy, requantise=request.requantise).sentence]
        watch.pause_point()
        if request.type != "keep":
            unpack(policy)
            notes = []
        if bits := BITS.get(request.type):
            notes = [pack(policy, bits).sentence]
        watch.pause_point()
        save_model(policy, folder)
        write_ends(policy, folder)
        return [note for note in notes if note]

    def open(self, base: Path, folder: Path, exam: Exam, watch: Watch) -> tuple[str, Sitting]:
        """By mlx-lm."""
        return "mlx-lm", sit_in_fresh_process(MLX_SITTING, [str(folder), ""], exam, watch)

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """mlx-lm's command."""
        words = ["mlx_lm.generate", "--model", str(out), *mlx_options(source.config.data)]
        return f"{shlex.join(words)} --prompt '...'"


def write_ends(policy: Policy, folder: Path) -> None:
    """Every token that ends an answer of the run's model into `generation_config.json`, where programs look for them:
    a base's files may name only the end of all text, and what ends a turn is known by its template alone."""
    file = folder / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8-sig")) if file.is_file() else {}
    ends = sorted(policy.stop_tokens)
    settings["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
