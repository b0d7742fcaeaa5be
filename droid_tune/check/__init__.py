"""The signal check: what a minute with the starting model says of a run before hours are committed to it."""
