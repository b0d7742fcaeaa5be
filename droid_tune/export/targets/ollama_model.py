"""A GGUF file with a Modelfile, and the model made of them where Ollama is installed."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import Watch
from droid_tune.data.rendering.templates.chat_template import ChatTemplate, has_chat_template
from droid_tune.data.rendering.thinking import thinking_switches
from droid_tune.errors import UserError
from droid_tune.export.base import ExportSource
from droid_tune.export.checking.fresh_process import run_program
from droid_tune.export.gguf.reading import read_keys
from droid_tune.export.learnt_prompt import prompt_notes
from droid_tune.export.targets.gguf_model import GgufModel
from droid_tune.export.targets.ollama_template import ollama_template
from droid_tune.runs.folder import run_name, slug

MODELFILE = "Modelfile"


class OllamaModel(GgufModel):
    """`NAME.gguf` and `Modelfile`: template, stop words, context length, the run's system prompt."""

    def write(self, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch) -> list[str]:
        """The file first: the Modelfile says what it has."""
        notes = super().write(source, request, folder, watch)
        file = next(folder.glob("*.gguf"))
        template = _template(source, read_keys(file).beginning)
        (folder / MODELFILE).write_text(_modelfile(source, file.name, template), encoding="utf-8")
        if template is None and has_chat_template(source.policy.tokenizer):
            notes.append(
                "The chat template cannot be said in Ollama's language; Ollama takes what it makes of the one in the file."
            )
        return notes

    def learnt_prompt(self, source: ExportSource, folder: Path) -> list[str]:
        """The Modelfile has a system prompt, and its template the thinking switch as the run had it."""
        lines = (folder / MODELFILE).read_text(encoding="utf-8").splitlines()
        kept = {line.partition(" ")[0] for line in lines}
        return prompt_notes(
            source.config, source.policy, system_kept="SYSTEM" in kept, thinking_kept="TEMPLATE" in kept
        )

    def finish(self, source: ExportSource, out: Path, watch: Watch) -> list[str]:
        """`ollama create`, where it is installed; what it could not do is said, and the folder stays."""
        name = slug(run_name(source.config))
        if shutil.which("ollama") is None:
            return [f"Ollama is not installed here; once it is: {_create(name, out)}"]
        try:
            run_program(["ollama", "create", name, "-f", str(out / MODELFILE)], watch)
        except UserError as error:
            return [f"Ollama did not take it ({error.message}); the folder is kept: {_create(name, out)}"]
        return [f"Ollama has it as `{name}`."]

    def how_to_use(self, source: ExportSource, out: Path) -> str:
        """Ollama's command."""
        return f"ollama run {slug(run_name(source.config))}"


def _create(name: str, out: Path) -> str:
    return shlex.join(["ollama", "create", name, "-f", str(out / MODELFILE)])


def _template(source: ExportSource, beginning: str) -> str | None:
    tokenizer = source.policy.tokenizer
    if not has_chat_template(tokenizer):
        return None
    template = ChatTemplate.of(tokenizer)
    return ollama_template(
        template, beginning, thinking_switches(source.config.data.thinking, template.source)
    )


def _modelfile(source: ExportSource, file: str, template: str | None) -> str:
    """Ollama's description of a model."""
    policy = source.policy
    ends = [policy.tokenizer.decode([token]) for token in sorted(policy.stop_tokens)]
    lines = [f"FROM ./{file}"]
    if template is not None:
        lines.append(f'TEMPLATE """{template}"""')
    if (system := source.config.data.system_prompt) and '"""' not in system:
        lines.append(f'SYSTEM """{system}"""')
    lines += [f'PARAMETER stop "{end}"' for end in ends if end and '"' not in end]
    if policy.context_length:
        lines.append(f"PARAMETER num_ctx {policy.context_length}")
    return "\n".join(lines) + "\n"
