"""A row's turns as its model's template can read them: keys, roles, thoughts, tools and tool calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from droid_tune.data.formats.base import THINKING_COLUMN, Row
from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.formats.parts.tool_calls import arguments_of, without_nulls
from droid_tune.data.rendering.foreign_marks import ending_token, header_in
from droid_tune.data.rendering.shapes import Note, TemplateOptions
from droid_tune.data.rendering.templates.chat_template import RESERVED, ChatTemplate
from droid_tune.data.rendering.thinking import place_thoughts, split_thoughts, thinking_switches
from droid_tune.errors import UserError

#: Keys of a turn that say whether it is learnt; no template reads them.
FLAGS = ("weight", "train", "training")
_NINE = re.compile(r"length\s*(?:!=|==)\s*9|length 9")
Told = Callable[[Note], None]


def is_learnt(turn: Message) -> bool:
    """Whether an assistant turn is to be imitated: `weight` 0, `train` or `training` false say that it is not."""
    return (
        turn.get("weight", 1) != 0
        and turn.get("train", True) is not False
        and turn.get("training", True) is not False
    )


def fitted(turns: Sequence[Message], template: ChatTemplate, tell: Told) -> list[Message]:
    """The turns in the shape that the template reads; `tell` hears what was changed in a way that matters."""
    ids = _CallIds(template)
    return [_fitted(turn, template, ids, tell) for turn in turns]


def _fitted(turn: Message, template: ChatTemplate, ids: _CallIds, tell: Told) -> Message:
    fit = {key: value for key, value in turn.items() if value is not None and key not in FLAGS}
    fit["content"] = turn.get("content") or ""
    header = header_in(fit["content"])
    if header and header not in template.marks:
        tell(
            Note(
                "foreign_marks",
                f"`{header}` of another model's template stands in a row's text and is read as text: write the turns "
                "as messages, or take the marks out.",
            )
        )
    if fit["role"] == "assistant" and (turn.get("weight") or 0) not in (0, 1):
        tell(
            Note(
                "weight_counts_as_one",
                "A `weight` other than 0 counts as 1: such turns are learnt as any other.",
            )
        )
    if fit["role"] == "developer" and "developer" not in template.source:
        tell(Note("developer_role", "The template knows no role `developer`: it is read as `system`."))
        fit["role"] = "system"
    calls = fit.pop("tool_calls", None)
    if calls:
        fit["tool_calls"] = [ids.call(_call(one)) for one in _json(calls, "tool_calls")]
        if not all(isinstance(call["function"]["arguments"], dict) for call in fit["tool_calls"]):
            tell(
                Note(
                    "arguments_no_object",
                    "Arguments of calls that are no JSON object are read as they stand.",
                )
            )
        if template.wants_text_arguments:
            fit["tool_calls"] = [_with_text(call) for call in fit["tool_calls"]]
    if fit["role"] == "tool":
        fit = ids.result(fit)
    if fit["role"] != "assistant":
        return fit
    return place_thoughts(_unclosed(fit, template, tell), template.source)


def _unclosed(turn: Message, template: ChatTemplate, tell: Told) -> Message:
    """The template closes an answer; a closing token written by hand would be a second one."""
    content = turn["content"].rstrip()
    said = split_thoughts(turn)[1].strip()
    for text in (template.end, template.eos):
        if text and said.endswith(text) and said != text:
            tell(
                Note(
                    "end_in_answer", f"`{text}` at the end of an answer is left out: the template writes it."
                )
            )
            return {**turn, "content": content.removesuffix(text)}
    foreign = ending_token(content)
    if foreign is None or not said.removesuffix(foreign[0].strip()).strip():
        return turn
    tell(
        Note(
            "foreign_end",
            f"`{foreign[1]}`, which ends answers of another model, is left out at the end of an answer.",
        )
    )
    return {**turn, "content": content[: foreign.start()]}


def _call(call: Any) -> Message:
    """A tool call as OpenAI writes it; arguments that are the text of a JSON object become that object."""
    if not isinstance(call, dict):
        raise UserError("A tool call is no object", value=str(call), remedy='write {"name", "arguments"}')
    given = {key: value for key, value in cast("dict[str, Any]", call).items() if value is not None}
    function = dict(
        given.get("function") or {key: given[key] for key in ("name", "arguments") if key in given}
    )
    function["arguments"] = arguments_of(function.get("arguments"))
    rest = {key: value for key, value in given.items() if key not in ("function", "name", "arguments")}
    return {"type": "function", **rest, "function": function}


def _with_text(call: Message) -> Message:
    """A call with its arguments as their JSON's text."""
    given = call["function"]["arguments"]
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {**call, "function": {**call["function"], "arguments": text}}


