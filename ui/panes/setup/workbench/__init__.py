"""Rewards written and tried where they are chosen."""
