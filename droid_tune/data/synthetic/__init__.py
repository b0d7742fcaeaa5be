"""Rows that are made, not found: the arithmetic behind the starter and small sample data."""
