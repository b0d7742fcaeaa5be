"""Rewards: small functions of a completion and its row, added up with weights (floor 3)."""
