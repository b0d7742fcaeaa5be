"""The engine as `check_engine.py` of the second golden vectors calls it: a door to the sections beside it.

A section is a file of `golden2/`. Its `LOSSES` names the methods that it has, each a function of the case's inputs and
config; whatever else the checker asks for by name stands in one of the sections under that name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

SECTIONS = Path(__file__).with_name("golden2")


def section(name: str) -> ModuleType:
    """A file of `golden2/`, wherever the checker was started."""
    spec = importlib.util.spec_from_file_location(f"golden2_{name}", SECTIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


preference, online, distillation = (section(name) for name in ("preference", "online", "distillation"))
LOSSES: dict[str, Callable[..., dict[str, Any]]] = {
    **preference.LOSSES,
    **online.LOSSES,
    **distillation.LOSSES,
}


rloo_advantages, a2po_values = online.rloo_advantages, online.a2po_values
sdpo_advantages, sdpo_demonstrations = distillation.sdpo_advantages, distillation.sdpo_demonstrations
teacher_sync, minillm_advantages = distillation.teacher_sync, distillation.minillm_advantages


def loss(method: str, inputs: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """One micro-batch's loss, its gradients and metrics. Raises NotImplementedError for a method that no section has."""
    if method not in LOSSES:
        raise NotImplementedError(method)
    return LOSSES[method](inputs, config)


kto_kl_pairs = preference.kto_kl_pairs
