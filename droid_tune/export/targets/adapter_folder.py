"""The adapter alone, in mlx-lm's own layout."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from droid_tune.config.exporting import ExportRequest
from droid_tune.config.model_and_data import DataConfig
from droid_tune.config.prompt_options import mlx_options
from droid_tune.control import Watch
from droid_tune.errors import UserError
from droid_tune.export.base import ExportSource, Target
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.export.checking.fresh_process import sit_in_fresh_process
from droid_tune.model.adapter_files import SETTINGS, WEIGHTS, save_adapter
from droid_tune.model.loading import load_model_tokenizer, stop_tokens
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import ends_in_files
from droid_tune.runs.folder import read_config

MLX_SITTING = "droid_tune.export.checking.sitting_mlx"


class AdapterFolder(Target):
    """`adapters.safetensors` and `adapter_config.json`, as `mlx_lm.generate --adapter-path` takes them."""

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """The trained arrays."""
        return source.policy.trainable_bytes

    def is_lossless(self, source: ExportSource, request: ExportRequest) -> bool:
        """It is the run's own."""
        return True

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """A result is in this layout already; of a checkpoint it is made."""
        if source.weights.is_result:
            for name in (WEIGHTS, SETTINGS):
                shutil.copyfile(source.run / name, folder / name)
        else:
            save_adapter(source.policy, folder)
        return [
            f"Its base's files do not name `{end}`, which ends an answer of this model: tell programs, as the command below does."
            for end in _unnamed_ends(source.policy.path, source.policy.tokenizer, source.policy.stop_tokens)
        ]

    def open(self, base: Path, folder: Path, exam: Exam, watch: Watch) -> tuple[str, Sitting]:
        """By mlx-lm, on the model that the run was trained on."""
        return "mlx-lm", sit_in_fresh_process(MLX_SITTING, [str(base), str(folder)], exam, watch)

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """mlx-lm's command."""
        policy = source.policy
        return _command(policy.path, policy.tokenizer, policy.stop_tokens, out, source.config.data)


def sampling_command(run: Path) -> str:
    """mlx-lm's command on the result in a run's own folder. Raises `UserError` where its model is not here."""
    config = read_config(run)
    path = local_model(config.model.path, config.model.revision)
    if path is None:
        raise UserError(
            f"The model {config.model.path} is not on this computer any more",
            remedy="let the run generate or train once: it is downloaded then",
        )
    tokenizer = load_model_tokenizer(path)
    return _command(path, tokenizer, stop_tokens(tokenizer, path), run, config.data)


def _command(path: Path, tokenizer: Any, stops: Collection[int], adapter: Path, data: DataConfig) -> str:
    words = ["mlx_lm.generate", "--model", str(path), "--adapter-path", str(adapter)]
    if ends := _unnamed_ends(path, tokenizer, stops):
        words += ["--extra-eos-token", *ends]
    return f"{shlex.join([*words, *mlx_options(data)])} --prompt '...'"


def _unnamed_ends(path: Path, tokenizer: Any, stops: Collection[int]) -> list[str]:
    """Tokens that end an answer of the run's model and none of its base's, as mlx-lm reads that: an adapter has no tokenizer
    in which to say so."""
    known = {*ends_in_files(path), tokenizer.eos_token_id}
    return [str(tokenizer.convert_ids_to_tokens(token)) for token in sorted(set(stops) - known)]
