"""A race between settings (floor 1): who runs how far, who goes on, and what it is kept as on disk."""
