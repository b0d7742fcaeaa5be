"""YAML that anybody may have written, as plain values."""

from __future__ import annotations

from typing import Any

import yaml

#: the parser in C is eight times as fast; it descends without looking, which ends the process where there is no end
_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: ten times as deep as any settings are
MOST_DEPTH = 100
_OPENING = ("[", "{", "- ", "? ", "-\t")


def yaml_value(text: str) -> Any:
    """What YAML says. Raises yaml.YAMLError for all that is none: a thirteenth month, a number of 5,000 digits and brackets
    without end too, for which the library raises errors of Python's own, or none.
    """
    try:
        if sum(map(text.count, _OPENING)) > MOST_DEPTH:
            _require_flat(text)
        return yaml.load(text, _YAML)
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from None


def _require_flat(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, _YAML):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MOST_DEPTH} deep")
