"""Take a run's result away (floor 4)."""
