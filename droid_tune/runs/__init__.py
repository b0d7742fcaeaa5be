"""A run on disk (floor 1): its folder, its lock, its log, and what its events amount to."""
