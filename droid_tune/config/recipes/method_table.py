"""The methods by name: one line each. A method is a recipe of settings; how it learns is one of a few ways."""

from __future__ import annotations

from dataclasses import dataclass

from droid_tune.config.base import MethodConfig
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.names import Way
from droid_tune.paths import resources_dir


@dataclass(frozen=True)
class Method:
    """What the lists show of a method."""

    name: str
    config: type[MethodConfig]

    @property
    def way(self) -> Way:
        """Which learner of the loop takes it."""
        return self.config.way

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


METHODS: dict[str, Method] = {name: Method(name, config) for name, config in METHOD_CONFIGS.items()}


def card_of(method: str) -> str:
    """The method under which a window lists this one: itself, unless it is an option of another."""
    return METHOD_CONFIGS[method].card or method


def family_of(card: str) -> list[str]:
    """The methods that are listed as one: the card's own first."""
    return [card, *(name for name, config in METHOD_CONFIGS.items() if config.card == card)]
