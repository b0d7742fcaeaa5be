"""What a run starts from, and its first words."""
