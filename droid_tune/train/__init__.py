"""The loop and what keeps it safe (floor 4). Importing this package imports no MLX."""
