"""Every completion of a run, as a table on disk."""
