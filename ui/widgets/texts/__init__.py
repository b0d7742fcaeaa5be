"""Text to be read."""
