"""How completions are sampled."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.names import FilterOrder


class SamplingConfig(Closed):
    """Temperature, filters and limits of the rollout. The defaults sample from the model as it is."""

    aliases: ClassVar[dict[str, str]] = {
        "max_tokens": "max_completion_length",
        "max_new_tokens": "max_completion_length",
    }

    max_completion_length: int = setting(256, "Longest completion", unit="tokens", ge=1, le=65536)
    """A completion that reaches this many tokens is cut off."""
    temperature: float = setting(1.0, "Temperature", ge=0, le=5)
    """1 samples from the model as it is; lower is safer, higher is more varied."""
    top_p: float = setting(1.0, "Top-p", advanced=True, gt=0, le=1)
    """Keep the most probable tokens that together reach this share; 1 is off."""
    top_k: int = setting(0, "Top-k", advanced=True, ge=0)
    """Keep this many most probable tokens; 0 is off."""
    min_p: float = setting(0.0, "Min-p", advanced=True, ge=0, le=1)
    """Drop tokens below this share of the best token's probability; 0 is off."""
    xtc_probability: float = setting(0.0, "XTC probability", advanced=True, ge=0, le=1)
    """How often the most probable tokens are excluded; 0 is off."""
    xtc_threshold: float = setting(0.1, "XTC threshold", advanced=True, ge=0, le=0.5)
    """Tokens above this probability may be excluded."""
    repetition_penalty: float = setting(1.0, "Repetition penalty", advanced=True, gt=0, le=5)
    """Above 1, tokens already used become less likely; 1 is off."""
    order: FilterOrder = setting("temperature_first", "Filter order", advanced=True)
    """Temperature before the filters (transformers, TRL) or after them (mlx-lm)."""
    stop_strings: tuple[str, ...] = setting((), "Stop texts", advanced=True)
    """A completion ends where one of these appears."""
    extra_stop_tokens: tuple[str, ...] = setting((), "Extra stop tokens", advanced=True)
    """Further special tokens, by name, that end a completion."""

    @model_validator(mode="after")
    def _stops_are_texts(self) -> Self:
        for name in ("stop_strings", "extra_stop_tokens"):
            if "" in getattr(self, name):
                raise ValueError(f"`{name}` holds an empty text, which would end every completion at once")
        return self