class _CallIds:
    """Ids of tool calls and of their results; of nine characters where the template refuses others."""

    def __init__(self, template: ChatTemplate) -> None:
        self._nine = bool(_NINE.search(template.source))
        self._wanted = self._nine or "tool_call_id" in template.source
        self._new: dict[str, str] = {}
        self._open: list[str] = []
        self._made = 0

    def call(self, call: Message) -> Message:
        if not self._wanted and "id" not in call:
            return call
        given = str(call.get("id") or "")
        own = given if given and not (self._nine and not _is_nine(given)) else self._make()
        if given:
            self._new[given] = own
        self._open.append(own)
        return {**call, "id": own}

    def result(self, turn: Message) -> Message:
        """A tool's turn answers the call that it names, else the oldest open one."""
        given = str(turn.get("tool_call_id") or "")
        own = self._new.get(given)
        if own is None and not self._wanted:
            return turn
        own = own or (self._open[0] if self._open else self._make())
        if own in self._open:
            self._open.remove(own)
        return {**turn, "tool_call_id": own}

    def _make(self) -> str:
        self._made += 1
        return f"call{self._made:05d}"


def _is_nine(text: str) -> bool:
    return len(text) == 9 and text.isalnum()


def tools_of(row: Row) -> list[Any] | None:
    """The row's tools as a list of OpenAI's descriptions; JSON text is read. Raises `UserError`."""
    given = row.get("tools")
    if not given:
        return None
    tools = _json(given, "tools")
    found = [without_nulls(_json(one, "tools", one=True)) for one in tools]
    return [one if "function" in one else {"type": "function", "function": one} for one in found] or None


def _json(value: Any, name: str, *, one: bool = False) -> Any:
    """A list of objects (or `one` object) that may be written as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UserError(
                f"`{name}` is text that is no JSON ({error})", remedy="write a list of objects, or its JSON"
            ) from None
    if one:
        fits = isinstance(value, dict)
    else:
        value = [value] if isinstance(value, dict) else value or []
        fits = isinstance(value, list)
    if not fits:
        raise UserError(f"`{name}` is no list of objects", remedy="write a list of objects, or its JSON")
    return value


def switches_of(row: Row, options: TemplateOptions, template: ChatTemplate, tell: Told) -> dict[str, Any]:
    """What the template is told besides the turns: the thinking switch, the day, then the row's own settings."""
    switches: dict[str, Any] = thinking_switches(options.thinking, template.source)
    if switches and not template.switches_thinking:
        tell(
            Note(
                "thinking_not_switched",
                f"The chat template knows no switch for thinking: `data.thinking: {options.thinking}` changes nothing.",
            )
        )
    if options.date:
        switches["strftime_now"] = options.date
    if isinstance(row.get(THINKING_COLUMN), bool):
        switches |= thinking_switches("on" if row[THINKING_COLUMN] else "off", template.source)
    own = row.get("chat_template_kwargs")
    if own:
        given = cast("dict[str, Any]", without_nulls(_json(own, "chat_template_kwargs", one=True)))
        switches |= {key: value for key, value in given.items() if key not in RESERVED}
        unused = [key for key in given if key in RESERVED]
        if unused:
            tell(
                Note(
                    "template_settings",
                    f"`chat_template_kwargs.{unused[0]}` is not used: it is not a row's to set.",
                )
            )
    tools = tools_of(row) or list(options.tools) or None
    return switches if tools is None else {**switches, "tools": tools}
