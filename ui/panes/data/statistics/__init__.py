"""What the data is like."""
