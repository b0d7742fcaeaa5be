"""Which architectures mlx-lm implements, read from its sources: importing it would load MLX, and the window must not."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast


def implementing_module(config: Mapping[str, Any]) -> str | None:
    """The module of `mlx_lm.models` that implements a parsed config.json, chosen as mlx-lm chooses it; else None."""
    folder = _library()
    if folder is None:
        return None
    kind = str(config.get("model_type"))
    by_class, by_kind = _other_names(folder)
    named = next((by_class[kind, one] for one in _classes(config) if (kind, one) in by_class), None)
    module = named or by_kind.get(kind, kind)
    return module if module in _modules(folder) and _defines_a_model(module) else None


def source_of(module: str) -> str:
    """The text of a module that `implementing_module` named; empty where it has none."""
    folder = _library()
    try:
        return "" if folder is None else (folder / "models" / f"{module}.py").read_text(encoding="utf-8")
    except OSError:
        return ""


def _classes(config: Mapping[str, Any]) -> list[str]:
    found: Any = config.get("architectures") or []
    if isinstance(found, list):
        return [str(one) for one in cast("list[Any]", found)]
    return [str(found)]


def _library() -> Path | None:
    """mlx-lm's folder; looking for it imports nothing."""
    found = find_spec("mlx_lm")
    places = found.submodule_search_locations if found is not None else None
    return Path(next(iter(places))) if places else None


@lru_cache(maxsize=1)
def _modules(folder: Path) -> frozenset[str]:
    return frozenset(file.stem for file in (folder / "models").glob("*.py"))


@lru_cache(maxsize=1)
def _other_names(folder: Path) -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    """mlx-lm's two tables of other names: by `(model_type, class)`, and by `model_type` alone."""
    tables: dict[str, dict[Any, str]] = {}
    for statement in ast.parse((folder / "utils.py").read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table):
                tables[name] = ast.literal_eval(table) if name.endswith("REMAPPING") else {}
            case _:
                pass
    return tables.get("MODEL_ARCHITECTURE_REMAPPING", {}), tables.get("MODEL_REMAPPING", {})


@lru_cache(maxsize=16)
def _defines_a_model(module: str) -> bool:
    """Whether it is a model's module, not one of the parts that models share (`cache`, `base`, ...)."""
    return any("Model" in _names_bound(statement) for statement in ast.parse(source_of(module)).body)


def _names_bound(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.ClassDef(name=name):
            return {name}
        case ast.ImportFrom(names=names):
            return {alias.asname or alias.name for alias in names}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case _:
            return set()
