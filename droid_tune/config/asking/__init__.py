"""What settings reach for beyond a run's model and data, and what the person allowed."""
