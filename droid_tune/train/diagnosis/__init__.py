"""What the numbers of a run mean, in words."""
