"""Runs in processes of their own, as the tests of training have them."""

from tests.engine.train.conftest import apart, in_process, training

__all__ = ["apart", "in_process", "training"]
