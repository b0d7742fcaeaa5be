"""Configs of other trainers as ours: mlx-lm's and mlx-lm-lora's YAML, and the flat JSON of GRPO tools, camelCase or not.

Every key is either taken over, converted with a word about it, or listed as having no counterpart: nothing is dropped in
silence. (A key that is empty or false and has no counterpart asks for nothing, and is not listed.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from droid_tune.config.foreign.foreign_keys import (
    GROUP_KEYS,
    MEANINGLESS,
    METHOD_KEYS,
    METHOD_NAMES,
    NO_COUNTERPART,
    SAME,
    snake,
)
from droid_tune.config.foreign.foreign_rewards import number
from droid_tune.config.foreign.foreign_values import CONVERTED, Import
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.run import RunConfig
from droid_tune.errors import UserError

Values = dict[str, Any]


class Imported(NamedTuple):
    """What `presets.resolve` takes, and one sentence for everything that was converted or has no counterpart."""

    values: Values
    notes: list[str]


def is_foreign(values: Mapping[str, Any]) -> bool:
    """Whether a config has keys that only other trainers write."""
    return any(_known(snake(key)) and not _is_ours(key, value) for key, value in values.items())


def import_foreign(values: Mapping[str, Any]) -> Imported:
    """Our sections made of their keys; a config of our own comes back as it is, mistakes included.

    Raises UserError for a training method that Droid Tune does not have.
    """
    if not is_foreign(values):
        return Imported(dict(values), [])
    ours = {key: value for key, value in values.items() if _is_ours(key, value)}
    return _Importer({snake(key): value for key, value in values.items() if key not in ours}, values).run(
        ours
    )


def _is_ours(key: str, value: Any) -> bool:
    """Our sections are mappings (theirs of the same name are not); our other keys are these."""
    return key in ("version", "name", "rewards", "method") or (
        key in RunConfig.model_fields and isinstance(value, Mapping)
    )


def _known(name: str) -> bool:
    return name in SAME or name in NO_COUNTERPART or name in MEANINGLESS or name in CONVERTED


class _Importer(Import):
    """One import, from its keys to our sections."""

    def run(self, own: Values) -> Imported:
        self.set("method", "type", self.method(own.get("method")))
        self.set("optimizer", "schedule", "constant")  # theirs, where none is named
        for key, value in self.given.items():
            self.take(key, value)
        self.warn_of_epsilon()
        self.drop_what_the_method_lacks()
        for section, settings in own.items():
            theirs = self.values.get(section)
            if isinstance(theirs, dict) and isinstance(settings, Mapping):
                self.values[section] = {**theirs, **settings}
            elif section != "method":
                self.values[section] = settings
        return Imported(self.values, self.notes)

    def take(self, key: str, value: Any) -> None:
        if key in CONVERTED:
            CONVERTED[key](self, value)
        elif key in SAME:
            if value is not None:
                self.set(*SAME[key], value)
        elif value and key not in MEANINGLESS:
            instead = NO_COUNTERPART.get(key)
            self.note(key, f"has no counterpart: {instead}" if instead else "has no counterpart")

    def method(self, own: Any) -> str:
        """By name; without one, a config that speaks of groups is GRPO and any other is mlx-lm's SFT."""
        own_name = own.get("type") if isinstance(own, Mapping) else own  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        for key in METHOD_KEYS:
            own_name = own_name or self.given.get(key)
        if own_name:
            name = re.sub(r"[^a-z0-9]+", "_", str(own_name).lower()).strip("_")
            name = METHOD_NAMES.get(name, name)
            if name not in METHOD_CONFIGS:
                raise UserError(
                    f"The config trains by `{own_name}`, which Droid Tune does not have",
                    remedy=f"choose one of {', '.join(METHOD_CONFIGS)}",
                )
            return name
        name = "grpo" if GROUP_KEYS & self.given.keys() else "sft"
        self.notes.append(f"The config names no training method; it is read as `{name}`.")
        return name

    def warn_of_epsilon(self) -> None:
        """1e-4 is another trainer's default "for numerical stability"; as a clip width it clips almost every token."""
        settings: Values = self.values["method"]
        usual = "sequence" if settings["type"] == "gspo" else "token"
        level = settings.get("importance_sampling_level", usual)
        epsilon = settings.get("epsilon")
        if epsilon is not None and number(epsilon) <= 1e-3 and level in ("token", "sequence_token"):
            self.note(
                "epsilon",
                f"{epsilon} is taken over, but it is a clip width: almost every token would be clipped once a rollout is used "
                "twice; the usual value is 0.2 (the small number added to the spread is `advantage_eps`)",
            )

    def drop_what_the_method_lacks(self) -> None:
        """Settings of groups mean nothing to SFT, and its settings nothing to the others."""
        settings: Values = self.values["method"]
        config = METHOD_CONFIGS[settings["type"]]
        for name in [name for name in settings if name not in config.model_fields]:
            del settings[name]
            self.notes.append(f"`{name}` means nothing to {config.label} and is left out.")
        if settings["type"] == "sft":
            self.values.pop("rewards", None)
