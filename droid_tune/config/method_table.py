"""The methods by name: one line each. A method is a recipe of settings; how it learns is one of two ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from droid_tune.config.base import MethodConfig
from droid_tune.config.methods import METHOD_CONFIGS, SFTConfig
from droid_tune.paths import resources_dir

Way = Literal["policy_gradient", "supervised"]


@dataclass(frozen=True)
class Method:
    """What the lists show of a method. `way` says which learner of the loop takes it."""

    name: str
    config: type[MethodConfig]
    way: Way

    @property
    def label(self) -> str:
        return self.config.label

    @property
    def summary(self) -> str:
        return self.config.summary

    def help_text(self) -> str:
        """The method's page of `resources/help`, Markdown; empty where there is none."""
        file = resources_dir() / "help" / f"{self.name}.md"
        return file.read_text(encoding="utf-8") if file.is_file() else ""


METHODS: dict[str, Method] = {
    name: Method(name, config, "supervised" if issubclass(config, SFTConfig) else "policy_gradient")
    for name, config in METHOD_CONFIGS.items()
}
