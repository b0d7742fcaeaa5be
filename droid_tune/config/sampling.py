"""How completions are sampled."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.names import FilterOrder, KVCache


class SamplingConfig(Closed):
    """Temperature, filters and limits of the rollout. The defaults sample from the model as it is."""

    aliases: ClassVar[dict[str, str]] = {
        "max_tokens": "max_completion_length",
        "max_new_tokens": "max_completion_length",
        "kv_bits": "kv_cache",
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
    kv_cache: KVCache = setting("as_is", "Keys and values", advanced=True)
    """8 or 4 bits hold what the model remembers of prompts and completions while it samples in half or in a quarter of the
    memory: most of it where completions are long. What is drawn then differs a little from what the model says; the
    sampler correction makes up for it. Held-out rows are answered so too.
    """
    stop_strings: tuple[str, ...] = setting((), "Stop texts", advanced=True)
    """A completion ends where one of these appears."""
    extra_stop_tokens: tuple[str, ...] = setting((), "Extra stop tokens", advanced=True)
    """Further special tokens, by name, that end a completion."""

    @property
    def cache_bits(self) -> int:
        """Bits of a kept key or value; 0: as it is."""
        return {"as_is": 0, "8bit": 8, "4bit": 4}[self.kv_cache]

    @field_validator("kv_cache", mode="before")
    @classmethod
    def _bits_by_number(cls, value: Any) -> Any:
        """mlx-lm counts them, and has none or null for all."""
        return {"None": "as_is", "0": "as_is", "8": "8bit", "4": "4bit"}.get(str(value), value)

    @model_validator(mode="after")
    def _stops_are_texts(self) -> Self:
        for name in ("stop_strings", "extra_stop_tokens"):
            if "" in getattr(self, name):
                raise ValueError(f"`{name}` holds an empty text, which would end every completion at once")
        return self
