"""What a run was begun with and leans on, and what has changed since."""
