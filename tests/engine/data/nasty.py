"""Nasty files, each with what must be said about it. Made here, not kept: `(name, content) -> expectation`."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

PA = '{"prompt": "p", "answer": "a"}'
DEEP = 200


@dataclass(frozen=True)
class Nasty:
    """A file and what is expected: counts, `(place, reason[, field[, column]])` of every issue, the file's error."""

    name: str
    content: bytes | str
    counts: tuple[int, int, int]
    issues: tuple[tuple[Any, ...], ...] = ()
    error: str | None = None
    format: str | None = "prompt_answer"
    method: str | None = None
    mapping: dict[str, str] = field(default_factory=dict[str, str])
    file: str = "train.jsonl"

    @property
    def raw(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.encode()


def bad(name: str, row: str | bytes, reason: str, *place: Any, **more: Any) -> Nasty:
    """One bad row between two good ones (different ones, so that nothing is a duplicate)."""
    raw = row if isinstance(row, bytes) else row.encode()
    content = PA.encode() + b"\n" + raw + b"\n" + PA.replace('"p"', '"q"').encode() + b"\n"
    return Nasty(name, content, (2, 1, 0), ((2, reason, *place),), **more)


def fine(name: str, content: str | bytes, accepted: int, blank: int = 0, **more: Any) -> Nasty:
    return Nasty(name, content, (accepted, 0, blank), **more)


def spoilt(name: str, content: str | bytes, error: str, **more: Any) -> Nasty:
    return Nasty(name, content, (0, 0, more.pop("blank", 0)), error=error, format=None, **more)


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


SYNTAX = [
    bad("a trailing comma in an object", '{"prompt": "p", "answer": "a",}', "invalid_json"),
    bad("a trailing comma in a list", '{"prompt": "p", "answer": "a", "x": [1,]}', "invalid_json"),
    bad("a comment", '{"prompt": "p", "answer": "a"} // hm', "invalid_json", None, 32),
    bad("single quotes", "{'prompt': 'p', 'answer': 'a'}", "invalid_json", None, 2),
    bad("an unquoted key", '{prompt: "p", "answer": "a"}', "invalid_json", None, 2),
    bad("a missing colon", '{"prompt" "p", "answer": "a"}', "invalid_json", None, 11),
    bad("a missing comma", '{"prompt": "p" "answer": "a"}', "invalid_json", None, 16),
    bad("a missing brace", '{"prompt": "p", "answer": "a"', "invalid_json", None, 30),
    bad("a missing quotation mark", '{"prompt": "p, "answer": "a"}', "invalid_json", None, 17),
    bad("a string that is never closed", '{"prompt": "p", "answer": "a}', "invalid_json", None, 27),
    bad("text after the row", PA + " x", "invalid_json", None, 32),
    bad("two rows on one line", PA + PA, "invalid_json", None, 31),
    bad("NaN", '{"prompt": "p", "answer": "a", "x": NaN}', "invalid_json", "x", 37),
    bad("Infinity", '{"prompt": "p", "answer": "a", "x": Infinity}', "invalid_json", "x", 37),
    bad("minus Infinity", '{"prompt": "p", "answer": "a", "x": [-Infinity]}', "invalid_json", "x[0]", 38),
    bad("a raw tab in a string", '{"prompt": "p\tq", "answer": "a"}', "invalid_json", None, 14),
    bad("a raw escape character", '{"prompt": "p\x1b[31m", "answer": "a"}', "invalid_json", None, 14),
    bad("a raw carriage return in a string", '{"prompt": "p\rq", "answer": "a"}', "invalid_json", None, 14),
    bad("an unknown escape", '{"prompt": "\\x41", "answer": "a"}', "invalid_json", None, 13),
    bad("a short unicode escape", '{"prompt": "\\u12", "answer": "a"}', "invalid_json"),
    bad("a leading zero", '{"prompt": "p", "answer": "a", "x": 01}', "invalid_json"),
    bad("a plus sign", '{"prompt": "p", "answer": "a", "x": +1}', "invalid_json", None, 37),
    bad("a point without digits", '{"prompt": "p", "answer": "a", "x": 1.}', "invalid_json"),
    bad("hexadecimal", '{"prompt": "p", "answer": "a", "x": 0x1F}', "invalid_json"),
    bad("Python's words", '{"prompt": "p", "answer": "a", "x": None}', "invalid_json", None, 37),
    bad("plain words", "prompt: p, answer: a", "invalid_json", None, 1),
    bad("markup", "<html><body>404 Not Found</body></html>", "invalid_json", None, 1),
    bad("a form feed for white space", "\x0c" + PA, "invalid_json", None, 1),
    bad("a no-break space for white space", "\u00a0" + PA, "invalid_json", None, 1),
    bad("a control-Z at the end", PA + "\x1a", "invalid_json", None, 31),
    bad("an array on a line", f"[{PA}]", "non_object"),
    bad("a string", '"prompt"', "non_object"),
    bad("a number", "17", "non_object"),
    bad("null", "null", "non_object"),
    bad("true", "true", "non_object"),
]

KEYS = [
    bad("a key twice", '{"prompt": "p", "prompt": "p", "answer": "a"}', "duplicate_key", "prompt", 17),
    bad(
        "a key twice by escape",
        '{"prompt": "p", "answer": "a", "\\u0061nswer": "b"}',
        "duplicate_key",
        "answer",
        32,
    ),
    bad("an extra key twice", '{"prompt": "p", "answer": "a", "x": 1, "x": 2}', "duplicate_key", "x", 40),
    bad(
        "a nested key twice",
        '{"prompt": "p", "answer": "a", "m": {"k": 1, "k": 2}}',
        "duplicate_key",
        "m.k",
        46,
    ),
    bad(
        "a key twice in a list",
        '{"prompt": "p", "answer": "a", "m": [{"k": [], "k": []}]}',
        "duplicate_key",
        "m[0].k",
    ),
    bad("an empty key twice", '{"prompt": "p", "answer": "a", "": 1, "": 2}', "duplicate_key"),
    fine(
        "the same key in two objects", lines('{"prompt": "p", "answer": "a", "m": [{"k": 1}, {"k": 2}]}'), 1
    ),
    fine("quotation marks in texts", lines('{"prompt": "say \\"hi\\"", "answer": "\\\\\\"\\\\"}'), 1),
    fine("a key in a text", lines('{"prompt": "\\"prompt\\": 1", "answer": "a"}'), 1),
]

FIELDS = [
    bad("a missing answer", '{"prompt": "p"}', "missing_required_field", "answer"),
    bad("a missing prompt", '{"answer": "a"}', "missing_required_field", "prompt"),
    bad("no field at all", "{}", "missing_required_field", "prompt"),
    bad("an empty prompt", '{"prompt": "", "answer": "a"}', "empty_required_field", "prompt", 12),
    bad("a blank answer", '{"prompt": "p", "answer": " \\n\\t "}', "empty_required_field", "answer", 27),
    bad(
        "a blank answer of wide spaces",
        '{"prompt": "p", "answer": "\u3000\u00a0"}',
        "empty_required_field",
        "answer",
    ),
    bad("a null answer", '{"prompt": "p", "answer": null}', "wrong_type", "answer", 27),
    bad("a fraction for an answer", '{"prompt": "p", "answer": 2.5}', "wrong_type", "answer", 27),
    fine(
        "whole numbers for answers",
        lines('{"prompt": "p", "answer": 42}', '{"prompt": "q", "answer": -7}'),
        2,
    ),
    bad("true for an answer", '{"prompt": "p", "answer": true}', "wrong_type", "answer", 27),
    fine("several right answers", lines('{"prompt": "p", "answer": ["a", 1]}'), 1),
    bad("no right answer", '{"prompt": "p", "answer": []}', "wrong_type", "answer", 27),
    bad("a blank among answers", '{"prompt": "p", "answer": ["a", ""]}', "wrong_type", "answer", 27),
    bad("a list of objects for an answer", '{"prompt": "p", "answer": [{}]}', "wrong_type", "answer", 27),
    bad("an object for a prompt", '{"prompt": {"text": "p"}, "answer": "a"}', "wrong_type", "prompt", 12),
    bad("a list of texts for a prompt", '{"prompt": ["p"], "answer": "a"}', "wrong_type", "prompt", 12),
    bad("a number for a system", '{"prompt": "p", "answer": "a", "system": 1}', "wrong_type", "system", 42),
    bad("capital letters", '{"Prompt": "p", "Answer": "a"}', "missing_required_field", "prompt"),
    fine("a null system", lines('{"prompt": "p", "answer": "a", "system": null}'), 1),
    fine("an empty system", lines('{"prompt": "p", "answer": "a", "system": ""}'), 1),
    fine("a prompt of messages", lines({"prompt": [{"role": "user", "content": "p"}], "answer": "a"}), 1),
]

ENCODINGS = [
    bad("Latin-1", b'{"prompt": "caf\xe9", "answer": "a"}', "invalid_encoding", None, 16),
    bad("a cut character", b'{"prompt": "\xe2\x82", "answer": "a"}', "invalid_encoding", None, 13),
    bad("an overlong form", b'{"prompt": "\xc0\xaf", "answer": "a"}', "invalid_encoding", None, 13),
    bad("a surrogate as bytes", b'{"prompt": "\xed\xa0\x80", "answer": "a"}', "invalid_encoding", None, 13),
    bad("beyond Unicode", b'{"prompt": "\xf4\x90\x80\x80", "answer": "a"}', "invalid_encoding", None, 13),
    bad(
        "bad bytes behind wide ones",
        '{"prompt": "日本'.encode() + b'\xff", "answer": "a"}',
        "invalid_encoding",
        None,
        15,
    ),
    bad(
        "bad bytes in another column",
        b'{"prompt": "p", "answer": "a", "x": "\xff"}',
        "invalid_encoding",
        None,
        38,
    ),
    bad("a NUL byte", b'{"prompt": "p\x00", "answer": "a"}', "nul_bytes", None, 14),
    bad("a line of NUL bytes", b"\x00" * 40, "nul_bytes", None, 1),
    bad("half a surrogate pair", '{"prompt": "\\ud83d", "answer": "a"}', "invalid_unicode", None, 13),
    bad("the other half", '{"prompt": "x\\ude00", "answer": "a"}', "invalid_unicode", None, 14),
    bad(
        "halves the wrong way round",
        '{"prompt": "\\ude00\\ud83d", "answer": "a"}',
        "invalid_unicode",
        None,
        13,
    ),
    bad("half a pair in a key", '{"prompt": "p", "answer": "a", "\\ud800": 1}', "invalid_unicode", None, 33),
    bad(
        "half a pair in another column",
        '{"prompt": "p", "answer": "a", "x": ["\\ud800a"]}',
        "invalid_unicode",
        None,
        39,
    ),
    fine("a whole pair", lines('{"prompt": "\\ud83d\\ude00", "answer": "a"}'), 1),
    fine("an escaped backslash before u", lines('{"prompt": "\\\\ud83d", "answer": "a"}'), 1),
    fine("other line ends in texts", '{"prompt": "a\u2028b\u2029c\u0085d", "answer": "a"}\n', 1),
    fine("a mark at the start", b"\xef\xbb\xbf" + PA.encode() + b"\n", 1),
    Nasty(
        "a mark inside",
        PA.encode() + b"\n\xef\xbb\xbf" + PA.encode() + b"\n",
        (1, 1, 0),
        ((2, "bom_inside"), (2, "invalid_json", None, 1)),
    ),
    Nasty(
        "a mark in a text",
        '{"prompt": "a\ufeffb", "answer": "a"}\n',
        (1, 0, 0),
        ((1, "bom_inside", "prompt"),),
    ),
    spoilt("UTF-16", PA.encode("utf-16"), "unsupported_encoding"),
    spoilt("UTF-16 without a mark", lines(PA, PA).encode("utf-16-le"), "unsupported_encoding"),
    spoilt("UTF-16 the other way round", PA.encode("utf-16-be"), "unsupported_encoding"),
    spoilt("UTF-32", PA.encode("utf-32"), "unsupported_encoding"),
]

NUMBERS = [
    bad(
        "a number beyond any float", '{"prompt": "p", "answer": "a", "x": 1e999}', "number_too_large", "x", 37
    ),
    bad("far below", '{"prompt": "p", "answer": "a", "x": [1, -1e400]}', "number_too_large", "x[1]", 41),
    bad(
        "four hundred digits",
        f'{{"prompt": "p", "answer": "a", "x": {"9" * 400}}}',
        "number_too_large",
        "x",
        37,
    ),
    bad(
        "ten thousand digits",
        f'{{"prompt": "p", "answer": "a", "x": {"9" * 10_000}}}',
        "number_too_large",
        "x",
        37,
    ),
    fine("thirty digits", lines(f'{{"prompt": "p", "answer": "a", "x": {"9" * 30}}}'), 1),
    fine("a tiny number", lines('{"prompt": "p", "answer": "a", "x": 1e-999}'), 1),
    bad("deep lists", f'{{"prompt": "p", "answer": "a", "x": {"[" * DEEP + "]" * DEEP}}}', "too_deep"),
    bad(
        "deep objects",
        '{"prompt": "p", "answer": "a", "x": ' + '{"k":' * DEEP + "1" + "}" * DEEP + "}",
        "too_deep",
    ),
    bad("a hundred thousand brackets", "[" * 100_000, "too_deep"),
    fine("brackets in a text", lines(f'{{"prompt": "{"[" * 500}", "answer": "a"}}'), 1),
    fine("fifty levels", lines(f'{{"prompt": "p", "answer": "a", "x": {"[" * 50 + "]" * 50}}}'), 1),
    bad("a row of 20 MB", f'{{"prompt": "{"x" * 20_000_000}", "answer": "a"}}', "row_too_long"),
    Nasty(
        "a row of 2 MB", f'{{"prompt": "{"x" * 2_000_000}", "answer": "a"}}\n', (1, 0, 0), ((1, "long_row"),)
    ),
]

LINES = [
    fine(
        "the same answer called good and bad",
        '{"prompt": "p", "completion": "a", "label": true}\n{"prompt": "p", "completion": "a", "label": false}\n',
        2,
        issues=((2, "opposite_row"),),
        format="verdict",
        method="kto",
    ),
    fine(
        "Windows' line ends",
        PA + "\r\n" + PA.replace("p", "q", 1).replace("qrompt", "prompt") + "\r\n",
        2,
        issues=((2, "duplicate_row"),),
    ),
    fine("mixed line ends", '{"prompt": "1", "answer": "a"}\r\n{"prompt": "2", "answer": "a"}\n', 2),
    fine("no line end at the end", PA, 1),
    fine("blank lines", f"\n\n{PA}\n   \n\t\n\r\n", 1, 5),
    fine("blank lines at the end", f"{PA}\n\n\n", 1, 2),
    Nasty(
        "old Macintosh line ends",
        PA + "\r" + PA + "\r",
        (0, 1, 0),
        ((1, "cr_line_ends"), (1, "invalid_json", None, 32)),
        format=None,
    ),
    Nasty(
        "the same row three times",
        lines(PA, PA, '{"prompt": "q", "answer": "a"}', PA),
        (4, 0, 0),
        ((2, "duplicate_row"), (4, "duplicate_row")),
    ),
    spoilt("an empty file", "", "empty_file"),
    spoilt("a mark and nothing else", b"\xef\xbb\xbf", "empty_file"),
    spoilt("nothing but blank lines", "\n \n\n", "no_rows", blank=3),
    Nasty(
        "nothing but bad rows",
        "{\n}\n[\n",
        (0, 3, 0),
        ((1, "invalid_json"), (2, "invalid_json"), (3, "invalid_json")),
        format=None,
    ),
    Nasty(
        "control characters",
        lines(
            '{"prompt": "\\u001b[31mred", "answer": "a"}',
            '{"prompt": "a\u202eb", "answer": "a"}',
            '{"prompt": "\x7f", "answer": "\\u0000"}',
        ),
        (3, 0, 0),
        ((1, "control_chars", "prompt"), (2, "control_chars", "prompt"), (3, "control_chars", "prompt")),
    ),
    fine("a text that looks like controls", lines('{"prompt": "\\\\u001b", "answer": "tab\\tline\\n"}'), 1),
    fine("markup in texts", lines('{"prompt": "<b>x</b> <script>", "answer": "&amp;"}'), 1),
]

SCHEMAS = [
    Nasty("unknown fields", lines({"foo": 1, "bar": 2}), (0, 1, 0), ((1, "unknown_schema"),), format=None),
    bad(
        "messages among answers",
        lines(
            {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
        ).strip(),
        "schema_mismatch",
    ),
    bad("text among answers", '{"text": "x"}', "schema_mismatch"),
    bad("questions among prompts", '{"question": "x", "answer": "y"}', "schema_mismatch"),
    Nasty(
        "output and response differ",
        lines({"instruction": "i", "output": "a", "response": "b"}),
        (0, 1, 0),
        ((1, "ambiguous_fields", "response"),),
        format="instruction",
    ),
    fine(
        "output and response agree",
        lines({"instruction": "i", "output": "a", "response": "a"}),
        1,
        format="instruction",
    ),
    Nasty(
        "two formats at once",
        lines({"prompt": "p", "answer": "a", "text": "t"}),
        (1, 0, 0),
        ((None, "ambiguous_fields"),),
    ),
    Nasty(
        "text for a method that answers",
        lines({"text": "t"}),
        (1, 0, 0),
        (),
        error="schema_mismatch",
        format="text",
        method="grpo",
    ),
    Nasty(
        "prompts alone for imitation",
        lines({"prompt": "p"}),
        (1, 0, 0),
        (),
        error="schema_mismatch",
        format="prompts",
        method="sft",
    ),
    fine("prompts alone", lines({"prompt": "p"}, {"prompt": "q"}), 2, format="prompts"),
    fine(
        "mapped columns",
        lines({"query": "q", "ideal": "i"}),
        1,
        mapping={"prompt": "query", "answer": "ideal"},
    ),
    Nasty(
        "a mapped column that is missing",
        lines({"query": "q", "answer": "i"}, {"prompt": "q", "answer": "i"}),
        (1, 1, 0),
        ((2, "missing_required_field", "query"),),
        mapping={"prompt": "query"},
    ),
]


def talk(*turns: Any, key: str = "messages") -> str:
    return lines({key: list(turns)})


USER, BOT = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}


def conversation(name: str, content: str, reason: str | None, place: str | None = None, **more: Any) -> Nasty:
    issues = ((1, reason, place),) if reason else ()
    return Nasty(name, content, (0, 1, 0) if reason else (1, 0, 0), issues, **{"format": "messages", **more})


MESSAGES = [
    conversation(
        "an unknown role",
        talk(USER, {"role": "narrator", "content": "x"}),
        "invalid_role",
        "messages[1].role",
    ),
    conversation(
        "a role with a capital",
        talk({"role": "User", "content": "x"}, BOT),
        "invalid_role",
        "messages[0].role",
    ),
    conversation(
        "a role that is a number", talk({"role": 1, "content": "x"}, BOT), "wrong_type", "messages[0].role"
    ),
    conversation("no role", talk({"content": "x"}, BOT), "missing_required_field", "messages[0].role"),
    conversation(
        "no content", talk(USER, {"role": "assistant"}), "missing_required_field", "messages[1].content"
    ),
    conversation(
        "a blank content",
        talk(USER, {"role": "assistant", "content": " "}),
        "empty_required_field",
        "messages[1].content",
    ),
    conversation(
        "a null content",
        talk(USER, {"role": "assistant", "content": None}),
        "wrong_type",
        "messages[1].content",
    ),
    conversation(
        "a picture",
        talk({"role": "user", "content": [{"type": "image_url"}]}, BOT),
        "wrong_type",
        "messages[0].content",
    ),
    conversation("text for messages", lines({"messages": "hi"}), "wrong_type", "messages"),
    conversation("a text among messages", talk("hi", BOT), "wrong_type", "messages[0]"),
    conversation("no messages", talk(), "empty_required_field", "messages"),
    conversation("no answer", talk(USER), "no_assistant_turn", "messages"),
    conversation("no answer where none is needed", talk(USER), None, method="grpo"),
    conversation(
        "text parts", talk({"role": "user", "content": [{"type": "text", "text": "hi"}]}, BOT), None
    ),
    conversation(
        "a tool call without content",
        talk(
            USER,
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": ""},
            BOT,
        ),
        None,
    ),
    conversation(
        "every role",
        talk({"role": "developer", "content": "d"}, {"role": "system", "content": ""}, USER, BOT),
        None,
    ),
    conversation(
        "ShareGPT",
        talk({"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}, key="conversations"),
        None,
        format="conversations",
    ),
    conversation(
        "ShareGPT with an unknown speaker",
        talk({"from": "martian", "value": "x"}, key="conversations"),
        "invalid_role",
        "conversations[0].from",
        format="conversations",
    ),
    conversation(
        "ShareGPT without an answer",
        talk({"from": "human", "value": "x"}, key="conversations"),
        "no_assistant_turn",
        "conversations",
        format="conversations",
    ),
    conversation(
        "a pair with one side blank",
        lines({"prompt": "p", "chosen": "c", "rejected": ""}),
        "empty_required_field",
        "rejected",
        format="preference",
    ),
    conversation(
        "pairs of messages",
        lines({"prompt": [USER], "chosen": [BOT], "rejected": [BOT]}),
        None,
        format="preference",
    ),
]

A, B = '{"prompt": "a", "answer": "1"}', '{"prompt": "b", "answer": "2"}'


def document(
    name: str, content: str | bytes, counts: tuple[int, int], *issues: tuple[Any, ...], **more: Any
) -> Nasty:
    return Nasty(name, content, (*counts, 0), issues, **{"file": "train.json", **more})


DOCUMENTS = [
    document("an array", f"[{A}, {B}]", (2, 0)),
    document("an array over lines", f"\n[\n  {A},\n  {B}\n]\n", (2, 0)),
    document("an array with a bad row", f"[{A},\n{{'a': 1}},\n{B}]", (2, 1), (2, "invalid_json", None, 2)),
    document("an array with a comma too many", f"[{A}, {B},]", (2, 1), (3, "invalid_json", None, 65)),
    document("an array that is cut off", f'[{A}, {{"prompt": "b', (1, 1), (2, "invalid_json")),
    document("an array that is never closed", f"[{A}", (1, 1), (2, "invalid_json")),
    document("an array without a comma", f"[{A} {B}]", (1, 1), (2, "invalid_json", None, 33)),
    document(
        "an array with a row that is never closed",
        f'[{{"prompt": "x", {A}, {B}]',
        (2, 1),
        (1, "invalid_json", None, 18),
    ),
    document("an array with crossed brackets", f'[{{"prompt": ["x"}}, {A}]', (1, 1), (1, "invalid_json")),
    document(
        "an array with other values",
        f'[{A}, 1, "x", null]',
        (1, 3),
        (2, "non_object"),
        (3, "non_object"),
        (4, "non_object"),
    ),
    document(
        "an array with a wrong type",
        f'[{A},\n {{"prompt": "x", "answer": 3.5}}]',
        (1, 1),
        (2, "wrong_type", "answer", 28),
    ),
    document("text after the array", f"[{A}] x", (1, 1), (2, "invalid_json")),
    document("an empty array", "[]", (0, 0), error="no_rows", format=None),
    document("an array with a row twice", f"[{A}, {A}]", (2, 0), (2, "duplicate_row")),
    document("prompts", '{"prompts": ["a", {"prompt": "b", "id": 1}]}', (2, 0), format="prompts"),
    document(
        "prompts with a blank one",
        '{"prompts": ["a", " "]}',
        (1, 1),
        (2, "empty_required_field", "prompt"),
        format="prompts",
    ),
    document("lines that call themselves json", lines(A, B), (2, 0)),
    document("one object over lines", '{\n"prompt": "a",\n"answer": "b"\n}\n', (1, 0)),
    document(
        "bad bytes in an array",
        b"[" + A.encode() + b', {"prompt": "\xff", "answer": "x"}]',
        (1, 1),
        (2, "invalid_encoding", None, 46),
    ),
    document(
        "a key twice in an array",
        f'[{A}, {{"prompt": "x", "prompt": "x", "answer": "y"}}]',
        (1, 1),
        (2, "duplicate_key", "prompt"),
    ),
]


def table(
    name: str, content: str | bytes, counts: tuple[int, int, int], *issues: tuple[Any, ...], **more: Any
) -> Nasty:
    return Nasty(name, content, counts, issues, **{"file": "train.csv", **more})


TABLES = [
    table("a table", "prompt,answer\na,1\nb,2\n", (2, 0, 0)),
    table("quoted cells over lines", 'prompt,answer\n"a\n\nb, ""c""",1\nd,2\n', (2, 0, 0)),
    table("too few cells", "prompt,answer\na\nb,2\n", (1, 1, 0), (2, "missing_required_field", "answer")),
    table("too many cells", "prompt,answer\na,1,x\nb,2\n", (1, 1, 0), (2, "schema_mismatch")),
    table(
        "blank cells and lines",
        "prompt,answer\na, \n\nb,2\n",
        (1, 1, 1),
        (2, "empty_required_field", "answer"),
    ),
    table("a quote never closed", 'prompt,answer\n"a,1\nb,2\nc,3\n', (2, 1, 0), (2, "schema_mismatch")),
    table("text behind a quote", 'prompt,answer\n"a"b,1\nc,3\n', (1, 1, 0), (2, "schema_mismatch")),
    table(
        "Latin-1 in a table", b"prompt,answer\ncaf\xe9,1\nb,2\n", (1, 1, 0), (2, "invalid_encoding", None, 4)
    ),
    table("a raw escape in a table", "prompt,answer\n\x1b[1m,1\n", (1, 0, 0), (2, "control_chars", "prompt")),
    table("semicolons, a mark, Windows", b"\xef\xbb\xbfprompt;answer\r\na;1\r\n", (1, 0, 0)),
    table("tabs", "prompt\tanswer\na, b\t1\n", (1, 0, 0), file="train.tsv"),
    table("a column twice", "prompt,prompt\na,1\n", (0, 0, 0), error="duplicate_key", format=None),
    table("a header alone", "prompt,answer\n", (0, 0, 0), error="no_rows", format=None),
    table("other columns", "a,b\n1,2\n", (0, 1, 0), (2, "unknown_schema"), format=None),
    table(
        "old Macintosh line ends in a table",
        "prompt,answer\ra,1\r",
        (0, 0, 0),
        error="unsupported_encoding",
        format=None,
    ),
    table("a row twice", "prompt,answer\na,1\na,1\n", (2, 0, 0), (3, "duplicate_row")),
]

ARCHIVES = [
    Nasty(
        "lines, zipped",
        gzip.compress(lines(A, "{", B).encode()),
        (2, 1, 0),
        ((2, "invalid_json", None, 2),),
        file="train.jsonl.gz",
    ),
    Nasty("an array, zipped", gzip.compress(f"[{A}]".encode()), (1, 0, 0), file="train.json.gz"),
    Nasty("a table, zipped", gzip.compress(b"prompt,answer\na,1\n"), (1, 0, 0), file="train.csv.gz"),
    Nasty("zipped without saying so", gzip.compress(lines(A).encode()), (1, 0, 0)),
    spoilt(
        "an archive that is cut off",
        gzip.compress(lines(A, B).encode())[:-9],
        "unreadable",
        file="train.jsonl.gz",
    ),
    spoilt("no archive", lines(A), "unsupported_file_type", file="train.jsonl.gz"),
    spoilt("an archive of nothing", gzip.compress(b""), "empty_file", file="train.jsonl.gz"),
    spoilt("a bomb", gzip.compress(bytes(120_000_000)), "unsafe_archive", file="train.jsonl.gz"),
    spoilt(
        "a bomb of rows",
        gzip.compress(lines(A).encode() * 3_000_000),
        "unsafe_archive",
        file="train.jsonl.gz",
    ),
    spoilt("a zip archive", b"PK\x03\x04" + bytes(60), "unsupported_file_type"),
    spoilt("no Parquet", b"PAR1" + bytes(40) + b"PAR1", "unreadable", file="train.parquet"),
    spoilt("an empty Parquet", b"", "empty_file", file="train.parquet"),
    spoilt("a spreadsheet", b"PK\x03\x04" + bytes(60), "unsupported_file_type", file="train.xlsx"),
    spoilt("a text file", "hello", "unsupported_file_type", file="train.txt"),
    spoilt("a file without a type", PA, "unsupported_file_type", file="train"),
]

NASTY: list[Nasty] = [
    *SYNTAX,
    *KEYS,
    *FIELDS,
    *ENCODINGS,
    *NUMBERS,
    *LINES,
    *SCHEMAS,
    *MESSAGES,
    *DOCUMENTS,
    *TABLES,
    *ARCHIVES,
]
