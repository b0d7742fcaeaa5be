"""Learning from a teacher that grades the student's own completions."""
