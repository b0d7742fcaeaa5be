"""The card of a model on the Hub: what it was made of and how, and what became better."""

from __future__ import annotations

import shlex
from pathlib import Path

from droid_tune import words
from droid_tune.config.base import MethodConfig
from droid_tune.config.prompt_options import mlx_options
from droid_tune.export.base import ExportSource
from droid_tune.export.learnt_prompt import prompt_notes
from droid_tune.metrics import describe
from droid_tune.model_files.hub import is_hub_id
from droid_tune.paths import RunPaths
from droid_tune.runs.best import evaluations
from droid_tune.runs.folder import run_name
from droid_tune.runs.log import read_events

#: held-out metrics worth a line
SHOWN = ("eval/accuracy", "eval/reward", "eval/loss")


def model_card(source: ExportSource) -> str:
    """README.md with the Hub's front matter. Names of folders on this machine stay here: only their last part is told."""
    config, step = source.config, source.weights.step
    base = config.model.path
    front = ["library_name: mlx", "pipeline_tag: text-generation", "tags:", "- mlx", "- droid-tune"]
    front += [f"- {config.method.type}"] + ([f"base_model: {base}"] if is_hub_id(base) else [])
    parts = [
        "---\n" + "\n".join(front) + "\n---",
        f"# {run_name(config)}",
        f"Trained with Droid Tune from `{_last(base)}` on `{_last(config.data.path)}` by {type(config.method).label}"
        + ("." if step is None else f"; the weights are those after {words.count(step, 'step')}."),
        _table("Held out", ("metric", "before", "after"), _before_and_after(source)),
        _table("Settings", ("setting", "value"), _settings(source)),
        *prompt_notes(config, source.policy),
        f"```sh\n{shlex.join(['mlx_lm.generate', '--model', 'THIS_MODEL', *mlx_options(config.data)])} --prompt '...'\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _last(path: str) -> str:
    """A Hub id as it is; of a path on this machine the last part."""
    return path if is_hub_id(path) and not Path(path).exists() else Path(path).name


def _before_and_after(source: ExportSource) -> list[tuple[str, ...]]:
    found = evaluations(read_events(RunPaths(source.run).events))
    last = max(
        (step for step in found if source.weights.step is None or step <= source.weights.step), default=None
    )
    first = min(found, default=None)
    if first is None or last is None or first == last:
        return []
    return [
        (
            describe(name).label,
            words.metric(name, found[first].get(name)),
            words.metric(name, found[last].get(name)),
        )
        for name in SHOWN
        if found[last].get(name) is not None
    ]


def _settings(source: ExportSource) -> list[tuple[str, ...]]:
    config = source.config
    values: dict[str, object] = {
        "method": config.method.type,
        **_plain(config.method),
        "adapter": config.adapter.type,
        "rank": config.adapter.rank,
        "scale": config.adapter.scale,
        "batch_size": config.training.batch_size,
        "learning_rate": config.optimizer.learning_rate,
        "optimizer": config.optimizer.name,
        "seed": config.training.seed,
    }
    return [(name, f"`{value}`") for name, value in values.items()]


def _plain(method: MethodConfig) -> dict[str, object]:
    """The method's own numbers and words."""
    kept = (int, float, str, bool)
    return {
        name: value
        for name, value in method.model_dump().items()
        if name != "type" and isinstance(value, kept)
    }


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
