"""What a held-out figure is worth where its prompts were trained on too."""

from __future__ import annotations

from droid_tune.runs.state import RunState


def leaked_words(state: RunState) -> str:
    """`165 of 200 also in train`: what the held-out figure is worth; nothing where nothing leaked."""
    leaked, held_out = state.data.get("leaked"), state.data.get("valid")
    return f"{leaked:,} of {held_out:,} also in train" if leaked and held_out else ""
