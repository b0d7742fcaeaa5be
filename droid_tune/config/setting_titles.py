"""Settings and their values in people's words: forms, sentences and comparisons say the same of the same setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from droid_tune import words
from droid_tune.config.environments import ENVIRONMENT_CONFIGS
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.rewards import REWARD_CONFIGS
from droid_tune.config.run import RunConfig

#: headings over the settings of a section, where they are not the section's own title
HEADINGS = {"data": "Prompts", "model": "Start", "environment": "Tools and turns"}
#: settings that have a place of their own, without a heading
ALONE = ("model.path", "data.path")
#: sections whose settings are those of a `type`
_KINDS: Mapping[str, Mapping[str, type[Any]]] = {
    "method": METHOD_CONFIGS,
    "rewards": REWARD_CONFIGS,
    "environment": ENVIRONMENT_CONFIGS,
}
#: values of choices that read badly with their underscores merely removed
CHOICE_WORDS = {
    "4bit": "4 bits",
    "8bit": "8 bits",
    "adamw": "AdamW",
    "adam": "Adam",
    "lora": "LoRA",
    "dora": "DoRA",
    "full": "Every weight",
    "grpo": "GRPO",
    "bnpo": "BNPO",
    "dr_grpo": "Dr. GRPO",
    "dapo": "DAPO",
    "cispo": "CISPO",
    "sapo": "SAPO",
    "luspo": "LUSPO",
    "vespo": "VESPO",
    "rloo": "RLOO",
    "gmpo": "GMPO",
    "a2po": "A*-PO",
    "reinforce": "REINFORCE",
    "kto": "KTO",
    "ipo": "IPO",
    "simpo": "SimPO",
    "tpo-l": "TPO-L",
    "apo_zero_unpaired": "APO-zero",
    "reverse_kl": "Reverse KL",
    "forward_kl": "Forward KL",
    "js_divergence": "Jensen-Shannon",
    "topk_logits": "Top-k logits",
    "rouge_l": "ROUGE-L",
    "token_f1": "Token F1",
    "ema": "Moving average",
    "hash": "After ####",
    "boxed": "In \\boxed{}",
    "answer_tag": "In <answer> tags",
}


def choice_label(value: str) -> str:
    """A word of the config as people read it: `Per sequence` for `per_sequence`."""
    return CHOICE_WORDS.get(value, value.replace("_", " ").capitalize())


def section_heading(section: str) -> str:
    """What stands over the settings of a section, whatever its kind."""
    return HEADINGS.get(section) or RunConfig.model_fields[section].title or section


def setting_title(path: str, *settings: Mapping[str, Any]) -> str:
    """`Training, Steps` for `training.iterations`, under the heading that Setup has it under.

    `settings` are those of the runs that it is said of: a method's setting stands under the method's name where all of
    them have the same one. What stands in a list is counted from 1: `Reward 1, Weight` for `rewards.0.weight`, which is
    `rewards[1].weight` where a fault is told.
    """
    path = re.sub(r"\[(\d+)\]", lambda found: f".{int(found[1]) - 1}", path)
    section, *rest = path.split(".")
    if section not in RunConfig.model_fields:
        return path
    if path in ALONE:
        return setting_name(path, *settings)
    place, rest = _parted(section, rest)
    itself = not rest or _is_kind(section, rest)
    heading = _heading(section, place, () if itself else settings)
    return heading if itself else f"{heading}, {setting_name(path, *settings)}"


def setting_name(path: str, *settings: Mapping[str, Any]) -> str:
    """`Steps` for `training.iterations`: the setting's title alone."""
    section, *rest = path.split(".")
    place, rest = _parted(section, rest)
    if not rest or _is_kind(section, rest):
        return _heading(section, place, ())
    field = _field(path, settings)
    title = (field.title if field is not None else "") or rest[0]
    return title + "".join(f" {int(part) + 1}" if part.isdigit() else f", {part}" for part in rest[1:])


def setting_value(path: str, value: Any, settings: Mapping[str, Any]) -> str:
    """A setting's value as people read it, with its unit; empty for none. Texts of the user's stay as they are."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    field = _field(path, (settings,))
    if isinstance(value, (int, float)):
        extra = field.json_schema_extra if field is not None else None
        unit = extra.get("unit", "") if isinstance(extra, dict) else ""
        return f"{words.number(value) if isinstance(value, float) else f'{value:,}'} {unit}".strip()
    section, *rest = path.split(".")
    kind = _KINDS.get(section, {}).get(str(value)) if _is_kind(section, _parted(section, rest)[1]) else None
    if kind is not None:
        return str(kind.label)
    return choice_label(value) if field is not None and value in _choices(field.annotation) else str(value)


def _parted(section: str, rest: list[str]) -> tuple[str, list[str]]:
    """The place in a list of rewards, and the path within it; of other sections no place."""
    return (rest[0], rest[1:]) if section == "rewards" and rest else ("", rest)


def _is_kind(section: str, rest: list[str]) -> bool:
    """Whether it says which method, reward or environment there is."""
    return rest == ["type"] and section in _KINDS


def _heading(section: str, place: str, settings: tuple[Mapping[str, Any], ...]) -> str:
    """What stands over a section's settings: of a method or environment its label, where all have the same one."""
    if place:
        return f"Reward {int(place) + 1}"
    labels = {kind.label for kind in _models(section, settings)} if section in _KINDS else set[str]()
    return labels.pop() if len(labels) == 1 else section_heading(section)


def _field(path: str, settings: tuple[Mapping[str, Any], ...]) -> FieldInfo | None:
    """The field of the first kind that has it."""
    section, *rest = path.split(".")
    place, rest = _parted(section, rest)
    found = [model.model_fields.get(rest[0]) for model in _models(section, settings, place)] if rest else []
    return next((field for field in found if field is not None), None)


def _models(section: str, settings: tuple[Mapping[str, Any], ...], place: str = "") -> list[type[Any]]:
    """The config classes of a section in these runs."""
    kinds = _KINDS.get(section)
    if kinds is None:
        annotation = RunConfig.model_fields[section].annotation
        return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
    chosen = [_inside(one.get(section), place) for one in settings]
    return [kinds[kind] for one in chosen if (kind := str(one.get("type"))) in kinds]


def _inside(value: Any, place: str) -> Mapping[str, Any]:
    """A section's own settings, or those at a place of a list; none where they are damaged."""
    if isinstance(value, list):
        many = cast("list[Any]", value)
        value = many[int(place)] if place.isdigit() and int(place) < len(many) else None
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The words of a closed list, also where it may be None."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for part in get_args(annotation) for word in _choices(part))
