"""The plan of the house, where the floors do not tell it: one name for one thing, rooms that can be looked over, no circles.

Everything is read from the sources, as in `test_floors.py`.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.test_floors import ROOT, Import, imports_of, modules_of

PACKAGES = ("droid_tune", "ui")
#: what every plug-in folder has: the table of its plug-ins, what they are built on, and the pane of a folder of panes
PLUG_IN_FILES = {"__init__.py", "table.py", "base.py", "pane.py"}
#: rooms in which a newcomer looks for a file by its name
ROOMS = ("droid_tune/model", "droid_tune/data", "droid_tune/runs", "droid_tune/train", "ui")
MOST_FILES = 12

Graph = dict[str, set[str]]


def test_each_class_has_a_name_of_its_own() -> None:
    assert told_twice(class_names(ROOT)) == {}


def test_each_file_has_a_name_of_its_own() -> None:
    assert told_twice(file_names(ROOT)) == {}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_can_be_looked_over(room: str) -> None:
    files = [path.name for path in (ROOT / room).glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MOST_FILES, sorted(files)


def test_only_tests_are_called_tests() -> None:
    ours = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [str(path.relative_to(ROOT)) for path in ours if path.name.startswith("test_")] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """An import inside a function, or for type checkers only, closes a circle as well."""
    assert circles(graph_of(ROOT)) == []


# --- the checks find what they are for ------------------------------------------------------------------------------

PLANTED = {
    "droid_tune/train/loop.py": "from ui.late import Loop\nclass Session: ...\n",
    "ui/session.py": "class Session:\n    class Inner: ...\n",
    "ui/late.py": "def late():\n    from droid_tune.train import loop\nclass Loop: ...\n",
    "ui/panes/runs/loop.py": "class Pane: ...\n",
    "ui/panes/runs/pane.py": "",
    "ui/panes/data/pane.py": "",
}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    for name, source in PLANTED.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_a_planted_namesake_is_found(planted: Path) -> None:
    assert told_twice(class_names(planted)) == {"Session": ["droid_tune/train/loop.py", "ui/session.py"]}
    assert told_twice(file_names(planted)) == {
        "loop.py": ["droid_tune/train/loop.py", "ui/panes/runs/loop.py"]  # pane.py is a plug-in's
    }


def test_a_planted_circle_is_found_even_inside_a_function(planted: Path) -> None:
    assert circles(graph_of(planted)) == [["droid_tune.train.loop", "ui.late"]]


# --- the rules ------------------------------------------------------------------------------------------------------


def told_twice(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def class_names(root: Path) -> dict[str, list[str]]:
    """The files of each class, nested ones as well; private ones are nobody else's business."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sources(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(root).as_posix())
    return found


def file_names(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sources(root):
        if path.name not in PLUG_IN_FILES:
            found[path.name].append(path.relative_to(root).as_posix())
    return found


def sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def graph_of(root: Path) -> Graph:
    """Module -> the modules that it imports, of ours."""
    modules = {name for package in PACKAGES for name in modules_of(root, package)}
    graph: Graph = {name: set() for name in modules}
    for package in PACKAGES:
        for one in imports_of(root, package):
            graph[one.importer] |= {module_of(one, modules)} & modules - {one.importer}
    return graph


def module_of(one: Import, modules: Iterable[str]) -> str:
    """`a.b` for `from a.b import name`, `a.b.c` where that is a module."""
    return one.imported if one.imported in modules else one.imported.rpartition(".")[0]


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan's strongly connected components), more than one each."""
    found: list[list[str]] = []
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found
