"""Public names say what they take, give and raise: nine in ten have a docstring, in the engine and in the window.

Counted are functions, methods and classes of a module without a leading underscore. Not counted is what another place
describes: the stubs of a protocol, a method that a base class of ours has, and Qt's events and models (camelCase).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_floors import ROOT, modules_of

SHARE = 0.9
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
#: class name -> its definition, of one package
Classes = dict[str, ast.ClassDef]


@pytest.mark.parametrize("package", ["droid_tune", "ui"])
def test_nine_in_ten_public_names_are_described(package: str) -> None:
    found = dict(public_names(ROOT, package))
    silent = [name for name, node in found.items() if not ast.get_docstring(node)]
    assert len(silent) <= (1 - SHARE) * len(found), silent


def test_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "droid_tune").mkdir()
    (tmp_path / "droid_tune" / "kiln.py").write_text(SOURCE)
    assert [name for name, _ in public_names(tmp_path, "droid_tune")] == [
        "droid_tune.kiln.fire",
        "droid_tune.kiln.Burns",
        "droid_tune.kiln.Kiln",
        "droid_tune.kiln.Kiln.heat",
        "droid_tune.kiln.GasKiln",
    ]


SOURCE = """
def fire(): ...
def _hidden(): ...
class Burns(Protocol):
    def burn(self): ...
class Kiln:
    def heat(self): ...
    def mousePressEvent(self, event): ...
class GasKiln(Kiln):
    def heat(self): ...
"""


def public_names(root: Path, package: str) -> Iterator[tuple[str, Definition]]:
    """Dotted name and definition of everything that is counted, module by module."""
    trees = {
        name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules_of(root, package).items()
    }
    classes = {
        node.name: node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)
    }
    for module, tree in trees.items():
        for node in definitions(tree.body):
            yield f"{module}.{node.name}", node
            if isinstance(node, ast.ClassDef) and "Protocol" not in ancestors(node, classes):
                for method in definitions(node.body):
                    if not overrides(method.name, node, classes):
                        yield f"{module}.{node.name}.{method.name}", method


def definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def overrides(name: str, node: ast.ClassDef, classes: Classes) -> bool:
    """A base of ours has it, or it is Qt's, whose names are the only ones with capitals inside."""
    above = [classes[base] for base in ancestors(node, classes) if base in classes]
    return name != name.lower() or any(
        method.name == name for base in above for method in definitions(base.body)
    )


def ancestors(node: ast.ClassDef, classes: Classes) -> list[str]:
    """Names of the bases and of theirs, as far as they are ours."""
    direct = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
    return [
        *direct,
        *(name for base in direct if base in classes for name in ancestors(classes[base], classes)),
    ]
