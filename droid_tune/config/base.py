"""The common ground of every config model: closed, frozen, explained."""

from __future__ import annotations

import difflib
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo


class Closed(BaseModel):
    """A config section: unknown keys are refused with the nearest known name; aliases are translated."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    #: other trainers' names for our fields, e.g. {"kl_coef": "beta"}
    aliases: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given: dict[Any, Any] = dict(values)  # pyright: ignore[reportUnknownArgumentType]
        for alias, name in cls.aliases.items():
            if alias in given:
                if name in given and given[name] != given[alias]:
                    raise ValueError(f"`{alias}` and `{name}` are the same setting; give only one of them")
                given[name] = given.pop(alias)
        for key in given:
            if key not in cls.model_fields:
                raise ValueError(unknown_key(str(key), [*cls.model_fields, *cls.aliases]))
        return given


def unknown_key(key: str, known: list[str]) -> str:
    """The sentence for a key that no field has."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"unknown setting `{key}`; did you mean `{near[0]}`?"
    return f"unknown setting `{key}`; known here are {', '.join(sorted(known))}"


def setting(
    title: str, description: str, *, advanced: bool = False, unit: str = "", holds: str = "", **bounds: Any
) -> FieldInfo:
    """Field metadata for `Annotated`: the form, the command line's help and the docs all read it.

    `holds` says what a text names where a form can offer a choice of them: `run`.
    """
    extra: dict[str, Any] = {"advanced": advanced}
    if holds:
        extra["holds"] = holds
    if unit:
        extra["unit"] = unit
    return Field(title=title, description=description, json_schema_extra=extra, **bounds)
