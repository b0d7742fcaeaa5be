"""Processes for code that is not ours: shut in, and ended with all that they started."""
