"""A library that puts another module in its own place while it is read is whole for every thread that asks for it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from droid_tune.model_files.tokenizer import import_whole

#: what transformers does: the module that was begun is replaced at its end
SELF_REPLACING = """
import sys, types
from selfreplacing_gate import reading, go_on
reading.set()
assert go_on.wait(60)
whole = types.ModuleType(__name__)
whole.__spec__, whole.__file__, whole.Name = __spec__, __file__, 7
sys.modules[__name__] = whole
"""


def test_a_second_thread_gets_the_module_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`from selfreplacing import Name` in its place ends in an ImportError."""
    gate = ModuleType("selfreplacing_gate")
    reading, go_on = threading.Event(), threading.Event()
    gate.reading, gate.go_on = reading, go_on  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "selfreplacing_gate", gate)
    (tmp_path / "selfreplacing.py").write_text(SELF_REPLACING)
    monkeypatch.syspath_prepend(tmp_path)
    found: list[object] = []

    def ask() -> None:
        found.append(getattr(import_whole("selfreplacing"), "Name", None))

    first, second = threading.Thread(target=ask), threading.Thread(target=ask)
    first.start()
    assert reading.wait(60)
    second.start()
    second.join(0.2)
    assert second.is_alive(), "it waits for the first"
    go_on.set()
    first.join(60)
    second.join(60)
    sys.modules.pop("selfreplacing", None)
    assert found == [7, 7]
