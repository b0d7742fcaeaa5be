"""Functions of ours in the places of mlx-lm's: attention, SwiGLU, and how they are put there."""
