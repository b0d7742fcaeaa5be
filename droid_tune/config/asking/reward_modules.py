"""What a reward file imports of what lies beside it, found by reading: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

#: files of one reward that are looked at, and bytes of one of them
MOST_FILES, MOST_BYTES = 200, 2**22


def modules_beside(file: Path) -> list[Path]:
    """The Python files in a reward file's folder and below it that it imports, and those that they import; sorted.

    An import that is put together while the file runs is not seen. What cannot be read imports nothing.
    """
    found: set[Path] = set()
    waiting = [file]
    while waiting and len(found) < MOST_FILES:
        looked_at = waiting.pop()
        for one in _imported(looked_at, file.parent):
            if one != file and one not in found:
                found.add(one)
                waiting.append(one)
    return sorted(found)


def _imported(file: Path, root: Path) -> Iterator[Path]:
    for node in ast.walk(_tree(file)):
        match node:
            case ast.Import(names=names):
                for one in names:
                    yield from _files(root, one.name.split("."))
            case ast.ImportFrom(module=module, names=names, level=level):
                base = root if level == 0 else file.parents[min(level, len(file.parents)) - 1]
                inside = module.split(".") if module else []
                yield from _files(base, inside)
                for one in names:
                    yield from _files(base, [*inside, one.name])
            case _:
                pass


def _files(base: Path, parts: list[str]) -> Iterator[Path]:
    """`a.b` as files: a.py or a/__init__.py, then a/b.py or a/b/__init__.py."""
    place = base
    for part in parts:
        yield from (one for one in (place / f"{part}.py", place / part / "__init__.py") if one.is_file())
        place /= part


def _tree(file: Path) -> ast.AST:
    try:
        with file.open("rb") as source:
            return ast.parse(source.read(MOST_BYTES))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.Module([], [])
