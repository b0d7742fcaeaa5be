"""What `packaging/bench` drives: the work, the peers' environments, and the rounds in which the sides take turns."""
