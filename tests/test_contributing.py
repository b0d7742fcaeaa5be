"""What CONTRIBUTING.md names is there: files, and what its examples of additions import and stand beside."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.test_floors import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_FILE = re.compile(r"`([\w/]+/[\w/]+\.py)(?: [^`]*)?`")
_PLACES = ("", "droid_tune/")


@dataclass
class Addition:
    """One file of an example: the lines that it adds, and the lines between which they stand."""

    file: str
    added: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def additions() -> list[Addition]:
    """The files of all examples, in order."""
    found: list[Addition] = []
    for block in re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            if line.startswith(" # "):
                found.append(Addition(line.removeprefix(" # ")))
            elif line.startswith("+"):
                found[-1].added.append(line[1:])
            elif line.strip() != "...":
                found[-1].beside.append(line[1:])
    return found


def imported(source: str) -> Iterator[tuple[str, str]]:
    """`(module, name)` of all imports of ours."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("droid_tune", "ui"):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_files_that_are_named_are_there() -> None:
    named = [name for name in _FILE.findall(TEXT) if "NAME" not in name]
    assert len(named) > 15
    assert [name for name in named if not any((ROOT / place / name).exists() for place in _PLACES)] == []


@pytest.mark.parametrize("addition", additions(), ids=lambda addition: addition.file)
def test_an_example_stands_on_what_is_there(addition: Addition) -> None:
    new = {one.file for one in additions() if not (ROOT / one.file).exists()}
    if addition.file in new:
        source = "\n".join(addition.added)
        assert not addition.beside
    else:
        source = "\n".join(line for line in addition.added if line.startswith("from "))
        there = (ROOT / addition.file).read_text(encoding="utf-8").splitlines()
        assert [line for line in addition.beside if line not in there] == []
    for module, name in imported(source):
        path = f"{module.replace('.', '/')}.py"
        if path not in new:
            assert name in names_of(path), f"{module} has no {name}"


def names_of(path: str) -> set[str]:
    """What a module of ours defines, with what the examples add to it."""
    nodes = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    added = {
        found[1]
        for one in additions()
        if one.file == path
        for found in map(re.compile(r"class (\w+)").match, one.added)
        if found
    }
    return added | {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
