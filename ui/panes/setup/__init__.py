"""Prepare a run."""
