"""Runs in processes of their own, as the tests of training have them."""

from tests.engine.train.conftest import in_process

__all__ = ["in_process"]
