"""Environments (floor 3): what a model acts in, turn by turn, and how its calls of tools are read."""
