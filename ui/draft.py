"""The run being prepared: the user's own values over the model's and the preset's, without any widget.

Only what differs from the default is kept, so that a default that moves (another method, another model) moves along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from droid_tune.config import RunConfig, merge, resolve
from droid_tune.config.base import Closed
from droid_tune.config.environments import ENVIRONMENT_CONFIGS
from droid_tune.config.files.faults import as_sentence
from droid_tune.config.files.load import canonical, field_path
from droid_tune.config.presets import PRESETS, preset_values, recommended_values
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.setting_names import find_setting
from droid_tune.errors import UserError

Values = dict[str, Any]


class Draft:
    """`path` is `section.field`, as in the config file."""

    def __init__(self) -> None:
        self.method = "grpo"
        self.preset = "default"
        self._values: Values = {}  # by section, the method's apart
        self._method_values: dict[str, Values] = {}
        self.environment = ""  # its kind; empty: one prompt, one answer
        self._environment_values: dict[str, Values] = {}
        self._rewards: list[Values] | None = None  # None: the default ones
        self._default: tuple[tuple[str, str, str], RunConfig] | None = None

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The config's `model.path`: `starter`, a folder or a Hugging Face id."""
        return str(self._values.get("model", {}).get("path", "starter"))

    @property
    def data(self) -> str:
        return str(self._values.get("data", {}).get("path", "sample"))

    @property
    def name(self) -> str:
        """The user's name for the run; empty where none was given."""
        return str(self._values.get("name", ""))

    def own_values(self, section: str) -> Values:
        """What the user chose in a section."""
        return dict(self._section(section))

    def defaults(self) -> RunConfig:
        """What the run would be without the user's own values."""
        key = (self.model, self.method, self.preset)
        if self._default is None or self._default[0] != key:
            try:
                config = RunConfig.model_validate(self._below())
            except (
                ValidationError,
                UserError,
            ):  # a model folder with a damaged recommendation; `faults` says it
                config = RunConfig.model_validate({"method": {"type": self.method}})
            self._default = (key, config)
        return self._default[1]

    def default(self, path: str) -> Any:
        """What a setting is without the user's own value; empty text where it has to be given."""
        section, name = path.split(".")
        if section == "environment":
            field = ENVIRONMENT_CONFIGS[self.environment].model_fields[name]
            return "" if field.is_required() else field.get_default(call_default_factory=True)
        return getattr(getattr(self.defaults(), section), name)

    def value(self, path: str) -> Any:
        """The user's own value of a setting, else its default; text where a field holds no number yet."""
        section, name = path.split(".")
        own = self._section(section)
        return own[name] if name in own else self.default(path)

    def changed(self, path: str) -> bool:
        """Whether the user gave this setting a value of their own."""
        section, name = path.split(".")
        return name in self._section(section)

    def changes(self) -> list[str]:
        """The paths whose value is the user's own, but for model and data."""
        own = [
            (section, name)
            for section, values in self._values.items()
            if isinstance(values, dict)
            for name in values
        ]
        own += [("method", name) for name in self._section("method")]
        return [f"{s}.{n}" for s, n in own if (s, n) not in (("model", "path"), ("data", "path"))]

    @property
    def rewards(self) -> list[Values]:
        """The rewards as the config has them, the method's default ones until the user changes them."""
        if self._rewards is not None:
            return self._rewards
        if (
            self.environment
            and ENVIRONMENT_CONFIGS[self.environment].judges
            and "rewards" not in self._below()
        ):
            return []
        return [reward.model_dump(mode="json") for reward in self.defaults().rewards]

    def kinds(self) -> Values:
        """Which method, environment and rewards there are, as the config has them."""
        environment = {"type": self.environment} if self.environment else None
        return {"method": {"type": self.method}, "environment": environment, "rewards": self.rewards}

    # --- changing -----------------------------------------------------------------------------------------------

    def set(self, path: str, value: Any) -> None:
        """Keep the user's value; the default itself is not kept."""
        section, name = path.split(".")
        if _same(value, self.default(path)):
            self.reset(path)
        else:
            self._own(section)[name] = value

    def reset(self, path: str) -> None:
        """Back to the setting's default."""
        section, name = path.split(".")
        self._own(section).pop(name, None)

    def reset_all(self) -> None:
        """Back to the defaults, but for model, data and rewards."""
        for path in self.changes():
            self.reset(path)

    def set_environment(self, kind: str, values: Mapping[str, Any] | None = None) -> None:
        """Take a kind of environment, or none (`""`); `values` replace what was said of that kind before."""
        self.environment = kind
        if values is not None:
            self._environment_values[kind] = dict(values)

    def set_name(self, name: str) -> None:
        """Name the run."""
        self._values["name"] = name

    def set_model(self, path: str) -> None:
        """Take another model; settings that it recommends are the defaults from now on."""
        self._own("model")["path"] = path

    def set_data(self, path: str) -> None:
        """Take other data; what was said of the columns and files of the data before is forgotten."""
        self._own("data").clear()  # a column mapping belongs to the data it was made for
        self._own("data")["path"] = path

    def take(self, values: Mapping[str, Any]) -> None:
        """The settings of a whole config in the place of the user's own; model and data stay where it names none.

        Raises UserError where they make no run; nothing is changed then.
        """
        values = canonical(values)
        resolve(values)
        fresh = Draft()
        fresh._values = {
            section: {"path": path} for section, path in (("model", self.model), ("data", self.data))
        }
        fresh._values["data"] |= {k: v for k, v in self._section("data").items() if k in ("files", "mapping")}
        for section, settings in sorted(
            values.items(), key=lambda one: one[0] not in ("method", "model", "data")
        ):
            fresh._lay(section, settings)
        self._become(fresh)

    def _become(self, fresh: Draft) -> None:
        self.method, self.preset, self.environment = fresh.method, fresh.preset, fresh.environment
        self._values, self._method_values, self._rewards = fresh._values, fresh._method_values, fresh._rewards
        self._environment_values = fresh._environment_values

    def _lay(self, section: str, settings: Any) -> None:
        """One section of a config over the user's own."""
        given: Values = {"type": settings} if section == "method" else {}
        if isinstance(settings, dict):
            given = cast(Values, settings)
        match section:
            case "name":
                self.set_name(str(settings))
            case "rewards":
                self._rewards = [cast(Values, reward) for reward in settings]
            case "environment":
                self.set_environment(
                    str(given.get("type", "")), {name: given[name] for name in given if name != "type"}
                )
            case "version":
                pass
            case _:
                if section == "method" and given.get("type") in METHOD_CONFIGS:
                    self.method = str(given["type"])
                if section == "data" and "path" in given:
                    self._own("data").clear()
                for name, value in given.items():
                    if (section, name) in (("model", "path"), ("data", "path")):
                        self._own(section)[name] = value
                    elif (section, name) != ("method", "type"):
                        self.set(f"{section}.{name}", value)

    def set_rewards(self, rewards: list[Values]) -> None:
        """Take these rewards, as the config has them."""
        self._rewards = rewards

    # --- the whole ----------------------------------------------------------------------------------------------

    def config(self) -> RunConfig:
        """The run as it would start. Raises UserError."""
        return resolve(self._mine(), preset=self.preset)

    def faults(self) -> dict[str, str]:
        """What is wrong, by path (`rewards[2].pattern`); `""` for what belongs to no field."""
        try:
            RunConfig.model_validate(merge(self._below(), self._mine()))
        except ValidationError as error:
            found: dict[str, str] = {}
            for fault in error.errors():
                said = as_sentence(fault)
                place = field_path(fault["loc"])
                if "." not in place and not place.startswith("rewards"):
                    place = home_of(said) or place  # a rule of the whole run or section names its fields
                found.setdefault(place, said)
            return found
        except UserError as error:
            return {"": str(error)}
        return {}

    def to_values(self) -> Values:
        """The draft as JSON values, for `from_values`."""
        return {
            "method": self.method,
            "preset": self.preset,
            "values": self._values,
            "method_values": self._method_values,
            "environment": self.environment,
            "environment_values": self._environment_values,
            "rewards": self._rewards,
        }

    @classmethod
    def from_values(cls, kept: Mapping[str, Any]) -> Draft:
        """A remembered draft; what does not fit any more is left out."""
        draft = cls()
        if kept.get("method") in METHOD_CONFIGS:
            draft.method = str(kept["method"])
        if kept.get("preset") in PRESETS:
            draft.preset = str(kept["preset"])
        draft._values = _known_sections(kept.get("values"))
        if kept.get("environment") in ENVIRONMENT_CONFIGS:
            draft.environment = str(kept["environment"])
        draft._method_values = _known_kinds(kept.get("method_values"), METHOD_CONFIGS)
        draft._environment_values = _known_kinds(kept.get("environment_values"), ENVIRONMENT_CONFIGS)
        rewards = kept.get("rewards")
        if isinstance(rewards, list):
            draft._rewards = [cast(Values, one) for one in cast(list[Any], rewards) if isinstance(one, dict)]
        if any(path.startswith("rewards") for path in draft.faults()):
            draft._rewards = None
        return draft

    def restore(self, kept: Mapping[str, Any]) -> None:
        """What `to_values` gave, in the place of all."""
        self._become(Draft.from_values(kept))

    # --- layers -------------------------------------------------------------------------------------------------

    def _below(self) -> Values:
        layers = merge(recommended_values(self.model, self.method), preset_values(self.preset, self.method))
        return merge({"method": {"type": self.method}}, layers)

    def _mine(self) -> Values:
        mine = merge({}, self._values)
        mine["method"] = {"type": self.method, **self._section("method")}
        if self.environment:
            mine["environment"] = {"type": self.environment, **self._section("environment")}
        if self._rewards is not None:
            mine["rewards"] = self._rewards
        return mine

    def _section(self, section: str) -> Values:
        if section == "method":
            return self._method_values.get(self.method, {})
        if section == "environment":
            return self._environment_values.get(self.environment, {})
        found = self._values.get(section, {})
        return cast(Values, found) if isinstance(found, dict) else {}

    def _own(self, section: str) -> Values:
        if section == "method":
            return self._method_values.setdefault(self.method, {})
        if section == "environment":
            return self._environment_values.setdefault(self.environment, {})
        return self._values.setdefault(section, {})


