"""What a row becomes in each format: everything it holds has its place there, or is said to be left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from droid_tune.data.editing.source_row import CannotConvertError, SourceRow, plain_text
from droid_tune.data.formats.base import Layout, Row
from droid_tune.data.formats.parts.messages import Message, is_plain_text
from droid_tune.data.formats.table import FORMATS, FORMATS_BY_NAME
from droid_tune.data.issues import RowFault

_SHAREGPT = {"user": "human", "assistant": "gpt", "tool": "observation"}


def _as_messages(source: SourceRow) -> Row:
    return {"messages": source.turns(), **source.shared}


def _as_conversations(source: SourceRow) -> Row:
    return {"conversations": [_sharegpt(turn) for turn in source.turns()], **source.shared}


def _sharegpt(turn: Message) -> Message:
    """ShareGPT's way to say a turn; a call alone is a turn of its own kind."""
    rest = {key: value for key, value in turn.items() if key not in ("role", "content")}
    calls = rest.get("tool_calls")
    if (
        calls
        and not turn["content"]
        and set(rest) == {"tool_calls"}
        and all(set(one) <= _CALL for one in calls)
    ):
        return {
            "from": "function_call",
            "value": json.dumps([one["function"] for one in calls], ensure_ascii=False),
        }
    return {"from": _SHAREGPT.get(turn["role"], turn["role"]), "value": turn["content"], **rest}


_CALL = {"type", "function"}


def _as_prompt_answer(source: SourceRow) -> Row:
    fields, answer = source.question()
    return {**fields, "answer": answer, **source.shared}


def _as_question(source: SourceRow) -> Row:
    fields, answer = source.question()
    return {"question": _text(fields.pop("prompt"), "question"), **fields, "answer": answer, **source.shared}


def _as_instruction(source: SourceRow) -> Row:
    fields, answer = source.question()
    if isinstance(answer, list):
        raise CannotConvertError("an output is one text, and the row has several right answers")
    prompt = fields.pop("prompt")
    asked: Row = {"instruction": prompt} if isinstance(prompt, str) else _with_history(prompt)
    source.lost = [said for said in source.lost if "history" not in asked or "earlier answers" not in said]
    return {**asked, **fields, "output": answer, **source.shared}


def _with_history(turns: list[Message]) -> Row:
    """Questions and answers in turn, the last question open. Raises `CannotConvertError` for any other order."""
    roles = ["user", "assistant"] * (len(turns) // 2) + ["user"]
    if [turn["role"] for turn in turns] != roles or not all(map(is_plain_text, turns)):
        raise CannotConvertError("a history holds questions and answers of plain text, in turn")
    texts = [str(turn["content"]) for turn in turns]
    return {
        "instruction": texts[-1],
        "history": [texts[place : place + 2] for place in range(0, len(texts) - 1, 2)],
    }


def _text(prompt: Any, what: str) -> str:
    if not isinstance(prompt, str):
        raise CannotConvertError(f"a conversation of several turns is no {what}")
    return prompt


def _as_prompt_completion(source: SourceRow) -> Row:
    if (
        "messages" not in source.row
        and "chosen" not in source.row
        and isinstance(source.row.get("answer"), str)
    ):
        completion = source.row.get("completion", source.row["answer"])
        return {**source.prompt_fields(), "completion": completion, **source.shared}
    before, last = source.asked_and_answered()
    completion = last["content"] if is_plain_text(last) else [last]
    return {**SourceRow({"prompt": before}, {}).prompt_fields(), "completion": completion, **source.shared}


def _as_prompts(source: SourceRow) -> Row:
    fields = source.prompt_fields()
    if source.row.get("answer") is not None or len(source.row.get("messages", ())) > len(
        source.row["prompt"]
    ):
        source.lost.append("the answers are not part of it")
    return {**fields, **source.shared}


def _as_preference(source: SourceRow) -> Row:
    if source.row.get("chosen") is None or source.row.get("rejected") is None:
        raise CannotConvertError("the row has no pair of answers")
    sides = {name: source.row[name] for name in ("chosen", "rejected")}
    return {**source.prompt_fields(), **sides, **source.shared}


def _as_text(source: SourceRow) -> Row:
    if isinstance(source.row.get("text"), str) and "prompt" not in source.row:
        return {"text": source.row["text"]}
    if source.shared:
        raise CannotConvertError(f"plain text has no place for {', '.join(source.shared)}")
    texts = [plain_text(turn) for turn in source.whole().turns]
    source.lost.append("who speaks is not part of it")
    return {"text": "\n\n".join(text for text in texts if text)}


TARGETS: dict[str, Callable[[SourceRow], Row]] = {
    "prompt_answer": _as_prompt_answer,
    "question_answer": _as_question,
    "prompts": _as_prompts,
    "instruction": _as_instruction,
    "prompt_completion": _as_prompt_completion,
    "messages": _as_messages,
    "conversations": _as_conversations,
    "preference": _as_preference,
    "text": _as_text,
}


def converted(raw: Row, layout: Layout, target: str) -> tuple[Row, list[str]]:
    """A row of a layout in another format with its other columns, and what of it is left out.

    Raises `CannotConvertError` where the row has no place there, or would be read as something else.
    """
    source = SourceRow.of(raw, layout)
    fields = TARGETS[target](source)
    row = {**source.other, **fields}
    _check_columns(row, source.other, fields, layout, target)
    return row, source.lost


def _check_columns(row: Row, other: Row, fields: Row, layout: Layout, target: str) -> None:
    """The other columns must stay what they are, and the row must be one of the target's by our own rules."""
    covered = next((name for name in other if name in fields and other[name] != fields[name]), None)
    if covered is not None:
        raise CannotConvertError(f"its column `{covered}` means something else there")
    read_as = next((one for one in FORMATS if Layout(one).fits(row)), None)
    if read_as is None or read_as is not FORMATS_BY_NAME[target]:
        name = "nothing that we know" if read_as is None else read_as.name
        raise CannotConvertError(f"with its other columns it would be read as {name}")
    reading = Layout(read_as)
    try:
        reading.check(row)
    except RowFault as fault:
        raise CannotConvertError(fault.message.rstrip(".")) from None
    own = set(Layout(layout.format).fields_of(other)[0]) if layout.mapping == {} else set[str]()
    taken = set(other) - set(reading.fields_of(row)[1]) - set(fields) - own
    if taken:
        raise CannotConvertError(f"its column `{min(taken)}` would become part of what is read")
