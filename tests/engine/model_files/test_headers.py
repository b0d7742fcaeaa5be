"""safetensors headers: what the library of the format refuses is refused, and double names besides."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open

from droid_tune.errors import UserError
from droid_tune.model_files.headers import BITS_OF, Tensor, read_header, read_headers
from tests.weights import header_only


def entry(begin: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, object]:
    return {
        "dtype": dtype,
        "shape": [(end - begin) // 4] if shape is None else shape,
        "data_offsets": [begin, end],
    }


def written(file: Path, header: object, numbers: int) -> Path:
    """A file of a header (an object, or its JSON) and so many bytes behind it."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"x" * numbers)
    return file


SOUND = {
    "one array": ({"a": entry(0, 8)}, 8),
    "out of order": ({"b": entry(8, 16), "a": entry(0, 8)}, 16),
    "no array": ({}, 0),
    "an empty array": ({"a": entry(0, 0, [0]), "b": entry(0, 8)}, 8),
    "a scalar": ({"a": entry(0, 4, [])}, 4),
    "metadata": ({"__metadata__": {"format": "mlx"}, "a": entry(0, 8)}, 8),
    "the metadata that MLX writes where it was given none": ({"__metadata__": None, "a": entry(0, 8)}, 8),
    "spaces behind": (json.dumps({"a": entry(0, 8)}) + "   ", 8),
    "half bytes": ({"a": entry(0, 4, [8], "F4")}, 4),
}
UNSOUND = {
    "cut off": ({"a": entry(0, 8)}, 7),
    "bytes behind the last array": ({"a": entry(0, 8)}, 9),
    "an overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, 12),
    "the same place twice": ({"a": entry(0, 8), "b": entry(0, 8)}, 8),
    "a gap": ({"a": entry(0, 8), "b": entry(12, 16)}, 16),
    "a gap at the start": ({"a": entry(4, 8)}, 8),
    "a shape of more numbers": ({"a": entry(0, 8, [3])}, 8),
    "a negative length": ({"a": entry(0, 8, [-1, -2])}, 8),
    "an end before its begin": ({"a": entry(8, 0, [0])}, 8),
    "a type of no size": ({"a": entry(0, 8, dtype="Q9")}, 8),
    "a type that is a number": ({"a": {**entry(0, 8), "dtype": 4}}, 8),
    "an offset that is true": ({"a": {**entry(0, 8), "data_offsets": [False, 8]}}, 8),
    "an offset of three": ({"a": {**entry(0, 8), "data_offsets": [0, 4, 8]}}, 8),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, 8),
    "metadata that is no text": ({"__metadata__": {"a": 1}, "b": entry(0, 8)}, 8),
    "a list": ([1], 0),
    "no JSON": ("{", 0),
    "deep JSON": ('{"a":' + "[" * 20_000, 0),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_are_read_as_the_library_reads_them(name: str, tmp_path: Path) -> None:
    file = written(tmp_path / "w.safetensors", *SOUND[name])
    with safe_open(file, framework="np") as library:
        expected = {
            key: Tensor(key, str(part.get_dtype()), tuple(part.get_shape()))
            for key in library.keys()  # noqa: SIM118
            for part in (library.get_slice(key),)
        }
    assert {one.name: one for one in read_header(file)} == expected


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_files_are_refused_as_the_library_refuses_them(name: str, tmp_path: Path) -> None:
    file = written(tmp_path / "w.safetensors", *UNSOUND[name])
    with pytest.raises(SafetensorError), safe_open(file, framework="np"):
        pass
    with pytest.raises(UserError, match="cut off") as caught:
        read_header(file)
    assert str(file) in str(caught.value)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """The library takes the later one in silence where both name the same place."""
    one = json.dumps(entry(0, 8))
    file = written(tmp_path / "w.safetensors", f'{{"a":{one},"a":{one}}}', 8)
    with safe_open(file, framework="np") as library:
        assert list(library.keys()) == ["a"]
    with pytest.raises(UserError, match="damaged"):
        read_header(file)


def test_a_cut_off_file_says_how_much_is_there(tmp_path: Path) -> None:
    header = {"a": entry(0, 1000)}
    whole = 8 + len(json.dumps(header)) + 1000
    with pytest.raises(UserError, match=f"cut off: {whole - 3:,} of {whole:,} bytes"):
        read_header(written(tmp_path / "w.safetensors", header, 997))


@settings(max_examples=60, deadline=None)
@given(place=st.integers(8, 200), byte=st.integers(0, 255))
def test_a_changed_byte_is_judged_as_by_the_library(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    file = tmp_path_factory.mktemp("one") / "w.safetensors"
    header_only(file, {"model.a": ("F32", (2, 3)), "model.b": ("BF16", (4,)), "c": ("U32", (1,))})
    content = bytearray(file.read_bytes())
    content[min(place, len(content) - 1)] = byte
    file.write_bytes(content)
    try:
        with safe_open(file, framework="np") as library:
            names = set(library.keys())
    except SafetensorError:
        names = None
    try:
        found = {one.name for one in read_header(file)}
    except UserError:
        found = None
    assert found == names


def test_every_type_of_the_library_has_a_size(tmp_path: Path) -> None:
    """The library names its types where it meets an unknown one."""
    file = written(tmp_path / "w.safetensors", {"a": entry(0, 8, dtype="Q9")}, 8)
    with pytest.raises(SafetensorError) as caught, safe_open(file, framework="np"):
        pass
    named = str(caught.value).partition("expected one of ")[2].partition(" at line")[0]
    assert {one.strip(" `") for one in named.split(",")} == set(BITS_OF)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    header_only(file, {"a": ("F32", (2,))})
    assert [one.shape for one in read_headers(tmp_path).tensors] == [(2,)]
    header_only(file, {"a": ("F32", (3,))})
    assert [one.shape for one in read_headers(tmp_path).tensors] == [(3,)]


@pytest.mark.parametrize("name", ["x" * 5000, "", "..", "a\0b"])
def test_an_index_of_impossible_names_is_told_as_missing_files(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    assert "1 of its weight files are missing" in read_headers(tmp_path).problems[0]
