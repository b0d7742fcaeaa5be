"""The house has floors (DESIGN.md section 2): a lower one never imports a higher one.

Imports are read from the sources, not from running them, so an import inside a function counts too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: The floor of each room of the engine; a file stands where its room does.
FLOORS = {
    "droid_tune.names": -1,  # words that every floor may read
    "droid_tune": 0,  # the package itself: its version
    "droid_tune.bounds": 0,
    "droid_tune.errors": 0,
    "droid_tune.paths": 0,
    "droid_tune.word_split": 0,
    "droid_tune.words": 0,
    "droid_tune.config": 0,
    "droid_tune.control": 0,
    "droid_tune.events": 0,
    "droid_tune.machine": 0,
    "droid_tune.metrics": 0,
    "droid_tune.trial_report": 0,
    "droid_tune.data": 1,
    "droid_tune.estimate": 1,
    "droid_tune.model_files": 1,
    "droid_tune.assistant": 1,
    "droid_tune.queue": 1,
    "droid_tune.race": 1,
    "droid_tune.report": 1,
    "droid_tune.runs": 1,
    "droid_tune.tracking": 1,
    "droid_tune.methods": 2,
    "droid_tune.numerics": 2,
    "droid_tune.environments": 3,
    "droid_tune.model": 3,
    "droid_tune.rewards": 3,
    "droid_tune.rollout": 3,
    "droid_tune.check": 4,
    "droid_tune.export": 4,
    "droid_tune.forgetting": 4,
    "droid_tune.playground": 4,
    "droid_tune.train": 4,
    "droid_tune.workbench": 4,
    "droid_tune.cli": 5,
    "droid_tune.__main__": 5,
}

#: Mathematics: arrays and numbers in, arrays and numbers out; it knows no part of ours but its own floor and the names.
PURE, NAMES = 2, -1
QT = {"PySide6", "shiboken6", "pyqtgraph", "ui"}
#: Slow to import, and MLX must first be imported in the thread that uses it.
HEAVY = {"mlx", "mlx_lm", "transformers", "torch", "tokenizers"}
#: The window reaches the engine through this file only, and only once a run starts.
ENGINE_DOOR = "ui.engine_worker"
TOP_LEVEL = {
    "droid_tune",
    "ui",
    "resources",
    "tests",
    "packaging",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs",
    "findings",
}


@dataclass(frozen=True)
class Import:
    importer: str  # the importing module, dotted
    imported: str  # the imported module or name, dotted
    line: int
    lazy: bool  # inside a function, or for type checkers only
    level: int  # dots of a relative import

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {'.' * self.level}{self.imported}"


def test_no_floor_imports_a_higher_one() -> None:
    assert higher_floor_offences(imports_of(ROOT, "droid_tune")) == []


def test_every_engine_module_has_a_floor() -> None:
    unknown = [
        name
        for name in modules_of(ROOT, "droid_tune")
        if owner(name) == "droid_tune" and name != "droid_tune"
    ]
    assert unknown == [], "give each a line in FLOORS"


def test_the_engine_never_imports_qt() -> None:
    assert banned_offences(imports_of(ROOT, "droid_tune"), QT, except_for={"droid_tune.cli"}) == []


def test_the_command_line_opens_the_window_lazily_and_names_nothing_else_of_it() -> None:
    reaching = [found for found in imports_of(ROOT, "droid_tune.cli") if top(found.imported) in QT]
    assert [found for found in reaching if not found.lazy or not within(found.imported, "ui.app")] == []


def test_the_window_uses_the_lower_floors_and_one_door() -> None:
    assert window_offences(imports_of(ROOT, "ui")) == []


def test_building_the_window_reads_no_heavy_library() -> None:
    """Floors 0 and 1 and the window name MLX and transformers inside functions at most."""
    low = [found for found in imports_of(ROOT, "droid_tune") if floor(found.importer) <= 1]
    assert heavy_offences([*low, *imports_of(ROOT, "ui")]) == []


def test_all_imports_are_absolute() -> None:
    everything = [found for package in ("droid_tune", "ui", "tests") for found in imports_of(ROOT, package)]
    assert [str(found) for found in everything if found.level] == []


def test_the_top_level_holds_what_the_design_says() -> None:
    ours = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert ours - TOP_LEVEL - {"build", "dist"} == set()
    assert not (ROOT / "packaging" / "__init__.py").exists(), "it would shadow the library of the same name"


# --- the checks find what they are for ------------------------------------------------------------------------------

PLANTED = {
    "droid_tune/config/run.py": "def late():\n    from droid_tune.train import loop\n",
    "droid_tune/methods/losses.py": "from droid_tune.names import LossType\nfrom droid_tune.config import methods\n",
    "droid_tune/names.py": "from droid_tune.errors import UserError\n",
    "droid_tune/data/rows.py": "import mlx.core as mx\n",
    "droid_tune/rewards/base.py": "from . import table\n",
    "droid_tune/train/loop.py": "import PySide6.QtCore\n",
    "ui/panes/data.py": "from droid_tune.model import loading\n",
    "ui/main_window.py": "def go():\n    import droid_tune.train\n",
    "ui/engine_worker.py": "from droid_tune.train import train\n",
}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    for name, source in PLANTED.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_a_planted_step_up_is_found_even_inside_a_function(planted: Path) -> None:
    assert higher_floor_offences(imports_of(planted, "droid_tune")) == [
        "droid_tune.config.run:2 imports droid_tune.train.loop",
        "droid_tune.methods.losses:2 imports droid_tune.config.methods",
        "droid_tune.names:1 imports droid_tune.errors.UserError",
    ]


def test_planted_qt_in_the_engine_is_found(planted: Path) -> None:
    found = banned_offences(imports_of(planted, "droid_tune"), QT, except_for={"droid_tune.cli"})
    assert found == ["droid_tune.train.loop:1 imports PySide6.QtCore"]


def test_planted_side_doors_of_the_window_are_found(planted: Path) -> None:
    assert window_offences(imports_of(planted, "ui")) == [
        "ui.engine_worker:1 imports droid_tune.train.train",  # the door, but not inside a function
        "ui.main_window:2 imports droid_tune.train",
        "ui.panes.data:1 imports droid_tune.model.loading",
    ]


def test_planted_mlx_on_a_low_floor_is_found(planted: Path) -> None:
    assert heavy_offences(imports_of(planted, "droid_tune.data")) == [
        "droid_tune.data.rows:1 imports mlx.core"
    ]


def test_a_planted_relative_import_is_found(planted: Path) -> None:
    relative = [found for found in imports_of(planted, "droid_tune.rewards") if found.level]
    assert [str(found) for found in relative] == ["droid_tune.rewards.base:1 imports .table"]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("droid_tune.config.run", 0),
        ("droid_tune.methods.losses", 2),
        ("droid_tune.data_of_another_kind", 0),  # a prefix of letters is not a parent
        ("droid_tune.cli", 5),
    ],
)
def test_the_longest_name_decides_the_floor(module: str, expected: int) -> None:
    assert floor(module) == expected


# --- the rules ------------------------------------------------------------------------------------------------------


def higher_floor_offences(found: list[Import]) -> list[str]:
    ours = [one for one in found if within(one.imported, "droid_tune")]
    return [str(one) for one in ours if steps_up(floor(one.importer), floor(one.imported))]


def steps_up(importer: int, imported: int) -> bool:
    if importer == PURE:
        return imported not in (PURE, NAMES)
    return imported > importer


def banned_offences(found: list[Import], banned: set[str], except_for: set[str]) -> list[str]:
    return [
        str(one)
        for one in found
        if top(one.imported) in banned and not any(within(one.importer, allowed) for allowed in except_for)
    ]


def window_offences(found: list[Import]) -> list[str]:
    return [str(one) for one in found if within(one.imported, "droid_tune") and not window_may(one)]


def window_may(one: Import) -> bool:
    if floor(one.imported) <= 1:
        return True
    return one.importer == ENGINE_DOOR and one.lazy and floor(one.imported) == 4


def heavy_offences(found: list[Import]) -> list[str]:
    return [str(one) for one in found if top(one.imported) in HEAVY and not one.lazy]


def floor(module: str) -> int:
    return FLOORS[owner(module)]


def owner(module: str) -> str:
    """The longest name in FLOORS that holds the module."""
    return max((name for name in FLOORS if within(module, name)), key=len)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def top(module: str) -> str:
    return module.partition(".")[0]


# --- reading --------------------------------------------------------------------------------------------------------


def imports_of(root: Path, package: str) -> list[Import]:
    """Every import in a package or module of the tree at `root`, in order of file and line."""
    return [found for name, path in modules_of(root, package).items() for found in read_imports(name, path)]


def modules_of(root: Path, package: str) -> dict[str, Path]:
    """Dotted name -> file of a package's or a single module's sources."""
    base = root.joinpath(*package.split("."))
    paths = sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]
    return {dotted(path.relative_to(root)): path for path in paths if path.is_file()}


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def read_imports(name: str, path: Path) -> Iterator[Import]:
    return visit(ast.parse(path.read_text(encoding="utf-8"), str(path)), name, lazy=False)


def visit(node: ast.AST, importer: str, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names, lineno=line):
                for alias in names:
                    yield Import(importer, alias.name, line, lazy, level=0)
            case ast.ImportFrom(module=module, names=names, lineno=line, level=level):
                for alias in names:
                    imported = ".".join(part for part in (module, alias.name) if part)
                    yield Import(importer, imported, line, lazy, level)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from visit(child, importer, lazy=True)
            case ast.If(test=test) if ast.unparse(test).endswith("TYPE_CHECKING"):
                yield from visit(child, importer, lazy=True)
            case _:
                yield from visit(child, importer, lazy)
