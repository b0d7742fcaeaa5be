"""From data rows to what a learner takes."""
