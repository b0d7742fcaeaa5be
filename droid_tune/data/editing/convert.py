"""Rows of one format written as another, into a new folder; what a format cannot hold is said, not lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset, Rows
from droid_tune.data.formats.base import Row
from droid_tune.data.formats.messages import Message, plain_messages
from droid_tune.data.formats.table import FORMATS_BY_NAME
from droid_tune.data.splits import SPLITS
from droid_tune.data.templates import turns_of
from droid_tune.errors import UsageError, UserError

#: Fields of normalised rows; everything else is another column and goes along.
_OURS = frozenset(
    ("prompt", "answer", "system", "messages", "completion", "chosen", "rejected", "text", "conversations")
)


class CannotConvertError(ValueError):
    """A row lacks what the target format asks for; says what."""


@dataclass
class Written:
    """What was written: rows per split, and rows that the format could not hold with why."""

    folder: Path
    rows: dict[str, int] = field(default_factory=dict[str, int])
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def conversation(row: Row) -> list[Message]:
    """A row as a conversation, its answer included where it has one."""
    if "messages" not in row and row.get("prompt") is None:
        raise CannotConvertError("plain text has no turns")
    return turns_of(row)


def _prompt_fields(row: Row) -> Row:
    """`prompt` (text where one turn of the user's is all there is) and `system` where there is one."""
    prompt, system = row.get("prompt"), row.get("system")
    if prompt is None:
        raise CannotConvertError("plain text has no prompt")
    if isinstance(prompt, list):
        turns = plain_messages(cast("list[Message]", prompt))
        if turns and turns[0]["role"] == "system":
            system, turns = turns[0]["content"], turns[1:]
        alone = len(turns) == 1 and turns[0]["role"] == "user"
        prompt = turns[0]["content"] if alone else turns
    return {"prompt": prompt, "system": system} if system else {"prompt": prompt}


def _answer(row: Row) -> str:
    answer = row.get("answer")
    if answer is None:
        raise CannotConvertError("the row has no answer")
    return str(answer)


def _text_prompt(row: Row, what: str) -> Row:
    fields = _prompt_fields(row)
    if not isinstance(fields["prompt"], str):
        raise CannotConvertError(f"a conversation of several turns is no {what}")
    return fields


def _as_question(row: Row) -> Row:
    fields = _text_prompt(row, "question")
    return {"question": fields.pop("prompt"), **fields, "answer": _answer(row)}


def _as_instruction(row: Row) -> Row:
    fields = _text_prompt(row, "instruction")
    return {"instruction": fields.pop("prompt"), **fields, "output": _answer(row)}


def _as_messages(row: Row) -> Row:
    turns = conversation(row)
    if not any(turn["role"] == "assistant" for turn in turns):
        raise CannotConvertError("the row has no answer")
    return {"messages": turns}


_SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system", "developer": "system", "tool": "tool"}


def _as_conversations(row: Row) -> Row:
    turns = _as_messages(row)["messages"]
    return {"conversations": [{"from": _SHAREGPT[turn["role"]], "value": turn["content"]} for turn in turns]}


def _as_preference(row: Row) -> Row:
    if row.get("chosen") is None or row.get("rejected") is None:
        raise CannotConvertError("the row has no pair of answers")
    return {**_prompt_fields(row), "chosen": row["chosen"], "rejected": row["rejected"]}


def _as_text(row: Row) -> Row:
    if isinstance(row.get("text"), str) and "prompt" not in row:
        return {"text": row["text"]}
    turns = [str(turn["content"]) for turn in conversation(row)]
    return {"text": "\n\n".join(turn for turn in turns if turn)}


TARGETS: dict[str, Callable[[Row], Row]] = {
    "prompt_answer": lambda row: {**_prompt_fields(row), "answer": _answer(row)},
    "question_answer": _as_question,
    "prompts": _prompt_fields,
    "instruction": _as_instruction,
    "prompt_completion": lambda row: {**_prompt_fields(row), "completion": _answer(row)},
    "messages": _as_messages,
    "conversations": _as_conversations,
    "preference": _as_preference,
    "text": _as_text,
}


def converted(row: Row, target: str) -> Row:
    """One normalised row in another format, with its other columns. Raises `CannotConvertError`."""
    fields = TARGETS[target](row)
    layout_fields = {one.name for one in FORMATS_BY_NAME[target].fields}
    return {**{name: value for name, value in row.items() if name not in _OURS | layout_fields}, **fields}


def check_target(target: str) -> None:
    """Raise `UsageError` unless rows can be written in this format."""
    if target not in TARGETS:
        raise UsageError(f"`{target}` is no format to convert to", remedy=f"use one of {', '.join(TARGETS)}")


def preview(rows: Rows, target: str, count: int = 5) -> list[tuple[Row, Row | str]]:
    """The first rows and what becomes of them: the new row, or why there is none."""
    check_target(target)
    return [(rows.raw(index), _try(rows.row(index), target)) for index in range(min(count, len(rows)))]


def _try(row: Row, target: str) -> Row | str:
    try:
        return converted(row, target)
    except CannotConvertError as error:
        return str(error)


def convert(
    dataset: Dataset,
    target: str,
    out: str | Path,
    watch: Watch = UNWATCHED,
) -> Written:
    """Write all splits in another format to a new folder of JSONL. Raises `UsageError`, `UserError`, `Stopped`."""
    check_target(target)
    written = Written(new_folder(out))
    total = sum(map(len, dataset.splits.values()))
    done = 0
    for split in SPLITS:
        rows = dataset.splits[split]
        tick = partial(_tick, before=done, total=total, watch=watch)
        count = write_rows(written.folder / f"{split}.jsonl", _converted_rows(rows, target, written, tick))
        if count:
            written.rows[split] = count
        done += len(rows)
    if not written.rows:
        place, why = written.left_out[0]
        raise UserError(
            f"No row can be written as {target}: {why}", place=place, remedy="choose another format"
        )
    return written


def _converted_rows(
    rows: Rows, target: str, written: Written, tick: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    for index in range(len(rows)):
        tick(index)
        new = _try(rows.row(index), target)
        if isinstance(new, str):
            written.left_out.append((rows.place(index), new))
        else:
            yield new


def _tick(index: int, before: int, total: int, watch: Watch) -> None:
    if index % 1000 == 0:
        watch.tell(before + index, total)


def new_folder(path: str | Path) -> Path:
    """A folder to write data to: new, or there and empty. Raises `UserError`; nothing of the user's is overwritten."""
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"The folder cannot be made ({error.strerror})", place=str(folder), remedy="choose another"
        ) from None
    if occupied:
        raise UserError(
            "The folder is not empty", place=str(folder), remedy="choose a new one; nothing is overwritten"
        )
    return folder


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSONL and return how many; the file appears under its name when it is whole, and only with rows."""
    partial_path = path.with_name(f".{path.name}.partial")
    count = 0
    try:
        with partial_path.open("x", encoding="utf-8", newline="\n") as stream:
            for row in rows:
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        if count:
            partial_path.replace(path)
    except OSError as error:
        said = f"Writing failed ({error.strerror})"
        raise UserError(said, place=str(path), remedy="make room or choose another folder") from None
    finally:
        partial_path.unlink(missing_ok=True)
    return count
