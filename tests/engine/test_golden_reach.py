"""Golden numbers prove the engine only where they are aimed at what the engine calls.

Read from the sources: which names of the product a run can come to, from any function of `droid_tune.train` and from
`droid_tune.rollout.generate`, by what each definition mentions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PRODUCT = "droid_tune"
ROOTS = ("droid_tune.train", "droid_tune.rollout.generate")
AIMED = (
    *("golden_adapter.py", "test_golden.py"),
    *("golden2/preference.py", "golden2/online.py", "golden2/distillation.py"),
)


@pytest.fixture(scope="module")
def modules() -> Modules:
    return modules_of(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def called(modules: Modules) -> set[str]:
    """What a run can come to, by name."""
    return reached(modules, ROOTS)


@pytest.mark.parametrize("file", AIMED)
def test_the_golden_numbers_are_of_what_a_run_calls(
    project_root: Path, modules: Modules, called: set[str], file: str
) -> None:
    source = (project_root / "tests" / "engine" / file).read_text(encoding="utf-8")
    aimed = {modules.defined(name) for name in imported(ast.parse(source)).values() if within(name, PRODUCT)}
    assert aimed, "nothing of the product is imported"
    assert sorted(aimed - called) == []


def test_a_function_that_only_tests_call_is_found_out(tmp_path: Path) -> None:
    package = tmp_path / PRODUCT
    for folder in ("train", "methods"):
        (package / folder).mkdir(parents=True)
    (package / "methods" / "__init__.py").write_text("from droid_tune.methods.sums import total\n")
    (package / "methods" / "sums.py").write_text(
        "def total(values):\n    return _added(values)\n"
        "def _added(values):\n    return sum(values)\n"
        "def shadow(values):\n    return _added(values)\n"
    )
    (package / "train" / "loop.py").write_text(
        "from droid_tune import methods\n\n\ndef run():\n    return methods.total([1])\n"
    )
    found = reached(modules_of(tmp_path), ("droid_tune.train",))
    assert {name for name in found if within(name, "droid_tune.methods.sums")} == {
        "droid_tune.methods.sums.total",
        "droid_tune.methods.sums._added",
    }


# --- reading ----------------------------------------------------------------------------------------------------------


class Modules:
    """The product's files by dotted name: what each defines at its top, and what it imports."""

    def __init__(self, trees: dict[str, ast.Module]) -> None:
        self.names = set(trees)
        self.imports = {name: imported(tree) for name, tree in trees.items()}
        self.bodies = {
            f"{module}.{defined}": node
            for module, tree in trees.items()
            for node in tree.body
            for defined in definitions(node)
        }

    def defined(self, name: str) -> str:
        """Where a dotted name comes from, through re-exports."""
        if name in self.bodies or name in self.names:
            return name
        module, _, last = name.rpartition(".")
        again = self.imports.get(module, {}).get(last)
        return name if again is None else self.defined(again)

    def mentioned(self, name: str) -> Iterator[str]:
        """The product's definitions that the definition `name` speaks of."""
        module = max((one for one in self.names if within(name, one)), key=len)
        known = self.imports[module] | {
            one.rpartition(".")[2]: one for one in self.bodies if one.rpartition(".")[0] == module
        }
        for chain in chains(self.bodies[name]):
            first, *rest = chain.split(".")
            if first not in known:
                continue
            target = self.defined(known[first])
            for part in rest:  # through modules, to what they define
                if target not in self.names:
                    break
                target = self.defined(f"{target}.{part}")
            if target in self.bodies:
                yield target


def modules_of(root: Path) -> Modules:
    files = sorted((root / PRODUCT).rglob("*.py"))
    return Modules({dotted(file.relative_to(root)): ast.parse(file.read_text("utf-8")) for file in files})


def reached(modules: Modules, roots: Iterable[str]) -> set[str]:
    """Every definition that a definition within `roots` leads to."""
    found: set[str] = set()
    waiting = [name for name in modules.bodies if any(within(name, root) for root in roots)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += modules.mentioned(name)
    return found


def imported(tree: ast.AST) -> dict[str, str]:
    """The names that imports anywhere in a file bring, and what they stand for."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
    return found


def definitions(node: ast.stmt) -> list[str]:
    """What a statement at the top of a file defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def chains(node: ast.AST) -> set[str]:
    """Every `a`, `a.b`, `a.b.c` in a piece of source."""
    return {ast.unparse(one) for one in ast.walk(node) if isinstance(one, ast.Name) or dotted_names(one)}


def dotted_names(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")
