"""What a run or a night came to (floor 1): read from the runs' files, told on one page."""
