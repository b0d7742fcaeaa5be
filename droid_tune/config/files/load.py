"""Read a config from YAML or JSON, lay settings over one another, say what is wrong in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from droid_tune.config.files.faults import in_words
from droid_tune.config.files.yaml_text import yaml_value
from droid_tune.config.run import SECTIONS, RunConfig
from droid_tune.config.setting_names import find_setting, section_aliases
from droid_tune.errors import UserError

Values = dict[str, Any]


def read_values(path: Path) -> Values:
    """The mapping in a YAML or JSON file. Raises UserError naming file, line and column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"The config {path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"The config {path} is not UTF-8 text (byte {error.start + 1}); save it as UTF-8."
        ) from None
    try:
        loaded: object = json.loads(text) if path.suffix == ".json" else yaml_value(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UserError(f"{path}{place}: not valid YAML: {getattr(error, 'problem', error)}.") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UserError(f"{path} must hold settings (`name: value` lines), not a {type(loaded).__name__}.")
    return cast(Values, loaded)


#: settings that are tables of the user's own: a higher layer replaces them, it does not add to them
WHOLE = frozenset(("mapping", "files", "args", "tasks"))
#: sections that a word stands for: their type
TYPED = ("method", "environment")


def merge(below: Mapping[str, Any], above: Mapping[str, Any], whole: frozenset[str] | None = None) -> Values:
    """`above` laid over `below`, section by section. A method or environment of another type replaces the whole section.

    So does a value of a name in `whole` (by default `WHOLE`).
    """
    whole = WHOLE if whole is None else whole
    merged: Values = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if key in TYPED:
            value, under = _as_section(value), _as_section(under)
            if (
                value is not None
                and under is not None
                and value.get("type", under.get("type")) != under.get("type")
            ):
                under = None
        if isinstance(value, dict) and isinstance(under, dict) and key not in whole:
            merged[key] = merge(cast(Values, under), cast(Values, value), whole)
        else:
            merged[key] = value
    return merged


def merge_words(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """`merge` for words of a command line: each names one column of a mapping, and the others stay."""
    return merge(below, above, WHOLE - {"mapping"})


def _as_section(value: Any) -> Values | None:
    if isinstance(value, str):
        return {"type": value}
    return cast(Values, value) if isinstance(value, dict) else None


def canonical(values: Mapping[str, Any]) -> Values:
    """Aliases inside the sections written as the fields they stand for, so that layers meet under one name."""
    result: Values = dict(values)
    for section in SECTIONS:
        given = _as_section(result.get(section)) if section in TYPED else result.get(section)
        if isinstance(given, dict):
            aliases = section_aliases(section)
            result[section] = {
                aliases.get(key, key) if aliases.get(key, key) not in given else key: value
                for key, value in cast(Values, given).items()
            }
    return result


def parse_overrides(pairs: Iterable[str], option: str = "--set") -> Values:
    """`["group_size=4", "optimizer.learning_rate=1e-5"]` as nested values. Values are read as YAML.

    Raises UserError that names the `option` they were given by.
    """
    values: Values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UserError(f"`{option} {pair}` needs the form name=value.")
        try:
            path = find_setting(key.strip())
        except ValueError as error:
            raise UserError(f"{option} {key}: {error}.") from None
        nested: Values = {path[-1]: _scalar(text)}
        for name in reversed(path[:-1]):
            nested = {name: nested}
        values = merge_words(values, canonical(nested))
    return values


def _scalar(text: str) -> Any:
    """YAML, except that 1e-5 is a number (YAML 1.1 wants 1.0e-5)."""
    if "e" in text.lower():
        with suppress(ValueError):
            return float(text)
    try:
        return yaml_value(text)
    except yaml.YAMLError:
        return text


def build(values: Mapping[str, Any], place: str = "") -> RunConfig:
    """A validated config. Raises UserError with the first fault, its field and value."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error, place)) from None


def explain(error: ValidationError, place: str = "") -> str:
    """The first fault (and how many more) as one sentence."""
    faults = error.errors()
    first = faults[0]
    where = field_path(first["loc"])
    message = in_words(first)
    given = first.get("input")
    value = f" (got {given!r})" if where and isinstance(given, (str, int, float, bool)) else ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    sentence = f"{place + ': ' if place else ''}{where + ': ' if where else ''}{message}{value}{more}"
    return sentence if sentence.endswith(("?", ".")) else sentence + "."


def field_path(location: tuple[int | str, ...]) -> str:
    """pydantic's location without the union tags: ("method", "grpo", "beta") -> "method.beta"."""
    from droid_tune.config.environments import ENVIRONMENT_CONFIGS
    from droid_tune.config.recipes.methods import METHOD_CONFIGS
    from droid_tune.config.rewards import REWARD_CONFIGS

    parts: list[str] = []
    for index, part in enumerate(location):
        before = location[index - 1] if index else None
        tagged = (
            (before == "method" and part in METHOD_CONFIGS)
            or (before == "environment" and part in ENVIRONMENT_CONFIGS)
            or (isinstance(before, int) and part in REWARD_CONFIGS)
        )
        if tagged:
            continue
        parts.append(f"[{part + 1}]" if isinstance(part, int) else str(part))
    return ".".join(parts).replace(".[", "[")


class _Dumper(yaml.SafeDumper):
    """Escapes what YAML takes for the end of a line where Python and we do not (NEL, LS, PS)."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if _UNUSUAL_BREAKS & set(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_UNUSUAL_BREAKS = frozenset("\x85\u2028\u2029")
_Dumper.add_representer(str, _Dumper.represent_str)


def dump_yaml(config: RunConfig) -> str:
    """The whole config, defaults included, as YAML that reads back to the same config."""
    values = config.model_dump(mode="json")
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
