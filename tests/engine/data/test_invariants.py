"""What holds for any bytes whatever: every row is accounted for, and the fast way says what the exact way says."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from droid_tune.data.formats.base import Layout
from droid_tune.data.formats.table import FORMATS_BY_NAME
from droid_tune.data.issues import RowFault
from droid_tune.data.reading.examine import examine_line
from droid_tune.data.reading.files import feed, jsonl
from droid_tune.data.reading.files import lines as line_blocks
from droid_tune.data.report import Report
from droid_tune.data.validate import validate

LAYOUT = Layout(FORMATS_BY_NAME["prompt_answer"])

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["prompt", "answer", "system", "x", "text", "messages", ""])
objects = st.dictionaries(names, values, max_size=4)
good = st.fixed_dictionaries(
    {"prompt": st.text(min_size=1, max_size=12), "answer": st.text(min_size=1, max_size=6)},
    optional={"x": values},
)
#: Objects written by hand, so that keys may be repeated.
pairs = st.lists(st.tuples(names, values), max_size=4).map(
    lambda items: "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in items) + "}"
)
rows = st.one_of(
    good.map(lambda row: json.dumps(row, ensure_ascii=False)),
    good.map(json.dumps),
    objects.map(json.dumps),
    values.map(json.dumps),
    pairs,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A row's bytes with a few of them changed, inserted or taken away."""
    raw = bytearray(draw(rows).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(raw)))
        what = draw(st.sampled_from(["drop", "insert", "replace"]))
        byte = draw(st.sampled_from(b'{}[]",:\\\r\t \x00\xff\xc3\xed019eEuN-'))
        if what == "insert":
            raw.insert(place, byte)
        elif place < len(raw):
            raw[place : place + 1] = b"" if what == "drop" else bytes([byte])
    return bytes(raw).replace(b"\n", b" ")


any_line = (
    damaged()
    | rows.map(lambda row: row.encode("utf-8", "surrogatepass"))
    | st.sampled_from([b"", b"  ", b"\r"])
)
files = st.lists(any_line, max_size=12).map(b"\n".join) | st.binary(max_size=200)


def report_on(raw: bytes, name: str = "train.jsonl") -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        return validate(path)


def physical_rows(raw: bytes) -> int:
    text = raw.removeprefix(b"\xef\xbb\xbf")
    return text.count(b"\n") + (not text.endswith(b"\n") and bool(text))


@given(files)
@settings(max_examples=60, deadline=None)
def test_every_physical_row_is_accepted_rejected_or_blank(raw: bytes):
    [file] = report_on(raw).files
    if file.error is None or file.error.reason == "no_rows":
        assert file.accepted + file.rejected + file.blank == physical_rows(raw)
    else:
        assert file.accepted + file.rejected + file.blank == 0


@given(files)
@example(
    b'{\n{"prompt": "a", "answer": "b", "text": "c"}'
)  # a word on the whole file, said after the first row's fault
@settings(max_examples=60, deadline=None)
def test_every_rejected_row_has_exactly_one_error_and_places_rise(raw: bytes):
    report = report_on(raw)
    errors = [issue.place for issue in report.issues if issue.severity == "error"]
    assert len(errors) == len(set(errors)) == report.rejected
    places = [issue.place for issue in report.issues]
    assert places == sorted(places)
    json.dumps(report.to_json(), allow_nan=False).encode()


def exact(line: bytes) -> tuple[str, int | None, str | None] | None:
    """What the slow, exact way says of a line: (reason, column, field), None where it is right."""
    try:
        examine_line(line, LAYOUT)
    except RowFault as fault:
        return fault.reason, fault.column, fault.field
    return None


@given(st.lists(any_line, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_fast_way_says_what_the_exact_way_says(some: list[bytes]):
    first = b'{"prompt": "p", "answer": "a"}'
    # Five good rows in front, so that there is no doubt about the format of the file.
    lines = [first] * 12 + [line.removesuffix(b"\r") for line in some]
    told = {
        issue.line: (issue.reason, issue.column, issue.field)
        for issue in report_on(b"\n".join(lines) + b"\n").issues
        if issue.severity == "error"
    }
    for number, line in enumerate(lines, 1):
        wanted = None if not line.strip(b" \t\r") else exact(line)
        assert told.get(number) == wanted


@given(st.lists(any_line, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_way_is_the_same_zipped(some: list[bytes]):
    raw = b"\n".join(some)
    plain, zipped = report_on(raw), report_on(gzip.compress(raw), "train.jsonl.gz")
    assert (plain.accepted, plain.rejected, plain.blank) == (zipped.accepted, zipped.rejected, zipped.blank)


@given(st.lists(good | objects | values, max_size=8), st.sampled_from([None, 1, "\t"]))
@settings(max_examples=60, deadline=None)
def test_an_array_is_judged_as_its_rows_are(some: list[Any], indent: Any):
    sound = [one for one in some if _writable(one)]
    array = report_on(json.dumps(sound, indent=indent).encode(), "train.json")
    lines = report_on("".join(json.dumps(one) + "\n" for one in sound).encode())
    assert (array.accepted, array.rejected) == (lines.accepted, lines.rejected)
    assert [(issue.index, issue.reason) for issue in array.issues] == [
        (issue.line, issue.reason) for issue in lines.issues
    ]


def _writable(value: Any) -> bool:
    json.dumps(value, allow_nan=False)
    return True


@given(st.binary(max_size=120).map(lambda raw: b'[{"prompt": "a", "answer": "b"},' + raw))
@settings(max_examples=60, deadline=None)
def test_a_broken_array_never_hides_the_rows_before_and_always_ends(raw: bytes):
    report = report_on(raw, "train.json")
    assert report.accepted >= 1
    assert len([issue for issue in report.issues if issue.severity == "error"]) == report.rejected


@given(st.binary(max_size=160).map(lambda raw: b"prompt,answer\na,1\n" + raw))
@settings(max_examples=60, deadline=None)
def test_a_broken_table_never_hides_the_rows_before_and_always_ends(raw: bytes):
    report = report_on(raw, "train.csv")
    assert report.accepted >= 1
    assert len([issue for issue in report.issues if issue.severity == "error"]) == report.rejected


@given(files, st.integers(1, 40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_where_blocks_end_makes_no_difference(monkeypatch: pytest.MonkeyPatch, raw: bytes, block: int):
    # Good rows in front, so that the first block settles the format whatever its size.
    raw = b'{"prompt": "p", "answer": "a"}\n' * 13 + raw
    whole = report_on(raw).to_json()
    with monkeypatch.context() as patch:
        patch.setattr(line_blocks, "BLOCK_BYTES", block)
        patch.setattr(jsonl, "PIECE", 8)
        pieces = report_on(raw).to_json()
    assert _counts(whole) == _counts(pieces)


@given(st.lists(good | objects, max_size=6), st.integers(1, 30), st.sampled_from([None, 1]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_where_windows_end_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch, some: list[Any], chunk: int, indent: Any
):
    raw = json.dumps(some, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace")
    whole = report_on(raw, "train.json").to_json()
    with monkeypatch.context() as patch:
        patch.setattr(feed, "CHUNK_BYTES", chunk)
        pieces = report_on(raw, "train.json").to_json()
    assert _counts(whole)[:3] == _counts(pieces)[:3]


def _counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["accepted"], report["rejected"], report["blank"]
