"""Learning from a teacher's distributions: divergences, their averages, and what a teacher is shown."""