def home_of(message: str) -> str:
    """The field that a sentence about several fields names first (in backticks), `""` where it names none."""
    for name in re.findall(r"`(\w+)`", message):
        try:
            return ".".join(find_setting(name))
        except ValueError:
            continue
    return ""


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(cast(list[Any], value)) == list(cast(list[Any], default))
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def _items(values: Any) -> list[tuple[str, Any]]:
    return list(cast(Values, values).items()) if isinstance(values, dict) else []


def _known_kinds(kept: Any, kinds: Mapping[str, type[Closed]]) -> dict[str, Values]:
    """Remembered values by kind, without kinds and fields that this version does not know."""
    return {
        kind: {name: value for name, value in cast(Values, own).items() if name in kinds[kind].model_fields}
        for kind, own in _items(kept)
        if kind in kinds and isinstance(own, dict)
    }


def _known_sections(values: Any) -> Values:
    """The remembered sections without fields that this version does not know."""
    kept: Values = {}
    for section, own in _items(values):
        field = RunConfig.model_fields.get(section)
        if section == "name" and isinstance(own, str):
            kept["name"] = own
        elif field is not None and isinstance(own, dict):
            known: Mapping[str, Any] = getattr(field.annotation, "model_fields", {})
            kept[section] = {name: value for name, value in cast(Values, own).items() if name in known}
    return kept
