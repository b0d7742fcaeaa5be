"""Completions as cards, and a column of them."""
