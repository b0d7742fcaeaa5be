"""What a form needs to know of a setting, read from the pydantic models: title, help, bounds, kind, unit."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from droid_tune.config.files.yaml_text import yaml_value
from droid_tune.config.setting_titles import choice_label
from ui.form.word_lists import join_words, split_words

Kind = Literal["switch", "choice", "number", "text", "words", "pairs", "table", "run"]


@dataclass(frozen=True)
class FieldSpec:
    """One setting as the form shows it."""

    path: str
    title: str
    help: str
    kind: Kind
    unit: str = ""
    advanced: bool = False
    optional: bool = False  # empty means None
    whole: bool = False  # a number without a fraction
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def told(self) -> str:
        """The help; choices that it names are called as they are in the list."""
        said = self.help
        for choice in self.choices:
            label = choice_label(choice)
            is_word = choice.isalpha() and label[1:].islower()  # of the language: only where it is explained
            said = re.sub(rf"\b{re.escape(choice)}\b{r'(?=:)' if is_word else ''}", label, said)
        return said

    @property
    def bounds(self) -> str:
        """What may be written here in words, for the tool tip."""
        if self.kind == "words":
            return 'Commas between texts; "quotes" around one with a comma, \\n in quotes for a line break.'
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:,g}"
        if self.low is not None:
            return f"{self.low:g} or more"
        return f"{self.high:,g} or less" if self.high is not None else ""


def specs_of(
    model: type[BaseModel], section: str, leave_out: frozenset[str] = frozenset()
) -> list[FieldSpec]:
    """The settings of a config section in the order of its file."""
    return [
        spec_of(f"{section}.{name}", info)
        for name, info in model.model_fields.items()
        if name not in leave_out and not _is_tag(info)
    ]


def spec_of(path: str, info: FieldInfo) -> FieldSpec:
    """How a setting is edited, from its pydantic field: kind, unit, bounds and words."""
    annotation, optional = _without_none(info.annotation)
    kind, choices = _kind(annotation)
    extra = cast(dict[str, Any], info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {})
    if extra.get("holds") == "run":
        kind = "run"
    low, high = _bounds(info)
    return FieldSpec(
        path=path,
        title=info.title or path.rpartition(".")[2],
        help=info.description or "",
        kind=kind,
        unit=str(extra.get("unit", "")),
        advanced=bool(extra.get("advanced", False)),
        optional=optional,
        whole=annotation is int,
        choices=choices,
        low=low,
        high=high,
    )


def as_text(value: Any, kind: Kind) -> str:
    """A value as it stands in a text field."""
    if value is None:
        return ""
    if kind == "words":
        return join_words(str(one) for one in value)
    if kind == "pairs":
        return ", ".join(f"{key}: {name}" for key, name in value.items())
    if kind == "table" and isinstance(value, dict):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip()[1:-1]
    if isinstance(value, float):
        return _plain_float(value)
    return str(value)


def from_text(text: str, spec: FieldSpec) -> Any:
    """What a text field holds; what is no number stays text, so that validation can say so."""
    text = text.strip() if spec.kind != "text" else text
    if spec.kind == "words":
        return split_words(text)
    if spec.kind == "pairs":
        return dict(_pair(part) for part in text.split(",") if part.strip())
    if spec.kind == "table":
        return _table(text)
    if spec.optional and not text.strip():
        return None
    if spec.kind == "number":
        return _number(text, spec.whole)
    return text


def _number(text: str, whole: bool) -> Any:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text


def _table(text: str) -> Any:
    """Settings by name, as YAML writes them on one line; what is none stays text, so that validation can say so."""
    try:
        value: Any = yaml_value("{" + text + "}")
    except yaml.YAMLError:
        return text
    if not isinstance(value, dict):
        return text
    return {str(key): {} if one is None else one for key, one in cast("dict[Any, Any]", value).items()}


def _pair(part: str) -> tuple[str, str]:
    key, _, name = part.partition(":")
    return key.strip(), name.strip()


def _plain_float(value: float) -> str:
    """`0.0002` rather than `2e-04`; `1e-5` where zeros would have to be counted."""
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        return f"{value:.10g}"
    mantissa, _, exponent = f"{value:.10e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _is_tag(info: FieldInfo) -> bool:
    """A literal with one value tells kinds of sections apart; there is nothing to choose."""
    return get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return inner[0], len(inner) < len(get_args(annotation))
    return annotation, False


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    if annotation is bool:
        return "switch", ()
    if annotation in (int, float):
        return "number", ()
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice", tuple(str(value) for value in get_args(annotation))
    if origin is tuple:
        return "words", ()
    if origin is dict:
        return ("pairs" if get_args(annotation)[1] is str else "table"), ()
    return "text", ()


def _bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for rule in info.metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", low))
        high = getattr(rule, "le", getattr(rule, "lt", high))
    return low, high
