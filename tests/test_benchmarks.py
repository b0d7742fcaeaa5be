"""Benchmarks run on demand and no gate runs them: what they import from us must at least be there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pytest

from tests.test_floors import ROOT, read_imports

FOLDER = ROOT / "tests" / "benchmarks"


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.py")), ids=lambda file: file.stem)
def test_a_benchmark_imports_what_is_there(file: Path) -> None:
    for found in read_imports(file.stem, file):
        if found.imported.partition(".")[0] in ("droid_tune", "ui", "tests"):
            assert there(found.imported), str(found)


def there(name: str) -> bool:
    """Whether a dotted name is a module of ours or something in one."""
    try:
        import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        try:
            resolve_name(f"{module}:{attribute}")
        except (ModuleNotFoundError, AttributeError):
            return False
    return True


def test_what_is_not_there_is_seen() -> None:
    assert there("droid_tune.words.shortened")
    assert not there("droid_tune.words.lengthened")
    assert not there("droid_tune.phrases")
