"""The common ground of every config model: closed, frozen, explained."""

from __future__ import annotations

import difflib
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from droid_tune.config.docstrings import attribute_docstrings
from droid_tune.names import Need, Way


class Closed(BaseModel):
    """A config section: unknown keys are refused with the nearest known name; aliases are translated."""

    # The build waits for the descriptions, see below.
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    #: other trainers' names for our fields, e.g. {"kl_coef": "beta"}
    aliases: ClassVar[dict[str, str]] = {}
    #: names that other trainers give a setting of this one, and that are settings of another meaning elsewhere
    own_aliases: ClassVar[dict[str, str]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Makes the text below a setting its description, which the form, the command line and the docs read."""
        super().__pydantic_init_subclass__(**kwargs)
        families = [base for base in cls.__bases__ if issubclass(base, Closed)]
        inherited = {
            name: field.description for base in families for name, field in base.model_fields.items()
        }
        words = {**inherited, **attribute_docstrings(cls.__module__).get(cls.__name__, {})}
        for name, field in cls.model_fields.items():
            field.description = field.description or words.get(name)
        cls.model_rebuild()

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given: dict[Any, Any] = dict(values)  # pyright: ignore[reportUnknownArgumentType]
        for alias, name in {**cls.aliases, **cls.own_aliases}.items():
            if alias in given:
                if name in given and given[name] != given[alias]:
                    raise ValueError(f"`{alias}` and `{name}` are the same setting; give only one of them")
                given[name] = given.pop(alias)
        for key in given:
            if key not in cls.model_fields:
                raise ValueError(unknown_key(str(key), [*cls.model_fields, *cls.aliases]))
        return given


class MethodConfig(Closed):
    """What every method has."""

    #: the starting learning rate of an adapter when the user gives none
    default_learning_rate: ClassVar[float] = 1e-5
    label: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    #: whether the model answers prompts while it learns, so that there are rollouts and rewards
    samples: ClassVar[bool] = True
    #: what it asks of a row, and which learner takes it
    need: ClassVar[Need] = "prompt"
    way: ClassVar[Way] = "policy_gradient"
    #: rows that a batch must have
    least_batch: ClassVar[int] = 1
    #: the method under which a window lists it, where it has no card of its own
    card: ClassVar[str] = ""

    @property
    def rows_needed(self) -> int:
        """Rows that a batch must have with these settings: `least_batch` or fewer."""
        return self.least_batch


def configs_by_type(union: Any) -> dict[str, Any]:
    """The members of an `Annotated` discriminated union by the word that is their `type`, in order."""
    return {member.model_fields["type"].default: member for member in get_args(get_args(union)[0])}


#: more settings than these are no help in a sentence
MOST_NAMED = 40


def unknown_key(key: str, known: list[str]) -> str:
    """The sentence for a key that no field has."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"unknown setting `{key}`; did you mean `{near[0]}`?"
    if len(known) > MOST_NAMED:
        return f"unknown setting `{key}`; none of the {len(known)} settings is called nearly so"
    return f"unknown setting `{key}`; known here are {', '.join(sorted(known))}"


def setting(
    default: Any = ...,
    title: str = "",
    *,
    advanced: bool = False,
    unit: str = "",
    holds: str = "",
    **bounds_and_more: Any,
) -> Any:
    """A pydantic field with what the form needs besides; without a `default` it must be given.

    `advanced` ones are folded away, `unit` stands behind the number, and `holds` says what a text names where a form
    can offer a choice of them: `run`. A type that several methods share, each with a default of its own, is
    `Annotated` with a setting that has no default.
    """
    extra: dict[str, Any] = {"advanced": advanced}
    if holds:
        extra["holds"] = holds
    if unit:
        extra["unit"] = unit
    return Field(default, title=title, json_schema_extra=extra, **bounds_and_more)
