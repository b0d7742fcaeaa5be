"""Metal's watchdog is told to be patient before anything imports MLX."""

from __future__ import annotations

import os

import pytest

from droid_tune.cli import main

VARIABLE = "AGX_RELAX_CDM_CTXSTORE_TIMEOUT"


def test_long_kernels_are_allowed_unless_the_user_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)
    assert main(["methods"]) == 0
    assert os.environ[VARIABLE] == "1"
    monkeypatch.setenv(VARIABLE, "0")
    assert main(["methods"]) == 0
    assert os.environ[VARIABLE] == "0"
