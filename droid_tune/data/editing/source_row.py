"""A row that is to be written in another format: what its own format reads of it, and the columns beside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

from droid_tune.data.formats.base import Layout, Need, Row, RowFormat
from droid_tune.data.formats.parts.messages import Message, is_learnt, is_plain_text, plain_messages
from droid_tune.data.rendering.turns import RowTurns, row_turns

#: What every format that asks something can hold beside it.
SHARED = ("tools", "chat_template_kwargs")


class CannotConvertError(ValueError):
    """A row lacks what the target format asks for, or holds what it has no place for; says what."""


@dataclass
class SourceRow:
    """`row` as training would read it, `other` the columns that no field of the format is in.

    `reference` is an answer that stands beside a whole conversation. What a target leaves out it notes in `lost`.
    """

    row: Row
    other: Row
    reference: Any = None
    lost: list[str] = field(default_factory=list[str])

    @staticmethod
    def of(raw: Row, layout: Layout) -> SourceRow:
        """Read as it is learnt where it can be: a reference beside the turns is then another column."""
        reading = replace(layout, need=_need(layout.format))
        fields, other = reading.fields_of(raw)
        beside = replace(layout, need=None).fields_of(raw)[0].get("answer")
        source = SourceRow(reading.read(fields), other, None if "answer" in fields else beside)
        if "annotations" in fields:
            source.lost.append("what surrounds the shown text and the answers is not part of it")
        return source

    @property
    def shared(self) -> Row:
        """Tools and settings of the template, where the row has them."""
        return {name: self.row[name] for name in SHARED if self.row.get(name)}

    def turns(self) -> list[Message]:
        """The whole conversation, answers that are the prompt's marked as context."""
        whole = self.whole()
        if whole.begun:
            self.lost.append("what begins the answer in the prompt is learnt with it")
        return [
            {**turn, "weight": 0} if place < whole.read and is_learnt(turn) else turn
            for place, turn in enumerate(whole.turns)
        ]

    def whole(self) -> RowTurns:
        """The turns as they are read, and how many are the prompt's. Raises `CannotConvertError` for what is none."""
        if "messages" not in self.row and self.row.get("prompt") is None:
            raise CannotConvertError("plain text has no turns")
        if isinstance(self.row.get("answer"), list) and "messages" not in self.row:
            raise CannotConvertError("a conversation has one answer, and the row has several that are right")
        chosen = self.row.get("chosen")
        if chosen is not None:
            self.lost.append("the rejected answers are not part of it")
        whole = row_turns({**self.row, "completion": chosen} if isinstance(chosen, list) else self.row)
        if not any(is_learnt(turn) for turn in whole.turns):
            raise CannotConvertError("the row has no answer")
        return whole

    def asked_and_answered(self) -> tuple[list[Message], Message]:
        """The turns before the answer that ends the conversation, and that answer."""
        *before, last = self.whole().turns
        if not is_learnt(last):
            raise CannotConvertError("the conversation does not end with an answer")
        if any(is_learnt(turn) for turn in before) and "messages" in self.row:
            self.lost.append("earlier answers are read and no longer learnt")
        return before, last

    def prompt_fields(self) -> Row:
        """What is asked without the answer: `prompt`, and `system` where there is one."""
        if self.row.get("prompt") is None:
            raise CannotConvertError("plain text has no prompt")
        prompt = self.row["prompt"]
        turns = (
            plain_messages(cast("list[Message]", prompt)) if isinstance(prompt, list) else [_asking(prompt)]
        )
        return with_system(turns, self.row.get("system"))

    def question(self) -> tuple[Row, Any]:
        """`(prompt and system, the answer)` for formats whose answer is a text; several right ones stay several."""
        native = "messages" not in self.row and "completion" not in self.row
        if native and self.row.get("answer") is not None and "chosen" not in self.row:
            return self.prompt_fields(), self.row["answer"]
        if self.reference is not None:
            return self._referred()
        before, last = self.asked_and_answered()
        return with_system(before, None), plain_text(last)

    def _referred(self) -> tuple[Row, Any]:
        """The reference as the answer; the assistant's own last words, where it speaks last, are left out."""
        fields = self.prompt_fields()
        self.lost.append("the assistant's words give way to the column `answer`")
        self.other = {name: value for name, value in self.other.items() if name != "answer"}
        return fields, self.reference


def _need(one: RowFormat) -> Need | None:
    """How a row is read so that nothing of it is left out; None where its own answer may be several."""
    if any(field.kind in ("answer", "annotations") for field in one.required):
        return None
    return next(need for need in ("demonstration", "preference", "verdict", "prompt") if need in one.needs)


def _asking(text: str) -> Message:
    return {"role": "user", "content": text}


def plain_text(turn: Message) -> str:
    """A turn's text. Raises `CannotConvertError` where the turn is more than that."""
    if not is_plain_text({key: turn[key] for key in turn if (key, turn[key]) != ("weight", 1)}):
        more = ", ".join(sorted(turn.keys() - {"role", "content"}))
        raise CannotConvertError(f"an answer of text has no place for {more}")
    return str(turn["content"])


def with_system(turns: list[Message], system: Any) -> Row:
    """Turns as `prompt` (a text where one plain turn of the user's is all there is) and `system`."""
    if turns and turns[0]["role"] == "system" and is_plain_text(turns[0]):
        system, turns = turns[0]["content"], turns[1:]
    if not turns:
        raise CannotConvertError("nothing is asked before the answer")
    alone = len(turns) == 1 and turns[0]["role"] == "user" and is_plain_text(turns[0])
    prompt = turns[0]["content"] if alone else turns
    return {"prompt": prompt, "system": system} if system else {"prompt": prompt}
