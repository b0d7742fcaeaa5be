"""One GGUF file, for llama.cpp and the programs built on it."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Watch
from droid_tune.export.base import ExportSource, Target
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.export.checking.fresh_process import sit_in_fresh_process
from droid_tune.export.gguf.families import family_of, metadata_of, settings_of
from droid_tune.export.gguf.reading import unpack_gguf
from droid_tune.export.gguf.tensors import KINDS, PLAIN
from droid_tune.export.gguf.writing import bytes_of_file, write_gguf
from droid_tune.export.repacking import unpack
from droid_tune.export.targets.adapter_folder import MLX_SITTING
from droid_tune.machine.scratch import scratch_folder
from droid_tune.model.arrays import flat_arrays
from droid_tune.model.fusing import fuse_adapter
from droid_tune.runs.folder import run_name, slug

LLAMA, LLAMA_SITTING = "xllamacpp", "droid_tune.export.checking.sitting_llama"


class GgufModel(Target):
    """`NAME.gguf` with weights, tokenizer, chat template and ends."""

    def refuse(self, source: ExportSource, request: ExportRequest) -> None:
        """A family or a setting that llama.cpp computes otherwise."""
        family = family_of(str(source.policy.config.get("model_type")))
        metadata_of(family, settings_of(source.policy.config, source.policy.model))

    def bytes_needed(self, source: ExportSource, request: ExportRequest) -> int:
        """The one file."""
        return bytes_of_file(source.policy, request.type)

    def is_lossless(self, source: ExportSource, request: ExportRequest) -> bool:
        """Whether weights keep the type that they are computed in."""
        if request.type == "none":
            return True
        arrays = flat_arrays(source.policy.model.parameters()).values()
        return all(PLAIN[array.dtype] == KINDS[request.type] for array in arrays if array.dtype in PLAIN)

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """Merge, unpack, write tensor by tensor."""
        policy = source.policy
        fuse_adapter(policy)
        unpack(policy)
        name = run_name(source.config)
        texts = sample_texts(source)
        file = folder / f"{slug(name)}.gguf"
        notes = write_gguf(policy, file, name=name, weights=request.type, texts=texts, watch=watch)
        return list(notes)

    def open(self, base: Path, folder: Path, exam: Exam, watch: Watch) -> tuple[str, Sitting]:
        """By llama.cpp where it is installed, else by reading the file back into mlx-lm."""
        file = next(folder.glob("*.gguf"))
        if find_spec(LLAMA) is not None:
            return "llama.cpp", sit_in_fresh_process(LLAMA_SITTING, [str(file)], exam, watch)
        with scratch_folder(folder.parent) as again:
            unpack_gguf(file, base, again, ends=exam.ends)
            return "mlx-lm, read back", sit_in_fresh_process(MLX_SITTING, [str(again), ""], exam, watch)

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """llama.cpp's command."""
        return shlex.join(["llama-cli", "-m", str(out / f"{slug(run_name(source.config))}.gguf")])


def sample_texts(source: ExportSource) -> list[str]:
    """Prompts that the model will read, for what depends on its texts."""
    from droid_tune.export.checking.questions import asked_rows

    rows = asked_rows(source.config, source.policy, 200).rows
    return [source.policy.tokenizer.decode(row.tokens) for row in rows]
