"""Droid Tune's engine: a library that trains language models on MLX and never imports Qt."""

__version__ = "0.1.0"
