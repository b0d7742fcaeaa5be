"""How completions are sampled."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.names import FilterOrder


class SamplingConfig(Closed):
    """Temperature, filters and limits of the rollout. The defaults sample from the model as it is."""

    aliases: ClassVar[dict[str, str]] = {
        "max_tokens": "max_completion_length",
        "max_new_tokens": "max_completion_length",
    }

    max_completion_length: Annotated[
        int,
        setting(
            "Longest completion",
            "A completion that reaches this many tokens is cut off.",
            unit="tokens",
            ge=1,
            le=65536,
        ),
    ] = 256
    temperature: Annotated[
        float,
        setting(
            "Temperature",
            "1 samples from the model as it is; lower is safer, higher is more varied.",
            ge=0,
            le=5,
        ),
    ] = 1.0
    top_p: Annotated[
        float,
        setting(
            "Top-p",
            "Keep the most probable tokens that together reach this share; 1 is off.",
            advanced=True,
            gt=0,
            le=1,
        ),
    ] = 1.0
    top_k: Annotated[
        int, setting("Top-k", "Keep this many most probable tokens; 0 is off.", advanced=True, ge=0)
    ] = 0
    min_p: Annotated[
        float,
        setting(
            "Min-p",
            "Drop tokens below this share of the best token's probability; 0 is off.",
            advanced=True,
            ge=0,
            le=1,
        ),
    ] = 0.0
    xtc_probability: Annotated[
        float,
        setting(
            "XTC probability",
            "How often the most probable tokens are excluded; 0 is off.",
            advanced=True,
            ge=0,
            le=1,
        ),
    ] = 0.0
    xtc_threshold: Annotated[
        float,
        setting(
            "XTC threshold", "Tokens above this probability may be excluded.", advanced=True, ge=0, le=0.5
        ),
    ] = 0.1
    repetition_penalty: Annotated[
        float,
        setting(
            "Repetition penalty",
            "Above 1, tokens already used become less likely; 1 is off.",
            advanced=True,
            gt=0,
            le=5,
        ),
    ] = 1.0
    order: Annotated[
        FilterOrder,
        setting(
            "Filter order",
            "Temperature before the filters (transformers, TRL) or after them (mlx-lm).",
            advanced=True,
        ),
    ] = "temperature_first"
    stop_strings: Annotated[
        tuple[str, ...], setting("Stop texts", "A completion ends where one of these appears.", advanced=True)
    ] = ()
    extra_stop_tokens: Annotated[
        tuple[str, ...],
        setting(
            "Extra stop tokens", "Further special tokens, by name, that end a completion.", advanced=True
        ),
    ] = ()

    @model_validator(mode="after")
    def _stops_are_texts(self) -> Self:
        for name in ("stop_strings", "extra_stop_tokens"):
            if "" in getattr(self, name):
                raise ValueError(f"`{name}` holds an empty text, which would end every completion at once")
        return self
