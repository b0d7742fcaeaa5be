"""What of a run is kept on disk, and what it tells."""
